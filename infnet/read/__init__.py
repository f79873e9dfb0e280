"""Read a chest CT from whatever the user has, chosen by content and never by name.

study = read("folder")              one series
found = find_series("upload.zip")   what there is, and what was left out
study = read("upload.zip", series=found.series[0].key)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from infnet.errors import SeveralSeriesError
from infnet.notices import warn
from infnet.read import dicom, image, nifti
from infnet.read.archive import Gathered, gather
from infnet.read.files import NotUsed, names_someone, one_line, refuse
from infnet.read.reader import Format, Reader, SeriesFile
from infnet.study import Study

Paths = str | Path | Sequence[str | Path]
READERS: tuple[Reader, ...] = (dicom, nifti, image)  # pictures last: beside a CT they are left out
LISTED = 20  # series that a message lists
__all__ = ["Found", "Series", "find_series", "read"]


@dataclass(frozen=True)
class Series:
    """A series that `read` can make a study of.

    key: give it to `read(..., series=key)`. description: without the patient's name. slices: how many.
    """

    key: str
    format: Format
    description: str
    modality: str
    slices: int

    def __str__(self) -> str:
        what = f", {self.description}" if self.description else ""
        unit = "slice" if self.slices == 1 else "slices"
        return f"{self.key} ({self.modality or self.format}{what}, {self.slices} {unit})"


@dataclass(frozen=True)
class Found:
    """series: those that can be read, most slices first. skipped: (file, reason) of everything that was left out."""

    series: tuple[Series, ...]
    skipped: tuple[tuple[str, str], ...]


def find_series(paths: Paths, *, alias: str | None = None) -> Found:
    """List the series in files, folders or zips without decoding them. alias: as for `read`.

    Raises ReadError where a path is missing or a zip is unsafe; finding nothing is no error.
    """
    with gather(paths, alias) as gathered:
        series = tuple(map(_describe, _readable(gathered)))
        return Found(series, tuple((s.file, s.reason) for s in gathered.skipped))


def read(paths: Paths, *, series: str | None = None, alias: str | None = None) -> Study:
    """Read one study from a file, a folder, a zip, or a list of these: DICOM, NIfTI or pictures, told by content.

    series: which one, where there are several: a key of `find_series`, or its number in that list from "1".
    alias: what study and messages call the input where the names of its files may be a patient's; files in it are then
    `alias/file_1` and so on, in the order of their names.
    Returns a Study on its own grid: slices ascend along their normal, HU where the file has HU.
    Raises ReadError, one line that says which file, why and what to do; SeveralSeriesError, with the list, where the
    caller must choose.
    """
    with gather(paths, alias) as gathered:
        readable = _readable(gathered)
        if not readable:
            raise _nothing(gathered)
        chosen = _choose(gathered.title, readable, series)
        study = chosen.load().with_notices(*gathered.notices)
        if alias is not None and chosen.format != "DICOM":  # whose name is the number of the series
            study = replace(study, name=alias)
        return _with_skipped(study, chosen, gathered)


def _readable(gathered: Gathered) -> list[SeriesFile]:
    """Every series that can be read. Pictures beside a CT are previews or masks, and are left out."""
    readable: list[SeriesFile] = []
    for reader in READERS:
        if reader is image and readable:
            for file in gathered.of(image.KIND):
                gathered.skip(file.label, NotUsed("a picture beside a CT"))
        else:
            readable += reader.find(gathered)
    return readable


def _describe(series: SeriesFile) -> Series:
    return Series(series.key, series.format, one_line(series.description, 60), series.modality, series.count)


def _choose(title: str, readable: list[SeriesFile], key: str | None) -> SeriesFile:
    """The series of this key or number. Raises SeveralSeriesError, with the list, where it is none of them."""
    if key is None and len(readable) == 1:
        return readable[0]
    for number, series in enumerate(readable, 1):
        if key in (series.key, str(number)):
            return series
    described = tuple(map(_describe, readable))
    listed = ", ".join(f"[{number}] {series}" for number, series in enumerate(described[:LISTED], 1))
    listed += f" and {len(described) - LISTED} more" if len(described) > LISTED else ""
    patients = len({series.patient for series in readable} - {""})
    holds = f"holds {len(readable)} series" + (f" of {patients} patients" if patients > 1 else "")
    reason = holds if key is None else f"has no series '{one_line(key, 80)}'"
    raise SeveralSeriesError(
        f"{one_line(title)}: {reason}; choose one by its key or number: {listed}", described, patients
    )


def _nothing(gathered: Gathered) -> Exception:
    """The error, in one line, that says why there is nothing to read."""
    skipped = gathered.skipped
    if not skipped:
        return refuse(gathered.title, "no files in it", "give the folder of one chest CT")
    if len(skipped) == 1:
        return refuse(skipped[0].file, skipped[0].reason, skipped[0].action)
    action = "give the folder or zip of one axial chest CT"
    return refuse(gathered.title, f"no chest CT in it: {_counted(gathered)}", action)


def _counted(gathered: Gathered) -> str:
    reasons = Counter(s.reason for s in gathered.skipped).most_common()
    shown = ", ".join(f"{count} x {reason}" for reason, count in reasons[:4])
    return f"{shown} and {len(reasons) - 4} other reasons" if len(reasons) > 4 else shown


def _with_skipped(study: Study, chosen: SeriesFile, gathered: Gathered) -> Study:
    """The study with a notice of the files that were left out; a file named after the patient is not named."""
    if not gathered.skipped:
        return study
    listed = tuple(("a file" if names_someone(s.file, chosen.private) else s.file, s.reason) for s in gathered.skipped)
    count = len(listed)
    text = f"{count} {'file was' if count == 1 else 'files were'} left out: {_counted(gathered)}."
    return replace(study, source={**study.source, "skipped": listed}).with_notices(warn("left-out", text))
