from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from infnet.engine import TorchEngine
from infnet.errors import InfNetError
from infnet.networks.infnet import InfNetOutput


class Constant(nn.Module):
    """Answers with the same logits everywhere; several outputs where asked, as Inf-Net has."""

    def __init__(self, logits: list[float], staged: bool = False) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))
        self.staged = staged

    def forward(self, x):
        out = self.logits[None, :, None, None].expand(len(x), -1, *x.shape[2:])
        return InfNetOutput(out, out - 9, out - 9, out - 9, out - 9) if self.staged else out


def test_one_channel_goes_through_a_sigmoid():
    found = TorchEngine(Constant([0.0]), "cpu")(np.zeros((2, 1, 8, 8), np.float32))
    assert found.shape == (2, 1, 8, 8)
    assert found.dtype == np.float32
    assert (found == 0.5).all()


def test_several_channels_go_through_a_softmax():
    found = TorchEngine(Constant([0.0, 0.0, float(np.log(2))]), "cpu")(np.zeros((1, 6, 4, 4), np.float32))
    assert np.allclose(found[0, :, 0, 0], [0.25, 0.25, 0.5])


def test_the_prediction_of_infnet_is_its_s3():
    found = TorchEngine(Constant([0.0], staged=True), "cpu")(np.zeros((1, 3, 4, 4), np.float32))
    assert (found == 0.5).all()


def test_name_tells_library_device_and_precision():
    assert TorchEngine(Constant([0.0]), "cpu").name == f"torch {torch.__version__.split('+')[0]} cpu fp32"


@pytest.mark.parametrize("device", ["no-such-device", "cuda:99"])
def test_a_device_that_is_not_there_is_one_line(device):
    with pytest.raises(InfNetError, match=f"device {device}: not usable here; use one of cpu"):
        TorchEngine(Constant([0.0]), device)
