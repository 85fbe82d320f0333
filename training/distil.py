"""First weights: each net learns to answer as kelly's own rule does.

    python -m training.distil [NET ...|all] [--seed 0] [--output models] [--threads 2] [--quick]

The result is *distilled*: the rule in another form, ready to be trained further on music.  Its figure
is agreement with the rule, beside what the mean answer would reach; it says nothing about music.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from kelly._rt.contract import EMBEDDING
from kelly.nets.catalog import CONTRACT_VERSION, NET_NAMES, NetSpec, net_spec
from kelly.nets.export import export_model
from kelly.nets.load import load_network
from kelly.nets.validate import validate_model
from training import material
from training.agreement import Agreement, write_card
from training.material import Material
from training.student import Student, detached, run

VECTOR_STEPS = 24


@dataclass(frozen=True)
class Recipe:
    """How much of what a net is shown.

    make       how
    sequences  to make; ``held_out`` of them choose the epoch, as many more only serve the figure
    window     steps between weight updates; recurrent state is carried from window to window
    memory     see Student
    """

    make: Callable[[np.random.Generator, np.ndarray, int], Material]
    sequences: int
    held_out: int
    batch: int
    window: int
    epochs: int
    rate: float
    memory: float = 8.0  # steps


def _mood_rows(make: Callable[..., Material]) -> Callable[[np.random.Generator, Material, int], Material]:
    return lambda rng, bank, n: make(rng, material.embeddings(rng, bank, n))


RECIPES = {
    "emotionrecognizer": Recipe(lambda rng, bank, n: bank, 240, 20, 10, 200, 16, 2e-3, memory=150),
    "melodytransformer": Recipe(_mood_rows(material.melody), 3000, 200, 50, 64, 14, 1.5e-3),
    "harmonypredictor": Recipe(_mood_rows(material.harmony), 60_000, 5_000, 256, 1, 20, 2e-3),
    "dynamicsengine": Recipe(_mood_rows(material.dynamics), 40_000, 4_000, 256, 1, 24, 2e-3),
    "groovepredictor": Recipe(_mood_rows(material.groove), 40_000, 4_000, 256, 1, 24, 2e-3),
}


def distil(net: str, seed: int, output: Path, quick: bool, bank: Material) -> Agreement:
    """Train one net, export it, prove the file, write its card."""
    spec, recipe = net_spec(net), RECIPES[net]
    rng = np.random.default_rng([seed, NET_NAMES.index(net)])
    torch.manual_seed(seed)
    sequences, held_out, epochs = recipe.sequences, recipe.held_out, recipe.epochs
    if quick:
        sequences, held_out, epochs = len(bank.x) if net == NET_NAMES[0] else sequences // 20, held_out // 10, 2
    data = recipe.make(rng, bank, sequences)
    held, choosing = data.part(slice(0, held_out)), data.part(slice(held_out, 2 * held_out))
    taught = data.part(slice(2 * held_out, None))
    student = _train(spec, taught, choosing, recipe, epochs)
    layers = student.folded()
    path = _export(spec, layers, held, seed, output)
    agreement = agree(spec, path, held)
    write_card(path.parent / "CARD.md", spec, agreement, _command(spec, seed), len(taught.x), held_out)
    print(f"{net}: {agreement.text}", flush=True)
    return agreement


def _train(spec: NetSpec, taught: Material, choosing: Material, recipe: Recipe, epochs: int) -> Student:
    """Adam with a cosine rate; the epoch that agrees best on the choosing sequences is kept."""
    seen = taught.x[taught.weight > 0]
    spread = seen.std(0)
    spread[spread < 1e-3] = 1
    answer = torch.from_numpy(taught.y[taught.weight > 0].mean(0))
    student = Student(spec, torch.from_numpy(seen.mean(0)), torch.from_numpy(spread), answer, recipe.memory)
    loss_of = _loss(spec, taught)
    optimiser = torch.optim.Adam(student.parameters(), lr=recipe.rate)
    batches = -(-len(taught.x) // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.rate, total_steps=max(20, epochs * batches), pct_start=0.1)  # its rise takes a step or more
    tensors = [torch.from_numpy(array) for array in (taught.x, taught.y, taught.weight)]
    best, kept = np.inf, {name: value.clone() for name, value in student.state_dict().items()}
    for epoch in range(epochs):
        start, total = time.perf_counter(), 0.0
        for rows in torch.randperm(len(taught.x)).split(recipe.batch):
            x, y, weight = (tensor[rows] for tensor in tensors)
            state = None
            for at in range(0, x.shape[1], recipe.window):
                part = slice(at, at + recipe.window)
                answer, state = student(x[:, part], state, logits=True)
                loss = loss_of(answer, y[:, part], weight[:, part])
                optimiser.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
                optimiser.step()
                state = detached(state)
                total += float(loss.detach())
            schedule.step()
        with torch.no_grad():
            answer, _ = student(torch.from_numpy(choosing.x), logits=True)
            value = float(loss_of(answer, torch.from_numpy(choosing.y), torch.from_numpy(choosing.weight)))
        print(f"  {spec.name} epoch {epoch + 1}/{epochs}: loss {value:.4f}, {time.perf_counter() - start:.0f} s", flush=True)
        if value < best:
            best, kept = value, {name: tensor.clone() for name, tensor in student.state_dict().items()}
    student.load_state_dict(kept)
    return student


def _loss(spec: NetSpec, taught: Material) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Kullback-Leibler divergence for distributions; else squared error in units of each index's own spread.

    Indices that the contract marks ``rule`` are left out: the rule fills them.
    """
    if spec.output.activation == "softmax":

        def divergence(logits: Tensor, y: Tensor, weight: Tensor) -> Tensor:
            log_ratio = torch.log(y + 1e-9) - torch.log_softmax(logits, -1)
            return ((y * log_ratio).sum(-1) * weight).sum() / weight.sum()

        return divergence
    spread = torch.from_numpy(taught.y.reshape(-1, spec.output.size).std(0)).clamp(min=0.05)
    importance = 1 / spread**2
    importance[list(spec.output.rule_indices())] = 0
    if spec.output is EMBEDDING:  # what everything downstream listens to
        importance[:3] *= 4

    def squared(answer: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        error = ((answer - y) ** 2 * importance).mean(-1)
        return (error * weight).sum() / weight.sum()

    return squared


def _export(spec: NetSpec, layers: list[torch.nn.Module], held: Material, seed: int, output: Path) -> Path:
    """Write model.json with embedded test vectors: a run of real inputs from reset, answered by PyTorch."""
    sequence = held.x[0] if held.x.shape[1] > 1 else held.x[:VECTOR_STEPS, 0]
    given = np.round(sequence[:VECTOR_STEPS], 4)
    with torch.no_grad():
        if held.x.shape[1] > 1:
            answered = run(layers, torch.from_numpy(given)[None])[0][0].numpy()
        else:
            answered = run(layers, torch.from_numpy(given)[:, None])[0][:, 0].numpy()
    metadata = {
        "net": spec.name, "contract": CONTRACT_VERSION, "taught_by": "kelly's own fallback rule (distilled)",
        "created_by": _command(spec, seed), "seed": seed,
        "rule_indices": list(spec.output.rule_indices()),
    }  # fmt: skip
    path = export_model(layers, output / spec.name / "model.json", metadata=metadata, vectors=(given, answered))
    report = validate_model(path)
    if not report.ok:
        raise SystemExit("\n".join(str(fault) for fault in report.faults))
    return path


def _command(spec: NetSpec, seed: int) -> str:
    """What makes these weights again; the number of threads decides the order of PyTorch's sums."""
    return f"python -m training.distil {spec.name} --seed {seed} --threads {torch.get_num_threads()}"


def agree(spec: NetSpec, path: Path, held: Material) -> Agreement:
    """Hold the exported file, run by kelly's engine, against the rule on sequences it never saw."""
    network = load_network(path)
    found = np.empty_like(held.y)
    for x, answer in zip(held.x, found, strict=True):
        network.reset()
        network.process(np.ascontiguousarray(x), answer)
    keep = held.weight > 0
    return Agreement.of(spec, found[keep], held.y[keep])


def recognizer_bank(seed: int, quick: bool) -> Material:
    """The recognizer's material; the other nets draw their moods from its answers."""
    sequences = RECIPES["emotionrecognizer"].sequences
    return material.recognizer(np.random.default_rng([seed, 99]), 6 if quick else sequences // 2)


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.distil", description=__doc__.split("\n\n")[0])
    parser.add_argument("nets", nargs="*", default=["all"], help=f"{', '.join(NET_NAMES)} or all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("models"))
    parser.add_argument("--threads", type=int, default=2, help="PyTorch threads; 1 is faster on a busy machine")
    parser.add_argument("--quick", action="store_true", help="little material, two epochs: to see that it runs")
    given = parser.parse_args(arguments)
    names = list(NET_NAMES) if given.nets == ["all"] else given.nets
    for name in names:
        if name not in NET_NAMES:
            parser.error(f"no net is called {name!r}; the five are {', '.join(NET_NAMES)}")
    torch.set_num_threads(given.threads)
    torch.use_deterministic_algorithms(True)
    start = time.perf_counter()
    bank = recognizer_bank(given.seed, given.quick)
    print(f"material: {bank.x.shape[0]} sequences of {bank.x.shape[1]} rows, {time.perf_counter() - start:.0f} s", flush=True)
    for name in names:
        distil(name, given.seed, given.output, given.quick, bank)
    print(f"done in {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
