"""What the network sees on its way: S_g, S_5, S_4, S_3 and the edge map of one slice (Inf-Net, Fig. 2 of the paper)."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from infnet import weights
from infnet.errors import GeometryError, WeightsError
from infnet.pipeline import SMALLEST_BOX, find_lungs, grey_slices, load_engines
from infnet.preprocess import Orientation, crop, lung_box, normalise, resize, restore
from infnet.study import Study

if TYPE_CHECKING:
    from torch import nn

STAGES = {"S_g": "s_g", "S_5": "s5", "S_4": "s4", "S_3": "s3", "edge": "edge"}  # in the order they arise


def stages(
    study: Study, index: int, infection: str | None = None, lungs: NDArray[np.uint8] | None = None
) -> dict[str, NDArray[np.float32]]:
    """Probability maps of the network's stages on upright slice `index`: S_g, S_5, S_4, S_3, edge, in this order.

    infection: registry name of the network, the default one where not given. lungs: `Segmentation.lungs` of the study;
    with them the box is the one that `segment` used, without them the lungs are found on this slice alone.
    Each map is float32 (row, column) on the upright slice, 0 outside the box of the lungs (everywhere, where the slice
    has no lung). S_3 within the lungs is the slice's infection probability. A network without edge attention has no
    edge map. Runs the torch network, on the processor.

    Raises GeometryError for an index out of range or lungs of another grid, WeightsError for an unknown network or one
    without stages.
    """
    turn = Orientation.of(study.affine)
    count = study.pixels.shape[turn.axes[0]]
    if not 0 <= index < count:
        raise GeometryError(f"{study.name}: slice {index} of {count}; give 0 to {count - 1}")
    if lungs is not None and lungs.shape != study.pixels.shape:
        raise GeometryError(f"lungs {lungs.shape} on a study {study.pixels.shape}; give those of the same result")
    name = infection or weights.default("infection")
    one = _single(study, turn, index)
    grey, _ = grey_slices(one)
    sides = turn.apply(lungs)[index] if lungs is not None else find_lungs(one, grey, load_engines(name).lungs)[0]
    shape = grey[0].shape
    box = lung_box(sides, smallest=int(SMALLEST_BOX * min(shape)))
    network, size = _network(name)
    if box is None:
        return {stage: np.zeros(shape, np.float32) for stage in STAGES}
    batch = normalise(resize(crop(grey[0], box), (size, size))[None])
    return {stage: restore(p, box, shape) for stage, p in _run(network, batch).items()}


def _single(study: Study, turn: Orientation, index: int) -> Study:
    """The one upright slice as a study of its own, stored as its study is."""
    axis = turn.axes[0]
    at = study.pixels.shape[axis] - 1 - index if turn.flips[0] else index
    pixels = np.take(study.pixels, [at], axis)
    if not study.is_hu and study.pixels.dtype != np.uint8:
        # Grey of more than 8 bits is read by the range of the whole study.
        low, high = float(study.pixels.min()), float(study.pixels.max())
        scale = 255 / (high - low) if high > low else 0.0
        pixels = ((pixels.astype(np.float32) - low) * scale).astype(np.uint8)
    return replace(study, pixels=pixels, volumetric=False)


@lru_cache(maxsize=2)
def _network(name: str) -> tuple[nn.Module, int]:
    """The torch network of a registry entry, kept, and the side of its input."""
    entry = weights.find(name)
    if entry.network != "inf-net":
        raise WeightsError(f"{name}: has no stages to show; choose an Inf-Net")
    return weights.load(name)[0], entry.size


def _run(network: nn.Module, batch: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    import torch

    with torch.inference_mode():
        out = network(torch.from_numpy(batch))
    maps = {stage: getattr(out, field) for stage, field in STAGES.items()}
    return {stage: torch.sigmoid(m)[0, 0].numpy() for stage, m in maps.items() if m is not None}
