"""Corrections as the browser sends them, as Python keeps them, and as they are sent back with the marks of a slice.

A change is runs of voxels of the frame (`app.core.volume`), each with a code: 0 as the networks say, 1 no lesion,
2 GGO, 3 consolidation; 4 no lung, 5 right lung, 6 left lung. In a byte of marks a lesion of a person's reaches level
31, so every threshold; where a person says that there is none, bit 5 is set and no level reached.
"""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

import infnet
from app.core.volume import DENSE_BIT, SIDE_BIT, Frame
from infnet.errors import InfNetError
from infnet.geometry.grid import Grid
from infnet.measure.correct import KEEP, Corrections, Layer
from infnet.study import CONSOLIDATION, GGO

MOST_CODE, FIRST_LUNG = 6, 4
REACHED = 31  # the level of a lesion of a person's
MOST_VOXELS = 1 << 25  # of one change
Index = NDArray[np.intp]


@dataclass
class Revisions:
    """The corrections of one exam, numbered, so that a change never overwrites a newer one.

    revision: how often they have changed. change: the number of the last one from a browser, which repeats a change
    that got no answer. saved: the revision that was last written to a file.
    """

    corrections: Corrections = field(default_factory=Corrections)
    revision: int = 0
    change: int | None = None
    saved: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def current(self) -> tuple[Corrections, int]:
        """The corrections and their revision."""
        with self._lock:
            return self.corrections, self.revision

    @property
    def unsaved(self) -> bool:
        return self.revision != self.saved

    def replace(self, corrections: Corrections) -> None:
        """Others in place of all there are."""
        with self._lock:
            self.corrections, self.change = corrections, None
            self.revision += 1

    def take(self, asked: Any, study: infnet.Study, frame: Frame, result: infnet.Segmentation) -> bool:
        """Take in a change of the browser: {"number", "base": the revision that it was drawn on, "runs"}.

        result: of the networks. False where it was drawn on another revision. Raises InfNetError where it does not fit.
        """
        if not isinstance(asked, Mapping) or not all(isinstance(asked.get(name), int) for name in ("number", "base")):
            raise InfNetError("correction: has no number; load the page anew")
        flat, codes = unpack(asked.get("runs"), frame.shape)
        with self._lock:
            if asked["number"] == self.change:
                return True
            if asked["base"] != self.revision:
                return False
            self.corrections = changed(self.corrections, on_grid(study, frame, flat), codes, result)
            self.revision += 1
            self.change = asked["number"]
        return True


def unpack(runs: Any, shape: tuple[int, int, int]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Voxels of the frame (flat, row-major) and their codes, from base64 of: number of runs (uint32), their first
    voxels (uint32 each), lengths (uint32 each), codes (uint8 each), little-endian. Raises InfNetError for others.
    """
    try:
        data = base64.b64decode(runs, validate=True)
        count = int.from_bytes(data[:4], "little")
        if len(data) != 4 + 9 * count:
            raise ValueError
    except (TypeError, ValueError, binascii.Error):
        raise InfNetError("correction: not in the form that was agreed; load the page anew") from None
    firsts, lengths = (np.frombuffer(data, "<u4", count, 4 + 4 * count * at).astype(np.int64) for at in (0, 1))
    codes = np.frombuffer(data, np.uint8, count, 4 + 8 * count)
    size = int(np.prod(shape))
    if (firsts + lengths > size).any() or (codes > MOST_CODE).any() or lengths.sum() > MOST_VOXELS:
        raise InfNetError("correction: names voxels or codes that there are not; load the page anew")
    starts = np.cumsum(lengths) - lengths
    flat = np.arange(lengths.sum()) + np.repeat(firsts - starts, lengths)
    return flat, np.repeat(codes, lengths)


def changed(
    corrections: Corrections, voxels: NDArray[np.int64], codes: NDArray[np.uint8], result: infnet.Segmentation
) -> Corrections:
    """The corrections after a change of voxels of the study's grid (flat). A lung that is the networks' is none."""
    lung = codes >= FIRST_LUNG
    labels = corrections.labels.set(voxels[~lung], np.where(codes == 0, KEEP, codes - 1).astype(np.uint8)[~lung])
    sides = Layer(voxels[lung], codes[lung] - np.uint8(FIRST_LUNG))
    as_found = sides.of(result.lungs) == sides.codes
    lungs = corrections.lungs.set(sides.voxels, np.where(as_found, KEEP, sides.codes).astype(np.uint8))
    return Corrections(labels, lungs)


def on_grid(study: infnet.Study, frame: Frame, flat: NDArray[np.int64]) -> NDArray[np.int64]:
    """Voxels of the frame as voxels of the study's own grid, both flat."""
    grid = Grid.of(study)
    inside = np.unravel_index(flat, frame.shape)
    upright = [at + side.start for at, side in zip(inside, frame.box, strict=True)]
    source: list[Index] = [upright[0]] * 3
    for axis, to in enumerate(grid.orientation.axes):
        flip = grid.orientation.flips[axis]
        source[to] = grid.shape[axis] - 1 - upright[axis] if flip else upright[axis]
    return np.ravel_multi_index(tuple(source), study.pixels.shape).astype(np.int64)


def in_frame(study: infnet.Study, frame: Frame, layer: Layer) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """The undo of `on_grid`, of a layer: its voxels that lie in the frame, (3, n), and their codes."""
    inside = _upright(study, layer) - np.array([[side.start] for side in frame.box])
    held = ((inside >= 0) & (inside < np.array(frame.shape)[:, None])).all(0)
    return inside[:, held], layer.codes[held]


def slices(study: infnet.Study, corrections: Corrections) -> list[int]:
    """The upright slices, from 0, of which a person has said anything."""
    named = [np.unique(_upright(study, layer)[0]) for layer in (corrections.labels, corrections.lungs)]
    return [int(k) for k in np.unique(np.concatenate(named))]


def _upright(study: infnet.Study, layer: Layer) -> NDArray[np.int64]:
    """The voxels of a layer on the upright grid, (3, n)."""
    grid = Grid.of(study)
    source = np.unravel_index(layer.voxels, study.pixels.shape)
    turned = zip(grid.shape, grid.orientation.axes, grid.orientation.flips, strict=True)
    return np.stack([length - 1 - source[axis] if flip else source[axis] for length, axis, flip in turned])


def lay_over(marks: bytes, study: infnet.Study, frame: Frame, corrections: Corrections, slices: Iterable[int]) -> bytes:
    """The marks of slices of the frame (`Frame.marks`) as they are with the corrections."""
    if corrections.none:
        return marks
    asked = np.fromiter(slices, np.int64)
    laid = np.frombuffer(marks, np.uint8).reshape(len(asked), *frame.shape[1:]).copy()
    order = np.argsort(asked)
    for layer, free in ((corrections.labels, 3 << SIDE_BIT), (corrections.lungs, (1 << SIDE_BIT) - 1)):
        (slice_, row, column), codes = in_frame(study, frame, layer)
        at = np.searchsorted(asked, slice_, sorter=order)
        here = np.isin(slice_, asked)
        place = (order[at[here]], row[here], column[here])
        laid[place] = laid[place] & free | (_labels(codes[here]) if layer is corrections.labels else codes[here] << 6)
    return laid.tobytes()


def _labels(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The bits of a person's labels."""
    table = {0: 1 << DENSE_BIT, GGO: REACHED, CONSOLIDATION: REACHED | 1 << DENSE_BIT}
    return np.array([table[code] for code in range(3)], np.uint8)[codes]
