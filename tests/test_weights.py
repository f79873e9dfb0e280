from __future__ import annotations

import json

import pytest
import torch

from infnet import weights
from infnet.errors import WeightsError
from infnet.networks import build

OPTIONS = {"width": 8, "shrink": 8}


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A weights folder with one small network in it."""
    torch.manual_seed(0)
    sha256 = weights.save(build("fcn8s", **OPTIONS).state_dict(), tmp_path / "small.safetensors")
    models = {
        "small": {
            "role": "classes",
            "file": "small.safetensors",
            "sha256": sha256,
            "network": "fcn8s",
            "options": OPTIONS,
            "size": 64,
            "threshold": 0.4,
            "description": "a test",
            "held_out": ["x"],
        }
    }
    (tmp_path / "registry.json").write_text(json.dumps({"version": 1, "models": models}))
    monkeypatch.setenv("INFNET_WEIGHTS", str(tmp_path))
    return tmp_path


def test_saved_weights_come_back_to_half_precision(shelf):
    torch.manual_seed(0)
    original = build("fcn8s", **OPTIONS).state_dict()
    network, entry = weights.load("small")
    assert entry.threshold == 0.4
    assert entry.facts == {"held_out": ["x"]}
    assert not network.training
    for name, value in network.state_dict().items():
        assert value.dtype == original[name].dtype
        torch.testing.assert_close(value, original[name], rtol=1e-3, atol=1e-6)
    assert weights.default("classes") == "small"


def test_one_changed_byte_is_found(shelf):
    path = shelf / "small.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="SHA-256 differs"):
        weights.load("small")


def test_missing_things_are_named(shelf, monkeypatch):
    with pytest.raises(WeightsError, match="big: no such model; choose one of small"):
        weights.load("big")
    with pytest.raises(WeightsError, match="no weights for lungs"):
        weights.default("lungs")
    (shelf / "small.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"small\.safetensors: missing"):
        weights.load("small")
    (shelf / "registry.json").write_text("{")
    with pytest.raises(WeightsError, match="damaged registry"):
        weights.registry()
    monkeypatch.setenv("INFNET_WEIGHTS", str(shelf / "nowhere"))
    with pytest.raises(WeightsError, match="no weights registry"):
        weights.registry()


def test_weights_of_another_network_are_refused(shelf):
    other = build("fcn8s", width=4, shrink=8)
    with pytest.raises(WeightsError, match="does not fit FCN8s"):
        weights.load_state(other, build("fcn8s", **OPTIONS).state_dict(), "small")


def test_shipped_weights_match_the_registry():
    """Every file that the registry names is there, whole, and below the size that a repository should hold."""
    entries = weights.registry()
    assert {e.role for e in entries.values()} == {"lungs", "infection", "classes"}
    for entry in entries.values():
        assert weights.verify(entry).stat().st_size < 90e6
        assert entry.facts["validation"], entry.name
        assert entry.facts["training"], entry.name


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"size": "abc"}, 'small: size "abc"'),
        ({"size": 0}, "small: size 0"),
        ({"threshold": None}, "small: threshold null"),
        ({"threshold": 3}, "small: threshold 3"),
        ({"role": "magic"}, 'small: role "magic"'),
        ({"options": []}, r"small: options \[\]"),
        ({"file": "../small.safetensors"}, "small: file"),
        ({"file": "/etc/passwd"}, "small: file"),
        ({"file": "..\\x"}, "small: file"),
        ({"file": ""}, "small: file"),
        ({"sha256": 7}, "small: sha256 7"),
    ],
)
def test_an_entry_that_cannot_be_is_named(shelf, change, said):
    path = shelf / "registry.json"
    whole = json.loads(path.read_text())
    whole["models"]["small"] |= change
    path.write_text(json.dumps(whole))
    with pytest.raises(WeightsError, match=rf"registry.json: damaged registry \({said}.*; restore the file"):
        weights.registry()


@pytest.mark.parametrize(
    "text", ["[]", "3", '{"models": []}', '{"models": {"a": null}}', '{"models": {"a": {}}}', "[" * 9999]
)
def test_a_registry_of_another_shape_is_damaged(shelf, text):
    (shelf / "registry.json").write_text(text)
    with pytest.raises(WeightsError, match=r"registry.json: damaged registry"):
        weights.registry()


def test_a_folder_in_place_of_a_file(shelf):
    (shelf / "small.safetensors").unlink()
    (shelf / "small.safetensors").mkdir()
    with pytest.raises(WeightsError, match=r"small.safetensors: is no file"):
        weights.load("small")
    (shelf / "registry.json").unlink()
    (shelf / "registry.json").mkdir()
    with pytest.raises(WeightsError, match=r"registry.json: cannot be read \(Is a directory\)"):
        weights.registry()


@pytest.mark.parametrize("change", [{"network": "nonsense"}, {"options": {"junk": 1}}, {"options": {"width": "x"}}])
def test_a_network_that_cannot_be_built_is_named(shelf, change):
    path = shelf / "registry.json"
    whole = json.loads(path.read_text())
    whole["models"]["small"] |= change
    path.write_text(json.dumps(whole))
    with pytest.raises(WeightsError, match=r"^small: no network '.*' with the options \{.*; restore the registry$"):
        weights.load("small")
