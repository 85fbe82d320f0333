"""The README's table of speeds: measured, recorded in the history and written into the page by one command.

    python -m benchmarks.table

One call of each of the five nets from Python, all rows in turns in one process on one thread; the median of the calls
that were not interrupted, once right after the same call and once with caches that 64 MB of other numbers went through.
Figures of other machines differ; the ratios differ less.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import threadpoolctl

from benchmarks.ratio import HISTORY, cold, interleaved, processor, record, warm
from kelly import backend
from kelly._rt.contract import NETS
from kelly.nets.json import Model
from kelly.nets.timing import peer
from tests.nets import golden_specs, network

README = Path(__file__).resolve().parents[1] / "README.md"
COMMAND = "python -m benchmarks.table"
BENCHMARK = "readme, warm and cold"
BEGIN, END = f"<!-- written by {COMMAND} -->", "<!-- end -->"
HEADINGS = ("five nets, one call each", "warm us", "times `eigen`", "cold us", "times `eigen`")
KELLY = {
    "eigen": "kelly `eigen`, the default", "stl": "kelly `stl`", "xsimd": "kelly `xsimd`", "fast": "kelly `fast`",
    "int16": "kelly `int16`", "int8": "kelly `int8`",
}  # fmt: skip
PEERS = {"numpy": "NumPy, whole layers", "torch": "PyTorch eager", "onnxruntime": "ONNX Runtime"}
FLOOR = "reading the float32 weights once"
ROUNDS = {"warm": 400, "cold": 200}


def candidates() -> dict[str, object]:
    """Row -> one pass over the five nets."""
    rng, calls = np.random.default_rng(1), {}
    specs = {net.name: golden_specs(net.name) for net in NETS}
    x = {name: rng.normal(0, 1, layers[0].in_size).astype(np.float32) for name, layers in specs.items()}

    def all_of(steps):
        def run():
            for step in steps:
                step()

        return run

    made = {arithmetic: {name: network(layers, arithmetic) for name, layers in specs.items()} for arithmetic in KELLY}
    for arithmetic, five in made.items():
        nets = [(net, x[name], np.empty(net.out_size, np.float32)) for name, net in five.items()]
        calls[arithmetic] = all_of([lambda net=net, a=a, b=b: net.process(a, b) for net, a, b in nets])
    calls["floor"] = all_of([net.read_weights for net in made["eigen"].values()])  # the very memory that `eigen` reads
    for kind in PEERS:
        models = [(Model(layers[0].in_size, tuple(layers), {}, None, ""), x[name]) for name, layers in specs.items()]
        calls[kind] = all_of([peer(kind, model, row) for model, row in models])
    return calls


def table(row: dict) -> str:
    """A row of the history as Markdown, with who measured it and how."""
    columns, warm_times = (row["p50"], row["cold"]), row["p50"]
    names = {**KELLY, **PEERS, "floor": FLOOR}
    lines = [f"| {' | '.join(HEADINGS)} |", "|---" * len(HEADINGS) + "|"]
    for key in sorted(warm_times, key=warm_times.get):
        cells = [f"{times[key] / 1e3:.1f} | {times[key] / times['eigen']:.2f}" for times in columns]
        lines.append(f"| {names[key]} | {' | '.join(cells)} |")
    about = f"`{COMMAND}` on one core of an {row['machine']}, {row['engine']}, {row['date']}, commit {row['commit']}."
    return "\n".join([BEGIN, about, "", *lines, END])


def recorded() -> list[dict]:
    """The rows of this benchmark in the history, oldest first."""
    rows = [json.loads(line) for line in HISTORY.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if row["benchmark"] == BENCHMARK]


def main() -> int:
    with threadpoolctl.threadpool_limits(1):
        calls = candidates()
        times = {state.__name__: interleaved(calls, rounds=ROUNDS[state.__name__], before=state) for state in (warm, cold)}
    record(BENCHMARK, times["warm"], cold={name: round(value, 1) for name, value in times["cold"].items()})
    page = README.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, behind = rest.partition(END)
    text = table(recorded()[-1])
    README.write_text(before + text + behind, encoding="utf-8")
    print(f"{processor()}, {backend()}\n{text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
