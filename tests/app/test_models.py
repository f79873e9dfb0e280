"""The networks that all sessions share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import infnet
from app.core import models


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    yield
    models._warming.clear()
    models.renew()


@pytest.mark.parametrize("broken", [False, True])
def test_networks_are_built_before_anybody_runs_them_once(monkeypatch: pytest.MonkeyPatch, broken: bool) -> None:
    built = []

    def build(infection: str | None) -> object:
        built.append(infection)
        if broken:
            raise infnet.InfNetError("no weights")
        return built

    monkeypatch.setattr(infnet, "load_engines", build)
    models.warm()
    assert not built, "no server, nobody who waits"
    monkeypatch.setattr(models, "exists", lambda: True)
    models.warm()
    models._warming().join(60)
    models.warm()
    models._warming().join(60)
    assert built == [None]
    if broken:
        with pytest.raises(infnet.InfNetError, match="no weights"):
            models.engines(None)
    else:
        assert models.engines(None) is built
    assert len(built) == 1 + broken, "the networks of a run are those that were built ahead"
