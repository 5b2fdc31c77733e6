"""Outcomes of trigger functions in PL/pgSQL: the errors that they raise, and the rows that they discard.

Each has the conditions of the IFs around it, and of those before it that return.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from pglast.parser import ParseError

from app.lint.evaluation import Row
from app.lint.objects import Routine
from app.lint.parser import plpgsql_tree
from app.lint.values import Unknown
from app.schema.statements import split_statements

ERROR, DISCARDED = "error", "discarded"
MIN_ERROR = 21  # elog_level of EXCEPTION


class Guard(NamedTuple):
    """Condition that is true, or is not true, if a statement runs."""

    condition: str
    holds: bool


class Outcome(NamedTuple):
    """Error, or RETURN NULL, of a trigger function."""

    kind: str
    guards: tuple[Guard, ...]

    def may_happen(self, row: Row) -> bool:
        """Return whether no condition excludes it for a row."""
        return all(_may_be(row, each) for each in self.guards)


def outcomes_of(routine: Routine) -> tuple[Outcome, ...]:
    """Return the errors and RETURN NULLs of a function. A body that cannot be read has none."""
    return _read(routine.body) if routine.language == "plpgsql" and routine.body else ()


@cache
def _read(body: str) -> tuple[Outcome, ...]:
    tag = next(tag for tag in (f"$body{number}$" for number in range(1000)) if tag not in body)
    tree = plpgsql_tree(f"CREATE FUNCTION body() RETURNS trigger LANGUAGE plpgsql AS {tag}{body}{tag}")
    return tuple(_outcomes(tree, ()))


def _outcomes(tree: Any, guards: tuple[Guard, ...]) -> Iterator[Outcome]:
    if isinstance(tree, list):
        for each in tree:
            yield from _outcomes(each, guards)
            guards += _passed(each)
        return
    for name, part in tree.items() if isinstance(tree, dict) else ():
        if name == "PLpgSQL_stmt_raise":
            if part.get("elog_level", MIN_ERROR) >= MIN_ERROR:
                yield Outcome(ERROR, guards)
        elif name == "PLpgSQL_stmt_assert":
            yield Outcome(ERROR, (*guards, Guard(_query(part["cond"]), holds=False)))
        elif name == "PLpgSQL_stmt_return":
            if "expr" in part and _query(part["expr"]).strip().lower() == "null":
                yield Outcome(DISCARDED, guards)
        elif name == "PLpgSQL_stmt_if":
            yield from _of_if(part, guards)
        elif name == "PLpgSQL_stmt_block" and "exceptions" in part:  # it may handle its errors
            yield from (each for each in _outcomes(part.get("body"), guards) if each.kind != ERROR)
        else:
            yield from _outcomes(part, guards)


def _of_if(part: Any, guards: tuple[Guard, ...]) -> Iterator[Outcome]:
    first = _query(part["cond"])
    yield from _outcomes(part.get("then_body"), (*guards, Guard(first, holds=True)))
    guards = (*guards, Guard(first, holds=False))
    for each in part.get("elsif_list", ()):
        condition = _query(each["PLpgSQL_if_elsif"]["cond"])
        yield from _outcomes(each["PLpgSQL_if_elsif"].get("stmts"), (*guards, Guard(condition, holds=True)))
        guards = (*guards, Guard(condition, holds=False))
    yield from _outcomes(part.get("else_body"), guards)


def _passed(statement: Any) -> tuple[Guard, ...]:
    """Return what is known after an IF that ends the function."""
    part = statement.get("PLpgSQL_stmt_if") if isinstance(statement, dict) else None
    body = (part or {}).get("then_body") or [{}]
    ends = {"PLpgSQL_stmt_return", "PLpgSQL_stmt_raise"} & body[-1].keys()
    return (Guard(_query(part["cond"]), holds=False),) if part and ends and "elsif_list" not in part else ()


def _query(expression: Any) -> str:
    return str(expression["PLpgSQL_expr"]["query"])


def _may_be(row: Row, guard: Guard) -> bool:
    value = row.value(_parsed(guard.condition))
    return isinstance(value, Unknown) or (value is True) == guard.holds


@cache
def _parsed(condition: str) -> Any:
    """Return a condition as a node, or None if it cannot be read."""
    try:
        [select] = split_statements(f"SELECT {condition}")
        tree: Any = select.parse()
        [target] = tree.targetList
    except (ParseError, ValueError, TypeError):
        return None
    return target.val
