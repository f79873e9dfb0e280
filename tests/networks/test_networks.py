from __future__ import annotations

import pytest
import torch

from infnet.networks import NETWORKS, build
from infnet.networks.infnet import FinerOutput, InfNet, InfNetOutput

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
    logits = output[0] if isinstance(output, tuple) else output
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


LIGHT = {"backbone": "tf_efficientnet_lite2", "edge_width": 32, "attention_widths": [64, 64, 64, 32]}


@pytest.mark.parametrize("backbone", ["tf_efficientnet_lite2", "vgg11", "convnext_atto"])
def test_any_backbone_with_strides_4_to_32_will_do(backbone):
    """Also where timm gives features of stride 1 or 2 first, or none of stride 2."""
    network = InfNet(backbone, decoder_width=8, edge_width=8, attention_widths=(16, 8, 8)).eval()
    with torch.inference_mode():
        output = network(torch.rand(1, 3, 96, 64))
    assert isinstance(output, InfNetOutput)
    assert {m.shape for m in output} == {(1, 1, 96, 64)}


def test_the_light_network_has_the_size_it_was_designed_for():
    assert round(sum(p.numel() for p in build("inf-net", **LIGHT).parameters()) / 1e6, 1) == 5.6


def test_a_fourth_width_adds_s_2_and_makes_it_the_prediction():
    torch.manual_seed(0)
    three = build("inf-net", **{**LIGHT, "attention_widths": [64, 64, 64]}).eval()
    four = build("inf-net", **LIGHT).eval()
    assert {name.split(".")[0] for name in four.state_dict().keys() - three.state_dict().keys()} == {"ra2"}
    four.load_state_dict(three.state_dict(), strict=False)
    x = torch.rand(1, 3, 96, 64)
    with torch.inference_mode():
        coarse, fine = three(x), four(x)
    assert isinstance(coarse, InfNetOutput)
    assert isinstance(fine, FinerOutput)
    assert fine[0] is fine.s2
    for name in InfNetOutput._fields:  # what the three widths give stays what it was
        torch.testing.assert_close(getattr(fine, name), getattr(coarse, name))
    assert not torch.allclose(fine.s2, fine.s3)


def test_every_parameter_of_the_light_network_is_used():
    network = build("inf-net", **LIGHT)
    sum(m.mean() for m in network(torch.randn(2, 3, 64, 64))).backward()
    assert [n for n, p in network.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"attention_widths": (64, 64)}, "2 attention widths"),
        ({"backbone": "vit_tiny_patch16_224"}, "choose one with 4, 8, 16 and 32"),
    ],
)
def test_what_does_not_fit_is_refused(options, reason):
    with pytest.raises(ValueError, match=reason):
        InfNet(**options)
