"""What several pages share: the frame, the strip of the open study, progress, tables. Draws, computes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import streamlit as st
from plotly.graph_objects import Figure

import infnet
from app.core import runs, session, tables, units
from app.core.case import Exam
from app.core.jobs import Job
from app.core.reading import Reading
from app.core.texts import RESEARCH_USE
from infnet.measure.statistics import Load, SliceStatistics, Statistics
from infnet.notices import Notice, unique
from infnet.overlay import COLOURS, LUNG_COLOUR, heat_scale
from infnet.study import CLASS_NAMES

ABOUT = (
    "infnet finds infection with Inf-Net and FCN8s (Fan et al., IEEE TMI 39(8):2626-2637, 2020). It is not a medical "
    "device; its masks can be wrong. The weights are for non-commercial use."
)
STYLE = """<style>
[data-testid="stFileUploaderDropzone"] {min-height: 7rem; align-content: center; align-items: center}
[data-testid="stStatusWidget"] {display: none}  /* the app shows its own progress */
[data-testid="stMain"] h2 {padding: 0}
.st-key-notice {position: fixed; top: .9rem; right: 3.5rem; width: auto; z-index: 999991}
.infnet-legend {display: flex; flex-wrap: wrap; gap: .25rem 1rem; font-size: .875rem}
.infnet-legend i {display: inline-block; width: .8em; height: .8em; border-radius: .15em; margin-right: .4em}
[data-testid="stDownloadButton"] button {white-space: nowrap}
@media (max-width: 1100px) {  /* numbers go under the picture before they get cramped beside it */
  .st-key-wide > [data-testid="stLayoutWrapper"] > [data-testid="stHorizontalBlock"] > [data-testid="stColumn"] {
    min-width: 100%
  }
}
</style>"""


def frame() -> None:
    """What every page starts with."""
    st.html(STYLE)
    with st.container(key="notice"):
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
            on_click=session.close_case,
            help="Forgets the study and everything made from it.",
        )
    return exam


def read() -> tuple[Exam, Reading] | None:
    """The open study with its numbers; otherwise a line that says what is missing, or the progress."""
    exam = opened()
    if exam is None:
        return None
    reading = runs.reading(exam)
    if reading is not None:
        return exam, reading
    if exam.job is not None and exam.job.state in ("waiting", "running", "done"):
        progress(exam.job, len(exam.study.pixels))
    else:
        st.info("The networks have not run on this study yet. Start them on the page **Study**.")
    return None


def progress(job: Job, slices: int, what: str = "slices") -> None:
    """How far a job is, with a way to stop it; draws itself again until the job ends, then the page once."""

    @st.fragment(run_every=0.5)
    def bar() -> None:
        if not job.alive:
            draw_again()
        place = job.place
        text = "Loading the networks ..."
        if place is not None:
            text = f"Waiting for another study to finish: place {place} in the queue ..."
        if job.total:
            text = f"{slices * job.done // job.total} of {slices} {what}"
        with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
            st.progress(job.share, text=text)
            st.button("Stop", icon=":material/stop:", on_click=job.stop, key=f"stop-{job.token}")

    bar()


def draw_again() -> None:
    """Draw the whole page again; what the user has asked for in the meantime comes first."""
    st.empty()  # Streamlit turns to waiting clicks whenever something is drawn; `rerun` would replace them
    st.rerun()


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
