"""Clone the repository again and again and run `make test` in each clone, on a busy machine: what fails now and then?

python -m tests.fresh_clones 20 --out FOLDER            # 20 clones, as somebody new would have them
python -m tests.fresh_clones 20 --out FOLDER --venv .venv --tests "tests/app -k slider"

FOLDER/runs.txt gets a line for each run: its number, commit, seconds, exit status and what failed; its whole output is
in FOLDER/run_NUMBER.log. Given again, it goes on after the last line. What is not committed is in no clone.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infnet.concurrency import cores

ROOT = Path(__file__).parents[1]
RUNS = "runs.txt"
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


@contextmanager
def load(processes: int) -> Iterator[None]:
    """Keep so many cores busy."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def run(number: int, commit: str, out: Path, venv: Path | None, tests: str) -> str:
    """Clone `commit` and run its tests; the line about it. venv: an environment to use in place of a new one."""
    log = out / f"run_{number}.log"
    # A clone has the environment to itself: nothing of the one that this runs in.
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    with tempfile.TemporaryDirectory(prefix="fresh-clone-") as folder, log.open("w") as said:
        clone = Path(folder) / "infnet"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        subprocess.run(["git", "-C", str(clone), "checkout", "-q", "--detach", commit], check=True)
        command = ["make", "test", *([f"TESTS={tests}"] if tests else [])]
        if venv is not None:
            (clone / ".venv").symlink_to(venv.resolve())
            command += ["-o", ".venv/.dev"]  # as it is: not installed into from here
        begun = time.monotonic()
        status = subprocess.run(command, cwd=clone, env=environment, stdout=said, stderr=subprocess.STDOUT).returncode
        seconds = time.monotonic() - begun
    failed = sorted(set(FAILED.findall(log.read_text(errors="replace"))))
    return f"{number} {commit[:12]} {seconds:.0f} s, status {status}, {len(failed)} failed {' '.join(failed)}".rstrip()


def main(arguments: list[str] | None = None) -> int:
    """Do the runs that `--out` does not have yet; 1 where any of all has failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, help="runs in all, those before included")
    parser.add_argument("--out", type=Path, required=True, help="folder for runs.txt and the logs")
    parser.add_argument("--load", type=int, default=cores(), help="cores to keep busy meanwhile; all when not given")
    parser.add_argument("--venv", type=Path, help="an environment to use; when not given, each clone makes its own")
    parser.add_argument("--tests", default="", help="some of the tests, as for `make test TESTS=...`")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    lines = options.out / RUNS
    git = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    commit = subprocess.run(git, check=True, capture_output=True, text=True).stdout.strip()
    done = lines.read_text().splitlines() if lines.exists() else []
    print(*done, sep="\n", end="\n" * bool(done))
    with load(options.load):
        for number in range(len(done) + 1, options.count + 1):
            done.append(run(number, commit, options.out, options.venv, options.tests))
            with lines.open("a") as file:
                file.write(f"{done[-1]}\n")
            print(done[-1], flush=True)
    return int(any(", status 0," not in line for line in done))


if __name__ == "__main__":
    sys.exit(main())
