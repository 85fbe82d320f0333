"""Every real-time function reaches only the table's leaves: no Python, no allocation, no lock, no file.

Planted fault: one forbidden call in a copy of the emitted C, deep under a root, and its whole path is named.
"""

import re

import pytest
from calls import ALLOWED, ROOTS, RT, Graph, emitted, faults, functions


@pytest.fixture(scope="module")
def files():
    return emitted()


@pytest.mark.parametrize("root", ROOTS)
def test_a_real_time_function_reaches_only_what_the_table_allows(files, root):
    assert faults(Graph(files), {root: ROOTS[root]}) == []


def test_the_walk_goes_through_methods_pointers_and_headers(files):
    """The worker's loop must be seen to reach the engine's kernels, the tracker, the rules and the rings."""
    graph = Graph(files)
    path, name = graph.root("listen", "worker")
    leaves = graph.leaves(path, name)
    assert {"nanosleep", "clock_gettime", "memcpy", "atomic_store_explicit"} <= set(leaves)
    assert any("engine" in step for trail in leaves.values() for step in trail)
    assert any("tracker" in step for trail in leaves.values() for step in trail)
    assert any("rule" in step for trail in leaves.values() for step in trail)


PLANTS = [
    # module, function to plant in, the call, a root that must see it
    ("engine_sse2", "run_dense", "malloc(64);", "listen"),
    ("tracker", "Tracker_hop", "PyGILState_Ensure();", "listen"),
    ("rules", "rule_for", "PyErr_CheckSignals();", "listen"),
    ("performer", "emit", "pthread_mutex_lock(&m);", "perform"),
    ("features", "FeatureExtractor_consume", "printf(f);", "FeatureExtractor_consume"),
    ("frontend_sse2", "view_look", "calloc(1, 8);", "listen"),
    ("network", "Network_step", "self->hidden(1);", "Network_step"),
    ("midi_port", "kelly_port_send", "malloc(8);", "perform"),
    ("midi_jack", "kelly_jack_process", "jack->port_connected(out->output);", "kelly_jack_process"),
    ("ring", "kelly_ring_commit", "sem_post(s);", "kelly_capture_callback"),
]


@pytest.mark.parametrize(("module", "function", "call", "root"), PLANTS)
def test_a_planted_call_is_found_and_its_path_named(files, module, function, call, root):
    source = RT / "net" / f"{module}.c" if module.startswith(("engine", "network")) else RT / "stream" / f"{module}.c"
    if module in ("ring", "midi_port", "midi_jack"):
        source = source.with_suffix(".h")
    _, name = Graph({source: files[source]}).root(function, module)
    text = source.read_text()
    start = re.search(rf"^(?![ \t}}]).*\b{name}\([^;{{}}]*\{{", text, re.M).end()
    planted = {**files, source: functions(text[:start] + " " + call + text[start:])}
    found = faults(Graph(planted), {root: ROOTS[root]})
    assert len(found) == 1
    assert found[0].endswith(call.split("(")[0])
    assert name in found[0] or root in found[0]


def test_the_table_holds_nothing_that_could_wait():
    everything = {name for names in ALLOWED.values() for name in names}
    assert not {name for name in everything if any(word in name for word in ("alloc", "free", "lock", "Py", "print", "wait", "sem_"))}
