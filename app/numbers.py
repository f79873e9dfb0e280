"""The numbers of the study and of one slice, with the unit that the geometry allows."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

import infnet
from infnet.statistics import Load, SliceStatistics, Statistics
from infnet.study import CONSOLIDATION, GGO, LUNG_NAMES

NONE = "–"  # noqa: RUF001 - a dash where there is no number
SHORT = {GGO: "Ground glass", CONSOLIDATION: "Consolidation"}  # CLASS_NAMES, short enough for a column


def area(load: Load) -> str:
    """Lesion area of a slice: mm2, or pixels without geometry."""
    return f"{load.lesion_pixels:,} px" if load.lesion_mm2 is None else f"{load.lesion_mm2:,.0f} mm²"


def amount(load: Load) -> str:
    """Lesion of the whole study: ml, or the area where there is no volume."""
    return area(load) if load.lesion_ml is None else f"{load.lesion_ml:,.1f} ml"


def percent(load: Load) -> str:
    share = load.involvement_percent
    return NONE if share is None else f"{share:.1f} %"


def lung(load: Load) -> str:
    if load.lung_ml is not None:
        return f"{load.lung_ml:,.0f} ml"
    return f"{load.lung_pixels:,} px" if load.lung_mm2 is None else f"{load.lung_mm2:,.0f} mm²"


def whole(study: infnet.Study, statistics: Statistics) -> None:
    """The four numbers that matter, then the table by lung and class."""
    total = statistics.total.lesion
    name = "volume" if total.lesion_ml is not None else "area"
    first, second = st.columns(2)
    first.metric(f"Lesion {name}", amount(total), border=True)
    second.metric("Involvement", percent(total), border=True, help="Lesion in % of all lung, diseased lung included.")
    first, second = st.columns(2)
    first.metric(f"Lung {name}", lung(total), border=True)
    hu = statistics.mean_hu_lesion
    if study.is_hu:
        second.metric("Mean HU of lesion", NONE if hu is None else f"{hu:.0f}", border=True)
    else:
        second.metric("Lesions", f"{statistics.lesion_count}", border=True)
    st.markdown("**Whole study**" if len(study.pixels) > 1 else "**Slice**")
    _table(statistics, amount, "Lesion of the whole study by lung and class")
    by_slice = "" if statistics.counted_in_3d or len(study.pixels) == 1 else ", counted slice by slice"
    notes = [f"In brackets: % of that lung. Lesions: {statistics.lesion_count}{by_slice}."]
    if total.lesion_ml is None and len(study.pixels) > 1:
        notes.append("Areas are summed over the slices: the spacing allows no volume.")
    if statistics.outside_pixels:
        notes.append(f"{statistics.outside_pixels:,} lesion pixels lie outside the lung masks.")
    st.caption(" ".join(notes))


def _table(statistics: Statistics | SliceStatistics, shown: Callable[[Load], str], name: str) -> None:
    """One row a lung and the total; one column a class and both."""
    regions = {LUNG_NAMES[k].capitalize(): region for k, region in statistics.by_lung.items()}
    regions["Total"] = statistics.total
    columns: dict[str, list[str]] = {"": [f"**{side}**" for side in regions]}
    for key, label in SHORT.items():
        columns[label] = [_cell(region.by_class[key], shown) for region in regions.values()]
    columns["Both"] = [_cell(region.lesion, shown) for region in regions.values()]
    st.table(columns, border="horizontal", hide_index=True, alt=name)


def _cell(load: Load, shown: Callable[[Load], str]) -> str:
    return f"{shown(load)} ({percent(load)})"


def one_slice(position: str, found: SliceStatistics | None, row: int | None) -> None:
    """The numbers of the slice on screen."""
    st.markdown(f"**{position}**" + ("" if row is None else f" &nbsp; :gray[slice {row} in statistics.csv]"))
    if found is None:
        st.caption("This study was not reconstructed in axial slices: numbers are for the whole study only.")
        return
    _table(found, area, "Lesion of this slice by lung and class")
