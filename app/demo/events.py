"""What the demo does when somebody uploads, presses a button or leaves. Docstrings of the API's verbs are its help."""

from __future__ import annotations

import html
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import gradio as gr

import infnet
from app.core.jobs import HungError
from app.core.pictures import count
from app.core.reading import PLANES, Reading
from app.core.texts import LABELS
from app.core.uploads import alias
from app.demo import outputs
from app.demo.guard import Owners, visitor_of
from app.demo.outputs import MARKS, View
from app.demo.visit import Visit, read_uploaded
from infnet import export, phantom
from infnet.files import private_folder
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
    with private_folder() as folder:
        return infnet.read(export.write_png(folder / "slice.png", display(study, len(study.pixels) // 2)))


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


def _own(visit: Visit | None, request: gr.Request) -> Visit | None:
    """The visit of a session that this request names. Raises InfNetError where it is another visitor's."""
    if visit is not None and not visit.belongs_to(_visitor(request)):
        raise infnet.InfNetError("session: of another browser; load the page again")
    return visit


def _opened(visit: Visit | None, request: gr.Request) -> tuple[Visit, Reading]:
    """The visitor's own visit and its reading. Raises InfNetError without one."""
    own = _own(visit, request)
    if own is None or own.reading is None:
        raise infnet.InfNetError("study: none is open; segment one first")
    return own, own.reading


def _slider(reading: Reading | None, plane: str = PLANES[0]) -> gr.Slider:
    """The slider of a plane, at the slice that is shown first; hidden where there is one slice or none."""
    if reading is None or (slices := count(reading.study, plane)) == 1:
        return gr.Slider(maximum=MOST_SLICES, value=1, visible=False)
    number = outputs.first_slice(reading, plane) + 1
    return gr.Slider(maximum=slices, value=number, label=LABELS[plane], visible=True)


class Events:
    """The page's events on these networks, with every visitor's files in a private part of the demo's folder.

    renew: makes new networks, where those at hand have hung.
    """

    def __init__(self, engines: Engines, owners: Owners, renew: Callable[[], Engines] | None = None) -> None:
        self._engines, self._owners = engines, owners
        self._renew = renew or (lambda: engines)
        self._visits: weakref.WeakValueDictionary[str, Visit] = weakref.WeakValueDictionary()

    def _visit(self, visit: Visit | None, request: gr.Request) -> Visit:
        """The visit of this session, from now on ended by its leaving. Raises InfNetError for another visitor's."""
        _own(visit, request)
        visit = self._visits[str(request.session_hash)] = visit or Visit(self._owners, _visitor(request))
        return visit

    def _results(self, visit: Visit, study: infnet.Study, progress: gr.Progress) -> tuple[Any, ...]:
        try:
            reading = visit.run(study, self._engines, lambda share: progress(share, desc="Segmenting"))
        except HungError:
            self._engines = self._renew()
            raise
        picture, words = outputs.draw(reading, outputs.first_slice(reading), View(), visit.folder)
        files = outputs.files(reading, visit.folder)
        numbers = export.table.summary(reading.study, reading.result, reading.statistics)
        return visit, picture, words, outputs.summary(reading), outputs.table(reading), files, numbers

    def offer_series(self, upload: list[str], visit: Visit | None, request: gr.Request) -> tuple[Visit, Any]:
        """Offer the choice where an upload holds several series."""
        with errors_in_one_line():
            visit = self._visit(visit, request)
            self._owners.check(_visitor(request), upload)
        visit.uploads += upload
        choices: list[tuple[str, str]] = []
        with suppress(infnet.InfNetError):  # Run tells
            series = find_series(upload, alias=alias(upload)).series
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
        slice with the most lesion, the same in words, a summary, the table by lung and class, the files, and all
        numbers by name as in summary.json.
        """
        with errors_in_one_line():
            visit = self._visit(visit, request)
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

    def redraw(
        self, number: float, window: str, plane: str, marks: list[str], visit: Visit | None, request: gr.Request
    ) -> tuple[Any, str]:
        """Draw another slice of the study that was segmented last.

        number: from 1 at the feet; front; the patient's right. window: Lung, Wide or Mediastinum. plane: Axial,
        Coronal or Sagittal. marks: what is drawn over it.
        """
        with errors_in_one_line():
            visit, reading = _opened(visit, request)
            slices = count(reading.study, plane)
            if number not in range(1, slices + 1):
                raise infnet.InfNetError(f"slice {number:g}: not there; give 1 to {slices}")
            return outputs.draw(reading, int(number) - 1, View(plane, window, marks), visit.folder)
        raise AssertionError("unreachable: the block returns or raises")

    def turn(
        self, window: str, plane: str, marks: list[str], visit: Visit | None, request: gr.Request
    ) -> tuple[Any, Any, str]:
        """Show another plane, at its slice with the most lesion: the slider, the picture, and the picture in words."""
        with errors_in_one_line():
            visit, reading = _opened(visit, request)
            index = outputs.first_slice(reading, plane)
            return _slider(reading, plane), *outputs.draw(reading, index, View(plane, window, marks), visit.folder)
        raise AssertionError("unreachable: the block returns or raises")

    def forget(self, visit: Visit | None, request: gr.Request) -> tuple[Any, ...]:
        """Forget the study, and delete every file made of it."""
        with errors_in_one_line():
            if (own := _own(visit, request)) is not None:
                own.close()
        return None, "", "", [], None, None

    def controls(self, visit: Visit | None, request: gr.Request) -> tuple[Any, ...]:
        """What the page shows when a study has come or gone: an empty upload, the slider of the study, its plots."""
        with errors_in_one_line():
            own = _own(visit, request)
        reading = own.reading if own else None
        hu = reading is None or reading.study.is_hu  # a picture has one window, and one plane
        several = reading is None or (not reading.study.is_picture and reading.slices > 1)
        controls = (gr.Radio(value="Lung", visible=hu), gr.Radio(value=PLANES[0], visible=several), MARKS)
        series = gr.Dropdown(choices=[""], value="", visible=False)
        return None, series, 0, _slider(reading), *controls, *outputs.plots(reading)

    def stop(self, visit: Visit | None, request: gr.Request) -> None:
        """End what runs for this visitor."""
        with errors_in_one_line():
            if (own := _own(visit, request)) is not None:
                own.stop()

    def leave(self, request: gr.Request) -> None:
        """End the visit of a session whose page was left."""
        visit = self._visits.pop(str(request.session_hash), None)
        if visit is not None:
            visit.close()
