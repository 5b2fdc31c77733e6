"""Rules about ALTER TABLE: rewrites, scans and index builds under ACCESS EXCLUSIVE, and constraints."""

from typing import Any

from pglast import ast
from pglast.enums import AlterTableType as Alter
from pglast.enums import ConstrType, DropBehavior, ObjectType

from app.lint import costs
from app.lint.alter_table import is_light, rewrites
from app.lint.catalog import Catalog
from app.lint.definition_rules import alter_table_definition_faults, type_faults
from app.lint.findings import Fault, Faults
from app.lint.foreign_key_rules import reference_faults
from app.lint.index_rules import arbiter_waits, is_bounded, is_long, require_index, same_values, unique_keys
from app.lint.lock_rules import foreign_key_lock
from app.lint.nodes import (
    SERIALS,
    constant_text,
    constraint_columns,
    is_always,
    is_virtual,
    qualified_name,
    relation_name,
    type_name,
)
from app.lint.object_rules import alter_table_object_faults
from app.lint.objects import HEAP
from app.lint.parser import Statement
from app.lint.partition_rules import attach_faults, detach_faults
from app.lint.release_rules import (
    CASCADE,
    change_type,
    drop_column,
    drop_constraint,
    drop_default,
    drop_expression,
    require,
)
from app.lint.rules import CARE, UNSAFE
from app.lint.state import MigrationState
from app.lint.stricter_rules import check_faults, not_null
from app.lint.usage import Scope, Use

# PostgreSQL runs the subcommands of one statement in this order. All others come after these.
ORDER = {Alter.AT_DropConstraint: 0, Alter.AT_DropColumn: 0, Alter.AT_AlterColumnType: 1, Alter.AT_AddColumn: 2}
TABLES = {ObjectType.OBJECT_TABLE, ObjectType.OBJECT_MATVIEW, ObjectType.OBJECT_FOREIGN_TABLE}
TEXTS = {"text", "varchar", "bytea"}
NUMBERED, STORED = "a sequence numbers each row", "a stored column is computed for each row"
REWRITE_HINTS = {
    NUMBERED: "add a plain column, fill it in batches, and then ADD GENERATED ... AS IDENTITY",
    STORED: "add a plain column, let a trigger keep it up to date, and fill the old rows in batches",
}
ADD_LATER = "add the column without it, and ADD FOREIGN KEY ... NOT VALID in its own file, and then VALIDATE"
EMPTY_HINT = "move ADD FOREIGN KEY ... NOT VALID to its own file, and VALIDATE it in the next one"
DROPS_FIRST = "drop the CHECK that proves it in a later statement: within one, PostgreSQL drops first"
COPY_HINT = "create another table, copy the rows in batches, and switch the code over"
EXCLUDE_HINT = (
    "PostgreSQL cannot add an EXCLUDE constraint without this lock. Create a new table with the constraint, copy the "
    "rows in batches, and switch the code over"
)


def alter_table_faults(state: MigrationState, statement: Statement) -> Faults:
    """Yield the faults of an ALTER TABLE, and apply its subcommands to the catalog in PostgreSQL's order."""
    node, table = statement.node, relation_name(statement.node.relation)
    commands = list(zip(statement.lines, node.cmds or (), strict=True))
    if node.objtype == ObjectType.OBJECT_INDEX:
        index = state.catalog.indexes.get(table)
        moving = [
            line for line, command in commands if rewrites(command) and index and command.name != index.tablespace
        ]
        if moved := moving if index else [line for line, command in commands if rewrites(command)]:
            yield Fault(moved[0], "table-rewrite", f"the index {table} is copied, and queries that use it wait")
        return
    if node.objtype == ObjectType.OBJECT_TYPE:
        yield from type_faults(state, statement)
    if node.objtype not in TABLES:
        return
    busy = state.is_busy(table)
    if node.missing_ok and table not in state.catalog.tables and state.before is None:
        yield Fault(statement.line, "rejected", f"no file creates {table}, so with IF EXISTS it silently does nothing")
    if busy and not all(is_light(command) for _, command in commands):
        state.locked.append(table)
    costly_types: list[tuple[int, str]] = []
    drops = any(command.subtype == Alter.AT_DropConstraint for _, command in commands)
    for line, command in sorted(commands, key=lambda pair: ORDER.get(pair[1].subtype, 3)):
        if fault := next(alter_table_definition_faults(state, line, table, command), None):
            yield fault
            if fault.rule == "rejected":
                continue
        if busy and command.subtype == Alter.AT_AlterColumnType:
            if cost := costs.type_change(state.catalog, table, command.name, command.def_):
                costly_types.append((line, f"{command.name}: {cost}"))
            yield from change_type(state, line, table, command)
        elif command.subtype == Alter.AT_AddColumn:
            yield from _add_column(state, line, table, command)
        elif command.subtype == Alter.AT_AddConstraint:
            yield from _add_constraint(state, line, table, command.def_)
        elif busy:
            for fault in _other_command(state, line, table, command):
                yield fault._replace(hint=DROPS_FIRST) if drops and fault.rule == "not-null-scan" else fault
        elif command.subtype == Alter.AT_AttachPartition:
            yield from attach_faults(state, line, table, command.def_)
        state.catalog.alter(table, command, state.file)
        if busy and command.subtype == Alter.AT_ColumnDefault:
            for key in unique_keys(state, table, command.name):
                yield from same_values(state, line, table, key)
    if costly_types:  # PostgreSQL rewrites the table once for all of them
        why = f"under ACCESS EXCLUSIVE on {table}, {'; '.join(cost for _, cost in sorted(costly_types))}"
        yield Fault(min(costly_types)[0], "type-rewrite", why)


def _add_column(state: MigrationState, line: int, table: str, command: Any) -> Faults:
    definition = command.def_
    name = definition.colname
    known = state.catalog.column(table, name)
    if known and command.missing_ok:
        other = Catalog(routines=state.catalog.routines)
        other.apply(ast.CreateStmt(relation=ast.RangeVar(relname="t"), tableElts=(definition,)), state.file)
        if not costs.same_columns({name: known}, other.tables["t"].columns):
            why = f"{known.created_by or 'another file'} creates {table}.{name} with another definition"
            yield Fault(line, "create-if-not-exists", why)
        return
    constraints = {constraint.contype: constraint for constraint in definition.constraints or ()}
    default = state.catalog.domain_defaults.get(qualified_name(definition.typeName.names))
    if ConstrType.CONSTR_DEFAULT in constraints:
        default = constraints[ConstrType.CONSTR_DEFAULT].raw_expr
    has_value = (
        not costs.is_null(default)
        or not {ConstrType.CONSTR_GENERATED, ConstrType.CONSTR_IDENTITY}.isdisjoint(constraints)
        or type_name(definition.typeName) in SERIALS
    )
    if state.is_busy(table):
        if users := sorted(
            use.name for use in state.bodies(texts_only=True) if _becomes_ambiguous(state, use, table, name)
        ):
            why = f"{', '.join(users)} already use {name} beside {table} for something else"
            yield Fault(line, "ambiguous-name", why)
        yield from _add_column_in_use(state, line, table, definition, constraints, default, has_value=has_value)
    foreign = constraints.get(ConstrType.CONSTR_FOREIGN)
    if foreign:
        target = relation_name(foreign.pktable)
        require_index(state, line, table, (name,), target)
        if has_value and state.is_busy(table):
            why = f"{table} is scanned under ACCESS EXCLUSIVE, and writes to {target} wait"
            yield Fault(line, "foreign-key-scan", why)
        elif target != table and state.is_busy(target):
            yield foreign_key_lock(state, line, target, ADD_LATER)


def _becomes_ambiguous(state: MigrationState, use: Use, table: str, column: str) -> bool:
    """Return whether a query or trigger function gives the column's name to something else, in the table's scope."""
    aliases = {
        alias
        for trigger in state.catalog.triggers.values()
        if trigger.table == table and trigger.function == use.name
        for alias in trigger.transition_tables
    }
    return any(_takes(state, scope, {table, *aliases}, column, use.variables) for scope in use.scopes)


def _takes(state: MigrationState, scope: Scope, tables: set[str], column: str, variables: frozenset[str]) -> bool:
    """Return whether a new column of the tables makes a name in a scope ambiguous, or takes it over.

    A column comes before a row: with a column `image`, also in an outer query, row_to_json(image) means this column.
    """
    if column not in scope.columns:
        return False
    if not scope.relations & tables:
        is_outer = any(each.relations & tables for each in scope.outer)
        return is_outer and column in scope.aliases and not _provides(state, scope, tables, column)
    around = any(_provides(state, each, tables, column) for each in scope.outer)
    return around or column in scope.aliases | variables or _provides(state, scope, tables, column)


def _provides(state: MigrationState, scope: Scope, tables: set[str], column: str) -> bool:
    """Return whether a scope has the column without the tables."""
    return column in scope.provided or any(state.catalog.column(each, column) for each in scope.relations - tables)


def _add_column_in_use(
    state: MigrationState, line: int, table: str, definition: Any, constraints: Any, default: Any, *, has_value: bool
) -> Faults:
    name, scan = definition.colname, f"{table} is scanned under ACCESS EXCLUSIVE"
    if cause := _rewrite_cause(state, definition, constraints, default):
        why = f"{cause}, so {table} is rewritten under ACCESS EXCLUSIVE"
        yield Fault(line, "default-rewrite", why, REWRITE_HINTS.get(cause, ""))
    required = not {ConstrType.CONSTR_NOTNULL, ConstrType.CONSTR_PRIMARY}.isdisjoint(constraints)
    if required and not has_value:
        why = f"{name} has no DEFAULT: the statement fails if {table} has rows, and so does an INSERT without {name}"
        yield Fault(line, "insert-breaks", why)
    elif required and is_virtual(constraints):
        yield Fault(line, "not-null-scan", scan)
    if not {ConstrType.CONSTR_UNIQUE, ConstrType.CONSTR_PRIMARY}.isdisjoint(constraints):
        yield Fault(line, "constraint-index", f"its index is built under ACCESS EXCLUSIVE on {table}")
    if ConstrType.CONSTR_CHECK in constraints and ConstrType.CONSTR_ATTR_NOT_ENFORCED not in constraints:
        yield Fault(line, "check-scan", scan)


def _rewrite_cause(state: MigrationState, definition: Any, constraints: Any, default: Any) -> str:
    """Return why ADD COLUMN rewrites the table, or "" if it changes only the system catalog."""
    if type_name(definition.typeName) in SERIALS or ConstrType.CONSTR_IDENTITY in constraints:
        return NUMBERED
    if ConstrType.CONSTR_GENERATED in constraints and not is_virtual(constraints):
        return STORED
    if costs.volatile(state.catalog, default):
        return "the default is volatile, or may be"
    if state.catalog.domains.get(qualified_name(definition.typeName.names), True) is None:
        return "the domain has constraints"
    return ""


def _add_constraint(state: MigrationState, line: int, table: str, node: Any) -> Faults:
    busy = state.is_busy(table)
    if node.contype == ConstrType.CONSTR_FOREIGN:
        target = relation_name(node.pktable)
        require_index(state, line, table, constraint_columns(node), target)
        yield from reference_faults(state, line, table, node)
        if not busy and target != table and state.is_busy(target):
            yield foreign_key_lock(state, line, target, EMPTY_HINT)
        elif busy and not node.skip_validation:
            yield Fault(line, "foreign-key-scan", f"{table} is scanned while writes to it and to {target} wait")
    elif not busy:
        return
    elif node.contype == ConstrType.CONSTR_CHECK:
        if node.is_enforced:
            required = sorted(costs.not_null_columns(node.raw_expr))
            lacking = [fault for name in required for fault in require(state, line, table, name)]
            yield from lacking or check_faults(state, line, table, node.raw_expr)
        if not node.skip_validation:
            yield Fault(line, "check-scan", f"{table} is scanned under ACCESS EXCLUSIVE")
    elif node.contype == ConstrType.CONSTR_NOTNULL:
        yield from _set_not_null(state, line, table, node.keys[0].sval, scans=not node.skip_validation)
    elif node.contype in {ConstrType.CONSTR_UNIQUE, ConstrType.CONSTR_PRIMARY, ConstrType.CONSTR_EXCLUSION}:
        if node.deferrable:
            yield from arbiter_waits(state, line, table, node)
        if not node.indexname:
            hint = EXCLUDE_HINT if node.contype == ConstrType.CONSTR_EXCLUSION else ""
            yield Fault(line, "constraint-index", f"its index is built under ACCESS EXCLUSIVE on {table}", hint)
        elif (known := state.catalog.indexes.get(node.indexname)) and not (known.unique and known.is_plain):
            why = f"PostgreSQL rejects it: {known.name} is not unique, or has a predicate or an expression"
            yield Fault(line, "rejected", why)
        elif node.contype == ConstrType.CONSTR_PRIMARY and (nullable := _nullable(state, table, node.indexname)):
            why = f"{table} is scanned under ACCESS EXCLUSIVE, because {nullable} may be NULL"
            yield Fault(line, "not-null-scan", why)


def _nullable(state: MigrationState, table: str, index: str) -> str:
    """Return the columns of an index that may be NULL, or ""."""
    known = state.catalog.indexes.get(index)
    if known is None:
        return "a column"
    return ", ".join(each for each in known.columns if not costs.never_null(state.catalog, table, each))


def _set_not_null(state: MigrationState, line: int, table: str, name: str, *, scans: bool) -> Faults:
    column = state.catalog.column(table, name)
    if column and column.not_null:
        return
    if scans and not costs.never_null(state.catalog, table, name):
        why = f"{table} is scanned under ACCESS EXCLUSIVE, because no valid CHECK has {name} IS NOT NULL"
        yield Fault(line, "not-null-scan", why)
    lacking = list(require(state, line, table, name))
    yield from lacking or check_faults(state, line, table, not_null(name))


def _stays_as_it_is(state: MigrationState, table: str, command: Any) -> bool:
    """Return whether a table has what a command sets: LOGGED, UNLOGGED, an access method, or a tablespace."""
    known = state.catalog.tables.get(table)
    match command.subtype if known else None:
        case Alter.AT_SetLogged | Alter.AT_SetUnLogged as kind:
            return known is not None and known.is_unlogged == (kind == Alter.AT_SetUnLogged)
        case Alter.AT_SetAccessMethod:
            return known is not None and known.access_method == (command.name or HEAP)
        case Alter.AT_SetTableSpace:
            return known is not None and known.tablespace == command.name
        case _:
            return False


def _plain_storage(state: MigrationState, line: int, table: str, name: str) -> Faults:
    """Yield the fault of STORAGE PLAIN for a column whose values may be long: PostgreSQL then cannot move them out."""
    column = state.catalog.column(table, name)
    if column and column.type and not is_bounded(state, table, name) and (is_long(column) or column.type.name in TEXTS):
        why = f"a write fails if its {name}, uncompressed, does not fit in a page of 8 kB"
        yield Fault(line, "insert-breaks", why, "use MAIN or EXTENDED", UNSAFE if is_long(column) else CARE)


def _other_command(state: MigrationState, line: int, table: str, command: Any) -> Faults:
    kind, name = command.subtype, command.name
    yield from alter_table_object_faults(state, line, table, command)
    if kind in {Alter.AT_DropColumn, Alter.AT_DropConstraint} and command.behavior == DropBehavior.DROP_CASCADE:
        yield Fault(line, "drop-cascade", CASCADE)
    if kind == Alter.AT_DropColumn:
        yield from drop_column(state, line, table, name, if_exists=command.missing_ok)
    elif kind == Alter.AT_DropConstraint:
        drop_constraint(state, line, table, name)
    elif kind == Alter.AT_SetNotNull:
        yield from _set_not_null(state, line, table, name, scans=True)
    elif kind == Alter.AT_DropIdentity or (kind == Alter.AT_ColumnDefault and costs.is_null(command.def_)):
        yield from drop_default(state, line, table, name)
    elif kind in {Alter.AT_AddIdentity, Alter.AT_SetIdentity} and (inserts := state.inserts_with(table, name)):
        if is_always(command.def_):
            why = f"{', '.join(inserts)} give a value for {name}, which PostgreSQL rejects from then on"
            yield Fault(line, "insert-breaks", why, "use GENERATED BY DEFAULT")
    elif kind == Alter.AT_SetStorage and constant_text(command.def_).lower() == "plain":
        yield from _plain_storage(state, line, table, name)
    elif kind == Alter.AT_DropExpression:
        yield from drop_expression(state, line, table, name)
    elif kind == Alter.AT_ValidateConstraint:
        known = next((each for each in state.catalog.constraints(table) if each.name == name), None)
        if state.transactional and state.locked and not (known and known.valid):
            yield Fault(line, "validate-apart", f"{table} is scanned in the transaction that locks {state.held}")
    elif rewrites(command) and not _stays_as_it_is(state, table, command):
        yield Fault(line, "table-rewrite", f"{table} is rewritten, and reads and writes wait", COPY_HINT)
    elif kind == Alter.AT_SetExpression:
        column = state.catalog.column(table, name)
        if not (column and column.virtual):
            yield Fault(line, "default-rewrite", f"{name} is computed again for each row of {table}")
    elif kind == Alter.AT_AttachPartition:
        yield from attach_faults(state, line, table, command.def_)
    elif kind == Alter.AT_DetachPartition:
        yield from detach_faults(state, line, table, concurrent=bool(command.def_.concurrent))
