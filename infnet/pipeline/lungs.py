"""Lung masks, right and left, with consolidated lung inside.

A small network marks lung on each upright slice; geometry then drops what is not lung and tells right from left.
Upright slices: patient's right at the left of the image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.graph import route_through_array

from infnet.concurrency import cores, map_in_threads, portions
from infnet.engine import Engine
from infnet.geometry.box import extent, resize
from infnet.pipeline.body import enclosed, middle_and_width
from infnet.pipeline.inputs import lung_input
from infnet.pipeline.models import Model
from infnet.study import LEFT, RIGHT, Study

AIR_HU = -930  # the median of a trachea or of bowel gas lies below, that of lung above unless it is destroyed
LARGEST_AIRWAY_MM2 = 900.0
MOSTLY = 0.5  # of a lesion
SMALLEST_SHARE = 0.02  # pieces below this share of the largest are not lung


def find_lungs(
    study: Study,
    grey: NDArray[np.uint8],
    model: Model,
    report: Callable[[int], None] | None = None,
    part: slice = slice(None),
) -> NDArray[np.uint8]:
    """Lungs of upright slices of a study: 0 none, 1 right, 2 left. `report` gets the slices done.

    grey: all slices of the study (slice, row, column), or those of `part`. Of a part only a first look comes: what is
    decided by the whole volume, such as which pieces are too small, is decided by the part.
    """
    marked = np.zeros(grey.shape, bool)
    for i, plane in enumerate(mark(grey, model.engine, model.entry.size, model.entry.threshold)):
        marked[i] = plane
        if report:
            report(i + 1)
    marked = drop_outside(marked, grey)
    if study.is_hu and study.affine is not None:
        _, row_mm, column_mm = study.orientation.spacing(study.spacing)
        marked = drop_air(marked, study.orientation.apply(study.pixels)[part], row_mm * column_mm)
    return split_sides(clean(marked, study.volumetric), grey, study.volumetric)


def mark(grey: NDArray[np.uint8], engine: Engine, size: int, threshold: float = 0.5) -> Iterator[NDArray[np.bool_]]:
    """Raw lung masks (row, column), one per slice of `grey` (slice, row, column) in the convention's window.

    size: side of the network's input. threshold: probability from which a pixel is lung.
    """

    def work(portion: Sequence[int]) -> list[NDArray[np.bool_]]:
        maps = engine(lung_input(np.stack([resize(grey[i], (size, size)) for i in portion])))[:, 0]
        return [resize(probability, grey.shape[1:]) >= threshold for probability in maps]

    for masks in map_in_threads(work, portions(range(len(grey)), engine.batch), engine.parallel):
        yield from masks


def clean(mask: NDArray[np.bool_], volumetric: bool) -> NDArray[np.bool_]:
    """Drop pieces that are not lung and fill holes; (slice, row, column).

    In a volume a piece is a body in three dimensions, otherwise one in its slice.
    """
    across = ndimage.generate_binary_structure(3, 1)
    if not volumetric:
        across[[0, 2]] = False
    kept = np.zeros_like(mask)
    box = extent(mask)
    if box is None:
        return kept
    labels, count = ndimage.label(mask[box], across)
    sizes = np.zeros(count + 1, np.int64)
    for plane in labels:
        sizes += np.bincount(plane.ravel(), minlength=count + 1)
    sizes[0] = 0
    if volumetric:
        keep = sizes >= SMALLEST_SHARE * sizes.max()
    else:
        keep = np.zeros(count + 1, bool)
        for plane in labels:
            pieces = np.unique(plane)
            keep[pieces] = sizes[pieces] >= SMALLEST_SHARE * sizes[pieces].max(initial=1)
    keep[0] = False

    def fill(k: int) -> None:
        kept[box][k] = _filled(keep[labels[k]])

    for _ in map_in_threads(fill, range(len(labels)), cores()):
        pass
    return kept


def _filled(plane: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A slice's mask without holes: all that the background at the rim does not reach."""
    outside, _ = ndimage.label(np.pad(~plane, 1, constant_values=True))
    filled: NDArray[np.bool_] = outside != outside[0, 0]
    return filled[1:-1, 1:-1]


def drop_outside(mask: NDArray[np.bool_], grey: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Drop what lies outside the body, such as the foam of the table: pieces of a slice of which less than half has the
    body on all four sides. (slice, row, column); a picture cut to the chest shows too little to tell, and stays."""
    kept = mask.copy()

    def work(k: int) -> None:
        if not mask[k].any() or (body := enclosed(grey[k], mask[k])) is None:
            return
        labels, count = ndimage.label(mask[k])
        inside = np.bincount(labels[body], minlength=count + 1) / np.maximum(np.bincount(labels.ravel()), 1)
        kept[k] &= inside[labels] >= 0.5

    for _ in map_in_threads(work, range(len(mask)), cores()):
        pass
    return kept


def drop_air(mask: NDArray[np.bool_], hu: NDArray[Any], pixel_area_mm2: float) -> NDArray[np.bool_]:
    """Drop the trachea and bowel gas: pieces of a slice up to 900 mm2 that hold air, not lung. (slice, row, column)."""
    kept = mask.copy()

    def work(k: int) -> None:
        labels, count = ndimage.label(mask[k])
        sizes = np.bincount(labels.ravel(), minlength=count + 1) * pixel_area_mm2
        for number, where in enumerate(ndimage.find_objects(labels), start=1):
            if sizes[number] <= LARGEST_AIRWAY_MM2:
                piece = labels[where] == number
                if np.median(hu[k][where][piece]) < AIR_HU:
                    kept[k][where] &= ~piece

    for _ in map_in_threads(work, range(len(mask)), cores()):
        pass
    return kept


def with_lesions(sides: NDArray[np.uint8], infected: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The lungs (row, column; 0 none, 1 right, 2 left) of a slice, extended by lesions that lie mostly in them.

    infected: what the network marks, in the lungs and beside them. Lung that is dense up to the chest wall is what lung
    masks miss; a piece of infection of which at least half lies in the lungs belongs to them whole.
    """
    labels, count = ndimage.label(infected)
    inside = np.bincount(labels[sides > 0], minlength=count + 1)
    belongs = inside >= MOSTLY * np.bincount(labels.ravel(), minlength=count + 1)
    belongs[0] = False
    beyond = belongs[labels] & (sides == 0)
    if not beyond.any():
        return sides
    nearest = ndimage.distance_transform_edt(sides == 0, return_distances=False, return_indices=True)
    return np.where(beyond, sides[tuple(nearest)], sides)


def _gap(columns: NDArray[np.int64], middle: float, width: float) -> int:
    """The column nearest the middle of the body, within 15 % of its width, that holds the least lung."""
    low, high = max(int(middle - 0.15 * width), 0), min(int(middle + 0.15 * width) + 1, len(columns))
    near = np.flatnonzero(columns[low:high] == columns[low:high].min()) + low
    return int(near[np.argmin(np.abs(near - middle))])


def _seam(piece: NDArray[np.bool_], middle: int) -> NDArray[np.bool_]:
    """True to the left of the cheapest cut from top to bottom, near column `middle`, through two lungs that touch."""
    columns = piece.shape[1]
    reach = max(columns // 8, 2)
    low, high = max(middle - reach, 0), min(middle + reach + 1, columns)
    band = piece[:, low:high]
    cost = np.where(band, 1.0, 0.02) + 0.002 * np.abs(np.arange(low, high) - middle)
    start = (0, middle - low)
    route: Any = route_through_array  # scikit-image has no types
    path, _ = route(cost, start, (len(band) - 1, middle - low), fully_connected=True)
    cut = np.full(len(piece), middle)
    for row, column in path:
        cut[row] = column + low
    return np.arange(columns)[None] < cut[:, None]


def split_sides(mask: NDArray[np.bool_], grey: NDArray[np.uint8], volumetric: bool) -> NDArray[np.uint8]:
    """Upright lung mask (slice, row, column) -> 0 none, 1 right, 2 left; `grey` shows the same slices.

    A piece belongs to the side of the body's midline on which most of it lies, so a lone lung keeps its side; lungs
    that touch are cut where they are thinnest. In a volume all slices share one midline, otherwise each has its own.
    """
    sides = np.zeros(mask.shape, np.uint8)
    bodies = np.array(list(map_in_threads(middle_and_width, grey, cores())))
    columns = mask.sum(1)
    if volumetric:
        bodies[:] = np.median(bodies, axis=0)
        columns[:] = columns.sum(0)

    def work(k: int) -> None:
        centre, width = bodies[k]
        middle = _gap(columns[k], centre, width)
        labels, _ = ndimage.label(mask[k])
        for number, where in enumerate(ndimage.find_objects(labels), start=1):
            piece, out = labels[where] == number, sides[k][where]
            first, last = where[1].start, where[1].stop - 1
            on_right = piece[:, : max(middle - first, 0)].sum() / piece.sum()  # the patient's right
            if 0.15 < on_right < 0.85 and last - first > width / 2:
                left_of_cut = _seam(labels == number, middle)[where]
                out[piece & left_of_cut] = RIGHT
                out[piece & ~left_of_cut] = LEFT
            else:
                out[piece] = RIGHT if on_right >= 0.5 else LEFT

    for _ in map_in_threads(work, range(len(mask)), cores()):
        pass
    return sides
