"""Run a network: float arrays in, probability arrays out. Callers need not know which library does it.

OpenVINO is the default on a CPU, torch on a GPU and wherever OpenVINO is not installed or cannot be loaded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from infnet.engine.openvino_engine import OpenVINOEngine, library, usable
from infnet.engine.torch_engine import TorchEngine
from infnet.errors import InfNetError
from infnet.notices import Notice

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ENGINES", "PRECISIONS", "Choice", "Engine", "OpenVINOEngine", "TorchEngine", "choose", "open_engine"]

ENGINES = ("openvino", "torch")
PRECISIONS = ("fp32", "bf16")
# Where a graphics processor shows itself on Linux; elsewhere torch must be asked, which takes seconds to import.
GPU_FILES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/kfd")


class Engine(Protocol):
    """A network ready to run."""

    @property
    def name(self) -> str:
        """Library, version, device and precision, for the provenance."""
        ...

    @property
    def batch(self) -> int:
        """Slices that are best given to one call."""
        ...

    @property
    def parallel(self) -> int:
        """Calls that are best made at the same time, from different threads."""
        ...

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What it has had to change so far, such as its batch where memory ran out."""
        ...

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, C, H, W) -> probabilities (N, K, H, W), K = 1 for one-class networks."""
        ...


@dataclass(frozen=True)
class Choice:
    """How to run networks. engine: openvino or torch. device: as torch names it; OpenVINO runs on cpu.

    precision: fp32, bf16, or None for the fastest that keeps the masks on this chip. threads: processor threads to
    use, all where None.
    """

    engine: str
    device: str
    precision: str | None = None
    threads: int | None = None


def choose(
    engine: str | None = None, device: str | None = None, precision: str | None = None, threads: int | None = None
) -> Choice:
    """Fill in what was left open. Raises InfNetError for an unknown name or a pair that does not go together."""
    for name, value, known in (("engine", engine, ENGINES), ("precision", precision, PRECISIONS)):
        if value is not None and value not in known:
            raise InfNetError(f"{name} {value}: not known; use one of {', '.join(known)}")
    if engine == "openvino":
        if device not in (None, "cpu"):
            raise InfNetError(f"device {device}: OpenVINO runs on the CPU here; leave it out, or use the engine torch")
        try:
            library()
        except ImportError as error:
            missing = find_spec("openvino") is None
            reason = "not installed; run `pip install openvino`" if missing else f"{error}; install it again"
            raise InfNetError(f"engine openvino: {reason}, or use the engine torch") from error
    device = device or ("cpu" if engine == "openvino" else _device())
    if engine is None:
        engine = "openvino" if device == "cpu" and usable() else "torch"
    return Choice(engine, device, precision, threads)


def _device() -> str:
    """The best device here; torch takes seconds to import, so it is asked only where there may be a GPU."""
    if sys.platform == "linux" and not any(Path(file).exists() for file in GPU_FILES):
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"


def open_engine(build: Callable[[], nn.Module], key: str, shape: tuple[int, int, int], choice: Choice) -> Engine:
    """The engine of a network. `build` is called only where its converted form is not in the cache under `key`.

    key: changes whenever the network or its weights do. shape: (C, H, W) of its usual input.
    Raises InfNetError where the device cannot be used.
    """
    if choice.engine == "openvino":
        return OpenVINOEngine(build, key, shape, choice.precision, choice.threads)
    return TorchEngine(build(), choice.device, choice.precision, choice.threads)
