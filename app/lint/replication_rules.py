"""Rules about logical replication: publications, replication slots, and the identity of replicated rows."""

from typing import Any

from pglast import ast
from pglast.enums import AlterPublicationAction, ObjectType
from pglast.enums import AlterTableType as Alter

from app.lint import costs
from app.lint.definition_rules import rejected
from app.lint.findings import Fault, Faults
from app.lint.nodes import columns_in, constant_text, dropped_names, qualified_name, relation_name
from app.lint.parser import Statement
from app.lint.rules import UNSAFE
from app.lint.state import MigrationState

SLOTS = {f"pg_create_{kind}_replication_slot" for kind in ("physical", "logical")}
SLOTS |= {f"pg_copy_{kind}_replication_slot" for kind in ("physical", "logical")}
MOVED = {"pg_drop_replication_slot", "pg_replication_slot_advance"}
BY_NAME = "make sure that no subscriber needs the changes, and allow it with that reason"


def replication_faults(state: MigrationState, statement: Statement) -> Faults:
    """Yield the faults of a statement about logical replication. Call it before the catalog has the change."""
    node, line = statement.node, statement.line
    match node:
        case ast.CreatePublicationStmt():
            yield from _publication(state, line, node)
        case ast.AlterPublicationStmt(action=AlterPublicationAction.AP_DropObjects):
            yield Fault(line, "replica-identity", f"subscribers of {node.pubname} miss changes from then on", BY_NAME)
        case ast.AlterPublicationStmt():
            yield from _publication(state, line, node)
        case ast.DropStmt(removeType=ObjectType.OBJECT_PUBLICATION):
            names = ", ".join(dropped_names(node))
            yield Fault(line, "replica-identity", f"subscribers of {names} miss all changes from then on", BY_NAME)
        case ast.AlterTableStmt(relation=relation, cmds=[*commands]):
            for each, command in zip(statement.lines, commands, strict=True):
                if command.subtype == Alter.AT_ReplicaIdentity and command.def_.identity_type == "i":
                    yield from _identity(state, each, relation_name(relation), command.def_.name)
        case _:
            pass
    if isinstance(node, ast.CreateFunctionStmt):
        return
    called = {qualified_name(each.funcname) for each in statement.nodes if isinstance(each, ast.FuncCall)}
    called = {each.removeprefix("pg_catalog.") for each in called}
    if found := sorted(called & SLOTS):
        why = f"{found[0]}() keeps WAL until a reader takes it, and without a reader until the disk is full"
        yield Fault(line, "server-access", why)
    elif found := sorted(called & MOVED):
        yield Fault(line, "server-access", f"{found[0]}() takes WAL away from its reader")


def _identity(state: MigrationState, line: int, table: str, name: str) -> Faults:
    """Yield the fault of an index that cannot be the identity of rows."""
    index = state.catalog.indexes.get(name)
    if index is None or index.table != table:
        return
    nullable = [each for each in index.columns if not costs.has_not_null(state.catalog, table, each)]
    if not index.unique or not index.is_plain:
        yield rejected(line, f"{name} is not unique, or has a predicate or an expression")
    elif index.can_wait:
        yield rejected(line, f"{name} is DEFERRABLE")
    elif nullable:
        yield rejected(line, f"{nullable[0]} may be NULL, and {name} has it")


def _publication(state: MigrationState, line: int, node: Any) -> Faults:
    if getattr(node, "for_all_tables", False):
        yield Fault(line, "replica-identity", "tables without a primary key reject UPDATE and DELETE from then on")
    for each in node.pubobjects or ():
        table = relation_name(each.pubtable.relation) if each.pubtable else ""
        if table in state.catalog.tables and not any(
            constraint.kind == "pkey" for constraint in state.catalog.constraints(table)
        ):
            why = f"{table} has no primary key, so its rows cannot be changed from then on"
            yield Fault(line, "replica-identity", why, "add a primary key first", UNSAFE)
        elif table in state.catalog.tables and _publishes_changes(node) and (lacking := _outside(state, each.pubtable)):
            why = f"each UPDATE and DELETE of {table} fails from then on: {lacking}"
            yield Fault(line, "replica-identity", why, "publish only INSERT, or use only columns of the key", UNSAFE)


def _publishes_changes(node: Any) -> bool:
    published = [constant_text(each.arg) for each in node.options or () if each.defname == "publish"]
    return not published or "update" in published[0] or "delete" in published[0]


def _outside(state: MigrationState, published: Any) -> str:
    """Return how a published table differs from its primary key, by its WHERE or its columns, or ""."""
    key = {
        column
        for each in state.catalog.constraints(relation_name(published.relation))
        if each.kind == "pkey"
        for column in each.columns
    }
    if other := sorted(columns_in(published.whereClause) - key):
        return f"its WHERE reads {', '.join(other)}, which is not in the primary key"
    listed = {each.sval for each in published.columns or ()}
    return f"its columns lack {', '.join(sorted(key - listed))} of the primary key" if listed and key - listed else ""
