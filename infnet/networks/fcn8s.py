"""FCN8s (Long et al., CVPR 2015): VGG-16, and scores of three depths summed. Here it splits infection by class.

The input is the slice and the infection map side by side (paper, section III-D): three grey channels, then three
times the map. Two choices differ from the 2015 network and change no weight shapes: convolutions are padded to keep
size instead of by 100 pixels at the first one, and learned upsampling is fixed to bilinear.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

VGG16 = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # width and number of 3 x 3 convolutions of each stage


class FCN8s(nn.Module):
    """Input (N, `inputs`, H, W), H and W multiples of 32; returns class logits (N, `classes`, H, W).

    width: channels of fc6 and fc7, 4096 as published. batch_norm: after each VGG convolution, for training from
    scratch. shrink: divides the width of every VGG stage, 1 as published.
    """

    def __init__(
        self, inputs: int = 6, classes: int = 3, width: int = 4096, batch_norm: bool = False, shrink: int = 1
    ) -> None:
        super().__init__()
        stages = []
        channels = inputs
        for stage_width, depth in VGG16:
            layers: list[nn.Module] = []
            for _ in range(depth):
                layers.append(nn.Conv2d(channels, stage_width // shrink, 3, padding=1, bias=not batch_norm))
                channels = stage_width // shrink
                if batch_norm:
                    layers.append(nn.BatchNorm2d(channels))
                layers.append(nn.ReLU(inplace=True))
            layers.append(nn.MaxPool2d(2))
            stages.append(nn.Sequential(*layers))
        self.stages = nn.ModuleList(stages)
        self.fc6 = nn.Conv2d(channels, width, 7, padding=3)
        self.fc7 = nn.Conv2d(width, width, 1)
        self.score5 = nn.Conv2d(width, classes, 1)
        self.score4 = nn.Conv2d(512 // shrink, classes, 1)
        self.score3 = nn.Conv2d(256 // shrink, classes, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                if batch_norm:
                    nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
                else:
                    nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-2] % 32 or x.shape[-1] % 32:
            raise ValueError(f"FCN8s takes sides that are multiples of 32, not {tuple(x.shape[-2:])}")
        pools = []
        h = x
        for stage in self.stages:
            h = stage(h)
            pools.append(h)  # 1/2, 1/4, 1/8, 1/16, 1/32

        def up(score: Tensor, like: Tensor) -> Tensor:
            return F.interpolate(score, size=like.shape[-2:], mode="bilinear", align_corners=False)

        h = F.dropout2d(F.relu(self.fc6(h)), 0.5, self.training)
        h = F.dropout2d(F.relu(self.fc7(h)), 0.5, self.training)
        score = up(self.score5(h), pools[3]) + self.score4(pools[3])  # 1/16
        score = up(score, pools[2]) + self.score3(pools[2])  # 1/8
        return up(score, x)
