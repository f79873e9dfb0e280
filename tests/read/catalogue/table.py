"""The rows of docs/odd-files.md, and their makers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.read.catalogue import dicom, dicom_places, masks, nifti, packages, pictures, weights
from tests.read.catalogue.kind import Makers

PAGE = Path(__file__).parents[3] / "docs" / "odd-files.md"
FAMILIES: dict[str, Makers] = {
    "DICOM: header and pixels": dicom.MAKERS,
    "DICOM: places, patients and other objects": dicom_places.MAKERS,
    "NIfTI": nifti.MAKERS,
    "Pictures": pictures.MAKERS,
    "Zips and folders": packages.MAKERS,
    "Weights": weights.MAKERS,
    "Masks": masks.MAKERS,
}


@dataclass(frozen=True)
class Kind:
    """A row of the page. outcome: E refused, W used with a warning, R used. says: part of the line, or the code."""

    family: str
    number: int
    what: str
    outcome: str
    why: str
    says: str


def kinds() -> list[Kind]:
    """The rows of the page, in their order."""
    found, family = [], ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            family = line[3:]
        elif line.startswith("| ") and line[2].isdigit():
            number, what, outcome, why, says = (part.strip() for part in line.strip("|").split(" | "))
            found.append(Kind(family, int(number), what, outcome, why, says.strip("`")))
    return found
