"""The app: page set-up and reading order. Start it with `make app` or `streamlit run app/main.py`."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app.core import models, session
from app.views import about, check, compare, numbers, study, viewer
from app.views.parts import panels

st.set_page_config("infnet", Path(__file__).with_name("icon.png"), "wide", menu_items={"About": panels.ABOUT})

PAGES = {
    "study": st.Page(study.page, title="Study", icon=":material/folder_open:", url_path="study", default=True),
    "viewer": st.Page(viewer.page, title="Viewer", icon=":material/image:", url_path="viewer"),
    "numbers": st.Page(numbers.page, title="Numbers", icon=":material/table_chart:", url_path="numbers"),
    "compare": st.Page(compare.page, title="Compare", icon=":material/compare_arrows:", url_path="compare"),
    "check": st.Page(check.page, title="Check", icon=":material/fact_check:", url_path="check"),
    "about": st.Page(about.page, title="About", icon=":material/info:", url_path="about"),
}
page = st.navigation(list(PAGES.values()), position="top")
session.case()
session.keep_settings()
if (wanted := session.next_page(page.url_path or "study")) is not None:
    st.switch_page(PAGES[wanted])
panels.frame(page.title)
page.run()
panels.footer()
models.warm()
