"""The networks that the paper compares with, from segmentation-models-pytorch. Tensors in, logits out.

Each takes (N, `inputs`, H, W), H and W multiples of 32, and returns logits (N, `classes`, H, W). `encoder` names an
encoder of that library; `pretrained` fetches its ImageNet weights, which needs a network connection.
"""

from __future__ import annotations

from collections.abc import Sequence

import segmentation_models_pytorch as smp
from torch import nn


def _weights(pretrained: bool) -> str | None:
    return "imagenet" if pretrained else None


def unet(inputs: int = 3, classes: int = 1, encoder: str = "resnet34", pretrained: bool = False) -> nn.Module:
    """U-Net (Ronneberger et al., MICCAI 2015). With 6 inputs and 3 classes: the authors' later "MC" network."""
    net: nn.Module = smp.Unet(encoder, encoder_weights=_weights(pretrained), in_channels=inputs, classes=classes)
    return net


def unet_plus_plus(inputs: int = 3, classes: int = 1, encoder: str = "resnet34", pretrained: bool = False) -> nn.Module:
    """U-Net++ (Zhou et al., IEEE TMI 2019)."""
    net: nn.Module = smp.UnetPlusPlus(
        encoder, encoder_weights=_weights(pretrained), in_channels=inputs, classes=classes
    )
    return net


def deeplabv3_plus(
    inputs: int = 3, classes: int = 3, stride: int = 16, encoder: str = "resnet50", pretrained: bool = False
) -> nn.Module:
    """DeepLabV3+ (Chen et al., ECCV 2018); `stride`: input to feature size in the encoder, 8 or 16."""
    net: nn.Module = smp.DeepLabV3Plus(
        encoder,
        encoder_weights=_weights(pretrained),
        encoder_output_stride=stride,
        in_channels=inputs,
        classes=classes,
    )
    return net


def lung_unet(encoder: str = "resnet18", decoder_widths: Sequence[int] = (128, 64, 32, 16)) -> nn.Module:
    """A small U-Net: grey (N, 1, H, W) -> lung logits (N, 1, H, W).

    decoder_widths: channels of the decoder, coarse to fine; as many as the stages of the encoder that are used.
    """
    net = smp.Unet(
        encoder,
        encoder_weights=None,
        encoder_depth=len(decoder_widths),
        decoder_channels=tuple(decoder_widths),
        in_channels=1,
        classes=1,
    )
    if encoder == "resnet18" and len(decoder_widths) < 5:
        net.encoder.layer4 = nn.Identity()  # built by the library, not used at this depth
    made: nn.Module = net
    return made
