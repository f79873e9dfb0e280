"""What the demo does when somebody uploads, presses a button or leaves. Docstrings of the API's verbs are its help."""

from __future__ import annotations

import html
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import gradio as gr

import infnet
from app.core.jobs import HungError
from app.core.pictures import WINDOWS
from app.demo import outputs
from app.demo.guard import Owners, visitor_of
from app.demo.visit import Visit, read_uploaded
from infnet import export, phantom
from infnet.overlay import display
from infnet.pipeline.models import Engines
from infnet.read import find_series

MOST_SLICES = 20_000  # that one study can have


def example_study() -> infnet.Study:
    """A synthetic chest of 16 slices."""
    return phantom.chest(slices=16, rows=384, columns=384, spacing=(15.0, 0.93, 0.93)).study


def example_picture() -> infnet.Study:
    """One slice of it as a loose picture, which has neither HU nor millimetres."""
    study = example_study()
    with tempfile.TemporaryDirectory() as folder:
        return infnet.read(export.write_png(Path(folder, "slice.png"), display(study, len(study.pixels) // 2)))


EXAMPLES: dict[str, Callable[[], infnet.Study]] = {"study": example_study, "picture": example_picture}


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Show an error that the user can mend as the one line it is."""
    try:
        yield
    except infnet.InfNetError as error:
        # The dialogue renders HTML, and a message can hold the name of an uploaded file.
        raise gr.Error(html.escape(str(error), quote=False), duration=None, print_exception=False) from None


def _visitor(request: gr.Request) -> str | None:
    """What the cookie of this request's visitor holds."""
    return visitor_of(request.headers.get("cookie"))


class Events:
    """The page's events on these networks, with every visitor's files in a private part of the demo's folder.

    renew: makes new networks, where those at hand have hung.
    """

    def __init__(self, engines: Engines, owners: Owners, renew: Callable[[], Engines] | None = None) -> None:
        self._engines, self._owners = engines, owners
        self._renew = renew or (lambda: engines)
        self._visits: weakref.WeakValueDictionary[str, Visit] = weakref.WeakValueDictionary()

    def _visit(self, visit: Visit | None, request: gr.Request) -> Visit:
        """The visit of this session, from now on ended by its leaving."""
        visit = self._visits[str(request.session_hash)] = visit or Visit(self._owners, _visitor(request))
        return visit

    def _results(self, visit: Visit, study: infnet.Study, progress: gr.Progress) -> tuple[Any, ...]:
        try:
            reading = visit.run(study, self._engines, lambda share: progress(share, desc="Segmenting"))
        except HungError:
            self._engines = self._renew()
            raise
        picture, words = outputs.draw(reading, outputs.first_slice(reading), "Lung", visit.folder)
        files = outputs.files(reading, visit.folder)
        return visit, picture, words, outputs.summary(reading), outputs.table(reading), files

    def offer_series(self, upload: list[str], visit: Visit | None, request: gr.Request) -> tuple[Visit, Any]:
        """Offer the choice where an upload holds several series."""
        visit = self._visit(visit, request)
        with errors_in_one_line():
            self._owners.check(_visitor(request), upload)
        visit.uploads += upload
        choices: list[tuple[str, str]] = []
        with suppress(infnet.InfNetError):  # Run tells
            series = find_series(upload).series
            choices = [(f"{s.description or s.format}, {s.slices} slices", s.key) for s in series]
        several = len(choices) > 1
        return visit, gr.Dropdown(choices=choices, value=choices[0][1] if several else "", visible=several)

    def segment(
        self,
        upload: list[str] | None,
        series: str | None,
        mm_per_pixel: float,
        visit: Visit | None,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - how Gradio hands it over
    ) -> tuple[Any, ...]:
        """Segment one study: DICOM files or a zip, NIfTI, or slices as pictures; the uploaded files are deleted.

        series: which one, where there are several. mm_per_pixel: for pictures, 0 where it is not known. Returns the
        slice with the most lesion, the same in words, a summary, the table by lung and class, and the files.
        """
        visit = self._visit(visit, request)
        with errors_in_one_line():
            self._owners.check(_visitor(request), upload or [])
            visit.uploads += [file for file in upload or [] if file not in visit.uploads]
            try:
                study = read_uploaded(upload or [], series or None, mm_per_pixel)
            finally:
                visit.delete_uploads()
            return self._results(visit, study, progress)

    def example(self, kind: str) -> Callable[..., tuple[Any, ...]]:
        """The event that segments one of EXAMPLES."""

        def segment_example(
            visit: Visit | None,
            request: gr.Request,
            progress: gr.Progress = gr.Progress(),  # noqa: B008
        ) -> tuple[Any, ...]:
            with errors_in_one_line():
                return self._results(self._visit(visit, request), EXAMPLES[kind](), progress)

        return segment_example

    def redraw(self, number: float, window: str, visit: Visit | None) -> tuple[Any, str]:
        """Draw another slice of the study that was segmented last, counted from 1 at the feet."""
        with errors_in_one_line():
            if visit is None or visit.reading is None:
                raise infnet.InfNetError("study: none is open; segment one first")
            slices = visit.reading.slices
            if not (number in range(1, slices + 1) and window in WINDOWS):
                wanted = f"1 to {slices} and {', '.join(WINDOWS)}"
                raise infnet.InfNetError(f"slice {number:g}, window {window}: not there; give {wanted}")
            return outputs.draw(visit.reading, int(number) - 1, window, visit.folder)
        raise AssertionError("unreachable: the block returns or raises")

    def forget(self, visit: Visit | None) -> tuple[Any, ...]:
        """Forget the study, and delete every file made of it."""
        if visit is not None:
            visit.close()
        return None, "", "", [], None

    def controls(self, visit: Visit | None) -> tuple[Any, ...]:
        """What the page shows when a study has come or gone: an empty upload, the slider of the study, its plots."""
        reading = visit.reading if visit else None
        count, number = (reading.slices, outputs.first_slice(reading) + 1) if reading else (1, 1)
        slider = gr.Slider(maximum=count if count > 1 else MOST_SLICES, value=number, visible=count > 1)
        windows = gr.Radio(value="Lung", visible=reading is None or reading.study.is_hu)  # a picture has one window
        return None, gr.Dropdown(choices=[""], value="", visible=False), 0, slider, windows, *outputs.plots(reading)

    def stop(self, visit: Visit | None) -> None:
        """End what runs for this visitor."""
        if visit is not None:
            visit.stop()

    def leave(self, request: gr.Request) -> None:
        """End the visit of a session whose page was left."""
        visit = self._visits.pop(str(request.session_hash), None)
        if visit is not None:
            visit.close()
