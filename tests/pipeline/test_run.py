from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from infnet.errors import GeometryError, InfNetError
from infnet.geometry.affine import axial_affine
from infnet.measure.thresholds import reread
from infnet.notices import warn
from infnet.pipeline.inputs import by_density
from infnet.pipeline.models import load_engines
from infnet.pipeline.run import segment
from infnet.study import CONSOLIDATION, GGO, LEFT, RIGHT, Study
from tests.fakes import FakeEngine, fake_engines
from tests.notices import texts


def chest() -> tuple[Study, np.ndarray]:
    """A box-shaped chest in HU with one GGO (right lung) and one consolidation (left lung); its true labels."""
    hu = np.full((6, 96, 128), -1000, np.int16)
    hu[:, 10:86, 10:118] = 40
    hu[1:, 20:76, 20:56] = -850
    hu[1:, 26:76, 72:108] = -850
    labels = np.zeros(hu.shape, np.uint8)
    labels[2:4, 50:70, 24:40] = GGO
    labels[3:5, 30:44, 90:104] = CONSOLIDATION
    hu[labels == GGO] = -550
    hu[labels == CONSOLIDATION] = -230
    return Study(hu, axial_affine((5.0, 1.0, 1.0)), name="boxes"), labels


def test_lesions_come_back_on_the_source_grid_with_class_and_side():
    study, truth = chest()
    result = segment(study, fake_engines())
    assert result.labels.dtype == np.uint8
    assert result.probability.dtype == np.float32
    for kind in (GGO, CONSOLIDATION):
        marked, true = result.labels == kind, truth == kind
        assert 2 * (marked & true).sum() / (marked.sum() + true.sum()) > 0.93
    assert set(np.unique(result.lungs[truth == GGO])) == {RIGHT}
    assert set(np.unique(result.lungs[truth == CONSOLIDATION])) == {LEFT}
    assert not (result.labels[result.lungs == 0]).any()
    assert not result.lungs[0].any()
    assert result.provenance["models"]["infection"]["name"] == "fake-infection"


@pytest.mark.parametrize("axes", list(permutations(range(3))))
@pytest.mark.parametrize("flips", [(0, 0, 0), (1, 0, 0), (0, 1, 1), (1, 1, 1)])
def test_any_storage_order_gives_the_same_mask_in_that_order(axes, flips):
    """The same chest stored along other axes and backward: exactly the same voxels must be marked."""
    study, _ = chest()
    upright = segment(study, fake_engines())

    def store(volume):
        turned = volume.transpose(axes)
        return turned[tuple(slice(None, None, -1) if f else slice(None) for f in flips)]

    affine = np.eye(4)
    assert study.affine is not None
    for new, old in enumerate(axes):
        size = study.pixels.shape[old]
        step = study.affine[:3, old]
        affine[:3, new] = -step if flips[new] else step
        if flips[new]:
            affine[:3, 3] += step * (size - 1)
    stored = segment(Study(store(study.pixels).copy(), affine), fake_engines())
    assert (stored.labels == store(upright.labels)).all()
    assert (stored.lungs == store(upright.lungs)).all()
    assert np.array_equal(stored.probability, store(upright.probability))
    assert upright.labels.any()


def test_splitting_runs_only_on_slices_with_infection_and_finding_only_on_slices_with_lung():
    study, _ = chest()
    engines = fake_engines()
    seen = []
    segment(study, engines, progress=lambda done, total: seen.append((done, total)))
    assert engines.lungs.engine.slices == 6
    assert engines.infection.engine.slices == 5
    assert engines.classes.engine.slices == 3
    assert seen[-1] == (12, 12)
    assert seen == sorted(seen)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("first", [None, 0, 3, 5])
def test_the_slice_on_screen_comes_first_and_changes_no_bit(batch, first):
    study, _ = chest()
    plain = segment(study, fake_engines())
    engines = fake_engines()
    engines.infection.engine.batch = batch
    seen = []
    growing = []

    def watch(grows):
        grows.first = first
        growing.append(grows)

    def progress(done, total):
        if growing:
            seen.append(np.flatnonzero(growing[0].ready[1:]) + 1)  # no lung on slice 0

    result = segment(study, engines, progress=progress, watch=watch)
    if batch == 1:
        begun = {None: [1, 2], 0: [1, 2], 3: [2, 3], 5: [4, 5]}[first]
        assert [list(done) for done in seen if len(done)][1] == begun
    for name in ("labels", "probability", "lungs", "consolidation"):
        assert getattr(result, name).tobytes() == getattr(plain, name).tobytes(), name


def test_the_slice_that_comes_first_may_change_while_slices_are_found():
    study, _ = chest()
    growing, order = [], []

    def progress(done, total):
        if growing:
            order.extend(k for k in range(1, 6) if growing[0].ready[k] and k not in order)
            growing[0].first = {1: 5}.get(len(order), growing[0].first)

    segment(study, fake_engines(), progress=progress, watch=growing.append)
    assert order == [1, 5, 4, 3, 2]


def test_a_picture_in_a_lung_window_and_the_same_slice_in_hu_agree():
    from infnet.grey import window_hu

    study, truth = chest()
    hu = segment(Study(study.pixels[3:4], study.affine, volumetric=False), fake_engines())
    picture = segment(Study(window_hu(study.pixels[3:4]), is_hu=False), fake_engines())
    assert np.array_equal(hu.labels > 0, picture.labels > 0)
    assert "lung window" in texts(picture)[0]
    # At the rim of lesions the classes may differ: only HU are evidence of density.
    lesions = binary_erosion(truth[3] > 0, iterations=2)[None]
    assert np.array_equal(hu.labels[lesions], picture.labels[lesions])


@pytest.mark.parametrize(("hu", "kind"), [(-500, GGO), (-200, CONSOLIDATION)])
def test_opacity_is_consolidation_only_where_it_is_dense(hu, kind):
    """The class network calls all infection consolidation, at odds of 9."""
    study, truth = chest()
    study.pixels[truth == CONSOLIDATION] = hu
    engines = fake_engines()
    says_dense = FakeEngine(lambda batch: np.stack([np.full(batch.shape[-2:], p) for p in (0.0, 0.1, 0.9)])[None])
    engines = replace(engines, classes=replace(engines.classes, engine=says_dense))
    labels = segment(study, engines).labels
    assert (labels[truth == CONSOLIDATION] == kind).mean() > 0.95


def test_the_evidence_of_density_by_hand():
    """Odds of 1 times e^((HU + 300) / 50), from the infected pixels only; at most e^6."""
    share = np.full((5, 5), 0.5, np.float32)
    hu = np.full((5, 5), -850, np.int16)
    infected = np.zeros((5, 5), bool)
    infected[1:4, 1:4] = True
    for level, odds in ((-300, 1.0), (-250, np.e), (-350, 1 / np.e), (100, np.e**6), (-900, np.e**-6)):
        hu[infected] = level
        weighed = by_density(share, hu, infected)
        assert weighed[infected] == pytest.approx(odds / (odds + 1), rel=1e-4)


def test_a_min_max_scaled_picture_is_read_by_its_anchors_and_says_so():
    study, _ = chest()
    hu = study.pixels[3:4].astype(np.float32).copy()
    hu[0, 0, 0] = 2000  # metal stretches the scale
    picture = ((hu + 1000) / 3000 * 65535).astype(np.uint16)
    result = segment(Study(picture, is_hu=False), fake_engines())
    truth = segment(Study(study.pixels[3:4], study.affine, volumetric=False), fake_engines())
    marked, true = result.labels > 0, truth.labels > 0
    assert 2 * (marked & true).sum() / (marked.sum() + true.sum()) > 0.9
    assert "estimated" in texts(result)[0]


def test_an_image_without_lung_gives_an_empty_mask_and_a_warning():
    result = segment(Study(np.full((2, 64, 64), 40, np.int16), axial_affine((5, 1, 1))), fake_engines())
    assert not result.labels.any()
    assert "No lung" in texts(result)[-1]


def test_warnings_of_the_study_travel():
    study, _ = chest()
    gap = warn("gap", "gap at slice 3")
    assert gap in segment(study.with_notices(gap), fake_engines()).notices


def test_consolidation_counts_from_the_threshold_of_the_model_that_splits_the_classes():
    study, truth = chest()
    study.pixels[truth == CONSOLIDATION] = -300  # where HU say nothing
    engines = fake_engines()  # the share of consolidation is 0.875 where it is dense, else 0.125
    shared = segment(study, engines)
    entry = replace(engines.classes.entry, threshold=0.9)
    strict = segment(study, replace(engines, classes=replace(engines.classes, entry=entry)))
    assert (shared.labels[truth == CONSOLIDATION] == CONSOLIDATION).any()
    assert np.array_equal(strict.labels > 0, shared.labels > 0)
    assert set(np.unique(strict.labels)) == {0, GGO}
    assert np.array_equal(reread(study, strict, strict.provenance["threshold"]).labels, strict.labels)


def test_threshold_must_be_a_probability():
    with pytest.raises(InfNetError, match=r"1\.5: must lie between"):
        fake_engines().with_threshold(1.5)


def test_a_missing_lung_gives_a_notice_and_the_other_keeps_its_side():
    study, _ = chest()
    dense = study.pixels.copy()
    dense[:, :, 64:108] = 40  # the patient's left lung is solid
    result = segment(study.with_pixels(dense), fake_engines())
    assert set(np.unique(result.lungs)) == {0, RIGHT}
    assert texts(result)[-1].startswith("The left lung holds only 0 %")


def test_a_soft_tissue_window_gives_a_notice():
    from infnet.grey import window_hu

    study, _ = chest()
    picture = window_hu(study.pixels[3:4], (-160.0, 240.0))
    engines = fake_engines()
    engines.lungs.engine.function = lambda batch: np.where(batch < 0.12, 0.9, 0.1)  # finds black lungs, as the real one
    assert "soft-tissue window" in texts(segment(Study(picture, is_hu=False), engines))[-1]


def test_a_study_stored_in_sagittal_slices_says_what_its_table_counts():
    study, _ = chest()
    assert study.affine is not None
    turned = Study(study.pixels.transpose(2, 0, 1).copy(), study.affine[:, [2, 0, 1, 3]])
    assert any("Not stored in axial slices" in w for w in texts(segment(turned, fake_engines())))
    assert not any("axial" in w for w in texts(segment(study, fake_engines())))


def test_only_a_network_that_finds_infection_can_be_chosen():
    with pytest.raises(InfNetError, match="fcn8s: does not find infection; choose one of semi-inf-net-plus"):
        load_engines("fcn8s")


@pytest.mark.parametrize("turned", [False, True])
def test_watcher_sees_each_slice_final_as_soon_as_it_is_ready(turned):
    study, _ = chest()
    if turned:  # stored from the head to the feet
        study = Study(study.pixels[::-1].copy(), axial_affine((-5.0, 1.0, 1.0)), name="boxes")
    whole = segment(study, fake_engines())
    seen, ready_slices = [], []

    def look(done, total):
        for growing in seen:
            up = study.orientation.apply
            ready = growing.ready.copy()
            ready_slices.append(int(ready.sum()))
            for name in ("labels", "probability", "lungs", "consolidation"):
                got, final = up(getattr(growing.result, name)), up(getattr(whole, name))
                assert np.array_equal(got[ready], final[ready]), name

    result = segment(study, fake_engines(), progress=look, watch=seen.append)
    (growing,) = seen
    lungs_first, one_by_one = 6 * [0], [1, 2, 3, 4, 5, 6]
    assert ready_slices == lungs_first + one_by_one, "the slice without lung is ready as soon as that is known"
    assert growing.ready.all()
    assert np.array_equal(growing.result.labels, result.labels)


def test_first_look_at_the_slice_on_screen_comes_before_the_lungs_of_all_and_leaves_no_trace():
    short, _ = chest()
    hu = np.concatenate([short.pixels, short.pixels])
    hu[8:10, 22:32, 60:68] = -850  # lung on the slices round it, too small a piece of them all
    study = Study(hu, axial_affine((5.0, 1.0, 1.0)))
    plain = segment(study, fake_engines())
    assert not plain.lungs[8:10, 22:32, 60:68].any()
    grown, looks = [], []

    def watch(growing):
        growing.first = 9
        grown.append(growing)

    def look(done, total):
        if not grown[0].ready.any():
            looks.append((np.flatnonzero(grown[0].previewed), grown[0].result.labels.copy()))
            assert grown[0].result.lungs[8:10, 24:30, 62:66].all()

    result = segment(study, fake_engines(), progress=look, watch=watch)
    assert len(looks) == 12, "one for each slice whose lungs are found"
    for previewed, labels in looks:
        assert list(previewed) == [8, 9, 10]
        assert np.array_equal(labels[8:11], plain.labels[8:11])
        assert labels[8:11].any(axis=(1, 2)).all()
        assert not labels[:8].any()
    for name in ("labels", "probability", "lungs", "consolidation"):
        assert getattr(result, name).tobytes() == getattr(plain, name).tobytes(), name
    assert not grown[0].previewed.any()


def test_lungs_from_elsewhere_take_the_place_of_the_network():
    study, truth = chest()
    only_right = np.where(segment(study, fake_engines()).lungs == RIGHT, RIGHT, 0).astype(np.uint8)
    engines = fake_engines()
    result = segment(study, engines, known_lungs=only_right)
    assert engines.lungs.engine.slices == 0
    assert result.lungs is only_right
    assert result.labels[truth == GGO].any()
    assert not result.labels[truth == CONSOLIDATION].any()
    with pytest.raises(GeometryError, match=r"lungs .* do not fit"):
        segment(study, engines, known_lungs=only_right[1:])
    with pytest.raises(InfNetError, match="lungs hold other values than 0, 1 and 2; give"):
        segment(study, engines, known_lungs=only_right * 255)
