"""What a training run is: one frozen record, checked when made, saved beside every checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from infnet.errors import InfNetError
from infnet.networks import NETWORKS
from train.arguments import flag

CHOICES = {
    "network": tuple(NETWORKS),
    "optimizer": ("adamw", "adam", "sgd"),
    "schedule": ("cosine", "step", "constant"),
    "clip_by": ("norm", "value"),
    "precision": ("auto", "fp32", "bf16"),
}
POSITIVE = ("steps", "batch", "micro_batch", "validate_every", "save_every", "fold_count", "decay_every")


@dataclass(frozen=True)
class TrainConfig:
    """Settings of one `fit`.

    network, options: a name of `infnet.networks.NETWORKS` and how it is built.
    size, scales: side of the square input and its multi-scale factors (sides become multiples of 32). A step takes one
        scale at random, or with `every_scale` each batch is trained on at all of them, one step after the other.
    batch, micro_batch: slices of a step, and at most how many of them pass through the network at once.
    schedule: `cosine` down to a hundredth, `step` (a tenth after every `decay_every` steps) or `constant`; each after
        `warmup` steps of linear rise.
    entropy: weight of the cross entropy beside the IoU in L_seg (Eq. 4), 1 as published. The IoU alone is highest for
        maps of 0 and 1, cross entropy for calibrated ones: less of it makes steeper maps, which the paper's mean Dice
        over all thresholds rewards.
    clip, clip_by: bound on the gradient's norm, or on each of its values.
    ema: decay of the averaged weights that are validated and kept; 0 for none.
    patience: end after so many validations without a better score; 0 never.
    precision: `auto` takes bf16 where one step of it is measured to be faster.
    mix: share of each source in a batch, by name.
    cutmix: share of slices into which a rectangle of another slice of the batch is pasted, with its truth.
    fold: which of `fold_count` folds of groups is held out; -1 holds out nothing.
    """

    steps: int
    network: str = "inf-net"
    options: Mapping[str, Any] = field(default_factory=dict)
    size: int = 352
    scales: tuple[float, ...] = (0.75, 1.0, 1.25)
    every_scale: bool = False
    batch: int = 16
    micro_batch: int = 16
    optimizer: str = "adamw"
    learning_rate: float = 5e-4
    schedule: str = "cosine"
    decay_every: int = 1000
    weight_decay: float = 1e-4
    warmup: int = 100
    entropy: float = 1.0
    clip: float = 1.0
    clip_by: str = "norm"
    ema: float = 0.998
    seed: int = 0
    fold: int = 0
    fold_count: int = 5
    validate_every: int = 250
    save_every: int = 50
    patience: int = 0
    precision: str = "auto"
    mix: tuple[tuple[str, float], ...] = (("labelled", 1.0),)
    cutmix: float = 0.0

    def __post_init__(self) -> None:
        for name in POSITIVE:
            if getattr(self, name) < 1:
                raise InfNetError(f"{flag(name)} {getattr(self, name)}: must be at least 1; give a larger number")
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise InfNetError(f"{flag(name)} {getattr(self, name)}: unknown; choose from {', '.join(allowed)}")
        if not self.scales or any(self.side(s) < 32 for s in self.scales):
            raise InfNetError(f"--size {self.size} at scales {self.scales}: sides must reach 32; give a larger --size")
        if self.learning_rate <= 0 or self.clip <= 0:
            raise InfNetError("--learning-rate and --clip must be above 0; correct the values")
        if not 0 <= self.ema < 1 or self.warmup < 0 or self.patience < 0 or self.weight_decay < 0:
            raise InfNetError("--ema must lie in [0, 1), --warmup and --patience not below 0; correct the values")
        if self.entropy < 0 or not 0 <= self.cutmix <= 1:
            raise InfNetError("--entropy must not be below 0 and --cutmix lie in [0, 1]; correct the values")
        if not -1 <= self.fold < self.fold_count:
            raise InfNetError(f"--fold {self.fold}: give 0 to {self.fold_count - 1}, or -1 to hold out nothing")
        if not self.mix or min(share for _, share in self.mix) < 0 or not sum(share for _, share in self.mix):
            raise InfNetError("--mix: no share may be negative and one must be above 0; as in labelled=0.5,pseudo=0.5")

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

    def differences(self, other: TrainConfig) -> list[str]:
        """Names of the settings in which two runs differ."""
        return [f.name for f in fields(self) if getattr(self, f.name) != getattr(other, f.name)]


LITERAL = TrainConfig(steps=1, warmup=0, ema=0.0, precision="fp32")  # without what the papers do not have
