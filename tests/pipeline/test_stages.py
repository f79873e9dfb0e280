"""The stages, with the shipped network and fake lungs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from infnet import weights
from infnet.errors import GeometryError, WeightsError
from infnet.geometry.grid import Grid
from infnet.networks import build
from infnet.phantom import chest
from infnet.pipeline import stages as module
from infnet.pipeline.models import load_engines
from infnet.pipeline.run import segment
from infnet.pipeline.stages import prediction, stages
from infnet.study import Study
from tests.orders import stored


@pytest.fixture(scope="module")
def known():
    phantom = chest(slices=4, rows=192, columns=192, spacing=(50.0, 1.9, 1.9), seed=1)
    return phantom, segment(phantom.study, load_engines())


def test_the_prediction_within_the_lungs_is_the_probability_of_the_slice(known):
    phantom, result = known
    index = int(np.argmax((result.labels > 0).sum((1, 2))))
    maps = stages(phantom.study, index, lungs=result.lungs)
    assert [name for name in maps if name != "S_2"] == ["S_g", "S_5", "S_4", "S_3", "edge"]
    for name, probability in maps.items():
        assert probability.shape == (192, 192), name
        assert probability.dtype == np.float32
        assert 0 <= probability.min() <= probability.max() <= 1
    inside = maps[prediction(maps)] * (result.lungs[index] > 0)
    assert np.abs(inside - result.probability[index]).max() < 0.1  # another engine, perhaps another precision
    assert result.probability[index].max() > 0.5
    assert not maps["S_g"][0].any()  # beside the box of the lungs


def test_the_order_of_storage_does_not_matter(known):
    phantom, result = known
    turned, same = stored(phantom.study, result, (2, 1, 0), (1, 0, 1))
    first, other = stages(phantom.study, 1, lungs=result.lungs), stages(turned, 1, lungs=same.lungs)
    assert all(np.array_equal(first[name], other[name]) for name in first)


def test_without_lungs_they_are_found_on_the_slice(known):
    phantom, result = known
    first, other = stages(phantom.study, 1, lungs=result.lungs), stages(phantom.study, 1)
    name = prediction(first)
    assert np.abs(first[name] - other[name]).mean() < 0.02


def test_a_slice_without_lung_is_zero_everywhere(known):
    phantom, result = known
    maps = stages(phantom.study, 1, lungs=np.zeros_like(result.lungs))
    assert list(maps) == list(stages(phantom.study, 1, lungs=result.lungs))
    assert not any(m.any() for m in maps.values())


@pytest.mark.parametrize("box", ["lungs", "none"])
@pytest.mark.parametrize(
    ("options", "names", "last"),
    [
        ({"attention_widths": [8, 8, 8]}, ["S_g", "S_5", "S_4", "S_3", "edge"], "S_3"),
        ({"attention_widths": [8, 8, 8, 8]}, ["S_g", "S_5", "S_4", "S_3", "S_2", "edge"], "S_2"),
        ({"attention_widths": [8, 8, 8, 8], "edge_attention": False}, ["S_g", "S_5", "S_4", "S_3", "S_2"], "S_2"),
    ],
)
def test_a_network_shows_the_stages_that_it_has(known, monkeypatch, tmp_path, options, names, last, box):
    phantom, result = known
    torch.manual_seed(0)
    network = build("inf-net", backbone="resnet10t", **options).eval()
    entry = replace(weights.find(weights.default("infection")), options=options, size=64)
    monkeypatch.setenv("INFNET_CACHE", str(tmp_path))
    monkeypatch.setattr(weights, "find", lambda name: entry)
    monkeypatch.setattr(weights, "load", lambda name: (network, entry))
    monkeypatch.setattr(module, "_engine", module._engine.__wrapped__)
    maps = stages(phantom.study, 1, lungs=result.lungs if box == "lungs" else np.zeros_like(result.lungs))
    assert list(maps) == names
    assert prediction(maps) == last
    assert all(m.shape == (192, 192) and m.any() == (box == "lungs") for m in maps.values())


def test_the_network_is_kept_between_slices_and_between_programs(known, monkeypatch, tmp_path):
    phantom, result = known
    monkeypatch.setenv("INFNET_CACHE", str(tmp_path))
    module._engine.cache_clear()
    first = stages(phantom.study, 1, lungs=result.lungs)
    stages(phantom.study, 2, lungs=result.lungs)
    assert module._engine.cache_info().misses == 1
    module._engine.cache_clear()  # another program
    monkeypatch.setattr(weights, "load", None)  # building the torch network again takes seconds
    again = stages(phantom.study, 1, lungs=result.lungs)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    module._engine.cache_clear()


def test_16_bit_grey_is_read_by_the_range_of_the_whole_study(known):
    phantom, _ = known
    grey = (phantom.study.pixels.astype(np.int32) + 1024).astype(np.uint16)
    grey[0, 0, 0] = 4095
    study = Study(grey, None, is_hu=False)
    single = module._single(study, Grid.of(study), 1)
    assert single.pixels.dtype == np.uint8
    assert single.pixels.max() == int(255 * int(grey[1].max()) / 4095)


def test_what_cannot_be_shown_is_refused(known):
    phantom, result = known
    with pytest.raises(GeometryError, match="give 0 to 3"):
        stages(phantom.study, 4)
    with pytest.raises(GeometryError, match="same result"):
        stages(phantom.study, 0, lungs=result.lungs[:2])
    with pytest.raises(WeightsError, match="no stages to show"):
        stages(phantom.study, 0, "fcn8s", lungs=result.lungs)
