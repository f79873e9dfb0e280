from __future__ import annotations

import json
import sys

import pytest
import torch

from infnet import weights
from infnet.networks import build
from train import export
from train.fitting.checkpoint import save_atomically
from train.fitting.config import TrainConfig

OPTIONS = {"width": 8, "shrink": 8}
CONFIG = TrainConfig(steps=7, network="fcn8s", options=OPTIONS, size=64)


def run(monkeypatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["export", *arguments])
    export.main()


def test_a_checkpoint_becomes_a_model_that_loads(tmp_path, monkeypatch):
    monkeypatch.setenv("INFNET_WEIGHTS", str(tmp_path))
    torch.manual_seed(0)
    state = build("fcn8s", **OPTIONS).state_dict()
    save_atomically({"network": state, "config": CONFIG.as_dict()}, tmp_path / "best.pt")
    common = [
        "--checkpoint",
        str(tmp_path / "best.pt"),
        "--role",
        "classes",
        "--network",
        "fcn8s",
        "--size",
        "64",
        "--description",
        "a test",
        "--options",
        json.dumps(OPTIONS),
    ]
    run(monkeypatch, "--name", "first", *common, "--facts", '{"training": "none"}')
    run(monkeypatch, "--name", "second", *common[:4], "--description", "its own network")
    assert set(weights.registry()) == {"first", "second"}
    network, entry = weights.load("first")
    assert entry.facts["config"]["steps"] == 7
    assert entry.facts["training"] == "none"
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, state[name], rtol=1e-3, atol=1e-6)


def test_weights_of_two_runs_are_averaged_by_their_shares(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("INFNET_WEIGHTS", str(tmp_path))
    states = []
    for seed, file in enumerate(("one.pt", "other.pt")):
        torch.manual_seed(seed)
        states.append(build("fcn8s", **OPTIONS).state_dict())
        save_atomically({"network": states[-1], "config": CONFIG.as_dict()}, tmp_path / file)
    one, other = states
    common = ["--checkpoint", str(tmp_path / "one.pt"), "--role", "classes", "--description", "a mean"]
    run(monkeypatch, "--name", "mean", *common, "--average", str(tmp_path / "other.pt"), "0.25")
    for name, value in weights.load("mean")[0].state_dict().items():
        mean = 0.75 * one[name] + 0.25 * other[name] if value.is_floating_point() else one[name]
        torch.testing.assert_close(value, mean, rtol=1e-3, atol=1e-4)
    for share, reason in (("1.5", "a share of 1.5"), ("0.5", "different networks")):
        save_atomically({"network": {"w": torch.zeros(1)}, "config": CONFIG.as_dict()}, tmp_path / "other.pt")
        with pytest.raises(SystemExit):
            run(monkeypatch, "--name", "mean", *common, "--average", str(tmp_path / "other.pt"), share)
        assert reason in capsys.readouterr().err


def test_a_checkpoint_of_another_network_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("INFNET_WEIGHTS", str(tmp_path))
    state = build("fcn8s", **OPTIONS).state_dict()
    save_atomically({"network": state, "config": CONFIG.as_dict()}, tmp_path / "best.pt")
    with pytest.raises(SystemExit) as stopped:
        run(
            monkeypatch,
            "--name",
            "x",
            "--checkpoint",
            str(tmp_path / "best.pt"),
            "--role",
            "infection",
            "--network",
            "inf-net",
            "--size",
            "64",
            "--description",
            "a test",
        )
    assert stopped.value.code == 2
    assert "does not fit InfNet" in capsys.readouterr().err
    assert not (tmp_path / "registry.json").exists()
