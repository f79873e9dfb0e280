"""segment(): the only place that knows the order of things."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from infnet.concurrency import map_in_threads, portions
from infnet.errors import GeometryError, InfNetError
from infnet.geometry.box import Box, crop, resize
from infnet.geometry.orientation import Orientation
from infnet.grey import WINDOW
from infnet.notices import Notice, unique, warn
from infnet.pipeline.inputs import by_density, consolidation_share, grey_slices, guided, network_box, squares
from infnet.pipeline.lungs import find_lungs, with_lesions
from infnet.pipeline.models import Engines, Model, load_engines
from infnet.study import LEFT, LOWEST_THRESHOLD, RIGHT, Segmentation, Study, label
from infnet.version import __version__

Progress = Callable[[int, int], None]
PREVIEW_FROM = 12  # slices; shorter studies are there at once


@dataclass(eq=False)
class Growing:
    """A result that is being computed.

    result: its arrays fill slice by slice, and the lungs of a slice may be extended by its lesions. ready: bool
    (upright slice), whether the slice is final. previewed: bool (upright slice), whether it holds a first look, made
    before the lungs of the whole study are known. first: the upright slice that somebody looks at, which may change at
    any time: it and its neighbours are next. None takes them in order; the result is the same.
    """

    result: Segmentation
    ready: NDArray[np.bool_]
    previewed: NDArray[np.bool_]
    first: int | None = None


def segment(
    study: Study,
    engines: Engines | None = None,
    *,
    known_lungs: NDArray[np.uint8] | None = None,
    progress: Progress | None = None,
    watch: Callable[[Growing], None] | None = None,
) -> Segmentation:
    """Find the lungs, the infection in them, and its classes; all on the grid of `study`.

    engines: from `load_engines`; the shipped ones are loaded once and kept when not given. known_lungs: uint8 (slice,
    row, column), a lung mask from elsewhere on the grid of the study (0 none, 1 right, 2 left), in place of the lung
    network's. progress(done, total) is called after every batch of slices. watch is called once, at the beginning, with
    the result that is filled from then on; where it sets `first`, a first look at that slice of a longer study comes
    before everything else. Touches no file. Raises InfNetError where weights are missing or damaged or `known_lungs`
    has other values, and GeometryError where it has another shape.
    """
    if known_lungs is not None and known_lungs.shape != study.pixels.shape:
        raise GeometryError(f"{study.name}: lungs {known_lungs.shape} do not fit {study.pixels.shape}; keep the grid")
    if known_lungs is not None and not np.isin(known_lungs, (0, RIGHT, LEFT)).all():
        raise InfNetError(f"{study.name}: lungs hold other values than 0, 1 and 2; give 0 none, 1 right, 2 left")
    engines = engines or load_engines()
    orientation = study.orientation
    upright = orientation.apply(study.pixels)
    grey, grey_notices = grey_slices(study)
    count = len(grey)

    def report(done: int) -> None:
        if progress:
            progress(done, 2 * count)

    maps = _Maps.of(study, known_lungs)
    lungs = maps.lungs
    result = Segmentation(
        labels=orientation.undo(maps.labels),
        probability=orientation.undo(maps.probability),
        lungs=orientation.undo(lungs) if known_lungs is None else known_lungs,
        notices=(*study.notices, *grey_notices),
        consolidation=orientation.undo(maps.consolidation),
        consolidation_threshold=engines.classes.entry.threshold,
    )
    growing = Growing(result, np.zeros(count, bool), np.zeros(count, bool))

    def infect(crops: list[tuple[int, Box]]) -> None:
        """Find the infection in the lungs of slices, and its classes."""
        infected = []
        for (i, box), square in zip(crops, _infection(grey, crops, engines.infection), strict=True):
            uncut, inside = resize(square, box.shape), crop(lungs[i], box)
            if known_lungs is None:
                inside[:] = with_lesions(inside, uncut >= engines.infection.entry.threshold)
            probability = uncut * (inside > 0)
            crop(maps.probability[i], box)[:] = probability
            if (probability >= LOWEST_THRESHOLD).any():
                infected.append((i, box, square))
        for (i, box, _), square in zip(infected, _consolidation(grey, infected, engines.classes), strict=True):
            probability = crop(maps.probability[i], box)
            share, seen = resize(square, box.shape), probability >= LOWEST_THRESHOLD
            if study.is_hu:
                share = by_density(share, crop(upright[i], box), probability >= engines.threshold)
            share = np.rint(255 * share) * seen
            crop(maps.consolidation[i], box)[:] = share
            crop(maps.labels[i], box)[:] = label(
                probability, share.astype(np.uint8), engines.threshold, result.consolidation_threshold
            )

    def boxes_of(indices: Iterable[int]) -> list[tuple[int, Box]]:
        return [(i, box) for i in indices if (box := network_box(lungs[i])) is not None]

    if watch:
        watch(growing)
        if growing.first is not None and known_lungs is None and count >= PREVIEW_FROM:
            part = slice(max(growing.first - 1, 0), growing.first + 2)
            lungs[part] = find_lungs(study, grey[part], engines.lungs, part=part)
            for crops in portions(boxes_of(range(count)[part]), engines.infection.engine.batch):
                infect(list(crops))
            growing.previewed[part] = True
    if known_lungs is None:
        found = find_lungs(study, grey, engines.lungs, report)
        maps.clear(growing.previewed)
        growing.previewed[:] = False
        lungs[:] = found
        del found
    boxes = dict(boxes_of(range(count)))
    growing.ready[[i for i in range(count) if i not in boxes]] = True
    report(2 * count - len(boxes))
    engine = engines.infection.engine
    # What is fed together stays together whatever comes first, so that the order changes no bit of the result.
    waiting = portions(list(boxes), engine.batch)
    lock = threading.Lock()

    def work(_: int) -> int:
        with lock:
            portion = waiting.pop(_nearest(waiting, growing.first))
        infect([(i, boxes[i]) for i in portion])
        growing.ready[list(portion)] = True
        return len(portion)

    done = 2 * count - len(boxes)
    for finished in map_in_threads(work, range(len(waiting)), engine.parallel):
        done += finished
        report(done)

    # Asked at the end: an engine may have had to change on the way.
    unusual = _notices(study, orientation, lungs)
    notices = unique(result.notices, unusual, *(model.engine.notices for model in engines.models.values()))
    return replace(result, notices=notices, provenance=_provenance(engines))


def _nearest(waiting: Sequence[Sequence[int]], first: int | None) -> int:
    """Which of the portions holds the slice that is nearest to `first`; the next one in order without it."""
    if first is None:
        return 0
    return min(range(len(waiting)), key=lambda at: min(abs(index - first) for index in waiting[at]))


@dataclass(frozen=True)
class _Maps:
    """Upright views of arrays on the grid of the study, so that nothing is turned back at the end.

    They start as zeros, which take no memory before something is written.
    """

    labels: NDArray[np.uint8]
    probability: NDArray[np.float32]
    consolidation: NDArray[np.uint8]
    lungs: NDArray[np.uint8]

    @classmethod
    def of(cls, study: Study, lungs: NDArray[np.uint8] | None) -> _Maps:
        """Maps for a study, with lungs that are known."""
        labels, probability, consolidation, unknown = (
            np.zeros(study.pixels.shape, kind) for kind in (np.uint8, np.float32, np.uint8, np.uint8)
        )
        stored = (labels, probability, consolidation, unknown if lungs is None else lungs)
        return cls(*(study.orientation.apply(volume) for volume in stored))

    def clear(self, slices: NDArray[np.bool_]) -> None:
        """Forget what was found on slices."""
        for volume in (self.labels, self.probability, self.consolidation, self.lungs):
            volume[slices] = 0


def _notices(study: Study, orientation: Orientation, lungs: NDArray[np.uint8]) -> tuple[Notice, ...]:
    """What is unusual about the upright lungs, and about how the study is stored."""
    notices = []
    if orientation.axes[0] != 0:
        text = "Not stored in axial slices: rows of the table are slices as stored, pictures are axial."
        notices.append(warn("not-axial", text))
    # Slice by slice: comparing the whole would take another array of that size at the moment most is in memory.
    right, left = (sum(int(np.count_nonzero(plane == side)) for plane in lungs) for side in (RIGHT, LEFT))
    if not right + left:
        notices.append(warn("no-lung", "No lung was found: check that this is a chest CT in axial slices."))
    elif study.volumetric and min(right, left) < 0.1 * (right + left):
        name, smaller = ("right", right) if right < left else ("left", left)
        percent = 100 * smaller / (right + left)
        text = f"The {name} lung holds only {percent:.0f} % of all lung found: it may be dense, gone or missed."
        notices.append(warn("one-lung-small", text))
    pixels = orientation.apply(study.pixels)
    if right + left and not study.is_hu and np.mean(pixels[lungs > 0] == pixels.min()) > 0.5:
        text = "The lungs are black: this looks like a soft-tissue window; use a lung window, or the DICOM."
        notices.append(warn("lungs-black", text))
    return tuple(notices)


def _infection(grey: NDArray[np.uint8], crops: list[tuple[int, Box]], model: Model) -> NDArray[np.float32]:
    """Infection probability (N, size, size) of `crops`: index of the slice, and the box on it."""
    return model.engine(squares(grey, crops, model.entry.size))[:, 0]


def _consolidation(
    grey: NDArray[np.uint8], infected: list[tuple[int, Box, NDArray[np.float32]]], model: Model
) -> NDArray[np.float32]:
    """Share of consolidation among infection, (N, size, size), of crops with their infection probability."""
    if not infected:
        return np.empty((0, 0, 0), np.float32)
    size = model.entry.size
    maps = np.stack([resize(square, (size, size)) for _, _, square in infected])
    return consolidation_share(model.engine(guided(squares(grey, [(i, box) for i, box, _ in infected], size), maps)))


def _provenance(engines: Engines) -> dict[str, object]:
    models = {
        role: {"name": m.entry.name, "sha256": m.entry.sha256, "engine": m.engine.name, "input_size": m.entry.size}
        for role, m in engines.models.items()
    }
    return {"infnet": __version__, "models": models, "threshold": engines.threshold, "window_hu": list(WINDOW)}
