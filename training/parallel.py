"""Several processes, as torchrun starts them: each takes its share of the pieces, and all add up their gradients.

Without torchrun there is one, and everything here does nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch
from torch import Tensor


def first() -> bool:
    """Whether this process is the one that tells what happens: the only one, or the first of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) < 2 or os.environ.get("RANK", "0") == "0"


def start(device: str) -> tuple[int, int]:
    """Join the others; (rank, how many there are)."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world > 1 and not torch.distributed.is_initialized():
        torch.distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    return (torch.distributed.get_rank(), world) if world > 1 else (0, 1)


def stop() -> None:
    """Leave the others."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def own_device(device: str) -> str:
    """Of several GPUs, this process's."""
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if device == "cuda" else device


def summed(value: Tensor) -> Tensor:
    """The sum of a number over all processes."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        value = value.detach().clone()
        torch.distributed.all_reduce(value)
    return value.detach()


def add_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Every process's gradients become the sum of all, in one message."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return
    shown = [p for p in parameters if p.requires_grad]
    flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in shown])
    torch.distributed.all_reduce(flat)
    for p, part in zip(shown, flat.split([p.numel() for p in shown]), strict=True):
        p.grad = part.view_as(p)
