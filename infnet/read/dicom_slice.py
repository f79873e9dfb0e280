"""What is known of a DICOM slice before its pixels are decoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infnet.read.files import File


@dataclass(frozen=True)
class Facts:
    """What a header says beside pixels and geometry; an empty text or None where it does not say.

    kernel: of the reconstruction, parts joined by "/". kvp: kV of the tube. inverted: marked to be shown inverted
    (MONOCHROME1). projection: a maximum or minimum intensity projection. lossy: compressed with loss at any time.
    burned_in: text is burned into the pixels.
    """

    description: str
    series_number: int | None
    manufacturer: str
    model: str
    kernel: str
    kvp: float | None
    inverted: bool
    projection: bool
    lossy: bool
    burned_in: bool


@dataclass(frozen=True)
class Header:
    """What all frames of one file share.

    syntax: UID of the transfer syntax. allocated, stored: bits of a pixel, and those of them that count. padding: the
    lowest and highest stored value that mean padding. has_lut: HU come from a table. series: UID, or "dicom" without
    one. private: words of the patient's name and number, lower case. patient: the number, or else the name, lower case;
    never shown. odd: what breaks the standard, in words. trouble: (reason, action) where the pixels cannot be used.
    dataset: what results written as DICOM repeat of it, a pydicom Dataset without pixels; never shown.
    """

    file: File
    syntax: str
    frames: int
    rows: int
    columns: int
    allocated: int
    stored: int
    signed: bool
    padding: tuple[int, int] | None
    has_lut: bool
    series: str
    facts: Facts
    private: tuple[str, ...]
    patient: str
    odd: tuple[str, ...]
    trouble: tuple[str, str] | None
    dataset: Any = field(repr=False)

    @property
    def frame_bytes(self) -> int:
        return self.rows * self.columns * (self.allocated // 8)


@dataclass(frozen=True, eq=False)
class Slice:
    """One frame of a file; None where the header does not say.

    position: LPS mm of the first pixel, (3,). orientation: row then column cosines, (6,). spacing: mm between rows, and
    between columns. between: mm between slices. slope, intercept: of the rescale to HU, NaN where damaged. instance:
    its place in the order of the instance numbers. phase: by name, what may tell two slices at one position apart.
    """

    header: Header
    frame: int
    position: NDArray[np.float64] | None
    orientation: NDArray[np.float64] | None
    spacing: tuple[float, float] | None
    between: float | None
    slope: float | None
    intercept: float | None
    instance: int
    phase: Mapping[str, str]

    @property
    def has_position(self) -> bool:
        """Whether the header says where in the patient the slice lies."""
        return self.position is not None and self.orientation is not None
