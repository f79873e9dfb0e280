"""How fast, how large and how exact: `python -m benchmarks`, or `make bench`."""
