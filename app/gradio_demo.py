"""The share-link demo and its API: `python -m app.gradio_demo`. One study or picture in; picture, table and files out.

What a visitor has is a `Visit` in the session's state; it goes with the browser tab, and so do its files. Uploads are
deleted as soon as they are read. The module keeps nothing of anybody.
"""

from __future__ import annotations

import argparse
import html
import os
import signal
import sys
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import gradio as gr

import infnet
from app.core import figures, units
from app.core.pictures import WINDOWS
from app.core.visit import Finding, Visit, draw, files, read_upload, summary, table
from infnet import export, phantom
from infnet.measure import densities, regions
from infnet.overlay import COLOURS, display
from infnet.read import find_series
from infnet.study import CLASS_NAMES

QUEUE = 8  # visitors who may wait for the networks; the next one is asked to come back
VISITS = 32  # studies held at once; the one that was idle longest goes first
IDLE = 3600  # seconds after which a study is forgotten, though its tab is open
LARGEST_UPLOAD = "2gb"
MOST_SLICES = 20_000  # that one study can have
NOTICE = "Research use only. Not for clinical use."
CSS = """
#notice {position: sticky; top: 0; z-index: 50; border-radius: .4rem; padding: .4rem .8rem; background: #ffe9c7}
#notice * {color: #5f3b00; font-weight: 600}
#numbers * {font-family: system-ui, sans-serif; font-size: .85rem}
.infnet-plot {padding-top: 2rem !important}  /* the label stands above the plot, not on its legend */
#files .label-clear-button {display: none}  /* nothing to take back among the results */
"""
THEME = gr.themes.Default(
    primary_hue="sky", neutral_hue="slate", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
)


def example_study() -> infnet.Study:
    """A synthetic chest of 16 slices."""
    return phantom.chest(slices=16, rows=384, columns=384, spacing=(15.0, 0.93, 0.93)).study


def example_picture() -> infnet.Study:
    """One slice of it as a loose picture, which has neither HU nor millimetres."""
    study = example_study()
    with tempfile.TemporaryDirectory() as folder:
        return infnet.read(export.write_png(Path(folder, "slice.png"), display(study, len(study.pixels) // 2)))


EXAMPLES = {"study": example_study, "picture": example_picture}


@contextmanager
def one_line() -> Iterator[None]:
    """Show an error that the user can mend as the one line it is."""
    try:
        yield
    except infnet.InfNetError as error:
        # The dialogue renders HTML, and a message can hold the name of an uploaded file.
        raise gr.Error(html.escape(str(error), quote=False), duration=None, print_exception=False) from None


def build(engines: Any) -> gr.Blocks:
    """The page and its API on these networks (`infnet.load_engines`). GRADIO_TEMP_DIR names the folder for files."""
    visits: weakref.WeakValueDictionary[str, Visit] = weakref.WeakValueDictionary()

    def known(visit: Visit | None, request: gr.Request) -> Visit:
        """The visit of this session, from now on ended by its leaving."""
        visit = visits[str(request.session_hash)] = visit or Visit()
        return visit

    def shown(visit: Visit, study: infnet.Study, progress: gr.Progress) -> tuple[Any, ...]:
        found = visit.run(study, engines, lambda share: progress(share, desc="Segmenting"))
        drawn = draw(visit, found, found.worst, "Lung")
        return visit, *drawn, summary(found), table(found.statistics), files(visit.folder, found)

    def look(upload: list[str], visit: Visit | None, request: gr.Request) -> tuple[Visit, Any]:
        """Offer the choice where an upload holds several series."""
        visit = known(visit, request)
        visit.uploads += upload
        found: tuple[Any, ...] = ()
        with suppress(infnet.InfNetError):  # Run tells
            found = find_series(upload).series
        choices = [(f"{s.description or s.kind}, {s.slices} slices", s.key) for s in found]
        several = len(choices) > 1
        return visit, gr.Dropdown(choices=choices, value=choices[0][1] if several else "", visible=several)

    def segment(
        upload: list[str] | None, series: str | None, mm_per_pixel: float, visit: Visit | None, request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - how Gradio hands it over
    ) -> tuple[Any, ...]:  # fmt: skip
        """Segment one study: DICOM files or a zip, NIfTI, or slices as pictures; the uploaded files are deleted.

        series: which one, where there are several. mm_per_pixel: for pictures, 0 where it is not known. Returns the
        slice with the most lesion, the same in words, a summary, the table by lung and class, and the files.
        """
        visit = known(visit, request)
        visit.uploads += [file for file in upload or [] if file not in visit.uploads]
        with one_line():
            try:
                study = read_upload(upload or [], series or None, mm_per_pixel)
            finally:
                visit.delete_uploads()
            return shown(visit, study, progress)

    def example_of(kind: str) -> Any:
        def example(
            visit: Visit | None, request: gr.Request, progress: gr.Progress = gr.Progress()  # noqa: B008
        ) -> tuple[Any, ...]:  # fmt: skip
            with one_line():
                return shown(known(visit, request), EXAMPLES[kind](), progress)

        return example

    def redraw(number: float, window: str, visit: Visit | None) -> tuple[Any, str]:
        """Draw another slice of the study that was segmented last, counted from 1 at the feet."""
        with one_line():
            if visit is None or visit.found is None:
                raise infnet.InfNetError("study: none is open; segment one first")
            if not (number in range(1, visit.found.slices + 1) and window in WINDOWS):
                wanted = f"1 to {visit.found.slices} and {', '.join(WINDOWS)}"
                raise infnet.InfNetError(f"slice {number:g}, window {window}: not there; give {wanted}")
            return draw(visit, visit.found, int(number) - 1, window)

    def forget_study(visit: Visit | None) -> tuple[Any, ...]:
        """Forget the study, and delete every file made of it."""
        if visit is not None:
            visit.close()
        return None, "", "", [], None

    def controls(visit: Visit | None) -> tuple[Any, ...]:
        """What the page shows when a study has come or gone: an empty upload, the slider of the study, its plots."""
        found = visit.found if visit else None
        count, worst = (found.slices, found.worst + 1) if found else (1, 1)
        slider = gr.Slider(maximum=count if count > 1 else MOST_SLICES, value=worst, visible=count > 1)
        shown_as = gr.Radio(value="Lung", visible=found is None or found.study.is_hu)  # a picture has one window
        return None, gr.Dropdown(choices=[""], value="", visible=False), 0, slider, shown_as, *plots(found)

    def leave(request: gr.Request) -> None:
        visit = visits.pop(str(request.session_hash), None)
        if visit is not None:
            visit.close()

    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    with gr.Blocks(title="infnet", analytics_enabled=False, delete_cache=(300, IDLE), fill_width=True) as demo:
        state = gr.State(time_to_live=IDLE, delete_callback=lambda visit: visit and visit.close())
        gr.HTML(f'<div role="note">{NOTICE}</div>', elem_id="notice", padding=False)
        gr.Markdown("# infnet: COVID-19 infection in chest CT")
        with gr.Row():
            with gr.Column(scale=3, min_width=300):
                gr.Markdown("A DICOM series or a zip of it, NIfTI, or PNG/JPG slices. Names and endings do not matter.")
                upload = gr.File(label="Study", file_count="multiple", height=180)
                series = gr.Dropdown([""], value="", label="The upload holds several series", visible=False,
                                     allow_custom_value=True)  # fmt: skip
                mm = gr.Number(label="For pictures: mm per pixel (0: unknown)", value=0, step=0.01)
                with gr.Row():
                    run = gr.Button("Run", variant="primary", min_width=80)
                    stop = gr.Button("Stop", min_width=80)
                    forget = gr.Button("Forget", min_width=80)
                gr.Markdown("No study at hand? A synthetic chest with known lesions, nobody's scan:")
                with gr.Row():
                    examples = {kind: gr.Button(f"Example {kind}", size="sm", min_width=100) for kind in EXAMPLES}
                gr.Markdown("Uploaded files are deleted as soon as they are read. The study, and all that was made of "
                            "it, goes when you leave the page or press Forget.")  # fmt: skip
            with gr.Column(scale=5, min_width=420):
                colours = {CLASS_NAMES[c]: "#{:02x}{:02x}{:02x}".format(*rgb) for c, rgb in COLOURS.items()}
                picture = gr.AnnotatedImage(label="Slice", color_map=colours, height=460)
                # `draw` made it, with its masks in the visit's own folder; Gradio would keep them elsewhere for longer.
                picture.postprocess = lambda drawn: drawn  # type: ignore[method-assign]
                words = gr.Markdown()
                # A client of the API has no controls that tell it the range; `redraw` does.
                number = gr.Slider(1, MOST_SLICES, value=1, step=1, label="Slice, from the feet to the head",
                                   visible=False)  # fmt: skip
                window = gr.Radio(list(WINDOWS), value="Lung", label="Window")
            with gr.Column(scale=5, min_width=420):
                said = gr.Markdown("Numbers appear here.")
                numbers = gr.Dataframe(headers=["", *units.SHORT.values(), "Both"], value=[], interactive=False,
                                       wrap=True, label="By lung and class", elem_id="numbers")  # fmt: skip
                downloads = gr.File(label="Files", file_count="multiple", interactive=False, elem_id="files")
        with gr.Row():
            shares = gr.Plot(label="Involvement by region", visible=False, min_width=420, elem_classes="infnet-plot")
            histogram = gr.Plot(label="HU of lung and lesion", visible=False, min_width=420, elem_classes="infnet-plot")

        result = [picture, words, said, numbers, downloads]
        after: dict[str, Any] = {"fn": controls, "inputs": state, **private,
                                 "outputs": [upload, series, mm, number, window, shares, histogram]}  # fmt: skip
        # One study at a time on this machine: a second run beside it only slows both.
        networks: dict[str, Any] = {"outputs": [state, *result], "show_progress_on": picture,
                                    "concurrency_id": "networks", "concurrency_limit": 1}  # fmt: skip

        def then(run: Any) -> None:
            """Fit the controls to the study; after an error, show nothing that is not of the last upload."""
            run.success(**after)
            run.failure(forget_study, state, result, **private).then(**after)

        upload.upload(look, [upload, state], [state, series], **private)
        then(run.click(segment, [upload, series, mm, state], api_name="segment", **networks))
        for kind, button in examples.items():
            about = f"Segment a synthetic {kind}; returns what `/segment` does."
            then(button.click(example_of(kind), state, api_name=f"example_{kind}", api_description=about, **networks))
        moved: dict[str, Any] = {"fn": redraw, "inputs": [number, window, state], "outputs": [picture, words],
                                 "show_progress": "hidden", "trigger_mode": "always_last",
                                 "concurrency_limit": 4}  # fmt: skip
        number.input(api_name="slice", **moved)
        window.input(api_visibility="private", **moved)
        forget.click(forget_study, state, result, api_name="close").success(**after)
        stop.click(lambda visit: visit and visit.stop(), state, queue=False, **private)
        demo.unload(leave)
    return demo.queue(max_size=QUEUE, api_open=False)


def plots(found: Finding | None) -> tuple[Any, Any]:
    """Involvement by region, and the HU of lung and lesion; hidden where there is nothing to plot."""
    by_region = regions.regional(found.study, found.result) if found else {}
    counts = densities.hu_histogram(found.study, found.result) if found else None
    made = figures.shares(by_region) if by_region else None, figures.hu_histogram(counts) if counts else None
    for figure in filter(None, made):
        figure.update_layout(font_color=figures.GREY)  # Gradio's own is for light pages
    return gr.Plot(made[0], visible=bool(made[0])), gr.Plot(made[1], visible=bool(made[1]))


def login(text: str | None, share: bool) -> tuple[str, str] | None:
    """User and password of `--auth`. Raises InfNetError where a shared page would have none."""
    user, _, password = (text or "").partition(":")
    if text and not (user and password):
        raise infnet.InfNetError("--auth: not a user and a password; give --auth USER:PASSWORD")
    if share and not text:
        raise infnet.InfNetError("--share: anybody on the internet could open it; give --auth USER:PASSWORD too")
    return (user, password) if text else None


def launch(demo: gr.Blocks, port: int, auth: tuple[str, str] | None = None, share: bool = False) -> str:
    """Serve on this machine, and through a share link where asked for; the address. Raises InfNetError."""
    try:
        _, local, shared = demo.launch(
            server_name="127.0.0.1", server_port=port, auth=auth, share=share, prevent_thread_lock=True, quiet=True,
            theme=THEME, css=CSS, favicon_path=Path(__file__).with_name("icon.png"), footer_links=["api"],
            max_file_size=LARGEST_UPLOAD, state_session_capacity=VISITS, enable_monitoring=False, ssr_mode=False,
            run_history=False,  # it would keep studies in the browser
        )  # fmt: skip
    except OSError:
        raise infnet.InfNetError(f"--port {port}: in use; give another one") from None
    if share and not shared:
        demo.close()
        raise infnet.InfNetError("--share: no link to be had; check that this machine reaches the internet")
    return shared or local


def main(arguments: list[str] | None = None) -> int:
    """Run the demo until it is interrupted; returns the exit status, 2 after one line on bad input."""
    parser = argparse.ArgumentParser(prog="app.gradio_demo", description=f"The demo with a web API. {NOTICE}")
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument("--model", help="infection model of the registry (see `python -m infnet info`)")
    parser.add_argument("--share", action="store_true", help="open it to the internet; uploads pass Gradio's servers")
    parser.add_argument("--auth", metavar="USER:PASSWORD", default=os.environ.get("INFNET_DEMO_AUTH"),
                        help="ask for this login; better in INFNET_DEMO_AUTH, where others do not see it")  # fmt: skip
    options = parser.parse_args(arguments)
    os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_DISABLE_TELEMETRY="1")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # clean up when a container stops, too
    try:
        auth = login(options.auth, options.share)
        engines = infnet.load_engines(options.model)
        with tempfile.TemporaryDirectory(prefix="infnet-demo-", ignore_cleanup_errors=True) as folder:
            os.environ["GRADIO_TEMP_DIR"] = folder
            demo = build(engines)
            address = launch(demo, options.port, auth, options.share)
            print(f"infnet demo on {address} (Ctrl-C stops it). {NOTICE}", flush=True)
            demo.block_thread()
    except infnet.InfNetError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
