"""The maps inside the network for one slice (Inf-Net, Fig. 2 of the paper): S_g, S_5, S_4, S_3, S_2, and the edge."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infnet import weights
from infnet.errors import GeometryError, WeightsError
from infnet.geometry.box import restore
from infnet.geometry.grid import Grid
from infnet.pipeline.inputs import grey_slices, network_box, squares, to_8_bits
from infnet.pipeline.lungs import find_lungs
from infnet.pipeline.models import load_engines
from infnet.study import Study

if TYPE_CHECKING:
    from torch import nn

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
    reverse attention has no S_2, one without edge attention no edge map. Runs the torch network, on the processor.

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
    network, size = _network(name)
    rows, columns = shape
    if box is None:
        return {stage: np.zeros((rows, columns), np.float32) for stage in _fields(network)}
    maps = _run(network, squares(grey, [(0, box)], size))
    return {stage: restore(probability, box, (rows, columns)) for stage, probability in maps.items()}


def _single(study: Study, grid: Grid, index: int) -> Study:
    """An upright slice as a study of its own, stored in the same orientation."""
    pixels = np.take(study.pixels, [grid.along(0, index)], grid.orientation.axes[0])
    if not study.is_hu and study.pixels.dtype != np.uint8:
        # Grey of more than 8 bits is read by the range of the whole study.
        pixels = to_8_bits(pixels, (float(study.pixels.min()), float(study.pixels.max())))
    return replace(study, pixels=pixels, volumetric=False)


@lru_cache(maxsize=2)
def _network(name: str) -> tuple[nn.Module, int]:
    """The torch network of a registry entry, kept, and the side of its input."""
    entry = weights.find(name)
    if entry.network != "inf-net":
        raise WeightsError(f"{name}: has no stages to show; choose an Inf-Net")
    return weights.load(name)[0], entry.size


def _fields(network: nn.Module) -> dict[str, str]:
    """The stages that this network has, and their fields in its output."""
    maps: Any = network.maps
    return {stage: field for stage, field in STAGES.items() if field in maps}


def _run(network: nn.Module, batch: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    import torch

    with torch.inference_mode():
        out = network(torch.from_numpy(batch))
    return {stage: torch.sigmoid(getattr(out, field))[0, 0].numpy() for stage, field in _fields(network).items()}
