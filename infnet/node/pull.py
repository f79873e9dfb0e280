"""Fetch a CT series from an archive by DICOMweb: QIDO-RS finds the study, WADO-RS brings the slices."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infnet.errors import InfNetError
from infnet.files import private_folder
from infnet.node.send import PASSWORD, is_plain
from infnet.read.files import in_words

FEWEST = 2  # slices of a series: a localizer has one or two pictures, and is in the way only where nothing else is
MOST_STUDIES = 20  # that are listed
PATIENCE = 60.0  # s, for an answer of the archive
LARGEST = 8 << 30  # bytes of a series
QUERIES = {  # option, the keyword that it asks for, and what that is
    "accession": ("AccessionNumber", "accession number"),
    "patient-id": ("PatientID", "patient ID"),
    "date": ("StudyDate", "date of the study, YYYYMMDD, or from and to with - between"),
    "study": ("StudyInstanceUID", "Study Instance UID"),
}


def add_pull(
    commands: Any,
    add_segment: Callable[[argparse.ArgumentParser], None],
    segment: Callable[[argparse.Namespace], None],
) -> None:
    """Add `infnet pull` to the parsers of the command line; its options and its work are those of `segment`, too."""
    pull = commands.add_parser("pull", help="fetch a CT study from an archive by DICOMweb, and segment it")
    pull.add_argument("url", metavar="URL", help="DICOMweb address of the archive, https://HOST/dicom-web")
    for name, (keyword, what) in QUERIES.items():
        pull.add_argument(f"--{name}", dest=keyword, help=what)
    pull.add_argument("--series-number", type=int, help="which series of CT; the one with the most slices otherwise")
    pull.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the slices that were fetched there")
    add_segment(pull)

    def run(options: argparse.Namespace) -> None:
        query = {keyword: value for keyword, _ in QUERIES.values() if (value := getattr(options, keyword))}
        if not query:
            raise InfNetError(f"pull: which study? Give one of {', '.join(f'--{name}' for name in QUERIES)}")
        kept: Path | None = options.keep
        if kept and kept.exists() and (not kept.is_dir() or any(kept.iterdir())):
            raise InfNetError(f"{kept}: holds something; give an empty folder for --keep")
        source = Source(options.url)
        if is_plain(options.url):
            line = "warning: the scan, which names the patient, comes over the network as plain text; give https://..."
            print(line, file=sys.stderr)
        series = chosen(source.series(query), options.series_number)
        with private_folder() as folder:
            if kept:
                kept.mkdir(mode=0o700, parents=True, exist_ok=True)
            print(f"series {series.number}: {source.fetch(series, kept or folder)} slices", flush=True)
            options.paths = [str(kept or folder)]
            segment(options)

    pull.set_defaults(run=run, series=None, mm_per_pixel=None, names=False, profile=False)


@dataclass(frozen=True)
class Series:
    """A CT series in the archive: UIDs, its number, and how many slices it has."""

    study: str
    uid: str
    number: int
    slices: int


class Source:
    """An archive at a DICOMweb address. USER:PASSWORD for it may stand in the environment.

    Raises InfNetError, which names no patient: for what is no address, a missing package, or an archive that does not
    answer or refuses.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise InfNetError(f"no address of a DICOMweb server; give http(s)://HOST[:PORT]/PATH, and {PASSWORD}")
        try:
            import requests
            from dicomweb_client.api import DICOMwebClient
        except ImportError:
            raise InfNetError("pull: dicomweb-client is not installed; run `pip install 'infnet[node]'`") from None
        session = requests.Session()
        if login := os.environ.get(PASSWORD):
            user, _, password = login.partition(":")
            session.auth = (user, password)
        self._client: Any = DICOMwebClient(url, session, timeout=PATIENCE)
        self._client.set_http_retry_params(retry=False)  # it would wait half a minute before a wrong address is said

    def series(self, query: Mapping[str, str]) -> list[Series]:
        """The CT series of the one study that `query` (DICOM keyword to value) finds, largest first.

        Raises InfNetError where it finds none or several, whose dates it lists, or no series of CT.
        """
        wanted = ["StudyDate", "StudyTime", "StudyInstanceUID"]
        studies = self._ask(
            self._client.search_for_studies,
            search_filters={"ModalitiesInStudy": "CT", **query},
            fields=wanted,
            limit=MOST_STUDIES + 1,
        )
        if not studies:
            raise InfNetError("no study with CT is found; ask for it in another way")
        if len(studies) > 1:
            raise InfNetError(_several(studies))
        study = _value(studies[0], "0020000D")
        found = self._ask(
            self._client.search_for_series,
            study,
            search_filters={"Modality": "CT"},
            fields=["SeriesNumber", "NumberOfSeriesRelatedInstances"],
        )
        listed = [
            Series(study, _value(one, "0020000E"), _number(one, "00200011"), _number(one, "00201209")) for one in found
        ]
        large = [one for one in listed if one.slices >= FEWEST]
        if not large:
            raise InfNetError("the study has no CT series with several slices; choose another study")
        return sorted(large, key=lambda one: (-one.slices, one.number))

    def fetch(self, series: Series, folder: Path) -> int:
        """Write the slices of a series to `folder`, by numbers; how many there are.

        Raises InfNetError where fewer come than there are, or more than a study may hold.
        """
        done = size = 0
        # As they are stored: the reader decodes more than some archives do.
        slices = self._ask(
            self._client.iter_series, series.study, series.uid, media_types=(("application/dicom", "*"),)
        )
        while (dataset := self._ask(next, slices, None)) is not None:
            done += 1
            path = folder / f"{done:05d}.dcm"
            dataset.save_as(path, enforce_file_format=True)
            size += path.stat().st_size
            if size > LARGEST:
                raise InfNetError(f"the series has more than {in_words(LARGEST)}; choose another one")
        if done < series.slices:
            raise InfNetError(f"the archive sent {done} of {series.slices} slices; try again")
        return done

    def _ask(self, question: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """An answer of the archive. What the library says of a failure may hold the query, so it is not repeated."""
        import requests

        try:
            return question(*arguments, **options)
        except requests.HTTPError as error:
            status = error.response.status_code if error.response is not None else "?"
            refused = f": give its user and password in {PASSWORD}" if status in (401, 403) else "; see its own log"
            raise InfNetError(f"the archive refuses (HTTP {status}){refused}") from None
        except requests.RequestException as error:
            raise InfNetError(f"the archive does not answer ({type(error).__name__}); see the address") from None
        except (ValueError, LookupError, AttributeError, TypeError) as error:  # not what DICOMweb answers
            raise InfNetError(
                f"that is no answer of a DICOMweb server ({type(error).__name__}); see the address"
            ) from None


def chosen(series: Sequence[Series], number: int | None) -> Series:
    """The series of a number, the largest where None. Raises InfNetError with the numbers that there are."""
    if number is None:
        return series[0]
    for one in series:
        if one.number == number:
            return one
    raise InfNetError(f"--series-number {number}: not there; choose one of {', '.join(_line(one) for one in series)}")


def _line(one: Series) -> str:
    return f"{one.number} ({one.slices} slices)"


def _several(studies: Sequence[Mapping[str, Any]]) -> str:
    """What there is to choose from, without a word of whom it is."""
    listed = sorted((_value(one, "00080020"), _value(one, "00080030")[:4]) for one in studies[:MOST_STUDIES])
    dates = ", ".join(f"{date} {time}".strip() for date, time in listed)
    more = " and more" if len(studies) > MOST_STUDIES else ""
    return f"{len(listed)} studies are found ({dates}{more}); ask for one, by --date or --accession"


def _value(dataset: Mapping[str, Any], tag: str) -> str:
    """The first value of a tag of a DICOM JSON object, as text."""
    values = (dataset.get(tag) or {}).get("Value") or [""]
    return str(values[0])


def _number(dataset: Mapping[str, Any], tag: str) -> int:
    text = _value(dataset, tag)
    return int(text) if text.lstrip("-").isdigit() else 0
