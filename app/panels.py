"""One function per panel. Draws what `infnet` found; every number and every picture comes from there."""

from __future__ import annotations

import streamlit as st

import infnet
from app import downloads, numbers, state
from app.viewer import preview, viewer
from infnet.errors import SeveralSeriesError
from infnet.export import is_picture
from infnet.read import Series

NOTICE = "Research use only. Not for clinical use."
ABOUT = (
    "infnet finds infection with Inf-Net and FCN8s (Fan et al., IEEE TMI 39(8):2626-2637, 2020). It is not a medical "
    "device; its masks can be wrong. The weights are for non-commercial use."
)
STYLE = """<style>
[data-testid="stFileUploaderDropzone"] {min-height: 9rem; align-content: center; align-items: center}
[data-testid="stStatusWidget"] {display: none}  /* the app shows its own progress */
.st-key-picture {background: #000; border-radius: .5rem; overflow: hidden}
.st-key-picture img {max-height: max(56vh, 20rem); width: 100%; object-fit: contain}
[data-testid="stMain"] h2 {padding: 0}
.st-key-notice {position: fixed; top: .9rem; left: 50%; transform: translateX(-50%); width: auto; z-index: 999991}
.infnet-legend {display: flex; flex-wrap: wrap; gap: .25rem 1rem; font-size: .875rem}
.infnet-legend i {display: inline-block; width: .8em; height: .8em; border-radius: .15em; margin-right: .4em}
[data-testid="stDownloadButton"] button {white-space: nowrap}
@media (max-width: 1100px) {  /* numbers go under the picture before they get cramped beside it */
  .st-key-viewer > [data-testid="stLayoutWrapper"] > [data-testid="stHorizontalBlock"] > [data-testid="stColumn"] {
    min-width: 100%
  }
}
</style>"""


def header() -> None:
    """Name, purpose, and what it is not for."""
    st.html(STYLE)
    with st.container(key="notice"):
        st.badge(NOTICE, icon=":material/science:", color="orange")
    st.markdown("## infnet &nbsp; :gray[COVID-19 infection in chest CT]")


def study() -> infnet.Study | None:
    """The open study with a way to close it; otherwise the ways to open one."""
    opened: infnet.Study | None = st.session_state.get("study")
    if opened is None:
        _open()
        return None
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{_escaped(opened.name)}** &nbsp; :gray[{_facts(opened)}]")
        st.button("Close study", icon=":material/close:", on_click=state.close_study,
                  help="Forgets the study and everything made from it.")  # fmt: skip
    return opened


def _escaped(text: str) -> str:
    """Text from a file, so that no character of it is read as Markdown."""
    return "".join(f"\\{c}" if c in r"\`*_{}[]()#+-.!|~$:<>&" else c for c in text)


def _facts(study: infnet.Study) -> str:
    slices, rows, columns = study.pixels.shape
    facts = [f"{slices} slice{'s' * (slices > 1)}", f"{rows} x {columns} pixels"]
    if study.affine is not None:
        apart, down, across = study.spacing
        facts.append(f"{down:.2f} x {across:.2f} mm" + (f", {apart:.2f} mm apart" if slices > 1 else ""))
    facts.append("HU" if study.is_hu else "grey values")
    return " · ".join(facts)


def _open() -> None:
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader("Open a chest CT", anchor=False)
        whole = st.segmented_control("What to upload", ["Files or a zip", "A folder"], default="Files or a zip",
                                     required=True, label_visibility="collapsed") == "A folder"  # fmt: skip
        files = st.file_uploader(
            "Drop or choose a DICOM series, NIfTI, or PNG/JPG slices. File names and endings do not matter.",
            accept_multiple_files="directory" if whole else True,
            key=f"upload-{st.session_state.get('upload', 0)}",
        )
        if files:
            _read(files)  # ends the script's run, but for a choice of series
        elif line := st.session_state.get("error"):
            st.error(_escaped(line), icon=":material/error:")
    with right.container(border=True):
        st.subheader("No study at hand?", anchor=False)
        st.write("A synthetic chest with known lesions, made by the program: nobody's scan.")
        if st.button("Open the example study", icon=":material/play_circle:", type="primary"):
            with st.spinner("Making the example ..."):
                state.open_study(state.example())
            st.rerun()
        st.caption(
            "Uploaded files are deleted as soon as they are read, and the study is forgotten when you close it. "
            "Nothing is sent anywhere else."
        )


def _read(files: list) -> None:
    """Read what was uploaded; one clear line where it cannot be used, a choice where it holds several series."""
    series = st.session_state.get("series")
    ids = [file.file_id for file in files]
    asked, choices = st.session_state.get("choice", (None, ()))
    if choices and asked == ids and series is None:
        _choose(choices)
        return
    try:
        with st.spinner(f"Reading {len(files)} file{'s' * (len(files) > 1)} ..."):
            found = state.read_upload(files, series)
    except SeveralSeriesError as error:
        st.session_state.update(choice=(ids, error.series), series=None)
    except infnet.InfNetError as error:
        state.close_study()
        st.session_state.error = str(error)
    else:
        state.open_study(found)
    st.rerun()


def _choose(choices: tuple[Series, ...]) -> None:
    """Ask which series; the click reads the upload again."""
    options = {found.key: found for found in choices}

    def named(key: str) -> str:
        found = options[key]
        facts = (found.kind, found.description, f"{found.slices} slices", f"...{key[-12:]}")
        return _escaped(" · ".join(fact for fact in facts if fact))

    key = st.radio("The upload holds several series. Choose one:", list(options), format_func=named)
    st.button("Open this series", type="primary", on_click=_take, args=(key,))


def _take(key: str | None) -> None:
    st.session_state.series = key


def run(study: infnet.Study) -> infnet.Segmentation | None:
    """The result: kept, or made now with progress; a long run waits for a click and can be stopped."""
    if (kept := st.session_state.get("result")) is not None:
        return kept  # type: ignore[no-any-return]
    count = len(study.pixels)
    if not st.session_state.get("run"):
        st.write(f"{count} slices: about {_duration(state.estimate(study))} on this machine.")
        st.button("Run", type="primary", icon=":material/play_arrow:", on_click=_set_run, args=(True,))
        return None
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        bar = st.progress(0.0, text="Loading the networks ...")
        st.button("Stop", icon=":material/stop:", on_click=_set_run, args=(False,))
    preview(study)

    def progress(done: int, total: int) -> None:
        # Streamlit stops the script here when somebody clicks: nothing is left half done.
        bar.progress(done / total, text=f"{count * done // total} of {count} slices")

    try:
        state.segment(study, progress)
    except infnet.InfNetError as error:
        st.session_state.run = False
        bar.empty()
        st.error(_escaped(str(error)), icon=":material/error:")
        return None
    st.rerun()


def _set_run(on: bool) -> None:
    st.session_state.run = on


def _duration(seconds: float) -> str:
    return f"{max(round(seconds), 1)} s" if seconds < 90 else f"{round(seconds / 60)} minutes"


def millimetres(study: infnet.Study) -> infnet.Study:
    """For loose pictures: let the user say how large a pixel is; until then there are pixels and percent."""
    if not is_picture(study):
        return study
    mm = st.number_input("mm per pixel (unknown until you enter it)", 0.01, 10.0, None, 0.01, "%.3f", key="mm",
                         width=320, placeholder="unknown")  # fmt: skip
    return study.with_spacing(mm, mm) if mm else study


def result(study: infnet.Study, found: infnet.Segmentation) -> None:
    """Warnings, viewer with numbers, and what the numbers rest on."""
    warnings = list(dict.fromkeys((*study.warnings, *found.warnings)))
    if warnings:
        st.warning("\n".join(f"- {_escaped(w)}" for w in warnings), icon=":material/warning:")
    statistics = state.statistics(study, found)
    left, right = st.container(key="viewer").columns([3, 2], gap="large")
    with right:
        numbers.whole(study, statistics)
        beside = st.empty()
        downloads.panel(study, found, statistics)
    with left:
        viewer(study, found, statistics, beside)
    with st.expander("What these numbers rest on", icon=":material/fact_check:"):
        _provenance(study, found)


def _provenance(study: infnet.Study, found: infnet.Segmentation) -> None:
    facts = dict(found.provenance)
    models = facts.pop("models", {})
    if models:
        st.table(
            {
                "Step": list(models),
                "Model": [m["name"] for m in models.values()],
                "Weights (SHA-256)": [f"`{m['sha256'][:16]}`" for m in models.values()],
                "Engine": [m["engine"] for m in models.values()],
                "Input": [f"{m['input_size']} px" for m in models.values()],
            },
            border="horizontal", hide_index=True, alt="Models used",
        )  # fmt: skip
    lines = {name.replace("_", " "): value for name, value in facts.items()}
    lines["source"] = ", ".join(f"{k} {v}" for k, v in study.source.items()) or "unknown"
    st.markdown("  \n".join(f"**{_escaped(k.capitalize())}** &nbsp; {_escaped(str(v))}" for k, v in lines.items()))


def footer() -> None:
    st.divider()
    st.caption(ABOUT)
