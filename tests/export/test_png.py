"""PNG holds the values themselves."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from infnet.export.png import probability_levels, write_png, write_stack


def test_a_mask_keeps_its_codes(tmp_path):
    mask = np.array([[0, 1, 2], [2, 0, 0]], np.uint8)
    assert np.array_equal(np.asarray(Image.open(write_png(tmp_path / "m.png", mask))), mask)


def test_probability_has_16_bits(tmp_path):
    values = np.array([[0, 0.25, 0.5, 1, 1.0000001, -1e-9]], np.float32)
    levels = probability_levels(values)
    assert levels.tolist() == [[0, 16384, 32768, 65535, 65535, 0]]
    image = Image.open(write_png(tmp_path / "p.png", levels))
    assert image.mode == "I;16"
    assert np.array_equal(np.asarray(image), levels)


def test_a_stack_is_numbered_and_one_picture_is_not(tmp_path):
    stack = np.arange(8, dtype=np.uint8).reshape(2, 2, 2)
    assert [p.name for p in write_stack(tmp_path, "mask", stack)] == ["mask_000.png", "mask_001.png"]
    assert [p.name for p in write_stack(tmp_path, "mask", stack[:1])] == ["mask.png"]
    assert np.asarray(Image.open(tmp_path / "mask_001.png")).tolist() == [[4, 5], [6, 7]]


def test_other_types_are_a_bug():
    with pytest.raises(TypeError, match="float32"):
        write_png("never.png", np.zeros((2, 2), np.float32))
