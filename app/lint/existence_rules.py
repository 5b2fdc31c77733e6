"""Rules about objects that a statement names and that do not exist, or that exist already: PostgreSQL rejects it.

The catalog has only what the files create. So a missing table is a matter of care, and a missing column of a table that
the files create is certain. A statement inside DO may be under a condition, so it is not judged.
"""

import re
from collections.abc import Set
from typing import Any

from pglast import ast
from pglast.enums import AlterTableType as Alter
from pglast.enums import ConstrType, ObjectType

from app.lint.catalog import ROUTINES
from app.lint.findings import Fault, Faults
from app.lint.nodes import (
    columns_in,
    constraint_columns,
    dropped_names,
    is_temporary,
    qualified,
    qualified_name,
    relation_name,
    split_name,
)
from app.lint.objects import Constraint, Index
from app.lint.parser import Statement
from app.lint.rules import CARE
from app.lint.state import MigrationState

SYSTEM_COLUMNS = {"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"}
TABLES = {ObjectType.OBJECT_TABLE, ObjectType.OBJECT_VIEW, ObjectType.OBJECT_MATVIEW}
NEEDS_CONSTRAINT = {Alter.AT_ValidateConstraint, Alter.AT_DropConstraint, Alter.AT_AlterConstraint}
DROPS = {Alter.AT_DropConstraint, Alter.AT_DropColumn}  # a column takes its constraints along
OF_TRIGGERS = {Alter.AT_EnableTrig, Alter.AT_DisableTrig, Alter.AT_EnableAlwaysTrig, Alter.AT_EnableReplicaTrig}
NOT_NULL = re.compile(r"_not_null[0-9]*$")
NAMED = {ObjectType.OBJECT_COLUMN, ObjectType.OBJECT_TABCONSTRAINT, ObjectType.OBJECT_TABLE}


def existence_faults(state: MigrationState, statement: Statement) -> Faults:
    """Yield the faults of the names in a statement. Call it before the catalog has the change."""
    node, line = statement.node, statement.line
    if statement.block or statement.unreadable:
        return
    match node:
        case ast.AlterTableStmt(relation=relation, objtype=ObjectType.OBJECT_TABLE, missing_ok=False):
            yield from _missing_table(state, line, relation)
            yield from _constraints(state, statement)
        case ast.IndexStmt(relation=relation):
            yield from _missing_table(state, line, relation)
            yield from _index(state, line, node)
        case ast.RenameStmt(relation=ast.RangeVar() as relation, renameType=kind, missing_ok=False) if kind in NAMED:
            if relation.relname not in state.catalog.indexes:
                yield from _missing_table(state, line, relation)
            if kind == ObjectType.OBJECT_COLUMN:
                yield from _missing_columns(state, line, relation_name(relation), {node.subname})
                if state.catalog.column(relation_name(relation), node.newname):
                    yield _rejected(line, f"{relation_name(relation)} has a column {node.newname} already")
            elif kind == ObjectType.OBJECT_TABCONSTRAINT:
                yield from _missing_constraint(state, line, relation_name(relation), node.subname)
            elif (new := qualified(relation.schemaname, str(node.newname))) in _relations(state):
                yield _rejected(line, f"there is a table or an index {new} already")
        case ast.CreateTrigStmt(relation=relation):
            yield from _missing_table(state, line, relation)
            if (relation_name(relation), node.trigname) in state.catalog.triggers and not node.replace:
                yield _rejected(line, f"{relation_name(relation)} has a trigger {node.trigname} already")
        case ast.DropStmt(missing_ok=False):
            yield from _dropped(state, line, node)
        case ast.AlterPolicyStmt(table=relation, policy_name=str(name)):
            yield from _missing_part(state, line, "policy", (relation_name(relation), name))
        case ast.CommentStmt(objtype=ObjectType.OBJECT_TABLE, object=[*parts]):
            name = qualified_name(parts)
            yield from _missing_table(state, line, ast.RangeVar(relname=name, schemaname=None))
        case ast.CommentStmt(objtype=ObjectType.OBJECT_COLUMN, object=[*parts, ast.String(sval=str(column))]):
            yield from _missing_columns(state, line, qualified_name(parts), {column})
        case ast.CommentStmt(objtype=ObjectType.OBJECT_TABCONSTRAINT, object=[*parts, ast.String(sval=str(name))]):
            yield from _missing_constraint(state, line, qualified_name(parts), name)
        case ast.CommentStmt(objtype=ObjectType.OBJECT_TRIGGER, object=[*parts, ast.String(sval=str(name))]):
            yield from _missing_part(state, line, "trigger", (qualified_name(parts), name))
        case ast.CommentStmt(objtype=ObjectType.OBJECT_INDEX, object=[*parts]):
            if (name := qualified_name(parts).rpartition(".")[2]) not in state.catalog.indexes:
                why = f"no file creates the index {name}: if nothing else does, PostgreSQL rejects the statement"
                yield Fault(line, "rejected", why, "correct the name", CARE)
        case ast.AlterEnumStmt(typeName=name) if qualified_name(name) in state.catalog.enums:
            yield from _values(line, node, qualified_name(name), state.catalog.enums[qualified_name(name)])
        case ast.CreateEnumStmt(typeName=name) | ast.CreateDomainStmt(domainname=name):
            if qualified_name(name) in state.catalog.types:
                yield _rejected(line, f"there is a type {qualified_name(name)} already")
        case _:
            pass
    for table, constraint in _foreign_keys(node):
        yield from _foreign_key(state, line, table, constraint, lasts=_lasts(state, node))


def _rejected(line: int, why: str) -> Fault:
    return Fault(line, "rejected", f"PostgreSQL rejects it: {why}")


def _missing_table(state: MigrationState, line: int, relation: Any) -> Faults:
    """Yield the fault of a table without a schema that no file creates. Other files, or people, may have created it."""
    name = relation.relname
    if not state.catalog.tables:  # the files begin with a schema that something else created
        return
    if relation.schemaname in {None, "public"} and not {name, relation_name(relation)} & state.catalog.tables.keys():
        why = f"no file creates {name}: if nothing else does, PostgreSQL rejects the statement"
        yield Fault(line, "rejected", why, "correct the name, or create the table in an earlier migration", CARE)


def _missing_columns(state: MigrationState, line: int, table: str, columns: Set[str | None]) -> Faults:
    known = state.catalog.tables.get(table)
    if known is None or not known.is_complete:
        return
    names = {each for each in columns if each}
    if missing := sorted(names - known.columns.keys() - SYSTEM_COLUMNS):
        yield _rejected(line, f"{table} has no column {', '.join(missing)}")


def _index(state: MigrationState, line: int, node: ast.IndexStmt) -> Faults:
    params: tuple[Any, ...] = node.indexParams or ()
    expressions = [node.whereClause, *(each.expr for each in params)]
    listed = {each.name for each in (*params, *(node.indexIncludingParams or ()))}
    yield from _missing_columns(state, line, relation_name(node.relation), listed | columns_in(expressions))
    if node.idxname in _relations(state) and not node.if_not_exists:
        yield _rejected(line, f"there is a table or an index {node.idxname} already")


def _relations(state: MigrationState) -> Set[str]:
    """Return the names that a table, a view or an index has."""
    return state.catalog.tables.keys() | state.catalog.indexes.keys()


def _constraints(state: MigrationState, statement: Statement) -> Faults:
    """Yield the faults of the constraints that an ALTER TABLE names or adds, and of their columns."""
    node, table = statement.node, relation_name(statement.node.relation)
    known = state.catalog.tables.get(table)
    if known is None or not known.is_complete or known.kind == "view":
        return
    commands = list(zip(statement.lines, node.cmds or (), strict=True))
    dropped = {each.name for _, each in commands if each.subtype in DROPS}
    added = {each.def_.colname for _, each in commands if each.subtype == Alter.AT_AddColumn}
    new_names = {each.def_.conname for _, each in commands if each.subtype == Alter.AT_AddConstraint}
    named: set[str | None] = set()
    for line, command in commands:
        new = command.def_
        if command.subtype == Alter.AT_AddConstraint:
            yield from _missing_columns(state, line, table, {*constraint_columns(new)} - added)
            former = known.constraints.get(new.conname)
            if (former and not {former.name, *former.columns} & dropped) or new.conname in named:
                yield _rejected(line, f"{table} has a constraint {new.conname} already")
            named |= {new.conname} - {None}
        elif command.subtype in OF_TRIGGERS and not command.name.startswith("RI_"):  # of a foreign key
            yield from _missing_part(state, line, "trigger", (table, command.name))
        elif command.subtype in NEEDS_CONSTRAINT and not command.missing_ok:
            name = command.name or getattr(new, "conname", None) or ""
            if command.subtype != Alter.AT_ValidateConstraint or name not in new_names:
                yield from _missing_constraint(state, line, table, name)
            own = known.constraints.get(name)
            if own and own.kind != "fkey" and getattr(new, "alterDeferrability", False):
                yield _rejected(line, f"{name} is no foreign key, and only such a constraint can become DEFERRABLE")


def _missing_constraint(state: MigrationState, line: int, table: str, name: str | None) -> Faults:
    known = state.catalog.tables.get(table)
    if known is None or not known.is_complete or known.kind == "view":
        return
    if name not in known.constraints and not NOT_NULL.search(str(name)):  # PostgreSQL 18 names each NOT NULL
        yield _rejected(line, f"{table} has no constraint {name}")


def _values(line: int, node: Any, name: str, values: tuple[str, ...]) -> Faults:
    """Yield the fault of a value that an enum has already, or of one that it lacks."""
    if node.newVal in values and not (node.skipIfNewValExists and not node.oldVal):
        yield _rejected(line, f"{name} has the value {node.newVal!r} already")
    for each in (node.oldVal, node.newValNeighbor):
        if each and each not in values:
            yield _rejected(line, f"{name} has no value {each!r}")


def _missing_part(state: MigrationState, line: int, kind: str, key: tuple[str, str]) -> Faults:
    """Yield the fault of a trigger or a policy that a table in the catalog lacks."""
    known = state.catalog.triggers if kind == "trigger" else state.catalog.policies
    if key[0] in state.catalog.tables and key not in known:
        yield _rejected(line, f"{key[0]} has no {kind} {key[1]}")


def _dropped(state: MigrationState, line: int, node: ast.DropStmt) -> Faults:
    for name in dropped_names(node):
        if node.removeType in TABLES:
            schema, _, short = name.rpartition(".")
            yield from _missing_table(state, line, ast.RangeVar(relname=short, schemaname=schema or None))
        elif node.removeType == ObjectType.OBJECT_TRIGGER:
            yield from _missing_part(state, line, "trigger", split_name(name))
        elif node.removeType == ObjectType.OBJECT_POLICY:
            yield from _missing_part(state, line, "policy", split_name(name))
        elif node.removeType in ROUTINES and "." not in name and name not in state.catalog.routines:
            why = f"no file creates the function {name}: if nothing else does, PostgreSQL rejects the statement"
            yield Fault(line, "rejected", why, "correct the name, or add IF EXISTS", CARE)


def _foreign_keys(node: Any) -> list[tuple[str, ast.Constraint]]:
    """Return the foreign keys of a statement, each with its table."""
    elements: list[Any] = []
    if isinstance(node, ast.CreateStmt):
        elements = list(node.tableElts or ())
    elif isinstance(node, ast.AlterTableStmt):
        elements = [each.def_ for each in node.cmds or ()]
    found: list[Any] = []
    for each in elements:
        own = getattr(each, "constraints", None) if isinstance(each, ast.ColumnDef) else None
        found += [each] if isinstance(each, ast.Constraint) else own or ()
    return [(relation_name(node.relation), each) for each in found if each.contype == ConstrType.CONSTR_FOREIGN]


def _lasts(state: MigrationState, node: Any) -> bool:
    """Return whether a table keeps its rows after the session and after a crash."""
    if isinstance(node, ast.CreateStmt):
        return bool(node.relation and node.relation.relpersistence == "p" and not is_temporary(node.relation))
    name = relation_name(node.relation)
    known = state.catalog.tables.get(name)
    return name not in state.catalog.temporary and not (known and known.is_unlogged)


def _key_columns(keys: list[Constraint]) -> tuple[str, ...]:
    return keys[0].columns if keys else ()


def _waiting(indexes: list[Index], columns: Set[str]) -> str:
    """Return the DEFERRABLE constraint that has these columns, or "" if there is none, or another unique index."""
    own = [each for each in indexes if {*each.columns} == columns]
    return own[0].name if own and all(each.can_wait for each in own) else ""


def _foreign_key(state: MigrationState, line: int, table: str, node: ast.Constraint, *, lasts: bool) -> Faults:
    """Yield the fault of a foreign key to a missing column, or to columns that no unique index has."""
    relation: Any = node.pktable
    target = relation_name(relation)
    if target == table:
        return
    yield from _missing_table(state, line, relation)
    referenced = {each.sval for each in node.pk_attrs or ()}
    missing = list(_missing_columns(state, line, target, referenced))
    yield from missing
    known = state.catalog.tables.get(target)
    if missing or known is None or not known.is_complete or known.kind != "table":
        return
    indexes = [each for each in state.catalog.indexes_of(target) if each.unique and each.is_plain]
    unique = [set(each.columns) for each in indexes if not each.can_wait]
    keys = [each for each in state.catalog.constraints(target) if each.kind == "pkey"]
    own = max(len(constraint_columns(node)), 1)  # REFERENCES of a column does not name it
    if lasts and (known.is_unlogged or target in state.catalog.temporary):
        yield _rejected(line, f"{target} loses its rows in a crash or at the end of the session, and {table} does not")
    elif not referenced and keys and len(keys[0].columns) != own:
        yield _rejected(line, f"the primary key of {target} has {len(keys[0].columns)} columns")
    elif late := _waiting(indexes, referenced or {*_key_columns(keys)}):
        yield _rejected(line, f"a foreign key cannot refer to {late}, which is DEFERRABLE")
    elif referenced and referenced not in unique:
        yield _rejected(line, f"no unique index of {target} has {', '.join(sorted(referenced))}")
    elif not referenced and not keys:
        yield _rejected(line, f"{target} has no primary key")
