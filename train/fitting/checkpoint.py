"""Files that are whole or not there at all: a kill or a full disk leaves the old one or the new one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from infnet.errors import InfNetError
from infnet.files import replacing


def write_atomically(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    """Let `write` fill a file that takes the place of `path` when it is whole. Raises InfNetError, the older kept."""
    try:
        with replacing(path) as beside, beside.open("wb") as file:
            write(file)
    except (OSError, RuntimeError) as error:  # torch reports a failed write as RuntimeError
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise InfNetError(
            f"{path}: not saved ({reason}); the older file is kept: free some space, then go on with --resume"
        ) from error


def save_atomically(state: dict[str, Any], path: Path) -> None:
    import torch  # programs that write text only start without it

    write_atomically(path, lambda file: torch.save(state, file))


def write_text(path: Path, text: str) -> None:
    write_atomically(path, lambda file: file.write(text.encode()))


def load_checkpoint(path: Path) -> dict[str, Any]:
    """What `save_atomically` wrote. Raises InfNetError where the file is missing, damaged or not a checkpoint."""
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InfNetError(f"{path}: no such checkpoint; start without --resume") from None
    except Exception as error:
        raise InfNetError(f"{path}: not a readable checkpoint ({type(error).__name__}); start without it") from error
    if not isinstance(state, dict):
        raise InfNetError(f"{path}: not a checkpoint of this program; start without it")
    return state


def averaged(state: dict[str, Any]) -> dict[str, Any]:
    """The state dict of the network that a checkpoint is kept for: the running average, which best.pt alone holds."""
    kept: dict[str, Any] = state.get("average") or state["network"]
    return kept
