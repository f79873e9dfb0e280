"""Loose pictures: depth, palette, transparency, rotation, stacks."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import infnet
from infnet.errors import GeometryError, ReadError
from infnet.read import find_series
from infnet.study import NO_GEOMETRY
from tests.notices import texts

from .making import hu_volume


def grey_slice(shape=(36, 48)) -> np.ndarray:
    """uint8 without symmetry."""
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 80, shape) + np.arange(shape[1])[None] * 2 + np.arange(shape[0])[:, None]
    picture[:5, :9] = 250
    return picture.astype(np.uint8)


@pytest.mark.parametrize("name", ["x.png", "x.bmp", "x.tif", "x.dcm"])
def test_eight_bits(tmp_path, name):
    grey = grey_slice()
    Image.fromarray(grey).save(tmp_path / name, "PNG" if name.endswith("dcm") else None)
    study = infnet.read(tmp_path / name)
    assert np.array_equal(study.pixels, grey[None])
    assert (study.pixels.dtype, study.is_hu, study.affine, study.volumetric) == (np.uint8, False, None, False)
    assert any("window was guessed" in w for w in texts(study))
    assert NO_GEOMETRY in study.notices
    assert study.name == "x"
    with pytest.raises(GeometryError):
        _ = study.spacing


def test_jpeg_is_near(tmp_path):
    grey = np.add.outer(np.arange(64) * 2, np.arange(48)).astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / "x.jpg", quality=95)
    study = infnet.read(tmp_path / "x.jpg")
    assert np.abs(study.pixels[0].astype(int) - grey).max() <= 6


@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_sixteen_bits_stay_sixteen(tmp_path, name):
    grey = grey_slice().astype(np.uint16) * 200 + 7
    Image.fromarray(grey).save(tmp_path / name)
    study = infnet.read(tmp_path / name)
    assert study.pixels.dtype == np.uint16
    assert np.array_equal(study.pixels[0], grey)
    assert not study.is_hu


def test_palette_one_bit_and_colour(tmp_path):
    grey = grey_slice()
    palette = Image.fromarray(grey).convert("P")
    palette.save(tmp_path / "p.png")
    assert np.array_equal(infnet.read(tmp_path / "p.png").pixels[0], grey)
    Image.fromarray(grey > 90).save(tmp_path / "b.png")
    assert np.array_equal(infnet.read(tmp_path / "b.png").pixels[0], np.where(grey > 90, 255, 0))
    Image.fromarray(np.dstack([grey] * 3)).save(tmp_path / "rgb.png")
    same = infnet.read(tmp_path / "rgb.png")
    assert np.array_equal(same.pixels[0], grey)
    assert not any("colour" in w for w in texts(same))
    marked = np.dstack([grey] * 3)
    marked[:6] = (255, 0, 0)
    Image.fromarray(marked).save(tmp_path / "marked.png")
    study = infnet.read(tmp_path / "marked.png")
    assert any("colour" in w for w in texts(study))
    assert (study.pixels[0, :6] == 76).all()  # 0.299 * 255
    assert np.array_equal(study.pixels[0, 6:], grey[6:])


def test_transparent_pixels_lie_on_black(tmp_path):
    grey = grey_slice()
    alpha = np.full_like(grey, 255)
    alpha[:, :10] = 0
    Image.fromarray(np.dstack([grey] * 3 + [alpha])).save(tmp_path / "rgba.png")
    Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)]).save(tmp_path / "la.png")
    for name in ("rgba.png", "la.png"):
        pixels = infnet.read(tmp_path / name).pixels[0]
        assert (pixels[:, :10] == 0).all()
        assert np.array_equal(pixels[:, 10:], grey[:, 10:])


@pytest.mark.parametrize(("code", "undo"), [(3, 2), (6, 1), (8, 3)])
def test_exif_rotation_is_applied(tmp_path, code, undo):
    grey = grey_slice()
    exif = Image.Exif()
    exif[0x0112] = code
    Image.fromarray(np.rot90(grey, undo)).save(tmp_path / "x.png", exif=exif)
    assert np.array_equal(infnet.read(tmp_path / "x.png").pixels[0], grey)


def test_hu_in_a_signed_or_floating_tiff(tmp_path):
    hu = hu_volume(1, 36, 48)[0].astype(np.int32)
    hu[:2] = -2618
    Image.fromarray(hu).save(tmp_path / "i.tif")
    Image.fromarray(hu.astype(np.float32) + 0.5).save(tmp_path / "f.tif")
    for name, dtype, offset in (("i.tif", np.int16, 0), ("f.tif", np.float32, 0.5)):
        study = infnet.read(tmp_path / name)
        assert study.is_hu
        assert study.affine is None
        assert study.pixels.dtype == dtype
        assert (study.pixels[0, :2] == -1024).all()
        assert np.array_equal(study.pixels[0, 2:], hu[2:] + offset)


def test_pictures_of_one_size_become_slices_in_natural_order(tmp_path):
    grey = grey_slice()
    for number in (10, 2, 1):
        Image.fromarray(grey + number).save(tmp_path / f"slice{number}.png")
    study = infnet.read(tmp_path)
    assert np.array_equal(study.pixels, np.stack([grey + 1, grey + 2, grey + 10]))
    assert not study.volumetric
    assert study.name == tmp_path.name
    found = find_series(tmp_path)
    assert [(s.format, s.slices) for s in found.series] == [("pictures", 3)]


def test_pages_of_a_tiff_become_slices(tmp_path):
    pages = [Image.fromarray(grey_slice() + n) for n in range(4)]
    pages[0].save(tmp_path / "x.tif", save_all=True, append_images=pages[1:])
    assert np.array_equal(infnet.read(tmp_path / "x.tif").pixels, np.stack([grey_slice() + n for n in range(4)]))


def test_differing_sizes_and_depths_are_refused(tmp_path):
    Image.fromarray(grey_slice()).save(tmp_path / "a.png")
    Image.fromarray(grey_slice((40, 48))).save(tmp_path / "b.png")
    with pytest.raises(ReadError, match=r"^b.png: 48 x 40 pixels, but a.png has 48 x 36; give pictures of one size"):
        infnet.read(tmp_path)
    Image.fromarray(grey_slice().astype(np.uint16) * 200).save(tmp_path / "b.png")
    with pytest.raises(ReadError, match=r"^b.png: uint16 values, but a.png has uint8; "):
        infnet.read(tmp_path)


def test_a_picture_beside_a_volume_is_left_out(tmp_path):
    import nibabel

    hu = hu_volume()
    nibabel.Nifti1Image(hu.transpose(), np.diag([-1, -1, 2, 1.0])).to_filename(tmp_path / "ct.nii")
    Image.fromarray(grey_slice()).save(tmp_path / "preview.png")
    study = infnet.read(tmp_path)
    assert np.array_equal(study.pixels, hu)
    assert study.source["skipped"] == (("preview.png", "a picture beside a CT"),)


@pytest.mark.data
def test_lungs_hu_slices_are_hu(data):
    folder = data.parent / "lungs-hu" / "images"
    path = sorted(folder.iterdir())[0]
    study = infnet.read(path)
    assert study.is_hu
    assert study.pixels.shape == (1, 512, 512)
    assert (study.pixels.dtype, study.pixels.min()) == (np.int16, -1024)


@pytest.mark.parametrize("side", [2, 16, 31])
def test_an_icon_is_no_slice(tmp_path, side):
    Image.fromarray(grey_slice((side, 64))).save(tmp_path / "x.png")
    with pytest.raises(ReadError, match=rf"^x.png: a picture of 64 x {side} pixels; give a CT slice of at least 32"):
        infnet.read(tmp_path / "x.png")


def test_a_moving_picture_is_refused(tmp_path):
    frames = [Image.fromarray(grey_slice() + n) for n in range(3)]
    frames[0].save(tmp_path / "x.png", save_all=True, append_images=frames[1:])
    with pytest.raises(ReadError, match=r"^x.png: a moving picture, or several in one; "):
        infnet.read(tmp_path / "x.png")
