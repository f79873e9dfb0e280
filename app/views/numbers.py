"""The page of all numbers of the study."""

from __future__ import annotations

import streamlit as st
from plotly.graph_objects import Figure

from app.core import figures, state, units
from app.core.case import Exam
from app.core.jobs import Job
from app.core.state import Reading
from app.views import panels
from infnet.measure import densities, lesions, regions, severity, thresholds
from infnet.study import LUNG_NAMES


def page() -> None:
    found = panels.read()
    if found is None:
        return
    exam, reading = found
    panels.warnings(reading, state.findings(exam, "warn"))
    panels.headline(reading.study, reading.statistics, across=4)
    left, right = st.container(key="wide").columns(2, gap="large")
    with left:
        _table(reading)
        _severity(reading)
        _range(exam, reading)
    with right:
        _shares(exam, reading)
        _densities(exam, reading)
    _lesions(exam, reading)


def plot(figure: Figure, key: str, alt: str) -> None:
    """A figure without a tool bar; `alt` says in words what it shows."""
    st.plotly_chart(figure, key=key, config={"displayModeBar": False}, width="stretch", alt=alt)


def _table(reading: Reading) -> None:
    study, statistics = reading.study, reading.statistics
    st.subheader("Whole study" if len(study.pixels) > 1 else "Slice", anchor=False)
    panels.by_lung_and_class(statistics, units.amount, "Lesion of the whole study by lung and class")
    by_slice = "" if statistics.counted_in_3d or len(study.pixels) == 1 else ", counted slice by slice"
    notes = [f"In brackets: % of that lung. Lesions: {statistics.lesion_count}{by_slice}."]
    if statistics.total.lesion.lesion_ml is None and len(study.pixels) > 1:
        notes.append("Areas are summed over the slices: the spacing allows no volume.")
    if statistics.outside_pixels:
        notes.append(f"{statistics.outside_pixels:,} lesion pixels lie outside the lung masks.")
    st.caption(" ".join(notes))


def _severity(reading: Reading) -> None:
    st.subheader("Severity, an estimate", anchor=False)
    found = severity.study_severity(reading.statistics)
    sides = {LUNG_NAMES[side].capitalize(): each for side, each in found.by_lung.items()}
    panels.table(
        {
            "": [f"**{name}**" for name in sides],
            "Involved": [units.NONE if each is None else f"{each.percent:.1f} %" for each in sides.values()],
            "Step": [units.NONE if each is None else each.label for each in sides.values()],
            "Score": [units.NONE if each is None else f"{each.score} of {severity.HIGHEST}" for each in sides.values()],
        },
        "Severity of each lung",
    )
    total = units.NONE if found.total is None else f"{found.total} of {found.highest}"
    st.caption(f"Sum of both lungs: {total}. Read off the masks, for whole lungs and not for lobes: an estimate, and "
               "not comparable with published 25-point scores.")  # fmt: skip


def _range(exam: Exam, reading: Reading) -> None:
    st.subheader("Involvement as a range", anchor=False)
    flips, result = exam.flips, reading.result
    mirrored = flips.result if flips is not None and flips.state == "done" else None
    found = exam.once(
        "range", (id(exam.job), mirrored is None),
        lambda: thresholds.involvement_range(reading.study, result, flipped=mirrored),
    )  # fmt: skip
    if found.low is None:
        st.caption("No lung was found.")
        return
    low, high = min(found.thresholds), max(found.thresholds)
    also = ", as it is and mirrored" if mirrored is not None else ""
    said = f"{found.low:.1f} to {found.high:.1f} %"
    st.markdown(f"**{said}** of the lungs, over thresholds from {low:.1f} to {high:.1f}{also}.")
    plot(figures.involvement(found), "plot-range", f"Involvement by threshold: {said}")
    panels.trouble(flips)
    if flips is not None and flips.alive:
        panels.progress(flips, len(exam.study.pixels))
    elif mirrored is None:
        wait = units.duration(state.estimate(exam.study))
        st.button("Mirrored as well", icon=":material/flip:", on_click=_mirror, args=(exam,),
                  help=f"Runs the networks on the mirrored study: about {wait}.")  # fmt: skip


def _mirror(exam: Exam) -> None:
    study = exam.study
    exam.flips = Job(lambda progress: thresholds.mirrored(study, state.engines(), progress))


def _shares(exam: Exam, reading: Reading) -> None:
    st.subheader("Where in the lungs", anchor=False)
    found = state.once(exam, "regions", reading, lambda: regions.regional(reading.study, reading.result))
    said = ", ".join(f"{name} {units.percent(region.lesion)}" for name, region in found.items())
    plot(figures.shares(found), "plot-shares", f"Involvement by region: {said}")
    st.caption("Thirds of the lungs' height; outer third and the rest; before and behind the middle of each lung.")


def _densities(exam: Exam, reading: Reading) -> None:
    study, result = reading.study, reading.result
    if not study.is_hu:
        st.caption("These pixels are not HU: there is no histogram and there are no HU bands.")
        return
    st.subheader("HU of lung and lesion", anchor=False)
    histogram = state.once(exam, "histogram", reading, lambda: densities.hu_histogram(study, result))
    plot(figures.hu_histogram(histogram), "plot-hu", "Histogram of HU in lung, ground glass and consolidation")
    found = state.once(exam, "bands", reading, lambda: densities.bands(study, result))
    panels.table(
        {
            "HU band": [f"**{band.name}**" for band in found],
            "HU": [_limits(band) for band in found],
            "Volume": [units.NONE if band.ml is None else f"{band.ml:,.0f} ml" for band in found],
            "Of the lungs": [units.share(band.percent) for band in found],
        },
        "The lungs by HU band",
    )
    odds = state.disagreement(exam, reading)
    st.caption(f"Network and HU disagree: infection in HU of normal lung "
               f"{_voxels(odds.network_only, odds.network_only_ml)}; denser lung that the network left out "
               f"{_voxels(odds.dense_only, odds.dense_only_ml)}. Vessels and rims thinner than 5 mm are not counted; "
               "the Viewer shows where.")  # fmt: skip


def _limits(band: densities.Band) -> str:
    if band.low is None:
        return f"below {band.high:.0f}"
    return f"from {band.low:.0f}" if band.high is None else f"{band.low:.0f} to {band.high:.0f}"


def _voxels(count: int, ml: float | None) -> str:
    return f"{count:,} px" if ml is None else f"{ml:,.1f} ml"


def _lesions(exam: Exam, reading: Reading) -> None:
    found = state.once(exam, "lesions", reading, lambda: lesions.lesions(reading.study, reading.result))
    st.subheader(f"Lesions: {len(found)}", anchor=False)
    if not found:
        return
    size = "ml" if found[0].ml is not None else "pixels"
    rows = {
        "No.": [each.number for each in found],
        size: [each.voxels if each.ml is None else round(each.ml, 2) for each in found],
        "Mean HU": [None if each.mean_hu is None else round(each.mean_hu) for each in found],
        "Consolidation, %": [round(each.consolidation_percent) for each in found],
        "Lung": [each.lung for each in found],
        "Slice": [each.display_slice + 1 for each in found],
        "Position, mm (left, back, head)": [
            units.NONE if each.position_mm is None else ", ".join(f"{mm:.0f}" for mm in each.position_mm)
            for each in found
        ],
    }
    st.caption("Choose a row to see its largest cross-section in the Viewer.")
    chosen = st.dataframe(rows, hide_index=True, on_select="rerun", selection_mode="single-row", key="lesions",
                          height=min(38 + 35 * len(found), 400))  # fmt: skip
    if chosen.selection.rows:
        st.session_state.slice = found[chosen.selection.rows[0]].display_slice + 1
        st.session_state.plane = "Axial"
        st.session_state.go_to = "viewer"
        st.rerun()
