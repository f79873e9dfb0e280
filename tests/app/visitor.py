"""A browser's side of the app's web socket, without the browser: cheap enough that many can come at once."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import httpx
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.Common_pb2 import FileUploaderState, FileURLsRequest, UploadedFileInfo
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from websockets.sync.client import connect

from app.core.browser import COOKIE

PATIENCE = 120.0  # seconds for one answer; a busy machine is slow, and not broken


class Visitor:
    """One session of the app at `url`. `elements` are what the last run of its script drew."""

    def __init__(self, url: str) -> None:
        self._open = ExitStack()
        self._http = self._open.enter_context(httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE))
        self._http.get("/_stcore/health").raise_for_status()
        self._token = self._http.cookies[COOKIE]
        self._socket = self._open.enter_context(
            connect(
                f"ws://{urlsplit(url).netloc}/_stcore/stream",
                subprotocols=["streamlit", self._token],  # type: ignore[list-item]
                additional_headers={"Cookie": f"{COOKIE}={self._token}"},
                proxy=None,
                max_size=None,
            )
        )
        self._pages: dict[str, str] = {}
        self._page = self._session = ""
        self.elements: list[Any] = []
        self._run()

    def close(self) -> None:
        self._open.close()

    def go(self, title: str) -> None:
        """Open a page of the navigation."""
        self._page = self._pages[title]
        self._run()

    def press(self, label: str) -> None:
        (button,) = self.all("button", label)
        self._run(WidgetState(id=button.id, trigger_value=True))

    def upload(self, name: str, content: bytes) -> None:
        """Give a file to the one uploader on the page."""
        (uploader,) = self.all("file_uploader")
        ask = FileURLsRequest(request_id="upload", file_names=[name], session_id=self._session)
        self._socket.send(BackMsg(file_urls_request=ask).SerializeToString())
        while (answer := self._receive()).WhichOneof("type") != "file_urls_response":
            pass
        (place,) = answer.file_urls_response.file_urls
        sent = self._http.put(place.upload_url, files={"file": (name, content)}, headers={"X-Xsrftoken": self._token})
        sent.raise_for_status()
        info = UploadedFileInfo(file_id=place.file_id, name=name, size=len(content), file_urls=place)
        self._run(WidgetState(id=uploader.id, file_uploader_state_value=FileUploaderState(uploaded_file_info=[info])))

    def all(self, kind: str, label: str | None = None) -> list[Any]:
        """The elements of a kind that the last run drew, by the name that Streamlit's messages have for it."""
        found = [getattr(each, kind) for each in self.elements if each.WhichOneof("type") == kind]
        return [each for each in found if label is None or each.label == label]

    def metrics(self) -> dict[str, str]:
        return {metric.label: metric.body for metric in self.all("metric")}

    def _run(self, *states: WidgetState) -> None:
        """Let the script run, and take what it draws, until it has come to its end."""
        state = ClientState(page_script_hash=self._page, widget_states=WidgetStates(widgets=states))
        self._socket.send(BackMsg(rerun_script=state).SerializeToString())
        self.elements = []
        while True:
            message = self._receive()
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self.elements, self._session = [], message.new_session.initialize.session_id
            elif kind == "navigation":
                self._pages = {page.page_name: page.page_script_hash for page in message.navigation.app_pages}
                self._page = message.navigation.page_script_hash
            elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
                self.elements.append(message.delta.new_element)
            elif kind == "script_finished" and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                break
        assert not self.all("exception"), self.all("exception")

    def _receive(self) -> ForwardMsg:
        message = ForwardMsg()
        message.ParseFromString(self._socket.recv(PATIENCE))  # type: ignore[arg-type]
        return message
