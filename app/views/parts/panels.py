"""What several pages share: the frame, the strip of the open study, progress, tables. Draws, computes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import streamlit as st
from plotly.graph_objects import Figure

import infnet
from app.components import widgets
from app.core import runs, session, tables, units
from app.core.case import Exam
from app.core.jobs import Job
from app.core.reading import Reading
from app.core.texts import RESEARCH_USE
from app.views.parts import downloads
from infnet.measure.statistics import Load, SliceStatistics, Statistics
from infnet.notices import Notice, unique
from infnet.overlay import COLOURS, LUNG_COLOUR, heat_scale
from infnet.study import CLASS_NAMES

ABOUT = (
    "infnet finds infection with Inf-Net and FCN8s (Fan et al., IEEE TMI 39(8):2626-2637, 2020). It is not a medical "
    "device; its masks can be wrong. The weights are for non-commercial use."
)
SAID = {
    "running": "The networks run.",
    "done": "The networks are done.",
    "failed": "The run failed.",
}
LOOK = 0.5  # seconds between two looks how far a job is
STYLE = f"<style>{Path(__file__).with_name('panels.css').read_text()}</style>"


def frame(title: str) -> None:
    """What every page starts with; its title, and how the run stands, are for screen readers."""
    st.html(STYLE)
    with st.container(key="notice"):
        st.html(f'<h1 class="infnet-unseen">{title}</h1>')
        exam = session.exam()
        job = None if exam is None else exam.job
        widgets.say("run", "" if job is None else SAID.get(job.state, ""))
        widgets.whole_page()
        st.badge(RESEARCH_USE, icon=":material/science:", color="orange")


def footer() -> None:
    st.divider()
    st.caption(ABOUT)


def opened() -> Exam | None:
    """The open study as a strip with a button that closes it; without one, a button that leads to Study."""
    exam = session.exam()
    if exam is None:
        st.info("No study is open.", icon=":material/folder_open:")
        st.button(
            "Open a study", type="primary", icon=":material/folder_open:", on_click=session.go_to, args=("study",)
        )
        return None
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        name = units.escaped(exam.label) if st.session_state.get("show_name") else "Study"
        st.markdown(f"**{name}** &nbsp; :gray[{units.facts(exam.study)}]")
        st.button(
            "Close study",
            icon=":material/close:",
            on_click=_close,
            args=(exam,),
            help="Forgets the study and everything made from it.",
        )
    if st.session_state.pop("closing", False):
        _ask(exam)
    return exam


def _close(exam: Exam) -> None:
    """Close the study; asks first where that would lose what somebody has corrected."""
    if exam.revisions.unsaved:
        st.session_state.closing = True
    else:
        session.close_case()


@st.dialog("Corrections are not saved")
def _ask(exam: Exam) -> None:
    st.write("The study was corrected by hand. Once it is closed, the corrections are gone.")
    reading = runs.reading(exam)
    with st.container(horizontal=True):
        if reading is not None:
            downloads.mask_button("Save the mask", reading, exam.revisions)
        st.button("Close without saving", on_click=session.close_case)
        if st.button("Keep it open"):
            st.rerun()


def read(watch: bool = True) -> tuple[Exam, Reading] | None:
    """The open study with its numbers; otherwise a line that says what is missing, or the progress.

    watch: False where the page shows the progress itself.
    """
    exam = opened()
    if exam is None:
        return None
    reading = runs.reading(exam)
    if reading is not None:
        return exam, reading
    if exam.job is not None and exam.job.state in ("waiting", "running", "done"):
        if watch:
            progress(exam.job, len(exam.study.pixels))
    else:
        trouble(exam.job)
        st.info("The networks have not run on this study yet. Start them on the page **Study**.")
        st.button("Go to Study", icon=":material/play_arrow:", on_click=session.go_to, args=("study",))
    return None


def progress(job: Job, slices: int, what: str = "slices") -> None:
    """How far a job is, with a way to stop it; draws itself again until the job ends, then the page once."""

    @st.fragment
    def watched() -> None:
        ended = not job.alive
        bar(job, slices, what)
        widgets.pulse(f"progress-{job.token}", 0 if ended else LOOK, page=ended)

    watched()


def bar(job: Job, slices: int, what: str = "slices") -> None:
    """How far a job is now, with a way to stop it."""
    place = job.place
    text = "Loading the networks ..."
    if place is not None:
        text = f"Waiting for another study to finish: place {place} in the queue ..."
    if job.total:
        text = f"{slices * job.done // job.total} of {slices} {what}"
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        widgets.say(f"progress-{job.token}", f"{int(4 * job.share) * 25} % done" if job.total else text)
        st.progress(job.share, text=text)
        st.button("Stop", icon=":material/stop:", on_click=job.stop, key=f"stop-{job.token}")


def trouble(job: Job | None) -> None:
    """The one line of a job that failed; nothing for any other."""
    if job is None or job.state != "failed":
        return
    if job.bug is not None:
        raise job.bug
    error(job.error)


def reader_notices(reading: Reading, of_the_gate: Sequence[Notice] = ()) -> None:
    """What a reader should know about a study and its result, after what the input gate says."""
    warnings(unique(of_the_gate, reading.study.notices, reading.result.notices))


def corrected(reading: Reading) -> None:
    """What a person has changed, beside what the networks found; nothing where nobody has."""
    if reading.corrected:
        st.info(f"{reading.corrected} Corrections hold at every threshold.", icon=":material/draw:")


def warnings(notices: Sequence[Notice]) -> None:
    """Notices as a list in a yellow box; nothing where there are none."""
    if notices:
        st.warning(_listed(notices), icon=":material/warning:")


def stops(notices: Sequence[Notice]) -> None:
    """Notices as a list in a red box; nothing where there are none."""
    if notices:
        st.error(_listed(notices), icon=":material/block:")


def _listed(notices: Sequence[Notice]) -> str:
    return "\n".join(f"- {units.escaped(notice.text)}" for notice in notices)


def error(text: str) -> None:
    """The one line of what went wrong."""
    st.error(units.escaped(text), icon=":material/error:")


def headline(study: infnet.Study, statistics: Statistics, across: int = 2) -> None:
    """The four numbers that matter, `across` of them beside each other."""
    total, hu = statistics.total.lesion, statistics.mean_hu_lesion
    size = "volume" if total.lesion_ml is not None else "area"
    shown = [
        (f"Lesion {size}", units.amount(total), None),
        ("Involvement", units.percent(total), "Lesion in % of all lung, diseased lung included."),
        (f"Lung {size}", units.lung(total), None),
    ]
    if study.is_hu:
        shown.append(("Mean HU of lesion", units.NONE if hu is None else f"{hu:.0f}", None))
    else:
        shown.append(("Lesions", f"{statistics.lesion_count}", None))
    for start in range(0, len(shown), across):
        row = zip(st.columns(across), shown[start : start + across], strict=True)
        for column, (name, value, tip) in row:
            column.metric(name, value, border=True, help=tip)


def by_lung_and_class(statistics: Statistics | SliceStatistics, amount: Callable[[Load], str], name: str) -> None:
    """One row a lung and the total; one column a class and both."""
    columns = tables.by_lung(statistics, amount)
    table(columns | {"": [f"**{side}**" for side in columns[""]]}, name)


def legend(entries: Iterable[tuple[str, tuple[int, int, int]]]) -> None:
    """What colours mean."""
    spans = (f'<span><i style="background: rgb{colour}"></i>{name}</span>' for name, colour in entries)
    st.html(f'<div class="infnet-legend">{"".join(spans)}</div>')


def lesion_legend() -> None:
    """The colours of the classes and the lungs."""
    legend([*((CLASS_NAMES[c], colour) for c, colour in COLOURS.items()), ("lung border", LUNG_COLOUR)])


def heat_legend() -> None:
    """The colours of the probabilities."""
    steps = ", ".join("rgb({}, {}, {})".format(*colour) for colour in heat_scale()[::51])
    st.html(
        f'<div class="infnet-legend"><span>probability 0</span><span style="flex: 0 1 12rem; border-radius: .2em; '
        f'background: linear-gradient(to right, {steps})"></span><span>1</span></div>'
    )


def table(columns: Mapping[str, list[str]], name: str) -> None:
    """A small table; `name` is its text alternative."""
    st.table(columns, border="horizontal", hide_index=True, alt=name)


def plot(figure: Figure, key: str, alt: str) -> None:
    """A figure without a tool bar; `alt` says in words what it shows."""
    st.plotly_chart(figure, key=key, config={"displayModeBar": False}, width="stretch", alt=alt)
