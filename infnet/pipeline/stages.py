"""The maps inside the network for one slice (Inf-Net, Fig. 2 of the paper): S_g, S_5, S_4, S_3, S_2, and the edge."""

from __future__ import annotations

import hashlib
from collections.abc import Container
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from infnet import weights
from infnet.engine import Choice, Engine, choose, open_engine
from infnet.errors import GeometryError, WeightsError
from infnet.geometry.box import restore
from infnet.geometry.grid import Grid
from infnet.pipeline.inputs import CHANNELS, grey_slices, network_box, squares, to_8_bits
from infnet.pipeline.lungs import find_lungs
from infnet.pipeline.models import load_engines
from infnet.study import Study
from infnet.weights import Entry

if TYPE_CHECKING:
    from torch import Tensor, nn

# Stages and their fields in the network's output, in the order they arise; S_2 needs a fourth reverse attention.
STAGES = {"S_g": "s_g", "S_5": "s5", "S_4": "s4", "S_3": "s3", "S_2": "s2", "edge": "edge"}


def prediction(names: Container[str]) -> str:
    """The last of these stages to look for infection, whose map is the network's answer: S_2, or S_3 without it."""
    return "S_2" if "S_2" in names else "S_3"


def stages(
    study: Study, index: int, infection: str | None = None, lungs: NDArray[np.uint8] | None = None
) -> dict[str, NDArray[np.float32]]:
    """Probability maps of the network's stages on upright slice `index`: S_g, S_5, S_4, S_3, S_2, edge, in this order.

    infection: registry name of the network, the default one where not given. lungs: `Segmentation.lungs` of the study;
    with them the box is the one that `segment` used, without them the lungs are found on this slice alone.
    Each map is float32 (row, column) on the upright slice, 0 outside the box of the lungs (everywhere, where the slice
    has no lung). The `prediction` within the lungs is the slice's infection probability. A network without a fourth
    reverse attention has no S_2, one without edge attention no edge map. It runs as `segment` runs it; what is built
    on first use is kept like the networks themselves.

    Raises GeometryError for an index out of range or lungs of another grid, WeightsError for an unknown network or one
    without stages.
    """
    grid = Grid.of(study)
    count, *shape = grid.shape
    if not 0 <= index < count:
        raise GeometryError(f"{study.name}: slice {index} of {count}; give 0 to {count - 1}")
    if lungs is not None and lungs.shape != study.pixels.shape:
        raise GeometryError(f"lungs {lungs.shape} on a study {study.pixels.shape}; give those of the same result")
    name = infection or weights.default("infection")
    single = _single(study, grid, index)
    grey, _ = grey_slices(single)
    if lungs is None:
        slice_lungs = find_lungs(single, grey, load_engines(name).lungs)[0]
    else:
        slice_lungs = grid.orientation.apply(lungs)[index]
    box = network_box(slice_lungs)
    entry = _entry(name)
    if box is None:
        return {stage: np.zeros(shape, np.float32) for stage in _names(entry)}
    rows, columns = shape
    maps = _engine(name, choose())(squares(grey, [(0, box)], entry.size))[:, 0]
    return {stage: restore(map_, box, (rows, columns)) for stage, map_ in zip(_names(entry), maps, strict=True)}


def _single(study: Study, grid: Grid, index: int) -> Study:
    """An upright slice as a study of its own, stored in the same orientation."""
    pixels = np.take(study.pixels, [grid.along(0, index)], grid.orientation.axes[0])
    if not study.is_hu and study.pixels.dtype != np.uint8:
        # Grey of more than 8 bits is read by the range of the whole study.
        pixels = to_8_bits(pixels, (float(study.pixels.min()), float(study.pixels.max())))
    return replace(study, pixels=pixels, volumetric=False)


def _entry(name: str) -> Entry:
    entry = weights.find(name)
    if entry.network != "inf-net":
        raise WeightsError(f"{name}: has no stages to show; choose an Inf-Net")
    return entry


def _names(entry: Entry) -> list[str]:
    """The stages that a network with the options of this entry has."""
    lacking = set()
    if len(entry.options.get("attention_widths", ())) != 4:
        lacking.add("S_2")
    if not entry.options.get("edge_attention", True):
        lacking.add("edge")
    return [stage for stage in STAGES if stage not in lacking]


@lru_cache(maxsize=2)
def _engine(name: str, choice: Choice) -> Engine:
    """The network of a registry entry with all its stages, kept: a batch of one slice gives (stage, 1, H, W)."""
    entry = _entry(name)
    names = _names(entry)
    key = hashlib.sha256(f"{weights.fingerprint(entry)} {names}".encode()).hexdigest()
    shape = (CHANNELS[entry.role], entry.size, entry.size)
    return open_engine(lambda: _staged(weights.load(name)[0], names), key, shape, choice)


def _staged(network: nn.Module, names: list[str]) -> nn.Module:
    """The network with the logits of its stages, one after the other, as its output."""
    import torch

    class Staged(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: Tensor) -> Tensor:
            out = self.network(x)
            return torch.cat([getattr(out, STAGES[name]) for name in names])

    return Staged().eval()
