"""The app: page set-up and reading order. Start it with `make app` or `streamlit run app/main.py`."""

from __future__ import annotations

import sys
from pathlib import Path

import streamlit as st

sys.path.insert(0, str(Path(__file__).parents[1]))  # streamlit puts this folder on the path, not the project's

from app import panels

st.set_page_config("infnet", Path(__file__).with_name("icon.png"), "wide", menu_items={"About": panels.ABOUT})

panels.header()
study = panels.study()
if study is not None:
    result = panels.run(study)
    if result is not None:
        panels.result(panels.millimetres(study), result)
panels.footer()
