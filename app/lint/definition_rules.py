"""Rules about definitions: types, names, sequences, indexes, SECURITY DEFINER, and what PostgreSQL rejects."""

import re
from typing import Any

from pglast import ast
from pglast.enums import AlterTableType as Alter
from pglast.enums import CoercionContext, ConstrType, DropBehavior, ObjectType
from pglast.keywords import RESERVED_KEYWORDS, TYPE_FUNC_NAME_KEYWORDS

from app.lint import dependents
from app.lint.catalog import ROUTINES
from app.lint.findings import Fault, Faults
from app.lint.nodes import (
    RELATIONS,
    SERIALS,
    constant_text,
    constraint_columns,
    dropped_names,
    is_always,
    is_temporary,
    qualified_name,
    relation_name,
    type_name,
    type_of,
    walk,
)
from app.lint.objects import Table
from app.lint.parser import Statement
from app.lint.rules import CARE, UNSAFE
from app.lint.state import MigrationState

TYPES = {
    "json": ("json has no equality, so DISTINCT and GROUP BY fail, and no index", "use jsonb"),
    "money": ("the currency of money is a setting of the server", "use numeric, and a column for the currency"),
    "timetz": ("the zone of a time without a date is not known", "use timestamptz"),
}
VARCHAR = "to shorten its limit later, each row is checked under ACCESS EXCLUSIVE"
WIDTHS = {"int2": 2, "int4": 4, "int8": 8}  # bytes
LIMIT = 2**31 - 1  # of a sequence
MAX_COLUMNS = 3  # of an index that is not unique
PLAIN_NAME = re.compile(r"[^\W\dA-Z][^\WA-Z]*")
NEEDS_COLUMN = {Alter.AT_DropColumn, Alter.AT_AlterColumnType, Alter.AT_ColumnDefault, Alter.AT_SetNotNull}
NEEDS_COLUMN |= {Alter.AT_DropNotNull, Alter.AT_DropExpression, Alter.AT_DropIdentity, Alter.AT_AddIdentity}
UNIQUE = {ConstrType.CONSTR_PRIMARY, ConstrType.CONSTR_UNIQUE}
DEPENDENTS = {
    **dict.fromkeys(ROUTINES, dependents.of_routine),
    ObjectType.OBJECT_TYPE: dependents.of_type,
    ObjectType.OBJECT_DOMAIN: dependents.of_type,
    ObjectType.OBJECT_SEQUENCE: dependents.of_sequence,
}
EXPRESSIONS = {
    ConstrType.CONSTR_DEFAULT: "a DEFAULT",
    ConstrType.CONSTR_CHECK: "a CHECK",
    ConstrType.CONSTR_GENERATED: "a generated column",
}
# Types between whose values `=` exists, by a common name. Those of other names are not compared.
COMPARABLE = dict.fromkeys(["int2", "int4", "int8", "numeric", "float4", "float8"], "number")
COMPARABLE |= dict.fromkeys(["text", "varchar", "bpchar", "name"], "text")
COMPARABLE |= dict.fromkeys(["date", "timestamp", "timestamptz"], "time")
COMPARABLE |= {each: each for each in ("uuid", "bytea", "bool", "jsonb", "inet", "interval")}
AGGREGATES = {"count", "sum", "avg", "min", "max", "array_agg", "string_agg", "bool_and", "bool_or", "jsonb_agg"}
OF_MANY_ROWS = {"generate_series", "unnest", "regexp_matches", "regexp_split_to_table", "string_to_table"}
OF_MANY_ROWS |= {f"jsonb_{each}" for each in ("array_elements", "array_elements_text", "each", "object_keys")}
NO_DO = {"sql", "c", "internal"}  # languages that have only functions
KEYWORDS = {*RESERVED_KEYWORDS, *TYPE_FUNC_NAME_KEYWORDS}


def definition_faults(state: MigrationState, statement: Statement) -> Faults:
    """Yield the faults of the definitions in a statement. Call it before the catalog has the change."""
    node, line = statement.node, statement.line
    for each in statement.nodes:
        match each:
            case ast.ColumnDef(colname=str(name), typeName=type) if type is not None:
                if (bad := TYPES.get(type_name(type))) and not type.arrayBounds:
                    yield Fault(statement.line_of(each), "column-type", f"{name}: {bad[0]}", bad[1])
                elif type_name(type) == "varchar" and type.typmods and not statement.block:
                    hint = "use text, and a named CHECK for its length"
                    yield Fault(statement.line_of(each), "column-type", f"{name}: {VARCHAR}", hint)
                yield from _name(line, name)
                yield from _narrow_number(statement, each)
            case ast.Constraint(contype=contype, raw_expr=expression) if contype in EXPRESSIONS:
                yield from _impossible(statement.line_of(each), EXPRESSIONS[contype], expression)
            case ast.AlterTableCmd(subtype=Alter.AT_ColumnDefault, def_=expression):
                yield from _impossible(line, "a DEFAULT", expression)
            case ast.IndexStmt():
                yield from _impossible(line, "an index", [each.whereClause, *(each.indexParams or ())])
            case _:
                pass
    match node:
        case ast.CreateStmt(relation=relation) | ast.CreateTableAsStmt(into=ast.IntoClause(rel=relation)):
            yield from _create_table(state, statement, node, relation)
        case ast.DropStmt(removeType=kind) if kind in RELATIONS and node.behavior != DropBehavior.DROP_CASCADE:
            names = dropped_names(node)
            for name in names:
                if needed := next(dependents.of_relation(state.catalog, name, names), ""):
                    yield rejected(line, f"{needed} needs {name}")
        case ast.DropStmt(removeType=kind) if kind in DEPENDENTS and node.behavior != DropBehavior.DROP_CASCADE:
            for name in dropped_names(node):
                if needed := next(DEPENDENTS[kind](state.catalog, name), "") or _trigger_of(state, name, kind):
                    yield rejected(line, f"{needed} needs {name}")
        case ast.DropStmt(removeType=ObjectType.OBJECT_EXTENSION) if node.behavior != DropBehavior.DROP_CASCADE and (
            needed := next(dependents.of_extensions(state.catalog, dropped_names(node)), "")
        ):
            yield rejected(line, f"{needed} uses {', '.join(dropped_names(node))}")
        case ast.DropStmt(removeType=ObjectType.OBJECT_EXTENSION):
            why = f"PostgreSQL rejects it if an object uses {', '.join(dropped_names(node))}"
            yield Fault(line, "rejected", why, "first drop what uses it, by name", CARE)
        case ast.RenameStmt(newname=str(name), renameType=ObjectType.OBJECT_TABLE | ObjectType.OBJECT_COLUMN):
            yield from _name(line, name)
        case ast.IndexStmt(indexParams=[*parts]) if not node.unique and len(parts) > MAX_COLUMNS:
            why = f"{len(parts)} columns make it large, and the planner seldom needs more than {MAX_COLUMNS}"
            yield Fault(line, "wide-index", why)
        case ast.AlterTableStmt(objtype=ObjectType.OBJECT_SEQUENCE, relation=relation, cmds=[*commands]):
            name = relation_name(relation)
            user = _identity_of(state, name) or next(dependents.of_sequence(state.catalog, name), "")
            if user and any(each.subtype == Alter.AT_SetUnLogged for each in commands):
                why = f"after a crash, {user} gets the numbers of rows that are there"
                yield Fault(line, "sequence-restart", why, "leave it LOGGED")
        case ast.DropStmt(removeType=ObjectType.OBJECT_STATISTIC_EXT) if state.before is None:
            why = "the planner no longer knows how many rows several conditions together find"
            yield Fault(line, "slower-queries", why)
        case ast.AlterSeqStmt(options=[*options]) if (
            owner := _identity_of(state, relation_name(node.sequence))
        ) and any(each.defname == "owned_by" for each in options):
            yield rejected(line, f"the sequence belongs to the identity column {owner}")
        case ast.CreateSeqStmt() | ast.AlterSeqStmt():
            yield from _sequence(line, node.options or (), is_new=isinstance(node, ast.CreateSeqStmt))
        case ast.CreateFunctionStmt(options=[*options]):
            yield from _definer(line, options, is_parsed=node.sql_body is not None)
        case ast.SecLabelStmt() if not state.catalog.extensions & {node.provider}:
            why = "PostgreSQL rejects it unless the server loads a provider of security labels"
            yield Fault(line, "rejected", why, "do it by hand, on a server with such a provider")
        case ast.DoStmt(args=[*options]) if (language := _language(options)) in NO_DO:
            yield rejected(line, f"the language {language} cannot run DO")
        case ast.CreateCastStmt(context=CoercionContext.COERCION_IMPLICIT):
            why = "an implicit cast makes calls and operators ambiguous, also in queries that run now"
            yield Fault(line, "ambiguous-name", why, "create the cast AS ASSIGNMENT, or without AS", CARE)
        case _:
            pass
    yield from _set_value(state, line, statement)


def _identity_of(state: MigrationState, name: str) -> str:
    """Return the identity column whose sequence has this name, or ""."""
    for table_name, table in state.catalog.tables.items():
        for column in table.columns.values():
            if column.is_identity and name == f"{table_name}_{column.name}_seq":
                return f"{table_name}.{column.name}"
    return ""


def _language(options: Any) -> str:
    return next((getattr(each.arg, "sval", "") for each in options if each.defname == "language"), "")


def _impossible(line: int, where: str, expression: Any) -> Faults:
    """Yield the fault of an expression that may not have a subquery, or a column of a DEFAULT."""
    for each in walk(expression):
        if isinstance(each, ast.SubLink):
            yield rejected(line, f"a subquery cannot be in {where}")
        elif isinstance(each, ast.ColumnRef) and where == "a DEFAULT":
            yield rejected(line, "a column cannot be in a DEFAULT")
        elif isinstance(each, ast.FuncCall) and (of := _of_rows(each)):
            yield rejected(line, f"{qualified_name(each.funcname)}(), {of}, cannot be in {where}")


def _of_rows(call: Any) -> str:
    """Return in which way a function of PostgreSQL reads or returns several rows, or ""."""
    name = qualified_name(call.funcname).removeprefix("pg_catalog.")
    if name in AGGREGATES or call.agg_star or call.over:
        return "an aggregate"
    return "which returns several rows" if name in OF_MANY_ROWS else ""


def _narrow_number(statement: Statement, column: Any) -> Faults:
    """Yield the fault of a number of 32 bits that a sequence counts, in a DO, which squawk does not read."""
    name = type_name(column.typeName)
    counts = name in SERIALS or any(each.contype == ConstrType.CONSTR_IDENTITY for each in column.constraints or ())
    if statement.block and counts and WIDTHS.get(SERIALS.get(name, name), 8) < 8:
        yield Fault(statement.line, "int-overflow", f"{column.colname} ends, and then each INSERT fails")


def _name(line: int, name: str) -> Faults:
    if name in KEYWORDS:
        yield Fault(line, "quoted-name", f'{name} is a reserved word, so each statement must write "{name}"')
    elif not PLAIN_NAME.fullmatch(name):
        yield Fault(line, "quoted-name", f'each statement must write "{name}" in quotes')


def _create_table(state: MigrationState, statement: Statement, node: Any, relation: Any) -> Faults:
    name, line = relation_name(relation), statement.line
    yield from _unique_apart(line, node)
    yield from _name(line, relation.relname)
    if relation.relpersistence == "u":
        why = f"{name} is empty after a crash of PostgreSQL, and no replica has its rows"
        yield Fault(line, "unlogged-table", why)
    if name in state.catalog.indexes:
        yield rejected(line, f"there is an index {name} already")
    if name not in state.catalog.tables:
        return
    if is_temporary(relation):
        why = f"{name} means the temporary table from here on, also in the files after this one"
        yield Fault(line, "ambiguous-name", why, "choose another name")
    elif not node.if_not_exists and not statement.block:  # in DO or a routine, it may be under a condition
        yield rejected(line, f"there is a table {name} already")


def _unique_apart(line: int, node: Any) -> Faults:
    """Yield the fault of a unique key of a new partitioned table that lacks a column by which it is partitioned."""
    spec = getattr(node, "partspec", None)
    key = {each.name for each in spec.partParams or ()} if spec else set()
    for element in node.tableElts or () if spec else ():
        own = element.constraints if isinstance(element, ast.ColumnDef) else [element]
        for each in own or ():
            if isinstance(each, ast.Constraint) and each.contype in UNIQUE:
                columns = {element.colname} if isinstance(element, ast.ColumnDef) else {*constraint_columns(each)}
                if lacking := ", ".join(sorted(name or "the expression" for name in key - columns)):
                    yield rejected(line, f"a unique key of a partitioned table needs {lacking}")


def rejected(line: int, why: str) -> Fault:
    """Return the fault of a statement that fails."""
    return Fault(line, "rejected", f"PostgreSQL rejects it: {why}")


def alter_table_definition_faults(state: MigrationState, line: int, table: str, command: Any) -> Faults:
    """Yield the faults of a subcommand of ALTER TABLE that PostgreSQL rejects, or that defines a sequence."""
    kind, name = command.subtype, command.name
    known = state.catalog.tables.get(table)
    if kind == Alter.AT_SetIdentity:
        yield from _sequence(line, command.def_ or (), is_new=False)
        if any(each.defname == "generated" for each in command.def_ or ()) and not is_always(command.def_):
            why = f"an INSERT may give {name} a number that the sequence gives later"
            yield Fault(
                line, "sequence-restart", why, "keep GENERATED ALWAYS: OVERRIDING SYSTEM VALUE is possible", CARE
            )
    if known is None or known.kind == "view":
        return
    if kind == Alter.AT_AddColumn and command.def_.colname in known.columns:
        if not command.missing_ok:
            yield rejected(line, f"{table} has a column {command.def_.colname} already")
    elif kind == Alter.AT_AddConstraint and (lacking := _lacking(known, command.def_)):
        yield rejected(line, f"a unique key of a partitioned table needs {lacking}")
    elif kind in {Alter.AT_AddColumn, Alter.AT_AddConstraint} and (why := _unfit_key(known, command.def_)):
        yield rejected(line, why)
    elif kind in NEEDS_COLUMN and known.is_complete and name not in known.columns and not command.missing_ok:
        yield rejected(line, f"{table} has no column {name}")
    elif (
        kind in {Alter.AT_DropColumn, Alter.AT_AlterColumnType}
        and command.behavior != DropBehavior.DROP_CASCADE
        and (needed := next(dependents.of_column(state.catalog, table, name), ""))
    ):
        yield rejected(line, f"{needed} needs {table}.{name}")


def _trigger_of(state: MigrationState, name: str, kind: ObjectType | None) -> str:
    """Return the trigger that runs a function which a rollback drops, or "". Another rule reports it in a migration."""
    if state.before is None or kind not in ROUTINES:
        return ""
    return next((f"the trigger {each.name}" for each in state.catalog.triggers.values() if each.function == name), "")


def _lacking(table: Table, definition: Any) -> str:
    """Return the columns by which a table is partitioned and that a new unique key lacks, or ""."""
    if definition.contype not in UNIQUE or definition.indexname:
        return ""
    return ", ".join(
        sorted(name or "the expression" for name in {*table.partition_key} - {*constraint_columns(definition)})
    )


def _unfit_key(table: Table, definition: Any) -> str:
    """Return why PostgreSQL rejects the key of a new column or a new constraint, or ""."""
    added = definition.constraints or () if isinstance(definition, ast.ColumnDef) else (definition,)
    keys = [each for each in table.constraints.values() if each.kind in {"pkey", "key"}]
    for each in added:
        if taken := next((key.name for key in keys if key.name == each.indexname), ""):
            return f"the index {taken} belongs to a constraint already"
        if each.contype == ConstrType.CONSTR_PRIMARY and (first := [key for key in keys if key.kind == "pkey"]):
            return f"the table has the primary key {first[0].name} already"
    return ""


def _sequence(line: int, options: Any, *, is_new: bool) -> Faults:
    for each in options:
        text = constant_text(each.arg)
        if each.defname == "as" and (type := type_of(each.arg)) and WIDTHS.get(type.name, 8) < 8:
            yield Fault(line, "int-overflow", f"the sequence ends at {2 ** (8 * WIDTHS[type.name] - 1) - 1:,}")
        elif each.defname == "increment" and text.startswith("-") and not is_new:
            yield Fault(line, "sequence-restart", "it counts down from here, to numbers that other rows have")
        elif each.defname == "maxvalue" and text.isdigit() and int(text) <= LIMIT:
            level = UNSAFE if not is_new and int(text) < LIMIT else ""  # it may have given greater numbers already
            yield Fault(line, "int-overflow", f"the sequence ends at {int(text):,}", level=level)
        elif (each.defname == "restart" and not is_new) or (each.defname == "cycle" and text == "true"):
            yield Fault(line, "sequence-restart", "the next rows get numbers that other rows may have")


def _set_value(state: MigrationState, line: int, statement: Statement) -> Faults:
    for each in statement.nodes:
        match each:
            case ast.FuncCall(funcname=[*_, ast.String(sval="setval")], args=[_, value, *_]):
                if _is_greatest(value):
                    state.has_set_sequence = True
                    continue
                is_constant = bool(constant_text(value))
                why = "the next rows get numbers that other rows may have"
                yield Fault(line, "sequence-restart", why, level="" if is_constant else CARE)
            case _:
                pass


def _is_greatest(value: Any) -> bool:
    """Return whether a number is the greatest of a column, or above it: the sequence continues after all rows."""
    calls = [qualified_name(each.funcname) for each in walk(value) if isinstance(each, ast.FuncCall)]
    sums = [each.name[-1].sval for each in walk(value) if isinstance(each, ast.A_Expr) and each.name]
    return "max" in calls and not {*calls} - {"max", "pg_catalog.max"} and not {*sums} - {"+"}


def _definer(line: int, options: Any, *, is_parsed: bool) -> Faults:
    by_name: dict[str, Any] = {}
    settings = set()
    for each in options:
        by_name[each.defname] = each.arg
        if each.defname == "set":
            settings.add(each.arg.name)
    if getattr(by_name.get("security"), "boolval", False) and "search_path" not in settings and not is_parsed:
        yield Fault(line, "definer-path", "it runs with the owner's rights, and its caller chooses the search_path")


def narrow_key(state: MigrationState, line: int, table: str, definition: Any, constraint: Any) -> Faults:
    """Yield the fault of a foreign key whose column is narrower than the one that it refers to, or of another type.

    `definition` is the column, or None if the constraint names its columns.
    """
    target = relation_name(constraint.pktable)
    theirs = tuple(each.sval for each in constraint.pk_attrs or ())
    if not theirs:
        keys = [each.columns for each in state.catalog.constraints(target) if each.kind == "pkey"]
        theirs = keys[0] if keys else ()
    ours = (definition.colname,) if definition is not None else constraint_columns(constraint)
    for own, other in zip(ours, theirs, strict=False):
        column, wide = state.catalog.column(table, own), state.catalog.column(target, other)
        type = type_of(definition.typeName) if definition is not None else column.type if column else None
        kinds = {COMPARABLE.get(each.name) for each in (type, wide.type if wide else None) if each and not each.array}
        if type and wide and wide.type and len(kinds - {None}) == 2:
            yield rejected(line, f"{own} is {type.name}, and {target}.{other} is {wide.type.name}")
        elif type and wide and wide.type and WIDTHS.get(type.name, 8) < WIDTHS.get(wide.type.name, 0):
            yield Fault(line, "int-overflow", f"{own} is {type.name}, and {target}.{other} is {wide.type.name}")


def foreign_key_faults(state: MigrationState, statement: Statement) -> Faults:
    """Yield the faults of the foreign keys in a statement whose columns are narrower than their targets."""
    node = statement.node
    if isinstance(node, ast.CreateStmt):
        definitions = {each.colname: each for each in node.tableElts or () if isinstance(each, ast.ColumnDef)}
        elements: list[Any] = list(node.tableElts or ())
    elif isinstance(node, ast.AlterTableStmt):
        elements = [each.def_ for each in node.cmds or ()]
        definitions = {each.colname: each for each in elements if isinstance(each, ast.ColumnDef)}
    else:
        return
    table = relation_name(node.relation)
    for each in elements:
        own = each if isinstance(each, ast.ColumnDef) else None
        for constraint in [each] if isinstance(each, ast.Constraint) else getattr(own, "constraints", None) or ():
            if constraint.contype == ConstrType.CONSTR_FOREIGN:
                columns = constraint_columns(constraint)
                column = own or (definitions.get(columns[0]) if len(columns) == 1 else None)
                yield from narrow_key(state, statement.line, table, column, constraint)


def type_faults(state: MigrationState, statement: Statement) -> Faults:
    """Yield the faults of ALTER TYPE on a composite type: tables with a column of it are rewritten or checked."""
    node = statement.node
    name = relation_name(node.relation)
    if state.catalog.types.get(name) == state.file:
        return
    for line, command in zip(statement.lines, node.cmds or (), strict=True):
        if command.subtype == Alter.AT_AlterColumnType:
            yield Fault(line, "type-rewrite", f"each table with a column of {name} is rewritten under ACCESS EXCLUSIVE")
        elif command.subtype == Alter.AT_DropColumn:
            yield Fault(line, "drop-loses", f"the values of {name}.{command.name} are lost in each table")
