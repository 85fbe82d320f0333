"""Audio in, MIDI out, without the GIL."""
