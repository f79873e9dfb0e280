from __future__ import annotations

import numpy as np
import pytest

from tests.train.making import save


@pytest.fixture
def root(tmp_path):
    """A data root with a few slices in the layout of each set. A bright corner marks what is upright."""
    rng = np.random.default_rng(0)
    sets = tmp_path / "covid-semiseg" / "Dataset" / "TrainingSet"
    upright = (rng.random((60, 80)) * 40 + 30).astype(np.uint8)
    upright[:, 60:] = 220  # soft tissue at the right
    mask = np.zeros((60, 80), np.uint8)
    mask[5:15, 10:30] = 255  # infection at the top
    for number in (1, 4, 5, 10, 20, 43):
        save(sets / "LungInfection-Train/Doctor-label/Imgs" / f"{number}.png", upright.T.copy())
        save(sets / "LungInfection-Train/Doctor-label/GT" / f"{number}.png", mask.T.copy())
    name = "Data-1_coronacases_org_002_7"
    wide = (upright // 3).astype(np.uint8)  # soft tissue at 73: spans more than a lung window
    save(sets / "LungInfection-Train/Pseudo-label/Imgs" / f"{name}.png", wide[::-1].T.copy())
    save(sets / "LungInfection-Train/Pseudo-label/GT" / f"{name}.png", (mask // 2)[::-1].T.copy())
    full = np.zeros((100, 100), np.uint8)
    full[20:80, 10:90] = wide
    lungs = np.zeros((100, 100), np.uint8)
    lungs[22:78, 12:70] = 255
    lesion = np.zeros((100, 100), np.uint8)
    lesion[25:35, 20:40] = 255
    for kind, array in (("images", full), ("lungs", lungs), ("lesions", lesion)):
        save(tmp_path / "coronacases" / kind / "corona003_s010.png", array)
    return tmp_path


@pytest.fixture
def volumes(tmp_path):
    """Two patients as in `medseg-volumes`: a slice with both classes, one without lesion, one of the abdomen."""
    base = tmp_path / "medseg-volumes"
    grey = np.full((100, 100), 200, np.uint8)
    grey[20:80, 10:90] = 60
    lungs = ((grey == 60) * 255).astype(np.uint8)
    classes, nothing = np.zeros((100, 100), np.uint8), np.zeros((100, 100), np.uint8)
    classes[30:40, 20:40], classes[40:50, 20:40] = 1, 2
    slices = {
        "medseg1_z002": (classes, lungs),
        "medseg1_z010": (nothing, lungs),
        "medseg4_z003": (nothing, nothing),
        "medseg9_z001": (classes, lungs),
    }
    for name, (kinds, inside) in slices.items():
        for part, array in (("images", grey), ("classes", kinds), ("lungs", inside)):
            save(base / part / f"{name}.png", array)
    return tmp_path
