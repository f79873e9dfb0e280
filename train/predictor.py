"""A network from wherever its weights are, run on slices of COVID-SemiSeg as they are stored.

Stored slices are transposed and cropped to the lungs. Networks of this project see them upright in the convention of
`infnet.pipeline.inputs`; those of the paper's reference implementation saw them as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from infnet import weights
from infnet.engine.torch_engine import probabilities
from infnet.errors import InfNetError, WeightsError
from infnet.geometry.box import resize
from infnet.grey import window_grey
from infnet.networks import build
from infnet.pipeline.inputs import CHANNELS, guided, normalise
from train.fitting.checkpoint import averaged

SIZE = 352  # side of the input in the paper, where a file does not say another


@dataclass(frozen=True)
class Predictor:
    """A network in eval mode and the input it was trained on.

    size: side of its square input. upright: whether slices are transposed and windowed first. threshold: from which
    probability a pixel counts as foreground. channels, classes: of its input and output.
    """

    name: str
    network: nn.Module
    size: int
    upright: bool
    threshold: float
    channels: int
    classes: int

    def __call__(
        self, stored: NDArray[np.uint8], shape: tuple[int, int], infection: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Probabilities (classes, *shape) of a stored slice; a network of 6 channels also sees its infection map.

        Logits, not probabilities, are brought to `shape`, as in the reference.
        """
        square = (self.size, self.size)
        grey = window_grey(np.ascontiguousarray(stored.T))[0] if self.upright else stored
        x = normalise(resize(grey, square)[None])
        if self.channels == CHANNELS["classes"]:
            assert infection is not None
            x = guided(x, resize(infection.T if self.upright else infection, square)[None])
        with torch.inference_mode():
            device = next(self.network.parameters()).device
            logits = _logits(self.network(torch.from_numpy(x).to(device)))
            if self.upright:
                logits = logits.transpose(-1, -2)
            logits = F.interpolate(logits.float(), shape, mode="bilinear", align_corners=False)
            return probabilities(logits)[0].cpu().numpy()


def open_predictor(source: str, size: int | None = None) -> Predictor:
    """A model of the registry by name, or the network in a file. `size`: side of its input, if not its own.

    Files: a checkpoint of the paper's reference implementation, a checkpoint of a training program here, or
    safetensors of an Inf-Net. Raises InfNetError for unknown names and files that hold none of these.
    """
    if size is not None and (size < 32 or size % 32):
        raise InfNetError(f"size {size}: not a multiple of 32; give one, such as {SIZE}")
    path = Path(source)
    threshold, own_size, upright = 0.5, SIZE, True
    if not path.is_file():
        if path.suffix:
            raise WeightsError(f"{source}: no such file; give a checkpoint, or a name of the registry")
        network, entry = weights.load(source)
        own_size, threshold = entry.size, entry.threshold
    elif path.suffix == ".safetensors":
        network = _inf_net(path)
    elif (state := _checkpoint(path)) is not None:
        network, own_size = trained(state, path)
    else:
        network, upright = weights.load_reference(path), False
    network = network.eval().to("cuda" if torch.cuda.is_available() else "cpu")
    channels = next(p.shape[1] for p in network.parameters() if p.ndim == 4)
    return Predictor(source, network, size or own_size, upright, threshold, channels, _classes(network, channels))


def _logits(output: Any) -> Tensor:
    logits: Tensor = output[0] if isinstance(output, tuple) else output
    return logits


def _classes(network: nn.Module, channels: int) -> int:
    with torch.inference_mode():
        x = torch.zeros(1, channels, 64, 64, device=next(network.parameters()).device)
        return _logits(network(x)).shape[1]


def _inf_net(path: Path) -> nn.Module:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    network = build("inf-net")
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: not readable as safetensors ({error}); restore the file") from error
    weights.load_state(network, {k: v.float() if v.is_floating_point() else v for k, v in state.items()}, str(path))
    return network


def _checkpoint(path: Path) -> dict[str, Any] | None:
    """What a training program saved; None for anything else, about which `load_reference` knows what to say."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # whatever a damaged pickle raises
        return None
    own = state.get("network") if isinstance(state, dict) else None
    return state if isinstance(own, dict) and all(isinstance(v, Tensor) for v in own.values()) else None


def trained(state: dict[str, Any], path: Path) -> tuple[nn.Module, int]:
    """The averaged network of a checkpoint and the size it was trained at."""
    config = state.get("config") or {}
    name, options = config.get("network", "inf-net"), config.get("options", {})
    try:
        network = build(name, **options)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise WeightsError(f"{path}: its network {name} cannot be built ({reason}); train it again") from error
    weights.load_state(network, averaged(state), str(path))
    return network, int(config.get("size", SIZE))
