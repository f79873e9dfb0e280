"""What this machine does best: the precision to train in, and how the C library keeps memory."""

from __future__ import annotations

import copy
import ctypes
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # malloc.h


def keep_memory() -> None:
    """On Linux, keep freed memory instead of handing it back, and do not compute with denormal numbers.

    A training step frees and takes the same gigabytes again; asking the system for them costs a CPU a good part of
    its time. Numbers too small to matter cost a CPU many times the time of others.
    """
    torch.set_flush_denormal(True)
    if sys.platform == "linux":
        try:
            libc = ctypes.CDLL("libc.so.6")
        except OSError:  # another C library
            return
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(M_TOP_PAD, 2**28)


def faster_precision(
    network: nn.Module, batch: tuple[Tensor, Tensor], loss_of: Callable[[Any, Tensor], Tensor], device: torch.device
) -> str:
    """`fp32` or `bf16`: on a GPU whether it knows bf16, on a CPU by timing one forward and backward pass of each."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if device.type != "cpu":
        return "fp32"
    trial = copy.deepcopy(network).train()
    seconds = {}
    for precision in ("fp32", "bf16"):
        spent = []
        for _ in range(3):
            begun = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                loss = loss_of(trial(batch[0]), batch[1])
            torch.autograd.backward(loss)
            spent.append(time.perf_counter() - begun)
        seconds[precision] = min(spent)
    return "bf16" if seconds["bf16"] < 0.95 * seconds["fp32"] else "fp32"
