"""Write masks, probabilities and overlays as PNG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

COMPRESSION = 3  # quick, and within some percent of the smallest


def write_png(path: str | Path, image: NDArray[Any]) -> Path:
    """Write uint8 (row, column) or (row, column, 3), or uint16 (row, column), value for value."""
    if image.dtype not in (np.uint8, np.uint16):
        raise TypeError(f"PNG holds uint8 or uint16, not {image.dtype}")
    Image.fromarray(np.ascontiguousarray(image)).save(path, format="PNG", compress_level=COMPRESSION)
    return Path(path)


def probability_levels(probability: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Probability 0..1 -> 0..65535, rounded; divide by 65535 to come back."""
    scaled: NDArray[np.float32] = np.clip(probability, 0, 1) * np.float32(65535)
    return np.rint(scaled).astype(np.uint16)


def write_stack(folder: Path, name: str, volume: NDArray[Any]) -> list[Path]:
    """Write one picture as `name.png`, several as `name_000.png`, `name_001.png` ..."""
    if len(volume) == 1:
        return [write_png(folder / f"{name}.png", volume[0])]
    return [write_png(folder / f"{name}_{k:03d}.png", image) for k, image in enumerate(volume)]
