"""What a training run is: one frozen record, checked when made, saved beside every checkpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from infnet.errors import InfNetError


@dataclass(frozen=True)
class TrainConfig:
    """`size` and `scales`: side of the square input and its multi-scale factors (sides become multiples of 32).

    `mix`: share of each source in a batch, by name. `fold`: which of `fold_count` folds of groups is held out; -1
    holds out nothing. `ema`: decay of the averaged weights that are validated and kept, 0 for none.
    """

    steps: int
    size: int = 352
    scales: tuple[float, ...] = (0.75, 1.0, 1.25)
    batch: int = 16
    learning_rate: float = 5e-4
    weight_decay: float = 1e-4
    warmup: int = 100
    clip: float = 1.0
    ema: float = 0.998
    seed: int = 0
    fold: int = 0
    fold_count: int = 5
    validate_every: int = 250
    save_every: int = 50
    bf16: bool = False
    mix: tuple[tuple[str, float], ...] = (("labelled", 1.0),)

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "validate_every", "save_every", "fold_count"):
            if getattr(self, name) < 1:
                raise InfNetError(
                    f"--{name.replace('_', '-')} {getattr(self, name)}: must be at least 1; give a larger number"
                )
        if not self.scales or any(self.side(s) < 32 for s in self.scales):
            raise InfNetError(f"size {self.size} at scales {self.scales}: sides must reach 32; give a larger --size")
        if self.learning_rate <= 0 or not 0 <= self.ema < 1:
            raise InfNetError("learning rate must be above 0 and ema in [0, 1); correct the values")

    def side(self, scale: float) -> int:
        return round(self.size * scale / 32) * 32

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrainConfig:
        known = {f.name for f in fields(cls)}
        values = {k: v for k, v in values.items() if k in known}
        values["scales"] = tuple(values["scales"])
        values["mix"] = tuple((str(n), float(w)) for n, w in values["mix"])
        return cls(**values)
