"""Inf-Net (Fan et al., IEEE TMI 39(8), 2020): find the region coarsely, then draw its boundary.

    x ── Res2Net-50 ── f1 ── f2 ──────────── edge attention ── e_att ── edge
                              └─ f3 ─ f4 ─ f5
                                 └────┴────┴── partial decoder ── S_g
    S_g ── reverse attention on f5 ── S_5 ── on f4 ── S_4 ── on f3 ── S_3 = the prediction

Sizes at the right of the lines are those of a 352 x 352 input. Beyond the paper, any backbone of timm with features at
strides 4 to 32 can take the place of Res2Net-50, and one more reverse attention, on f2, can give S_2 after S_3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

PUBLISHED_BACKBONE = "res2net50d"  # Res2Net-50 v1b, as timm calls it
STRIDES = (4, 8, 16, 32)  # of f2, f3, f4 and f5: input pixels to one of the feature


class InfNetOutput(NamedTuple):
    """Logits, each (N, 1, H, W) at the size of the input; `s3` is the prediction.

    `edge`: None without edge attention. Without reverse attention the first four are one tensor.
    """

    s3: Tensor
    s4: Tensor
    s5: Tensor
    s_g: Tensor
    edge: Tensor | None


class FinerOutput(NamedTuple):
    """`InfNetOutput` with the map of a fourth reverse attention in front: `s2` is the prediction."""

    s2: Tensor
    s3: Tensor
    s4: Tensor
    s5: Tensor
    s_g: Tensor
    edge: Tensor | None


def resize(x: Tensor, size: torch.Size | tuple[int, int], align_corners: bool = False) -> Tensor:
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=align_corners)


class ConvUnit(nn.Module):
    """Convolution without bias, then batch norm; "conv" in the paper's figures. No ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int | tuple[int, int] = 1, dilation: int = 1) -> None:
        super().__init__()
        rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (rows // 2 * dilation, columns // 2 * dilation)
        self.conv = nn.Conv2d(inputs, outputs, (rows, columns), padding=padding, dilation=dilation, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.bn(self.conv(x))
        return y


class ReceptiveFieldBlock(nn.Module):
    """Four branches that look 1, 7, 11 and 15 pixels and more around, joined, plus a shortcut."""

    def __init__(self, inputs: int, outputs: int = 32) -> None:
        super().__init__()
        self.branch0 = nn.Sequential(ConvUnit(inputs, outputs))
        self.branch1 = self._branch(inputs, outputs, 3)
        self.branch2 = self._branch(inputs, outputs, 5)
        self.branch3 = self._branch(inputs, outputs, 7)
        self.conv_cat = ConvUnit(4 * outputs, outputs, 3)
        self.conv_res = ConvUnit(inputs, outputs)

    @staticmethod
    def _branch(inputs: int, outputs: int, k: int) -> nn.Sequential:
        return nn.Sequential(
            ConvUnit(inputs, outputs),
            ConvUnit(outputs, outputs, (1, k)),
            ConvUnit(outputs, outputs, (k, 1)),
            ConvUnit(outputs, outputs, 3, dilation=k),
        )

    def forward(self, x: Tensor) -> Tensor:
        branches = [branch(x) for branch in (self.branch0, self.branch1, self.branch2, self.branch3)]
        return F.relu(self.conv_cat(torch.cat(branches, 1)) + self.conv_res(x))


class PartialDecoder(nn.Module):
    """p_d: each level times the upsampled deeper ones, then joined upward, to one coarse map S_g."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.conv_upsample1 = ConvUnit(width, width, 3)
        self.conv_upsample2 = ConvUnit(width, width, 3)
        self.conv_upsample3 = ConvUnit(width, width, 3)
        self.conv_upsample4 = ConvUnit(width, width, 3)
        self.conv_upsample5 = ConvUnit(2 * width, 2 * width, 3)
        self.conv_concat2 = ConvUnit(2 * width, 2 * width, 3)
        self.conv_concat3 = ConvUnit(3 * width, 3 * width, 3)
        self.conv4 = ConvUnit(3 * width, 3 * width, 3)
        self.conv5 = nn.Conv2d(3 * width, 1, 1)

    def forward(self, r3: Tensor, r4: Tensor, r5: Tensor) -> Tensor:
        def up(x: Tensor, like: Tensor) -> Tensor:
            return resize(x, like.shape[-2:], align_corners=True)

        up5 = up(r5, r4)
        p4 = self.conv_upsample1(up5) * r4  # 32 x 22
        p3 = self.conv_upsample2(up(up5, r3)) * self.conv_upsample3(up(r4, r3)) * r3  # 32 x 44
        q4 = self.conv_concat2(torch.cat((p4, self.conv_upsample4(up5)), 1))  # 64 x 22
        q3 = self.conv_concat3(torch.cat((p3, self.conv_upsample5(up(q4, r3))), 1))  # 96 x 44
        s_g: Tensor = self.conv5(self.conv4(q3))  # 1 x 44
        return s_g


class EdgeAttention(nn.Module):
    """f2 -> e_att, the feature that knows boundaries, and the edge map that teaches it (Eq. 1)."""

    def __init__(self, inputs: int = 256, width: int = 64) -> None:
        super().__init__()
        self.conv1 = ConvUnit(inputs, width)
        self.conv2 = ConvUnit(width, width, 3)
        self.conv3 = ConvUnit(width, width, 3)
        self.conv4 = ConvUnit(width, 1, 3)

    def forward(self, f2: Tensor) -> tuple[Tensor, Tensor]:
        e_att = self.conv3(self.conv2(self.conv1(f2)))
        return e_att, self.conv4(e_att)


class ReverseAttention(nn.Module):
    """Look where the deeper map S does not: R = C(f * (1 - sigmoid S), e_att), then S' = head(R) + S (Eq. 2, 3).

    edge: channels of e_att; 0 where there is no edge attention, and R = f * (1 - sigmoid S).
    """

    def __init__(
        self, inputs: int, width: int, kernel: int, refinements: int, head_kernel: int, edge: int = 64
    ) -> None:
        super().__init__()
        self.reduce = ConvUnit(inputs, width)
        widths = [width + edge] + [width] * refinements
        self.refine = nn.ModuleList(ConvUnit(a, width, kernel) for a in widths[:-1])
        self.head = ConvUnit(width, 1, head_kernel)

    def forward(self, f: Tensor, deeper: Tensor, e_att: Tensor | None) -> Tensor:
        size = f.shape[-2:]
        deeper = resize(deeper, size)
        attention = 1 - torch.sigmoid(deeper)
        r = self.reduce(f * attention)
        if e_att is not None:
            r = torch.cat((r, resize(e_att, size)), 1)
        for unit in self.refine:
            r = F.relu(unit(r))
        s: Tensor = self.head(r) + deeper
        return s


class InfNet(nn.Module):
    """Inf-Net. Input (N, 3, H, W), ImageNet-normalised grey; H and W multiples of 32, 352 as published.

    Returns `InfNetOutput`, or `FinerOutput` with four attention widths: logits at input size, the prediction first; its
    sigmoid is the infection probability.

    backbone: a network of timm with features at strides 4, 8, 16 and 32; the published one is Res2Net-50 v1b.
    partial_decoder, reverse_attention, edge_attention: the parts that Table IV of the paper takes away. Without the
    partial decoder S_g is a 1 x 1 convolution of f5; without reverse attention S_3 is S_g; without edge attention the
    edge map is None. Edge attention serves the reverse attention and needs it (ValueError).
    decoder_width, edge_width: channels inside the partial decoder, and of e_att.
    attention_widths: channels of the reverse attentions on f5, f4 and f3; a fourth number adds one on f2, S_2, and
    makes it the prediction. Raises ValueError for a backbone or a number of widths that does not fit.
    """

    def __init__(
        self,
        backbone: str = PUBLISHED_BACKBONE,
        partial_decoder: bool = True,
        reverse_attention: bool = True,
        edge_attention: bool = True,
        decoder_width: int = 32,
        edge_width: int = 64,
        attention_widths: Sequence[int] = (256, 64, 64),
    ) -> None:
        super().__init__()
        if edge_attention and not reverse_attention:
            raise ValueError("edge attention feeds the reverse attention: switch both off, or both on")
        if len(attention_widths) not in (3, 4):
            raise ValueError(f"{len(attention_widths)} attention widths; give three, or four with one for S_2")
        self.backbone: Any = timm.create_model(backbone, pretrained=False, features_only=True)
        info: Any = self.backbone.feature_info
        strides = info.reduction()
        if not set(STRIDES) <= set(strides):
            raise ValueError(f"backbone {backbone}: features at strides {strides}; choose one with 4, 8, 16 and 32")
        self.levels = [strides.index(stride) for stride in STRIDES]
        low, *high = (info.channels()[level] for level in self.levels)  # 256; 512, 1024, 2048
        edge = edge_width if edge_attention else 0
        if partial_decoder:
            self.rfb3, self.rfb4, self.rfb5 = (ReceptiveFieldBlock(channels, decoder_width) for channels in high)
            self.partial_decoder = PartialDecoder(decoder_width)
        else:
            self.coarse = nn.Conv2d(high[2], 1, 1)
        if edge_attention:
            self.edge_attention = EdgeAttention(low, edge_width)
        fourth = reverse_attention and len(attention_widths) == 4
        if reverse_attention:
            w5, w4, w3, *w2 = attention_widths
            self.ra5 = ReverseAttention(high[2], w5, kernel=5, refinements=3, head_kernel=1, edge=edge)
            self.ra4 = ReverseAttention(high[1], w4, kernel=3, refinements=2, head_kernel=3, edge=edge)
            self.ra3 = ReverseAttention(high[0], w3, kernel=3, refinements=2, head_kernel=3, edge=edge)
            if fourth:
                self.ra2 = ReverseAttention(low, w2[0], kernel=3, refinements=2, head_kernel=3, edge=edge)
        self.parts = (partial_decoder, reverse_attention, edge_attention, fourth)

    def forward(self, x: Tensor) -> InfNetOutput | FinerOutput:
        if x.shape[-2] % 32 or x.shape[-1] % 32:
            raise ValueError(f"Inf-Net takes sides that are multiples of 32, not {tuple(x.shape[-2:])}")
        partial_decoder, reverse_attention, edge_attention, fourth = self.parts
        features = self.backbone(x)
        f2, f3, f4, f5 = (features[level] for level in self.levels)  # 256 x 88, 512 x 44, 1024 x 22, 2048 x 11

        e_att, edge = self.edge_attention(f2) if edge_attention else (None, None)  # 64 x 88, 1 x 88
        # 1 x 44, or 1 x 11 without the partial decoder
        s_g = self.partial_decoder(self.rfb3(f3), self.rfb4(f4), self.rfb5(f5)) if partial_decoder else self.coarse(f5)
        size = x.shape[-2:]
        if not reverse_attention:
            only = resize(s_g, size)
            return InfNetOutput(only, only, only, only, edge=None)
        s5 = self.ra5(f5, s_g, e_att)  # 1 x 11
        s4 = self.ra4(f4, s5, e_att)  # 1 x 22
        s3 = self.ra3(f3, s4, e_att)  # 1 x 44
        m3, m4, m5, m_g = (resize(logits, size) for logits in (s3, s4, s5, s_g))
        output = InfNetOutput(m3, m4, m5, m_g, None if edge is None else resize(edge, size))
        if not fourth:
            return output
        s2 = self.ra2(f2, s3, e_att)  # 1 x 88
        return FinerOutput(resize(s2, size), *output)
