"""Rules about new tables, partitions and their columns: definitions that PostgreSQL rejects."""

import re
from typing import Any

from pglast import ast
from pglast.enums import AlterTableType as Alter
from pglast.enums import ConstrType, ObjectType
from pglast.enums import TableLikeOption as Like

from app.lint import costs
from app.lint.definition_rules import UNIQUE, rejected
from app.lint.findings import Fault, Faults
from app.lint.index_rules import arbiter_waits, has_constant
from app.lint.nodes import columns_in, constant_text, constraint_columns, relation_name, type_name
from app.lint.objects import Table, constraints_of
from app.lint.parser import Statement
from app.lint.rules import CARE
from app.lint.state import MigrationState

KEYS = {ConstrType.CONSTR_PRIMARY, ConstrType.CONSTR_UNIQUE, ConstrType.CONSTR_FOREIGN}
MAX_LABEL = 63  # bytes
STRATEGIES = {"r": "range", "l": "list", "h": "hash"}
INFINITE = {"minvalue": (0,), "maxvalue": (2,)}
# Changes of a column that a partition has from its parent.
INHERITED = {
    Alter.AT_DropColumn: "PostgreSQL drops it only in the parent",
    Alter.AT_AlterColumnType: "PostgreSQL changes its type only in the parent",
}
OF_ALL = {Alter.AT_AddColumn, *INHERITED}  # changes that PostgreSQL does not make only in a parent


def table_faults(state: MigrationState, statement: Statement) -> Faults:
    """Yield the faults of a statement. Call it before the catalog has the change."""
    node, line = statement.node, statement.line
    match node:
        case ast.CreateStmt() if relation_name(node.relation) not in state.catalog.tables:
            yield from _new_table(state, line, node)
            yield from _arbiters(state, line, node)
            for parent in map(relation_name, node.inhRelations or ()):
                yield from _bounds(state, line, parent, node.partbound)
        case ast.AlterTableStmt(objtype=ObjectType.OBJECT_TABLE, relation=relation):
            for each, command in zip(statement.lines, node.cmds or (), strict=True):
                if command.subtype == Alter.AT_AttachPartition:
                    yield from _bounds(state, each, relation_name(relation), command.def_.bound)
                    yield from _other_columns(state, each, relation_name(relation), relation_name(command.def_.name))
                else:
                    yield from _change(state, each, relation, command)
        case ast.CreateEnumStmt(vals=[*labels]):
            yield from _labels(line, [each.sval or "" for each in labels])
        case _:
            pass


def _labels(line: int, labels: list[str]) -> Faults:
    if twice := next((label for label in labels if labels.count(label) > 1), ""):
        yield rejected(line, f"it has the label {twice!r} twice")
    elif long := next((label for label in labels if len(label.encode()) > MAX_LABEL), ""):
        yield rejected(line, f"the label {long!r} has more than {MAX_LABEL} bytes")


def _new_table(state: MigrationState, line: int, node: Any) -> Faults:
    elements = node.tableElts or ()
    columns = [each for each in elements if isinstance(each, ast.ColumnDef)]
    names = [each.colname for each in columns]
    own = [(each, constraint) for each in columns for constraint in each.constraints or ()]
    apart = [each for each in elements if isinstance(each, ast.Constraint)]
    generated = {each.colname for each, constraint in own if constraint.contype == ConstrType.CONSTR_GENERATED}
    if twice := next((name for name in names if names.count(name) > 1), ""):
        yield rejected(line, f"it has two columns {twice}")
    patterns = [each for each in elements if isinstance(each, ast.TableLikeClause)]
    copied = [
        each.kind
        for pattern in patterns
        if (pattern.options or 0) & Like.CREATE_TABLE_LIKE_INDEXES
        for each in state.catalog.constraints(relation_name(pattern.relation))
    ]
    added = [each.contype for each in (*apart, *(each for _, each in own))]
    if added.count(ConstrType.CONSTR_PRIMARY) + copied.count("pkey") > 1:
        yield rejected(line, "a table has one primary key")
    named = [each.conname for each in (*apart, *(each for _, each in own)) if each.conname]
    if same := next((name for name in named if named.count(name) > 1), ""):
        yield rejected(line, f"it has two constraints {same}")
    yield from _same_values(line, columns, own, apart)
    for column, constraint in own:
        kinds = {each.contype for each in column.constraints or ()}
        if constraint.contype == ConstrType.CONSTR_GENERATED and generated & columns_in(constraint.raw_expr):
            yield rejected(line, f"{column.colname} is generated from a column that is generated, too")
        elif constraint.contype == ConstrType.CONSTR_DEFAULT and kinds & {
            ConstrType.CONSTR_GENERATED,
            ConstrType.CONSTR_IDENTITY,
        }:
            yield rejected(line, f"{column.colname} has a DEFAULT, and is generated")
    if len(names) + len(apart) < len(elements) or node.inhRelations or node.ofTypename:  # it has other columns, too
        return
    for constraint in apart:
        needed = {*constraint_columns(constraint)} if constraint.contype in KEYS else columns_in(constraint.raw_expr)
        if missing := sorted(needed - {*names}):
            yield rejected(line, f"it has no column {missing[0]}")


def _arbiters(state: MigrationState, line: int, node: Any) -> Faults:
    for element in node.tableElts or ():
        is_column = isinstance(element, ast.ColumnDef)
        for each in constraints_of(element) if is_column else [element]:
            if isinstance(each, ast.Constraint) and each.deferrable and each.contype in UNIQUE:
                own = (element.colname,) if is_column else ()
                yield from arbiter_waits(state, line, relation_name(node.relation), each, own)


def _same_values(line: int, columns: list[Any], own: list[tuple[Any, Any]], apart: list[Any]) -> Faults:
    """Yield the fault of a unique key whose columns have constant DEFAULTs. That of a boolean is for one row."""
    constants = {
        column.colname: type_name(column.typeName)
        for column, each in own
        if each.contype == ConstrType.CONSTR_DEFAULT and has_constant(each.raw_expr)
    }
    keys: list[tuple[str, ...]] = [(column.colname,) for column, each in own if each.contype in UNIQUE]
    keys += [constraint_columns(each) for each in apart if each.contype in UNIQUE]
    for key in keys:
        if all(constants.get(name, "bool") != "bool" for name in key):
            why = f"of the rows that leave {', '.join(key)} out, the second one is rejected"
            yield Fault(line, "insert-breaks", why, "leave out the DEFAULT", CARE)


def _change(state: MigrationState, line: int, relation: Any, command: Any) -> Faults:
    """Yield the fault of a change that PostgreSQL makes only in a partition and its parent together."""
    table, kind = relation_name(relation), command.subtype
    known = state.catalog.tables.get(table)
    if known is None:
        return
    parents = [state.catalog.tables[each] for each in known.parents if each in state.catalog.tables]
    is_partition = known.bound is not None
    inherited = {name for each in parents for name in each.columns}
    if is_partition and kind == Alter.AT_AddColumn:
        yield rejected(line, f"{table} is a partition, and has the columns of {known.parents[0]}")
    elif kind in INHERITED and command.name in inherited:
        yield rejected(line, f"{table} has {command.name} from {known.parents[0]}: {INHERITED[kind]}")
    elif is_partition and kind in {Alter.AT_AddInherit, Alter.AT_DropInherit}:
        yield rejected(line, f"{table} is a partition: use ATTACH and DETACH PARTITION")
    elif not relation.inh and kind in OF_ALL and (children := _children(state, table)):
        yield rejected(line, f"with ONLY, {children[0]} would lack the change")
    elif kind == Alter.AT_SetRelOptions and known.kind == "partitioned":
        yield rejected(line, f"{table} has no storage of its own: set the parameters of its partitions")
    elif kind == Alter.AT_DropNotNull and (why := _is_required(known, parents if is_partition else [], command.name)):
        yield rejected(line, f"{command.name} {why}")
    elif kind == Alter.AT_AddColumn:
        generated = {each.name for each in known.columns.values() if each.expression is not None}
        for each in command.def_.constraints or ():
            if each.contype == ConstrType.CONSTR_GENERATED and generated & columns_in(each.raw_expr):
                yield rejected(line, f"{command.def_.colname} is generated from a column that is generated, too")


def _children(state: MigrationState, table: str) -> list[str]:
    return [name for name, each in state.catalog.tables.items() if table in each.parents]


def _is_required(known: Table, parents: list[Table], name: str) -> str:
    """Return why a column cannot become NULL, or ""."""
    column = known.columns.get(name)
    if any(each.kind == "pkey" and name in each.columns for each in known.constraints.values()):
        return "is in the primary key"
    if column and column.is_identity:
        return "is an identity column"
    above = [each.columns[name] for each in parents if name in each.columns]
    return "is NOT NULL in the parent" if any(each.not_null for each in above) else ""


def _other_columns(state: MigrationState, line: int, parent: str, partition: str) -> Faults:
    """Yield the fault of a partition whose columns are not those of its parent."""
    above, below = state.catalog.tables.get(parent), state.catalog.tables.get(partition)
    if above is None or below is None or not (above.is_complete and below.is_complete):
        return
    if other := [*below.columns.keys() - above.columns.keys(), *above.columns.keys() - below.columns.keys()]:
        yield rejected(line, f"only one of {partition} and {parent} has a column {min(other)}")
        return
    for name, column in above.columns.items():
        own = below.columns[name]
        if column.type and own.type and column.type != own.type:
            types = f"{costs.type_text(own.type)}, and in {parent} {costs.type_text(column.type)}"
            yield rejected(line, f"{name} of {partition} is {types}")
        elif column.not_null and not own.not_null:
            yield rejected(line, f"{name} may be NULL in {partition}, and not in {parent}")


def _bounds(state: MigrationState, line: int, parent: str, bound: Any) -> Faults:
    """Yield the fault of a partition that has no values, or values that another partition has."""
    if bound is None or bound.is_default:
        return
    above = state.catalog.tables.get(parent)
    if above and above.strategy and above.strategy != bound.strategy:
        yield rejected(line, f"{parent} is partitioned by {STRATEGIES[above.strategy]}")
        return
    own = _range(bound)
    if own and own[0] >= own[1]:
        yield rejected(line, "the partition ends before it begins")
        return
    if bound.strategy == "h" and not 0 <= bound.remainder < bound.modulus:
        yield rejected(line, f"the remainder is less than the modulus, {bound.modulus}")
        return
    listed = {constant_text(each) for each in bound.listdatums or ()} - {""}
    for name in _children(state, parent):
        other = state.catalog.tables[name].bound
        theirs = _range(other)
        if bound.strategy == "h" and other is not None and (why := _same_hash(bound, other)):
            yield rejected(line, f"{why} of {name}")
        if own and theirs and own[0] < theirs[1] and theirs[0] < own[1]:
            yield rejected(line, f"its values overlap with those of {name}")
        elif taken := sorted(listed & {constant_text(each) for each in getattr(other, "listdatums", None) or ()}):
            yield rejected(line, f"{name} has the value {taken[0]!r} already")


def _same_hash(one: Any, other: Any) -> str:
    """Return how two partitions by hash contradict each other, or ""."""
    low, high = sorted((one.modulus, other.modulus))
    if high % low:
        return f"the modulus {one.modulus} neither divides nor is a multiple of that"
    return "its values overlap with those" if (one.remainder - other.remainder) % low == 0 else ""


def _range(bound: Any) -> tuple[list[Any], list[Any]] | None:
    """Return the ends of a range, or None if its constants cannot be compared here."""
    lower, upper = (getattr(bound, name, None) or () for name in ("lowerdatums", "upperdatums"))
    ends = [[_comparable(each) for each in end] for end in (lower, upper)]
    return (ends[0], ends[1]) if lower and None not in ends[0] + ends[1] else None


def _comparable(node: Any) -> tuple[Any, ...] | None:
    """Return a number, or a date in ISO format, so that it can be compared with others; or None."""
    if isinstance(node, ast.ColumnRef):
        return next((INFINITE[each] for each in columns_in(node) if each in INFINITE), None)
    text = constant_text(node)
    if re.fullmatch(r"-?[0-9]+", text):
        return 1, "number", int(text)
    return (1, "date", text) if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) else None
