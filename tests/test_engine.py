from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from infnet import engine as engines
from infnet.engine import Choice, OpenVINOEngine, TorchEngine, cache, choose, open_engine, openvino_engine, torch_engine
from infnet.errors import InfNetError
from infnet.networks.infnet import InfNetOutput
from tests.notices import texts

ROOT = Path(__file__).parents[1]
TORCH = torch.__version__.split("+")[0]


class Constant(nn.Module):
    """Answers with the same logits everywhere; several outputs where asked, as Inf-Net has."""

    def __init__(self, logits: list[float], staged: bool = False) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))
        self.staged = staged

    def forward(self, x):
        out = self.logits[None, :, None, None].expand(len(x), -1, *x.shape[2:])
        return InfNetOutput(out, out - 9, out - 9, out - 9, out - 9) if self.staged else out


class Scale(nn.Module):
    """Logits are twice the input at half its size, enlarged again: depends on every pixel and on the input's size."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.constant_(self.conv.weight, 2.0)

    def forward(self, x):
        small = nn.functional.avg_pool2d(self.conv(x), 2)
        return nn.functional.interpolate(small, size=x.shape[-2:], mode="nearest")


class Cramped(nn.Module):
    """Has memory for `room` slices at once; answers with logit 0."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room
        self.asked: list[int] = []

    def forward(self, x):
        self.asked.append(len(x))
        if len(x) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return x[:, :1] * 0


@pytest.fixture
def cached(monkeypatch, tmp_path):
    monkeypatch.setenv("INFNET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def forbidden() -> nn.Module:
    raise AssertionError("the network was built again")


def test_one_channel_goes_through_a_sigmoid():
    found = TorchEngine(Constant([0.0]), "cpu")(np.zeros((2, 1, 8, 8), np.float32))
    assert found.shape == (2, 1, 8, 8)
    assert found.dtype == np.float32
    assert (found == 0.5).all()


def test_threads_count_within_a_call_and_the_process_keeps_its_own():
    seen = []

    class Counting(Scale):
        def forward(self, x):
            seen.append(torch.get_num_threads())
            return super().forward(x)

    own = torch.get_num_threads()
    batch = np.zeros((1, 1, 4, 4), np.float32)
    limited = TorchEngine(Counting(), "cpu", threads=own + 1)
    assert torch.get_num_threads() == own
    limited(batch)
    TorchEngine(Counting(), "cpu")(batch)
    assert seen == [own + 1, own]
    assert torch.get_num_threads() == own


def test_several_channels_go_through_a_softmax():
    found = TorchEngine(Constant([0.0, 0.0, float(np.log(2))]), "cpu")(np.zeros((1, 6, 4, 4), np.float32))
    assert np.allclose(found[0, :, 0, 0], [0.25, 0.25, 0.5])


def test_the_prediction_of_infnet_is_its_s3():
    found = TorchEngine(Constant([0.0], staged=True), "cpu")(np.zeros((1, 3, 4, 4), np.float32))
    assert (found == 0.5).all()


def test_name_tells_library_device_and_precision():
    assert TorchEngine(Constant([0.0]), "cpu").name == f"torch {TORCH} cpu fp32"
    assert TorchEngine(Constant([0.0]), "cpu", "bf16").name == f"torch {TORCH} cpu bf16"


@pytest.mark.parametrize("device", ["no-such-device", "cuda:99"])
def test_a_device_that_is_not_there_is_one_line(device):
    with pytest.raises(InfNetError, match=f"device {device}: not usable here; use one of cpu"):
        TorchEngine(Constant([0.0]), device)


def test_more_slices_than_a_batch_come_back_in_their_order():
    batch = np.arange(10, dtype=np.float32)[:, None, None, None].repeat(4, 2).repeat(4, 3) / 10
    found = TorchEngine(Scale(), "cpu")(batch)
    assert np.allclose(found, 1 / (1 + np.exp(-2 * batch)), atol=1e-6)


def test_where_memory_runs_out_the_batch_is_halved_and_that_is_said():
    network = Cramped(room=2)
    engine = TorchEngine(network, "cpu")
    engine.batch = 8
    found = engine(np.zeros((5, 1, 4, 4), np.float32))
    assert found.shape == (5, 1, 4, 4)
    assert (found == 0.5).all()
    assert network.asked == [5, 2, 2, 1]
    assert texts(engine) == ("Memory of cpu ran out: slices were taken in batches of 2.",)


def test_where_one_slice_is_too_much_for_the_device_the_processor_takes_over(monkeypatch):
    """The meta device stands for a GPU that can hold the weights and nothing else."""
    engine = TorchEngine(Constant([0.0]), "cpu", "bf16")
    forward = engine._forward

    def run(part):
        if engine._device.type == "meta":
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(part)

    monkeypatch.setattr(engine, "_forward", run)
    engine._device = torch.device("meta")
    engine.batch = 4
    assert (engine(np.zeros((3, 1, 4, 4), np.float32)) == 0.5).all()
    assert engine.name == f"torch {TORCH} cpu fp32"
    assert texts(engine) == (
        "Memory of meta ran out: slices were taken in batches of 1.",
        "Memory of meta ran out even for one slice: the processor took over.",
    )


def test_no_memory_at_all_is_one_line_and_other_failures_keep_their_traceback():
    with pytest.raises(InfNetError, match="memory: not enough for one slice; close other programs"):
        TorchEngine(Cramped(room=0), "cpu")(np.zeros((1, 1, 4, 4), np.float32))

    class Broken(nn.Module):
        def forward(self, x):
            raise RuntimeError("sizes do not match")

    with pytest.raises(RuntimeError, match="sizes do not match"):
        TorchEngine(Broken(), "cpu")(np.zeros((1, 1, 4, 4), np.float32))


@pytest.mark.parametrize(
    ("free", "one", "batch"), [(10_000, 1000, 4), (1000, 1000, 1), (0, 1000, 1), (10**9, 1000, 32), (20_000, 1000, 8)]
)
def test_the_batch_is_the_power_of_two_that_fits_six_tenths_of_the_free_memory(free, one, batch):
    assert torch_engine.batch_for(free, one) == batch


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
    found = OpenVINOEngine(Scale, "key", (1, 4, 4), "fp32")(np.zeros((1, 1, 4, 4), np.float32))
    assert (found == 0.5).all()
    assert (tmp_path / "file").read_text() == "in the way"


def test_the_cache_is_where_the_system_keeps_caches(monkeypatch):
    monkeypatch.delenv("INFNET_CACHE", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache.folder() == Path("/somewhere/infnet")
    monkeypatch.setenv("INFNET_CACHE", "/elsewhere")
    assert cache.folder() == Path("/elsewhere")


def test_openvino_is_the_choice_on_a_processor_and_torch_without_it(monkeypatch):
    monkeypatch.setattr(engines, "_device", lambda: "cpu")
    assert choose() == Choice("openvino", "cpu")
    assert choose(precision="fp32", threads=1) == Choice("openvino", "cpu", "fp32", 1)
    assert choose("torch") == Choice("torch", "cpu")
    assert choose(device="cuda:1") == Choice("torch", "cuda:1")
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    with openvino_that_raises(monkeypatch, ModuleNotFoundError("No module named 'openvino'")):
        assert choose() == Choice("torch", "cpu")
        with pytest.raises(InfNetError, match="engine openvino: not installed; run `pip install openvino`"):
            choose("openvino")


def test_a_broken_openvino_is_as_good_as_none(monkeypatch):
    monkeypatch.setattr(engines, "_device", lambda: "cpu")
    with openvino_that_raises(monkeypatch, OSError("libtbb.so.12: cannot open shared object file")):
        assert choose() == Choice("torch", "cpu")
        with pytest.raises(InfNetError, match=r"engine openvino: cannot be loaded \(libtbb.*\); install it again"):
            choose("openvino")


@contextmanager
def openvino_that_raises(monkeypatch, error):
    """As if importing openvino raised `error`."""

    def refuse(name):
        raise error

    openvino_engine._load.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr(openvino_engine.importlib, "import_module", refuse)
        yield
    openvino_engine._load.cache_clear()


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


def test_a_graphics_processor_is_chosen_where_there_is_one(monkeypatch):
    monkeypatch.setattr(engines, "_device", lambda: "cuda")
    assert choose() == Choice("torch", "cuda")
    assert choose("openvino") == Choice("openvino", "cpu")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("tensorrt",), "engine tensorrt: not known; use one of openvino, torch"),
        ((None, None, "fp64"), "precision fp64: not known; use one of fp32, bf16"),
        (("openvino", "cuda"), "device cuda: OpenVINO runs on the CPU here"),
    ],
)
def test_what_is_unknown_or_does_not_go_together_is_one_line(arguments, said):
    with pytest.raises(InfNetError, match=said):
        choose(*arguments)


def test_bf16_is_refused_where_the_chip_has_none(monkeypatch, cached):
    monkeypatch.setattr(openvino_engine, "best_precision", lambda: "fp32")
    with pytest.raises(InfNetError, match="bf16: this processor does not compute in it; use fp32"):
        OpenVINOEngine(Scale, "key", (1, 4, 4), "bf16")
    assert OpenVINOEngine(Scale, "key", (1, 4, 4)).precision == "fp32"


def test_open_engine_opens_what_was_chosen(cached):
    assert isinstance(open_engine(Scale, "k", (1, 4, 4), Choice("torch", "cpu")), TorchEngine)
    opened = open_engine(Scale, "k", (1, 4, 4), Choice("openvino", "cpu", "fp32", threads=1))
    assert isinstance(opened, OpenVINOEngine)
    assert opened.parallel == 1  # one thread, one call


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
