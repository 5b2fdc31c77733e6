"""Rules about expressions that fail for some values: casts of text and JSON, and divisions, in indexes and CHECKs."""

from collections.abc import Iterator
from typing import Any

from pglast import ast, enums
from pglast.enums import ConstrType

from app.lint.findings import Fault, Faults
from app.lint.functions import expression_type
from app.lint.nodes import ands, columns_in, qualified_name, relation_name, type_name, walk
from app.lint.parser import Statement
from app.lint.state import MigrationState

TEXTS = {"text", "varchar", "bpchar", "name"}
OF_JSON = {"->", "#>"}  # operators whose result is JSON
PARSE = {"to_number", "to_date", "to_timestamp", "decode", "convert_from", "sqrt", "ln", "log"}
PATTERNS = {"~", "~*", "@?", "@@"}
TYPE_TESTS = {"jsonb_typeof", "json_typeof", "pg_input_is_valid", "jsonb_path_exists", "jsonb_path_match"}
KINDS = {ConstrType.CONSTR_CHECK: "a CHECK", ConstrType.CONSTR_GENERATED: "a generated column"}


def failure_faults(state: MigrationState, statement: Statement) -> Faults:
    """Yield the faults of indexes, CHECKs and generated columns of a table in use whose expression may fail."""
    node = statement.node
    if statement.unreadable:
        return
    if isinstance(node, ast.IndexStmt):
        table, line = relation_name(node.relation), statement.line
        expressions = [*(each.expr for each in node.indexParams or ()), *ands(node.whereClause)]
        yield from _faults(state, line, table, "the build", expressions, ands(node.whereClause))
    elif isinstance(node, ast.AlterTableStmt):
        table = relation_name(node.relation)
        for each in statement.nodes:
            if isinstance(each, ast.Constraint) and each.contype in KINDS:
                parts = ands(each.raw_expr)
                yield from _faults(state, statement.line_of(each), table, KINDS[each.contype], parts, parts)


def _faults(
    state: MigrationState, line: int, table: str, what: str, expressions: list[Any], conditions: list[Any]
) -> Faults:
    if not state.is_busy(table):
        return
    known = state.catalog.tables.get(table)
    types = {each.name: each.type.name for each in known.columns.values() if each.type} if known else {}
    tested = {name for each in conditions if _tests(each) for name in columns_in(each)}
    for node, why in _failing(expressions, types):
        columns = columns_in(node)
        if columns & tested or (why == DIVISION and _has_check(state, table, columns)):
            continue
        more = "and so does each later write of such a row" if what == "the build" else "and so do writes of such a row"
        yield Fault(
            line, "failing-expression", f"{what} fails for a row {why.format(', '.join(sorted(columns)))}, {more}"
        )
        return


DIVISION = "whose {} is 0"
UNREADABLE = "whose {} cannot be read in this way"


def _failing(node: Any, types: dict[str, str]) -> Iterator[tuple[Any, str]]:
    """Yield the parts of an expression that may fail, with the reason. CASE and NULLIF can exclude such values."""
    stack = [node]
    while stack:
        node = stack.pop()
        match node:
            case list() | tuple():
                stack += node
                continue
            case ast.CaseExpr():
                continue
            case ast.TypeCast(arg=value) if columns_in(value) and _may_fail(value, type_name(node.typeName), types):
                yield node, UNREADABLE
            case ast.FuncCall(args=[*values]) if columns_in(values):
                if qualified_name(node.funcname).removeprefix("pg_catalog.") in PARSE:
                    yield node, UNREADABLE
            case ast.A_Expr(name=[ast.String(sval="/" | "%")], rexpr=divisor) if columns_in(divisor):
                if not any(
                    isinstance(each, ast.A_Expr) and each.kind == enums.A_Expr_Kind.AEXPR_NULLIF
                    for each in walk(divisor)
                ):
                    yield divisor, DIVISION
            case _:
                pass
        if isinstance(node, ast.Node):
            stack += [getattr(node, name) for name in node]


def _may_fail(value: Any, target: str, types: dict[str, str]) -> bool:
    """Return whether a cast may fail: of a text to another type, or of JSON to a number or a boolean."""
    if target in TEXTS or target.startswith("reg"):
        return False
    if expression_type(value, types) in TEXTS:
        return True
    match value:
        case ast.A_Expr(name=[ast.String(sval=operator)]):
            return operator in OF_JSON and target not in {"json", "jsonb"}
        case ast.A_Indirection(indirection=[*steps]):
            return any(isinstance(each, ast.A_Indices) for each in steps) and target not in {"json", "jsonb"}
        case _:
            return False


def _tests(condition: Any) -> bool:
    """Return whether a condition keeps only values of one form: a pattern, or the type of a JSON value."""
    for each in walk(condition):
        match each:
            case ast.A_Expr(name=[ast.String(sval=operator)]) if operator in PATTERNS:
                return True
            case ast.JsonIsPredicate():
                return True
            case ast.FuncCall() if qualified_name(each.funcname).removeprefix("pg_catalog.") in TYPE_TESTS:
                return True
            case _:
                pass
    return False


def _has_check(state: MigrationState, table: str, columns: set[str]) -> bool:
    return any(each.kind == "check" and columns & {*each.columns} for each in state.catalog.constraints(table))
