"""The same study stored along other axes and backward."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product

import numpy as np

from infnet.study import Segmentation, Study

ORDERS = [((0, 1, 2), (0, 0, 0)), ((0, 1, 2), (1, 1, 0)), ((2, 1, 0), (0, 0, 1)), ((1, 2, 0), (1, 0, 1))]


def signed_permutations() -> list[np.ndarray]:
    """Affines of all 48 ways to lay a grid's axes along the patient's."""
    affines = []
    for axes, signs in product(permutations(range(3)), product((1, -1), repeat=3)):
        affine = np.eye(4)
        affine[:3, :3] = 0
        for axis, (world, sign) in enumerate(zip(axes, signs, strict=True)):
            affine[world, axis] = sign * (2.0 + axis)
        affines.append(affine)
    return affines


def stored(
    study: Study, result: Segmentation, axes: tuple[int, int, int], flips: tuple[int, int, int]
) -> tuple[Study, Segmentation]:
    """Study and result with axis `axes[n]` as their axis n, then flipped where `flips[n]`; the geometry follows."""
    assert study.affine is not None

    def turn(volume: np.ndarray) -> np.ndarray:
        turned = volume.transpose(axes)
        return np.ascontiguousarray(turned[tuple(slice(None, None, -1 if f else 1) for f in flips)])

    affine = np.eye(4)
    affine[:3, 3] = study.affine[:3, 3]
    for new, old in enumerate(axes):
        step = study.affine[:3, old]
        affine[:3, new] = -step if flips[new] else step
        if flips[new]:
            affine[:3, 3] += step * (study.pixels.shape[old] - 1)
    share = None if result.consolidation is None else turn(result.consolidation)
    volumes = {n: turn(getattr(result, n)) for n in ("labels", "probability", "lungs")}
    return replace(study, pixels=turn(study.pixels), affine=affine), replace(result, **volumes, consolidation=share)
