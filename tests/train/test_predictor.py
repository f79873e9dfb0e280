"""What a predictor feeds its network, and the files that it opens."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from infnet import weights
from infnet.networks import NETWORKS
from tests.train.evaluating import Pointwise
from train.predictor import Predictor, open_predictor


class Ramp(nn.Module):
    """Brightest at the top row of its input, whatever it shows."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Conv2d(3, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = torch.linspace(3, -3, x.shape[2])[None, None, :, None]
        return rows.expand(len(x), 1, x.shape[2], x.shape[3])


def test_own_networks_see_slices_upright_and_those_of_the_reference_as_stored():
    stored = np.zeros((48, 80), np.uint8)
    upright, plain = (Predictor("ramp", Ramp(), 64, turned, 0.5, 3, 1)(stored, (48, 80))[0] for turned in (True, False))
    assert upright.shape == plain.shape == (48, 80)
    assert np.allclose(plain, plain[:, :1])
    assert np.allclose(upright, upright[:1])
    assert plain[0, 0] > 0.9 > 0.1 > plain[-1, 0]
    assert upright[0, 0] > 0.9 > 0.1 > upright[0, -1]


def test_reference_checkpoints_are_not_windowed(tmp_path, monkeypatch):
    """A plain state dict goes to `load_reference`; its network sees grey / 255 with ImageNet's mean and deviation."""
    seen = []

    class Spy(Pointwise):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x)
            return super().forward(x)

    torch.save(Pointwise().state_dict(), tmp_path / "Inf-Net-100.pth")
    monkeypatch.setattr(weights, "load_reference", lambda path: Spy())
    predictor = open_predictor(str(tmp_path / "Inf-Net-100.pth"))
    assert (predictor.size, predictor.upright, predictor.threshold) == (352, False, 0.5)
    stored = np.full((40, 60), 100, np.uint8)  # mid grey only: no lung window
    predictor(stored, (40, 60))
    assert seen[-1].shape == (1, 3, 352, 352)
    assert seen[-1][0, :, 0, 0].tolist() == pytest.approx(
        [(100 / 255 - m) / s for m, s in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))], abs=1e-5
    )


def test_a_model_of_the_registry_by_name(monkeypatch):
    entry = weights.Entry("mine", "infection", "mine.safetensors", "", "pointwise", {}, 64, 0.4, "", {})
    monkeypatch.setattr(weights, "load", lambda name: (Pointwise(), entry))
    predictor = open_predictor("mine")
    assert (predictor.size, predictor.upright, predictor.threshold) == (64, True, 0.4)


def test_a_checkpoint_without_settings_is_an_inf_net_at_352(tmp_path, monkeypatch):
    monkeypatch.setitem(NETWORKS, "inf-net", Pointwise)  # type: ignore[arg-type]
    raw, averaged = Pointwise().state_dict(), Pointwise().state_dict()
    torch.save({"network": raw, "average": averaged, "config": {"steps": 3}}, tmp_path / "last.pt")
    predictor = open_predictor(str(tmp_path / "last.pt"))
    assert predictor.size == 352
    assert torch.equal(predictor.network.state_dict()["mix.weight"].cpu(), averaged["mix.weight"])
    assert open_predictor(str(tmp_path / "last.pt"), size=64).size == 64
