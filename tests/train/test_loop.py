from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from infnet.errors import InfNetError
from train.config import TrainConfig
from train.loop import fit, load_checkpoint, save_atomically


def tiny() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2), nn.Conv2d(4, 1, 1)
    )


def batch_at(step, rng):
    x = torch.from_numpy(rng.standard_normal((4, 1, 16, 16)).astype(np.float32))
    return x, (x > 0.5).float()


def loss_of(network, batch):
    return nn.functional.binary_cross_entropy_with_logits(network(batch[0]), batch[1])


def validate(network):
    x, y = batch_at(0, np.random.default_rng(99))
    with torch.inference_mode():
        return {"negative loss": -loss_of(network, (x, y)).item()}


CONFIG = TrainConfig(steps=20, size=32, scales=(1.0,), batch=4, warmup=2, validate_every=10, save_every=5)


def run(folder, **options):
    return fit(tiny(), batch_at, loss_of, validate, CONFIG, folder, **options)


def test_training_lowers_the_loss(tmp_path):
    before = validate(tiny().eval())["negative loss"]
    config = TrainConfig(steps=150, size=32, scales=(1.0,), warmup=2, learning_rate=1e-2, validate_every=150, ema=0.9)
    after = validate(fit(tiny(), batch_at, loss_of, validate, config, tmp_path))["negative loss"]
    assert after > before + 0.2


def test_resumed_run_is_bit_identical_to_one_that_never_stopped(tmp_path):
    whole = run(tmp_path / "whole")
    run(tmp_path / "parts", stop_at=10)
    parts = run(tmp_path / "parts", resume=True)
    for a, b in zip(whole.state_dict().values(), parts.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert load_checkpoint(tmp_path / "parts" / "last.pt")["step"] == 20
    assert len((tmp_path / "parts" / "log.csv").read_text().splitlines()) == 3


def test_other_settings_cannot_be_resumed(tmp_path):
    run(tmp_path, stop_at=5)
    other = TrainConfig(**{**CONFIG.as_dict(), "learning_rate": 1e-3})
    with pytest.raises(InfNetError, match="made with other settings"):
        fit(tiny(), batch_at, loss_of, validate, other, tmp_path, resume=True)


def test_a_full_disk_keeps_the_older_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "last.pt"
    save_atomically({"step": 1}, path)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InfNetError, match="the older checkpoint is kept"):
        save_atomically({"step": 2}, path)
    assert load_checkpoint(path)["step"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"]


def test_a_damaged_checkpoint_is_one_line(tmp_path):
    (tmp_path / "last.pt").write_bytes(b"\0" * 100)
    with pytest.raises(InfNetError, match="not a readable checkpoint"):
        load_checkpoint(tmp_path / "last.pt")


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"steps": 5, "size": 10}, {"steps": 5, "learning_rate": 0.0}])
def test_a_config_that_cannot_train_is_refused_at_birth(wrong):
    with pytest.raises(InfNetError):
        TrainConfig(**wrong)
