"""What every reader offers, whatever it reads: `READERS` of `infnet.read` are modules of this shape.

`sniff` tells the kind of each file by its content, `find` makes series of the files of one kind without decoding them,
and a series loads itself as a Study.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from infnet.study import Study

if TYPE_CHECKING:
    from infnet.read.archive import Gathered
    from infnet.read.sniff import Kind

Format = Literal["DICOM", "NIfTI", "pictures"]
_KEY = secrets.token_bytes(32)  # of this process; kept nowhere, so that nobody can try names on what `keyed` gives


def keyed(patient: str) -> str:
    """What tells a patient from others in this process and leads back to nobody; empty for an empty one."""
    return hashlib.blake2b(patient.encode(errors="replace"), key=_KEY, digest_size=16).hexdigest() if patient else ""


class SeriesFile(Protocol):
    """A series that was found: its headers are read, its pixels are not.

    key: tells it from the others. description: without the patient's name. count: slices. patient: what tells
    patients apart, never shown; empty where the file does not say. private: words of the patient's name and number,
    lower case, that no message may repeat.
    """

    @property
    def key(self) -> str: ...

    @property
    def format(self) -> Format: ...

    @property
    def description(self) -> str: ...

    @property
    def modality(self) -> str: ...

    @property
    def count(self) -> int: ...

    @property
    def patient(self) -> str: ...

    @property
    def private(self) -> Collection[str]: ...

    def load(self) -> Study:
        """Decode the pixels. Raises ReadError naming the file that cannot be used."""
        ...


class Nameless:
    """What a series of a format has that says neither what it shows nor whom."""

    description: ClassVar[str] = ""
    modality: ClassVar[str] = ""
    patient: ClassVar[str] = ""
    private: ClassVar[frozenset[str]] = frozenset()


class Reader(Protocol):
    """A module that reads one kind of file."""

    @property
    def KIND(self) -> Kind:  # noqa: N802 - a constant of the module
        """The kind of file, as `sniff` tells it."""
        ...

    def find(self, gathered: Gathered) -> Sequence[SeriesFile]:
        """Every series among the files of this kind; what belongs to none is listed as skipped."""
        ...
