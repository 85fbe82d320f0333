"""What a net is taught to make small.

Indices that the contract marks ``rule`` and answers that nobody knows count nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from kelly._rt.contract import EMBEDDING, NetSpec
from training.sequences import Scale

Loss = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""(answers (B, T, O) or logits, y, mask) -> (sum of the loss, how many steps it is the sum of)."""

AFFECT = (("valence", "log_sigma_valence"), ("arousal", "log_sigma_arousal"))
CONFIDENCE_ERROR = 0.5
"""An error of this size in the plane of valence and arousal is half a confidence."""


def loss_for(spec: NetSpec, scale: Scale, weights: Mapping[str, float], beta: float) -> Loss:
    """The loss of a net.

    weights  of fields, 1 where nothing is said
    beta     see ``training.settings.Settings``
    """
    if spec.output.activation == "softmax":
        return cross_entropy
    importance = torch.zeros(spec.output.size)
    for field in spec.output.fields:
        where = slice(field.start, field.stop)
        if field.teacher != "rule":
            # squared error in units of each index's own spread; many indices of one field count as one
            importance[where] = weights.get(field.name, 1.0) / field.size
    importance /= torch.from_numpy(scale.answer_spread).clamp(min=0.05) ** 2
    importance[torch.from_numpy(scale.known) == 0] = 0
    if spec.output is not EMBEDDING:
        return lambda answer, y, mask: _counted((answer - y) ** 2 * importance.to(answer.device), mask)
    predicted = EMBEDDING["confidence"].start
    pairs = [(EMBEDDING[name].start, EMBEDDING[sigma].start) for name, sigma in AFFECT]

    def felt(answer: Tensor, y: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """source  beta-NLL: Seitzer et al. 2022, arXiv 2203.09168, eq. 5; the error is in units of the label's spread"""
        error = (answer - y) ** 2
        total, count = _counted(error * importance.to(answer.device), mask)
        for what, sigma in pairs:
            if importance[what] > 0:
                log_sigma = answer[..., sigma]
                likelihood = 0.5 * error[..., what] * torch.exp(-2 * log_sigma) + log_sigma
                total = total + (likelihood * torch.exp(2 * beta * log_sigma.detach()) * mask[..., what]).sum()
        both = mask[..., pairs[0][0]] * mask[..., pairs[1][0]]
        plane = (error[..., pairs[0][0]] + error[..., pairs[1][0]]).detach()
        trust = 1 / (1 + plane / CONFIDENCE_ERROR**2)
        return total + ((answer[..., predicted] - trust) ** 2 * both).sum(), count

    return felt


def cross_entropy(logits: Tensor, y: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Nats of the classes that came."""
    known = mask.amax(-1)
    return -((torch.log_softmax(logits, -1) * y).sum(-1) * known).sum(), known.sum()


def _counted(error: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    return (error * mask).sum(), mask.amax(-1).sum()
