"""The page of all numbers of the study."""

from __future__ import annotations

import streamlit as st

from app.core import figures, models, runs, session, units
from app.core.case import Exam
from app.core.reading import Reading
from app.views.parts import downloads, panels
from infnet.measure import densities, lesions, regions, severity, thresholds
from infnet.study import LUNG_NAMES


def page() -> None:
    """Draw the page."""
    opened = panels.read()
    if opened is None:
        return
    exam, reading = opened
    panels.reader_notices(reading, runs.notices(exam, "warn"))
    panels.headline(reading.study, reading.statistics, across=4)
    panels.corrected(reading)
    left, right = st.container(key="wide").columns(2, gap="large")
    with left:
        _table(reading)
        _severity(reading)
        _range(exam, reading)
    with right:
        _shares(exam, reading)
        _densities(exam, reading)
    _lesions(exam, reading)
    downloads.files(reading, exam.revisions)


def _table(reading: Reading) -> None:
    study, statistics = reading.study, reading.statistics
    st.header("Whole study" if len(study.pixels) > 1 else "Slice", anchor=False)
    panels.by_lung_and_class(statistics, units.amount, "Lesion of the whole study by lung and class")
    by_slice = "" if statistics.counted_in_3d or len(study.pixels) == 1 else ", counted slice by slice"
    notes = [f"In brackets: % of that lung. Lesions: {statistics.lesion_count}{by_slice}."]
    if statistics.total.lesion.lesion_ml is None and len(study.pixels) > 1:
        notes.append("Areas are summed over the slices: the spacing allows no volume.")
    if statistics.outside_voxels:
        notes.append(f"{statistics.outside_voxels:,} lesion pixels lie outside the lung masks.")
    st.caption(" ".join(notes))


def _severity(reading: Reading) -> None:
    st.header("Severity, an estimate", anchor=False)
    estimate = severity.study_severity(reading.statistics)
    sides = {LUNG_NAMES[side].capitalize(): each for side, each in estimate.by_lung.items()}
    panels.table(
        {
            "": [f"**{name}**" for name in sides],
            "Involved": [units.NONE if each is None else f"{each.percent:.1f} %" for each in sides.values()],
            "Step": [units.NONE if each is None else each.label for each in sides.values()],
            "Score": [units.NONE if each is None else f"{each.score} of {severity.HIGHEST}" for each in sides.values()],
        },
        "Severity of each lung",
    )
    total = units.NONE if estimate.total is None else f"{estimate.total} of {estimate.highest}"
    st.caption(
        f"Sum of both lungs: {total}. Read off the masks, for whole lungs and not for lobes: an estimate, and "
        "not comparable with published 25-point scores."
    )


def _range(exam: Exam, reading: Reading) -> None:
    st.header("Involvement as a range", anchor=False)
    job = exam.mirrored
    mirrored = job.result if job is not None and job.state == "done" else None
    by_threshold = exam.once(
        "range",
        (reading.token, None if job is None or mirrored is None else job.token),
        lambda: thresholds.involvement_range(reading.study, reading.network, flipped=mirrored),
    )
    if by_threshold.low is None:
        st.caption("No lung was found.")
        return
    low, high = min(by_threshold.thresholds), max(by_threshold.thresholds)
    of_whom = " Without the corrections by a person." if reading.corrected else ""
    also = ", as it is and mirrored" if mirrored is not None else ""
    percents = f"{by_threshold.low:.1f} to {by_threshold.high:.1f} %"
    st.markdown(f"**{percents}** of the lungs, over thresholds from {low:.1f} to {high:.1f}{also}.{of_whom}")
    panels.plot(figures.involvement(by_threshold), "plot-range", f"Involvement by threshold: {percents}")
    panels.trouble(job)
    if job is not None and job.alive:
        panels.progress(job, len(exam.study.pixels))
    elif mirrored is None:
        wait = units.duration(models.estimate(exam.study))
        st.button(
            "Mirrored as well",
            icon=":material/flip:",
            on_click=runs.start_mirrored,
            args=(exam,),
            help=f"Runs the networks on the mirrored study: about {wait}.",
        )


def _shares(exam: Exam, reading: Reading) -> None:
    st.header("Where in the lungs", anchor=False)
    by_region = runs.once(exam, "regions", reading, lambda: regions.regional(reading.study, reading.result))
    percents = ", ".join(f"{name} {units.percent(region.lesion)}" for name, region in by_region.items())
    panels.plot(figures.shares(by_region), "plot-shares", f"Involvement by region: {percents}")
    st.caption(
        "Thirds of the lungs by height; the outer third and the rest; in front of and behind the middle of each lung."
    )


def _densities(exam: Exam, reading: Reading) -> None:
    study, result = reading.study, reading.result
    if not study.is_hu:
        st.caption("These pixels are not HU: there is no histogram and there are no HU bands.")
        return
    st.header("HU of lung and lesion", anchor=False)
    histogram = runs.once(exam, "histogram", reading, lambda: densities.hu_histogram(study, result))
    if histogram is not None:
        alt = "Histogram of HU in lung, ground glass and consolidation"
        panels.plot(figures.hu_histogram(histogram), "plot-hu", alt)
    bands = runs.once(exam, "bands", reading, lambda: densities.bands(study, result))
    if bands is not None:
        panels.table(
            {
                "HU band": [f"**{band.name}**" for band in bands],
                "HU": [_limits(band) for band in bands],
                "Volume": [units.NONE if band.ml is None else f"{band.ml:,.0f} ml" for band in bands],
                "Of the lungs": [units.share(band.percent) for band in bands],
            },
            "The lungs by HU band",
        )
    disagreement = runs.disagreement(exam, reading)
    if disagreement is not None:
        normal = _voxels(disagreement.network_only, disagreement.network_only_ml)
        dense = _voxels(disagreement.dense_only, disagreement.dense_only_ml)
        st.caption(
            f"Network and HU disagree: infection in HU of normal lung {normal}; denser lung that the network left out "
            f"{dense}. Vessels and rims thinner than 5 mm are not counted; the Viewer shows where."
        )


def _limits(band: densities.Band) -> str:
    if band.low is None:
        return f"below {band.high:.0f}"
    return f"from {band.low:.0f}" if band.high is None else f"{band.low:.0f} to {band.high:.0f}"


def _voxels(count: int, ml: float | None) -> str:
    return f"{count:,} px" if ml is None else f"{ml:,.1f} ml"


def _lesions(exam: Exam, reading: Reading) -> None:
    listed = runs.once(exam, "lesions", reading, lambda: lesions.lesions(reading.study, reading.result))
    st.header(f"Lesions: {len(listed)}", anchor=False)
    if not listed:
        return
    size = "ml" if listed[0].ml is not None else "pixels"
    rows = {
        "No.": [each.number for each in listed],
        size: [each.voxels if each.ml is None else round(each.ml, 2) for each in listed],
        "Mean HU": [None if each.mean_hu is None else round(each.mean_hu) for each in listed],
        "Consolidation, %": [round(each.consolidation_percent) for each in listed],
        "Lung": [each.lung for each in listed],
        "Slice": [each.display_slice + 1 for each in listed],
        "Position, mm (left, back, head)": [
            units.NONE if each.position_mm is None else ", ".join(f"{mm:.0f}" for mm in each.position_mm)
            for each in listed
        ],
    }
    st.caption("Choose a row to see its largest cross-section in the Viewer.")
    chosen = st.dataframe(
        rows,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key="lesions",
        height=min(38 + 35 * len(listed), 400),
    )
    if chosen.selection.rows:
        st.session_state.slice = listed[chosen.selection.rows[0]].display_slice + 1
        st.session_state.plane = "Axial"
        session.go_to("viewer")
        st.rerun()
