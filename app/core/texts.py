"""Sentences that the app and the demo both show."""

from __future__ import annotations

RESEARCH_USE = "Research use only. Not for clinical use."
LABELS = {
    "Axial": "Slice, from the feet to the head",
    "Coronal": "Slice, from front to back",
    "Sagittal": "Slice, from the patient's right to the left",
}
