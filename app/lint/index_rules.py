"""Rules about indexes: columns that each edit changes, calls that PostgreSQL rejects, foreign keys without an index."""

from collections.abc import Iterator, Sequence, Set
from typing import Any

from pglast import ast
from pglast.enums import ConstrType

from app.lint import costs
from app.lint.definition_rules import UNIQUE, rejected
from app.lint.extensions import EXTENSIONS
from app.lint.findings import Fault, Faults
from app.lint.functions import changing
from app.lint.nodes import (
    ands,
    columns_in,
    constraint_columns,
    functions_in,
    qualified_name,
    relation_name,
    type_name,
    walk,
)
from app.lint.objects import Column
from app.lint.parser import Statement
from app.lint.rules import CARE
from app.lint.state import MigrationState

LONG = {"json", "jsonb", "xml", "tsvector"}  # types. A text is often short, also without a limit
WITH_PARTS = {"jsonb", "tsvector"}  # types whose parts a GIN index has
TEXTS = {"text", "varchar", "bytea"}
METHODS = {"btree", "hash", "gin", "gist", "spgist", "brin"}
UNORDERED = {"json", "xml", "point", "box", "polygon", "circle", "path", "line", "lseg"}  # types without a B-tree
SCALARS = {"text", "varchar", "int2", "int4", "int8", "numeric", "float4", "float8", "bool", "uuid", "bytea"}
SCALARS |= {"date", "time", "timestamp", "timestamptz", "interval"}
SCALARS_NEED = {"gin": "btree_gin", "gist": "btree_gist"}  # extensions, by the method that they add scalars to
ONE_COLUMN = {"hash", "spgist"}  # methods of indexes
WITH_INCLUDE = {"btree", "gist", "spgist"}
SAME_HINT = "leave out the DEFAULT: NULL may be there more than once"
MAX_ENTRY = 2704  # bytes in a B-tree: a third of a page


def index_faults(state: MigrationState, statement: Statement) -> Faults:
    """Yield the faults of CREATE INDEX, and of generated columns."""
    node, line = statement.node, statement.line
    for each in statement.nodes:
        match each:
            case ast.IndexStmt(indexParams=parts, whereClause=where, relation=relation):
                expressions = [where, *(part.expr for part in parts or ())]
                yield from _rejected(state, line, expressions, "an index", _types(state, relation))
            case ast.Constraint(generated_kind="s" | "v", raw_expr=expression):
                columns = _types(state, getattr(node, "relation", None))
                yield from _rejected(state, statement.line_of(each), expression, "a generated column", columns)
                own = sorted(name for name in functions_in(expression) if name in state.catalog.routines)
                if own and each.generated_kind == "v":
                    yield rejected(
                        statement.line_of(each), f"a VIRTUAL column cannot call {own[0]}, a function of yours"
                    )
            case ast.Constraint(contype=contype) if contype in UNIQUE and (relation := getattr(node, "relation", None)):
                yield from _virtual(
                    state, statement.line_of(each), relation_name(relation), {*constraint_columns(each)}
                )
            case ast.Constraint(contype=ConstrType.CONSTR_EXCLUSION):
                elements = [new for new in getattr(node, "tableElts", None) or () if isinstance(new, ast.ColumnDef)]
                columns = _types(state, getattr(node, "relation", None))
                columns |= {str(new.colname): type_name(new.typeName) for new in elements}
                yield from _excluded(state, statement.line_of(each), each, columns)
            case _:
                pass
    if isinstance(node, ast.IndexStmt):
        yield from _impossible(state, line, node)
    if isinstance(node, ast.IndexStmt) and state.is_busy(table := relation_name(node.relation)):
        yield from _hot(state, line, node, table)
        yield from _too_long(state, line, node, table)
        if node.unique:
            yield from _may_repeat(state, line, node, table)
        parts = node.indexParams or ()
        if node.unique and all(part.name for part in parts) and not _chooses(node.whereClause, parts):
            yield from same_values(state, line, table, [part.name or "" for part in parts])
        if node.unique and node.whereClause is None and node.nulls_not_distinct:
            yield from _same_nulls(state, line, table, [part.name for part in parts])


def same_values(state: MigrationState, line: int, table: str, names: Sequence[str]) -> Faults:
    """Yield the fault of unique columns with constant DEFAULTs: only one row may leave them out.

    A key of a boolean is meant for a table with one row.
    """
    columns = [state.catalog.column(table, name) for name in names]
    if not all(each and has_constant(each.default) for each in columns):
        return
    inserts = set.intersection(*({*state.inserts_without(table, name)} for name in names))
    what = ", ".join(names)
    if inserts:
        why = f"{min(inserts)} leaves {what} out, so each row gets the same value, and the second one is rejected"
        yield Fault(line, "insert-breaks", why, SAME_HINT)
    elif not any(each and each.type and each.type.name == "bool" for each in columns):
        why = f"of the rows that leave {what} out, the second one is rejected"
        yield Fault(line, "insert-breaks", why, SAME_HINT, CARE)


def has_constant(default: Any) -> bool:
    """Return whether a DEFAULT is a constant, and not NULL."""
    while isinstance(default, ast.TypeCast):
        default = default.arg
    return isinstance(default, ast.A_Const) and not default.isnull


def arbiter_waits(state: MigrationState, line: int, table: str, node: Any, own: tuple[str, ...] = ()) -> Faults:
    """Yield the fault of a DEFERRABLE constraint on which an ON CONFLICT of a query or a trigger relies.

    An ON CONFLICT without a target relies on each unique index. PostgreSQL rejects it if one of them can wait. `own` is
    the column to which the constraint belongs, if it belongs to one.
    """
    known = state.catalog.indexes.get(node.indexname or "")
    columns = own or (known.columns if known else constraint_columns(node))
    names = {"", node.conname or node.indexname}
    for use in state.bodies():
        if (table, frozenset(columns)) in use.conflict_targets or any((table, name) in use.arbiters for name in names):
            why = f"PostgreSQL rejects the ON CONFLICT of {use.name} on a table with a constraint that can wait"
            yield Fault(line, "insert-breaks", why, "leave out DEFERRABLE")
            return


def _same_nulls(state: MigrationState, line: int, table: str, names: list[str | None]) -> Faults:
    """Yield the fault of NULLS NOT DISTINCT, if an INSERT leaves all columns out, and so each of its rows has NULL."""
    columns = [state.catalog.column(table, name) for name in names]
    if not all(each and costs.is_null(each.default) and not each.is_generated for each in columns):
        return
    inserts = set.intersection(*({*state.inserts_without(table, each.name)} for each in columns if each))
    if inserts:
        why = f"{min(inserts)} leaves {', '.join(filter(None, names))} out, so the second row with NULL is rejected"
        yield Fault(line, "insert-breaks", why, "leave out NULLS NOT DISTINCT")


def unique_keys(state: MigrationState, table: str, column: str) -> list[tuple[str, ...]]:
    """Return the columns of each unique index, also of a partial one, that has a column."""
    return list(
        dict.fromkeys(
            each.columns
            for each in state.catalog.indexes_of(table)
            if each.unique and column in each.columns and "" not in each.columns
            if not _chooses(each.predicate, each.columns)
        )
    )


def _chooses(predicate: Any, key: Any) -> bool:
    """Return whether a predicate leaves out some values of the columns of a key, and not only NULL."""
    names = {getattr(each, "name", each) for each in key}
    parts = [each for each in ands(predicate) if not isinstance(each, ast.NullTest)]
    return bool(columns_in(parts) & names)


def _types(state: MigrationState, relation: Any) -> dict[str, str]:
    """Return the types of a table's columns, as far as they are known."""
    table = state.catalog.tables.get(relation_name(relation)) if relation else None
    columns = table.columns.values() if table else ()
    return {each.name: each.type.name for each in columns if each.type and not each.type.array}


def _rejected(state: MigrationState, line: int, expression: Any, what: str, columns: dict[str, str]) -> Faults:
    for node in walk(expression):
        if call := changing(state.catalog, node, columns):
            yield Fault(line, "not-immutable", f"PostgreSQL rejects {call} in {what}: its result may change")
            return


def _hot(state: MigrationState, line: int, node: Any, table: str) -> Faults:
    parts = [*(node.indexParams or ()), *(node.indexIncludingParams or ())]
    named = {part.name for part in parts if part.name}
    named |= columns_in([*parts, node.whereClause])
    for use in state.written_by_queries():
        if changed := sorted(named & {column for each, column in use.always_changed if each == table}):
            why = f"{use.name} changes {changed[0]} each time, so its updates of {table} are no longer HOT"
            yield Fault(line, "hot-updates", why)
            return


def _impossible(state: MigrationState, line: int, node: Any) -> Faults:
    """Yield the faults of an index whose method or operator class does not suit it."""
    method = node.accessMethod
    if node.unique and method in METHODS - {"btree"}:
        yield Fault(line, "rejected", f"PostgreSQL rejects it: a unique index cannot be a {method} index")
    known = state.catalog.tables.get(relation_name(node.relation))
    lacking = {*known.partition_key} - {part.name for part in node.indexParams or ()} if known and node.unique else ()
    if what := ", ".join(sorted(name or "the expression" for name in lacking)):
        yield rejected(line, f"a unique index of a partitioned table needs {what}")
    for why in _options(node, method):
        yield Fault(line, "rejected", f"PostgreSQL rejects it: a {method} index {why}")
    table = relation_name(node.relation)
    others = [node.whereClause, *(part.expr for part in node.indexParams or ())]
    yield from _virtual(state, line, table, {part.name for part in node.indexParams or ()} | columns_in(others))
    for part in node.indexParams or ():
        column = state.catalog.column(table, part.name)
        type = column.type if column else None
        operators = qualified_name(part.opclass) if part.opclass else ""
        if (extension := EXTENSIONS.get(operators)) and extension not in state.catalog.extensions:
            why = f"no file creates {extension}: if nothing else does, PostgreSQL rejects {operators}"
            yield Fault(line, "rejected", why, f"CREATE EXTENSION {extension} in an earlier migration", CARE)
        elif not operators and type and not type.array:
            needed = SCALARS_NEED.get(method)
            if (method == "btree" and type.name in UNORDERED) or (
                needed and type.name in SCALARS and needed not in state.catalog.extensions
            ):
                more = f", unless there is the extension {needed}" if needed else ""
                yield Fault(line, "rejected", f"PostgreSQL rejects it: {method} cannot index {type.name}{more}")


def _virtual(state: MigrationState, line: int, table: str, names: Set[str | None]) -> Faults:
    """Yield the fault of an index of a virtual column."""
    columns = [state.catalog.column(table, name) for name in sorted(filter(None, names))]
    if virtual := [each.name for each in columns if each and each.virtual]:
        yield rejected(line, f"{virtual[0]} is a VIRTUAL column, which no index can have")


def _excluded(state: MigrationState, line: int, node: Any, columns: dict[str, str]) -> Faults:
    """Yield the fault of EXCLUDE with a column that its method compares only with an extension."""
    needed = SCALARS_NEED.get(node.access_method)
    for part in [each[0] for each in node.exclusions or ()]:
        if needed and needed not in state.catalog.extensions and not part.opclass and columns.get(part.name) in SCALARS:
            why = f"{node.access_method} cannot index {columns[part.name]}, unless there is the extension {needed}"
            yield Fault(line, "rejected", f"PostgreSQL rejects it: {why}")
            return


def _options(node: Any, method: str) -> Iterator[str]:
    """Yield what a method of PostgreSQL cannot do, and the statement asks for."""
    parts = node.indexParams or ()
    if method in ONE_COLUMN and len(parts) > 1:
        yield "has one column"
    if method in METHODS - WITH_INCLUDE and node.indexIncludingParams:
        yield "has no INCLUDE"
    if method in METHODS - {"btree"} and any(each.ordering or each.nulls_ordering for each in parts):
        yield "has no order"


def _may_repeat(state: MigrationState, line: int, node: Any, table: str) -> Faults:
    """Yield the fault of a unique index on values that the running release may write twice."""
    parts = node.indexParams or ()
    columns = {each.name for each in parts if each.name} | columns_in([each.expr for each in parts])
    named = {each.name for each in parts if each.name}
    if any(each.unique and each.is_plain and {*each.columns} <= named for each in state.catalog.indexes_of(table)):
        return
    writers = [name for column in sorted(columns) for name in state.inserts_with(table, column)]
    readers = [name for column in sorted(columns) for name in state.readers(table, column)]
    what = ", ".join(sorted(columns))
    if state.before is not None:
        return
    if not writers and readers:
        why = f"{readers[0]} uses {what}. If rows of before have the same, the build fails and leaves an INVALID index"
        yield Fault(line, "insert-breaks", why, "look for equal values before", CARE)
    elif writers:
        why = f"{writers[0]} may have written {what} twice, so the build fails, and later such writes fail, too"
        yield Fault(line, "insert-breaks", why, "look for equal values, and first release code that avoids them", CARE)


def _too_long(state: MigrationState, line: int, node: Any, table: str) -> Faults:
    """Yield the fault of a B-tree with a column whose values may be longer than an entry of it."""
    for name in [part.name for part in node.indexParams or () if part.name] if node.accessMethod == "btree" else ():
        column = state.catalog.column(table, name)
        if column is None or _is_short(state, table, name):
            continue
        if is_long(column) or (_has_no_limit(column) and (state.readers(table, name) or not state.uses)):
            why = f"a write fails if its {name} is longer than {MAX_ENTRY} bytes, compressed"
            has_parts = column.type is not None and (column.type.array or column.type.name in WITH_PARTS)
            first = "use a GIN index" if has_parts else "limit its length by a CHECK"
            yield Fault(line, "wide-index", why, f"{first}, or index md5({name}::text)")


def is_long(column: Column) -> bool:
    """Return whether the values of a column may be long, by its type."""
    return column.type is not None and (column.type.array or column.type.name in LONG)


def _has_no_limit(column: Column) -> bool:
    """Return whether the type of a text or of bytes has no limit. If no query uses it yet, its values may be short."""
    return column.type is not None and column.type.name in TEXTS and not column.type.mods


def _is_short(state: MigrationState, table: str, name: str) -> bool:
    """Return whether a CHECK, or a unique index, which is a B-tree too, may keep the values of a column short."""
    return is_bounded(state, table, name) or any(
        each.unique and each.is_plain and name in each.columns for each in state.catalog.indexes_of(table)
    )


def is_bounded(state: MigrationState, table: str, name: str) -> bool:
    """Return whether a CHECK may keep the values of a column short."""
    return any(each.kind == "check" and name in each.columns for each in state.catalog.constraints(table))


def require_index(state: MigrationState, line: int, table: str, columns: tuple[str, ...], target: str) -> None:
    """Note the fault of a foreign key, unless an index begins with its columns at the end of the file."""

    def is_missing() -> bool:
        return not any(
            set(index.columns[: len(columns)]) == set(columns)
            and (index.predicate is None or costs.not_null_columns(index.predicate) == columns_in(index.predicate))
            and columns_in(index.predicate) <= set(columns)
            for index in state.catalog.indexes_of(table)
        )

    why = f"no index of {table} begins with {', '.join(columns)}, so each DELETE in {target} reads all of {table}"
    state.pending.append((Fault(line, "foreign-key-index", why), is_missing))
