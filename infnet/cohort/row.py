"""One study of a cohort, from its file to its row of the table; what goes wrong is the row's error."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import infnet
from infnet.errors import InfNetError, SeveralSeriesError
from infnet.export import write_all
from infnet.export.table import leaves, printable, summary
from infnet.measure.statistics import measure
from infnet.notices import warn

STUDIES = "studies"  # folder of what is written for each study
LIMIT_MINUTES = 60.0  # a study of 600 slices takes minutes on an old computer, whose other workers take their share
LISTS = {"shape": ("slices", "rows", "columns"), "spacing_mm": ("slice_mm", "row_mm", "column_mm")}
Row = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """How every study of a cohort is segmented; None is chosen as for one study.

    files: write masks, pictures and numbers of each study under `studies/`, too. limit_minutes: after which a study
    is given up; it changes no result.
    """

    model: str | None = None
    threshold: float | None = None
    engine: str | None = None
    device: str | None = None
    precision: str | None = None
    files: bool = False
    limit_minutes: float = LIMIT_MINUTES


def examine(path: Path, out: Path, settings: Settings, threads: int | None = None) -> Row:
    """Segment one study and return its row; what goes wrong is the row's `error`, and nothing is raised.

    Of several series of one patient the one with the most slices is taken, and the row says so.
    """
    try:
        engines = infnet.load_engines(settings.model, settings.device, settings.engine, settings.precision, threads)
        if settings.threshold is not None:
            engines = engines.with_threshold(settings.threshold)
        try:
            study = infnet.read(path)
        except SeveralSeriesError as several:
            if not several.series or several.patients > 1:  # the larger patient is not the one that was meant
                raise
            study = infnet.read(path, series=several.series[0].key)
            study = study.with_notices(
                warn("several-series", f"The largest of {len(several.series)} series was taken.")
            )
        result = infnet.segment(study, engines)
        statistics = measure(study, result)
        if settings.files:
            write_all(out / STUDIES / path.name, study, result, statistics)
        return {"study": path.name, "error": None, **flat(summary(study, result, statistics))}
    except InfNetError as error:
        return {"study": path.name, "error": printable(" ".join(str(error).split()))}
    except MemoryError:
        return {"study": path.name, "error": f"{printable(path.name)}: memory ran out; use fewer --workers"}
    except Exception as error:  # our bug; the other studies must not wait for it to be mended
        traceback.print_exc()
        return {
            "study": path.name,
            "error": f"{printable(path.name)}: internal error ({type(error).__name__}); please report it",
        }


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
