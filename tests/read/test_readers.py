"""The readers keep one protocol."""

from __future__ import annotations

from typing import get_args

from infnet.read import READERS
from infnet.read.archive import Gathered
from infnet.read.sniff import Kind


def test_every_kind_of_image_that_sniff_knows_has_one_reader():
    assert sorted(reader.KIND for reader in READERS) == sorted(set(get_args(Kind)) - {"zip"})


def test_a_reader_finds_nothing_in_nothing():
    for reader in READERS:
        gathered = Gathered("empty")
        assert list(reader.find(gathered)) == []
        assert gathered.skipped == []
