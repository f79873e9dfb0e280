"""A GPU whose memory runs out: smaller batches, then the processor, the same mask. The meta device stands for it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from infnet import phantom
from infnet.engine import TorchEngine
from infnet.engine.torch_engine import GPU_BATCH
from infnet.pipeline.models import load_engines
from infnet.pipeline.run import segment
from tests.notices import texts

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
STUDY = phantom.chest(slices=8, rows=96, columns=96, spacing=(30.0, 3.7, 3.7)).study
PROCESSOR = "Memory of meta ran out even for one slice: the processor took over."


@pytest.fixture(scope="module")
def expected():
    return segment(STUDY, load_engines(engine="torch", device="cpu", precision="fp32"))


@pytest.mark.parametrize("room", [3, 1, 0])
def test_the_shipped_networks_give_the_same_mask(expected, monkeypatch, room):
    """Room for so many slices at once."""
    engines = load_engines(engine="torch", device="cpu", precision="fp32")
    assert expected.labels.any()
    forward, asked = TorchEngine._forward, []

    def cramped(engine, slices):
        if engine._device.type == "cpu":
            return forward(engine, slices)
        asked.append(len(slices))
        if len(slices) > room:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        engine._device = torch.device("cpu")
        try:
            return forward(engine, slices)
        finally:
            engine._device = torch.device("meta")

    monkeypatch.setattr(TorchEngine, "_forward", cramped)
    for model in engines.models.values():
        for name, value in {"_device": torch.device("meta"), "batch": GPU_BATCH, "parallel": 2, "notices": ()}.items():
            monkeypatch.setattr(model.engine, name, value)
    result = segment(STUDY, engines)
    assert max(asked) == len(STUDY.pixels)
    np.testing.assert_array_equal(result.labels, expected.labels)
    np.testing.assert_array_equal(result.lungs, expected.lungs)
    np.testing.assert_allclose(result.probability, expected.probability, atol=1e-4)
    halved = 2 if room == 3 else 1
    assert f"Memory of meta ran out: slices were taken in batches of {halved}." in texts(result)
    assert (PROCESSOR in texts(result)) == (room == 0)
    assert {model.engine._device.type for model in engines.models.values()} == {"meta" if room else "cpu"}
