"""Where in the lungs the lesions lie: upper to lower, periphery or centre, back or front. Arrays in, numbers out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from infnet.geometry.grid import Grid, check_same
from infnet.measure.statistics import Region, region_of
from infnet.study import LEFT, RIGHT, Segmentation, Study

REGIONS = ("upper", "middle", "lower", "peripheral", "central", "dorsal", "ventral")  # in the order of a table
HEIGHTS = ("lower", "middle", "upper")
DEPTHS = ("peripheral", "central")
HALVES = ("ventral", "dorsal")
PERIPHERAL = 1 / 3  # of the way from the chest wall to the deepest point of a lung in a slice


def regional(study: Study, result: Segmentation) -> dict[str, Region]:
    """Lesion, lung and their share in `upper`, `middle`, `lower`, `peripheral`, `central`, `dorsal`, `ventral`.

    Both lungs together; lesion outside the lungs belongs to no region, so each of the three splits adds up to the
    lesion inside the lungs.

    upper, middle, lower: thirds of the height from the lowest to the highest slice with lung. Left out where the slices
        do not lie one above the other (loose pictures), or fewer than three hold lung.
    peripheral, central: in each slice and lung, the outer third of the way from the chest wall to the point deepest
        inside, and the rest. The chest wall is taken as the convex hull round both lungs, so that the border to the
        mediastinum does not count as periphery. ("Subpleural: mainly the peripheral one-third of the lung", Pan et al.,
        Radiology 295(3), 2020.) A third of the way is more than a third of the area.
    dorsal, ventral: behind and before the centre of mass of each lung, of the whole lung in a volume, otherwise of
        the lung in its slice.

    Raises GeometryError where the result is on another grid.
    """
    check_same(study, result)
    grid = Grid.of(study)
    lungs, labels = grid.orientation.apply(result.lungs), grid.orientation.apply(result.labels)
    inside = [(k, box) for k, box in grid.boxes(lungs)]
    counts = np.zeros((len(HEIGHTS), len(DEPTHS), len(HALVES), 3), np.int64)  # and class
    if inside:
        lowest, height = inside[0][0], inside[-1][0] + 1 - inside[0][0]
        centres = _centres(lungs, study.volumetric)
        down, across = grid.spacing[1:]
        for k, (rows, columns) in inside:
            sides = lungs[k, rows, columns]
            third = (k - lowest) * 3 // height
            central = _central(sides, (down, across))
            row = np.arange(rows.start, rows.stop)
            dorsal = np.zeros(sides.shape, bool)
            for side in (RIGHT, LEFT):
                dorsal |= (sides == side) & (row > centres[side][k])[:, None]
            code = (central * np.uint8(6) + dorsal * np.uint8(3) + labels[k, rows, columns])[sides > 0]
            counts[third] += np.bincount(code, minlength=12).reshape(2, 2, 3)

    splits: dict[tuple[str, ...], NDArray[np.int64]] = {DEPTHS: counts.sum((0, 2)), HALVES: counts.sum((0, 1))}
    if grid.stacked and len(inside) >= len(HEIGHTS):
        splits[HEIGHTS] = counts.sum((1, 2))
    by_name = {name: row for names, table in splits.items() for name, row in zip(names, table, strict=True)}
    return {name: region_of(by_name[name], grid.pixel_mm2, grid.voxel_ml) for name in REGIONS if name in by_name}


def _centres(lungs: NDArray[np.uint8], volumetric: bool) -> dict[int, NDArray[np.float64]]:
    """Row of each lung's centre of mass, one per slice; infinite where a slice of pictures has none."""
    centres = {}
    rows = np.arange(lungs.shape[1])
    for side in (RIGHT, LEFT):
        profile = np.stack([np.count_nonzero(plane == side, axis=1) for plane in lungs]).astype(np.float64)
        if volumetric:
            profile[:] = profile.sum(0)
        size = profile.sum(1)
        centres[side] = np.divide(profile @ rows, size, out=np.full(len(lungs), np.inf), where=size > 0)
    return centres


def _central(lungs: NDArray[np.uint8], spacing: tuple[float, float]) -> NDArray[np.bool_]:
    """Where a slice's lungs (row, column), cut to their box, are more than a third of the way inside."""
    depth = ndimage.distance_transform_edt(np.pad(_hull(lungs > 0), 1), sampling=spacing)[1:-1, 1:-1]
    central = np.zeros(lungs.shape, bool)
    for side in (RIGHT, LEFT):
        lung = lungs == side
        if lung.any():
            central |= lung & (depth > PERIPHERAL * depth[lung].max())
    return central


def _hull(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The convex hull of a mask (row, column), through the centres of its outermost pixels.

    It takes less than 1 ms a slice, scikit-image's 7.
    """
    rows = np.flatnonzero(mask.any(1))
    ends = mask[rows].argmax(1), mask.shape[1] - 1 - mask[rows, ::-1].argmax(1)
    points = np.concatenate([np.stack([end, rows], 1) for end in ends])  # (x, y)
    try:
        corners = points[ConvexHull(points).vertices]
    except QhullError:  # all in one line
        return mask
    picture = Image.new("1", mask.shape[::-1])
    ImageDraw.Draw(picture).polygon([(int(x), int(y)) for x, y in corners], fill=1, outline=1)
    return np.asarray(picture) | mask
