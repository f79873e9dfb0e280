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
from typing import TYPE_CHECKING, Literal

from infnet.errors import SeveralSeriesError
from infnet.notices import warn
from infnet.read.archive import Gathered, gather
from infnet.read.files import NotUsed, names_someone, one_line, refuse
from infnet.study import Study

if TYPE_CHECKING:
    from infnet.read.dicom import DicomSeries
    from infnet.read.image import Pictures
    from infnet.read.nifti import NiftiVolume

Paths = str | Path | Sequence[str | Path]
__all__ = ["Found", "Series", "find_series", "read"]


@dataclass(frozen=True)
class Series:
    """One thing that `read` can make a study of.

    key: give it to `read(..., series=key)`. description: without the patient's name. slices: how many.
    """

    key: str
    kind: Literal["DICOM", "NIfTI", "pictures"]
    description: str
    modality: str
    slices: int

    def __str__(self) -> str:
        what = f", {self.description}" if self.description else ""
        unit = "slice" if self.slices == 1 else "slices"
        return f"{self.key} ({self.modality or self.kind}{what}, {self.slices} {unit})"


@dataclass(frozen=True)
class Found:
    """series: those that can be read, most slices first. skipped: (file, reason) of everything that was left out."""

    series: tuple[Series, ...]
    skipped: tuple[tuple[str, str], ...]


def find_series(paths: Paths) -> Found:
    """List the series in files, folders or zips without decoding them.

    Raises ReadError where a path is missing or a zip is unsafe; finding nothing is no error.
    """
    with gather(paths) as gathered:
        candidates = _candidates(gathered)
        return Found(tuple(_describe(c) for c in candidates), tuple((s.file, s.reason) for s in gathered.skipped))


def read(paths: Paths, *, series: str | None = None) -> Study:
    """Read one study from a file, a folder, a zip, or a list of these: DICOM, NIfTI or pictures, told by content.

    series: which one, where there are several: a key of `find_series`, or its place in that list from "1".
    Returns a Study on its own grid: slices ascend along their normal, HU where the file has HU.
    Raises ReadError, one line that says which file, why and what to do; SeveralSeriesError, with the list, where the
    caller must choose.
    """
    with gather(paths) as gathered:
        candidates = _candidates(gathered)
        if not candidates:
            raise _nothing(gathered)
        chosen = _choose(gathered.title, candidates, series)
        study = chosen.load()
        return _with_skipped(study, chosen, gathered)


def _candidates(gathered: Gathered) -> list[DicomSeries | NiftiVolume | Pictures]:
    """Everything that can be read. Pictures beside a CT are previews or masks, and are left out."""
    found: list[DicomSeries | NiftiVolume | Pictures] = []
    if gathered.of("dicom"):
        from infnet.read import dicom

        found += dicom.find(gathered)
    if gathered.of("nifti"):
        from infnet.read import nifti

        for file in gathered.of("nifti"):
            try:
                found.append(nifti.open_header(file))
            except NotUsed as why:
                gathered.skip(file.label, why)
    if gathered.of("picture"):
        from infnet.read import image

        if found:
            for file in gathered.of("picture"):
                gathered.skip(file.label, NotUsed("a picture beside a CT"))
            return found
        pictures, bad = image.open_pictures(gathered.title, gathered.of("picture"))
        for file, reason in bad:
            gathered.skip(file.label, reason)
        found += [pictures] if pictures else []
    return found


def _describe(candidate: DicomSeries | NiftiVolume | Pictures) -> Series:
    from infnet.read.dicom import DicomSeries
    from infnet.read.nifti import NiftiVolume

    if isinstance(candidate, DicomSeries):
        return Series(candidate.key, "DICOM", one_line(candidate.description, 60), "CT", len(candidate.slices))
    if isinstance(candidate, NiftiVolume):
        return Series(candidate.key, "NIfTI", "", "", candidate.shape[2])
    return Series(candidate.key, "pictures", "", "", candidate.count)


def _choose(
    title: str, candidates: list[DicomSeries | NiftiVolume | Pictures], series: str | None
) -> DicomSeries | NiftiVolume | Pictures:
    if series is None and len(candidates) == 1:
        return candidates[0]
    for place, candidate in enumerate(candidates, 1):
        if series in (candidate.key, str(place)):
            return candidate
    described = tuple(_describe(c) for c in candidates)
    listed = ", ".join(f"[{place}] {each}" for place, each in enumerate(described[:20], 1))
    listed += f" and {len(described) - 20} more" if len(described) > 20 else ""
    reason = f"holds {len(candidates)} series" if series is None else f"has no series '{one_line(series, 80)}'"
    raise SeveralSeriesError(f"{one_line(title)}: {reason}; choose one by its key or number: {listed}", described)


def _nothing(gathered: Gathered) -> Exception:
    """The one line that says why there is nothing to read."""
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


def _with_skipped(study: Study, chosen: DicomSeries | NiftiVolume | Pictures, gathered: Gathered) -> Study:
    """Tell in the study what was left out, by reason, and by file where the file's name is not the patient's."""
    if not gathered.skipped:
        return study
    private: set[str] = getattr(chosen, "private", set())
    listed = tuple(("a file" if names_someone(s.file, private) else s.file, s.reason) for s in gathered.skipped)
    count = len(listed)
    text = f"{count} {'file was' if count == 1 else 'files were'} left out: {_counted(gathered)}."
    return replace(study, source={**study.source, "skipped": listed}).with_notices(warn("left-out", text))
