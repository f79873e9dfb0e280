"""What a run starts from: a checkpoint, a model of the registry, the encoder of one, or ImageNet; none with leaks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from infnet import weights
from infnet.errors import InfNetError
from infnet.networks.infnet import PUBLISHED_BACKBONE
from train.data import Example
from train.fitting.checkpoint import averaged, load_checkpoint
from train.fitting.config import TrainConfig
from train.fitting.pretrained import for_channels, load_pretrained
from train.fitting.task import Task

# Where the registry says what a shipped model did not see of a source: names, groups, or only their number.
HELD_OUT = {
    "labelled": "labelled",
    "coronacases": "coronacases",
    "clear": "lungs-hu patients",
    "lungs-hu": "lungs-hu patients",
    "medseg-volumes": "medseg-volumes",
    "infection-free": "infection-free",
}
TIMM = "tu-"  # before the name of a timm network as segmentation-models-pytorch's encoder
BACKBONE, ENCODER = "backbone.", "encoder.model."  # in Inf-Net, and in a network with an encoder of timm


def begin(
    task: Task,
    source: str | None,
    config: TrainConfig,
    validation: Mapping[str, Sequence[Example]],
    pretrained: bool = False,
) -> Task:
    """The task with the network of `source` loaded, and in its split the groups that this network has seen before.

    pretrained: the encoder knows ImageNet. Raises InfNetError where it and `source` are given, or where
    the network does not fit, or was trained on groups that validate here.
    """
    if pretrained:
        _know_imagenet(task.network, source, config)
    start_from(task.network, source)
    return replace(task, split={**task.split, "seen before": sorted(seen_by(source, config, validation))})


def _know_imagenet(network: nn.Module, source: str | None, config: TrainConfig) -> None:
    if source is not None:
        raise InfNetError("--pretrained with --init: both give the encoder; give one of them")
    backbone = config.options.get("backbone", PUBLISHED_BACKBONE) if config.network == "inf-net" else None
    if (encoder := str(config.options.get("encoder", ""))).startswith(TIMM):
        backbone = encoder.removeprefix(TIMM)
    if backbone is None:
        raise InfNetError(
            f"--pretrained: not for this {config.network}; give it an encoder of timm, as in --options "
            f'\'{{"encoder": "tu-tf_efficientnet_lite2"}}\''
        )
    load_pretrained(network, backbone)


def start_from(network: nn.Module, source: str | None) -> None:
    """Load the averaged network of a checkpoint, or a model of the registry by its name, where one is given.

    Of an Inf-Net, a network of another kind whose encoder is that backbone (`--network unet --options '{"encoder":
    "tu-res2net50d"}'`) takes the encoder; input channels beyond those of the Inf-Net start at 0.
    """
    if source is None:
        return
    try:
        shipped = source in weights.registry()
        state = weights.load(source)[0].state_dict() if shipped else averaged(load_checkpoint(Path(source)))
        own = network.state_dict()
        if any(name.startswith(BACKBONE) for name in state.keys() - own.keys()):
            state = {**own, **_encoder(state, own)}
        network.load_state_dict(state)
    except (KeyError, RuntimeError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise InfNetError(f"{source}: does not fit this network ({reason}); choose another --init") from error


def _encoder(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The backbone of an Inf-Net's state under the names of a network with an encoder of timm. Raises KeyError."""
    encoder = {}
    for name, theirs in state.items():
        target = name.replace(BACKBONE, ENCODER, 1)
        if not name.startswith(BACKBONE):
            continue
        if target not in own:
            raise KeyError(f"no encoder with {name.removeprefix(BACKBONE)}")
        wider = theirs.ndim == 4 and theirs.shape[1] < own[target].shape[1]
        encoder[target] = for_channels(theirs, own[target].shape[1]) if wider else theirs
    return encoder


def seen_by(source: str | None, config: TrainConfig, validation: Mapping[str, Sequence[Example]]) -> set[str]:
    """Groups that a run folder's checkpoint was trained on, and those it started from, as its split.json says.

    Raises InfNetError where it, or a model of the registry, was trained on groups that validate here.
    """
    path = Path(source).with_name("split.json") if source else None
    seen: set[str] = set()
    leaked: set[str] = set()
    if source in (models := weights.registry()):
        leaked = _leaked(models[str(source)].facts, config, validation)
    elif path is not None and path.is_file():
        record = json.loads(path.read_text())
        seen = {group for groups in record["train"].values() for group in groups} | set(record.get("seen before", ()))
        leaked = seen & {e.group for examples in validation.values() for e in examples}
    if leaked:
        names = ", ".join(sorted(leaked)[:5]) + (" ..." if len(leaked) > 5 else "")
        raise InfNetError(
            f"--init {source}: was trained on patients that validate here ({names}), or may have been; "
            "hold them out there too, by the same --validate-on and --fold"
        )
    return seen


def _leaked(facts: Mapping[str, Any], config: TrainConfig, validation: Mapping[str, Sequence[Example]]) -> set[str]:
    """Groups that validate here and that a model of the registry may have been trained on, as its facts say."""
    leaked = set()
    same = all(facts["config"].get(k) == getattr(config, k) for k in ("fold", "fold_count", "seed"))
    for source in HELD_OUT.keys() & validation.keys():
        unseen = facts["held_out"].get(HELD_OUT[source], ())
        by_name = isinstance(unseen, list | tuple)
        leaked |= {e.group for e in validation[source] if not (({e.name, e.group} & set(unseen)) if by_name else same)}
    return leaked
