"""Numbers as people read them, in the unit that the geometry allows."""

from __future__ import annotations

import infnet
from infnet.measure.statistics import Load
from infnet.study import CONSOLIDATION, GGO

NONE = "–"  # noqa: RUF001 - a dash where there is no number
SHORT = {GGO: "Ground glass", CONSOLIDATION: "Consolidation"}  # CLASS_NAMES, short enough for a column


def area(load: Load) -> str:
    """Lesion area of a slice: mm2, or pixels without geometry."""
    return f"{load.lesion_voxels:,} px" if load.lesion_mm2 is None else f"{load.lesion_mm2:,.0f} mm²"


def amount(load: Load) -> str:
    """Lesion of the whole study: ml, or the area where there is no volume."""
    return area(load) if load.lesion_ml is None else f"{load.lesion_ml:,.1f} ml"


def quantity(load: Load) -> tuple[float, str]:
    """Lesion of a region as a number, rounded as `amount` shows it, and its unit."""
    if load.lesion_ml is not None:
        return round(load.lesion_ml, 1), "ml"
    return (load.lesion_voxels, "px") if load.lesion_mm2 is None else (round(load.lesion_mm2), "mm²")


def percent(load: Load) -> str:
    """Involvement of a region."""
    return share(load.involvement_percent)


def share(value: float | None) -> str:
    return NONE if value is None else f"{value:.1f} %"


def plain(value: float) -> str:
    return f"{value:,.1f}"


def signed(value: float) -> str:
    """A change; without a sign where it rounds to nothing."""
    return f"{value:+,.1f}" if round(value, 1) else "0.0"


def lung(load: Load) -> str:
    """Size of a lung, lesion included."""
    if load.lung_ml is not None:
        return f"{load.lung_ml:,.0f} ml"
    return f"{load.lung_voxels:,} px" if load.lung_mm2 is None else f"{load.lung_mm2:,.0f} mm²"


def millimetres(place: float) -> str:
    """A position on an axis of the patient."""
    return f"{place + 0.0:z.1f} mm"


def duration(seconds: float) -> str:
    return f"{max(round(seconds), 1)} s" if seconds < 90 else f"{round(seconds / 60)} minutes"


def escaped(text: str) -> str:
    """Text from a file, so that no character of it is read as Markdown."""
    return "".join(f"\\{c}" if c in r"\`*_{}[]()#+-.!|~$:<>&" else c for c in text)


def facts(study: infnet.Study) -> str:
    """Size, spacing and kind of pixels, in one line."""
    slices, rows, columns = study.pixels.shape
    words = [f"{slices} slice{'s' * (slices > 1)}", f"{rows} x {columns} pixels"]
    if study.affine is not None:
        apart, down, across = study.spacing
        words.append(f"{down:.2f} x {across:.2f} mm" + (f", {apart:.2f} mm apart" if slices > 1 else ""))
    words.append("HU" if study.is_hu else "grey values")
    return " · ".join(words)
