"""Write corrected slices as pairs of picture and mask, in the layout that `train.data.folder` reads."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Collection
from pathlib import Path

import numpy as np

from infnet.errors import InfNetError
from infnet.export.png import write_png
from infnet.grey import WINDOW
from infnet.overlay import display
from infnet.study import Segmentation, Study

DIGITS = 12  # of the name of a group
FOLDERS = ("images", "masks", "classes", "lungs")


def write_pairs(folder: str | Path, study: Study, result: Segmentation, slices: Collection[int]) -> list[Path]:
    """Write upright `slices` (from 0) into `folder`; the paths written.

    images: 8-bit grey, in the lung window where the study has HU. masks: infection, 0 and 255. classes: 0, 1 GGO, 2
    consolidation. lungs: 0 and 255. groups.csv: all are one group, named by a hash of the pixels, so that the same
    study always is the same group; no name of a file, a patient or a date is written.
    Raises InfNetError where no slice is named.
    """
    if not slices:
        raise InfNetError(
            f"{study.name}: nothing was corrected, so there is no pair to learn from; correct a slice first"
        )
    folder = Path(folder)
    group = hashlib.sha256(np.ascontiguousarray(study.pixels).data).hexdigest()[:DIGITS]
    labels, lungs = (study.orientation.apply(volume) for volume in (result.labels, result.lungs))
    for name in FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    written, names = [], []
    for k in sorted(slices):
        names.append(f"{group}_{k + 1:03d}")
        planes = (display(study, k, WINDOW), (labels[k] > 0) * np.uint8(255), labels[k], (lungs[k] > 0) * np.uint8(255))
        written += [write_png(folder / name / f"{names[-1]}.png", p) for name, p in zip(FOLDERS, planes, strict=True)]
    with (folder / "groups.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([("name", "group"), *((name, group) for name in names)])
    return [*written, folder / "groups.csv"]
