"""The three networks, verified, built and kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from infnet import weights
from infnet.engine import Choice, Engine, choose, open_engine
from infnet.errors import WeightsError
from infnet.pipeline.inputs import CHANNELS
from infnet.study import check_threshold
from infnet.weights import Entry


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

    @property
    def models(self) -> dict[str, Model]:
        """The networks by role, in their order."""
        return {"lungs": self.lungs, "infection": self.infection, "classes": self.classes}

    def with_threshold(self, threshold: float) -> Engines:
        check_threshold(threshold)
        return replace(self, threshold=threshold)


def load_engines(
    infection: str | None = None,
    device: str | None = None,
    engine: str | None = None,
    precision: str | None = None,
    threads: int | None = None,
) -> Engines:
    """The shipped networks, verified, built and kept; what is not given is chosen by what this machine has.

    infection: a registry name. device: cpu, cuda:1, mps ... engine: openvino or torch. precision: fp32 or bf16.
    threads: of the processor, all where not given. Raises InfNetError for what is unknown or cannot be had here.
    """
    name = infection or weights.default("infection")
    if weights.find(name).role != "infection":
        names = ", ".join(n for n, e in weights.registry().items() if e.role == "infection")
        raise WeightsError(f"{name}: does not find infection; choose one of {names}")
    return _engines(name, choose(engine, device, precision, threads))


def forget_engines() -> None:
    """Let go of the networks that `load_engines` kept: what hangs in one of them never gives it back."""
    _engines.cache_clear()


@lru_cache(maxsize=2)
def _engines(infection: str, choice: Choice) -> Engines:
    def model(name: str) -> Model:
        entry = weights.find(name)
        weights.verify(entry)
        shape = (CHANNELS[entry.role], entry.size, entry.size)
        return Model(open_engine(lambda: weights.load(name)[0], weights.fingerprint(entry), shape, choice), entry)

    chosen = model(infection)
    return Engines(model(weights.default("lungs")), chosen, model(weights.default("classes")), chosen.entry.threshold)
