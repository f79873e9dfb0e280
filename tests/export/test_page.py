"""The page as a reader of the PDF sees it: one page, its numbers, both languages, and no name."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pypdf
import pytest

from infnet.errors import InfNetError
from infnet.export.page import page
from infnet.export.page_words import Words
from infnet.measure.change import change
from infnet.measure.correct import Corrections, Layer, corrected
from infnet.measure.statistics import measure
from infnet.notices import warn
from infnet.phantom import chest
from infnet.pipeline.run import segment
from infnet.study import Segmentation, Study
from tests.fakes import fake_engines


@pytest.fixture(scope="module")
def segmented() -> tuple[Study, Segmentation]:
    study = chest(slices=12, rows=128, columns=128, spacing=(25.0, 2.8, 2.8)).study
    return study, segment(study, fake_engines())


def read(pdf: bytes) -> tuple[str, int]:
    """All text of the one page, with single blanks, and how many pictures it has."""
    (only,) = pypdf.PdfReader(io.BytesIO(pdf)).pages
    return " ".join(only.extract_text().split()), len(only.images)


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", ("RESEARCH USE ONLY", "Right lung", "Consolidation")), ("de", ("NUR FÜR DIE FORSCHUNG", "Rechte Lunge"))],
)
def test_numbers_of_each_lung_and_class(segmented: tuple[Study, Segmentation], language: str, words: tuple) -> None:
    study, result = segmented
    statistics = measure(study, result)
    text, pictures = read(page(study, result, language=language))
    assert pictures == 6, "five slices and a coronal plane"
    for word in words:
        assert word in text
    regions = (*statistics.by_lung.values(), statistics.total)
    loads = [load for region in regions for load in (region.lesion, *region.by_class.values())]
    assert all(load.lesion_voxels for load in loads)
    for load in loads:
        shown = f"{load.lesion_ml:,.1f} ml ({load.involvement_percent:.1f} %)"
        if language == "de":
            shown = shown.translate(str.maketrans(",.", ".,"))
        assert shown in text
    assert f": {statistics.lesion_count};" in text
    assert "fake-infection (SHA-256 000000000000)" in text


def test_without_lesion_and_with_more_warnings_than_find_room(segmented: tuple[Study, Segmentation]) -> None:
    study, result = segmented
    notices = tuple(warn(f"odd-{n}", f"Remark {n}: {'it goes on and on, ' * 12}and ends.") for n in range(40))
    none = replace(result, labels=np.zeros_like(result.labels), probability=result.probability * 0, notices=notices)
    text, pictures = read(page(study, none))
    assert pictures == 2
    assert text.count("0.0 ml (0.0 %)") == 9
    shown = text.count("Remark")
    assert 5 < shown < 40
    assert text.endswith(f"{40 - shown} more")


def test_change_and_name_only_where_given(segmented: tuple[Study, Segmentation]) -> None:
    study, result = segmented
    statistics = measure(study, result)
    before = measure(study, replace(result, labels=np.zeros_like(result.labels)))
    plain, _ = read(page(study, result))
    text, _ = read(page(study, result, name="Jane Doe", changes=change(before, statistics)))
    assert "Study: Jane Doe;" in text
    assert f"All lesion +{statistics.total.lesion.lesion_ml:,.1f} ml" in text
    assert "Jane Doe" not in plain
    assert "Change" not in plain


def test_a_picture_without_millimetres_has_pixels(segmented: tuple[Study, Segmentation]) -> None:
    study, result = segmented
    k = int(np.argmax(np.count_nonzero(result.labels, axis=(1, 2))))
    arrays = {name: getattr(result, name)[k : k + 1] for name in ("labels", "probability", "lungs", "consolidation")}
    one = Study(np.clip(study.pixels[k : k + 1] / 8 + 128, 0, 255).astype(np.uint8), is_hu=False)
    text, pictures = read(page(one, replace(result, **arrays)))
    assert pictures == 1
    assert f"{np.count_nonzero(arrays['labels']):,} px" in text
    assert "no millimetres" in text
    assert " ml" not in text


def test_another_language_is_refused(segmented: tuple[Study, Segmentation]) -> None:
    with pytest.raises(InfNetError, match="language fr: not known; choose one of en, de"):
        page(*segmented, language="fr")


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            "Corrected by a person: 40 voxels of lesion, +7.84 ml / -0.00 ml, 0 voxels of the lungs;",
        ),
        ("de", "Von Hand korrigiert: 40 Voxel der Läsionen, +7,84 ml / -0,00 ml, 0 Voxel der Lungen;"),
    ],
)
def test_corrections_are_told_beside_what_the_networks_found(
    segmented: tuple[Study, Segmentation], language: str, words: str
) -> None:
    study, result = segmented
    assert words.split(":")[0] not in read(page(study, result, language=language))[0]
    by_hand = Corrections(Layer(np.arange(40), np.ones(40, np.uint8)))
    text, _ = read(page(study, corrected(study, result, by_hand), language=language))
    assert words in text
    assert f": {Words(language).amount(measure(study, result).total.lesion)}" in text
