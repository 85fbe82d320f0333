"""``kelly doctor``: one page that goes into a bug report as it is."""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import click

from kelly.cli.options import CONFIG, JSON, MODELS, PORT, SOUND, VOICE, console, options
from kelly.config import FILE_NAME, OTHER_VARIABLES, SETTINGS, Config, load_config, user_config_path
from kelly.errors import KellyError

SCHEMA = "kelly.doctor/1"
CPU_FLAGS = ("sse2", "sse4_2", "avx", "avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni")


class Line(NamedTuple):
    """One finding; ``advice`` says what to do when something is wrong, "" when nothing is."""

    name: str
    value: Any
    advice: str = ""


@click.command("doctor")
@click.option("--loop", is_flag=True, help="Also strike notes and measure how long they take to the ear and back.")
@options(SOUND[:2], PORT, MODELS, CONFIG, JSON, VOICE)
def command(loop: bool, **flags: Any) -> int:
    """Report everything a bug report needs.

    Always exits 0: what is missing is a finding, not a failure.  --loop plays to --midi-out (else to a
    fluidsynth of its own) and listens to --audio-in (else, on JACK, to that fluidsynth).
    """
    voice = console(flags)
    logging.getLogger("kelly").setLevel(logging.ERROR)  # the page says it all
    report = examine(flags, (*SECTIONS, ("loop", measure_loop)) if loop else SECTIONS)
    voice.chatter()
    if voice.json:
        voice.report(SCHEMA, {title: [line._asdict() for line in lines] for title, lines in report.items()})
    else:
        voice.data(page(report))
    return 0


def examine(flags: dict[str, Any], sections: Sections) -> dict[str, list[Line]]:
    """Every section's findings; a probe that fails becomes a finding itself."""
    report: dict[str, list[Line]] = {}
    config = Config()
    try:
        given = {name: value for name, value in flags.items() if name != "config" and not name.startswith("no_")}
        config = load_config(flags.get("config"), given)
    except KellyError as error:
        report["configuration"] = [Line("problem", str(error), "until this is repaired, commands exit 2")]
    for title, probe in sections:
        if title in report:
            continue
        try:
            report[title] = probe(config)
        except Exception as error:  # the doctor must survive whatever the patient has
            report[title] = [Line("problem", f"{type(error).__name__}: {error}")]
    return report


def page(report: dict[str, list[Line]]) -> str:
    """The report as text, 1 line per finding, advice after an arrow."""
    width = max(len(line.name) for lines in report.values() for line in lines)
    text = []
    for title, lines in report.items():
        text.append(title)
        text += [f"  {line.name.ljust(width)}  {line.value}{f'  -> {line.advice}' if line.advice else ''}" for line in lines]
    return "\n".join(text)


def version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


def tidy(path: str | os.PathLike[str]) -> str:
    """A path without the user's name in it."""
    text, home = str(path), str(Path.home())
    return "~" + text[len(home) :] if text.startswith(home + os.sep) else text


def software(config: Config) -> list[Line]:
    import kelly

    system = f"{platform.system()} {platform.release()}"
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            system = f"{platform.freedesktop_os_release().get('PRETTY_NAME', 'Linux')}, kernel {platform.release()}"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return [
        Line("kelly", f"{kelly.__version__} in {tidy(Path(kelly.__file__).parent)}"),
        Line("python", python, "" if sys.version_info[:2] == (3, 11) else "kelly is tested with 3.11 only"),
        Line("system", f"{system}, {platform.machine()}"),
        *(Line(name, version(name)) for name in ("numpy", "click", "orjson", "mido", "soundfile")),
    ]


def engine(config: Config) -> list[Line]:
    import kelly
    from kelly._rt.net import network

    forced = [f"{name}={os.environ[name]}" for name in ("KELLY_RT_BACKEND", "KELLY_RT_ISA") if os.environ.get(name)]
    usable = network.available_isas()
    return [
        Line("backend", kelly.backend()),
        Line("because", f"{', '.join(forced)} asks for it" if forced else f"{usable[-1]} is the widest of what this processor runs"),
        Line("instruction sets", " ".join(usable)),
        Line("arithmetic", config.engine.arithmetic),
    ]


def processor(config: Config) -> list[Line]:
    name, flags = platform.processor() or platform.machine(), ""
    with contextlib.suppress(OSError):
        for row in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = row.partition(":")
            name = value.strip() if key.strip() == "model name" else name
            flags = value if key.strip() in ("flags", "Features") else flags
    known = [flag for flag in CPU_FLAGS if flag in flags.split()]
    lines = [Line("model", name), Line("cores", os.cpu_count())]
    lines.append(Line("features", " ".join(known) or "not readable on this system"))
    governor = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    if governor.is_file():
        value = governor.read_text(encoding="utf-8").strip()
        lines.append(Line("governor", value, "" if value == "performance" else "'performance' keeps latencies even"))
    return lines


def privileges(config: Config) -> list[Line]:
    try:
        import resource
    except ImportError:
        return [Line("limits", "not readable on this system")]
    from kelly.live.priority import available

    granted = available()
    refused = "kelly plays all the same, but other programs may hold it up; the lines below say how to get it"
    lines = [Line("priority", "granted" if granted else "refused", "" if granted else refused)]
    unlimited = resource.RLIM_INFINITY
    for name, number, enough, advice in (
        ("rtprio", getattr(resource, "RLIMIT_RTPRIO", None), 1, "add a line '@audio - rtprio 95' to limits.d, join group audio"),
        ("memlock", getattr(resource, "RLIMIT_MEMLOCK", None), 1 << 26, "add a line '@audio - memlock unlimited' to limits.d"),
    ):
        if number is not None:
            soft, _ = resource.getrlimit(number)
            fine = soft == unlimited or soft >= enough or (hasattr(os, "geteuid") and os.geteuid() == 0)
            lines.append(Line(name, "unlimited" if soft == unlimited else soft, "" if fine else advice))
    return lines


def audio(config: Config) -> list[Line]:
    from kelly.audio.devices import audio_inputs, portaudio_version

    lines = [Line("sounddevice", version("sounddevice"))]
    try:
        lines.append(Line("PortAudio", portaudio_version()))
        inputs = audio_inputs()
        lines.append(Line("inputs", len(inputs), "" if inputs else "kelly live will play its demo"))
    except KellyError as error:
        lines.append(Line("PortAudio", "not usable", str(error)))
    return lines


def midi(config: Config) -> list[Line]:
    from ctypes.util import find_library

    from kelly.midi.ports import midi_apis, midi_outputs, virtual_ports

    native = [name for name in ("jack", "rtmidi") if find_library(name)]
    lines = [Line("python-rtmidi", version("python-rtmidi"))]
    lines.append(Line("native libraries", " ".join(native) or "none", "" if native else "librtmidi or libjack would play without Python"))
    try:
        lines.append(Line("APIs", ", ".join(midi_apis()) or "none"))
        virtual = virtual_ports()
        lines.append(Line("virtual ports", "yes" if virtual else "no", "" if virtual else "kelly live will write a MIDI file"))
        lines.append(Line("outputs", len(midi_outputs())))
    except KellyError as error:
        lines.append(Line("MIDI", "not usable", str(error)))
    return lines


def nets(config: Config) -> list[Line]:
    import kelly

    five = kelly.MultiModelProcessor(config.models.path or None, arithmetic=config.engine.arithmetic, insisted=config.models.enabled)
    lines = []
    for slot in five.slots:
        if slot.source == "model":
            digest = slot.sha256[:12] if slot.sha256 else "?"
            lines.append(Line(slot.name, f"model  sha256 {digest}  {slot.nbytes} bytes  {slot.latency_us:.0f} us  {tidy(slot.path)}"))
        else:
            lines.append(Line(slot.name, slot.source, slot.reason))
    from kelly.nets.cache import SWITCH, kept

    folder, count, nbytes = kept()
    lines.append(Line("kept models", f"{count}, {nbytes} bytes in {tidy(folder)}" if folder else "off", "" if folder else SWITCH))
    return lines


def sound(config: Config) -> list[Line]:
    from kelly.audio.synth import find_soundfonts, get_it

    lines = []
    for program, arguments in (("fluidsynth", ["--version"]), ("timidity", ["--version"])):
        if path := shutil.which(program):
            done = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=10, check=False)
            words = [row for row in done.stdout.splitlines() if any(c.isdigit() for c in row)]
            lines.append(Line(program, words[0].strip() if words else path))
        else:
            lines.append(Line(program, "not found", get_it() if program == "fluidsynth" else ""))
    fonts = find_soundfonts()
    lines.append(Line("soundfonts", ", ".join(fonts) or "none", "" if fonts else get_it()))
    return lines


def configuration(config: Config) -> list[Line]:
    files = (user_config_path(), Path(os.environ.get("KELLY_CONFIG") or FILE_NAME))
    lines = [Line(tidy(path), "read" if path.is_file() else "absent") for path in files]
    lines += [Line(key, f"{value}  ({tidy(origin)})") for key, value, origin in config.items() if origin != "default"]
    known = {setting.variable for setting in SETTINGS} | set(OTHER_VARIABLES)
    strange = [name for name in sorted(os.environ) if name.startswith("KELLY_") and name not in known]
    return lines + [Line(name, "set", "kelly reads no such variable") for name in strange]


def measure_loop(config: Config) -> list[Line]:
    """The way of a note: MIDI out, synthesizer, sound, audio in."""
    from kelly.audio.devices import audio_inputs
    from kelly.audio.sources import open_source
    from kelly.live.listen import Listener, jack_answers
    from kelly.live.loop import measure
    from kelly.midi.native import open_named
    from kelly.midi.ports import open_named as open_rtmidi

    with contextlib.ExitStack() as stack:
        port_name, input_name = config.midi.output, config.audio.input
        if port_name == "auto":
            listener = stack.enter_context(Listener())
            port_name = listener.port
            if input_name == "auto" and jack_answers():
                input_name = listener.port.partition(":")[0]
        audio_inputs(refresh=True)  # a synthesizer that has just begun is a device on JACK
        if input_name in ("auto", "demo") or input_name.startswith("file:"):
            return [Line("loop", "not measured", "name the input that hears the synthesizer with --audio-in")]
        source, _ = open_source(input_name, config.audio.channel)
        port = open_named(port_name)
        if port is not None:
            stack.callback(port.close)
            native, lead_s = port, 0.05  # handed over early it leaves at its very frame, as in a session

            def send(message: tuple[int, int, int]) -> float:
                native.send(message, lead_s)
                return lead_s
        else:
            client, _ = open_rtmidi(port_name)
            stack.callback(client.delete)

            def send(message: tuple[int, int, int]) -> float:
                client.send_message(message)
                return 0.0

        found = measure(source, send)
    value = f"{found.median_ms:.1f} ms from {port_name} to {input_name} ({len(found.delays_ms)} of {found.strikes} strikes, spread {found.spread_ms:.1f} ms)"
    return [Line("loop", value, f"--latency-ms {found.median_ms:.0f} lets planned notes leave that much early")]


Sections = tuple[tuple[str, Callable[[Config], list[Line]]], ...]
SECTIONS: Sections = (
    ("software", software),
    ("engine", engine),
    ("processor", processor),
    ("real-time privileges", privileges),
    ("audio", audio),
    ("MIDI", midi),
    ("nets", nets),
    ("sound of MIDI files", sound),
    ("configuration", configuration),
)
