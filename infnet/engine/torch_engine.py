"""Torch on CPU, CUDA or MPS."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infnet.errors import InfNetError
from infnet.notices import MEMORY_BATCH, MEMORY_DEVICE, Notice, warn, without

if TYPE_CHECKING:
    from torch import Tensor, nn

CPU_BATCH = 4
GPU_BATCH = 32  # about 0.5 T operations of Inf-Net at 256 x 256: enough to fill a large GPU
SHARE_OF_FREE = 0.6  # of the free memory that a batch may take; the rest is for whoever else uses the GPU
_threads_lock = threading.Lock()


def probabilities(output: Any) -> Tensor:
    """Logits -> probabilities: sigmoid for one channel, softmax for several. Of Inf-Net's outputs the first counts."""
    import torch

    logits = (output[0] if isinstance(output, tuple) else output).float()
    return torch.sigmoid(logits) if logits.shape[1] == 1 else torch.softmax(logits, 1)


def single_map(network: nn.Module) -> nn.Module:
    """The network with its probabilities as the only output; layers that only other outputs need are dropped."""
    from torch import nn

    class SingleMap(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: Tensor) -> Tensor:
            return probabilities(self.network(x))

    return SingleMap().eval()


class TorchEngine:
    """A torch network on CPU, CUDA or MPS; sigmoid for one output channel, softmax for several.

    precision: fp32 or bf16; None takes bf16 on a GPU that computes in it. threads: processor threads of a call on the
    CPU, torch's own number where None; between calls the process keeps its own. `batch` follows the free memory of a
    GPU; where it runs out the batch is halved, then the processor takes over, and `notices` say so.
    Raises InfNetError where the device or the precision cannot be used.
    """

    def __init__(
        self, network: nn.Module, device: str | None = None, precision: str | None = None, threads: int | None = None
    ) -> None:
        import torch

        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.notices: tuple[Notice, ...] = ()
        self._network, self._threads, self._lock = network.eval(), threads, threading.Lock()
        try:
            self._device = torch.device(device)
            self.precision = precision or ("bf16" if self._device.type == "cuda" and _cuda_bf16() else "fp32")
            dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
            self._network.to(self._device, dtype).to(memory_format=torch.channels_last)
        except (RuntimeError, AssertionError) as error:
            if _out_of_memory(error) and self._device.type != "cpu":
                self._take_processor("the network")
                return
            usable = ["cpu"] + ["cuda"] * torch.cuda.is_available() + ["mps"] * torch.backends.mps.is_available()
            raise InfNetError(f"device {device}: not usable here; use one of {', '.join(usable)}") from error
        self.batch = CPU_BATCH if self._device.type == "cpu" else GPU_BATCH
        # A GPU works through one call while other threads prepare the next; torch's own threads fill a processor.
        self.parallel = 1 if self._device.type == "cpu" else min(8, max(2, (os.cpu_count() or 2) // 2))
        self._measured = self._device.type != "cuda"

    @property
    def name(self) -> str:
        import torch

        return f"torch {torch.__version__.split('+')[0]} {self._device.type} {self.precision}"

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        done: list[NDArray[np.float32]] = []
        start = 0
        with self._lock:
            while start < len(batch):
                slices = batch[start : start + self.batch]
                if not self._measured:
                    slices = slices[:1]
                maps = self._run(slices)
                if maps is None:
                    self._make_room(len(slices))
                else:
                    done.append(maps)
                    start += len(slices)
        return done[0] if len(done) == 1 else np.concatenate(done)

    def _run(self, slices: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """Probabilities of a few slices; None where memory ran out, after everything that held it was let go."""
        import torch

        try:
            if self._measured:
                return self._forward(slices)
            torch.cuda.reset_peak_memory_stats(self._device)
            before = torch.cuda.memory_allocated(self._device)
            maps = self._forward(slices)
            self._fit(torch.cuda.max_memory_allocated(self._device) - before)
            return maps
        except RuntimeError as error:
            if not _out_of_memory(error):
                raise
        return None

    def _forward(self, slices: NDArray[np.float32]) -> NDArray[np.float32]:
        import torch

        x = torch.from_numpy(slices)
        if self._device.type == "cuda":
            x = x.pin_memory()
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        x = x.to(self._device, non_blocking=True).to(dtype, memory_format=torch.channels_last)
        with _limited(self._threads if self._device.type == "cpu" else None), torch.inference_mode():
            return probabilities(self._network(x)).cpu().contiguous().numpy()

    def _fit(self, bytes_of_one: int) -> None:
        """Choose the batch, a power of two, by what one slice took and what is free now."""
        import torch

        torch.cuda.empty_cache()
        free, _ = torch.cuda.mem_get_info(self._device)
        self.batch = batch_for(free, bytes_of_one)
        self._measured = True

    def _make_room(self, count: int) -> None:
        """Memory ran out with `count` slices: halve that; after one slice the processor takes over.

        Raises InfNetError where it is the processor that has no memory.
        """
        import torch

        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        elif self._device.type == "mps":
            torch.mps.empty_cache()
        if count > 1:
            self.batch = count // 2
            self._tell(
                MEMORY_BATCH, f"Memory of {self._device.type} ran out: slices were taken in batches of {self.batch}."
            )
        elif self._device.type != "cpu":
            self._take_processor("one slice")
        else:
            raise InfNetError("memory: not enough for one slice; close other programs, or use a larger machine")

    def _take_processor(self, wanted: str) -> None:
        """Leave a device that has no memory for what was wanted."""
        import torch

        self._tell(MEMORY_DEVICE, f"Memory of {self._device.type} ran out even for {wanted}: the processor took over.")
        self._device, self.precision = torch.device("cpu"), "fp32"
        self._network.to(self._device, torch.float32).to(memory_format=torch.channels_last)
        self.batch, self.parallel, self._measured = CPU_BATCH, 1, True

    def _tell(self, code: str, text: str) -> None:
        """Add a notice in place of an earlier one of the same code: of several halvings the last counts."""
        self.notices = (*without(self.notices, code), warn(code, text))


@contextmanager
def _limited(threads: int | None) -> Iterator[None]:
    """Let torch use so many processor threads within the block; None leaves it alone.

    The number belongs to the process: one block at a time may change it, and it is put back at the end.
    """
    import torch

    if threads is None:
        yield
        return
    with _threads_lock:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def batch_for(free: int, bytes_of_one: int) -> int:
    """The largest power of two up to GPU_BATCH whose slices fit the share of the free bytes that a batch may take."""
    fitting = int(SHARE_OF_FREE * free / max(bytes_of_one, 1))
    return min(GPU_BATCH, 1 << (fitting.bit_length() - 1)) if fitting else 1


def _cuda_bf16() -> bool:
    import torch

    return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)


def _out_of_memory(error: Exception) -> bool:
    """Whether memory ran out; cuBLAS and cuDNN have words of their own for it."""
    import torch

    return isinstance(error, torch.OutOfMemoryError) or any(
        words in str(error) for words in ("out of memory", "can't allocate memory", "ALLOC_FAILED", "ALLOCATION_FAILED")
    )
