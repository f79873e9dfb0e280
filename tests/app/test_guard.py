"""What stands before the demo: times of logins and numbers of uploads, without a server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from app.demo import guard
from app.demo.guard import HERE, Guard, Login, Owners, hosts


class Server:
    """Answers a login with `status`, and an upload when it is let go."""

    def __init__(self, status: int = 400) -> None:
        self.status, self.go_on = status, asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"].endswith("upload"):
            await self.go_on.wait()
        await send({"type": "http.response.start", "status": self.status, "headers": []})


async def asked(guarded: Guard, path: str, length: str = "1") -> int:
    """The status of a POST."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-length", length.encode())]
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
    await guarded(scope, lambda: None, send)  # type: ignore[arg-type, return-value]
    return int(sent[0]["status"])


def test_wrong_logins_are_counted_for_a_minute_and_right_ones_are_not(tmp_path: Path) -> None:
    now = [0.0]
    server = Server(200)
    guarded = Guard(server, Owners(tmp_path), HERE, lambda: now[0])

    async def tries(count: int) -> list[int]:
        return [await asked(guarded, "/login") for _ in range(count)]

    assert asyncio.run(tries(50)) == [200] * 50
    server.status = 400
    assert asyncio.run(tries(12)) == [400] * 10 + [429] * 2
    now[0] = 59.9
    assert asyncio.run(tries(1)) == [429]
    now[0] = 60.0
    assert asyncio.run(tries(11)) == [400] * 10 + [429]


def test_uploads_at_once_and_their_room_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def many() -> list[int]:
        server = Server(200)
        guarded = Guard(server, Owners(tmp_path), HERE)
        waiting = [asyncio.create_task(asked(guarded, "/gradio_api/upload")) for _ in range(guard.UPLOADS)]
        await asyncio.sleep(0)
        refused = [await asked(guarded, "/gradio_api/upload"), await asked(guarded, "/gradio_api/upload", str(10**18))]
        server.go_on.set()
        return [*refused, *await asyncio.gather(*waiting), await asked(guarded, "/gradio_api/upload")]

    monkeypatch.setattr(guard, "ROOM", 0)
    assert asyncio.run(many()) == [503, 507] + [200] * (guard.UPLOADS + 1)


def test_a_login_is_right_only_as_a_whole() -> None:
    login = Login("wärd", "sécret")
    assert login("wärd", "sécret")
    assert not any(login(*pair) for pair in (("wärd", "x"), ("x", "sécret"), ("", ""), ("wärd", "sécret ")))


def test_hosts_are_this_machines_and_those_given() -> None:
    assert hosts(None) == HERE
    assert hosts(" CT.example.org,, b ") == (*HERE, "ct.example.org", "b")
