"""segment(): the only place that knows the order of things."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from infnet import __version__, lungs, weights
from infnet.concurrency import cores, each, portions
from infnet.engine import Choice, Engine, batch_of, choose, open_engine, parallel_of
from infnet.errors import GeometryError, InfNetError, WeightsError
from infnet.preprocess import (
    WINDOW,
    Box,
    Orientation,
    crop,
    lung_box,
    normalise,
    resize,
    window_grey,
    window_hu,
)
from infnet.study import CONSOLIDATION, GGO, LEFT, LOWEST_THRESHOLD, RIGHT, Segmentation, Study, label
from infnet.weights import Entry

SMALLEST_BOX = 0.2  # of the slice's side: an apex is not blown up further than this
CHANNELS = {"lungs": 1, "infection": 3, "classes": 6}  # that the network of each role takes
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Growing:
    """A result on its way. result: its arrays fill slice by slice. ready: bool, for each upright slice whether it is
    final."""

    result: Segmentation
    ready: NDArray[np.bool_]


@dataclass(frozen=True)
class Model:
    """An engine and what it runs."""

    engine: Engine
    entry: Entry


@dataclass(frozen=True)
class Engines:
    """The three networks in their order: find the lungs, find infection in them, split it by class.

    `threshold`: infection probability from which a pixel counts as lesion.
    """

    lungs: Model
    infection: Model
    classes: Model
    threshold: float

    def with_threshold(self, threshold: float) -> Engines:
        check_threshold(threshold)
        return replace(self, threshold=threshold)


def check_threshold(threshold: float) -> None:
    """Raises InfNetError for what cannot be a threshold."""
    if not LOWEST_THRESHOLD <= threshold < 1:
        raise InfNetError(f"threshold {threshold}: must lie between {LOWEST_THRESHOLD} and 1; give such a number")


def load_engines(
    infection: str | None = None,
    device: str | None = None,
    engine: str | None = None,
    precision: str | None = None,
    threads: int | None = None,
) -> Engines:
    """The shipped networks, verified, built and kept; what is not given is chosen by what there is.

    infection: a registry name. device: cpu, cuda:1, mps ... engine: openvino or torch. precision: fp32 or bf16.
    threads: of the processor, all where not given. Raises InfNetError for what is unknown or cannot be had here.
    """
    name = infection or weights.default("infection")
    if weights.find(name).role != "infection":
        names = ", ".join(n for n, e in weights.registry().items() if e.role == "infection")
        raise WeightsError(f"{name}: does not find infection; choose one of {names}")
    return _engines(name, choose(engine, device, precision, threads))


@lru_cache(maxsize=2)
def _engines(infection: str, choice: Choice) -> Engines:
    def model(name: str) -> Model:
        entry = weights.find(name)
        weights.verify(entry)
        shape = (CHANNELS[entry.role], entry.size, entry.size)
        return Model(open_engine(lambda: weights.load(name)[0], weights.fingerprint(entry), shape, choice), entry)

    found = model(infection)
    return Engines(model(weights.default("lungs")), found, model(weights.default("classes")), found.entry.threshold)


def grey_slices(study: Study) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Upright slices of a study in the grey of the convention, and what had to be guessed."""
    volume = Orientation.of(study.affine).apply(study.pixels)
    if study.is_hu:
        grey = np.empty(volume.shape, np.uint8)

        def window(i: int) -> None:
            grey[i] = window_hu(volume[i])

        for _ in each(window, range(len(volume)), cores()):
            pass
        return grey, ()
    if volume.dtype != np.uint8:
        low, high = float(volume.min()), float(volume.max())
        scale = 255 / (high - low) if high > low else 0.0
        volume = np.stack([((s.astype(np.float32) - low) * scale).astype(np.uint8) for s in volume])
    greys, scales = zip(*(window_grey(s) for s in volume), strict=True)
    guessed = sum(not s.lung_window for s in scales)
    if guessed:
        return np.stack(greys), (
            f"{guessed} of {len(greys)} slices span more than a lung window: HU were estimated by air and soft tissue.",
        )
    return np.stack(greys), ("The grey values were taken as a lung window as they are.",)


def segment(
    study: Study,
    engines: Engines | None = None,
    *,
    known_lungs: NDArray[np.uint8] | None = None,
    progress: Progress | None = None,
    watch: Callable[[Growing], None] | None = None,
) -> Segmentation:
    """Find the lungs, the infection in them, and its classes; all on the grid of `study`.

    `engines`: from `load_engines`; the shipped ones are loaded once and kept when not given. `known_lungs`: a lung mask
    from elsewhere on the grid of the study (0 none, 1 right, 2 left), in place of the lung network's.
    `progress(done, total)` is called after every batch of slices. `watch` is called once, when the lungs are known,
    with the result that then fills. Touches no file. Raises InfNetError where weights are missing or damaged, and
    GeometryError where `known_lungs` has another shape.
    """
    if known_lungs is not None and known_lungs.shape != study.pixels.shape:
        raise GeometryError(f"{study.name}: lungs {known_lungs.shape} do not fit {study.pixels.shape}; keep the grid")
    engines = engines or load_engines()
    orientation = Orientation.of(study.affine)
    grey, warnings = grey_slices(study)
    count, shape = len(grey), grey.shape[1:]

    def report(done: int) -> None:
        if progress:
            progress(done, 2 * count)

    stored = known_lungs
    if stored is None:
        stored = np.ascontiguousarray(orientation.undo(find_lungs(study, grey, engines.lungs, report)))
    sides = orientation.apply(stored)
    smallest = int(SMALLEST_BOX * min(shape))
    boxes = {i: box for i in range(count) if (box := lung_box(sides[i], smallest=smallest)) is not None}
    report(2 * count - len(boxes))
    found = _Maps.of(study)
    ready = np.ones(count, bool)
    ready[list(boxes)] = False
    result = Segmentation(
        labels=orientation.undo(found.labels),
        probability=orientation.undo(found.probability),
        lungs=stored,
        warnings=(*study.warnings, *warnings, *_doubts(study, orientation, sides)),
        consolidation=orientation.undo(found.consolidation),
    )
    if watch:
        watch(Growing(result, ready))

    def work(part: Sequence[int]) -> int:
        where = [(i, boxes[i]) for i in part]
        maps = _infection(grey, where, engines.infection)
        sick = []
        for (i, box), square in zip(where, maps, strict=True):
            probability = resize(square, box.shape) * (crop(sides[i], box) > 0)
            crop(found.probability[i], box)[:] = probability
            if (probability >= LOWEST_THRESHOLD).any():
                sick.append((i, box, square))
        for (i, box, _), square in zip(sick, _consolidation(grey, sick, engines.classes), strict=True):
            probability = crop(found.probability[i], box)
            share = np.rint(255 * resize(square, box.shape)) * (probability >= LOWEST_THRESHOLD)
            crop(found.consolidation[i], box)[:] = share
            crop(found.labels[i], box)[:] = label(probability, share.astype(np.uint8), engines.threshold)
        ready[list(part)] = True
        return len(part)

    engine = engines.infection.engine
    done = 2 * count - len(boxes)
    for finished in each(work, portions(list(boxes), batch_of(engine)), parallel_of(engine)):
        done += finished
        report(done)

    # Asked at the end: an engine may have had to change on the way.
    return replace(result, warnings=(*result.warnings, *_notes(engines)), provenance=_provenance(engines))


@dataclass(frozen=True)
class _Maps:
    """Upright views of arrays that lie on the grid of the study, so that nothing is turned back at the end. They start
    as zeros that take no memory before something is written."""

    labels: NDArray[np.uint8]
    probability: NDArray[np.float32]
    consolidation: NDArray[np.uint8]

    @classmethod
    def of(cls, study: Study) -> _Maps:
        turn, shape = Orientation.of(study.affine), study.pixels.shape
        return cls(*(turn.apply(np.zeros(shape, kind)) for kind in (np.uint8, np.float32, np.uint8)))


def _notes(engines: Engines) -> tuple[str, ...]:
    """What the engines had to do differently, each once."""
    models = (engines.lungs, engines.infection, engines.classes)
    return tuple(dict.fromkeys(note for m in models for note in getattr(m.engine, "notes", ())))


def _doubts(study: Study, orientation: Orientation, sides: NDArray[np.uint8]) -> tuple[str, ...]:
    """What in the lungs found, or in the way the study is stored, a reader should know."""
    found = []
    if orientation.axes[0] != 0:
        found.append("Not stored in axial slices: rows of the table are slices as stored, pictures are axial.")
    # Slice by slice: comparing the whole would take another array of that size at the moment most is in memory.
    right, left = (sum(int(np.count_nonzero(plane == side)) for plane in sides) for side in (RIGHT, LEFT))
    if not right + left:
        found.append("No lung was found: check that this is a chest CT in axial slices.")
    elif study.volumetric and min(right, left) < 0.1 * (right + left):
        name, share = ("right", right) if right < left else ("left", left)
        percent = 100 * share / (right + left)
        found.append(f"The {name} lung holds only {percent:.0f} % of all lung found: it may be dense, gone or missed.")
    pixels = orientation.apply(study.pixels)
    if right + left and not study.is_hu and np.mean(pixels[sides > 0] == pixels.min()) > 0.5:
        found.append("The lungs are black: this looks like a soft-tissue window; use a lung window, or the DICOM.")
    return tuple(found)


def find_lungs(
    study: Study, grey: NDArray[np.uint8], model: Model, report: Callable[[int], None] | None = None
) -> NDArray[np.uint8]:
    """Lungs of the upright slices `grey` of a study: 0 none, 1 right, 2 left. `report` gets the slices done."""
    marked = np.zeros(grey.shape, bool)
    engine = model.engine
    for i, plane in enumerate(lungs.mark(grey, engine, model.entry.size, 0.5, batch_of(engine), parallel_of(engine))):
        marked[i] = plane
        if report:
            report(i + 1)
    if study.is_hu and study.affine is not None:
        orientation = Orientation.of(study.affine)
        _, row_mm, column_mm = orientation.spacing(study.spacing)
        marked = lungs.drop_air(marked, orientation.apply(study.pixels), row_mm * column_mm)
    return lungs.part(lungs.clean(marked, study.volumetric), grey, study.volumetric)


def _squares(grey: NDArray[np.uint8], where: list[tuple[int, Box]], size: int) -> NDArray[np.float32]:
    """Lung-box crops of slices as normalised network input (N, 3, size, size)."""
    return normalise(np.stack([resize(crop(grey[i], box), (size, size)) for i, box in where]))


def _infection(grey: NDArray[np.uint8], where: list[tuple[int, Box]], model: Model) -> NDArray[np.float32]:
    """Infection probability (N, size, size) on the crops."""
    return model.engine(_squares(grey, where, model.entry.size))[:, 0]


def _consolidation(
    grey: NDArray[np.uint8], where: list[tuple[int, Box, NDArray[np.float32]]], model: Model
) -> NDArray[np.float32]:
    """Share of consolidation among infection, (N, size, size), given the infection maps of the crops."""
    if not where:
        return np.empty((0, 0, 0), np.float32)
    size = model.entry.size
    slices = _squares(grey, [(i, box) for i, box, _ in where], size)
    maps = np.stack([resize(m, (size, size)) for _, _, m in where])[:, None]
    p = model.engine(np.concatenate([slices, maps, maps, maps], axis=1))
    return p[:, CONSOLIDATION] / np.maximum(p[:, GGO] + p[:, CONSOLIDATION], 1e-6)


def _provenance(engines: Engines) -> dict[str, object]:
    models = {
        role: {"name": m.entry.name, "sha256": m.entry.sha256, "engine": m.engine.name, "input_size": m.entry.size}
        for role, m in (("lungs", engines.lungs), ("infection", engines.infection), ("classes", engines.classes))
    }
    return {"infnet": __version__, "models": models, "threshold": engines.threshold, "window_hu": list(WINDOW)}
