"""Baseline: a migration that replaces the files of earlier ones. Its header tells which, and which release has them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

VALUE = re.compile(r"(?P<release>[\w.+/-]+), for (?P<ranges>[0-9]{4}-[0-9]{4}( [0-9]{4}-[0-9]{4})*)")


@dataclass(frozen=True)
class Baseline:
    """The release that has the replaced files, and their numbers. That of the baseline itself is the last one."""

    release: str
    numbers: frozenset[str]


def baseline_of(directives: Mapping[str, str]) -> Baseline | None:
    """Return what the directive `baseline` of a migration says. Return None if it has none, or a wrong one."""
    match = VALUE.fullmatch(directives.get("baseline", ""))
    if match is None:
        return None
    numbers: set[str] = set()
    for pair in match["ranges"].split():
        first, last = pair.split("-")
        numbers.update(f"{number:04}" for number in range(int(first), int(last) + 1))
    return Baseline(match["release"], frozenset(numbers))


def written(release: str, numbers: Iterable[str]) -> str:
    """Return the value of the directive: `v1.2, for 0001-0019 0021-0037`."""
    ranges: list[list[int]] = []
    for number in sorted(map(int, numbers)):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return f"{release}, for {' '.join(f'{first:04}-{last:04}' for first, last in ranges)}"
