"""The audit fails where a hole is known, and says what it could not look up."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

SPEC = importlib.util.spec_from_file_location("audit", Path(__file__).parents[1] / ".ci" / "audit.py")
assert SPEC
assert SPEC.loader
audit: Any = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(audit)

SAFE = {"name": "a", "version": "1", "vulns": []}
UNSAFE = {"name": "b", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["3"]}]}
UNKNOWN = {"name": "c", "skip_reason": "not found"}


def test_a_known_hole_fails_and_is_named() -> None:
    failed, lines = audit.verdict([SAFE, UNSAFE, UNKNOWN])
    assert failed
    assert lines[0] == "b 2: CVE-1, mended in 3"


@pytest.mark.parametrize("strict", ["", "1"])
def test_what_was_not_looked_up_is_said_and_fails_where_that_is_wanted(
    strict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFNET_AUDIT_STRICT", strict)
    assert audit.verdict([SAFE]) == (False, ["packages: 1 checked"])
    assert audit.verdict([UNKNOWN]) == (
        bool(strict),
        ["packages: 0 checked", "packages: 1 NOT CHECKED, the database does not answer for them (c)"],
    )


@pytest.mark.parametrize(
    ("answer", "failed", "said"),
    [
        ("", False, "packages: NOT CHECKED, no database of advisories can be reached (no route)"),
        (json.dumps({"dependencies": [UNSAFE]}), True, "b 2: CVE-1, mended in 3"),
    ],
)
def test_the_whole_audit(answer: str, failed: bool, said: str, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def run(command: list[str], **_: Any) -> Any:
        return subprocess.CompletedProcess(command, 0, answer if "pip_audit" in command else "", "Traceback\nno route")

    monkeypatch.delenv("INFNET_AUDIT_STRICT", raising=False)
    monkeypatch.setattr(audit.subprocess, "run", run)
    assert audit.main() == failed
    assert said in capsys.readouterr().out
