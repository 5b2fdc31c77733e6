"""Exhaustive tests: `make test` runs one case of each kind, and `make test-exhaustive` runs all cases."""

import os
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

EXHAUSTIVE = "EXHAUSTIVE" in os.environ

T = TypeVar("T")


def one_of_each(cases: Iterable[T], kind: Callable[[T], Hashable]) -> list[T]:
    """Return the first case of each kind, in order; or all cases if the tests are exhaustive."""
    if EXHAUSTIVE:
        return [*cases]
    first: dict[Hashable, T] = {}
    for case in cases:
        first.setdefault(kind(case), case)
    return [*first.values()]
