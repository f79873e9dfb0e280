"""Networks by name. Tensors in, logits out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from torch import nn


@dataclass(frozen=True)
class Builder:
    """A function or class that builds a network, imported only when it is called."""

    module: str
    name: str

    def __call__(self, **options: Any) -> nn.Module:
        build: Callable[..., nn.Module] = getattr(import_module(self.module), self.name)
        return build(**options)


NETWORKS: Mapping[str, Callable[..., nn.Module]] = {
    "inf-net": Builder("infnet.networks.infnet", "InfNet"),
    "fcn8s": Builder("infnet.networks.fcn8s", "FCN8s"),
    "lung-unet": Builder("infnet.networks.baselines", "lung_unet"),
    "unet": Builder("infnet.networks.baselines", "unet"),
    "unet++": Builder("infnet.networks.baselines", "unet_plus_plus"),
    "deeplabv3+": Builder("infnet.networks.baselines", "deeplabv3_plus"),
}


def build(name: str, **options: Any) -> nn.Module:
    """A network of this name with random weights.

    options: parameters of what builds it, as kept in the registry and in checkpoints. Raises KeyError for a name that
    is not in NETWORKS, TypeError for an option that the network does not have.
    """
    return NETWORKS[name](**options)
