"""From a study to its segmentation: the networks' inputs, the lungs, and `segment`, which knows the order of things."""

from infnet.pipeline.inputs import grey_slices
from infnet.pipeline.lungs import find_lungs
from infnet.pipeline.models import Engines, Model, load_engines
from infnet.pipeline.run import Growing, segment

__all__ = ["Engines", "Growing", "Model", "find_lungs", "grey_slices", "load_engines", "segment"]
