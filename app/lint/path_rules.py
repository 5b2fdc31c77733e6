"""Rule about maintenance since PostgreSQL 17: it finds no table and no function that a body names without its schema.

CREATE INDEX, REINDEX, ANALYZE, CLUSTER and the filling of a materialized view run with the search_path pg_catalog,
pg_temp. The statement itself is read before that, and so is a body of BEGIN ATOMIC or RETURN.
"""

from collections.abc import Iterator
from typing import Any

from pglast import ast
from pglast.enums import AlterTableType as Alter
from pglast.enums import ConstrType, ObjectType

from app.lint import costs
from app.lint.catalog import Catalog
from app.lint.findings import Fault, Faults
from app.lint.functions import is_built_in
from app.lint.nodes import functions_in, qualified_name, relation_name, walk
from app.lint.objects import Routine
from app.lint.parser import Statement
from app.lint.routines import statements_of
from app.lint.state import MigrationState


def path_faults(state: MigrationState, statement: Statement) -> Faults:
    """Yield the faults of a statement whose functions do not find what they name."""
    for what, functions in _maintained(state.catalog, statement.node):
        for function in sorted(functions):
            if lost := lost_name(state.catalog, function):
                yield Fault(statement.line, "maintenance-path", f"since PostgreSQL 17, {what} fails: {lost}")
                return


def _maintained(catalog: Catalog, node: Any) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield what runs with the short search_path because of a statement, and the functions that it calls."""
    match node:
        case ast.IndexStmt(relation=relation, indexParams=params):
            what = f"an index build of {relation_name(relation)}, and each ANALYZE of it,"
            yield what, functions_in((params, node.whereClause)) | _of_types(catalog, (params, node.whereClause))
        case ast.AlterTableStmt(relation=relation, cmds=[*commands]):
            for each in commands:
                if each.subtype == Alter.AT_AddConstraint and each.def_.contype == ConstrType.CONSTR_EXCLUSION:
                    yield "the build of its index", functions_in((each.def_.exclusions, each.def_.where_clause))
        case ast.CreateStatsStmt(relations=[ast.RangeVar() as relation]):
            yield f"each ANALYZE of {relation_name(relation)}", functions_in(node.exprs)
        case ast.CreateTableAsStmt(objtype=ObjectType.OBJECT_MATVIEW, query=query):
            yield "the filling of the materialized view", _of_query(catalog, query)
        case ast.RefreshMatViewStmt(relation=relation):
            known = catalog.tables.get(relation_name(relation))
            yield "the filling of the materialized view", _of_query(catalog, known.query if known else None)
        case ast.ReindexStmt(relation=ast.RangeVar() as relation):
            name = relation_name(relation)
            for index in catalog.indexes.values():
                if name in {index.name, index.table}:
                    yield f"the build of {index.name}", index.functions
        case ast.VacuumStmt(rels=[*tables]):
            names = {relation_name(each.relation) for each in tables if each.relation}
            if node.is_vacuumcmd and not any(each.defname == "analyze" for each in node.options or ()):
                return
            for index in catalog.indexes.values():
                if index.table in names:
                    yield f"ANALYZE of {index.table}", index.functions
        case _:
            pass


def _of_types(catalog: Catalog, node: Any) -> frozenset[str]:
    """Return the functions in the CHECKs of the domains to which an expression casts."""
    casts = [qualified_name(each.names) for each in walk(node) if isinstance(each, ast.TypeName)]
    return functions_in([catalog.domain_checks.get(each, ()) for each in casts])


def _of_query(catalog: Catalog, query: Any) -> frozenset[str]:
    """Return the functions that a query calls, also in the views that it reads."""
    functions, seen, waiting = functions_in(query), {""}, [query]
    while waiting:
        for name in sorted(costs.tables_read(waiting.pop()) - seen):
            seen.add(name)
            view = catalog.tables.get(name)
            if view and view.query is not None and view.kind == "view":
                functions |= functions_in(view.query)
                waiting.append(view.query)
    return functions


def lost_name(catalog: Catalog, function: str) -> str:
    """Return which name a function, or one that it calls, does not find with the short search_path, or ""."""
    seen, waiting = set(), [function]
    while waiting:
        name = waiting.pop()
        routine = catalog.routines.get(name)
        if routine is None or routine.has_path or name in seen:
            continue
        seen.add(name)
        for each in statements_of(routine):
            if each.unreadable:
                continue
            if routine.parsed is None and (lost := _without_schema(catalog, routine, each.node)):
                return f"{name} names {lost} without its schema"
            waiting += sorted(functions_in(each.node))
    return ""


def _without_schema(catalog: Catalog, routine: Routine, node: Any) -> str:
    """Return a table, function or type that a statement names without a schema and that is not in pg_catalog, or ""."""
    within = {each.ctename for each in walk(node) if isinstance(each, ast.CommonTableExpr)}
    for each in walk(node):
        match each:
            case ast.RangeVar(schemaname=None, relname=str(name)) if name not in within and name in catalog.tables:
                return name
            case ast.FuncCall(funcname=[ast.String(sval=str(name))]) if not is_built_in(name):
                return f"{name}()"
            case ast.TypeName(names=[ast.String(sval=str(name))]) if name in {*catalog.types, *catalog.tables}:
                return f"the type {name}"
            case _:
                pass
    declared = (routine.body or "").lower() if routine.language == "plpgsql" else ""
    return next((f"the type {each}" for each in sorted(catalog.types) if f" {each};" in declared), "")
