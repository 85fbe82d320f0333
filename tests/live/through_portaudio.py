"""The command, hearing a JACK client through PortAudio, as where JACK is not joined directly.

    python through_portaudio.py ARGS
"""

from kelly.__main__ import main
from kelly.audio import sources

if __name__ == "__main__":
    sources._device = sources.LiveSource
    main()
