"""What a real-time function may call: read from the C that Cython emitted, followed to the last leaf.

``ROOTS`` names the functions that the real-time threads enter, ``ALLOWED`` what may be called at the end
of every path, ``INDIRECT`` who stands behind a function pointer.  A callee that is in none of kelly's
files and not in the table is a fault, so a Python call, an allocation or a lock cannot slip in.

Run as a script it prints each root with its leaves:  python tests/proofs/calls.py
"""

import re
from pathlib import Path

RT = Path(__file__).resolve().parents[2] / "kelly" / "_rt"

ROOTS = {
    # [audio]
    "kelly_capture_callback": "capture",
    # [worker]
    "listen": "worker",
    # [performer]
    "perform": "performer",
    # [pipeline]
    "PipelineLoop__loop": "pipeline",
    # [jack], a native port's own
    "kelly_jack_process": "midi_jack",
    "kelly_jack_hear": "capture_jack",
    "kelly_midi_in_process": "midi_in_jack",
    # what the loops reach through objects and tables, named again so that nothing depends on their callers
    "FeatureExtractor_consume": "features",
    "Tracker_hop": "tracker",
    "Tracker_tick": "tracker",
    "Tracker_harmony_context": "tracker",
    "Tracker_choose_chord": "tracker",
    "rule_for": "rules",
    "rule_embedding": "rules",
    "rule_reset": "rules",
    "Network_step": "network",
    "Network_clear": "network",
}
"""Function (Cython's cdef functions without their mangled prefix) and the file that holds it."""

MATHS = [
    "acos", "atan2", "ceil", "copysignf", "cos", "exp", "expf", "exp2f", "fabs", "fabsf", "floor", "floorf", "fmaxf", "fminf",
    "isfinite", "isnan", "log", "log10", "log10f", "log2", "log2f", "logf", "lrint", "lrintf", "pow", "powf",
    "round", "sin", "sinf", "sqrt", "sqrtf", "tanh", "tanhf",
]  # fmt: skip

ALLOWED = {
    "memory": ["memcpy", "memset", "memmove"],
    "atomics": ["atomic_load_explicit", "atomic_store_explicit", "atomic_exchange_explicit"],
    "mathematics": MATHS,
    "compiler": ["likely", "unlikely", "__builtin_expect", "__builtin_assume_aligned", "KELLY_PREFETCH", "KELLY_FUSED", "__builtin_prefetch"],
}
"""Leaves that any real-time function may reach."""

INSTRUCTION = re.compile(r"_mm(?:256|512)?_\w+")
"""The compilers' intrinsics: one instruction each, no call."""

WITH_CLOCK = {"clock_gettime", "nanosleep"}
OF_JACK = {
    f"jack->{name}" for name in ("port_get_buffer", "midi_clear_buffer", "midi_event_reserve", "midi_get_event_count", "midi_event_get", "get_cycle_times", "get_time")
}
"""What JACK's own documentation allows in its process callback."""

IN_JACK = {"kelly_jack_process", "kelly_jack_hear", "kelly_midi_in_process"}

CLOCKED = {"listen", "perform", "PipelineLoop__loop"}
"""These loops may also look at the clock and take their one timed sleep."""

INDIRECT = {
    "engine->run": r"__pyx_f_\w+\dengine_[a-z0-9]+_run",
    "_functions->consume": r"__pyx_f_\w+\dfrontend_[a-z0-9]+_consume",
}
"""Call through a pointer that is no method of a Cython class -> pattern of the functions behind it, each followed."""

KEYWORDS = {"if", "for", "while", "switch", "return", "sizeof", "do", "else", "defined", "_Alignof", "__attribute__"}

_NOISE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|^[ \t]*#(?:[^\n]*\\\n)*[^\n]*', re.S | re.M)
_ATTRIBUTE = re.compile(r"__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)")
_MACRO = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)\(([^)\n]*)\)((?:[^\n]*\\\n)*[^\n]*)", re.M)
_HEAD = re.compile(r"^(?!typedef|struct|enum|union|\s|return\b)([^;{}#=\n][^;{}#=]*?)\b(\w+)\s*\(([^;{}]*)\)\s*(?:KELLY_REALTIME\s*)?\{", re.M)
_METHOD = re.compile(r"\(\(struct __pyx_vtabstruct_(\w+_)(\w+?) \*\)[^;]*?__pyx_vtab\)->(\w+)\(")
_POINTER = re.compile(r"(\w+)(?:->|\.)(\w+)\(|\(\*\s*(\w+)\)\s*\(")
_CALL = re.compile(r"(?<![\w.>])([A-Za-z_]\w*)\s*\(")


def functions(text):
    """Every function defined in a C text -> the names it calls; methods as Class_method, pointers as a->b."""
    found = {}
    text = _NOISE.sub(lambda m: " " if not m.group().startswith(('"', "'")) else "0", text)
    text = _ATTRIBUTE.sub(" ", text)
    for head in _HEAD.finditer(text):
        line_end = text.find("\n", head.end())
        line = text[head.end() : line_end]
        body = line if line.rstrip().endswith("}") else text[head.end() : text.find("\n}", head.end())]
        found[head.group(2)] = calls(body)
    return found


def macros(text):
    """Every macro of a header that takes arguments -> the names its body calls, its own arguments left out."""
    return {name: calls(body) - {a.strip() for a in arguments.split(",")} for name, arguments, body in _MACRO.findall(text)}


def calls(body):
    """Names called in a function's body."""
    names = {f"__pyx_f_{module}{len(cls)}{cls}_{method}" for module, cls, method in _METHOD.findall(body)}
    body = _METHOD.sub("(", body)
    names |= {f"{a}->{b}" if a else f"*{c}" for a, b, c in _POINTER.findall(body)}
    return names | (set(_CALL.findall(body)) - KEYWORDS)


def emitted():
    """The C files of the built extension and kelly's headers."""
    files = [*RT.glob("*/*.c"), *RT.glob("*/*.h")]
    found = {}
    for path in sorted(files):
        text = path.read_text(encoding="utf-8", errors="replace")
        found[path] = {**(macros(text) if path.suffix == ".h" else {}), **functions(text)}
    return found


class Graph:
    """All of kelly's C functions; static ones are looked up in their own file first."""

    def __init__(self, files):
        self.files = files
        self.anywhere = {}
        for path, found in files.items():
            for name in found:
                self.anywhere.setdefault(name, path)

    def root(self, name, module):
        """(file, emitted name) of a function of the table."""
        for path, found in self.files.items():
            if path.stem in {module, "ring", "capture"}:
                for emitted_name in found:
                    if emitted_name == name or (path.stem == module and re.fullmatch(rf"__pyx_f_\w*?{module}_\d*{name}", emitted_name)):
                        return path, emitted_name
        raise LookupError(f"{name} is not in the C of {module}; was it renamed or not built?")

    def behind(self, callee):
        """The functions that a call may reach."""
        if callee not in INDIRECT:
            return [callee]
        targets = [name for name in self.anywhere if re.fullmatch(INDIRECT[callee], name)]
        if not targets:
            raise LookupError(f"nothing stands behind {callee}")
        return targets

    def leaves(self, path, name):
        """Callee outside kelly -> one path of names that leads there."""
        ends, seen, queue = {}, set(), [(path, name, (name,))]
        while queue:
            here, function, trail = queue.pop()
            if (here, function) in seen:
                continue
            seen.add((here, function))
            for callee in sorted(self.files[here][function]):
                for target in self.behind(callee):
                    where = here if target in self.files[here] else self.anywhere.get(target)
                    if where is None:
                        ends.setdefault(target, (*trail, target))
                    else:
                        queue.append((where, target, (*trail, target)))
        return ends


def faults(graph, roots=ROOTS):
    """Every forbidden call as one line that names the way to it."""
    everyone = {name for names in ALLOWED.values() for name in names}
    lines = []
    for name, module in roots.items():
        allowed = everyone | (WITH_CLOCK if name in CLOCKED else set()) | (OF_JACK if name in IN_JACK else set())
        for leaf, trail in graph.leaves(*graph.root(name, module)).items():
            if leaf not in allowed and not INSTRUCTION.fullmatch(leaf):
                lines.append(" -> ".join(trail))
    return lines


if __name__ == "__main__":
    graph = Graph(emitted())
    for name, module in ROOTS.items():
        print(f"{name} ({module}): {' '.join(sorted(graph.leaves(*graph.root(name, module))))}")
    for line in faults(graph):
        print("forbidden:", line)
