"""The registry of the weights, damaged."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from infnet import weights
from infnet.networks import build
from tests.read.catalogue.kind import Makers

OPTIONS = {"width": 4, "shrink": 8}
SMALL = {"role": "classes", "file": "small.safetensors", "network": "fcn8s", "options": OPTIONS, "size": 64}
SMALL |= {"threshold": 0.4, "description": "a test"}


def registry(change: Callable[[Path, dict[str, Any]], Any]) -> Callable[[Path], None]:
    """Load a small network whose entry, or whose folder, is changed; a text that is returned is the registry."""

    def make(folder: Path) -> None:
        entry = {**SMALL, "sha256": weights.save(build("fcn8s", **OPTIONS).state_dict(), folder / "small.safetensors")}
        text = change(folder, entry)
        if not (folder / "registry.json").exists() and text is not False:
            whole = json.dumps({"version": 1, "models": {"small": entry}})
            (folder / "registry.json").write_text(text if isinstance(text, str) else whole)
        with patch.dict(os.environ, INFNET_WEIGHTS=str(folder)):
            weights.load("small")

    return make


def entry(**values: Any) -> Callable[[Path], None]:
    return registry(lambda folder, facts: facts.update(values))


def flipped(folder: Path, _: dict[str, Any]) -> None:
    data = bytearray((folder / "small.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "small.safetensors").write_bytes(data)


DAMAGED = "damaged registry"
MAKERS: Makers = {
    "a whole registry": registry(lambda folder, _: None),
    "no registry": registry(lambda folder, _: False),
    "a folder in its place": registry(lambda folder, _: (folder / "registry.json").mkdir()),
    "a list in its place": registry(lambda folder, _: "[]"),
    "a registry cut short": registry(lambda folder, _: '{"models": {"small"'),
    "size 'abc'": entry(size="abc"),
    "a threshold of null": entry(threshold=None),
    "an unknown role": entry(role="magic"),
    "an unknown network": entry(network="magic"),
    "options of another network": entry(options={"junk": 1}),
    "a file outside the folder": entry(file="../small.safetensors"),
    "a file that is missing": registry(lambda folder, _: (folder / "small.safetensors").unlink()),
    "one changed bit in the weights": registry(flipped),
}
