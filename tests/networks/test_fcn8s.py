from __future__ import annotations

import pytest
import torch

from infnet.networks.fcn8s import FCN8s


def test_published_width_has_the_vgg16_body():
    convolutions = [m for m in FCN8s(inputs=3).modules() if isinstance(m, torch.nn.Conv2d)]
    assert [c.out_channels for c in convolutions[:13]] == [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6
    assert [c.out_channels for c in convolutions[13:15]] == [4096, 4096]


def test_classes_at_input_size():
    network = FCN8s(width=16, shrink=8, batch_norm=True).eval()
    assert network(torch.zeros(2, 6, 96, 64)).shape == (2, 3, 96, 64)
    with pytest.raises(ValueError, match="multiples of 32"):
        network(torch.zeros(1, 6, 90, 64))


def test_all_three_depths_reach_the_output():
    """Zeroing each score layer must change the answer: none is left out of the sum."""
    torch.manual_seed(0)
    network = FCN8s(width=16, shrink=8).eval()
    x = torch.randn(1, 6, 64, 64)
    whole = network(x)
    for name in ("score5", "score4", "score3"):
        layer = getattr(network, name)
        kept = layer.weight.data.clone()
        layer.weight.data.zero_()
        assert not torch.allclose(network(x), whole, atol=1e-7), name
        layer.weight.data.copy_(kept)
