"""The pages Numbers, Compare, Check and About show what the package found."""

from __future__ import annotations

import gzip
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

import infnet
from app.core import units
from infnet import export, weights
from infnet.export.methods import CITATION
from infnet.measure import change as compare
from infnet.measure import check, densities, lesions, regions, severity
from infnet.measure.statistics import measure
from infnet.pipeline.run import segment
from infnet.study import LEFT, RIGHT
from tests.app.apptest import example, expected, finish, go, metrics, picture, png, press, slices, upload
from tests.app.examples import small
from tests.fakes import fake_engines


def segmented() -> tuple[infnet.Study, infnet.Segmentation]:
    study = small()
    return study, segment(study, fake_engines())


def tables(app: AppTest) -> str:
    return "\n".join(table.value.to_csv() for table in app.table)


def said(app: AppTest) -> str:
    return " ".join(each.value for each in (*app.caption, *app.markdown, *app.subheader))


def test_numbers(app: AppTest) -> None:
    example(app, "Numbers")
    assert not app.exception
    study, result = segmented()
    statistics = measure(study, result)
    assert metrics(app)["Lesion volume"] == units.amount(statistics.total.lesion)
    shown = tables(app)
    for lung in statistics.by_lung.values():
        assert f"{units.amount(lung.lesion)} ({units.percent(lung.lesion)})" in shown
    steps = severity.study_severity(statistics)
    for side in (RIGHT, LEFT):
        assert steps.by_lung[side].label in shown
    assert f"Sum of both lungs: {steps.total} of 10" in said(app)
    for band in densities.bands(study, result):
        assert f"{band.percent:.1f} %" in shown
    disagreement = densities.disagreement(study, result)
    assert f"{disagreement.dense_only_ml:,.1f} ml" in said(app)
    alts = " ".join(chart.proto.alt for chart in app.get("plotly_chart"))
    for name, region in regions.regional(study, result).items():
        assert f"{name} {units.percent(region.lesion)}" in alts


def test_lesion_list_leads_to_the_slice(app: AppTest) -> None:
    example(app, "Numbers")
    study, result = segmented()
    listed = lesions.lesions(study, result)
    rows = app.dataframe[0].value
    assert list(rows["No."]) == [each.number for each in listed]
    assert list(rows["Slice"]) == [each.display_slice + 1 for each in listed]
    other = next(i for i, each in enumerate(listed) if each.display_slice != listed[0].display_slice)
    # AppTest cannot click a row: this is what a click leaves.
    app.session_state["lesions"] = {"selection": {"rows": [other], "columns": [], "cells": []}}
    app.run()
    assert not app.exception
    assert app.slider(key="slice").value == listed[other].display_slice + 1
    assert picture(app).startswith(f"Slice {listed[other].display_slice + 1} of 6")


def test_range_widens_with_the_mirrored_study(app: AppTest) -> None:
    example(app, "Numbers")
    assert "over thresholds from 0.3 to 0.7." in said(app)
    finish(press(app, "Mirrored as well"))
    assert not app.exception
    assert "over thresholds from 0.3 to 0.7, as it is and mirrored." in said(app)
    assert "Mirrored as well" not in [button.label for button in app.button]


def test_numbers_of_a_picture_name_what_it_cannot_say(app: AppTest) -> None:
    go(finish(upload(app, ("slice.png", png(small())))), "Numbers")
    assert not app.exception
    assert "these pixels are not hu" in said(app).lower()


def test_a_click_at_the_end_of_a_run_is_not_lost(app: AppTest) -> None:
    """The run that ended on Study leads to the viewer, but not those who have just clicked on another page."""
    press(app, "Open the example study")
    app.session_state["case"].exams[0].job.wait(60)
    go(app, "Compare")
    assert app.session_state["page"] == "compare"
    app.session_state["go_to"] = ("study", "viewer")  # left over from Study
    go(app, "About")
    assert app.session_state["page"] == "about"
    assert not slices(app)


def test_the_end_of_a_run_leads_from_study_to_the_viewer(app: AppTest) -> None:
    finish(press(app, "Open the example study"))
    assert slices(app)
    assert app.session_state["page"] == "viewer"


def test_compare_two_dates_and_three(app: AppTest) -> None:
    example(app, "Compare")
    assert not app.exception
    finish(press(app, "Add the example's follow-up"))
    assert not app.exception
    first, second = expected(small()), expected(small(seed=1))
    shown = tables(app)
    for row in compare.change(first, second)[:3]:
        assert f"{row.ml:+,.1f} ml ({row.points:+.1f} points)" in shown
    left, right = slices(app)
    assert left[0]["alt"].startswith("Date 1: slice")
    assert right[0]["alt"].startswith("Date 2: slice")
    app.slider(key="slice").set_value(2).run()
    one, other = (segment(s, fake_engines()) for s in (small(), small(seed=1)))
    matched = compare.align((small(), one), (small(seed=1), other)).slice_at(1) + 1
    left, right = slices(app)
    assert left[0]["alt"].startswith("Date 1: slice 2 of 6")
    assert right[0]["alt"].startswith(f"Date 2: slice {matched} of 6")
    assert not app.get("plotly_chart")
    finish(press(app, "Add the example's follow-up"))
    assert not app.exception
    assert [chart.proto.alt for chart in app.get("plotly_chart")] == ["Lesion of both lungs over 3 dates"]
    app.button(key="remove-2").click().run()
    app.button(key="remove-1").click().run()
    assert not app.exception
    assert not slices(app)


@pytest.mark.parametrize("kind", ["nifti", "pictures"])
def test_check_against_a_reference(app: AppTest, tmp_path: Path, kind: str) -> None:
    study, result = segmented()
    truth = np.roll(result.labels, 2, axis=2)
    if kind == "nifti":
        path = export.write_nifti(tmp_path / "truth.nii.gz", truth, study.affine)
        assert gzip.decompress(path.read_bytes())
        files = [(path.name, path.read_bytes())]
    else:
        files = []
        for k, plane in enumerate(truth):
            buffer = io.BytesIO()
            Image.fromarray((plane > 0) * np.uint8(255)).save(buffer, "PNG")
            files.append((f"truth_{k}.png", buffer.getvalue()))
    example(app, "Check")
    upload(app, *files)
    assert not app.exception
    assert not app.error
    agreement = check.check(result, truth if kind == "nifti" else truth > 0)
    shown = tables(app)
    for each in agreement.values():
        assert f"{each.plain_dice:.3f}" in shown
        assert ",".join(f"{score:.3f}" for score in (*each.scores, each.plain_dice)) in shown
    marks = check.difference(result, truth)
    assert f"{int((marks == check.ONLY_NETWORK).sum()):,}" in shown
    assert "network and reference" in picture(app)
    press(app, "Another reference")
    assert not slices(app)


def test_another_reference_never_shows_the_scores_of_the_one_before(
    app: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python gives the address of an object that is gone to a new one: here every object has the same `id`."""
    for name, module in list(sys.modules.items()):
        if name.startswith("app."):
            monkeypatch.setattr(module, "id", lambda _: 7, raising=False)
    study, result = segmented()
    example(app, "Check")
    for moved in (0, 2):
        reference = np.roll(result.labels, moved, axis=2)
        path = export.write_nifti(tmp_path / f"reference_{moved}.nii.gz", reference, study.affine)
        upload(app, (path.name, path.read_bytes()))
        for agreement in check.check(result, reference).values():
            assert f",{agreement.plain_dice:.3f}," in tables(app)
        marks = check.difference(result, reference)
        assert f"only the network,{int((marks == check.ONLY_NETWORK).sum()):,}" in tables(app).replace('"', "")
        press(app, "Another reference")


def test_check_refuses_another_size_with_one_line(app: AppTest, tmp_path: Path) -> None:
    example(app, "Check")
    study, _ = segmented()
    path = export.write_nifti(tmp_path / "truth.nii.gz", np.zeros((4, 96, 96), np.uint8), study.affine)
    upload(app, (path.name, path.read_bytes()))
    (error,) = app.error
    assert "4 x 96 x 96" in error.value
    assert not app.exception


def test_about_names_networks_and_gives_a_methods_paragraph(app: AppTest) -> None:
    go(app, "About")
    assert not app.exception
    assert CITATION in [code.value for code in app.code]
    for entry in weights.registry().values():
        assert entry.sha256[:16] in tables(app)
    example(go(app, "Study"), "About")
    (paragraph,) = [code.value for code in app.code if "fake-infection" in code.value]
    assert "0.5" in paragraph
