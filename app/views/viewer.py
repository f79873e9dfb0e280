"""The page that shows slices: a fragment, so that moving the slider redraws one slice and its numbers and no more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import streamlit as st

import infnet
from app.components import widgets
from app.core import models, pictures, runs, session, units
from app.core.case import Exam
from app.core.pictures import Cut, Look, SlicePicture
from app.core.reading import Reading, infection_network, other_networks
from app.core.tokens import new_token
from app.views.parts import corrections, downloads, look, panels, slices, volumes
from infnet.pipeline import stages

ALONE = "The image alone"
TALL = "calc(100vh - 22rem)"  # of the picture: with its slider it fills the window
AHEAD = 2  # slices on either side that are sent along
KEPT = 12  # pictures of one view
STAGES = {
    "S_g": "global map",
    "S_5": "reverse attention 5",
    "S_4": "reverse attention 4",
    "S_3": "reverse attention 3",
    "S_2": "reverse attention 2",
    "edge": "edge attention",
}


@dataclass(frozen=True, eq=False)
class Shown:
    """What is on screen: a slice, `number` of `count` from 1, of a plane, and how it is drawn."""

    exam: Exam
    reading: Reading
    plane: str
    number: int
    count: int
    look: Look

    @property
    def index(self) -> int:
        return self.number - 1

    @property
    def cut(self) -> Cut:
        return Cut(self.reading.study, self.index, self.plane)

    @property
    def position(self) -> str:
        """Which slice it is, in words."""
        plane = "" if self.plane == "Axial" else f"{self.plane} "
        return f"{plane}slice {self.number} of {self.count}".capitalize()

    @property
    def row(self) -> int | None:
        """Its row in the table; None where it cuts across the rows."""
        return pictures.table_row(self.reading.study, self.index, self.plane)


def page() -> None:
    """Draw the page."""
    opened = panels.read(watch=False)
    if opened is not None:
        exam, reading = opened
        slices.leave_preview(exam.study)
        panels.reader_notices(reading, runs.notices(exam, "warn"))
        frame = volumes.chosen(exam, reading.network.lungs)
        if frame is None:
            _viewer(exam)
            corrections.panel(exam, reading)
        else:
            volumes.show(exam, frame, reading)
            _whole_study(reading)
            corrections.panel(exam, reading)
    elif (waiting := session.exam()) is not None:
        volumes.preview(waiting)


@st.fragment
def _viewer(exam: Exam) -> None:
    """Slice with overlay, its controls and its numbers. Sends one slice, two side by side."""
    controls = st.container(horizontal=True, horizontal_alignment="distribute")
    left, right = st.container(key="wide").columns([3, 2], gap="large")
    with right:
        whole_study = st.container()
        look.thresholds(exam)
    reading = runs.reading(exam)
    assert reading is not None
    study = reading.study
    with controls:
        if volumes.switch() != volumes.PICTURES:
            st.rerun()  # the page, not this fragment of it
        plane, view = look.plane_and_view(study)
    with left:
        picture_place = st.container()
        loads = slices.loads(exam, reading, plane)
        number = slices.slider(study, len(loads), loads, plane)
        look.legend(view)
    with right:
        shown = Shown(exam, reading, plane, number, len(loads), look.look(study))
        slice_numbers = st.container()
    with picture_place:
        picture = _show(shown, view)
    with whole_study:
        _whole_study(reading)
    with slice_numbers:
        _this_slice(shown, picture)


def _show(shown: Shown, view: str) -> SlicePicture:
    """The slice, alone or with others beside it; returns the one that is saved."""
    picture = _picture(shown, view)
    show = partial(widgets.show_slice, number=shown.number, count=shown.count, go=partial(slices.go, plane=shown.plane))
    if view == "Stages":
        _stages(shown)
    elif view == "Side by side":
        left, right = st.columns(2, vertical_alignment="bottom")
        with left:
            beside = _beside(shown)
            if beside is not None:
                show(beside, key="beside-picture", tall="48vh")
        with right:
            st.markdown(f"**{units.escaped(infection_network(shown.reading.result) or 'Overlay')}**")
            show(picture, key="picture", tall="48vh")
    else:
        near = range(max(1, shown.number - AHEAD), min(shown.count, shown.number + AHEAD) + 1)
        ahead = {n: _picture(replace(shown, number=n), view) for n in near if n != shown.number}
        show(picture, key="picture", tall=TALL, view=str(_kept(shown, view)[0]), ahead=ahead)
    return picture


def _kept(shown: Shown, view: str) -> tuple[int, dict[int, SlicePicture]]:
    """What tells this view from every other, and its pictures by number, of which the last few are kept."""
    key = (shown.reading.key, shown.plane, shown.look, view)
    return shown.exam.once("pictures", key, lambda: (new_token(), {}))


def _picture(shown: Shown, view: str) -> SlicePicture:
    """The slice as the view draws it, drawn once."""
    _, kept = _kept(shown, view)
    picture = kept.pop(shown.number, None) or _draw(shown, view)
    kept[shown.number] = picture
    if len(kept) > KEPT:
        del kept[next(iter(kept))]
    return picture


def _draw(shown: Shown, view: str) -> SlicePicture:
    reading, cut = shown.reading, shown.cut
    result = reading.result
    if view == "Heat map":
        probability = cut.of(result.probability)
        alt = f"{shown.position}, probability of infection, at most {float(probability.max()):.2f}"
        return pictures.heat_picture(cut, shown.look, result, probability, alt)
    disagreement = runs.disagreement(shown.exam, reading) if view == "HU bands" else None
    if disagreement is not None:
        alt = f"{shown.position}, where the network and the HU bands disagree"
        return pictures.marks_picture(cut, shown.look, result, disagreement.volume, alt)
    alt = pictures.alternative(shown.position, shown.look, reading.statistics, shown.row)
    return pictures.slice_picture(cut, shown.look, result, alt)


def _beside(shown: Shown) -> SlicePicture | None:
    """The image alone, or the result of another network, which runs when it is asked for."""
    exam, reading, look = shown.exam, shown.reading, shown.look
    others = other_networks(reading.result)
    network = ALONE
    if others:
        key = session.setting("beside", ALONE)
        network = st.selectbox("Beside it", [ALONE, *others], key=key, label_visibility="collapsed")
    else:
        st.markdown(f"**{ALONE}**")
    if network == ALONE:
        alt = f"{shown.position}, without overlay"
        return pictures.slice_picture(shown.cut, look.bare, reading.result, alt)
    job = exam.others.get(network)
    if job is not None and job.state in ("waiting", "running"):
        panels.progress(job, len(exam.study.pixels))
        return None
    second = runs.reading(exam, network)
    if second is None:
        panels.trouble(job)
        st.button(
            f"Run {network}",
            type="primary",
            icon=":material/play_arrow:",
            on_click=runs.start_other,
            args=(exam, network),
            help=f"About {units.duration(models.estimate(exam.study))}.",
        )
        return None
    lesion = second.statistics.total.lesion
    st.caption(f"{units.amount(lesion)}, {units.percent(lesion)}, from probability {second.threshold:.2f}")
    alt = pictures.alternative(f"{shown.position}, {network}", look, second.statistics, shown.row)
    return pictures.slice_picture(replace(shown.cut, study=second.study), look, second.result, alt)


def _stages(shown: Shown) -> None:
    """What the network makes of the slice on its way to the result."""
    reading, network = shown.reading, infection_network(shown.reading.result)
    try:
        with st.spinner("Running the network on this slice; the first time on this machine it takes longer ..."):
            maps = shown.exam.once(
                "stages",
                (reading.token, network, shown.index),
                lambda: stages.stages(reading.study, shown.index, network, reading.network.lungs),
            )
    except infnet.InfNetError as error:
        panels.error(str(error))
        return
    for start in range(0, len(maps), 3):
        row = list(maps.items())[start : start + 3]
        for column, (stage, probability) in zip(st.columns(3), row, strict=False):
            with column:
                caption = "the prediction" if stage == stages.prediction(maps) else STAGES[stage]
                st.markdown(f"**{stage}** &nbsp; :gray[{caption}]")
                alt = f"Slice {shown.number}, {caption}, at most {float(probability.max()):.2f}"
                picture = pictures.stage_picture(reading.study, shown.index, probability, alt)
                widgets.show_slice(picture, shown.number, 1, f"stage-{stage}", slices.go, tall="28vh")


def _whole_study(reading: Reading) -> None:
    """The two numbers that follow the thresholds."""
    total = reading.statistics.total.lesion
    first, second = st.columns(2)
    first.metric(f"Lesion {'volume' if total.lesion_ml is not None else 'area'}", units.amount(total), border=True)
    help_text = "Lesion in % of all lung, diseased lung included."
    second.metric("Involvement", units.percent(total), border=True, help=help_text)


def _this_slice(shown: Shown, picture: SlicePicture) -> None:
    """What the slice on screen holds, and the slice to save."""
    row = shown.row
    if shown.count > 1 and row is not None:
        st.markdown(f"**{shown.position}**{pictures.where(shown.reading.study, shown.index, shown.plane)}")
        statistics = shown.reading.statistics.slices[row]
        panels.by_lung_and_class(statistics, units.area, "Lesion of this slice by lung and class")
    elif shown.count > 1:
        st.caption("The table holds slices as they were stored: none of them is the one on screen.")
    name = f"{shown.plane.lower()}_{shown.number:03d}.png"
    downloads.button("Save picture", picture.png, name, "image/png", "the slice as shown.")
