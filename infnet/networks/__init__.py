"""Networks by name. Tensors in, logits out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn


def _infnet(**options: Any) -> nn.Module:
    from infnet.networks.infnet import InfNet

    return InfNet(**options)


def _fcn8s(**options: Any) -> nn.Module:
    from infnet.networks.fcn8s import FCN8s

    return FCN8s(**options)


def _lung_unet(**options: Any) -> nn.Module:
    """A small U-Net with a ResNet-18 encoder of four stages: grey (N, 1, H, W) -> lung logits (N, 1, H, W)."""
    import segmentation_models_pytorch as smp

    net = smp.Unet(
        "resnet18",
        encoder_weights=None,
        encoder_depth=4,
        decoder_channels=(128, 64, 32, 16),
        in_channels=1,
        classes=1,
        **options,
    )
    net.encoder.layer4 = nn.Identity()  # built by the library, never used at depth 4
    return net


def _unet(**options: Any) -> nn.Module:
    from infnet.networks.baselines import unet

    return unet(**options)


def _unet_plus_plus(**options: Any) -> nn.Module:
    from infnet.networks.baselines import unet_plus_plus

    return unet_plus_plus(**options)


def _deeplabv3_plus(**options: Any) -> nn.Module:
    from infnet.networks.baselines import deeplabv3_plus

    return deeplabv3_plus(**options)


NETWORKS: Mapping[str, Callable[..., nn.Module]] = {
    "inf-net": _infnet,
    "fcn8s": _fcn8s,
    "lung-unet": _lung_unet,
    "unet": _unet,
    "unet++": _unet_plus_plus,
    "deeplabv3+": _deeplabv3_plus,
}


def build(name: str, **options: Any) -> nn.Module:
    """A network of this name with random weights. Raises KeyError for a name that is not in NETWORKS."""
    return NETWORKS[name](**options)
