"""All that changes while a network is trained, and its checkpoint: what a resumed run goes on from."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from infnet.errors import InfNetError
from train.fitting.checkpoint import load_checkpoint, save_atomically
from train.fitting.config import TrainConfig

COUNTERS = ("step", "best", "stale", "rows", "seconds", "precision")


class Average:
    """Running average of a network's weights, kept beside it."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval()
        self._decay = decay
        pairs = list(zip(self.network.state_dict().values(), network.state_dict().values(), strict=True))
        self._floats = [p for p in pairs if p[0].is_floating_point()]
        self._counts = [p for p in pairs if not p[0].is_floating_point()]

    @torch.no_grad()
    def follow(self, step: int) -> None:
        decay = min(self._decay, (1 + step) / (10 + step))  # closely while the weights still move fast
        ours, theirs = zip(*self._floats, strict=True)
        torch._foreach_lerp_(list(ours), list(theirs), 1 - decay)
        for mine, other in self._counts:
            mine.copy_(other)


@dataclass
class State:
    """The network in training and how far it is.

    step: steps done. best: the highest validation score. stale: validations since it. rows: the log. seconds: spent.
    precision: fp32 or bf16, empty before it is chosen. losses: of the steps since the last validation.
    """

    network: nn.Module
    average: Average
    optimizer: torch.optim.Optimizer
    step: int = 0
    best: float = -math.inf
    stale: int = 0
    rows: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    precision: str = ""
    losses: list[Tensor] = field(default_factory=list)

    def save(self, path: Path, config: TrainConfig) -> None:
        """Write a checkpoint. Raises InfNetError where it cannot be saved; the older one is kept."""
        saved = {
            **{name: getattr(self, name) for name in COUNTERS},
            "losses": torch.stack(self.losses).cpu() if self.losses else torch.zeros(0),
            "network": self.network.state_dict(),
            "average": self.average.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "config": config.as_dict(),
        }
        save_atomically(saved, path)

    def load(self, path: Path, config: TrainConfig) -> None:
        """Go on from a checkpoint. Raises InfNetError where it has other settings or is of another program."""
        saved = load_checkpoint(path)
        try:
            different = TrainConfig.from_dict(saved["config"]).differences(config)
            if different:
                raise InfNetError(
                    f"{path}: made with other settings ({', '.join(different)}); "
                    "resume with the same ones or choose another run folder"
                )
            self.network.load_state_dict(saved["network"])
            self.average.network.load_state_dict(saved["average"])
            self.optimizer.load_state_dict(saved["optimizer"])
            for name in COUNTERS:
                setattr(self, name, saved[name])
            self.losses = list(saved["losses"].to(next(self.network.parameters()).device))
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise InfNetError(
                f"{path}: not a checkpoint of this program ({error}); start in another run folder"
            ) from error
