"""What runs start from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from infnet import weights
from infnet.errors import InfNetError
from infnet.networks import build
from train.data import Example
from train.fitting.config import TrainConfig
from train.fitting.start import begin, seen_by, start_from
from train.fitting.task import Task

CONFIG = TrainConfig(steps=1)
PLANE = np.zeros((2, 2), np.uint8)


def validating(*names: str, group: str = "") -> list[Example]:
    return [Example(name, group or f"labelled-{name}", PLANE, PLANE) for name in names]


def test_a_shipped_model_may_be_gone_on_with_where_what_validates_was_held_out():
    held = weights.registry()["semi-inf-net-plus"].facts["held_out"]
    validation = {
        "labelled": validating(*held["labelled"]),
        "coronacases": validating("corona005_s1", group="corona005"),
        "clear": validating("somebody"),
    }
    assert seen_by("semi-inf-net-plus", CONFIG, validation) == set()
    assert seen_by("semi-inf-net-plus", CONFIG, {"own": validating("somebody else")}) == set()


@pytest.mark.parametrize(
    ("model", "validation", "named"),
    [
        ("semi-inf-net-plus", {"labelled": validating("10", "1")}, "labelled-1"),
        ("semi-inf-net-plus", {"coronacases": validating("corona001_s1", group="corona001")}, "corona001"),
        # Its pseudo-labelled slices were of all patients.
        ("semi-inf-net", {"coronacases": validating("corona005_s1", group="corona005")}, "corona005"),
    ],
)
def test_a_shipped_model_that_saw_what_validates_is_refused(model, validation, named):
    with pytest.raises(InfNetError, match=rf"trained on patients that validate here \({named}\)"):
        seen_by(model, CONFIG, validation)


def test_patients_known_by_number_only_need_the_same_fold():
    validation = {"lungs-hu": validating("somebody")}
    assert seen_by("lung-unet", CONFIG, validation) == set()
    with pytest.raises(InfNetError, match="validate here"):
        seen_by("lung-unet", TrainConfig(steps=1, fold=1), validation)


def test_an_encoder_starts_from_the_backbone_of_an_inf_net(tmp_path):
    """Grey as there; the channels of the infection map start at 0, so that the features are those of the Inf-Net."""
    inf_net = build("inf-net", backbone="resnet18d").eval()
    torch.save({"network": inf_net.state_dict()}, tmp_path / "last.pt")
    network = build("unet", inputs=6, classes=3, encoder="tu-resnet18d").eval()
    start_from(network, str(tmp_path / "last.pt"))
    grey = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        backbone = inf_net.backbone
        f1 = backbone.maxpool(backbone.act1(backbone.bn1(backbone.conv1(grey))))
        deepest = backbone.layer4(backbone.layer3(backbone.layer2(backbone.layer1(f1))))
        found = network.encoder(torch.cat([grey, torch.rand(1, 3, 64, 64)], 1))[-1]
    assert torch.allclose(found, deepest, atol=1e-5)


def test_an_encoder_of_another_kind_is_refused(tmp_path):
    torch.save({"network": build("inf-net", backbone="resnet18d").state_dict()}, tmp_path / "last.pt")
    with pytest.raises(InfNetError, match="does not fit this network"):
        start_from(build("unet", inputs=6, classes=3), str(tmp_path / "last.pt"))


def test_pretrained_and_init_exclude_each_other_and_want_an_encoder_of_timm(monkeypatch):
    asked = []
    monkeypatch.setattr("train.fitting.start.load_pretrained", lambda network, backbone: asked.append(backbone))
    task = Task(torch.nn.Identity(), lambda step, rows: (PLANE, PLANE), lambda output, truth: output)
    begin(task, None, CONFIG, {})
    assert asked == []
    for options in ({}, {"backbone": "vgg11"}):
        begin(task, None, TrainConfig(steps=1, options=options), {}, pretrained=True)
    assert asked == ["res2net50d", "vgg11"]
    begin(task, None, TrainConfig(steps=1, network="unet", options={"encoder": "tu-resnet10t"}), {}, pretrained=True)
    assert asked[-1] == "resnet10t"
    with pytest.raises(InfNetError, match="both give the encoder"):
        begin(task, "semi-inf-net", CONFIG, {}, pretrained=True)
    with pytest.raises(InfNetError, match="not for this unet; give it an encoder of timm"):
        begin(task, None, TrainConfig(steps=1, network="unet"), {}, pretrained=True)
