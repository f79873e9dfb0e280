"""Names for values that caches are keyed by."""

from __future__ import annotations

import itertools

_numbers = itertools.count(1)


def new_token() -> int:
    """A number that this process gives out once. The `id` of an object is no such name: it is used again."""
    return next(_numbers)
