"""One slice through each network: every engine and precision beside plain PyTorch, and the share of the chip's peak."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measuring import Table, side_by_side
from infnet import weights
from infnet.concurrency import cores, map_in_threads
from infnet.engine import Choice, Engine, open_engine
from infnet.engine.openvino_engine import HINTS, best_precision, library
from infnet.errors import InfNetError
from infnet.networks import build
from infnet.pipeline.inputs import CHANNELS

PAPER = 352  # the size of the paper's Inf-Net
SIDE = 2048  # of the matrices by which the peak is measured
REFERENCE = "PyTorch eager, batch 1"


def reference(network: nn.Module, batch: NDArray[np.float32], device: str = "cpu") -> NDArray[np.float32]:
    """The reference's test loop: one slice at a time, float32, every output computed, the first one kept."""
    maps = []
    with torch.no_grad():
        for one in batch:
            output = network(torch.from_numpy(one[None]).to(device))
            maps.append((output[0] if isinstance(output, tuple) else output).sigmoid().cpu().numpy())
    return np.concatenate(maps)


def feed(engine: Engine, batch: NDArray[np.float32]) -> None:
    """All slices through an engine in the way the pipeline does it."""
    size = engine.batch
    parts = [batch[start : start + size] for start in range(0, len(batch), size)]
    for _ in map_in_threads(engine, parts, engine.parallel):
        pass


def peak(precision: str, device: str) -> float:
    """Operations a second of a large matrix product, the measured peak."""
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    side = SIDE if device == "cpu" else 4 * SIDE
    a, b = (torch.randn(side, side, device=device, dtype=kind) for _ in range(2))

    def product() -> None:
        torch.mm(a, b)
        if device == "cuda":
            torch.cuda.synchronize()

    contenders: dict[str, Callable[[], object]] = {"torch": product}
    if device == "cpu":
        contenders["openvino"] = _openvino_product(precision)
    return 2 * side**3 / min(side_by_side(contenders, 5).values())


def _openvino_product(precision: str) -> Callable[[], object]:
    """The same product by OpenVINO: torch's library is slow in float32 on other makers' chips."""
    ov = library()
    a = ov.opset13.parameter([SIDE, SIDE], np.float32)
    b = ov.opset13.constant(np.ones((SIDE, SIDE), np.float32))
    model = ov.Model([ov.opset13.reduce_sum(ov.opset13.matmul(a, b, False, False), [1])], [a])
    compiled = ov.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": HINTS[precision]})
    ones = np.ones((SIDE, SIDE), np.float32)
    return lambda: compiled([ones])


def operations(network: nn.Module, shape: tuple[int, int, int]) -> float:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, *shape))
    return float(counter.get_total_flops())


def choices() -> Iterator[Choice]:
    """Everything this machine can run."""
    yield Choice("torch", "cpu", "fp32")
    yield Choice("torch", "cpu", "bf16")
    yield Choice("openvino", "cpu", "fp32")
    if best_precision() == "bf16":
        yield Choice("openvino", "cpu", "bf16")
    if torch.cuda.is_available():
        yield Choice("torch", "cuda", "fp32")
        yield Choice("torch", "cuda", "bf16")


def compare(network: Callable[[], nn.Module], key: str, shape: tuple[int, int, int], title: str) -> Table:
    plain = network().eval()
    work = operations(plain, shape)
    rng = np.random.default_rng(0)
    slices = rng.standard_normal((8, *shape)).astype(np.float32)
    many = rng.standard_normal((64, *shape)).astype(np.float32)
    contenders: dict[str, Callable[[], object]] = {REFERENCE: partial(reference, plain, slices)}
    counts, chosen = {REFERENCE: 8}, {REFERENCE: Choice("", "cpu", "fp32")}
    beside = {"cpu": REFERENCE}  # what each device is compared with
    if torch.cuda.is_available():
        beside["cuda"] = f"{REFERENCE}, cuda"
        contenders[beside["cuda"]] = partial(reference, network().eval().cuda(), slices, "cuda")
        counts[beside["cuda"]], chosen[beside["cuda"]] = 8, Choice("", "cuda", "fp32")
    for choice in choices():
        try:
            engine = open_engine(network, key, shape, choice)
        except InfNetError:
            continue
        batch = many if choice.device == "cuda" else slices
        contenders[engine.name] = partial(feed, engine, batch)
        counts[engine.name], chosen[engine.name] = len(batch), choice
    seconds = {name: value / counts[name] for name, value in side_by_side(contenders).items()}
    tops = {c: peak(*c) for c in {(str(c.precision), c.device) for c in chosen.values()}}
    rows = [
        [name, 1000 * s, 1 / s, seconds[beside[c.device]] / s, 100 * work / s / tops[str(c.precision), c.device]]
        for (name, s), c in zip(seconds.items(), chosen.values(), strict=True)
    ]
    matrix = ", ".join(f"{d} {p} {t / 1e9:.0f}" for (p, d), t in sorted(tops.items()))
    return Table(
        title,
        ["engine", "ms a slice", "slices a second", "times PyTorch eager", "% of peak"],
        rows,
        f"{work / 1e9:.1f} G operations a slice. Peak, of a large matrix product, G operations a second: {matrix}. "
        f"{cores()} cores. A share above 100 % says that the product itself stays below what the chip can do.",
    )


def tables() -> Iterator[Table]:
    torch.manual_seed(0)
    name = f"Inf-Net, {PAPER} x {PAPER}, random weights"
    yield compare(partial(build, "inf-net"), f"bench-infnet-{PAPER}", (3, PAPER, PAPER), name)
    for role in ("infection", "classes", "lungs"):
        entry = weights.find(weights.default(role))
        shape = (CHANNELS[role], entry.size, entry.size)

        def shipped(model: str = entry.name) -> nn.Module:
            return weights.load(model)[0]

        title = f"{entry.name} ({role}), {entry.size} x {entry.size}"
        yield compare(shipped, weights.fingerprint(entry), shape, title)
