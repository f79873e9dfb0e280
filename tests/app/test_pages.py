"""The pages Numbers, Compare and About show what the package found."""

from __future__ import annotations

from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

import infnet
from app.core import examples, units
from infnet import weights
from infnet.export.methods import CITATION
from infnet.measure import change as compare
from infnet.measure import densities, lesions, regions, severity
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
    return " ".join(each.value for each in (*app.caption, *app.markdown, *app.header))


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
    app.session_state["viewer"] = "Pictures"
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


def test_files_stand_beside_the_result_and_on_numbers(app: AppTest) -> None:
    def files(page: str) -> list[str]:
        return [button.proto.label for button in go(app, page).get("download_button")]

    example(app)
    assert files("Numbers") == files("Study")
    assert {"Table", "Mask", "All files"} <= set(files("Numbers"))
    app.toggle(key="show_name").set_value(True).run()
    assert not app.exception
    go(app, "Study")
    assert app.toggle(key="show_name").value is True


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


def test_a_run_leads_from_study_to_the_viewer(app: AppTest) -> None:
    press(app, "Open the example study")
    assert app.session_state["page"] == "viewer"
    go(finish(app), "Study")
    assert app.session_state["page"] == "study"
    assert metrics(app.run())
    assert app.session_state["page"] == "study"


def test_compare_two_dates_and_three(app: AppTest) -> None:
    example(app, "Compare")
    assert not app.exception
    finish(press(app, "Add the example's follow-up"))
    assert not app.exception
    first, second = expected(small()), expected(small(seed=1))
    shown = tables(app)
    for row in compare.change(first, second)[:3]:
        assert f"{row.ml:+,.1f} ml ({units.signed(row.points)} points)" in shown
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


def test_compare_says_when_the_second_study_is_of_somebody_else(app: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_of(patient: str, which: str, seed: int) -> None:
        monkeypatch.setattr(examples, which, lambda: replace(small(seed=seed), patient=patient))

    is_of("one", "example", 0)
    example(app, "Compare")
    is_of("one", "follow_up", 1)
    finish(press(app, "Add the example's follow-up"))
    assert not [w for w in app.warning if "two patients" in w.value]
    is_of("two", "follow_up", 1)
    finish(press(app, "Add the example's follow-up"))
    assert not app.exception
    assert [w for w in app.warning if "two patients" in w.value]


def test_about_names_networks_and_gives_a_methods_paragraph(app: AppTest) -> None:
    go(app, "About")
    assert not app.exception
    assert CITATION in [code.value for code in app.code]
    for entry in weights.registry().values():
        assert entry.sha256[:16] in tables(app)
    example(go(app, "Study"), "About")
    (paragraph,) = [code.value for code in app.code if "fake-infection" in code.value]
    assert "0.5" in paragraph


def test_a_change_that_rounds_to_nothing_has_no_sign() -> None:
    assert [units.signed(v) for v in (8.64, -0.04, 0.04, -0.06, 1234.5)] == ["+8.6", "0.0", "0.0", "-0.1", "+1,234.5"]
