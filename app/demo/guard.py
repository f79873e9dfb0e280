"""Who may ask the demo for what: known hosts only, a visitor's files for that visitor only, and nobody too often."""

from __future__ import annotations

import hmac
import os
import secrets
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable
from http.cookies import SimpleCookie
from pathlib import Path
from threading import Lock
from urllib.parse import parse_qs, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

import infnet

COOKIE = "infnet_visitor"
HERE = ("localhost", "127.0.0.1", "::1")
FILES = ("/gradio_api/file=", "/gradio_api/file/", "/file=", "/file/")  # Gradio's addresses of a file
WRONG_LOGINS = 10  # in one LOGIN_SECONDS, of all visitors together: through a share link all have one address
LOGIN_SECONDS = 60.0
UPLOADS = 8  # at the same time
SESSIONS = 10_000  # whose owners are known; the oldest goes first
ROOM = 1 << 30  # bytes of the disk that uploads leave free


def hosts(text: str | None) -> tuple[str, ...]:
    """Names by which the demo may be asked for: this machine's, and those in `text`, separated by commas."""
    return (*HERE, *(name.strip().lower() for name in (text or "").split(",") if name.strip()))


class Owners:
    """Whose each part of the demo's folder is: by its name, what only the visitor's cookie holds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._visitors: dict[str, str] = {}
        self._sessions: dict[str, str] = {}

    def give(self, part: Path, visitor: str | None) -> None:
        """Let a visitor have a part of the folder; nobody, where they keep no cookie."""
        if visitor:
            self._visitors[part.name] = visitor
        gone = [name for name in list(self._visitors) if not (self.folder / name).exists()]
        for name in gone:
            self._visitors.pop(name, None)

    def may(self, visitor: str | None, path: str) -> bool:
        """Whether a file is this visitor's own."""
        try:
            inside = Path(path).resolve().relative_to(self.folder).parts
        except (ValueError, OSError):
            return False
        owner = self._visitors.get(inside[0]) if inside else None
        return bool(owner and visitor) and hmac.compare_digest(str(owner).encode(), str(visitor).encode())

    def may_hear(self, visitor: str | None, session: str) -> bool:
        """Whether a session of the page, and so what it is told, is this visitor's: of whoever named it first."""
        if visitor and session not in self._sessions:
            while len(self._sessions) >= SESSIONS:
                del self._sessions[next(iter(self._sessions))]
            self._sessions[session] = visitor
        owner = self._sessions.get(session)
        return bool(owner and visitor) and hmac.compare_digest(str(owner).encode(), str(visitor).encode())

    def check(self, visitor: str | None, paths: Iterable[str]) -> None:
        """Raises InfNetError unless all files are this visitor's own uploads, and still there."""
        if not all(self.may(visitor, path) and Path(path).is_file() for path in paths):
            raise infnet.InfNetError("upload: no longer here; choose the files again")


class Login:
    """One user and password, compared in a time that says nothing about them."""

    def __init__(self, user: str, password: str) -> None:
        self._user, self._password = user.encode(), password.encode()

    def __call__(self, user: str, password: str) -> bool:
        right = hmac.compare_digest(user.encode(), self._user)
        return hmac.compare_digest(password.encode(), self._password) and right


class Guard:
    """Stands before the demo. `clock` in seconds."""

    def __init__(
        self, app: ASGIApp, owners: Owners, allowed: tuple[str, ...], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._app, self._owners, self._allowed, self._clock = app, owners, allowed, clock
        self._wrong: deque[float] = deque()
        self._lock, self._uploads = Lock(), 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if not self._known(headers.get("host", "")):
            await _refuse(send, 421, "This name is not known here; give it to the program as INFNET_HOSTS", scope)
            return
        visitor, path = visitor_of(headers.get("cookie")), str(scope["path"])
        asked = _file(path)
        if asked is not None and not self._owners.may(visitor, asked):
            await _refuse(send, 403, "Not yours, or no longer here")
        elif (session := _session(scope)) and not self._owners.may_hear(visitor, session):
            await _refuse(send, 403, "Not your session")
        elif scope.get("method") == "POST" and path.rstrip("/").endswith("/login"):
            await self._log_in(scope, receive, send)
        elif scope.get("method") == "POST" and path.rstrip("/").endswith("/upload"):
            await self._upload(scope, receive, send, headers.get("content-length", ""))
        else:
            await self._app(scope, receive, send if visitor else _with_cookie(send))

    def _known(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        return "@" not in host and any(
            name == known or (known.startswith("*.") and name.endswith(known[1:])) for known in self._allowed
        )

    async def _log_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        now = self._clock()
        while self._wrong and now - self._wrong[0] >= LOGIN_SECONDS:
            self._wrong.popleft()
        if len(self._wrong) >= WRONG_LOGINS:
            await _refuse(send, 429, "Too many wrong logins; try again in a minute")
            return
        self._wrong.append(now)  # counted before it is answered: many may ask at once

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400 and now in self._wrong:
                self._wrong.remove(now)
            await send(message)

        await self._app(scope, receive, answer)

    async def _upload(self, scope: Scope, receive: Receive, send: Send, length: str) -> None:
        size = int(length) if length.isdecimal() else 0
        if shutil.disk_usage(self._owners.folder).free - size < ROOM:
            await _refuse(send, 507, "No room for this upload now; try again later")
            return
        with self._lock:
            busy = self._uploads >= UPLOADS
            self._uploads += not busy
        if busy:
            await _refuse(send, 503, "Busy with other uploads; try again in a minute")
            return
        try:
            await self._app(scope, receive, send)
        finally:
            with self._lock:
                self._uploads -= 1


def visitor_of(cookies: str | None) -> str | None:
    """What the visitor's cookie holds, of a request's header."""
    held = SimpleCookie(cookies or "").get(COOKIE)
    return held.value if held and held.value else None


def _file(path: str) -> str | None:
    """The file on disk that a request wants to have, if it is one for a file."""
    for way in FILES:
        if path.startswith(way):
            return path.removeprefix(way)
    return "" if "/file=" in path else None  # a way that is not known here leads to no file


def _session(scope: Scope) -> str:
    """The session that a request wants to hear, if it is one for that."""
    query: bytes = scope.get("query_string", b"")
    return parse_qs(query.decode("latin-1")).get("session_hash", [""])[0]


def _with_cookie(send: Send) -> Send:
    """Give a visitor a cookie that no script of a page can read."""
    cookie = f"{COOKIE}={secrets.token_urlsafe(32)}; Path=/; HttpOnly; SameSite=Lax".encode()

    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (b"set-cookie", cookie)]
        await send(message)

    return answer


async def _refuse(send: Send, status: int, text: str, scope: Scope | None = None) -> None:
    if scope is not None and scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    body = f'{{"detail": "{text}"}}'.encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def allowed_hosts(share: bool) -> tuple[str, ...]:
    """The names of this machine, those in INFNET_HOSTS and, where it is shared, those of Gradio's links."""
    return hosts(os.environ.get("INFNET_HOSTS")) + (("*.gradio.live",) if share else ())
