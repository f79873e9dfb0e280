"""The page that says what this is: models, versions, a methods paragraph, licence."""

from __future__ import annotations

import platform
import re
from importlib.metadata import PackageNotFoundError, version

import streamlit as st

import infnet
from app.core import runs, session, units
from app.views.parts import panels
from infnet import weights
from infnet.export.methods import CITATION, methods

PACKAGES = ("torch", "openvino", "numpy", "pydicom", "nibabel", "streamlit")
LICENCE = (
    "The code is under the MIT licence. **The weights are for non-commercial use only**, because the COVID-SemiSeg "
    "data that they were trained on are."
)


def page() -> None:
    """Draw the page."""
    st.header("Research use only", anchor=False)
    st.write(
        "infnet marks COVID-19 infection in chest CT, for research and teaching. It is **not** a medical device, no "
        "authority has cleared it, and its masks can be wrong in ways that look right. It knows COVID-19 pneumonia "
        "only: other disease in the lung may be marked as infection."
    )
    left, right = st.container(key="wide").columns([3, 2], gap="large")
    with left:
        _methods()
        _models()
    with right:
        st.header("Citation", anchor=False)
        st.code(CITATION, language=None, wrap_lines=True)
        st.header("Licence", anchor=False)
        st.write(LICENCE)
        st.header("Versions", anchor=False)
        versions = {"infnet": infnet.__version__, "Python": platform.python_version(), **_versions()}
        panels.table({"Package": list(versions), "Version": list(versions.values())}, "Versions of the packages")


def _methods() -> None:
    st.header("Methods, to paste into a paper", anchor=False)
    reading = runs.reading(session.exam())
    if reading is None:
        st.caption("Open a study: this paragraph then names its networks, weights and thresholds.")
        return
    st.code(methods(reading.result), language=None, wrap_lines=True)


def _models() -> None:
    st.header("Networks", anchor=False)
    try:
        entries = weights.registry().values()
    except infnet.InfNetError as error:
        panels.error(str(error))
        return
    panels.table(
        {
            "Network": [f"**{units.escaped(entry.name)}**" for entry in entries],
            "Finds": [entry.role for entry in entries],
            "Made from": [units.escaped(entry.description) for entry in entries],
            "Weights (SHA-256)": [f"`{entry.sha256[:16]}`" for entry in entries],
            "Threshold": [f"{entry.threshold:g}" for entry in entries],
        },
        "The networks and their weights",
    )
    card = weights.folder() / "README.md"
    if card.is_file():
        with st.expander("Model card: training data, accuracy, limits", icon=":material/description:"):
            st.markdown(re.sub("^#", "###", card.read_text(encoding="utf-8"), flags=re.MULTILINE))  # under "Networks"


def _versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions
