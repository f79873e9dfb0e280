"""Images a second of `train.fitting.loop.fit` beside a plain loop in the style of the paper's reference.

`python -m benchmarks.training [--size 352] [--batch 16] [--batches 2] [--json FILE]`. Both train Inf-Net on the same
made-up JPEG slices, each batch at three scales with Adam. The plain loop decodes and resizes from disk for every
batch and computes in fp32 and NCHW; `fit` keeps slices in memory, augments them there, and takes what is fastest here.
Each runs twice, in turn and in a process of its own, and the faster time of each counts. An image is counted once for
every scale at which it is trained on. On a GPU add `--batches 20`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from infnet.concurrency import peak_memory

ROOT = Path(__file__).parents[1]
SCALES = (0.75, 1.0, 1.25)
# What `fit` is told so that it does what the plain loop does, and nothing beside it.
AS_PLAIN = {
    "scales": SCALES,
    "every_scale": True,
    "optimizer": "adam",
    "learning_rate": 1e-4,
    "warmup": 0,
    "clip": 0.5,
    "clip_by": "value",
    "fold": -1,
    "validate_every": 10**6,
    "save_every": 10**6,
}


def make_slices(root: Path, count: int) -> None:
    """`root`/Dataset in the official layout with so many slices of 400 x 320 pixels."""
    rng = np.random.default_rng(0)
    base = root / "Dataset" / "TrainingSet" / "LungInfection-Train" / "Doctor-label"
    y, x = np.mgrid[:400, :320]
    for number in range(count):
        row, column = rng.uniform(100, 220, 2)
        lesion = ((y - row) / 60) ** 2 + ((x - column) / 40) ** 2 < 1
        grey = rng.integers(20, 60, (400, 320)).astype(np.uint8)
        grey[lesion] += 90
        grey[:, :20] = 225
        for kind, array, ending in (("Imgs", grey, "jpg"), ("GT", (lesion * 255).astype(np.uint8), "png")):
            (base / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(base / kind / f"{100 + number}.{ending}")


def plain(dataset: Path, size: int, batch: int, batches: int) -> list[float]:
    """Seconds of each batch (three scales) of a loop as the reference writes it; the first is a warm-up."""
    import torch
    import torch.nn.functional as F
    from torchvision import transforms

    from infnet.networks import build
    from train.fitting.losses import infnet_loss

    device = "cuda" if torch.cuda.is_available() else "cpu"
    base = dataset / "TrainingSet" / "LungInfection-Train" / "Doctor-label"
    images, masks = sorted((base / "Imgs").iterdir()), sorted((base / "GT").iterdir())
    see = transforms.Compose(
        [
            transforms.Resize((size, size)),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    know = transforms.Compose([transforms.Resize((size, size)), transforms.ToTensor()])
    network = build("inf-net").to(device).train()
    optimizer = torch.optim.Adam(network.parameters(), 1e-4)
    times = []
    for number in range(batches + 1):
        begun = time.perf_counter()
        indices = [(number * batch + i) % len(images) for i in range(batch)]
        x0 = torch.stack([see(Image.open(images[p]).convert("RGB")) for p in indices]).to(device)
        y0 = torch.stack([know(Image.open(masks[p]).convert("L")) for p in indices]).to(device)
        for scale in SCALES:
            side = round(size * scale / 32) * 32
            x = F.interpolate(x0, size=(side, side), mode="bilinear", align_corners=True)
            y = F.interpolate(y0, size=(side, side), mode="bilinear", align_corners=True)
            optimizer.zero_grad()
            loss = infnet_loss(network(x), y)
            loss.backward()
            torch.nn.utils.clip_grad_value_(network.parameters(), 0.5)
            optimizer.step()
            loss.item()  # the reference keeps a running loss
        times.append(time.perf_counter() - begun)
    return times[1:]


def ours(dataset: Path, size: int, batch: int, batches: int) -> tuple[list[float], str]:
    """Seconds of each batch (three scales) of `fit`, and the precision that it chose."""
    from dataclasses import replace

    import torch

    from train.fitting.config import TrainConfig
    from train.fitting.distributed import join
    from train.fitting.loop import fit
    from train.fitting.machine import keep_memory
    from train.fitting.task import Run
    from train.sources import split
    from train.supervised import infection_task

    steps = len(SCALES) * (batches + 1)
    config = TrainConfig(steps=steps, size=size, batch=batch, micro_batch=batch, **AS_PLAIN)
    keep_memory()
    process = join()
    train, _ = split(dataset, config)
    task, _ = infection_task(config, train, {}, process.device)
    marks = []

    def mark(step: int, _: torch.nn.Module) -> None:
        if step % len(SCALES) == 0:
            if process.device.type == "cuda":
                torch.cuda.synchronize()
            marks.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        fit(replace(task, before=mark), config, Run(Path(folder), process, stop_at=steps - len(SCALES) + 1))
        precision = json.loads((Path(folder) / "environment.json").read_text())["precision"]
    return [b - a for a, b in itertools.pairwise(marks)], precision


def measure(kind: str, dataset: Path, size: int, batch: int, batches: int) -> dict:
    """Run one loop in this process."""
    import torch

    precision = "fp32"
    if kind == "plain":
        times = plain(dataset, size, batch, batches)
    else:
        times, precision = ours(dataset, size, batch, batches)
    gpu = torch.cuda.is_available()
    return {
        "images_per_second": round(batch * len(SCALES) / float(np.median(times)), 3),
        "seconds_per_batch": [round(t, 3) for t in times],
        "precision": precision,
        "peak_host_gib": round(peak_memory() / 2**30, 2),
        "peak_gpu_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2) if gpu else None,
        "device": torch.cuda.get_device_name() if gpu else f"{_processor()}, {os.cpu_count()} cores",
        "torch": torch.__version__,
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=352)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--batches", type=int, default=2, help="timed batches, each at three scales")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", choices=["plain", "fit"], help=argparse.SUPPRESS)
    parser.add_argument("--dataset", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.dataset, options.size, options.batch, options.batches)))
        return
    runs: dict[str, list[dict]] = {"plain": [], "fit": []}
    with tempfile.TemporaryDirectory() as folder:
        make_slices(Path(folder), 64)
        for _ in range(2):
            for kind, results in runs.items():
                command = [
                    sys.executable,
                    "-m",
                    "benchmarks.training",
                    "--one",
                    kind,
                    "--dataset",
                    f"{folder}/Dataset",
                    "--size",
                    str(options.size),
                    "--batch",
                    str(options.batch),
                    "--batches",
                    str(options.batches),
                ]
                done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise SystemExit(done.stderr)
                results.append(json.loads(done.stdout.splitlines()[-1]))
                print(kind, results[-1]["images_per_second"], "images a second", flush=True)
    best = {kind: max(results, key=lambda r: r["images_per_second"]) for kind, results in runs.items()}
    ratio = best["fit"]["images_per_second"] / best["plain"]["images_per_second"]
    result = {"size": options.size, "batch": options.batch, "faster": round(ratio, 2), **best}
    print(json.dumps(result, indent=1))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
