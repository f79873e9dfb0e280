"""A data set in the official layout, made for the tests: lesions are bright on dark lung, so that little training finds
them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 96


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def slice_with_lesion(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Grey (96, 96) in a lung window and its classes: an ellipse of ground glass, its lower part consolidation."""
    y, x = np.mgrid[:SIDE, :SIDE]
    row, column = rng.uniform(30, 62, 2)
    high, wide = rng.uniform(16, 26, 2)
    inside = ((y - row) / high) ** 2 + ((x - column) / wide) ** 2 < 1
    kinds = inside.astype(np.uint8)
    kinds[inside & (y > row + 0.1 * high)] = 2
    grey = rng.integers(30, 55, (SIDE, SIDE)).astype(np.uint8)
    grey[kinds == 1] = rng.integers(115, 135, int((kinds == 1).sum()))
    grey[kinds == 2] = rng.integers(180, 200, int((kinds == 2).sum()))
    grey[:, :4] = grey[:, -4:] = 225
    return grey, kinds


def semiseg(root: Path, labelled: int = 20, unlabelled: int = 12, seed: int = 0) -> Path:
    """`root`/Dataset with labelled slices, their classes, and unlabelled slices of three volumes with pseudo labels."""
    rng = np.random.default_rng(seed)
    base = root / "Dataset" / "TrainingSet"
    for number in range(20, 20 + labelled):
        grey, kinds = slice_with_lesion(rng)
        masks = {"LungInfection-Train/Doctor-label": (kinds > 0) * 255, "MultiClassInfection-Train": kinds}
        for part, mask in masks.items():
            save(base / part / "Imgs" / f"{number}.png", grey.T.copy())
            save(base / part / "GT" / f"{number}.png", mask.astype(np.uint8).T.copy())
    for number in range(unlabelled):
        grey, kinds = slice_with_lesion(rng)
        name = f"volume-{number % 3}_{number}.png"
        save(base / "LungInfection-Train/Pseudo-label/Imgs" / name, grey.T.copy())
        save(base / "LungInfection-Train/Pseudo-label/GT" / name, ((kinds > 0) * 230).astype(np.uint8).T.copy())
    return root / "Dataset"
