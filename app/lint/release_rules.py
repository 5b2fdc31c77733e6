"""Rules about the running release: DROP, RENAME, type changes and NOT NULL that its queries do not survive.

The queries in sql/queries/ are those of the running release: it serves while the migration is applied.
"""

from typing import Any

from pglast import ast
from pglast.enums import DropBehavior, ObjectType, ViewCheckOption

from app.lint import costs, routines
from app.lint.catalog import ROUTINES, Catalog
from app.lint.definition_rules import rejected
from app.lint.findings import Fault, Faults
from app.lint.index_drop_rules import drop_index, drop_unique_index
from app.lint.nodes import RELATIONS, dropped_names, qualified_name, relation_name, type_of, walk
from app.lint.objects import Column, Table
from app.lint.parser import Statement
from app.lint.rules import CARE, UNSAFE
from app.lint.state import Dropped, MigrationState
from app.lint.usage import subject
from app.lint.views import types_of, view_of

TYPES = {ObjectType.OBJECT_TYPE, ObjectType.OBJECT_DOMAIN}
CASCADE = "CASCADE also drops dependent objects, which differ from database to database"


def release_faults(state: MigrationState, statement: Statement) -> Faults:
    """Yield the faults of a statement other than ALTER TABLE."""
    match statement.node:
        case ast.CreateStmt():
            yield from _create(state, statement)
        case ast.DropStmt():
            yield from _drop(state, statement)
        case ast.RenameStmt() | ast.AlterObjectSchemaStmt():
            yield from _rename(state, statement)
        case ast.ViewStmt(view=relation):
            new = view_of(statement.node.query, statement.node.aliases, state.catalog.tables, state.file)
            if statement.node.withCheckOption != ViewCheckOption.NO_CHECK_OPTION and not new.is_updatable:
                yield rejected(statement.line, f"{relation_name(relation)} takes no writes, so it has no CHECK OPTION")
            if statement.node.replace:
                yield from _replace_view(state, statement, relation_name(relation), new)
        case _:
            pass


def _create(state: MigrationState, statement: Statement) -> Faults:
    node, table = statement.node, relation_name(statement.node.relation)
    known = state.catalog.tables.get(table)
    if known is not None and node.if_not_exists and not _is_same(state, node, known):
        why = f"{known.created_by} creates {table} with another definition, so this statement silently does nothing"
        yield Fault(statement.line, "create-if-not-exists", why)


def _replace_view(state: MigrationState, statement: Statement, name: str, new: Table) -> Faults:
    known = state.catalog.tables.get(name)
    if known is None or not known.is_complete:
        return
    types = [types_of(query, state.catalog.tables) for query in (known.query, statement.node.query)]
    changed = [each for *two, each in zip(*types, known.columns, strict=False) if all(two) and two[0] != two[1]]
    if new.is_complete and (gone := [column for column in known.columns if column not in new.columns]):
        yield Fault(statement.line, "rejected", f"PostgreSQL rejects it: the view {name} would lose {', '.join(gone)}")
    elif new.is_complete and [*new.columns][: len(known.columns)] != [*known.columns]:
        yield Fault(statement.line, "rejected", f"PostgreSQL rejects it: the columns of {name} are in another order")
    elif changed:
        yield rejected(statement.line, f"the column {changed[0]} of the view {name} would have another type")
    elif known.is_updatable and not new.is_updatable and (users := [u.name for u in state.uses if name in u.written]):
        yield Fault(
            statement.line, "drop-breaks", f"{subject(users, 'writes')} {name}, and it can no longer be written"
        )


def _is_same(state: MigrationState, node: ast.CreateStmt, known: Table) -> bool:
    other = Catalog(routines=state.catalog.routines)
    other.apply(node, state.file)
    wanted = other.tables[relation_name(node.relation)]
    constraints = [
        {(each.kind, each.columns, repr(each.expression), each.target) for each in table.constraints.values()}
        for table in (known, wanted)
    ]
    is_known = known.is_complete and wanted.is_complete and known.kind == wanted.kind
    return is_known and constraints[0] == constraints[1] and costs.same_columns(known.columns, wanted.columns)


def _drop(state: MigrationState, statement: Statement) -> Faults:
    node, line = statement.node, statement.line
    if node.behavior == DropBehavior.DROP_CASCADE:
        is_own = node.removeType in TYPES and all(state.is_own_type(name) for name in dropped_names(node))
        takes_columns = node.removeType in {*TYPES, ObjectType.OBJECT_SCHEMA, ObjectType.OBJECT_EXTENSION}
        yield Fault(line, "drop-cascade", CASCADE, level=UNSAFE if takes_columns and not is_own else "")
    for name in dropped_names(node):
        if node.removeType == ObjectType.OBJECT_INDEX:
            yield from drop_index(state, line, name, concurrent=bool(node.concurrent))
        elif node.removeType in RELATIONS:
            yield from _drop_relation(state, line, name, is_table=node.removeType == ObjectType.OBJECT_TABLE)
        elif node.removeType in ROUTINES:
            _drop_routine(state, line, name)
        elif node.removeType == ObjectType.OBJECT_TRIGGER:
            state.locked.append(name.rpartition(".")[0] or name)


def _drop_routine(state: MigrationState, line: int, name: str) -> None:
    """Note a fault if a query or a trigger calls the function, unless the file creates it again."""
    known = state.catalog.routines.get(name)
    was_there = state.before is not None and name in state.before.routines
    if known is not None and state.is_own(known.created_by, was_there=was_there):
        return
    users = [*state.callers(name), *(each.name for each in routines.triggers_of(state.catalog, name))]
    if known is not None:
        stored = sorted(set(routines.stored_results(state.catalog, name)))
        state.dropped[name] = Dropped(known, stored, sorted(set(users)))
    if users:
        fault = Fault(line, "drop-breaks", f"{subject(sorted(set(users)), 'calls')} {name}")

        def is_gone() -> bool:
            new = state.catalog.routines.get(name)
            return new is None or (known is not None and new.arguments != known.arguments)

        state.pending.append((fault, is_gone))


def _drop_relation(state: MigrationState, line: int, name: str, *, is_table: bool) -> Faults:
    if name in state.catalog.tables and not state.is_busy(name):
        return
    state.locked.append(name)
    former = state.catalog.tables.get(name)
    if (users := state.users(name)) and former and former.kind == "view":
        fault = Fault(line, "drop-breaks", f"{subject(users, 'uses')} {name}")
        state.pending.append((fault, lambda: not _is_served(state, name, former, has_triggers=False)))
        note_rights(state, line, name)
    elif users:
        yield Fault(line, "drop-breaks", f"{subject(users, 'uses')} {name}")
    elif is_table:
        yield Fault(line, "drop-loses", f"the rows of {name} are lost, and a rollback cannot restore them")


def _note_arbiter(state: MigrationState, line: int, name: str) -> None:
    """Note a fault if an ON CONFLICT ON CONSTRAINT names a constraint that no table has at the end of the file."""
    if users := sorted({use.name for use in state.bodies() if any(own == name for _, own in use.arbiters)}):
        fault = Fault(line, "drop-breaks", f"ON CONFLICT of {', '.join(users)} names {name}")

        def is_gone() -> bool:
            return not any(name in table.constraints for table in state.catalog.tables.values())

        state.pending.append((fault, is_gone))


def drop_constraint(state: MigrationState, line: int, table: str, name: str) -> None:
    """Note a fault if no constraint replaces the dropped one."""
    known = next((each for each in state.catalog.constraints(table) if each.name == name), None)
    if name in state.catalog.indexes:
        drop_unique_index(state, line, name)
    if state.before is None:
        _note_arbiter(state, line, name)
    if known is not None:
        state.dropped_checks.setdefault(table, []).append(known)
    was_there = state.before is not None and any(each.name == name for each in state.before.constraints(table))
    if known is None or known.kind not in {"check", "fkey", "excl"} or not known.valid:
        return
    if state.is_own(known.created_by, was_there=was_there):
        return
    required = costs.not_null_columns(known.expression)
    is_only_not_null = required == set(known.columns) and not _says_more(known.expression)

    def is_gone() -> bool:
        """Return whether neither NOT NULL nor a constraint of the same columns replaces it at the end of the file."""
        columns = [state.catalog.column(table, each) for each in required]
        if is_only_not_null and all(column and column.not_null for column in columns):
            return False
        others = state.catalog.constraints(table)
        return not any(each.kind == known.kind and each.columns == known.columns for each in others)

    why = f"rows that break {name} can be written from now on, and a rollback fails if there are any"
    state.pending.append((Fault(line, "constraint-drop", why), is_gone))


def _says_more(check: Any) -> bool:
    return any(isinstance(each, ast.A_Expr | ast.FuncCall | ast.SubLink) for each in walk(check))


def drop_expression(state: MigrationState, line: int, table: str, name: str) -> Faults:
    """Yield a fault if queries read a column that PostgreSQL no longer computes."""
    if readers := state.readers(table, name):
        why = f"{subject(readers, 'uses')} {name}, which PostgreSQL no longer computes for new rows"
        yield Fault(line, "insert-breaks", why)


def _rename(state: MigrationState, statement: Statement) -> Faults:
    node, line, before = statement.node, statement.line, state.before
    kind = node.renameType if isinstance(node, ast.RenameStmt) else node.objectType
    relation: Any = getattr(node, "relation", None)
    table = relation_name(relation) if relation else ""
    if kind == ObjectType.OBJECT_COLUMN and state.is_busy(table):
        state.locked.append(table)
        column = state.catalog.column(table, node.subname)
        is_back = before and before.column(table, node.newname) and not before.column(table, node.subname)
        if not is_back and not (column and column.created_by == state.file):
            why = f"the running release knows {table}.{node.newname} as {node.subname}"
            fault = Fault(line, "rename-breaks", why)
            state.pending.append((fault, lambda: not _has_former(state, state.catalog.column(table, node.subname))))
    elif kind in RELATIONS and table not in state.catalog.indexes and state.is_busy(table):
        state.locked.append(table)
        new = str(node.newname) if isinstance(node, ast.RenameStmt) else f"{node.newschema}.{relation.relname}"
        takes_over = state.users(new) and not state.users(table)
        if not takes_over and not (before and new in before.tables):
            former = state.catalog.tables.get(table)
            has_triggers = any(each.table == table for each in state.catalog.triggers.values())
            fault = Fault(line, "rename-breaks", f"the running release knows {new} as {table}")
            state.pending.append((fault, lambda: not _is_served(state, table, former, has_triggers=has_triggers)))
            note_rights(state, line, table)
    elif kind in {ObjectType.OBJECT_TABCONSTRAINT, ObjectType.OBJECT_INDEX} and before is None:
        _note_arbiter(state, line, node.subname or relation.relname)
    elif kind == ObjectType.OBJECT_SCHEMA:
        yield Fault(line, "rename-breaks", f"the running release knows schema {node.newname} as {node.subname}")
    elif kind in TYPES:
        name = qualified_name(node.object)
        if state.catalog.types.get(name) != state.file and before is None:
            yield Fault(line, "rename-breaks", f"the running release knows the type {node.newname} as {name}")
    elif kind in ROUTINES:
        name = qualified_name(node.object.objname)
        if (callers := state.callers(name)) and not (before and name not in before.routines):
            yield Fault(line, "rename-breaks", f"{subject(callers, 'calls')} {name}")


def note_rights(state: MigrationState, line: int, name: str) -> None:
    """Note a fault if another relation has this name at the end of the file, without the rights or the policies.

    Neither follows the name: they belong to the relation that had it.
    """
    former = state.catalog.rights.get(name, frozenset())
    was_closed = name in state.catalog.row_security
    hint = "GRANT the rights on the new relation in the same file"
    roles = ", ".join(sorted({each.role for each in former}))
    why = f"rights do not follow a name: {roles} lacks rights on the new {name}"
    state.pending.append(
        (
            Fault(line, "revoke-breaks", why, hint),
            lambda: name in state.catalog.tables and not former <= state.catalog.rights.get(name, frozenset()),
        )
    )
    why = f"row level security does not follow a name: each role sees all rows of the new {name}"
    hint = "enable it, and create the policies, in the same file"
    fault = Fault(line, "row-security", why, hint)
    state.pending.append((fault, lambda: was_closed and name not in state.catalog.row_security))


def _has_former(state: MigrationState, known: Table | Column | None) -> bool:
    """Return whether a view, or something with the rows of before, has the old name at the end of the file."""
    if not state.transactional or known is None:
        return False
    return known.created_by != state.file or (isinstance(known, Table) and known.kind == "view")


def _is_served(state: MigrationState, name: str, former: Table | None, *, has_triggers: bool) -> bool:
    """Return whether another relation has taken the old name, with the columns and triggers that the queries need."""
    known = state.catalog.tables.get(name)
    if known is None or not _has_former(state, known):
        return False
    needed = {column for column in former.columns if state.readers(name, column)} if former else set()
    has_columns = not known.is_complete or needed <= known.columns.keys()
    if known.kind == "view":
        return has_columns and (known.is_updatable or not any(name in use.written for use in state.uses))
    return has_columns and (not has_triggers or any(each.table == name for each in state.catalog.triggers.values()))


def change_type(state: MigrationState, line: int, table: str, command: ast.AlterTableCmd) -> Faults:
    """Yield a fault if queries use the column, and their clients may fail with the new type."""
    definition: Any = command.def_
    column = state.catalog.column(table, command.name)
    old, new = column.type if column else None, type_of(definition.typeName)
    former = state.before.column(table, command.name) if state.before else None
    readers = state.readers(table, command.name or "")
    if readers and costs.breaks_clients(old, new) and not (former and new and former.type == new):
        change = f"{costs.type_text(old)} becomes {costs.type_text(new)}"
        yield Fault(line, "type-breaks", f"{subject(readers, 'uses')} {command.name}, and {change}")


def require(state: MigrationState, line: int, table: str, name: str) -> Faults:
    """Yield a fault if a column becomes NOT NULL, has no DEFAULT, and an INSERT leaves it out."""
    column = state.catalog.column(table, name)
    former = state.before.column(table, name) if state.before else None
    has_value = column and (column.is_generated or not costs.is_null(column.default))
    inserts = state.inserts_without(table, name)
    if inserts and not has_value and not (former and former.not_null):
        yield Fault(line, "insert-breaks", f"{subject(inserts, 'leaves')} {name} out, and it has no DEFAULT")


def drop_default(state: MigrationState, line: int, table: str, name: str) -> Faults:
    """Yield a fault if an INSERT leaves the column out and so needs its DEFAULT."""
    column = state.catalog.column(table, name)
    before = state.before
    former = before.column(table, name) if before else None
    is_back = before and table in before.tables and not (former and (former.default is not None or former.is_generated))
    inserts = state.inserts_without(table, name)
    if not inserts or (column and column.default is None and not column.is_generated) or is_back:
        return
    if column is None or column.not_null:
        yield Fault(line, "insert-breaks", f"{subject(inserts, 'leaves')} {name} out, so it needs its DEFAULT")
    elif column.created_by != state.file:
        yield Fault(line, "insert-breaks", f"{subject(inserts, 'leaves')} {name} out, so new rows have NULL", "", CARE)


def drop_column(state: MigrationState, line: int, table: str, name: str, *, if_exists: bool) -> Faults:
    """Yield a fault if queries use the column, or if its values are lost."""
    column = state.catalog.column(table, name)
    known = state.catalog.tables.get(table)
    if (column and column.created_by == state.file) or (if_exists and known and known.is_complete and not column):
        return
    former = state.before.tables.get(table) if state.before else None
    if former and former.is_complete and name not in former.columns:
        return
    if readers := state.readers(table, name):
        yield Fault(line, "drop-breaks", f"{subject(readers, 'uses')} {table}.{name}")
    else:
        yield Fault(line, "drop-loses", f"the values of {table}.{name} are lost, and a rollback cannot restore them")
