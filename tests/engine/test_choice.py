"""Which engine runs a network, and on what."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from infnet import engine as engines
from infnet.engine import Choice, OpenVINOEngine, TorchEngine, choose, open_engine, openvino_engine
from infnet.errors import InfNetError
from tests.engine.making import Scale


def test_openvino_is_the_choice_on_a_processor_and_torch_without_it(monkeypatch):
    monkeypatch.setattr(engines, "_device", lambda: "cpu")
    assert choose() == Choice("openvino", "cpu")
    assert choose(precision="fp32", threads=1) == Choice("openvino", "cpu", "fp32", 1)
    assert choose("torch") == Choice("torch", "cpu")
    assert choose(device="cuda:1") == Choice("torch", "cuda:1")
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    with openvino_that_raises(monkeypatch, ModuleNotFoundError("No module named 'openvino'")):
        assert choose() == Choice("torch", "cpu")
        with pytest.raises(InfNetError, match="engine openvino: not installed; run `pip install openvino`"):
            choose("openvino")


def test_a_broken_openvino_is_as_good_as_none(monkeypatch):
    monkeypatch.setattr(engines, "_device", lambda: "cpu")
    with openvino_that_raises(monkeypatch, OSError("libtbb.so.12: cannot open shared object file")):
        assert choose() == Choice("torch", "cpu")
        with pytest.raises(InfNetError, match=r"engine openvino: cannot be loaded \(libtbb.*\); install it again"):
            choose("openvino")


@contextmanager
def openvino_that_raises(monkeypatch, error):
    """As if importing openvino raised `error`."""

    def refuse(name):
        raise error

    openvino_engine._load.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr(openvino_engine.importlib, "import_module", refuse)
        yield
    openvino_engine._load.cache_clear()


def test_a_graphics_processor_is_chosen_where_there_is_one(monkeypatch):
    monkeypatch.setattr(engines, "_device", lambda: "cuda")
    assert choose() == Choice("torch", "cuda")
    assert choose("openvino") == Choice("openvino", "cpu")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("tensorrt",), "engine tensorrt: not known; use one of openvino, torch"),
        ((None, None, "fp64"), "precision fp64: not known; use one of fp32, bf16"),
        (("openvino", "cuda"), "device cuda: OpenVINO runs on the CPU here"),
    ],
)
def test_what_is_unknown_or_does_not_go_together_is_one_line(arguments, said):
    with pytest.raises(InfNetError, match=said):
        choose(*arguments)


def test_open_engine_opens_what_was_chosen(cached):
    assert isinstance(open_engine(Scale, "k", (1, 4, 4), Choice("torch", "cpu")), TorchEngine)
    opened = open_engine(Scale, "k", (1, 4, 4), Choice("openvino", "cpu", "fp32", threads=1))
    assert isinstance(opened, OpenVINOEngine)
    assert opened.parallel == 1  # one thread, one call
