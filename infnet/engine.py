"""Run a network: float arrays in, probability arrays out. Callers never ask which library does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from infnet.errors import InfNetError

if TYPE_CHECKING:
    from torch import nn


class Engine(Protocol):
    """A network ready to run."""

    name: str

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, C, H, W) -> probabilities (N, K, H, W), K = 1 for one-class networks."""
        ...


class TorchEngine:
    """A torch network on CPU, CUDA or MPS; float32, sigmoid for one output channel, softmax for several."""

    def __init__(self, network: nn.Module, device: str | None = None) -> None:
        import torch

        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        try:
            self._device = torch.device(device)
            self._network = network.eval().to(self._device).to(memory_format=torch.channels_last)
        except (RuntimeError, AssertionError) as error:
            usable = ["cpu"] + ["cuda"] * torch.cuda.is_available() + ["mps"] * torch.backends.mps.is_available()
            raise InfNetError(f"device {device}: not usable here; use one of {', '.join(usable)}") from error
        self.name = f"torch {torch.__version__.split('+')[0]} {self._device.type} fp32"

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        import torch

        x = torch.from_numpy(batch).to(self._device, memory_format=torch.channels_last)
        with torch.inference_mode():
            output = self._network(x)
            logits = output[0] if isinstance(output, tuple) else output  # Inf-Net's first field is the prediction
            probabilities = torch.sigmoid(logits) if logits.shape[1] == 1 else torch.softmax(logits, 1)
        return probabilities.float().cpu().contiguous().numpy()
