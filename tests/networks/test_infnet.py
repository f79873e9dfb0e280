"""Inf-Net against a second writing of the paper, made of plain functions over the reference checkpoint's keys."""

from __future__ import annotations

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import Tensor

from infnet.errors import WeightsError
from infnet.networks.infnet import InfNet
from infnet.weights import load_reference

KERNELS = {
    "branch0": [(1, 1)],
    "branch1": [(1, 1), (1, 3), (3, 1), (3, 3)],
    "branch2": [(1, 1), (1, 5), (5, 1), (3, 3)],
    "branch3": [(1, 1), (1, 7), (7, 1), (3, 3)],
}
DILATION = {"branch1": 3, "branch2": 5, "branch3": 7}


def unit_shapes() -> dict[str, tuple[int, int, tuple[int, int]]]:
    """Every convolution + batch norm of the reference: name -> (inputs, outputs, kernel)."""
    units: dict[str, tuple[int, int, tuple[int, int]]] = {}
    for block, inputs in (("rfb2_1", 512), ("rfb3_1", 1024), ("rfb4_1", 2048)):
        for branch, kernels in KERNELS.items():
            for i, kernel in enumerate(kernels):
                units[f"{block}.{branch}.{i}"] = (inputs if i == 0 else 32, 32, kernel)
        units[f"{block}.conv_cat"] = (128, 32, (3, 3))
        units[f"{block}.conv_res"] = (inputs, 32, (1, 1))
    for i in range(1, 5):
        units[f"ParDec.conv_upsample{i}"] = (32, 32, (3, 3))
    for name, width in (("conv_upsample5", 64), ("conv_concat2", 64), ("conv_concat3", 96), ("conv4", 96)):
        units[f"ParDec.{name}"] = (width, width, (3, 3))
    units |= {
        "ra4_conv1": (2048, 256, (1, 1)),
        "ra4_conv2": (320, 256, (5, 5)),
        "ra4_conv3": (256, 256, (5, 5)),
        "ra4_conv4": (256, 256, (5, 5)),
        "ra4_conv5": (256, 1, (1, 1)),
    }
    for stage, inputs in (("ra3", 1024), ("ra2", 512)):
        units |= {
            f"{stage}_conv1": (inputs, 64, (1, 1)),
            f"{stage}_conv2": (128, 64, (3, 3)),
            f"{stage}_conv3": (64, 64, (3, 3)),
            f"{stage}_conv4": (64, 1, (3, 3)),
        }
    units |= {
        "edge_conv1": (256, 64, (1, 1)),
        "edge_conv2": (64, 64, (3, 3)),
        "edge_conv3": (64, 64, (3, 3)),
        "edge_conv4": (64, 1, (3, 3)),
    }
    return units


@pytest.fixture(scope="module")
def reference_state() -> dict[str, Tensor]:
    """A state dict as the reference saves it, with random weights that keep activations in range."""
    torch.manual_seed(0)
    backbone = timm.create_model("res2net50d", pretrained=False)  # with `fc`, as in the reference
    state = {f"resnet.{k}": v.clone() for k, v in backbone.state_dict().items()}
    for name, (inputs, outputs, (rows, columns)) in unit_shapes().items():
        scale = (inputs * rows * columns) ** -0.5
        state[f"{name}.conv.weight"] = torch.randn(outputs, inputs, rows, columns) * scale
        state[f"{name}.bn.weight"] = torch.rand(outputs) + 0.5
        state[f"{name}.bn.bias"] = torch.randn(outputs) * 0.1
        state[f"{name}.bn.running_mean"] = torch.randn(outputs) * 0.1
        state[f"{name}.bn.running_var"] = torch.rand(outputs) + 0.5
        state[f"{name}.bn.num_batches_tracked"] = torch.tensor(1)
    state["ParDec.conv5.weight"] = torch.randn(1, 96, 1, 1) * 0.1
    state["ParDec.conv5.bias"] = torch.randn(1) * 0.1
    return state


def forward_by_functions(state: dict[str, Tensor], x: Tensor) -> tuple[Tensor, ...]:
    """The reference's outputs (S_g, S_5, S_4, S_3, edge), upsampled to the input."""
    backbone = timm.create_model("res2net50d", pretrained=False)
    backbone.load_state_dict({k.removeprefix("resnet."): v for k, v in state.items() if k.startswith("resnet.")})
    _, f2, f3, f4, f5 = backbone.eval().forward_intermediates(x, intermediates_only=True)

    def unit(name: str, x: Tensor, dilation: int = 1) -> Tensor:
        w = state[f"{name}.conv.weight"]
        y = F.conv2d(x, w, padding=[k // 2 * dilation for k in w.shape[2:]], dilation=dilation)
        bn = [state[f"{name}.bn.{k}"] for k in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(y, *bn)

    def scale(x: Tensor, factor: float, corners: bool = False) -> Tensor:
        return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=corners)

    def rfb(block: str, f: Tensor) -> Tensor:
        branches = []
        for branch, kernels in KERNELS.items():
            y = f
            for i in range(len(kernels)):
                y = unit(f"{block}.{branch}.{i}", y, DILATION[branch] if i == 3 else 1)
            branches.append(y)
        return F.relu(unit(f"{block}.conv_cat", torch.cat(branches, 1)) + unit(f"{block}.conv_res", f))

    r3, r4, r5 = rfb("rfb2_1", f3), rfb("rfb3_1", f4), rfb("rfb4_1", f5)
    up5 = scale(r5, 2, True)
    p4 = unit("ParDec.conv_upsample1", up5) * r4
    p3 = unit("ParDec.conv_upsample2", scale(up5, 2, True)) * unit("ParDec.conv_upsample3", scale(r4, 2, True)) * r3
    q4 = unit("ParDec.conv_concat2", torch.cat([p4, unit("ParDec.conv_upsample4", up5)], 1))
    q3 = unit("ParDec.conv_concat3", torch.cat([p3, unit("ParDec.conv_upsample5", scale(q4, 2, True))], 1))
    s_g = F.conv2d(unit("ParDec.conv4", q3), state["ParDec.conv5.weight"], state["ParDec.conv5.bias"])

    e_att = unit("edge_conv3", unit("edge_conv2", unit("edge_conv1", f2)))

    def reverse(stage: str, f: Tensor, deeper: Tensor, down: float, refine: range, head: int) -> Tensor:
        y = torch.cat([unit(f"{stage}_conv1", f * (1 - torch.sigmoid(deeper))), scale(e_att, down)], 1)
        for i in refine:
            y = F.relu(unit(f"{stage}_conv{i}", y))
        return unit(f"{stage}_conv{head}", y) + deeper

    s5 = reverse("ra4", f5, scale(s_g, 0.25), 1 / 8, range(2, 5), 5)
    s4 = reverse("ra3", f4, scale(s5, 2), 1 / 4, range(2, 4), 4)
    s3 = reverse("ra2", f3, scale(s4, 2), 1 / 2, range(2, 4), 4)
    return scale(s_g, 8), scale(s5, 32), scale(s4, 16), scale(s3, 8), scale(unit("edge_conv4", e_att), 4)


def test_reference_checkpoint_gives_the_reference_outputs(reference_state, tmp_path):
    path = tmp_path / "Semi-Inf-Net-100.pth"
    torch.save(reference_state, path)
    network = load_reference(path)
    assert not network.training
    x = torch.randn(2, 3, 352, 352, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        ours = network(x)
        s_g, s5, s4, s3, edge = forward_by_functions(reference_state, x)
    for name, theirs in (("s_g", s_g), ("s5", s5), ("s4", s4), ("s3", s3), ("edge", edge)):
        mine = getattr(ours, name)
        assert mine.shape == (2, 1, 352, 352)
        assert theirs.std() > 1e-3, f"{name} is flat: the comparison would say nothing"
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)


def test_reference_checkpoint_with_a_key_too_few_or_too_many_is_refused(reference_state, tmp_path):
    fewer = dict(reference_state)
    del fewer["ra2_conv4.conv.weight"]
    more = {**reference_state, "crf.weight": torch.zeros(1)}
    for state in (fewer, more):
        torch.save(state, tmp_path / "x.pth")
        with pytest.raises(WeightsError, match="does not fit InfNet"):
            load_reference(tmp_path / "x.pth")


def test_unreadable_reference_checkpoints_name_the_file(tmp_path):
    with pytest.raises(WeightsError, match=r"none\.pth: no such file"):
        load_reference(tmp_path / "none.pth")
    (tmp_path / "text.pth").write_text("not a checkpoint")
    with pytest.raises(WeightsError, match=r"text\.pth: not a readable checkpoint"):
        load_reference(tmp_path / "text.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="no plain state dict"):
        load_reference(tmp_path / "list.pth")


def test_parameter_count_is_the_published_one():
    assert round(sum(p.numel() for p in InfNet().parameters()) / 1e6, 2) == 31.07


def test_sides_must_be_multiples_of_32():
    with pytest.raises(ValueError, match="multiples of 32"):
        InfNet()(torch.zeros(1, 3, 100, 96))


def test_every_parameter_is_used():
    network = InfNet()
    sum(o.mean() for o in network(torch.randn(2, 3, 64, 64))).backward()
    assert [n for n, p in network.named_parameters() if p.grad is None] == []
