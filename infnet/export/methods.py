"""A methods paragraph to paste into a paper: what was run, with which versions, weights and thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infnet.study import Segmentation

CITATION = (
    "Fan D-P, Zhou T, Ji G-P, Zhou Y, Chen G, Fu H, Shen J, Shao L. Inf-Net: Automatic COVID-19 Lung Infection "
    "Segmentation From CT Images. IEEE Transactions on Medical Imaging 2020;39(8):2626-2637. "
    "doi:10.1109/TMI.2020.2996645"
)
HASH = 12  # digits of a SHA-256 that tell weights apart in print


def methods(result: Segmentation) -> str:
    """One paragraph in plain English from the provenance of a result, then the citation; what it lacks is left out."""
    facts = result.provenance
    models = facts.get("models", {})
    version = f" {facts['infnet']}" if "infnet" in facts else ""
    sentences = [f"Lung infection was segmented with infnet{version}, an implementation of Inf-Net (Fan et al. 2020)."]
    if "window_hu" in facts:
        low, high = facts["window_hu"]
        sentences.append(f"Each axial slice was cut to the lungs and shown in a window of {low:g} to {high:g} HU.")
    tasks = (
        ("lungs", "The lungs were found by {model}"),
        ("infection", "Infection within the lungs was found by {model}"),
        ("classes", "Infection was split into ground-glass opacity and consolidation by {model}"),
    )
    sentences += [f"{task.format(model=_model(models[role]))}." for role, task in tasks if role in models]
    if "threshold" in facts:
        least = result.consolidation_threshold
        share = "half" if least == 0.5 else f"{100 * least:g} %"
        sentences.append(
            f"A pixel counted as lesion from an infection probability of {facts['threshold']:g}, and as consolidation "
            f"where that made up at least {share} of it."
        )
    for key, unit in (("smallest_mm2", "mm2"), ("smallest_pixels", "pixels")):
        if facts.get(key):
            sentences.append(f"Lesions of less than {facts[key]:g} {unit} in a slice were dropped.")
    edited = f"corrected {facts['corrected']}" if "corrected" in facts else "not edited by a reader"
    sentences.append(
        "Involvement is the lesion within the lungs as a share of the lungs, lesion included. The masks were "
        f"{edited}; the software is for research use only."
    )
    return " ".join(sentences) + f"\n\n{CITATION}"


def _model(facts: Mapping[str, Any]) -> str:
    details = [f"SHA-256 {facts['sha256'][:HASH]}"] if "sha256" in facts else []
    if "input_size" in facts:
        details.append(f"input {facts['input_size']} x {facts['input_size']} pixels")
    if "engine" in facts:
        details.append(f"run by {facts['engine']}")
    name = f"the network {facts.get('name', 'unknown')}"
    return f"{name} ({', '.join(details)})" if details else name
