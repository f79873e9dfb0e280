"""Whether a study is fit to be measured, told before its numbers are used. Arrays in, notices out; no network runs.

What the slices look like is judged on a few of them, reduced to about 200 pixels a side.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from infnet.geometry.grid import Grid, check_same
from infnet.grey import otsu, window_grey, window_hu
from infnet.notices import BURNED_IN, WINDOW_GUESSED, Level, Notice, has, warn
from infnet.study import Segmentation, Study

FEWEST_PIXELS, FEW_PIXELS = 32, 128  # sides of a slice: below, nothing can be seen; below, little can
LOOKED_AT = 12  # slices
SIDE = 200  # pixels that a slice is reduced to
LUNG_GREY = (33, 109)  # of the convention's window: about -970 to -550 HU
NO_LUNG, LITTLE_LUNG = 0.002, 0.015  # of the largest slice of lung-like tissue
SATURATED = 0.4  # of the pixels at one end of the grey: the small structures are lost
FIELD_MM = (150.0, 700.0)  # a chest CT's field of view
LUNG_ML = (800.0, 10000.0)
CUT_END = 0.3  # of the largest slice of lung, from which an end slice means that the scan stops within the lungs


def inspect(study: Study, result: Segmentation | None = None) -> tuple[Notice, ...]:
    """What speaks against measuring a study, and against its lungs where there is a result; stops come first.

    What `study.notices` say is not repeated.
    stop: another modality than CT, slices of a few pixels, no contrast, inverted grey, no tissue like lung (in HU).
    warn: perhaps inverted, no tissue like lung in a picture, text burned in, window guessed, small slices, an unlikely
    field of view; with a result: lungs cut off by the picture's edge or the scan's ends, unlikely lung volume.
    Raises GeometryError where the result is on another grid.
    """
    notices = [*_header(study), *_size(study), *_looks(study)]
    if result is not None:
        check_same(study, result)
        notices += _lungs(study, result)
    return tuple(sorted(notices, key=lambda notice: notice.level))


def _header(study: Study) -> list[Notice]:
    notices = []
    modality = str(study.source.get("modality") or "CT").upper()
    if modality not in ("CT", "UNKNOWN"):
        notices.append(Notice("modality", "stop", f"This is {modality[:16]}, not CT: give a chest CT."))
    if study.source.get("burned_in_annotation") == "YES" and not has(study.notices, BURNED_IN.code):
        notices.append(BURNED_IN)
    if not study.is_hu and not has(study.notices, WINDOW_GUESSED):
        notices.append(warn(WINDOW_GUESSED, "These are grey values without HU: the window was guessed."))
    return notices


def _size(study: Study) -> list[Notice]:
    grid = Grid.of(study)
    rows, columns = grid.shape[1:]
    size = f"The slices have only {rows} x {columns} pixels"
    if min(rows, columns) < FEWEST_PIXELS:
        return [Notice("few-pixels", "stop", f"{size}: give the original slices, not previews.")]
    notices = []
    if min(rows, columns) < FEW_PIXELS:
        notices.append(warn("small-slices", f"{size}: small lesions cannot be seen."))
    if study.affine is not None:
        down, across = rows * grid.spacing[1], columns * grid.spacing[2]
        if not (FIELD_MM[0] <= max(down, across) <= FIELD_MM[1]):
            field = f"{across:.0f} x {down:.0f} mm"
            notices.append(warn("field-of-view", f"A view of {field} is unlikely for a chest: check the mm per pixel."))
    return notices


def _looks(study: Study) -> list[Notice]:
    """Contrast, inversion and tissue like lung, by a few slices in the grey of the networks."""
    slices = _reduced(study)
    slices = [grey for grey in slices if grey.min() < grey.max()]
    if not slices:
        return [Notice("no-contrast", "stop", "The slices are of one grey: nothing can be found in them.")]
    if _mostly([_body_dark_lungs_bright(grey) for grey in slices]):
        return [
            Notice("inverted", "stop", "The grey is inverted, air is bright: invert the pictures, or give the DICOM.")
        ]
    if _mostly([_vessels_dark(grey) for grey in slices]):
        level: Level = "stop" if len(slices) >= 3 else "warn"
        return [
            Notice(
                "perhaps-inverted",
                level,
                "The grey seems to be inverted (air bright, vessels dark): invert the pictures, or give the DICOM.",
            )
        ]
    most = max(_like_lung(grey if study.is_hu else window_grey(grey)[0]) for grey in slices)
    if study.is_hu and most < NO_LUNG:
        return [Notice("no-lung-tissue", "stop", "Nothing in it has the HU of lung: give a chest CT.")]
    if most < LITTLE_LUNG:
        return [
            warn("little-lung-tissue", "Hardly anything in it looks like lung: is this a chest CT, in a lung window?")
        ]
    return []


def _reduced(study: Study) -> list[NDArray[np.uint8]]:
    """Upright slices, evenly spread, small and in 8 bits: HU in the networks' window, other grey by its range."""
    volume = study.orientation.apply(study.pixels)
    # Not the very ends, which often lie beside the lungs.
    indices = np.unique((np.linspace(0.1, 0.9, LOOKED_AT) * (len(volume) - 1)).round().astype(int))
    step = max(1, min(volume.shape[1:]) // SIDE)
    small = [volume[k, ::step, ::step] for k in indices]
    if study.is_hu:
        return [window_hu(image) for image in small]
    if volume.dtype == np.uint8:
        return [np.array(image) for image in small]
    low, high = min(float(s.min()) for s in small), max(float(s.max()) for s in small)
    return [window_hu(image, (low, high if high > low else low + 1)) for image in small]


def _mostly(votes: list[bool]) -> bool:
    return sum(votes) > len(votes) / 2


def _bright(grey: NDArray[np.uint8], blur: float) -> NDArray[np.bool_]:
    image: NDArray[Any] = ndimage.gaussian_filter(grey.astype(np.float32), blur) if blur else grey
    return image > otsu(image)


def _body_dark_lungs_bright(grey: NDArray[np.uint8]) -> bool:
    """A bright edge, a large dark body in it, and in that the bright area of lungs."""
    bright = _bright(grey, 1.0)
    edge = np.concatenate([bright[0], bright[-1], bright[:, 0], bright[:, -1]])
    if edge.mean() <= 0.7:
        return False
    pieces, _ = ndimage.label(~bright)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    body = ndimage.binary_fill_holes(pieces == sizes.argmax())
    if body.mean() <= 0.3:
        return False
    holes, _ = ndimage.label(body & bright)
    areas = np.sort(np.bincount(holes.ravel(), minlength=3)[1:] / grey.size)[::-1]
    return bool(areas[0] > 0.06 or areas[1] > 0.02)


def _vessels_dark(grey: NDArray[np.uint8]) -> bool:
    """Far more small dark spots in bright tissue than bright ones, which are the vessels in a lung, in dark tissue."""
    if max((grey == grey.min()).mean(), (grey == grey.max()).mean()) > SATURATED:
        return False
    bright = _bright(grey, 0)
    return _spots(~bright) > 2 * _spots(bright) + 10


def _spots(mask: NDArray[np.bool_]) -> int:
    pieces, _ = ndimage.label(mask)
    sizes = np.bincount(pieces.ravel())[1:]
    return int(np.count_nonzero((sizes >= 3) & (sizes <= 0.004 * mask.size)))


def _like_lung(grey: NDArray[np.uint8]) -> float:
    """Share of a slice that has the grey of lung, without thin rims."""
    smooth = ndimage.uniform_filter(grey, 3)
    like = (smooth >= LUNG_GREY[0]) & (smooth <= LUNG_GREY[1])
    return float(ndimage.binary_opening(like, np.ones((3, 3), bool), iterations=2).mean())


def _lungs(study: Study, result: Segmentation) -> list[Notice]:
    grid = Grid.of(study)
    lungs = grid.orientation.apply(result.lungs) > 0
    areas = lungs.sum((1, 2))
    count = int(np.count_nonzero(areas))
    if not count:
        return []  # the result says so itself
    notices = []
    edge = np.zeros(len(lungs), np.int64)
    for border in (0, -1):
        edge += lungs[:, border, :].sum(1) + lungs[:, :, border].sum(1)
    cut = int(np.count_nonzero(edge > 0.02 * sum(lungs.shape[1:])))
    if cut:
        where = "the slice" if len(lungs) == 1 else f"{cut} of {count} slices"
        notices.append(
            warn("lung-at-edge", f"Lung reaches the edge of the picture in {where}; what lies beyond is missing.")
        )
    if grid.stacked and len(lungs) > 3:
        ends = [name for name, k in (("bottom", 0), ("top", -1)) if areas[k] > CUT_END * areas.max()]
        if ends:
            notices.append(
                warn(
                    "scan-cut",
                    f"The scan ends within the lungs at the {' and '.join(ends)}: volumes and shares cover "
                    "only what was scanned.",
                )
            )
    if grid.voxel_ml is not None and not LUNG_ML[0] <= (ml := float(areas.sum()) * grid.voxel_ml) <= LUNG_ML[1]:
        notices.append(warn("lung-volume", f"Lungs of {ml:.0f} ml are unlikely for an adult: check the lung borders."))
    return notices
