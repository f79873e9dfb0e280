"""Maps and masks of every kind, as `train.evaluate` reads them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from infnet.measure.metrics import all_scores
from tests.train.evaluating import run, soft, square
from tests.train.making import save


def palette(mask: np.ndarray, *colours: tuple[int, int, int]) -> Image.Image:
    image = Image.fromarray(mask.astype(np.uint8), "P")
    image.putpalette([value for colour in colours for value in colour])
    return image


def rgba(colour: np.ndarray, alpha: np.ndarray) -> Image.Image:
    return Image.fromarray(np.dstack([colour, colour, colour, alpha]).astype(np.uint8), "RGBA")


MASKS = {
    "0 and 255": (lambda m: Image.fromarray((255 * m).astype(np.uint8)), "png"),
    "0 and 1": (lambda m: Image.fromarray(m.astype(np.uint8)), "png"),
    "1 bit": (lambda m: Image.fromarray(m), "png"),
    "16 bit": (lambda m: Image.fromarray((65535 * m).astype(np.uint16)), "png"),
    "16 bit, 0 and 255": (lambda m: Image.fromarray((255 * m).astype(np.uint16)), "tif"),
    "float": (lambda m: Image.fromarray(m.astype(np.float32)), "tiff"),
    "grey palette": (lambda m: palette(m, (0, 0, 0), (255, 255, 255)), "png"),
    "red palette": (lambda m: palette(m, (0, 0, 0), (128, 0, 0)), "png"),
    "RGB": (lambda m: Image.fromarray((255 * m).astype(np.uint8)).convert("RGB"), "bmp"),
    "RGBA": (lambda m: rgba(255 * m, np.full(m.shape, 255)), "png"),
    "transparent background": (lambda m: rgba(np.full(m.shape, 255), 255 * m), "png"),
    "JPEG": (lambda m: Image.fromarray((255 * m).astype(np.uint8)), "jpg"),
}


@pytest.mark.parametrize("kind", MASKS)
def test_masks_of_every_kind_read_alike(tmp_path, kind):
    """Shifted by half a square: Dice 0.5 at 255 thresholds, and 2 * 64 / (480 + 64) where all is foreground."""
    make, ending = MASKS[kind]
    for folder, left in (("maps", 4), ("truth", 8)):
        (tmp_path / folder).mkdir()
        make(square(8, left)).save(tmp_path / folder / f"1.{ending}", **({"quality": 100} if ending == "jpg" else {}))
        make(square(8, left) & False).save(tmp_path / folder / f"2.{ending}")  # decides nothing about the scale
    scores = run(tmp_path, "--predictions", tmp_path / "maps", "--ground-truth", tmp_path / "truth")["infection"]
    near = 0.01 if kind == "JPEG" else 1e-6
    assert scores["dice_at_threshold"] == pytest.approx((0.5 + 1) / 2)
    assert scores["dice_present"] == pytest.approx((255 * 0.5 + 128 / 544) / 256, abs=near)
    assert scores["mae"] == pytest.approx(64 / 480 / 2, abs=near)


def test_a_16_bit_map_keeps_what_8_bits_would_lose(tmp_path):
    truth = square(4, 5)
    save(tmp_path / "truth" / "1.png", 255 * truth.astype(np.uint8))
    fine = np.where(truth, 32770, 32700).astype(np.uint16)
    fine[0, :2] = 0, 65535
    save(tmp_path / "maps" / "1.png", fine)
    scores = run(tmp_path, "--predictions", tmp_path / "maps", "--ground-truth", tmp_path / "truth")["infection"]
    assert scores["dice_at_threshold"] == pytest.approx(128 / 129, abs=1e-6)  # 32770 is above one half, 32700 is not


def test_a_map_of_another_size_is_resized_bicubically(tmp_path):
    grey, truth = soft(0, (40, 30)), square(4, 5)
    save(tmp_path / "maps" / "1.png", grey)
    save(tmp_path / "truth" / "1.png", 255 * truth.astype(np.uint8))
    scores = run(tmp_path, "--predictions", tmp_path / "maps", "--ground-truth", tmp_path / "truth")["infection"]
    resized = np.asarray(Image.fromarray(grey).resize((24, 20), Image.Resampling.BICUBIC))
    for name, value in all_scores(resized / 255, truth)._asdict().items():
        assert scores[name] == pytest.approx(value, abs=1e-6)


def test_a_small_mask_of_0_and_1_is_resized_without_rounding_it_away(tmp_path):
    save(tmp_path / "maps" / "1.png", square(2, 2, 4, (10, 12)).astype(np.uint8))
    save(tmp_path / "truth" / "1.png", square(4, 4).astype(np.uint8))
    scores = run(tmp_path, "--predictions", tmp_path / "maps", "--ground-truth", tmp_path / "truth")["infection"]
    assert scores["dice_at_threshold"] > 0.9
    assert scores["dice"] > 0.9
