"""Cross-validation scores every labelled slice once, by the network that did not see it."""

from __future__ import annotations

import json

import pytest

from tests.fakes import fake_engines
from tests.train.making import semiseg
from train import folds


def test_spread_is_over_the_folds():
    summary = folds.spread([dict.fromkeys(folds.SCORES, value) for value in (0.6, 0.7, 0.8)])
    assert summary["dice"] == {"mean": pytest.approx(0.7), "sd": pytest.approx(0.1)}
    assert set(summary) == set(folds.SCORES)
    assert folds.spread([dict.fromkeys(folds.SCORES, 0.5)])["dice"]["sd"] == 0


def test_every_slice_counts_once_for_the_network_of_its_fold(tmp_path, monkeypatch, capsys):
    semiseg(tmp_path, labelled=11, unlabelled=0)
    asked = []
    monkeypatch.setattr(folds, "load_engines", fake_engines)
    monkeypatch.setattr(folds, "with_checkpoint", lambda engines, path, *role: asked.append(path.name) or engines)
    folds.main([str(tmp_path / "fine-{fold}.pt"), "--data", str(tmp_path), "--json", str(tmp_path / "folds.json")])
    summary = json.loads(capsys.readouterr().out)
    assert summary == json.loads((tmp_path / "folds.json").read_text())
    assert asked == [f"fine-{fold}.pt" for fold in range(5)]
    names = [name for fold in summary["folds"] for name in fold["held_out"]]
    assert sorted(names) == sorted(map(str, range(20, 31)))
    assert summary["infection"]["dice_at_threshold"]["mean"] > 0.8  # the fake engines know


def test_classes_count_with_the_infection_network_of_their_own_fold(tmp_path, monkeypatch, capsys):
    semiseg(tmp_path, labelled=11, unlabelled=0)
    asked = []
    monkeypatch.setattr(folds, "load_engines", fake_engines)
    monkeypatch.setattr(folds, "with_checkpoint", lambda engines, path, *role: asked.append(path.name) or engines)
    paths = [str(tmp_path / f"{name}-{{fold}}.pt") for name in ("fine", "classes")]
    folds.main([paths[0], "--classes", paths[1], "--data", str(tmp_path)])
    summary = json.loads(capsys.readouterr().out)
    assert asked == [name for fold in range(5) for name in (f"fine-{fold}.pt", f"classes-{fold}.pt")]
    assert set(summary) == {"infection", "ggo", "consolidation", "folds"}
    for kind in ("ggo", "consolidation"):
        mean = sum(fold[kind]["dice"] for fold in summary["folds"]) / 5
        assert summary[kind]["dice"]["mean"] == pytest.approx(mean, abs=1e-4)
        assert mean > 0


def test_one_checkpoint_for_all_folds_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        folds.main([str(tmp_path / "best.pt")])
    assert stopped.value.code == 2
    assert "one network for all folds" in capsys.readouterr().err
