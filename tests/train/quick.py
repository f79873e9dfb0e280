"""Options with which a training program is done in seconds."""

from __future__ import annotations

QUICK = ["--batch", "8", "--learning-rate", "2e-3", "--warmup", "5", "--ema", "0.9", "--precision", "fp32"]
# Narrow, so that a minute of one core is enough to learn the slices of `making`.
NARROW = '{"backbone": "resnet10t", "decoder_width": 16, "edge_width": 16, "attention_widths": [32, 16, 16]}'
SLIM = ["--size", "96", "--options", NARROW]
TINY = ["--size", "64", "--options", '{"backbone": "resnet10t"}']
