"""A net of the catalog as a PyTorch module: same layers, same order, time along axis 1."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from kelly.nets.catalog import NetSpec

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid, "softmax": lambda: nn.Softmax(dim=-1)}

INVERSES = {
    "tanh": lambda y: torch.atanh(y.clamp(-0.98, 0.98)),
    "sigmoid": lambda y: torch.logit(y.clamp(0.01, 0.99)),
    "softmax": lambda y: torch.log(y + 1e-6),
}
"""From a mean answer to the bias that gives it."""

State = list[tuple[Tensor, Tensor] | None]


class Student(nn.Module):
    """One of the five nets.

    spec    the catalog's row
    mean     per-input mean and spread of the training material; inputs are standardised while training,
    spread   and ``folded`` writes that into the first layer's weights; an input of spread 0 says nothing
             in training, and so is not listened to: whatever it is later, it changes nothing
    answer   mean answer (O,) to begin at; None: begin anywhere
    memory   steps up to which recurrent cells remember in the beginning
    dropout  share of a hidden dense layer's outputs set to 0 while training

    source  forget biases: chrono initialisation, Tallec & Ollivier 2018 (arXiv 1804.11188)
    """

    def __init__(
        self, spec: NetSpec, mean: Tensor, spread: Tensor, answer: Tensor | None = None, memory: float = 8.0, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.spec, self.dropout = spec, dropout
        self.register_buffer("mean", mean)
        self.register_buffer("scale", torch.where(spread > 0, 1 / spread.clamp(min=1e-12), torch.zeros_like(spread)))
        self.layers = nn.ModuleList(layer_modules(spec))
        with torch.no_grad():
            for layer in self.layers:
                if isinstance(layer, nn.LSTM):
                    i, f, _, _ = layer.bias_ih_l0.chunk(4)
                    f.copy_(torch.log(torch.empty_like(f).uniform_(1.0, memory)))
                    i.copy_(-f)
                    layer.bias_hh_l0.zero_()
            if answer is not None:
                last = [layer for layer in self.layers if isinstance(layer, nn.Linear)][-1]
                last.weight *= 0.3
                last.bias.copy_(INVERSES[spec.output.activation](answer))

    def forward(self, x: Tensor, state: State | None = None, logits: bool = False) -> tuple[Tensor, State]:
        """(B, T, I) -> (B, T, O) and the state to carry on with; ``logits`` leaves out a final softmax."""
        return self.answer(self.standardised(x), state, logits)

    def standardised(self, x: Tensor) -> Tensor:
        """Inputs as the first layer meets them."""
        return (x - self.mean) * self.scale

    def answer(self, x: Tensor, state: State | None = None, logits: bool = False) -> tuple[Tensor, State]:
        """As ``forward``, of standardised inputs."""
        return run(self.layers, x, state, logits, self.dropout if self.training else 0.0)

    def folded(self, decimals: int = 5) -> list[nn.Module]:
        """The layers with standardisation folded in and weights rounded, as they are exported.

        decimals  digits after the point that weights keep; 5 changes an output by about 1e-5 and
                  halves the file
        """
        twins = layer_modules(self.spec)
        for twin, layer in zip(twins, self.layers, strict=True):
            twin.load_state_dict(layer.state_dict())
        first = twins[0]
        assert isinstance(first, nn.Linear)
        with torch.no_grad():
            first.weight *= self.scale
            first.bias -= first.weight @ self.mean
            for twin in twins:
                if isinstance(twin, nn.LSTM):  # the file keeps one bias, the sum; so does the twin
                    twin.bias_ih_l0 += twin.bias_hh_l0
                    twin.bias_hh_l0.zero_()
                for weight in twin.parameters():
                    weight.copy_(torch.round(weight.double(), decimals=decimals).float())
        return twins


def layer_modules(spec: NetSpec) -> list[nn.Module]:
    """Fresh modules for a catalog row, activations as modules of their own."""
    modules: list[nn.Module] = []
    size = spec.input.size
    for kind, outputs, activation in spec.layers:
        modules.append(nn.Linear(size, outputs) if kind == "dense" else nn.LSTM(size, outputs, batch_first=True))
        if activation:
            modules.append(ACTIVATIONS[activation]())
        size = outputs
    return modules


def run(
    layers: Sequence[nn.Module], x: Tensor, state: State | None = None, logits: bool = False, dropout: float = 0.0
) -> tuple[Tensor, State]:
    """Run modules in order, carrying the state of the recurrent ones; ``dropout`` follows every hidden dense layer."""
    before = iter(state or [None] * len(layers))
    after: State = []
    last = [layer for layer in layers if isinstance(layer, nn.Linear)][-1]
    open_ = False  # behind a hidden dense layer, where its activation has still to come
    for layer in layers:
        if isinstance(layer, nn.LSTM):
            x, new = layer(x, next(before))
            after.append(new)
        elif not (logits and isinstance(layer, nn.Softmax)):
            x = layer(x)
        hidden = isinstance(layer, nn.Linear) and layer is not last
        if dropout and open_ and not hidden:
            x = nn.functional.dropout(x, dropout)
        open_ = hidden
    return x, after


def detached(state: State) -> State:
    """The same state without its history."""
    return [None if pair is None else (pair[0].detach(), pair[1].detach()) for pair in state]


def begun_anew(state: State | None, fresh: Tensor) -> State | None:
    """The same state, zero in the slots (B,) that begin from reset."""
    if not state or not fresh.any():
        return state
    keep = (~fresh).float()[None, :, None]  # (layers, B, H)
    return [None if pair is None else (pair[0] * keep, pair[1] * keep) for pair in state]
