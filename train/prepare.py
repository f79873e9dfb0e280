"""Unlabelled slices for Algorithm 1 from your own CT volumes: `python -m train.prepare PATH [PATH ...] --out DIR`.

A PATH is one study (DICOM folder, zip or file, NIfTI, pictures) or a folder of studies, one in each sub-folder, zip or
volume file; all axial CT series of a study are taken. Every slice that shows lung is cut to the box of its lungs, as
the app does, and written to DIR/Imgs as 8-bit grey PNG in the lung window, **transposed like the official COVID-SemiSeg
files** (`image.T` is upright), so that one reader serves both. DIR/manifest.csv says where each came from.

    Imgs/GROUP_SERIES-SLICE.png     `name.rsplit("_", 1)[0]` is the group: what one study holds falls on one side of a
                                    split, so give each patient one folder

A study that cannot be read is one line on stderr and a row of the manifest with its error; the rest goes on. Names of
patients are kept out: a part of a path that repeats the name or number in a DICOM header reads `*`. NIfTI and pictures
have no such header; the manifest holds their names as they are.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from infnet.errors import InfNetError
from infnet.export import write_png
from infnet.geometry.box import Box, crop
from infnet.grey import WINDOW
from infnet.pipeline.inputs import grey_slices, network_box
from infnet.pipeline.lungs import find_lungs
from infnet.pipeline.models import Engines, load_engines
from infnet.read import find_series, read
from infnet.read.archive import gather
from infnet.read.dicom_header import scan
from infnet.read.files import NotUsed, names_someone, one_line
from infnet.study import Study
from train.manifest import FIELDS, LUNGS_AT_LEAST, MANIFEST, Row, Settings, save, take_up
from train.studies import Source, sources

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class LungSlice:
    """A slice that shows lung: `image` is uint8, upright, cut to `box`; `index` and `box` are on the upright grid."""

    index: int
    box: Box
    image: NDArray[np.uint8]
    lung_percent: float


def lung_slices(study: Study, engines: Engines, settings: Settings, report: Callable[[int], None]) -> list[LungSlice]:
    """Every `settings.every`-th of the slices of which lung takes up enough, from the feet to the head."""
    grey, _ = grey_slices(study)
    sides = find_lungs(study, grey, engines.lungs, report)
    percents = 100 * (sides > 0).mean((1, 2))
    showing = [i for i in range(len(grey)) if percents[i] > 0 and percents[i] >= settings.lungs_at_least]
    taken = []
    for i in showing[:: settings.every]:
        box = network_box(sides[i])
        assert box is not None
        taken.append(LungSlice(i, box, crop(grey[i], box), float(percents[i])))
    return taken


def prepare(source: Source, engines: Engines, settings: Settings, out: Path, report: Progress) -> list[Row]:
    """Write the slices of one study to `out`/Imgs; its rows of the manifest, one of them for each series that fails."""
    for stale in (out / "Imgs").glob(f"{source.group}_*"):  # of a run that was stopped
        stale.unlink()
    private: set[str] = set()
    rows: list[Row] = []
    number = 0
    try:
        private = _private(source.path)
        keys = [series.key for series in find_series(source.path).series]
    except InfNetError as error:
        return [_failed(source, number, error, private)]
    for number, key in enumerate(keys or [None], start=1):

        def done(total: int, slices: int, number: int = number) -> None:
            report((number - 1 + slices / total) / max(len(keys), 1), f"slice {slices} of {total}")

        try:
            study = read(source.path, series=key)
            taken = lung_slices(study, engines, settings, partial(done, len(study.pixels)))
            if not taken:
                raise InfNetError(f"{source.label}: no slice shows enough lung; check that it is a chest CT")
        except InfNetError as error:
            rows.append(_failed(source, number, error, private))
            continue
        origin = _origin(source, number, private)
        rows += [_written(origin, study, cut, out) for cut in taken]
    return rows


def _private(path: Path) -> set[str]:
    """Words that name the patient, from the first CT header in a study."""
    with gather(path) as files:
        for file in files.of("dicom"):
            try:
                return {word for image in scan(file) for word in image.header.private}
            except NotUsed:
                continue
    return set()


def _public(label: str, private: set[str]) -> str:
    return "/".join("*" if names_someone(name, private) else name for name in label.split("/"))


def _origin(source: Source, series: int, private: set[str]) -> Row:
    """Where a row comes from, without the patient's name; series 0: the study as a whole."""
    return {"source": _public(source.label, private), "group": source.group, "series": series or ""}


def _failed(source: Source, series: int, error: InfNetError, private: set[str]) -> Row:
    """The row of a series that cannot be used, told on stderr too. The file that the error names stays out of it."""
    text = one_line(str(error), 300)
    print(text if text.startswith(source.label) else f"{source.label}: {text}", file=sys.stderr)
    reason = text.partition(": ")[2] or text
    reason = "cannot be read" if names_someone(reason, private) else reason
    return {**dict.fromkeys(FIELDS, ""), **_origin(source, series, private), "error": reason}


def _written(origin: Row, study: Study, cut: LungSlice, out: Path) -> Row:
    """Write one slice, transposed; its row."""
    turn = study.orientation
    rows, columns = turn.apply(study.pixels).shape[1:]
    file = out / "Imgs" / f"{origin['group']}_{origin['series']}-{cut.index:04d}.png"
    write_png(file.with_suffix(".part"), cut.image.T).replace(file)
    flat = study.affine is None  # a picture has no millimetres
    slice_mm, row_mm, column_mm = ("",) * 3 if flat else (round(mm, 4) for mm in turn.spacing(study.spacing))
    low, high = WINDOW if study.is_hu else ("", "")  # a picture's window is unknown
    return {
        "file": f"Imgs/{file.name}",
        **origin,
        "slice": cut.index,
        **asdict(cut.box),
        "rows": rows,
        "columns": columns,
        "window_low": low,
        "window_high": high,
        "slice_mm": slice_mm,
        "row_mm": row_mm,
        "column_mm": column_mm,
        "lung_percent": round(cut.lung_percent, 2),
        "error": "",
    }


@contextmanager
def _progress(total: int) -> Iterator[Progress]:
    """A progress bar over `total` studies on a terminal; quiet otherwise."""
    if not sys.stderr.isatty():
        yield lambda done, text: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda done, text: bar.update(task, completed=done, description=text)


def run(options: argparse.Namespace) -> int:
    """Prepare every study that is not finished; the exit status."""
    settings = Settings(options.every, options.lungs_at_least)
    studies = sources(options.paths, options.out)
    engines = load_engines(device=options.device)
    settings = replace(settings, lung_weights=engines.lungs.entry.sha256)
    rows = take_up(options.out, settings, options.resume)
    failed = {row["group"] for row in rows if row["error"]}
    finished = {row["group"] for row in rows} - failed
    with _progress(len(studies)) as progress:
        for number, source in enumerate(studies):
            if source.group in finished:
                continue

            def report(share: float, text: str, number: int = number) -> None:
                progress(number + share, f"study {number + 1} of {len(studies)}, {text}")

            fresh = prepare(source, engines, settings, options.out, report)
            # The manifest is written after the pictures: a study is in it whole or not at all.
            rows = [row for row in rows if row["group"] != source.group] + fresh
            save(options.out, rows)
    written = [row for row in rows if row["file"]]
    bad = sum(bool(row["error"]) for row in rows)
    said = f"; {bad} could not be used, see {MANIFEST}" if bad else ""
    print(f"{len(written)} slices of {len({r['group'] for r in written})} studies in {options.out}{said}")
    return 0 if written else 2


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; returns the exit status: 2 for bad input, and where no study could be used."""
    parser = argparse.ArgumentParser(
        prog="train.prepare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a study, or a folder of studies")
    parser.add_argument("--out", type=Path, required=True, help="folder for Imgs/ and manifest.csv")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take every Nth of the slices that show lung")
    parser.add_argument(
        "--lungs-at-least",
        type=float,
        default=LUNGS_AT_LEAST,
        metavar="PERCENT",
        help="share of the slice that lung must take up (%(default)g)",
    )
    parser.add_argument("--resume", action="store_true", help="go on in --out: finished studies are left alone")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 or mps; chosen automatically when not given")
    options = parser.parse_args(arguments)
    try:
        return run(options)
    except InfNetError as error:
        print(" ".join(str(error).split()), file=sys.stderr)
    except OSError as error:
        print(
            f"{options.out}: cannot be written ({error.strerror or error}); make room or choose another folder, then "
            "go on with --resume",
            file=sys.stderr,
        )
    except KeyboardInterrupt:
        print("stopped; finished studies are kept, go on with --resume", file=sys.stderr)
        return 130
    return 2


if __name__ == "__main__":
    sys.exit(main())
