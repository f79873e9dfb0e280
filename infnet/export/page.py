"""The result on one page (PDF, A4), in English or German: pictures, table, what it rests on. No name unless asked.

Words are those of the app; notices stay in English in both languages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from PIL import Image

from infnet.errors import InfNetError
from infnet.export.methods import HASH
from infnet.export.page_words import LANGUAGES, Words
from infnet.measure.change import LESION, TOTAL, Change
from infnet.measure.severity import study_severity
from infnet.measure.statistics import Region, Statistics, measure
from infnet.measure.thresholds import involvement_range
from infnet.notices import unique
from infnet.overlay import COLOURS, LUNG_COLOUR, plane
from infnet.study import CLASS_NAMES, CONSOLIDATION, GGO, LEFT, RIGHT, Segmentation, Study
from infnet.version import __version__

CHANGES = {LESION: "lesion", CLASS_NAMES[GGO]: "ggo", CLASS_NAMES[CONSOLIDATION]: "consolidation"}
AXIAL = 5  # pictures of slices, beside the coronal one
HEAD, EVEN, ODD = (205, 215, 228), (244, 246, 249), (255, 255, 255)  # the rows of the table
MARGIN, WIDTH, BOTTOM = 14.0, 182.0, 283.0  # mm


def page(
    study: Study,
    result: Segmentation,
    statistics: Statistics | None = None,
    *,
    language: str = "en",
    name: str | None = None,
    changes: Sequence[Change] = (),
) -> bytes:
    """One A4 page as a PDF.

    name: how the study is called on it, its neutral name where not given. changes: since an earlier study, of
    `infnet.measure.change`. Warnings that find no room are counted. Raises InfNetError for another language.
    """
    from fpdf import FPDF

    if language not in LANGUAGES:
        raise InfNetError(f"language {language}: not known; choose one of {', '.join(LANGUAGES)}")
    words, statistics = Words(language), statistics or measure(study, result)
    pdf = FPDF(format="A4")
    pdf.set_auto_page_break(False)
    pdf.set_margins(MARGIN, MARGIN)
    pdf.set_title(words("title"))
    pdf.set_lang(language)
    pdf.add_page()
    _banner(pdf, words)
    _heading(pdf, study, words, name)
    _pictures(pdf, study, result, statistics, words)
    _table(pdf, statistics, words)
    _facts(pdf, study, result, statistics, words, changes)
    _models(pdf, result, words)
    _warnings(pdf, study, result, words)
    return bytes(pdf.output())


def _text(text: str) -> str:
    """What the built-in fonts can write."""
    for sign, plain in (("\u2013", "-"), ("\u2212", "-"), ("\u2265", ">=")):
        text = text.replace(sign, plain)
    return text.encode("latin-1", "replace").decode("latin-1")


def _line(pdf: Any, text: str, size: float = 9, height: float = 4.6, style: str = "", indent: float = 0) -> None:
    pdf.set_font("Helvetica", style, size)
    pdf.set_x(MARGIN + indent)
    pdf.multi_cell(WIDTH - indent, height, _text(text), align="L", new_x="LMARGIN", new_y="NEXT")


def _banner(pdf: Any, words: Words) -> None:
    pdf.set_fill_color(140, 20, 20)
    pdf.set_text_color(255, 255, 255)
    pdf.set_font("Helvetica", "B", 9)
    pdf.cell(WIDTH, 6.5, _text(words("banner")), align="C", fill=True, new_x="LMARGIN", new_y="NEXT")
    pdf.set_text_color(20, 20, 20)


def _heading(pdf: Any, study: Study, words: Words, name: str | None) -> None:
    pdf.ln(2)
    _line(pdf, words("title"), 15, 7.5, "B")
    slices, rows, columns = study.orientation.apply(study.pixels).shape
    spacing = words("no spacing")
    if study.affine is not None:
        across = study.orientation.spacing(study.spacing)
        spacing = words("spacing", *(words.number(mm, 2) for mm in across))
    size = words("slices", count=slices, rows=rows, columns=columns)
    _line(pdf, f"{words('study')}: {name or study.name}; {size}; {spacing}")


def _pictures(pdf: Any, study: Study, result: Segmentation, statistics: Statistics, words: Words) -> None:
    """The slices with most lesion, in the order of the body, and the coronal plane with most."""
    upright = study.orientation.apply(result.labels)
    count = len(upright)
    loads = np.count_nonzero(upright, axis=(1, 2))
    if loads.any():
        worst = sorted(int(k) for k in np.argsort(-loads, kind="stable")[:AXIAL] if loads[k])
    else:
        worst = [(count - 1) // 2]
    shown = [(plane(study, result, "axial", k), words("slice", number=k + 1, count=count)) for k in worst]
    if not study.is_picture and count > 1:
        deepest = int(
            np.argmax(
                np.count_nonzero(upright if upright.any() else study.orientation.apply(result.lungs), axis=(0, 2))
            )
        )
        coronal = words("coronal", number=deepest + 1, count=upright.shape[1])
        shown.append((plane(study, result, "coronal", deepest), coronal))
    gap, across = 3.0, 3
    side = (WIDTH - (across - 1) * gap) / across
    top = pdf.get_y() + 2
    for at, (image, caption) in enumerate(shown):
        left, upper = MARGIN + (at % across) * (side + gap), top + (at // across) * (side + 6.5)
        _picture(pdf, Image.fromarray(image), left, upper, side)
        if not study.is_picture:
            _sides(pdf, left, upper, side)
        pdf.set_xy(left, upper + side + 0.4)
        pdf.set_font("Helvetica", "", 7.5)
        pdf.cell(side, 3.6, _text(caption))
    pdf.set_xy(MARGIN, top + -(-len(shown) // across) * (side + 6.5))
    _legend(pdf, words)


def _picture(pdf: Any, image: Image.Image, left: float, upper: float, side: float) -> None:
    """A picture in the middle of a black square, with its true proportions."""
    pdf.set_fill_color(0, 0, 0)
    pdf.rect(left, upper, side, side, style="F")
    scale = side / max(image.size)
    width, height = (length * scale for length in image.size)
    pdf.image(image, left + (side - width) / 2, upper + (side - height) / 2, width, height)


def _sides(pdf: Any, left: float, upper: float, side: float) -> None:
    """Which side is the patient's right, and which the left."""
    pdf.set_font("Helvetica", "B", 9)
    pdf.set_text_color(255, 255, 255)
    pdf.text(left + 1.2, upper + side / 2 + 1.5, "R")
    pdf.text(left + side - 3.2, upper + side / 2 + 1.5, "L")
    pdf.set_text_color(20, 20, 20)


def _legend(pdf: Any, words: Words) -> None:
    pdf.set_font("Helvetica", "", 8)
    for name, colour in (("ggo", COLOURS[GGO]), ("consolidation", COLOURS[CONSOLIDATION]), ("outline", LUNG_COLOUR)):
        pdf.set_fill_color(*colour)
        pdf.rect(pdf.get_x(), pdf.get_y() + 0.8, 3, 3, style="F")
        pdf.set_x(pdf.get_x() + 4)
        pdf.cell(pdf.get_string_width(_text(words(name))) + 6, 4.6, _text(words(name)))
    pdf.ln(6.5)


def _table(pdf: Any, statistics: Statistics, words: Words) -> None:
    """Right, left, total; each class in ml (mm2, pixels) and percent of that lung."""
    regions: list[Region] = [statistics.by_lung[RIGHT], statistics.by_lung[LEFT], statistics.total]
    rows: list[list[str]] = [["", words("right"), words("left"), words("total")]]
    for name, code in (("ggo", GGO), ("consolidation", CONSOLIDATION), ("lesion", None)):
        loads = [region.lesion if code is None else region.by_class[code] for region in regions]
        rows.append(
            [words(name), *(f"{words.amount(load)}  ({words.percent(load.involvement_percent)})" for load in loads)]
        )
    rows.append([words("lung"), *(words.amount(region.lesion, of_lung=True) for region in regions)])
    severity = study_severity(statistics)
    scores = [None if s is None else s.score for s in (severity.by_lung[RIGHT], severity.by_lung[LEFT])]
    shown = ["-" if score is None else str(score) for score in scores]
    total = "-" if severity.total is None else f"{severity.total} / {severity.highest}"
    rows.append([words("severity"), *shown, total])
    first = 56.0
    for number, row in enumerate(rows):
        pdf.set_x(MARGIN)
        pdf.set_fill_color(*(HEAD if number == 0 else EVEN if number % 2 else ODD))
        for column, text in enumerate(row):
            pdf.set_font("Helvetica", "B" if number in (0, 3) or column == 0 else "", 8.5)
            width = first if column == 0 else (WIDTH - first) / 3
            pdf.cell(width, 5.4, _text(text), align="L" if column == 0 else "R", fill=True)
        pdf.ln(5.4)
    pdf.ln(1.5)


def _facts(
    pdf: Any, study: Study, result: Segmentation, statistics: Statistics, words: Words, changes: Sequence[Change]
) -> None:
    """How many lesions, how far the involvement moves with the threshold, and what changed."""
    spread = involvement_range(study, result.before or result)
    facts = [f"{words('count')}: {statistics.lesion_count}"]
    if spread.low is not None and spread.high is not None:
        low, high = spread.thresholds[0], spread.thresholds[-1]
        shown = (words.number(value) for value in (low, high, spread.low, spread.high))
        facts.append(words("range", *shown))
    _line(pdf, "; ".join(facts))
    change, own = statistics.corrected, statistics.network
    if change is not None and own is not None:
        amount = f"{words.amount(own)} ({words.percent(own.involvement_percent)})"
        added, removed = (words.change(change, count) for count in (change.added, change.removed))
        counts = (words.number(count, 0) for count in (change.voxels, change.lung))
        _line(pdf, words("corrected", *counts, added, removed, amount), style="B")
    if changes:
        _line(pdf, f"{words('change')}: {', '.join(_changed(changes, words))}")


def _changed(changes: Sequence[Change], words: Words) -> Iterator[str]:
    """What both lungs hold more or less of, all lesion and each class."""
    for change in changes:
        if change.region == TOTAL and change.ml is not None:
            yield f"{words(CHANGES[change.kind])} {words.number(change.ml, sign='+')} ml"


def _models(pdf: Any, result: Segmentation, words: Words) -> None:
    facts = result.provenance
    made = words(
        "made",
        version=facts.get("infnet", __version__),
        threshold=words.number(float(facts.get("threshold", 0.5)), 2),
        share=words.number(result.consolidation_threshold, 2),
    )
    models = (f"{m['name']} (SHA-256 {m['sha256'][:HASH]})" for m in facts.get("models", {}).values())
    _line(pdf, f"{made}. {', '.join(models)}", 7.5, 3.8)


def _warnings(pdf: Any, study: Study, result: Segmentation, words: Words) -> None:
    """All that find room; the others are counted."""
    notices = [notice.text for notice in unique(study.notices, result.notices)]
    pdf.ln(1)
    _line(pdf, f"{words('warnings')}: {'' if notices else words('none')}", style="B")
    for at, text in enumerate(notices):
        pdf.set_font("Helvetica", "", 8)
        lines = pdf.multi_cell(WIDTH - 3, 3.9, _text(f"- {text}"), align="L", dry_run=True, output="LINES")
        left = len(notices) - at
        if pdf.get_y() + 3.9 * (len(lines) + (left > 1)) > BOTTOM:
            _line(pdf, words("more", count=left), 8, 3.9, "I", indent=3)
            return
        _line(pdf, f"- {text}", 8, 3.9, indent=3)
