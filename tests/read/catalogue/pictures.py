"""Loose pictures that are damaged, too small, too large or something else."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from infnet.grey import window_hu
from tests.read.catalogue.kind import Makers, chest


def grey(index: int = 1) -> Any:
    """A slice of the phantom in a lung window, uint8 64 x 64."""
    return window_hu(chest().pixels[index])


def encoded(values: Any, format_: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(values).save(out, format_, **options)
    return out.getvalue()


def one(data: Callable[[], bytes], name: str = "slice.png") -> Callable[[Path], Path]:
    """A file of these bytes."""

    def make(folder: Path) -> Path:
        (folder / name).write_bytes(data())
        return folder / name

    return make


def picture(change: Callable[[Any], Any] = lambda g: g, format_: str = "PNG", **options: Any) -> Callable[[Path], Path]:
    return one(lambda: encoded(change(grey()), format_, **options))


def several(*pictures: Callable[[], bytes]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        for number, data in enumerate(pictures):
            (folder / f"slice{number}.png").write_bytes(data())
        return folder

    return make


def png(header: bytes, rows: bytes) -> bytes:
    """A PNG of these bytes of a header and of rows, sensible or not, with right checksums."""
    chunks = {b"IHDR": header, b"IDAT": zlib.compress(rows), b"IEND": b""}
    packed = [struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks.items()]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def blank(width: int, height: int) -> Callable[[Path], Path]:
    """The header of a PNG of one bit a pixel, and no pixels."""

    return one(lambda: png(struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0), b""))


def pages(format_: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        frames = [Image.fromarray(grey(index)) for index in range(4)]
        frames[0].save(folder / "slice", format_, save_all=True, append_images=frames[1:])
        return folder / "slice"

    return make


def damaged(at: int, format_: str = "PNG") -> bytes:
    data = bytearray(encoded(grey(), format_))
    data[at] ^= 0xFF
    return bytes(data)


def marked(values: Any) -> Any:
    coloured = np.dstack([values] * 3)
    coloured[:6] = (255, 0, 0)
    return coloured


def with_nan(_: Any) -> Any:
    values = chest().pixels[1].astype(np.float32)
    values[3, 4] = np.nan
    return values


def hu(_: Any) -> Any:
    return chest().pixels[1].astype(np.int32)


def of_value(value: float) -> Callable[[Any], Any]:
    return lambda _: np.where(np.eye(64), value, chest().pixels[1]).astype(np.float32)


cut = partial(lambda share, format_: encoded(grey(), format_)[: int(len(encoded(grey(), format_)) * share)])
MAKERS: Makers = {
    "a PNG of 8 bits": picture(),
    "a PNG of 16 bits": picture(lambda g: g.astype(np.uint16) * 200),
    "a palette": one(lambda: _palette()),
    "a BMP called slice.png": picture(format_="BMP"),
    "a TIFF of four pages": pages("TIFF"),
    "a TIFF with HU": picture(hu, "TIFF"),
    "coloured marks": picture(marked),
    "2 x 2 pixels": picture(lambda g: g[:2, :2]),
    "16 x 16 pixels": picture(lambda g: g[:16, :16]),
    "a strip of 64 x 31 pixels": picture(lambda g: g[:31]),
    "26 million pixels": blank(5200, 5000),
    "400 million pixels": blank(20_000, 20_000),
    "a moving PNG": pages("PNG"),
    "a GIF": picture(format_="GIF"),
    "a WebP": picture(format_="WEBP"),
    "a PNG cut in half": one(lambda: cut(0.5, "PNG")),
    "a PNG with a damaged size": one(lambda: damaged(18)),
    "a PNG with damaged pixels": one(lambda: damaged(900)),
    "a PNG of a signature only": one(lambda: b"\x89PNG\r\n\x1a\n" + bytes(50)),
    "a JPEG cut in half": one(lambda: cut(0.5, "JPEG")),
    "a TIFF with a value that is NaN": picture(with_nan, "TIFF"),
    "a TIFF with a value of 1e30": picture(of_value(1e30), "TIFF"),
    "two sizes": several(lambda: encoded(grey()), lambda: encoded(grey()[:40])),
    "two depths": several(lambda: encoded(grey()), lambda: encoded(grey().astype(np.uint16))),
    "a PDF": one(lambda: b"%PDF-1.7 and so on" * 9),
    "a page of the web": one(lambda: b"<html><body>404</body></html>"),
    "an empty file": one(lambda: b""),
    "random bytes": one(lambda: bytes(range(255, 0, -1)) * 9),
}


def _palette() -> bytes:
    out = io.BytesIO()
    Image.fromarray(grey()).convert("P").save(out, "PNG")
    return out.getvalue()
