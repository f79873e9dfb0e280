"""Sentences that the app and the demo both show."""

from __future__ import annotations

RESEARCH_USE = "Research use only. Not for clinical use."
