from __future__ import annotations

import pytest
import torch

from infnet.networks import NETWORKS, build
from infnet.networks.infnet import InfNet, InfNetOutput

SMALL = {
    "inf-net": ({"backbone": "resnet18d"}, 3, 1),
    "fcn8s": ({"width": 8, "shrink": 8}, 6, 3),
    "lung-unet": ({}, 1, 1),
    "unet": ({"encoder": "resnet18", "inputs": 6, "classes": 3}, 6, 3),
    "unet++": ({"encoder": "resnet18"}, 3, 1),
    "deeplabv3+": ({"encoder": "resnet18"}, 3, 3),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_keeps_the_size_of_its_input(name):
    options, inputs, classes = SMALL[name]
    network = build(name, **options).eval()
    with torch.inference_mode():
        output = network(torch.rand(1, inputs, 96, 64))
    logits = output.s3 if isinstance(output, InfNetOutput) else output
    assert logits.shape == (1, classes, 96, 64)


def test_an_unknown_name_or_option_is_refused():
    with pytest.raises(KeyError):
        build("inf-net-2")
    with pytest.raises(TypeError, match="colour"):
        build("lung-unet", colour=1)


def test_output_stride_8_keeps_deeper_features_twice_as_large():
    for stride in (8, 16):
        network = build("deeplabv3+", stride=stride, encoder="resnet18").eval()
        with torch.inference_mode():
            assert network.encoder(torch.rand(1, 3, 96, 96))[-1].shape[-1] == 96 // stride


@pytest.mark.parametrize(
    ("decoder", "reverse", "edge"),
    [(False, False, False), (True, False, False), (False, True, False), (True, True, False), (True, True, True)],
)
def test_parts_are_switches_of_one_network(decoder, reverse, edge):
    """The five rows of Table IV: what is off adds no weights and no map, and what is on is trained."""
    network = InfNet("resnet18d", partial_decoder=decoder, reverse_attention=reverse, edge_attention=edge)
    output = network(torch.rand(2, 3, 64, 64))
    assert (output.edge is not None) is edge
    assert (output.s3 is output.s_g) is not reverse
    names = {name.split(".")[0] for name, _ in network.named_parameters()}
    assert ("partial_decoder" in names) is decoder
    assert ({"ra3", "ra4", "ra5"} <= names) is reverse
    assert ("edge_attention" in names) is edge
    sum(m.sum() for m in output if m is not None).backward()
    assert all(p.grad is not None for p in network.parameters())


def test_edge_attention_needs_reverse_attention():
    with pytest.raises(ValueError, match="switch both off"):
        InfNet("resnet18d", reverse_attention=False)
