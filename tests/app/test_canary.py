"""A word in every place that can name a patient turns up nowhere: not on a page, in a file, a message or a log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from gradio_client.exceptions import AppError
from streamlit.testing.v1 import AppTest

import infnet
from app.core.uploads import read_upload
from app.views.parts import downloads
from tests.app.apptest import finish, go, press, upload
from tests.app.examples import small
from tests.app.test_gradio_demo import segment, served, visiting
from tests.canary import BROKEN, WORD, Files, broken, everything, packed, slices, texts
from tests.fakes import fake_engines

PAGES = ("Study", "Viewer", "Numbers", "Compare", "Check", "About")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """A study of a patient whom everything names."""
    return slices(small(), tmp_path / "dicom")


def test_no_page_no_file_no_log_and_no_folder_holds_it(
    app: AppTest,
    files: Files,
    temporary: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    offered: dict[str, bytes] = {}

    def keep(label: str, data: Any, name: str, *_: str, disabled: bool = False) -> None:
        if not disabled:
            offered[name] = data if isinstance(data, bytes) else data()

    monkeypatch.setattr(downloads, "button", keep)
    for uploaded in (files, [(f"{WORD}.zip", packed(files))], [*files, (f"{WORD}.txt", WORD.encode())]):
        offered.clear()
        finish(upload(app, *uploaded))
        for title in PAGES:
            go(app, title)
            assert not app.exception, title
            assert WORD not in str(app), title
            assert WORD not in str(dict(app.query_params)), title
        assert len(offered) >= 6
        for name, data in offered.items():
            assert WORD not in name + texts(data), name
        assert not list(temporary.rglob("*"))
        press(go(app, "Study"), "Close study")
    said = capfd.readouterr()
    assert WORD not in said.out + said.err + caplog.text


class File:
    """An uploaded file."""

    def __init__(self, name: str, content: bytes) -> None:
        self.name, self._content = name, content

    def getbuffer(self) -> memoryview:
        return memoryview(self._content)


@pytest.mark.parametrize("kind", BROKEN)
def test_no_message_about_a_file_holds_it(kind: str, files: Files, temporary: Path) -> None:
    with pytest.raises(infnet.InfNetError) as error:
        read_upload([File(name, content) for name, content in broken(files)[kind]])
    line = str(error.value)
    assert WORD[:5].lower() not in line.lower(), line
    assert "; " in line, "it still says what to do"
    assert str(temporary) not in line
    assert not list(temporary.rglob("*"))


@pytest.mark.server
def test_the_demo_hands_it_to_nobody(
    files: Files, temporary: Path, tmp_path: Path, capfd: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """All that a client is told or sent, all that lies in the demo's folder, and its log."""
    kept, upload = tmp_path / "kept", tmp_path / "upload"
    kept.mkdir()
    upload.mkdir()
    (upload / f"{WORD}.zip").write_bytes(packed(files))
    (upload / f"{WORD}.txt").write_text(WORD)
    said: list[str] = []
    with served(kept, fake_engines()) as url, visiting(url, tmp_path / "fetched") as client:
        said.append(json.dumps(segment(client, upload / f"{WORD}.zip", upload / f"{WORD}.txt")))
        said.append(everything(kept))
        said.append(json.dumps(client.predict(2, "Wide", api_name="/slice")))
        said.append(everything(tmp_path / "fetched"))
        assert "infnet.zip" in said[1]
        for kind, unreadable in broken(files).items():
            paths = [upload / name for name, _ in unreadable]
            for path, (_, content) in zip(paths, unreadable, strict=True):
                path.write_bytes(content)
            with pytest.raises(AppError) as error:
                segment(client, *paths)
            assert "; " in str(error.value), kind
            said.append(str(error.value))
        said.append(everything(kept))
    said += [everything(temporary), *capfd.readouterr(), caplog.text]
    for text in said:
        assert WORD[:5].lower() not in text.lower(), text[:500]
