"""`train.validate` on a made-up data set, with engines that read the answer off the grey values."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from infnet.grey import window_hu
from infnet.measure.metrics import dice, paper_scores
from infnet.phantom import chest
from infnet.pipeline.run import segment
from infnet.study import Study
from tests.fakes import fake_engines
from tests.train.making import save, semiseg, slice_with_lesion
from train import validate


def square(top: int, left: int) -> np.ndarray:
    mask = np.zeros((10, 10), bool)
    mask[top : top + 4, left : left + 4] = True
    return mask


def test_a_summary_is_the_mean_over_slices_and_the_pooled_dice():
    maps, truths = [square(2, 2) * 0.9, square(2, 4) * 0.9], [square(2, 2), square(2, 2)]
    results = validate.summarise(maps, truths, threshold=0.5)
    assert results["dice_at_threshold"] == 0.75
    assert results["pooled_dice"] == pytest.approx(2 * (16 + 8) / 64)
    each = [paper_scores(m, t) for m, t in zip(maps, truths, strict=True)]
    assert results["dice"] == pytest.approx(np.mean([s.dice for s in each]), abs=1e-4)
    assert results["count"] == 2


def test_labelled_slices_are_turned_upright_and_scored_at_the_size_of_their_truth(tmp_path):
    base = semiseg(tmp_path, labelled=3, unlabelled=0) / "TrainingSet/MultiClassInfection-Train"
    results = validate.evaluate_labelled(fake_engines(), tmp_path / "Dataset", ["20", "22"])
    assert results.keys() == {"infection", "ggo", "consolidation"}
    for scores in results.values():
        assert scores["count"] == 2
    # All lesions lie between the greys that the fake engine takes for infection; all above 150 is consolidation to it.
    assert results["infection"]["dice_at_threshold"] > 0.9
    greys, kinds = ([np.asarray(Image.open(base / part / f"{n}.png")) for n in (20, 22)] for part in ("Imgs", "GT"))
    expected = np.mean([dice(g > 150, k == 2) for g, k in zip(greys, kinds, strict=True)])
    assert results["consolidation"]["dice_at_threshold"] == pytest.approx(expected, abs=0.03)


@pytest.fixture
def data(tmp_path):
    """Five labelled groups and five coronacases patients of one slice each."""
    semiseg(tmp_path, labelled=6, unlabelled=0)
    rng = np.random.default_rng(1)
    for patient in range(1, 6):
        grey, kinds = slice_with_lesion(rng)
        for part, array in (("images", grey), ("lesions", (kinds > 0) * 255), ("lungs", (grey < 200) * 255)):
            save(tmp_path / "coronacases" / part / f"corona00{patient}_1.png", array.astype(np.uint8))
    return tmp_path


def test_the_program_scores_what_one_fold_holds_out(data, monkeypatch, capsys):
    monkeypatch.setattr(validate, "load_engines", lambda name: fake_engines())
    validate.main(["--data", str(data), "--fold", "1", "--json", str(data / "scores.json")])
    results = json.loads((data / "scores.json").read_text())
    assert results == json.loads(capsys.readouterr().out)
    names, (patient,) = results["held_out"]["labelled"], results["held_out"]["coronacases"]
    assert results["labelled"]["infection"]["count"] == len(names) > 0
    assert results["coronacases"].keys() == {patient, "all"}
    own, whole = results["coronacases"][patient], results["coronacases"]["all"]
    assert {"lungs_dice", "lesion_outside_lungs", "pooled_dice", "agreement_with_crops"} <= own.keys()
    assert whole["by_threshold"]["0.50"] == whole["pooled_dice"] == own["pooled_dice"]
    assert whole["pooled_dice_with_true_lungs"] > 0.5
    assert results["negative"] == {}
    assert "medseg-volumes" not in results
    with pytest.raises(SystemExit) as stopped:
        validate.main(["--data", str(data / "nowhere")])
    assert stopped.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_data_sets_that_not_everybody_has_are_scored_where_they_are(data, monkeypatch):
    monkeypatch.setattr("infnet.pipeline.models.load_engines", fake_engines)
    rng = np.random.default_rng(2)
    for patient in (1, 4):
        grey, kinds = slice_with_lesion(rng)
        for part, array in (("images", grey), ("classes", kinds), ("lungs", (grey < 200) * 255)):
            save(data / "medseg-volumes" / part / f"medseg{patient}_z001.png", array.astype(np.uint8))
    grey = window_hu(chest(slices=3, rows=256, columns=256, spacing=(80.0, 1.4, 1.4)).study.pixels[1])
    for block in range(5):
        save(data / "infection-free" / "images" / f"iqoth_{block * 64:04}.png", grey)
    results = validate._evaluate(fake_engines(), data, fold=1)
    assert results["held_out"]["medseg-volumes"] == ["medseg4"]
    assert results["medseg-volumes"].keys() == {"medseg4", "all"}
    assert results["infection-free, pixels"]["iqoth"]["slices"] == 1


def test_volumes_with_classes_count_any_class_as_infection(tmp_path):
    rng = np.random.default_rng(1)
    for number in (1, 2):
        grey, kinds = slice_with_lesion(rng)
        for part, array in (("images", grey), ("classes", kinds), ("lungs", np.where(grey < 210, 255, 0))):
            save(tmp_path / part / f"medseg1_z00{number}.png", array.astype(np.uint8))
    results = validate.evaluate_patients(fake_engines(), tmp_path, ["medseg1"], "classes")
    assert results.keys() == {"medseg1", "all"}
    assert results["medseg1"]["count"] == 2
    assert results["medseg1"]["pooled_dice_with_true_lungs"] > 0.9


def test_what_is_marked_on_infection_free_slices_is_told_by_collection(tmp_path, monkeypatch):
    monkeypatch.setattr("infnet.pipeline.models.load_engines", fake_engines)
    made = chest(slices=3, rows=256, columns=256, spacing=(80.0, 1.4, 1.4))
    grey = window_hu(made.study.pixels[1])
    for block in range(5):
        for source in ("iqoth", "sarscov2"):
            save(tmp_path / "infection-free" / "images" / f"{source}_{block * 64:04}.png", grey)
    held = [validate.evaluate_infection_free(fake_engines(), tmp_path, fold) for fold in range(5)]
    assert sum(kind["slices"] for fold in held for kind in fold.values()) == 10
    pixels = int((segment(Study(grey[None], is_hu=False), fake_engines()).labels > 0).sum())
    for fold in held:
        for name, kind in fold.items():
            assert name in ("iqoth", "sarscov2")
            assert kind["median"] == kind["largest"] == pixels > 0


def test_a_slice_cut_to_its_lungs_gives_the_mask_of_the_whole_slice():
    made = chest(slices=3, rows=256, columns=256, spacing=(80.0, 1.4, 1.4))
    grey, lungs = window_hu(made.study.pixels[1]), made.lungs[1] > 0
    whole = segment(Study(grey[None], is_hu=False), fake_engines(), known_lungs=made.lungs[1:2]).probability[0] > 0.5
    cut = validate._as_crop(fake_engines(), grey, lungs)
    assert cut.shape == grey.shape
    assert not cut[~lungs].any()
    assert dice(cut > 0.5, whole & lungs) > 0.9
    assert not validate._as_crop(fake_engines(), grey, np.zeros_like(lungs)).any()
