#!/usr/bin/env python3
"""Look for what is unsafe: bandit reads the code, pip-audit asks for known holes in the installed packages.

Exit status 1 where something was found. Where no database of advisories can be reached the packages are not checked:
that is said, and is no failure unless INFNET_AUDIT_STRICT is set.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def code() -> int:
    """What bandit says of the code: 0 where it finds nothing."""
    command = [sys.executable, "-m", "bandit", "-q", "-c", "pyproject.toml", "-r", "infnet", "app", "train"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def packages() -> tuple[bool, list[str]]:
    """Whether known holes were found or could not be looked for, and what there is to say."""
    command = [sys.executable, "-m", "pip_audit", "--skip-editable", "--format", "json", "--progress-spinner", "off"]
    done = subprocess.run([*command, "--timeout", "15"], cwd=ROOT, check=False, capture_output=True, text=True)
    try:
        dependencies = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        reason = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        return strict(), [f"packages: NOT CHECKED, no database of advisories can be reached ({reason[:200]})"]
    return verdict(dependencies)


def verdict(dependencies: Iterable[Mapping[str, Any]]) -> tuple[bool, list[str]]:
    """Whether to fail, and what to say, for what pip-audit found out about each package."""
    known, lines, found = 0, [], False
    unknown: list[str] = []
    for package in dependencies:
        if "skip_reason" in package:
            unknown.append(str(package["name"]))
            continue
        known += 1
        for hole in package.get("vulns", ()):
            found = True
            fixed = ", ".join(hole.get("fix_versions", ())) or "no version yet"
            lines.append(f"{package['name']} {package['version']}: {hole['id']}, mended in {fixed}")
    lines.append(f"packages: {known} checked")
    if unknown:
        few = ", ".join(unknown[:5]) + (" ..." if len(unknown) > 5 else "")
        lines.append(f"packages: {len(unknown)} NOT CHECKED, the database does not answer for them ({few})")
    return found or (strict() and (bool(unknown) or not known)), lines


def strict() -> bool:
    """Whether what could not be checked is a failure."""
    return bool(os.environ.get("INFNET_AUDIT_STRICT"))


def main() -> int:
    """Both checks, whatever the first one says."""
    unsafe = code()
    failed, lines = packages()
    print("code: bandit", "found something" if unsafe else "found nothing", *lines, sep="\n")
    return int(bool(unsafe) or failed)


if __name__ == "__main__":
    sys.exit(main())
