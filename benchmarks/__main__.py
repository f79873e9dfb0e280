"""Run benchmarks and save their tables: `python -m benchmarks [networks path scaling gate cohort] [--out FOLDER]`.

Each one prints a table and writes it, with the machine it was measured on, to FOLDER/NAME.md.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from benchmarks.measuring import Table, hardware, load

# name -> module with `tables() -> Iterator[Table]`, in the order in which they run
BENCHMARKS = {
    "networks": "benchmarks.networks",
    "path": "benchmarks.path",
    "scaling": "benchmarks.scaling",
    "gate": "benchmarks.gate",
    "cohort": "benchmarks.cohort",
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all when none is given")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in BENCHMARKS]:
        parser.error(f"{unknown[0]}: no such benchmark; choose from {', '.join(BENCHMARKS)}")
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.names or BENCHMARKS:
        before = load()
        text = f"# {name}\n\n{hardware()}\n\nLoad when it began: {before:.2f}.\n"
        print(text)
        tables: list[Table] = []
        for table in importlib.import_module(BENCHMARKS[name]).tables():
            print(f"{table}\n", flush=True)
            tables.append(table)
        if tables:
            (options.out / f"{name}.md").write_text("\n".join([text, *(f"{table}\n" for table in tables)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
