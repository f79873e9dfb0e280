from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from torch import nn

from infnet.engine import OpenVINOEngine, TorchEngine, cache, openvino_engine
from infnet.errors import InfNetError
from tests.engine.making import Constant, Scale

ROOT = Path(__file__).parents[2]


def forbidden() -> nn.Module:
    raise AssertionError("the network was built again")


def test_openvino_gives_what_torch_gives_at_any_size_and_count(cached):
    rng = np.random.default_rng(0)
    fast = OpenVINOEngine(Scale, "k", (1, 8, 8), "fp32")
    slow = TorchEngine(Scale(), "cpu")
    for shape in ((1, 1, 8, 8), (3, 1, 8, 8), (2, 1, 12, 16)):
        batch = rng.standard_normal(shape).astype(np.float32)
        assert fast(batch).shape == shape
        assert np.allclose(fast(batch), slow(batch), atol=1e-6)
    assert fast.name.startswith("openvino 20")
    assert fast.name.endswith(" cpu fp32")


def test_openvino_keeps_infnets_prediction_and_softmax(cached):
    staged = OpenVINOEngine(lambda: Constant([0.0], staged=True), "a", (3, 4, 4), "fp32")
    assert np.allclose(staged(np.ones((1, 3, 4, 4), np.float32)), 0.5)
    classes = OpenVINOEngine(lambda: Constant([0.0, 0.0, float(np.log(2))]), "b", (6, 4, 4), "fp32")
    assert np.allclose(classes(np.ones((1, 6, 4, 4), np.float32))[0, :, 0, 0], [0.25, 0.25, 0.5])


def test_a_built_model_is_kept_and_its_network_is_not_built_again(cached):
    batch = np.ones((1, 1, 4, 4), np.float32)
    first = OpenVINOEngine(Scale, "key", (1, 4, 4), "fp32")(batch)
    assert np.array_equal(OpenVINOEngine(forbidden, "key", (1, 4, 4), "fp32")(batch), first)
    with pytest.raises(AssertionError, match="built again"):
        OpenVINOEngine(forbidden, "another key", (1, 4, 4), "fp32")


def test_a_network_is_run_once_to_be_converted(cached):
    class Counted(Scale):
        runs = 0

        def forward(self, x):
            Counted.runs += 1
            return super().forward(x)

    OpenVINOEngine(Counted, "key", (1, 4, 4), "fp32")
    assert Counted.runs == 1


@pytest.mark.parametrize("harm", ["model.bin", "model.xml", cache.SUMS])
def test_a_damaged_cache_is_built_again(cached, harm):
    batch = np.ones((1, 1, 4, 4), np.float32)
    first = OpenVINOEngine(Scale, "key", (1, 4, 4), "fp32")(batch)
    [damaged] = cached.rglob(harm)
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    assert np.array_equal(OpenVINOEngine(Scale, "key", (1, 4, 4), "fp32")(batch), first)
    assert np.array_equal(OpenVINOEngine(forbidden, "key", (1, 4, 4), "fp32")(batch), first)
    assert [p.name for p in cached.iterdir()] == [damaged.parent.name]  # nothing half-written stays behind


def test_a_cache_that_cannot_be_written_is_done_without(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("INFNET_CACHE", str(tmp_path / "file" / "cache"))
    probability = OpenVINOEngine(Scale, "key", (1, 4, 4), "fp32")(np.zeros((1, 1, 4, 4), np.float32))
    assert (probability == 0.5).all()
    assert (tmp_path / "file").read_text() == "in the way"


def test_the_cache_is_where_the_system_keeps_caches(monkeypatch):
    monkeypatch.delenv("INFNET_CACHE", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache.folder() == Path("/somewhere/infnet")
    monkeypatch.setenv("INFNET_CACHE", "/elsewhere")
    assert cache.folder() == Path("/elsewhere")


def test_one_thread_alone_makes_openvinos_table_of_types(monkeypatch):
    """Two threads at OpenVINO's first tensor waited for each other for ever."""
    inside, most, asked = 0, 0, 0

    class Tensor:
        def __init__(self, array):
            pass

        @property
        def data(self):
            nonlocal inside, most, asked
            inside, asked = inside + 1, asked + 1
            most = max(most, inside)
            time.sleep(0.05)  # lets every other thread in, as the real one does
            inside -= 1

    fake = SimpleNamespace(Tensor=Tensor, Core=object)
    monkeypatch.setattr(openvino_engine.importlib, "import_module", lambda name: fake)
    openvino_engine._load.cache_clear()
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(lambda _: id(openvino_engine.library()), range(8))) == {id(fake)}
    openvino_engine._load.cache_clear()
    assert (asked, most) == (1, 1)


FIRST_INFERENCE = """
import os, threading
import numpy as np
from infnet.engine.openvino_engine import library

openvino = library()
parameter = openvino.op.Parameter(openvino.Type.f32, openvino.Shape([1, 8]))
model = openvino.Model([openvino.opset8.relu(parameter)], [parameter])
compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": "2"})
requests = [compiled.create_infer_request() for _ in range(16)]
start = threading.Barrier(len(requests))

def work(request):
    start.wait()
    request.infer([np.ones((1, 8), np.float32)])

threads = [threading.Thread(target=work, args=(request,)) for request in requests]
for thread in threads: thread.start()
for thread in threads: thread.join()
os.write(1, b"ended")
os._exit(0)
"""


def test_the_first_inference_may_come_from_many_threads():
    """A third of such processes hung before the table of types was made by one thread alone."""
    for _ in range(5):
        ended = subprocess.run([sys.executable, "-c", FIRST_INFERENCE], cwd=ROOT, capture_output=True, timeout=60)
        assert ended.stdout == b"ended", ended.stderr


def test_bf16_is_refused_where_the_chip_has_none(monkeypatch, cached):
    monkeypatch.setattr(openvino_engine, "best_precision", lambda: "fp32")
    with pytest.raises(InfNetError, match="bf16: this processor does not compute in it; use fp32"):
        OpenVINOEngine(Scale, "key", (1, 4, 4), "bf16")
    assert OpenVINOEngine(Scale, "key", (1, 4, 4)).precision == "fp32"


def test_openvino_sends_no_usage_statistics_and_needs_no_torch_once_built(cached):
    """From a fresh process: the cached model runs without torch, and the reporting package is shut out."""
    OpenVINOEngine(Scale, "key", (1, 4, 4), "fp32")
    code = (
        "import sys, numpy as np\n"
        "from infnet.engine import OpenVINOEngine\n"
        "found = OpenVINOEngine(None, 'key', (1, 4, 4), 'fp32')(np.zeros((1, 1, 4, 4), np.float32))\n"
        "assert (found == 0.5).all()\n"
        "print('torch' in sys.modules, sys.modules['openvino_telemetry'])\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert run.stdout.split() == ["False", "None"], run.stderr
