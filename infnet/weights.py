"""Shipped weights: the registry, checked by SHA-256, and checkpoints of the paper's reference implementation."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infnet.errors import WeightsError
from infnet.files import sha256

if TYPE_CHECKING:
    from torch import Tensor, nn

    from infnet.networks.infnet import InfNet

# Names in the reference checkpoints (github.com/DengPingFan/Inf-Net) -> names here. Its rfb2..4 and ra2..4 count
# backbone stages; the paper and this package count features f3..f5.
_REFERENCE_PREFIXES = {
    "resnet": "backbone",
    "rfb2_1": "rfb3",
    "rfb3_1": "rfb4",
    "rfb4_1": "rfb5",
    "ParDec": "partial_decoder",
    "ra4_conv1": "ra5.reduce",
    "ra4_conv2": "ra5.refine.0",
    "ra4_conv3": "ra5.refine.1",
    "ra4_conv4": "ra5.refine.2",
    "ra4_conv5": "ra5.head",
    "ra3_conv1": "ra4.reduce",
    "ra3_conv2": "ra4.refine.0",
    "ra3_conv3": "ra4.refine.1",
    "ra3_conv4": "ra4.head",
    "ra2_conv1": "ra3.reduce",
    "ra2_conv2": "ra3.refine.0",
    "ra2_conv3": "ra3.refine.1",
    "ra2_conv4": "ra3.head",
    "edge_conv1": "edge_attention.conv1",
    "edge_conv2": "edge_attention.conv2",
    "edge_conv3": "edge_attention.conv3",
    "edge_conv4": "edge_attention.conv4",
}


LARGEST = 4096  # side of a network's input


@dataclass(frozen=True)
class Entry:
    """One model of the registry: `role` is lungs, infection or classes; `size` the side of its square input."""

    name: str
    role: str
    file: str
    sha256: str
    network: str
    options: dict[str, Any]
    size: int
    threshold: float
    description: str
    facts: dict[str, Any]


# What each field of an entry must be. A file is a bare name: it lies beside the registry, never elsewhere.
_CHECKS: dict[str, Callable[[Any], bool]] = {
    "role": lambda v: v in ("lungs", "infection", "classes"),
    "file": lambda v: isinstance(v, str) and v not in ("", ".", "..") and not set(v) & set("/\\\0"),
    "sha256": lambda v: isinstance(v, str),
    "network": lambda v: isinstance(v, str),
    "options": lambda v: isinstance(v, dict),
    "size": lambda v: type(v) is int and 0 < v <= LARGEST,
    "threshold": lambda v: type(v) in (int, float) and 0 < v < 1,
    "description": lambda v: isinstance(v, str),
}


def folder() -> Path:
    """Where the weights are: INFNET_WEIGHTS, those inside the installed package, or `weights/` of a checkout."""
    if chosen := os.environ.get("INFNET_WEIGHTS"):
        return Path(chosen)
    inside = Path(__file__).with_name("shipped")
    return inside if inside.is_dir() else Path(__file__).parents[1] / "weights"


def registry() -> dict[str, Entry]:
    """All models by name. Raises WeightsError where the registry is missing or damaged."""
    path = folder() / "registry.json"
    try:
        models = json.loads(path.read_text())["models"]
        return {name: _entry(name, facts) for name, facts in models.items()}
    except FileNotFoundError:
        raise WeightsError(f"{path}: no weights registry; set INFNET_WEIGHTS to the folder that holds it") from None
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); restore the file") from None
    except KeyError as error:
        raise WeightsError(f"{path}: damaged registry ({error} is missing); restore the file") from error
    except (AttributeError, TypeError, ValueError, RecursionError) as error:
        raise WeightsError(f"{path}: damaged registry ({error}); restore the file") from error


def _entry(name: str, facts: dict[str, Any]) -> Entry:
    """An entry of the registry. Raises KeyError where something is missing, ValueError where it cannot be used."""
    own = {key: facts[key] for key in _CHECKS}
    for key, value in own.items():
        if not _CHECKS[key](value):
            raise ValueError(f"{name}: {key} {json.dumps(value)[:60]}")
    return Entry(name=name, **own, facts={key: value for key, value in facts.items() if key not in own})


def find(name: str) -> Entry:
    """The registry's entry of this name. Raises WeightsError that lists the names there are."""
    entries = registry()
    if name not in entries:
        raise WeightsError(f"{name}: no such model; choose one of {', '.join(sorted(entries))}")
    return entries[name]


def default(role: str) -> str:
    """The first model of a role in the registry."""
    for name, entry in registry().items():
        if entry.role == role:
            return name
    raise WeightsError(f"{folder()}: no weights for {role}; restore the shipped weights")


@cache
def _verified(path: Path, known: str, stamp: tuple[int, int]) -> Path:
    if sha256(path) != known:
        raise WeightsError(f"{path}: SHA-256 differs from the registry's; the file is damaged, restore it")
    return path


def verify(entry: Entry) -> Path:
    """The file of an entry, after its SHA-256 was found right. Raises WeightsError."""
    path = folder() / entry.file
    try:
        stat = path.stat()
    except FileNotFoundError:
        raise WeightsError(f"{path}: missing; restore the shipped weights") from None
    if not path.is_file():
        raise WeightsError(f"{path}: is no file; restore the shipped weights")
    return _verified(path, entry.sha256, (stat.st_size, stat.st_mtime_ns))


def fingerprint(entry: Entry) -> str:
    """SHA-256 of all that makes a network what it is: its weights, its options and the code that builds it."""
    code = hashlib.sha256(json.dumps([entry.sha256, entry.network, entry.options], sort_keys=True).encode())
    for path in sorted((Path(__file__).parent / "networks").glob("*.py")):
        code.update(path.read_bytes())
    return code.hexdigest()


def load(name: str) -> tuple[nn.Module, Entry]:
    """Build the network of a registry entry and load its verified weights; float32, eval mode. Raises WeightsError."""
    from safetensors.torch import load_file

    from infnet.networks import build

    entry = find(name)
    state = load_file(verify(entry))
    try:
        network = build(entry.network, **entry.options)
    except Exception as error:  # whatever a network makes of options that are not its own
        reason = f"no network {entry.network!r} with the options {json.dumps(entry.options)[:200]}"
        raise WeightsError(f"{name}: {reason}; restore the registry") from error
    load_state(network, {k: v.float() if v.is_floating_point() else v for k, v in state.items()}, entry.file)
    return network.eval(), entry


def load_state(network: nn.Module, state: dict[str, Tensor], name: str) -> None:
    """Load a state dict that must fit exactly. Raises WeightsError that names what does not."""
    own = network.state_dict()
    missing = [k for k in own if k not in state and not k.endswith("num_batches_tracked")]
    left = [k for k in state if k not in own]
    shapes = [k for k in own if k in state and own[k].shape != state[k].shape]
    if missing or left or shapes:
        raise WeightsError(
            f"{name}: does not fit {type(network).__name__} ({len(missing)} missing, {len(left)} left over, "
            f"{len(shapes)} of other shape, e.g. {(missing + left + shapes)[0]}); choose weights made for it"
        )
    network.load_state_dict(state, strict=False)


def convert_reference(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the keys of a reference Inf-Net state dict to ours; the unused ImageNet classifier is dropped."""
    converted = {}
    for key, value in state.items():
        key = key.removeprefix("module.")
        prefix, _, rest = key.partition(".")
        if key.startswith("resnet.fc."):
            continue
        converted[f"{_REFERENCE_PREFIXES.get(prefix, prefix)}.{rest}"] = value
    return converted


def load_reference(path: str | Path) -> InfNet:
    """Inf-Net with the weights of a reference checkpoint (`Inf-Net-100.pth`, `Semi-Inf-Net-100.pth`), eval mode.

    Its forward takes (N, 3, H, W) and returns logits at input size as `InfNetOutput` (s3, s4, s5, s_g, edge).
    Raises WeightsError where the file is missing, not a state dict, or of another network.
    """
    import torch

    from infnet.networks.infnet import InfNet

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise WeightsError(f"{path}: no such file; give the path of a reference checkpoint") from None
    except Exception as error:  # whatever a damaged pickle raises
        raise WeightsError(f"{path}: not a readable checkpoint ({type(error).__name__}); download it again") from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise WeightsError(f"{path}: holds no plain state dict; give a reference checkpoint such as Inf-Net-100.pth")
    network = InfNet()
    load_state(network, convert_reference(state), str(path))
    return network.eval()


def save(network_state: dict[str, Tensor], path: Path) -> str:
    """Write a state dict as fp16 safetensors (integers kept) and return the file's SHA-256."""
    from safetensors.torch import save_file

    save_file(
        {k: (v.half() if v.is_floating_point() else v).contiguous().clone() for k, v in network_state.items()}, path
    )
    path.chmod(0o644)  # safetensors makes it private to its writer; an image's other users must read it
    return sha256(path)
