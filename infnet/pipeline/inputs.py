"""What the networks are given, and the one convention that they are trained on.

A network sees an upright slice, cropped to the box of the lungs, in the grey of a lung window (-1150 to 250 HU as
0 to 255), stretched to a square. Hospital slices arrive upright, uncropped and in HU; loose pictures arrive in grey
whose window is unknown. Training uses these same functions. Arrays in, arrays out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from infnet.concurrency import cores, map_in_threads
from infnet.geometry.box import Box, crop, mask_box, resize
from infnet.grey import window_grey, window_hu
from infnet.notices import Notice, warn
from infnet.study import CONSOLIDATION, GGO, Study

CHANNELS = {"lungs": 1, "infection": 3, "classes": 6}  # of the input, by the role of the network
SMALLEST_BOX = 0.2  # of the slice's side: the apex of a lung is not enlarged further than this
CONSOLIDATION_HU, CONSOLIDATION_SPREAD = -300.0, 50.0  # HU
MOST_EVIDENCE = 6.0  # logarithm of odds
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def network_box(lungs: NDArray[Any]) -> Box | None:
    """The box of a slice (row, column) that the networks see, round the lungs on it; None without lung."""
    return mask_box(lungs, smallest=int(SMALLEST_BOX * min(lungs.shape)))


def grey_slices(study: Study) -> tuple[NDArray[np.uint8], tuple[Notice, ...]]:
    """Upright slices of a study in the grey of the convention, and what had to be guessed."""
    volume = study.orientation.apply(study.pixels)
    if study.is_hu:
        grey = np.empty(volume.shape, np.uint8)

        def window(i: int) -> None:
            grey[i] = window_hu(volume[i])

        for _ in map_in_threads(window, range(len(volume)), cores()):
            pass
        return grey, ()
    greys, scales = zip(*(window_grey(plane) for plane in to_8_bits(volume)), strict=True)
    guessed = sum(not scale.lung_window for scale in scales)
    text = "The grey values were taken as a lung window as they are."
    if guessed:
        text = (
            f"{guessed} of {len(greys)} slices span more than a lung window: HU were estimated by air and soft tissue."
        )
    return np.stack(greys), (warn("grey-scale", text),)


def to_8_bits(volume: NDArray[Any], bounds: tuple[float, float] | None = None) -> NDArray[np.uint8]:
    """Grey (slice, row, column) of more than 8 bits in 8; what has 8 bits already stays as it is.

    bounds: the values that become black and white, the least and the greatest of `volume` where not given.
    """
    if volume.dtype == np.uint8:
        return volume
    low, high = bounds or (float(volume.min()), float(volume.max()))
    scale = 255 / (high - low) if high > low else 0.0
    return np.stack([((plane.astype(np.float32) - low) * scale).astype(np.uint8) for plane in volume])


def squares(grey: NDArray[np.uint8], crops: Sequence[tuple[int, Box]], size: int) -> NDArray[np.float32]:
    """Crops of slices as normalised input (N, 3, size, size).

    grey: (slice, row, column). crops: N times the index of a slice, and the box on it.
    """
    return normalise(np.stack([resize(crop(grey[i], box), (size, size)) for i, box in crops]))


def lung_input(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Squares of whole slices (N, S, S) -> input of the lung network (N, 1, S, S), 0 to 1."""
    return grey[:, None].astype(np.float32) / np.float32(255)


def normalise(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Grey (N, S, S) uint8 -> (N, 3, S, S) float32 with ImageNet mean and standard deviation."""
    x = grey.astype(np.float32)[:, None] / 255
    mean = np.array(IMAGENET_MEAN, np.float32)[:, None, None]
    std = np.array(IMAGENET_STD, np.float32)[:, None, None]
    return ((x - mean) / std).astype(np.float32, copy=False)


def guided(slices: NDArray[np.float32], maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Input of the class network (N, 6, S, S): the slices, then three times the maps.

    slices: normalised, (N, 3, S, S). maps: infection probability (N, S, S).
    """
    return np.concatenate([slices, np.repeat(maps[:, None], 3, axis=1)], axis=1)


def by_density(share: NDArray[np.float32], hu: NDArray[Any], infected: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The share of consolidation among infection, with the HU there as evidence beside the network's.

    All of one shape: a slice or a part of it (row, column). The odds are multiplied by e for every 50 HU that the mean
    of the infected ones of 3 x 3 pixels lies above -300 HU, and divided below, up to e^6: consolidation is opacity
    that hides vessels, and -300 HU is where reports part it from ground glass.
    """
    near = np.maximum(uniform_filter(infected.astype(np.float32), 3), 1e-3)
    mean = uniform_filter(np.where(infected, hu, 0).astype(np.float32), 3) / near
    evidence = (mean - CONSOLIDATION_HU) / CONSOLIDATION_SPREAD
    odds = np.exp(np.clip(evidence, -MOST_EVIDENCE, MOST_EVIDENCE)) * share
    weighed: NDArray[np.float32] = odds / np.maximum(odds + 1 - share, 1e-6)
    return weighed


def consolidation_share(classes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Class probabilities (N, 3, S, S) -> share of consolidation among infection (N, S, S), 0 to 1."""
    infection = classes[:, GGO] + classes[:, CONSOLIDATION]
    share: NDArray[np.float32] = classes[:, CONSOLIDATION] / np.maximum(infection, 1e-6)
    return share
