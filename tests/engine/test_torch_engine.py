from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from infnet.engine import TorchEngine, torch_engine
from infnet.errors import InfNetError
from tests.engine.making import Constant, Scale
from tests.notices import texts

TORCH = torch.__version__.split("+")[0]


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


def test_one_channel_goes_through_a_sigmoid():
    probability = TorchEngine(Constant([0.0]), "cpu")(np.zeros((2, 1, 8, 8), np.float32))
    assert probability.shape == (2, 1, 8, 8)
    assert probability.dtype == np.float32
    assert (probability == 0.5).all()


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
    probability = TorchEngine(Constant([0.0, 0.0, float(np.log(2))]), "cpu")(np.zeros((1, 6, 4, 4), np.float32))
    assert np.allclose(probability[0, :, 0, 0], [0.25, 0.25, 0.5])


def test_the_prediction_of_infnet_is_its_s3():
    probability = TorchEngine(Constant([0.0], staged=True), "cpu")(np.zeros((1, 3, 4, 4), np.float32))
    assert (probability == 0.5).all()


def test_name_tells_library_device_and_precision():
    assert TorchEngine(Constant([0.0]), "cpu").name == f"torch {TORCH} cpu fp32"
    assert TorchEngine(Constant([0.0]), "cpu", "bf16").name == f"torch {TORCH} cpu bf16"


@pytest.mark.parametrize("device", ["no-such-device", "cuda:99"])
def test_a_device_that_is_not_there_is_one_line(device):
    with pytest.raises(InfNetError, match=f"device {device}: not usable here; use one of cpu"):
        TorchEngine(Constant([0.0]), device)


def test_more_slices_than_a_batch_come_back_in_their_order():
    batch = np.arange(10, dtype=np.float32)[:, None, None, None].repeat(4, 2).repeat(4, 3) / 10
    probability = TorchEngine(Scale(), "cpu")(batch)
    assert np.allclose(probability, 1 / (1 + np.exp(-2 * batch)), atol=1e-6)


def test_where_memory_runs_out_the_batch_is_halved_and_that_is_said():
    network = Cramped(room=2)
    engine = TorchEngine(network, "cpu")
    engine.batch = 8
    probability = engine(np.zeros((5, 1, 4, 4), np.float32))
    assert probability.shape == (5, 1, 4, 4)
    assert (probability == 0.5).all()
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


@pytest.mark.parametrize("words", ["CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"])
def test_a_device_that_cannot_even_hold_the_network_is_done_without(words):
    class Large(Constant):
        def to(self, *arguments, **options):
            if torch.device("meta") in arguments:
                raise RuntimeError(words)
            return super().to(*arguments, **options)

    engine = TorchEngine(Large([0.0]), "meta")
    assert (engine(np.zeros((3, 1, 4, 4), np.float32)) == 0.5).all()
    assert engine.name == f"torch {TORCH} cpu fp32"
    assert texts(engine) == ("Memory of meta ran out even for the network: the processor took over.",)


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
