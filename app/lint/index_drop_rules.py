"""Rules about DROP INDEX: the queries that need the index, and whether another one serves them as well."""

from typing import Any

from pglast import ast
from pglast.enums import NullTestType

from app.lint.catalog import Catalog
from app.lint.findings import Fault, Faults
from app.lint.nodes import ands
from app.lint.objects import Index, Key
from app.lint.state import MigrationState
from app.lint.usage import subject

# Operator classes that an index has if it names none.
DEFAULT_OPERATORS = {f"{type}_ops" for type in ("text", "varchar", "int4", "int8", "uuid", "bytea", "timestamptz")}
DEFAULT_OPERATORS |= {f"{type}_ops" for type in ("jsonb", "array", "tsvector", "point", "date", "numeric", "bool")}
SAME_START = "first create an index that begins with the same columns"
SAME_INDEX = "first create one with the same columns, collation, operator class, order, INCLUDE and WHERE"


def drop_index(state: MigrationState, line: int, name: str, *, concurrent: bool) -> Faults:
    """Yield the faults of a DROP INDEX of one index."""
    short = name.rpartition(".")[2]
    index = state.catalog.indexes.get(short)
    if index and not index.unique and (users := _users(state, index)):
        why = f"{subject(users, 'uses')} {short}, as the header says, and would read the whole table"
        similar = [each.name for each in state.catalog.indexes_of(index.table) if _begins_alike(each, index)]
        if similar:
            why = f"{subject(users, 'uses')} {short}, as the header says, and {similar[0]} differs from it"
        yield Fault(line, "drop-breaks", why, SAME_INDEX if similar else SAME_START)
    if not concurrent and (index is None or state.is_busy(index.table)):
        state.locked.append(index.table if index else name)
        why = f"reads and writes of {index.table if index else 'its table'} wait for it"
        yield Fault(line, "blocking-index-drop", why)
    drop_unique_index(state, line, short)


def drop_unique_index(state: MigrationState, line: int, name: str) -> None:
    """Note a fault if a unique index goes, and no other one keeps its columns unique."""
    index = state.catalog.indexes.get(name)
    if index is None or not index.unique or not state.is_busy(index.table):
        return
    if state.is_own(index.created_by, was_there=state.before is not None and name in state.before.indexes):
        return
    users = [use.name for use in state.uses if (index.table, frozenset(index.columns)) in use.conflict_targets]
    if not users and _undoes_using_index(state, index):
        return
    columns = ", ".join(each or "the expression" for each in index.columns)
    why = f"ON CONFLICT of {', '.join(users)} needs {name}" if users else f"{columns} need not be unique from now on"

    def is_last() -> bool:
        others = state.catalog.indexes_of(index.table)
        return not any(_is_as_unique(each, index) and not (users and each.can_wait) for each in others)

    def is_out_of_order() -> bool:
        return not is_last() and not any(
            serves(state.catalog, each, index) for each in state.catalog.indexes_of(index.table)
        )

    state.pending.append((Fault(line, "drop-breaks", why), is_last))
    if readers := [use.name for use in state.uses if name in use.header]:
        why = f"no index begins with {columns} in this order, and {subject(readers, 'needs')} it"
        state.pending.append((Fault(line, "drop-breaks", why), is_out_of_order))


def _undoes_using_index(state: MigrationState, index: Index) -> bool:
    """Return whether a rollback drops a constraint that its migration made of the index of the migration before it."""
    before = state.before
    if before is None or index.name not in before.indexes:
        return False
    number, built_in = (name[:4] for name in (state.file, before.indexes[index.name].created_by))
    if not (number.isdecimal() and built_in.isdecimal()) or int(number) - int(built_in) != 1:
        return False  # an earlier release may rely on the index
    was_constraint = any(each.name == index.name for each in before.constraints(index.table))
    return not was_constraint and any(each.name == index.name for each in state.catalog.constraints(index.table))


def serves(catalog: Catalog, other: Index, index: Index) -> bool:
    """Return whether an index can do for each query what another index does."""
    if other is index:
        return False
    if other.method != index.method and (index.method, other.method) != ("hash", "btree"):
        return False
    wanted, found = (_keys(catalog, each) for each in (index, other))
    found = found[: len(wanted)]
    is_forward = found == wanted
    is_backward = index.method == "btree" and found == [_reversed(each) for each in wanted]
    has_columns = index.included <= other.included | {*other.columns}
    return (is_forward or is_backward) and has_columns and _has_same_rows(other, index)


def _users(state: MigrationState, index: Index) -> list[str]:
    """Return the queries whose header names an index, unless another index serves them."""
    if state.is_own(index.created_by, was_there=state.before is not None and index.name in state.before.indexes):
        return []
    if any(serves(state.catalog, each, index) for each in state.catalog.indexes_of(index.table)):
        return []
    return [use.name for use in state.uses if index.name in use.header]


def _begins_alike(other: Index, index: Index) -> bool:
    return other is not index and other.columns[: len(index.columns)] == index.columns and any(index.columns)


def _keys(catalog: Catalog, index: Index) -> list[tuple[str, Key]]:
    """Return the columns of an index, each with its collation and without the name of a default operator class."""
    found = []
    for name, key in zip(index.columns, index.keys or [Key()] * len(index.columns), strict=True):
        column = catalog.column(index.table, name)
        collation = key.collation or (column.type.collation if column and column.type else "")
        operators = "" if key.operators in DEFAULT_OPERATORS else key.operators
        is_first = key.is_descending if column and column.not_null else key.is_nulls_first
        found.append((name, Key(key.expression, collation, operators, key.is_descending, is_first)))
    return found


def _reversed(part: tuple[str, Key]) -> tuple[str, Key]:
    """Return a column of an index as a scan from its end meets it."""
    name, key = part
    order = (not key.is_descending, not key.is_nulls_first)
    return name, Key(key.expression, key.collation, key.operators, *order)


def _has_same_rows(other: Index, index: Index) -> bool:
    """Return whether an index has the rows of another one. In a B-tree, NULL is apart from the rest."""
    mine, theirs = _parts(index.predicate), _parts(other.predicate)
    rest = [each for each in mine if each not in theirs]
    return all(each in mine for each in theirs) and (
        not rest or (other.method == "btree" and all(_is_apart(each, other) for each in rest))
    )


def _is_apart(part: Any, index: Index) -> bool:
    """Return whether a condition is that the first column or expression of an index is NOT NULL."""
    if not isinstance(part, ast.NullTest) or part.nulltesttype != NullTestType.IS_NOT_NULL:
        return False
    match part.arg:
        case ast.ColumnRef(fields=[ast.String(sval=name)]):
            return index.columns[0] == name
        case _:
            return bool(index.keys) and index.keys[0].expression == part.arg


def _is_as_unique(other: Index, index: Index) -> bool:
    """Return whether another index rejects each row that a unique index rejects."""
    expressions = [[each.expression for each in (one.keys or ()) if each.expression] for one in (other, index)]
    return (
        other is not index
        and other.unique
        and set(other.columns) == set(index.columns)
        and expressions[0] == expressions[1]
        and all(each in _parts(index.predicate) for each in _parts(other.predicate))
        and other.same_nulls >= index.same_nulls
    )


def _parts(predicate: Any) -> list[Any]:
    return [] if predicate is None else ands(predicate)
