"""One study of a cohort, from its file to its row of the table; what goes wrong is the row's error."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import infnet
from infnet import weights
from infnet.engine import Choice, choose
from infnet.errors import InfNetError, SeveralSeriesError, UnwritableError
from infnet.export import write_all
from infnet.export.dicom_source import deidentified, refusal
from infnet.export.table import leaves, printable, summary
from infnet.measure.statistics import measure
from infnet.notices import warn
from infnet.pipeline import Engines
from infnet.study import check_threshold
from infnet.weights import Entry

STUDIES = "studies"  # folder of what is written for each study
LIMIT_MINUTES = 60.0  # a study of 600 slices takes minutes on an old computer, whose other workers take their share
LISTS = {"shape": ("slices", "rows", "columns"), "spacing_mm": ("slice_mm", "row_mm", "column_mm")}
Row = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """How every study of a cohort is segmented; None is chosen as for one study.

    files: write masks, pictures and numbers of each study under `studies/`, too. names: call each study by the name of
    its file or folder, which may be a patient's. limit_minutes: after which a study is given up; it changes no result.
    page, dicom, captures: see `infnet.export.write_all`; a study of which no DICOM can be made says so among its
    warnings. deidentify: the DICOM holds nothing of the patient.
    """

    model: str | None = None
    threshold: float | None = None
    engine: str | None = None
    device: str | None = None
    precision: str | None = None
    files: bool = False
    names: bool = False
    limit_minutes: float = LIMIT_MINUTES
    page: str | None = None
    dicom: bool = False
    deidentify: bool = False
    captures: bool = False

    def engines(self, threads: int | None = None) -> Engines:
        """The networks that they name. Raises InfNetError where these are missing, unknown or damaged."""
        engines = infnet.load_engines(self.model, self.device, self.engine, self.precision, threads)
        return engines if self.threshold is None else engines.with_threshold(self.threshold)

    def checked(self) -> tuple[Choice, Entry]:
        """What the networks run on, and the infection network. Raises InfNetError for what is not to be had here."""
        choice = choose(self.engine, self.device, self.precision)
        infection = weights.find(self.model or weights.default("infection"))
        if self.threshold is not None:
            check_threshold(self.threshold)
        return choice, infection


@dataclass(frozen=True)
class Case:
    """A study of the cohort: what its row and its files call it, and where it lies."""

    name: str
    path: Path

    def failed(self, why: str) -> Row:
        """Its row after an error that says nothing of it."""
        return {"study": self.name, "error": f"{printable(self.name)}: {why}"}


def examine(case: Case, out: Path, settings: Settings, threads: int | None = None) -> Row:
    """Segment one study and return its row; what goes wrong with it is the row's `error`.

    Of several series of one patient the one with the most slices is taken, and the row says so.
    Raises UnwritableError where its files cannot be written, which is nothing that is wrong with the study.
    """
    alias = None if settings.names else case.name
    try:
        engines = settings.engines(threads)
        try:
            study = infnet.read(case.path, alias=alias)
        except SeveralSeriesError as several:
            if not several.series or several.patients > 1:  # the larger patient is not the one that was meant
                raise
            study = infnet.read(case.path, series=several.series[0].key, alias=alias)
            study = study.with_notices(
                warn("several-series", f"The largest of {len(several.series)} series was taken.")
            )
        refused = refusal(study) if settings.dicom else ""
        if refused:
            study = study.with_notices(warn("no-dicom", refused))
        result = infnet.segment(study, engines)
        statistics = measure(study, result)
        if settings.files:
            source = deidentified(study) if settings.deidentify else study
            write_all(
                out / STUDIES / case.name,
                source,
                result,
                statistics,
                page=settings.page,
                dicom=settings.dicom and not refused,
                captures=settings.captures,
            )
        return {"study": case.name, "error": None, **flat(summary(study, result, statistics))}
    except UnwritableError:
        raise
    except InfNetError as error:
        return {"study": case.name, "error": printable(" ".join(str(error).split()))}
    except MemoryError:
        return case.failed("memory ran out; use fewer --workers")
    except Exception as error:  # our bug; the other studies must not wait for it to be mended
        show_bug(error, settings.names)
        return case.failed(f"internal error ({type(error).__name__}); please report it")


def show_bug(error: Exception, names: bool) -> None:
    """The traceback of a bug; with its message only where that may name a file."""
    if names:
        traceback.print_exception(error)
    else:
        traceback.print_tb(error.__traceback__)
        print(type(error).__name__, file=sys.stderr)


def flat(facts: Mapping[str, Any]) -> Row:
    """A study's summary as one flat row: nested names joined, lists of shape and spacing taken apart."""
    facts = dict(facts)
    provenance = facts.pop("provenance", {})
    row: Row = {"series": facts.pop("study", None)}
    for key, columns in LISTS.items():
        row.update(zip(columns, facts.pop(key, None) or (None,) * 3, strict=True))
    warnings = facts.pop("warnings", ())
    for group in ("by_class", "by_lung"):  # ggo_..., right_..., without the name of the group
        facts.update(facts.pop(group, {}))
    row.update(("_".join(path), value) for path, value in leaves(facts))
    row["warnings"] = " ".join(warnings)
    infection = provenance.get("models", {}).get("infection", {})
    row.update(model=infection.get("name"), weights_sha256=infection.get("sha256"), engine=infection.get("engine"))
    row.update(threshold=provenance.get("threshold"), infnet=provenance.get("infnet"))
    return row
