"""One study, in a process of its own: every CT series in it that is a chest volume becomes results in DICOM."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import infnet
from infnet.cohort.row import Case, Row, Settings, show_bug
from infnet.errors import InfNetError, SeveralSeriesError, UnwritableError
from infnet.export import dicom_objects
from infnet.export.dicom import save
from infnet.export.dicom_source import refusal
from infnet.export.page import page
from infnet.measure.statistics import measure
from infnet.pipeline import Engines
from infnet.read import find_series
from infnet.read.files import one_line


def examine(case: Case, out: Path, settings: Settings, threads: int | None = None) -> Row:
    """Write the results of a study to `out`; its row has how many of its `series` are `made`, and `error`, why none is.

    Raises UnwritableError where the files cannot be written, which is nothing that is wrong with the study.
    """
    logging.disable(logging.CRITICAL)  # what libraries say of a value holds the value
    warnings.simplefilter("ignore")
    try:
        engines = settings.engines(threads)
        reasons: list[str] = []
        made = sum(_made(case, key, number, out, settings, engines, reasons) for number, key in _series(case))
    except UnwritableError:
        raise
    except InfNetError as error:
        return {"study": case.name, "error": one_line(str(error), 300)}
    except MemoryError:
        return case.failed("memory ran out")
    except Exception as error:  # our bug; the other studies must not wait for it to be mended
        show_bug(error, settings.names)
        return case.failed(f"internal error ({type(error).__name__}); please report it")
    return {"study": case.name, "error": None if made else reasons[0], "made": made, "series": made + len(reasons)}


def _series(case: Case) -> Iterator[tuple[int, str]]:
    """Numbers and keys of the series. Raises ReadError, which says why, where there is none."""
    series = find_series(case.path, alias=case.name).series
    if not series:
        infnet.read(case.path, alias=case.name)
    yield from enumerate((found.key for found in series), 1)


def _made(
    case: Case, key: str, number: int, out: Path, settings: Settings, engines: Engines, reasons: list[str]
) -> bool:
    """Write the results of one series; False, and one more of `reasons`, where it is no chest volume."""
    try:
        study = infnet.read(case.path, series=key, alias=case.name)
        if len(study.pixels) < 2:
            raise InfNetError(f"{case.name}: a single slice is no volume; send the whole series")
        if why := refusal(study):
            raise InfNetError(why)
        result = infnet.segment(study, engines)
        if not result.lungs.any():
            raise InfNetError(f"{case.name}: no lung was found; send the series of a chest")
        statistics = measure(study, result)
        pdf = page(study, result, statistics, language=settings.page or "en")
        for kind, dataset in dicom_objects(study, result, statistics, pdf, settings.captures).items():
            which = hashlib.sha256(dataset.SOPInstanceUID.encode()).hexdigest()[:8]
            save(dataset, out / f"{number}-{Path(kind).stem}-{which}.dcm")
    except UnwritableError:
        raise
    except OSError as error:
        raise UnwritableError(f"results cannot be written ({error.strerror}); make room") from error
    except SeveralSeriesError:  # its message names UIDs
        reasons.append(f"{case.name}: its series changed while they were read; send them again")
    except InfNetError as error:
        reasons.append(one_line(str(error), 300))
    else:
        return True
    return False
