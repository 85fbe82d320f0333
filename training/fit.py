"""The training loop: windows in, better weights out, and at any moment a checkpoint from which it goes on bit for bit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kelly._rt.contract import DYNAMICS_IN, EMBEDDING, N_MEL, N_MOOD, net_spec
from training import contrast, parallel
from training.loss import loss_for
from training.sequences import EMOTION, Piece, Scale, batches, plan
from training.settings import Settings
from training.student import State, Student, begun_anew, detached

MOODS = {
    "melodytransformer": tuple(range(N_MOOD)),
    "harmonypredictor": tuple(range(EMBEDDING.size)),
    "dynamicsengine": tuple(EMBEDDING[name].start for name in ("valence", "arousal", "tension", "intensity")),
    "groovepredictor": tuple(range(EMBEDDING.size)),
}
"""Which indices of the embedding a net's inputs begin with."""
UNKNOWN = np.zeros(EMBEDDING.size, np.float32)
UNKNOWN[EMBEDDING["swing"].start] = -1.0
"""What an index of the embedding says that nobody knows."""
CURVE_KNOTS = 7
ECHOES = {"dynamicsengine": DYNAMICS_IN["previous_velocity"].start}
"""Which input of a net is its own last answer."""

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], object]]]


def silent(label: str, total: int) -> AbstractContextManager[Callable[[int], object]]:
    return nullcontext(lambda n: None)


class Fit:
    """One net on its way.

    pieces      to learn from, and ``choosing`` to judge an epoch by
    mood_error  (64,) measured errors of the recognizer; NaN for an index that it does not know
    device      of PyTorch
    contrasts   pieces with one thing changed, for the recognizer: to learn from, and to judge an epoch by
    """

    def __init__(
        self, settings: Settings, pieces: Sequence[Piece], choosing: Sequence[Piece], scale: Scale,
        mood_error: np.ndarray | None = None, device: str = "cpu", rank: int = 0, world: int = 1,
        contrasts: Sequence[contrast.Contrast] = (),
    ) -> None:  # fmt: skip
        self.settings, self.pieces, self.choosing, self.device = settings, pieces, choosing, torch.device(device)
        self.rank, self.world, self.scale, self.mood_error = rank, world, scale, mood_error
        self.contrasts = {split: [one for one in contrasts if one.split == split and settings.contrast > 0] for split in ("train", "validation")}
        spec = net_spec(settings.net)
        torch.manual_seed(settings.seed)
        answer = None if spec.output.activation == "softmax" else torch.from_numpy(np.where(scale.known > 0, scale.answer, 0.0).astype(np.float32))
        if spec.output.activation == "sigmoid" and answer is not None:
            answer = torch.where(torch.from_numpy(scale.known) > 0, answer, torch.full_like(answer, 0.5))
        self.student = Student(
            spec, torch.from_numpy(scale.mean), torch.from_numpy(scale.spread), answer, settings.memory_steps, settings.dropout
        ).to(self.device)
        self.loss = loss_for(spec, scale, settings.weights, settings.beta)
        self.optimiser = torch.optim.AdamW(self.student.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
        self.epoch = self.batch = 0  # where training stands: so many epochs done, so many windows of the next
        self.so_far = [0.0, 0.0]  # loss and steps of the epoch that is under way
        self.carried: State | None = None
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Any] = {"epoch": -1, "loss": math.inf, "student": self._weights()}
        self.noise = torch.Generator().manual_seed(settings.seed * 7919 + 17 + rank)
        if rank:
            torch.manual_seed(settings.seed + rank)  # of dropout; the weights are equal already

    def _weights(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.student.state_dict().items()}

    def _windows(self, epoch: int) -> list[Any]:
        lengths = [piece.n for piece in self.pieces]
        return plan(lengths, self.settings.batch_size, self.settings.window_steps, self.settings.seed, epoch, self.rank, self.world)

    @property
    def finished(self) -> bool:
        """All epochs done, or none better for too long."""
        return self.epoch >= self.settings.epochs or self.epoch - 1 - max(0, self.best["epoch"]) >= self.settings.patience

    def run(
        self, stop: Callable[[], bool] = lambda: False, progress: Progress = silent, done: Callable[[dict[str, float]], object] = lambda row: None
    ) -> bool:
        """Train until it is finished or ``stop`` says so between two windows.

        done     called with each epoch's row of the history
        returns  whether training is finished
        """
        total = max(1, self.settings.epochs * len(self._windows(0)))
        while not self.finished:
            windows, start = self._windows(self.epoch), time.perf_counter()
            label = f"{self.settings.net} epoch {self.epoch + 1}/{self.settings.epochs}"
            self.student.train()
            with progress(label, len(windows)) as advance:
                advance(self.batch)
                for x, y, mask, fresh in batches(self.pieces, windows, self.settings.window_steps, self.batch):
                    if self._told(stop):
                        return False
                    self._step((x, y, mask, fresh), (self.epoch * len(windows) + self.batch) / total)
                    self.batch += 1
                    advance(1)
            choosing = self.judge(stop)
            if choosing is None:
                return False
            loss, steps = (float(parallel.summed(torch.tensor(value))) for value in self.so_far)
            self.epoch, self.batch, self.so_far, self.carried = self.epoch + 1, 0, [0.0, 0.0], None
            self.history.append({
                "epoch": self.epoch, "loss": loss / max(1.0, steps), "validation": choosing,
                "learning_rate": self.optimiser.param_groups[0]["lr"], "seconds": round(time.perf_counter() - start, 2),
            })  # fmt: skip
            if choosing < self.best["loss"]:
                self.best = {"epoch": self.epoch - 1, "loss": choosing, "student": self._weights()}
            done(self.history[-1])
        return True

    def _told(self, stop: Callable[[], bool]) -> bool:
        """Whether any process was told to stop: none may wait for another that has left."""
        return stop() if self.world == 1 else bool(parallel.summed(torch.tensor(float(stop()))) > 0)

    def _step(self, batch: tuple[Tensor, ...], share: float) -> None:
        """One update from one window of every slot."""
        settings = self.settings
        x, y, mask, fresh = (block.to(self.device) for block in batch)
        for group in self.optimiser.param_groups:
            group["lr"] = settings.learning_rate * _schedule(share, settings.warmup)
        inputs = self._disturbed(self.student.standardised(self._unsure(self._unechoed(x))))
        self.carried = begun_anew(self.carried, fresh)
        answer, state = self.student.answer(inputs, self.carried, logits=True)
        total, count = self.loss(answer, y, mask)
        self.carried = detached(state)
        everybody = float(parallel.summed(count))
        self.optimiser.zero_grad(set_to_none=True)
        if everybody > 0:
            (total / everybody).backward()
            if self.contrasts["train"] and self.batch % settings.contrast_every == 0:
                (settings.contrast * settings.contrast_every * self._apart(self._drawn(), True) / self.world).backward()
            parallel.add_gradients(self.student.parameters())
            torch.nn.utils.clip_grad_norm_(self.student.parameters(), settings.clip)
            self.optimiser.step()
        self.so_far[0] += float(total.detach())
        self.so_far[1] += float(count)

    def _drawn(self) -> contrast.Contrast:
        """The piece whose turn it is, in an order of the epoch's own, shared among the processes."""
        there = self.contrasts["train"]
        order = np.random.default_rng([self.settings.seed, self.epoch]).permutation(len(there))
        return there[order[(self.batch // self.settings.contrast_every * self.world + self.rank) % len(there)]]

    def _apart(self, piece: contrast.Contrast, learning: bool) -> Tensor:
        """What the order of a piece's recordings costs; all of them are heard in one room."""
        said = []
        for take in piece.takes:
            x = self.student.standardised(take.x.to(self.device))
            if learning:
                x = self._disturbed(x.reshape(1, -1, x.shape[-1])).reshape(x.shape)
            said.append(contrast.means(take, self.student.answer(x)[0]))
        return torch.stack(list(contrast.cost(piece, *said).values())).sum()

    def _unechoed(self, x: Tensor) -> Tensor:
        """Its own last answer is somebody else's in a share of the windows.

        Who teaches knows what comes, and so does the answer before; a net that copies it follows nobody when it plays.
        """
        place = ECHOES.get(self.settings.net)
        if place is None or self.settings.echo_masking == 0:
            return x
        others = torch.randperm(len(x), generator=self.noise).to(x.device)
        lost = (torch.rand((len(x), 1), generator=self.noise) < self.settings.echo_masking).to(x.device)
        x = x.clone()
        x[..., place] = torch.where(lost, x[others, :, place], x[..., place])
        return x

    def _unsure(self, x: Tensor) -> Tensor:
        """The mood among the inputs as the recognizer would tell it: with its error, and sometimes not at all."""
        indices = list(MOODS.get(self.settings.net, ()))
        n = len(indices)
        if not n:
            return x
        error = torch.full((n,), self.settings.mood_noise) if self.mood_error is None else torch.from_numpy(self.mood_error[indices])
        unknown = torch.from_numpy(UNKNOWN[indices])
        drawn = torch.randn((x.shape[0], 1, n), generator=self.noise) * torch.nan_to_num(error) * self.settings.mood_share  # an error lasts: one per window
        kept = (torch.rand((x.shape[0], 1, n), generator=self.noise) >= self.settings.mood_masking) & torch.isfinite(error)
        mood = x[..., :n]
        told = (mood != 0) & kept.to(x.device)  # what the data leaves at 0 it does not know, either
        mood = torch.where(told, (mood + drawn.to(x.device)).clamp(-1, 1), unknown.to(x.device).expand_as(mood))
        return torch.cat([mood, x[..., n:]], -1)

    def _disturbed(self, inputs: Tensor) -> Tensor:
        """Standardised inputs with noise, and for the recognizer with another room's curve over the bands."""
        if self.settings.input_noise:
            inputs = inputs + (self.settings.input_noise * torch.randn(inputs.shape, generator=self.noise)).to(inputs.device)
        if self.settings.equaliser and self.settings.net == EMOTION:
            knots = self.settings.equaliser * torch.randn((inputs.shape[0], 1, CURVE_KNOTS), generator=self.noise)
            curve = torch.nn.functional.interpolate(knots, size=N_MEL, mode="linear", align_corners=True)
            inputs = torch.cat([inputs[..., :N_MEL] + curve.to(inputs.device), inputs[..., N_MEL:]], -1)
        return inputs

    def judge(self, stop: Callable[[], bool] = lambda: False) -> float | None:
        """Mean loss on the choosing pieces, each from reset; None when stopped."""
        self.student.eval()
        total, count, state = 0.0, 0.0, None
        windows = plan([piece.n for piece in self.choosing], self.settings.batch_size, self.settings.window_steps, 0, 0, self.rank, self.world)
        with torch.no_grad():
            for x, y, mask, fresh in batches(self.choosing, windows, self.settings.window_steps):
                if self._told(stop):
                    return None
                state = begun_anew(state, fresh.to(self.device))
                answer, state = self.student(x.to(self.device), state, logits=True)
                loss, steps = self.loss(answer, y.to(self.device), mask.to(self.device))
                total, count = total + float(loss), count + float(steps)
        total, count = (float(parallel.summed(torch.tensor(value, dtype=torch.float64))) for value in (total, count))
        return total / max(1.0, count) + self._order_kept()

    def _order_kept(self) -> float:
        """What the order of the choosing pieces' recordings costs, as it counts in training."""
        there = self.contrasts["validation"]
        if not there:
            return 0.0
        with torch.no_grad():
            return self.settings.contrast * float(np.mean([float(self._apart(piece, False)) for piece in there]))

    def content(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {
            "net": self.settings.net, "epoch": self.epoch, "batch": self.batch, "so_far": list(self.so_far),
            "carried": [] if self.carried is None else [list(pair) for pair in self.carried if pair is not None],
            "student": self._weights(), "optimiser": self.optimiser.state_dict(), "history": self.history,
            "best": self.best, "torch": torch.get_rng_state(), "noise": self.noise.get_state(), "there": self._there(),
        }  # fmt: skip

    def _there(self) -> Tensor:
        """The state of the device's own random numbers; nothing on the processor."""
        kind = self.device.type
        return torch.cuda.get_rng_state(self.device) if kind == "cuda" else torch.mps.get_rng_state() if kind == "mps" else torch.empty(0)

    def resume(self, content: dict[str, Any]) -> None:
        """Stand where a checkpoint was written."""
        self.epoch, self.batch, self.so_far = content["epoch"], content["batch"], list(content["so_far"])
        self.carried = [(pair[0], pair[1]) for pair in content["carried"]] or None
        self.student.load_state_dict(content["student"])
        self.optimiser.load_state_dict(content["optimiser"])
        self.history, self.best = content["history"], content["best"]
        torch.set_rng_state(content["torch"].cpu())
        self.noise.set_state(content["noise"].cpu())
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(content["there"].cpu(), self.device)
        elif self.device.type == "mps":
            torch.mps.set_rng_state(content["there"].cpu())

    def chosen(self) -> Student:
        """The student with its best weights; those of now where no epoch was finished."""
        if self.best["epoch"] >= 0:
            self.student.load_state_dict(self.best["student"])
        self.student.eval()
        return self.student


def _schedule(share: float, warmup: float) -> float:
    """Of the learning rate, at a share 0..1 of all updates."""
    if share < warmup:
        return (share + 1e-3) / (warmup + 1e-3)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (share - warmup) / (1 - warmup)))
