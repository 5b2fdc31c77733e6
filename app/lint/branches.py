"""Branches of a DO or a routine: each begins with the state before its IF, CASE or block, and only one of them runs.

After them, the state has the worse case. An object that one branch drops is gone. An object that only one branch
creates is there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.lint.catalog import Catalog
from app.lint.objects import Table
from app.lint.parser import Arm
from app.lint.state import Dropped, MigrationState


@dataclass
class _Moment:
    """The part of a state that depends on the branch."""

    catalog: Catalog
    locked: list[str]
    lock_order: dict[str, None]
    enum_values: set[str]
    dropped: dict[str, Dropped]

    def copy(self) -> "_Moment":
        return _Moment(self.catalog.copy(), [*self.locked], {**self.lock_order}, {*self.enum_values}, {**self.dropped})


@dataclass
class _Fork:
    arm: Arm
    before: _Moment
    ends: list[_Moment]


class Branches:
    """The branches in which the next statement is."""

    def __init__(self, state: MigrationState) -> None:
        self._state = state
        self._forks: list[_Fork] = []

    def enter(self, arms: Sequence[Arm]) -> None:
        """Give the state what is known in these branches."""
        same = 0
        for fork, arm in zip(self._forks, arms, strict=False):
            if fork.arm != arm:
                break
            same += 1
        is_next = len(self._forks) > same < len(arms) and self._forks[same].arm.fork == arms[same].fork
        while len(self._forks) > same + is_next:
            self._leave()
        if is_next:
            fork = self._forks[same]
            fork.ends.append(self._moment())
            fork.arm = arms[same]
            self._become(fork.before.copy())
        for arm in arms[len(self._forks) :]:
            self._forks.append(_Fork(arm, self._moment().copy(), []))

    def _leave(self) -> None:
        fork = self._forks.pop()
        self._become(_joined([*fork.ends, self._moment()], fork.before.catalog, self._state.file))

    def _moment(self) -> _Moment:
        state = self._state
        return _Moment(state.catalog, state.locked, state.lock_order, state.enum_values, state.dropped)

    def _become(self, moment: _Moment) -> None:
        state = self._state
        state.catalog, state.locked, state.lock_order = moment.catalog, moment.locked, moment.lock_order
        state.enum_values, state.dropped = moment.enum_values, moment.dropped


def _joined(ends: list[_Moment], before: Catalog, file: str) -> _Moment:
    result, *others = ends
    for other in others:
        result.catalog = _either(result.catalog, other.catalog, before, file)
        result.locked += [table for table in other.locked if table not in result.locked]
        result.lock_order |= other.lock_order
        result.enum_values |= other.enum_values
        result.dropped |= other.dropped
    return result


def _either(one: Catalog, other: Catalog, before: Catalog, file: str) -> Catalog:
    found = one.copy()
    for name in vars(found):
        first, second, former = (getattr(each, name) for each in (one, other, before))
        if isinstance(first, set):
            setattr(found, name, (first & second) | ((first | second) - former))
        else:
            setattr(found, name, _either_object(first, second, former, file))
    return found


def _either_object(
    one: Mapping[Any, Any], other: Mapping[Any, Any], before: Mapping[Any, Any], file: str
) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for key in dict.fromkeys([*one, *other]):
        if key in one and key in other:
            found[key] = one[key] if one[key] == other[key] else _either_value(one[key], other[key], file)
        elif key not in before:
            found[key] = one.get(key, other.get(key))
    return found


def _either_value(one: Any, other: Any, file: str) -> Any:
    """Return what both may be: the columns of a table are not all known, and an older object is in use."""
    if isinstance(one, frozenset):
        return one & other
    older = one if getattr(one, "created_by", "") != file else other
    if isinstance(older, Table):
        columns, constraints = {**one.columns, **other.columns}, {**one.constraints, **other.constraints}
        return replace(older, columns=columns, constraints=constraints, is_complete=False)
    return older
