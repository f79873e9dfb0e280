from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from infnet.errors import InfNetError
from tests.train.making import save
from train.data.files import as_binary, data_root, files, load_classes, load_slice


def test_the_data_lie_beside_the_project_where_nothing_else_is_said(monkeypatch, tmp_path):
    monkeypatch.delenv("INFNET_DATA", raising=False)
    assert data_root() == Path(__file__).parents[4] / "shared" / "data"
    monkeypatch.setenv("INFNET_DATA", str(tmp_path))
    assert data_root() == tmp_path


def test_one_name_twice_is_refused(tmp_path):
    for ending in ("png", "tif"):
        save(tmp_path / f"a.{ending}", np.zeros((4, 4), np.uint8))
    with pytest.raises(InfNetError, match=r"both a.png and a.tif; keep one of them"):
        files(tmp_path)


@pytest.mark.parametrize("load", [load_slice, load_classes])
def test_what_cannot_be_decoded_is_one_line(load, tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(InfNetError, match=r"a.png: not a readable"):
        load(tmp_path / "a.png")


def test_masks_of_0_and_1_and_masks_smeared_by_jpeg_are_read_alike():
    truth = np.eye(40, dtype=bool)
    smeared = np.where(truth, 249, 6).astype(np.uint8)
    for mask in (truth.astype(np.uint8), truth * np.uint8(255), smeared):
        np.testing.assert_array_equal(as_binary(mask, Path("a.png")), truth)
