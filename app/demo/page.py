"""The demo's page: its widgets in three columns, and which event each of them starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.core.pictures import WINDOWS
from app.core.reading import PLANES
from app.core.texts import LABELS, RESEARCH_USE
from app.demo.events import EXAMPLES, MOST_SLICES, Events
from app.demo.guard import Owners
from app.demo.outputs import MARKS
from infnet.overlay import COLOURS
from infnet.pipeline.models import Engines
from infnet.study import CLASS_NAMES

QUEUE = 8  # visitors who may wait for the networks; the next one is asked to come back
IDLE = 3600  # seconds after which a study is forgotten, though its tab is open
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
ACCEPTS = "A DICOM series or a zip of it, NIfTI, or PNG/JPG slices. Names and endings do not matter."
PROMISE = (
    "Uploaded files are deleted as soon as they are read. The study, and all that was made of it, goes when you leave "
    "the page or press Forget."
)
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}


@dataclass(frozen=True)
class Inputs:
    """The left column: what is uploaded, and the buttons."""

    upload: gr.File
    series: gr.Dropdown
    mm_per_pixel: gr.Number
    run: gr.Button
    stop: gr.Button
    forget: gr.Button
    examples: dict[str, gr.Button]


@dataclass(frozen=True)
class Viewer:
    """The middle column: one slice, which one of which plane, in which window, and what is over it."""

    picture: gr.AnnotatedImage
    words: gr.Markdown
    number: gr.Slider
    window: gr.Radio
    plane: gr.Radio
    marks: gr.CheckboxGroup


@dataclass(frozen=True)
class Results:
    """The right column, and the plots below."""

    summary: gr.Markdown
    table: gr.Dataframe
    files: gr.File
    numbers: gr.JSON


@dataclass(frozen=True)
class Page:
    """All widgets, and the visit of whoever looks at them."""

    visit: gr.State
    inputs: Inputs
    viewer: Viewer
    results: Results
    plots: list[gr.Plot]


def build(engines: Engines, owners: Owners, renew: Callable[[], Engines] | None = None) -> gr.Blocks:
    """The page and its API on these networks; `renew` makes new ones where they hang.

    owners: of the folder for visitors' files; Gradio must keep its own there too.
    """
    demo = gr.Blocks(title="infnet", analytics_enabled=False, delete_cache=(60, IDLE), fill_width=True)
    with demo:
        visit = gr.State(time_to_live=IDLE, delete_callback=lambda visit: visit and visit.close())
        gr.HTML(f'<div role="note">{RESEARCH_USE}</div>', elem_id="notice", padding=False)
        gr.Markdown("# infnet: COVID-19 infection in chest CT")
        with gr.Row():
            inputs, viewer, results = input_column(), viewer_column(), results_column()
        with gr.Row():
            plots = [plot("Involvement by region"), plot("HU of lung and lesion")]
        connect(demo, Events(engines, owners, renew), Page(visit, inputs, viewer, results, plots))
    demo.queue(max_size=QUEUE, api_open=False)
    return demo


def input_column() -> Inputs:
    """Upload, its options, and the buttons."""
    with gr.Column(scale=3, min_width=300):
        gr.Markdown(ACCEPTS)
        upload = gr.File(label="Study", file_count="multiple", height=180)
        # Gradio's own leaves an empty file behind for every upload.
        component: Any = upload
        component.preprocess = lambda files: [file.path for file in files] if files is not None else None
        several = "The upload holds several series"
        series = gr.Dropdown([""], value="", label=several, visible=False, allow_custom_value=True)
        mm_per_pixel = gr.Number(label="For pictures: mm per pixel (0: unknown)", value=0, step=0.01)
        with gr.Row():
            run = gr.Button("Run", variant="primary", min_width=80)
            stop = gr.Button("Stop", min_width=80)
            forget = gr.Button("Forget", min_width=80)
        gr.Markdown("No study at hand? A synthetic chest with known lesions, nobody's scan:")
        with gr.Row():
            examples = {kind: gr.Button(f"Example {kind}", size="sm", min_width=100) for kind in EXAMPLES}
        gr.Markdown(PROMISE)
    return Inputs(upload, series, mm_per_pixel, run, stop, forget, examples)


def viewer_column() -> Viewer:
    """One slice with its masks, the same in words, and what moves it."""
    with gr.Column(scale=5, min_width=420):
        colours = {CLASS_NAMES[code]: "#{:02x}{:02x}{:02x}".format(*rgb) for code, rgb in COLOURS.items()}
        picture = gr.AnnotatedImage(label="Slice", color_map=colours, height=460)
        # `outputs.draw` has made the files already, in the visit's own folder; Gradio would keep copies for longer.
        component: Any = picture
        component.postprocess = lambda drawn: drawn
        words = gr.Markdown(label="The slice in words")
        # A client of the API has no controls that tell it the range; `redraw` does.
        # A client of the API has no controls that tell it the range; `redraw` does.
        number = gr.Slider(1, MOST_SLICES, value=1, step=1, label=LABELS[PLANES[0]], visible=False)
        plane = gr.Radio(list(PLANES), value=PLANES[0], label="Plane")
        window = gr.Radio(list(WINDOWS), value="Lung", label="Window")
        marks = gr.CheckboxGroup(MARKS, value=MARKS, label="Marks")
    return Viewer(picture, words, number, window, plane, marks)


def results_column() -> Results:
    """Numbers in words and as a table, and the files."""
    with gr.Column(scale=5, min_width=420):
        summary = gr.Markdown("Numbers appear here.", label="Summary")
        table = gr.Dataframe(value=[], interactive=False, wrap=True, label="By lung and class", elem_id="numbers")
        files = gr.File(label="Files", file_count="multiple", interactive=False, elem_id="files")
        numbers = gr.JSON(label="Numbers", visible=False)  # for clients of the API; the page has it as a file
    return Results(summary, table, files, numbers)


def plot(label: str) -> gr.Plot:
    """A plot that is hidden until there is something to plot."""
    return gr.Plot(label=label, visible=False, min_width=420, elem_classes="infnet-plot")


def connect(demo: gr.Blocks, events: Events, page: Page) -> None:
    """Which event each widget starts, from which values, and where its answer goes."""
    visit, inputs, viewer, results = page.visit, page.inputs, page.viewer, page.results
    shown = [viewer.picture, viewer.words, results.summary, results.table, results.files, results.numbers]
    view = [viewer.window, viewer.plane, viewer.marks]
    settings = [inputs.upload, inputs.series, inputs.mm_per_pixel, viewer.number, *view, *page.plots]

    def then_fit_controls(run: Any) -> None:
        """Fit the controls to the study; after an error, show nothing that is not of the last upload."""
        run.success(events.controls, visit, settings, **PRIVATE)
        cleared = run.failure(events.forget, visit, shown, **PRIVATE)
        cleared.then(events.controls, visit, settings, **PRIVATE)

    def run_networks(button: gr.Button, event: Callable[..., Any], values: list[Any], **api: Any) -> None:
        """One study at a time on this machine: a second run beside it only slows both."""
        then_fit_controls(
            button.click(
                event,
                values,
                [visit, *shown],
                show_progress_on=viewer.picture,
                concurrency_id="networks",
                concurrency_limit=1,
                **api,
            )
        )

    inputs.upload.upload(events.offer_series, [inputs.upload, visit], [visit, inputs.series], **PRIVATE)
    values = [inputs.upload, inputs.series, inputs.mm_per_pixel, visit]
    run_networks(inputs.run, events.segment, values, api_name="segment")
    for kind, button in inputs.examples.items():
        about = f"Segment a synthetic {kind}; returns what `/segment` does."
        run_networks(button, events.example(kind), [visit], api_name=f"example_{kind}", api_description=about)
    redraw: dict[str, Any] = {
        "fn": events.redraw,
        "inputs": [viewer.number, *view, visit],
        "outputs": [viewer.picture, viewer.words],
        "show_progress": "hidden",
        "trigger_mode": "always_last",
        "concurrency_limit": 4,
    }
    viewer.number.input(api_name="slice", **redraw)
    viewer.window.input(api_visibility="private", **redraw)
    viewer.marks.input(api_visibility="private", **redraw)
    redraw |= {"fn": events.turn, "inputs": [*view, visit]}
    redraw["outputs"] = [viewer.number, viewer.picture, viewer.words]
    viewer.plane.input(api_visibility="private", **redraw)
    forgotten = inputs.forget.click(events.forget, visit, shown, api_name="close")
    forgotten.success(events.controls, visit, settings, **PRIVATE)
    inputs.stop.click(events.stop, visit, queue=False, **PRIVATE)
    demo.unload(events.leave)
