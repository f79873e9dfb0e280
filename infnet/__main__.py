"""Command line: `python -m infnet segment`, `batch`, `node`, `watch`, `pull` and `info`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

from infnet.errors import InfNetError
from infnet.node.command import add_captures, add_commands
from infnet.node.pull import add_pull


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit status, 2 after one line on bad input."""
    parser = argparse.ArgumentParser(
        prog="infnet", description="COVID-19 lung infection in chest CT. Research use only."
    )
    commands = parser.add_subparsers(dest="command", required=True)

    study = commands.add_parser("segment", help="segment a study: DICOM file, folder or zip, NIfTI, or pictures")
    study.add_argument("paths", nargs="+", metavar="PATH")
    study.add_argument("--series", help="which series, where there are several")
    _add_segment(study)
    study.add_argument("--mm-per-pixel", type=float, help="for loose pictures: millimetres per pixel")
    _add_names(study, "the name of the file or folder")
    study.add_argument("--profile", action="store_true", help="print wall time and peak memory")
    study.set_defaults(run=segment_command)

    cohort = commands.add_parser("batch", help="a cohort: every study in a folder, one table; goes on after a stop")
    cohort.add_argument("folder", type=Path, metavar="IN", help="holds a folder, zip or file for each study")
    cohort.add_argument("out", type=Path, metavar="OUT", help="folder for cohort.csv and cohort.parquet")
    _add_model(cohort)
    _add_names(cohort, "the names in IN")
    cohort.add_argument("--files", action="store_true", help="write masks, pictures and numbers of each study, too")
    _add_further(cohort, "; sets --files")
    cohort.add_argument("--workers", type=int, default=1, help="studies at the same time; each needs about 1 GB")
    cohort.add_argument(
        "--limit-minutes", type=float, default=60.0, help="give a study up after so long, as a row with its error (60)"
    )
    cohort.add_argument("--retry", action="store_true", help="do the studies again whose row is an error")
    cohort.add_argument("--ray", metavar="ADDRESS", help="let a Ray cluster do the work (`pip install 'ray[data]'`)")
    cohort.set_defaults(run=batch_command, stopped="what was finished is kept")

    add_commands(commands, _add_model)
    add_pull(commands, _add_segment, segment_command)

    info = commands.add_parser("info", help="versions, devices and the models that are shipped")
    info.set_defaults(run=info_command)

    options = parser.parse_args(arguments)
    try:
        with _ending_in_order():
            options.run(options)
    except InfNetError as error:
        _say(" ".join(str(error).split()), sys.stderr)
        return 2
    except (KeyboardInterrupt, _Ended) as stop:
        print(f"stopped; {getattr(options, 'stopped', 'nothing half written is left')}", file=sys.stderr)
        return 143 if isinstance(stop, _Ended) else 130
    return 0


AGAIN = 0.5  # seconds after which a request to end is repeated


class _Ended(BaseException):
    """The system asked this process to end (SIGTERM)."""


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """Let SIGTERM unwind like Ctrl-C, so that unfinished files are removed; a second one ends at once.

    Both are asked again until they are heard: an exception that a signal raises is lost where the code that it comes to
    swallows it, as a callback of Python's own import locks does.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked: list[type[BaseException]] = []
    undo = ExitStack()

    def end(number: int, frame: object) -> None:
        signal.signal(number, before[number])  # what a second one does
        asked.append(_Ended if number == signal.SIGTERM else KeyboardInterrupt)
        if hasattr(signal, "setitimer"):
            undo.callback(signal.signal, signal.SIGALRM, signal.signal(signal.SIGALRM, ask_again))
            undo.callback(signal.setitimer, signal.ITIMER_REAL, *signal.setitimer(signal.ITIMER_REAL, AGAIN, AGAIN))
        raise asked[0]

    def ask_again(number: int, frame: object) -> None:
        if not _unwinds(asked[0]):
            raise asked[0]

    numbers: list[int] = [signal.SIGTERM]
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where it is ignored, as nohup does
        numbers.append(signal.SIGINT)
    before = {number: signal.getsignal(number) for number in numbers}
    with undo:
        for number in numbers:
            undo.callback(signal.signal, number, before[number])
            signal.signal(number, end)
        try:
            yield
        except Exception:
            if asked:  # a library's error in its place
                raise asked[0] from None
            raise


def _unwinds(kind: type[BaseException]) -> bool:
    """Whether an exception of this kind is on its way out: blocks that clean up after it are at work."""
    error = sys.exc_info()[1]
    while error is not None and not isinstance(error, kind):
        error = error.__context__
    return error is not None


def _say(line: str, stream: TextIO | None = None) -> None:
    """Print a line that may hold names of files, without what a terminal would obey."""
    from infnet.export.table import printable

    print(printable(line), file=stream)


def _add_names(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument(
        "--names", action="store_true", help=f"write {what}, which may be a patient's, in what is made"
    )


def _add_segment(command: argparse.ArgumentParser) -> None:
    """Options of one study that is segmented, wherever it comes from."""
    command.add_argument(
        "--out", type=Path, required=True, help="folder for masks, overlays, statistics.csv, summary.json"
    )
    _add_model(command)
    command.add_argument("--no-overlay", action="store_true", help="leave out the overlay pictures")
    _add_further(command)


def _add_model(command: argparse.ArgumentParser) -> None:
    """Options for the infection model and how it is run; what is not given is chosen by what this machine has."""
    command.add_argument("--model", help="infection model of the registry (see `info`)")
    command.add_argument("--threshold", type=float, help="infection probability from which a pixel counts as lesion")
    command.add_argument("--engine", help="openvino or torch; openvino on a processor where it is installed")
    command.add_argument("--device", help="cpu, cuda, cuda:1 or mps; the best there is when not given")
    command.add_argument("--precision", help="fp32 or bf16; bf16 where the chip computes in it")


def _add_further(command: argparse.ArgumentParser, note: str = "") -> None:
    """Options for what is written beside masks, pictures and numbers."""
    command.add_argument(
        "--pdf", nargs="?", const="en", choices=("en", "de"), help=f"page.pdf: one page, English or German (de){note}"
    )
    command.add_argument(
        "--dicom", action="store_true", help=f"dicom/: SEG, SR and PDF that join the study in its archive{note}"
    )
    command.add_argument(
        "--deidentify", action="store_true", help="with --dicom: without the patient's data, under new UIDs"
    )
    add_captures(command, "with --dicom: ")


def segment_command(options: argparse.Namespace) -> None:
    import infnet
    from infnet.concurrency import peak_memory
    from infnet.export import write_all
    from infnet.export.dicom_source import deidentified, refusal
    from infnet.files import sweep
    from infnet.measure.statistics import measure

    if options.out.exists() and not options.out.is_dir():
        raise InfNetError(f"{options.out}: is a file; give a folder for --out")
    for folder in (options.out, options.out.parent, None):
        sweep(folder)
    begun = time.perf_counter()
    study = infnet.read(options.paths, series=options.series, alias=None if options.names else "study")
    if options.mm_per_pixel is not None:
        if study.affine is not None:
            raise InfNetError(f"{study.name}: has its own geometry; leave out --mm-per-pixel")
        study = study.with_spacing(options.mm_per_pixel, options.mm_per_pixel)
    was_read = time.perf_counter()
    engines = infnet.load_engines(options.model, options.device, options.engine, options.precision)
    if options.threshold is not None:
        engines = engines.with_threshold(options.threshold)
    with _progress(study.name) as progress:
        result = infnet.segment(study, engines, progress=progress)
    segmented = time.perf_counter()
    statistics = measure(study, result)
    refused = refusal(study) if options.dicom else ""
    files = write_all(
        options.out,
        deidentified(study) if options.deidentify else study,
        result,
        statistics,
        overlays=not options.no_overlay,
        page=options.pdf,
        dicom=options.dicom and not refused,
        captures=options.captures,
    )
    written = time.perf_counter()

    for notice in result.notices:
        _say(f"warning: {notice.text}", sys.stderr)
    summary = statistics.summary()
    lesion, lung = summary["lesion_volume_ml"], summary["lung_volume_ml"]
    share = summary["involvement_percent"]
    volumes = f"lesion {lesion:.1f} ml of lung {lung:.0f} ml, " if lesion is not None and lung is not None else ""
    involvement = "no lung found" if share is None else f"involvement {share:.1f} %"
    _say(f"{study.name}: {volumes}{involvement}; {len(files)} files in {options.out}")
    if options.profile:
        slices = len(study.pixels)
        total = written - begun
        print(
            f"wall time {total:.1f} s ({total / slices:.2f} s a slice, {slices} slices): "
            f"read {was_read - begun:.1f} s, segment {segmented - was_read:.1f} s, "
            f"measure and write {written - segmented:.1f} s"
        )
        print(f"peak memory {peak_memory() / 2**30:.2f} GiB")
    if refused:  # everything else is written
        raise InfNetError(refused)


def batch_command(options: argparse.Namespace) -> None:
    from infnet.cohort import INDEX, Settings, run
    from infnet.files import sweep

    sweep()
    settings = Settings(
        options.model,
        options.threshold,
        options.engine,
        options.device,
        options.precision,
        options.files or options.dicom or options.pdf is not None,
        options.names,
        options.limit_minutes,
        options.pdf,
        options.dicom,
        options.deidentify,
        options.captures,
    )
    with _progress(options.folder.name) as progress:

        def report(row: dict[str, Any], done: int, total: int) -> None:
            if progress:
                progress(done, total)
            if row["error"]:
                _say(f"failed: {row['error']}", sys.stderr)

        rows = run(
            options.folder,
            options.out,
            settings,
            options.workers,
            retry=options.retry,
            ray=options.ray,
            report=report,
        )
    failed = sum(bool(row["error"]) for row in rows)
    who = "" if options.names else f", which study is which in {options.out / INDEX}"
    _say(f"{len(rows)} studies, {failed} failed; table in {options.out / 'cohort.csv'}{who}")


@contextmanager
def _progress(name: str) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on a terminal; quiet otherwise."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    from infnet.export.table import printable

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(printable(name), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def info_command(options: argparse.Namespace) -> None:
    from importlib.metadata import PackageNotFoundError, version

    from infnet import __version__, weights

    print(f"infnet {__version__}, Python {sys.version.split()[0]}, {os.cpu_count()} CPU cores")
    for package in ("torch", "openvino", "timm", "pydicom", "nibabel", "streamlit"):
        try:
            print(f"  {package} {version(package)}")
        except PackageNotFoundError:
            print(f"  {package} is not installed")
    print(f"weights in {weights.folder()}")
    for entry in weights.registry().values():
        path = weights.folder() / entry.file
        state = f"{path.stat().st_size / 1e6:.0f} MB" if path.exists() else "MISSING"
        print(f"  {entry.name}: {entry.role}, {entry.network}, {state}, sha256 {entry.sha256[:12]}")
        print(f"    {entry.description}")
    print("Research use only; not for clinical decisions.")


if __name__ == "__main__":
    sys.exit(main())
