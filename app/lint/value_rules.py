"""Rules about values: constants that a column cannot have, stricter CHECKs, and rows that PostgreSQL rejects."""

import re
from typing import Any

from pglast import ast
from pglast.enums import AlterTableType as Alter
from pglast.enums import ConstrType, OverridingKind

from app.lint import costs
from app.lint.definition_rules import rejected
from app.lint.findings import Fault, Faults
from app.lint.literals import listed_values, out_of_range, unreadable, violates
from app.lint.nodes import Type, constant_text, relation_name, type_of
from app.lint.objects import Column, Table
from app.lint.parser import Statement
from app.lint.rules import CARE, UNSAFE
from app.lint.state import MigrationState

FROZEN = {"now", "today", "tomorrow", "yesterday"}  # PostgreSQL reads them once, when it reads the statement
TIMES = {"date", "time", "timetz", "timestamp", "timestamptz"}
INSERT = 4  # bit of pg_trigger.tgtype
SET_HINT = "leave the number out, or set the sequence above it in the same file: setval(..., max(id))"


def value_faults(state: MigrationState, statement: Statement) -> Faults:
    """Yield the faults of the values in a statement. Call it before the catalog has the change."""
    node = statement.node
    if statement.unreadable:
        return
    match node:
        case ast.AlterTableStmt(relation=relation, cmds=[*commands]):
            for line, command in zip(statement.lines, commands, strict=True):
                yield from _change(state, line, relation_name(relation), command)
        case ast.CreateStmt(tableElts=[*elements]):
            for each in elements:
                if isinstance(each, ast.ColumnDef):
                    yield from _new_column(state, statement.line_of(each), each, is_read=False)
        case ast.InsertStmt() if not statement.block:  # within a block, it may be under a condition
            yield from _insert(state, statement.line, node)
        case ast.UpdateStmt() if not statement.block:
            yield from _update(state, statement.line, node)
        case _:
            pass


def _change(state: MigrationState, line: int, table: str, command: Any) -> Faults:
    if command.subtype == Alter.AT_AddColumn:
        yield from _new_column(state, line, command.def_, is_read=True)
    elif command.subtype == Alter.AT_ColumnDefault:
        column = state.catalog.column(table, command.name)
        yield from _wrong_constant(state, line, table, column, command.def_, of_default=True)
        if _is_frozen(command.def_, column.type if column else None):
            inserts = state.inserts_without(table, command.name)
            cause = f"{inserts[0]} leaves it out, and " if inserts else ""
            yield _frozen(line, command.name, cause, UNSAFE if inserts else CARE)


def _new_column(state: MigrationState, line: int, definition: Any, *, is_read: bool) -> Faults:
    """Yield the faults of a DEFAULT. PostgreSQL reads that of ADD COLUMN at once, for the rows that are there."""
    type = type_of(definition.typeName)
    for each in definition.constraints or ():
        if each.contype != ConstrType.CONSTR_DEFAULT:
            continue
        if _is_frozen(each.raw_expr, type):
            yield _frozen(line, definition.colname, "", CARE)
        elif why := unreadable(type, each.raw_expr) or _no_label(state, type, each.raw_expr):
            yield rejected(line, why)
        elif why := out_of_range(type, each.raw_expr):
            fails = f"PostgreSQL rejects each row that leaves {definition.colname} out: {why}"
            yield rejected(line, why) if is_read else Fault(line, "insert-breaks", fails, "correct the DEFAULT", UNSAFE)


def _frozen(line: int, column: str, cause: str, level: str) -> Fault:
    why = f"{cause}each later row gets the time of this migration as its {column}"
    return Fault(line, "insert-breaks", why, "use now(), which PostgreSQL calls for each row", level)


def _is_frozen(default: Any, type: Type | None) -> bool:
    """Return whether a DEFAULT is a word for a time that PostgreSQL turns into a constant."""
    if isinstance(default, ast.TypeCast):
        default, type = default.arg, type_of(default.typeName)
    is_word = isinstance(default, ast.A_Const) and constant_text(default).strip().lower() in FROZEN
    return is_word and type is not None and type.name in TIMES


def _wrong_constant(
    state: MigrationState, line: int, table: str, column: Column | None, node: Any, *, of_default: bool = False
) -> Faults:
    """Yield the fault of a constant that the type of a column, or a CHECK, does not allow.

    PostgreSQL reads a DEFAULT only when a row needs it, unless it has to be read as another type.
    """
    if column is None:
        return
    if why := unreadable(column.type, node) or _no_label(state, column.type, node):
        yield rejected(line, f"{column.name}: {why}")
        return
    is_default = of_default and not isinstance(node, ast.SetToDefault)
    text = constant_text(node)
    checks = [each for each in state.catalog.constraints(table) if each.kind == "check"]
    lists = [(each.name, *pair) for each in checks for pair in listed_values(each.expression)]
    wrong = [name for name, listed, values in lists if listed == column.name and text and text not in values]
    wrong += [each.name for each in checks if violates(each.expression, column.name, node)]
    why = f"{wrong[0]} does not allow {text!r}" if wrong else out_of_range(column.type, node)
    if why and is_default:
        why = f"PostgreSQL rejects each row that leaves {column.name} out: {why}"
        yield Fault(line, "insert-breaks", why, "correct the DEFAULT", UNSAFE)
    elif why:
        yield rejected(line, f"{column.name}: {why}")


def _no_label(state: MigrationState, type: Type | None, node: Any) -> str:
    """Return why a constant is no value of an enum, or ""."""
    labels = state.catalog.enums.get(type.name) if type and not type.array else None
    is_text = isinstance(node, ast.A_Const) and isinstance(node.val, ast.String)
    text = constant_text(node)
    return (
        f"{type.name} has no label {text!r}" if labels is not None and type and is_text and text not in labels else ""
    )


def _insert(state: MigrationState, line: int, node: Any) -> Faults:
    """Yield the fault of an INSERT of constants that PostgreSQL rejects."""
    table = relation_name(node.relation)
    known = _known(state, table)
    rows = getattr(node.selectStmt, "valuesLists", None) or ()
    if known is None or not (rows or node.selectStmt is None):
        return
    listed = [each.name for each in node.cols or ()]
    names = listed or [*known.columns]
    for row in rows:
        if len(row) > len(names) or (listed and len(row) < len(names)):
            yield rejected(line, f"a row has {len(row)} values for {len(names)} columns")
            return
    given = names[: max(map(len, rows), default=0)]
    for row in rows:
        for name, value in zip(names, row, strict=False):
            yield from _wrong_constant(state, line, table, known.columns.get(name), value)
    lacking = [each.name for each in known.columns.values() if each.name not in given and _is_needed(each)]
    if missing := sorted({*listed} - known.columns.keys()):
        yield rejected(line, f"{table} has no column {missing[0]}")
    elif unset := [name for name in lacking if not _is_set_by_trigger(state, table, name)]:
        yield rejected(line, f"it leaves {unset[0]} out, which is NOT NULL and has no DEFAULT")
    elif numbered := next((name for name in given if known.columns[name].is_always), ""):
        values = [row[given.index(numbered)] for row in rows if len(row) > given.index(numbered)]
        is_given = not all(isinstance(each, ast.SetToDefault) for each in values)
        if is_given and node.override == OverridingKind.OVERRIDING_NOT_SET:
            yield rejected(line, f"{numbered} is always generated")
        elif is_given and node.override == OverridingKind.OVERRIDING_SYSTEM_VALUE:
            why = f"the sequence gives the same {numbered} to a later row, and that INSERT then fails"
            state.pending.append(
                (Fault(line, "sequence-restart", why, SET_HINT, CARE), lambda: not state.has_set_sequence)
            )


def _update(state: MigrationState, line: int, node: Any) -> Faults:
    """Yield the fault of an UPDATE that PostgreSQL rejects."""
    table = relation_name(node.relation)
    known = _known(state, table)
    for each in node.targetList or () if known else ():
        column = known.columns.get(each.name) if known else None
        if each.indirection:  # an element of an array, or a field
            continue
        if column is None:
            yield rejected(line, f"{table} has no column {each.name}")
        elif column.is_always and not isinstance(each.val, ast.SetToDefault):
            yield rejected(line, f"{each.name} is always generated")
        elif column.not_null and isinstance(each.val, ast.A_Const) and each.val.isnull:
            yield rejected(line, f"{each.name} may not be NULL")
        else:
            yield from _wrong_constant(state, line, table, column, each.val)


def _known(state: MigrationState, table: str) -> Table | None:
    """Return a table of which all columns are known. A view may have defaults and rules of its own."""
    known = state.catalog.tables.get(table)
    return known if known and known.is_complete and known.kind != "view" else None


def _is_needed(column: Column) -> bool:
    return column.not_null and not column.is_generated and costs.is_null(column.default)


def _is_set_by_trigger(state: MigrationState, table: str, column: str) -> bool:
    """Return whether a trigger of an INSERT may give the column its value."""
    triggers = [each for each in state.catalog.triggers.values() if each.table == table]
    functions = {each.function for each in triggers if each.events & INSERT}
    bodies = [state.catalog.routines[name].body or "" for name in functions & state.catalog.routines.keys()]
    return any(re.search(rf"(?i)\bnew\.{re.escape(column)}\s*:?=", body) for body in bodies)
