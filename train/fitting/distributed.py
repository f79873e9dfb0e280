"""One process of `torchrun`, or the only one."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist

# Its functions keep, as a default argument, the group that is there when it is imported: that must be none. Else the
# group outlives `leave`, and a thread of it that is still at work when Python ends aborts the process.
import torch.distributed.nn.functional
from torch import nn


@dataclass(frozen=True)
class Process:
    """Which of `world` processes this one is, and the device that it computes on."""

    rank: int
    world: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """True for the process that validates, logs and saves."""
        return self.rank == 0

    def share(self, batch: int) -> range:
        """The rows of a batch that are this process's."""
        return range(self.rank * batch // self.world, (self.rank + 1) * batch // self.world)


def alone() -> Process:
    """The only process, on the GPU where there is one."""
    return Process(0, 1, torch.device("cuda" if torch.cuda.is_available() else "cpu"))


def join(device: str | None = None) -> Process:
    """Meet the other processes that `torchrun` started, where it did. `device`: cpu, cuda, cuda:1 ...; else the GPU."""
    world, rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
    name = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and world > 1:
        name = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
    chosen = torch.device(name)
    if world > 1 and not dist.is_initialized():
        if chosen.type == "cuda":
            torch.cuda.set_device(chosen)
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    return Process(rank, world, chosen)


def leave() -> None:
    """End the group and its threads."""
    if dist.is_initialized():
        dist.destroy_process_group()


def shared(network: nn.Module, process: Process) -> nn.Module:
    """The network with gradients averaged over all processes; on GPUs batch norm sees all their slices too."""
    if process.world == 1:
        return network
    if process.device.type == "cuda":  # PyTorch has it for GPUs only
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    return nn.parallel.DistributedDataParallel(network)


def agreed(value: float, process: Process) -> float:
    """The leading process's value, in every process."""
    if process.world == 1:
        return value
    tensor = torch.tensor(value, dtype=torch.float64, device=process.device)
    dist.broadcast(tensor, 0)
    return float(tensor)
