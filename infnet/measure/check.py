"""A result against a reference mask: the paper's metrics by class, and where the two differ."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infnet.errors import GeometryError, InfNetError
from infnet.measure.metrics import Scores, all_scores, dice
from infnet.notices import Notice, has, warn
from infnet.study import CONSOLIDATION, GGO, Segmentation, Study

HARDLY = 0.05  # Dice of masks that have next to nothing in common
BOTH, ONLY_NETWORK, ONLY_REFERENCE = 1, 2, 3
INFECTION = "infection"
CLASSES = {"ggo": GGO, "consolidation": CONSOLIDATION}


@dataclass(frozen=True)
class Agreement:
    """How well one class agrees with the reference.

    scores: as in Tables II to IV of the paper, on the probability map of each slice where the reference has this
    class, averaged over these slices; None where no slice has it. slices: the number of these slices. plain_dice: of
    the masks as shown, over the whole volume; 1 where both are empty.
    """

    scores: Scores | None
    plain_dice: float
    slices: int


def check(result: Segmentation, reference: NDArray[Any]) -> dict[str, Agreement]:
    """Compare a result with a reference on the same grid: keys "infection", and "ggo", "consolidation" where the
    reference names classes.

    reference: (slice, row, column); 0/1, true/false or 0/255 is infection, 0/1/2 is GGO and consolidation.
    Raises InfNetError where the shape differs or the values are none of these.
    """
    truth, classes = _labels(reference, result.labels.shape)
    agreements = {INFECTION: _agreement(result.probability, result.labels > 0, truth > 0)}
    if classes:
        for name, code in CLASSES.items():
            agreements[name] = _agreement(_class_map(result, code), result.labels == code, truth == code)
    return agreements


def difference(result: Segmentation, reference: NDArray[Any]) -> NDArray[np.uint8]:
    """Where network and reference show infection, uint8 (slice, row, column): 0 neither, 1 both, 2 the network only,
    3 the reference only.

    reference and errors: as in `check`.
    """
    truth, _ = _labels(reference, result.labels.shape)
    network = result.labels > 0
    marks = np.where(truth > 0, np.uint8(ONLY_REFERENCE), np.uint8(0))
    marks[network] = np.where(truth[network] > 0, np.uint8(BOTH), np.uint8(ONLY_NETWORK))
    return marks


def placed(study: Study, reference: Study) -> NDArray[Any]:
    """The voxels of a reference mask, read as a study of its own, on the grid of `study`.

    Masks are often stored in another order than the slices they belong to (flipped, transposed); where both have an
    affine the mask is turned to the study's order. Raises GeometryError where it has another size, or lies elsewhere
    in the patient.
    """
    if study.affine is None or reference.affine is None:
        if reference.pixels.shape != study.pixels.shape:
            raise _other_shape(reference.pixels.shape, study.pixels.shape)
        return reference.pixels
    mask = study.orientation.undo(reference.orientation.apply(reference.pixels))
    if mask.shape != study.pixels.shape:
        raise _other_shape(mask.shape, study.pixels.shape)
    apart = float(np.linalg.norm(_centre(study) - _centre(reference)))
    if study.source.get("format") == reference.source.get("format") and apart > max(study.spacing):
        raise GeometryError(
            f"{reference.name}: lies {apart:.0f} mm beside the study; give the reference of this very series"
        )
    if (beside := _beside(study, reference)) is not None and np.isinf(beside):
        raise GeometryError(
            f"{reference.name}: lies in another part of space than the study; give the reference of this very series"
        )
    return mask


def misplaced(study: Study, reference: Study) -> tuple[Notice, ...]:
    """A warning where a mask that `placed` took in does not cover the very space of the study."""
    beside = _beside(study, reference)
    if beside is None or beside <= max(study.spacing):
        return ()
    text = (
        f"By its header the reference covers another part of the patient than the study, up to {beside:.0f} mm beside "
        "it. It is compared voxel by voxel all the same: make sure that it was drawn on this very series."
    )
    return (warn("reference-beside", text),)


def doubts(result: Segmentation, reference: NDArray[Any]) -> tuple[Notice, ...]:
    """Warnings where a reference hardly meets the lungs, or what the network marked: it may belong to another study.

    reference and errors: as in `check`.
    """
    truth = _labels(reference, result.labels.shape)[0] > 0
    if not truth.any():
        return ()
    notices = []
    outside = float(np.mean(result.lungs[truth] == 0))
    if outside > 0.5:
        text = (
            f"{100 * outside:.0f} % of the reference lies outside the lungs that the network found. It may have been "
            "drawn on another series, or be stored upside down."
        )
        notices.append(warn("reference-outside-lungs", text))
    network = result.labels > 0
    if network.any() and (common := dice(network, truth)) < HARDLY:
        text = (
            f"Network and reference have next to nothing in common (Dice {common:.3f}). Look at the slices below: "
            "where the lesions of both lie far apart, the reference belongs to another series."
        )
        notices.append(warn("reference-apart", text))
    return tuple(notices)


def _beside(study: Study, reference: Study) -> float | None:
    """How far, mm, the boxes round both, along the axes of the patient, differ; infinite where they do not meet.

    None where the place of one is not known.
    """
    if study.affine is None or reference.affine is None or has(reference.notices, "orientation-assumed"):
        return None
    (low, high), (other_low, other_high) = _extent(study), _extent(reference)
    if (low > other_high).any() or (other_low > high).any():
        return float("inf")
    return float(np.abs([low - other_low, high - other_high]).max())


def _extent(study: Study) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The lowest and highest coordinates of its corners, LPS mm, (3,) each."""
    assert study.affine is not None
    ends = [(-0.5, n - 0.5) for n in study.pixels.shape]
    corners = np.array([[*index, 1.0] for index in product(*ends)]) @ study.affine.T
    return corners[:, :3].min(0), corners[:, :3].max(0)


def _centre(study: Study) -> NDArray[np.float64]:
    assert study.affine is not None
    centre: NDArray[np.float64] = study.affine @ [*((n - 1) / 2 for n in study.pixels.shape), 1.0]
    return centre[:3]


def _other_shape(reference: tuple[int, ...], wanted: tuple[int, ...]) -> GeometryError:
    def words(shape: tuple[int, ...]) -> str:
        return " x ".join(str(n) for n in shape)

    return GeometryError(
        f"reference mask: {words(reference)} voxels where the study has {words(wanted)} (slices x rows x columns); "
        "give a mask drawn on these very slices"
    )


def _labels(reference: NDArray[Any], shape: tuple[int, ...]) -> tuple[NDArray[Any], bool]:
    """A reference as 0/1/2, and whether it tells GGO from consolidation."""
    if reference.shape != shape:
        raise _other_shape(reference.shape, shape)
    if reference.dtype == np.bool_:
        return reference.view(np.uint8), False
    values = np.unique(reference)
    held = {float(v) for v in values[:4]}
    if len(values) <= 3 and held <= {0.0, 1.0, 2.0}:
        return reference, 2.0 in held
    if held <= {0.0, 255.0}:
        return (reference > 0).view(np.uint8), False
    shown = ", ".join(f"{v:g}" for v in values[:4]) + (" ..." if len(values) > 4 else "")
    raise InfNetError(
        f"reference mask: holds the values {shown}; "
        "give 0 and 1 (or 255) for infection, or 0, 1 (GGO) and 2 (consolidation)"
    )


def _class_map(result: Segmentation, code: int) -> NDArray[np.float32]:
    """Probability of one class; its mask where the share of consolidation was not kept."""
    if result.consolidation is None:
        mask: NDArray[np.bool_] = result.labels == code
        return mask.astype(np.float32)
    share: NDArray[np.float32] = result.consolidation * np.float32(1 / 255)
    probability: NDArray[np.float32] = result.probability * (share if code == CONSOLIDATION else 1 - share)
    return probability


def _agreement(probability: NDArray[np.float32], mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> Agreement:
    inside = np.flatnonzero(truth.any((1, 2)))
    plain = dice(mask, truth)
    if not len(inside):
        return Agreement(None, plain, 0)
    rows = np.array([all_scores(probability[k], truth[k]) for k in inside])
    return Agreement(Scores(*(float(v) for v in rows.mean(0))), plain, len(inside))
