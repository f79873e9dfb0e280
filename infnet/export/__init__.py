"""Write a result to a folder: masks, probability, overlays, table and summary; on request a page and DICOM objects."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infnet.concurrency import cores, map_in_threads
from infnet.errors import InfNetError, UnwritableError
from infnet.export.dicom import captures as captured
from infnet.export.dicom import encapsulated, save, segmentation
from infnet.export.dicom_report import report
from infnet.export.nifti import write_nifti
from infnet.export.page import page as write_page
from infnet.export.png import probability_levels, write_png, write_stack
from infnet.export.table import summary, write_csv, write_json
from infnet.files import staging
from infnet.measure.statistics import Statistics
from infnet.overlay import display, overlay
from infnet.study import Segmentation, Study

__all__ = ["dicom_objects", "overlay_images", "write_all", "write_nifti", "write_png"]

SUMMARY, TABLE = "summary.json", "statistics.csv"
OURS = re.compile(
    r"(mask|lungs|probability)(_\d{3,})?\.(png|nii\.gz)|overlay/slice_\d{3,}\.png|statistics\.csv|summary\.json"
    r"|page\.pdf|dicom/(segmentation|report|page|capture_\d{3,})\.dcm"
)


def write_all(
    folder: str | Path,
    study: Study,
    result: Segmentation,
    statistics: Statistics,
    overlays: bool = True,
    *,
    page: str | None = None,
    dicom: bool = False,
    captures: bool = False,
) -> list[Path]:
    """Write everything the command line promises into `folder`; the paths written.

    mask, lungs, probability as .nii.gz on the source grid, or as .png (0/1/2; 16-bit probability) for loose pictures;
    overlay/slice_NNN.png, statistics.csv, summary.json. page: the language ("en", "de") of page.pdf, which is left out
    without one. dicom: dicom/segmentation.dcm where there is a lesion, dicom/report.dcm, and dicom/page.dcm; with
    `captures` also dicom/capture_NNN.dcm, a picture of each slice with a lesion.
    All or nothing: a failure leaves `folder` as it was. Other files in it stay; those of an earlier run that this one
    does not write again are removed. While files of an earlier run are replaced there is no summary.json: where there
    is one, all files are of one run. Raises UnwritableError where the folder cannot be written, InfNetError where it is
    a file, or where `dicom` cannot be made of the study.
    """
    pdf = write_page(study, result, statistics, language=page or "en") if page or dicom else b""
    objects = dicom_objects(study, result, statistics, pdf, captures) if dicom else {}
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InfNetError(f"{folder}: is a file; give a folder to write to")
    try:
        fresh = not folder.exists()
        if fresh:
            folder.parent.mkdir(parents=True, exist_ok=True)
        # Beside a new folder, inside an existing one: that one's parent may be closed to us, as in a container.
        with staging(folder.parent if fresh else folder) as filled:
            names = _write(filled, study, result, statistics, overlays)
            names += _write_further(filled, pdf if page else b"", objects)
            if fresh:
                os.chmod(filled, 0o755)  # nosec B103  # as `mkdir` would have made it
                filled.rename(folder)
            else:
                _move(filled, folder, names)
    except OSError as error:
        raise UnwritableError(
            f"{folder}: cannot be written ({error.strerror or error}); make room or choose another folder"
        ) from error
    return [folder / name for name in names]


def _write(staging: Path, study: Study, result: Segmentation, statistics: Statistics, overlays: bool) -> list[str]:
    """Write every file under `staging`; their names in it."""
    affine = None if study.is_picture else study.affine

    def volume(name: str, values: NDArray[Any]) -> list[Path]:
        if affine is None:
            return write_stack(staging, name, probability_levels(values) if name == "probability" else values)
        return [write_nifti(staging / f"{name}.nii.gz", values, affine)]

    def picture(number: int, image: NDArray[np.uint8]) -> list[Path]:
        return [write_png(staging / "overlay" / f"slice_{number:03d}.png", image)]

    # Compressing is most of the work and lets other threads run. The largest file goes first.
    work: list[Callable[[], list[Path]]] = [
        partial(volume, "probability", result.probability),
        partial(volume, "mask", result.labels),
        partial(volume, "lungs", result.lungs),
        lambda: [write_csv(staging / TABLE, statistics)],
        lambda: [write_json(staging / SUMMARY, summary(study, result, statistics))],
    ]
    drawings = overlay_images(study, result) if overlays else iter(())
    if overlays:
        (staging / "overlay").mkdir()
    pictures: Iterator[Callable[[], list[Path]]] = (partial(picture, *drawn) for drawn in drawings)
    written = map_in_threads(_call, chain(work, pictures), cores())
    return [path.relative_to(staging).as_posix() for paths in written for path in paths]


def _write_further(staging: Path, pdf: bytes, objects: dict[str, Any]) -> list[str]:
    names = []
    if pdf:
        (staging / "page.pdf").write_bytes(pdf)
        names.append("page.pdf")
    if objects:
        (staging / "dicom").mkdir()
    for name, dataset in objects.items():
        save(dataset, staging / "dicom" / name)
        names.append(f"dicom/{name}")
    return names


def dicom_objects(
    study: Study, result: Segmentation, statistics: Statistics, pdf: bytes, captures: bool = False
) -> dict[str, Any]:
    """DICOM datasets of a result by file name: SEG where there is a lesion, SR, and the page as encapsulated PDF.

    captures: pictures of the slices with a lesion, too, for viewers that show no SEG. Raises InfNetError
    where none can be made of the study.
    """
    seg = segmentation(study, result)
    objects = {} if seg is None else {"segmentation.dcm": seg}
    objects |= {"report.dcm": report(study, result, statistics, seg), "page.dcm": encapsulated(study, result, pdf)}
    if captures and seg is not None:
        pictures = captured(study, result, overlay_images(study, result, lesions_only=True))
        objects |= {f"capture_{number:03d}.dcm": picture for number, picture in pictures.items()}
    return objects


def _call(write: Callable[[], list[Path]]) -> list[Path]:
    return write()


def overlay_images(
    study: Study, result: Segmentation, lesions_only: bool = False
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield (number, RGB uint8 picture) of each upright slice with lung or lesion, or of the only slice.

    lesions_only: of those with a lesion alone. The number is that of the app and the table, from 1 at the feet.
    """
    orientation = study.orientation
    labels, lungs = orientation.apply(result.labels), orientation.apply(result.lungs)
    for k in range(len(labels)):
        if labels[k].any() or (not lesions_only and (lungs[k].any() or len(labels) == 1)):
            yield k + 1, overlay(display(study, k), labels[k], lungs=lungs[k])


def _move(staging: Path, folder: Path, names: list[str]) -> None:
    """Move finished files into an existing folder, and remove what an earlier run left under our names.

    The summary goes first and comes last. The table is there all the time, so that a run was here is seen even after
    a kill in between.
    """
    stale: list[Path] = []
    if (folder / SUMMARY).exists() or (folder / TABLE).exists():
        inside = ((folder / name).glob("*") for name in ("overlay", "dicom"))
        files = [p for p in (*folder.iterdir(), *chain(*inside)) if p.is_file()]
        earlier = {path.relative_to(folder).as_posix(): path for path in files}
        stale = [path for name, path in earlier.items() if OURS.fullmatch(name) and name not in names]
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
    (folder / SUMMARY).unlink(missing_ok=True)
    for path in stale:
        path.unlink()
    for name in sorted(names, key=lambda name: name == SUMMARY):
        os.replace(staging / name, folder / name)
