"""OpenVINO on a CPU. Models are built from the torch network on first use and kept in the user's cache folder."""

from __future__ import annotations

import importlib
import sys
import threading
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infnet.engine import cache as kept
from infnet.engine.torch_engine import single_map
from infnet.errors import InfNetError
from infnet.notices import Notice

if TYPE_CHECKING:
    from torch import nn

MODEL = "model.xml"
HINTS = {"fp32": "f32", "bf16": "bf16"}


_first_use = threading.RLock()


def library() -> Any:
    """The package openvino, safe to use from several threads; it sends no usage statistics.

    Raises ImportError where it is missing or broken.
    """
    return _loaded()[0]


def usable() -> bool:
    """Whether openvino is installed and can be loaded."""
    try:
        library()
    except ImportError:
        return False
    return True


def _core() -> Any:
    return _loaded()[1]


def _loaded() -> tuple[Any, Any]:
    """The package and its one Core, made by one thread alone: what follows must not be entered by two at first.

    OpenVINO builds its table of NumPy types when the data of the first tensor is asked for. It lets go of Python's lock
    on the way (pybind11's `call_once`); a second thread that asks at that moment takes the lock and waits for the
    table, and both wait for ever.
    """
    with _first_use:
        return _load()


@cache
def _load() -> tuple[Any, Any]:
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # openvino then takes its own stub
    try:
        openvino = importlib.import_module("openvino")
        _ = openvino.Tensor(np.zeros(1, np.float32)).data
        return openvino, openvino.Core()
    except Exception as error:  # a library that does not fit this machine raises whatever it likes
        raise ImportError(f"cannot be loaded ({error})") from error


def best_precision() -> str:
    """bf16 where the chip computes in it, else fp32."""
    return "bf16" if "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "fp32"


class OpenVINOEngine:
    """A network compiled for this CPU, run slice by slice, so that no result depends on its neighbours.

    build: makes the torch network; called only where the cache holds no model for `key`. shape: (C, H, W) of the usual
    input; other sizes are compiled when they come. `parallel` calls may run at once, each on cores of its own.
    Raises InfNetError where the chip lacks the precision that was asked for.
    """

    batch = 1
    notices: tuple[Notice, ...] = ()

    def __init__(
        self,
        build: Callable[[], nn.Module],
        key: str,
        shape: tuple[int, int, int],
        precision: str | None = None,
        threads: int | None = None,
    ) -> None:
        ov = library()
        best = best_precision()
        self.precision = precision or best
        if self.precision == "bf16" and best != "bf16":
            raise InfNetError("precision bf16: this processor does not compute in it; use fp32")
        self._settings = {"INFERENCE_PRECISION_HINT": HINTS[self.precision], "PERFORMANCE_HINT": "THROUGHPUT"}
        if threads:
            self._settings["INFERENCE_NUM_THREADS"] = str(threads)
        self._model = _model(build, f"openvino-{ov.__version__.split('-')[0]}-{key[:32]}", shape)
        self._lock = threading.Lock()
        self._compiled: dict[tuple[int, ...], tuple[Any, SimpleQueue[Any]]] = {}
        self.parallel = self._pool(shape)[1].qsize()
        self.name = f"openvino {ov.__version__.split('-')[0]} cpu {self.precision}"

    def _pool(self, shape: tuple[int, ...]) -> tuple[Any, SimpleQueue[Any]]:
        """The model compiled for one slice of `shape`, and its free requests."""
        with self._lock:
            if shape not in self._compiled:
                model = self._model.clone()
                model.reshape([1, *shape])
                compiled = _core().compile_model(model, "CPU", self._settings)
                free: SimpleQueue[Any] = SimpleQueue()
                for _ in range(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")):
                    free.put(compiled.create_infer_request())
                self._compiled[shape] = compiled, free
            return self._compiled[shape]

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        _, free = self._pool(batch.shape[1:])
        request = free.get()
        try:
            maps = [np.array(request.infer([np.ascontiguousarray(image[None])])[0]) for image in batch]
        finally:
            free.put(request)
        return maps[0] if len(maps) == 1 else np.concatenate(maps)


def _model(build: Callable[[], nn.Module], name: str, shape: tuple[int, int, int]) -> Any:
    """The OpenVINO model of a network: from the cache, or built and put there."""
    if folder := kept.find(name):
        try:
            return _core().read_model(folder / MODEL)
        except RuntimeError:  # written by something else under our name
            pass
    model = _convert(build(), shape)

    def write(target: Path) -> None:
        library().save_model(model, target / MODEL, compress_to_fp16=False)

    kept.keep(name, write)
    return model


def _convert(network: nn.Module, shape: tuple[int, int, int]) -> Any:
    """A torch network (N, C, H, W) -> probabilities as an OpenVINO model of the same signature."""
    import torch

    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # the tracer's remarks on shape checks
        example = torch.zeros(1, *shape)
        # Left to OpenVINO, torch traces twice more to compare the traces: that takes longer than all the rest.
        trace: Callable[..., Any] = torch.jit.trace
        traced = trace(single_map(network.eval()), example, check_trace=False)
        model = library().convert_model(traced, example_input=example)
    model.reshape([-1, shape[0], -1, -1])
    return model
