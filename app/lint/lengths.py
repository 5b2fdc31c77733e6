"""Lengths of texts: what a column allows, and how long the result of an expression may be."""

from math import inf
from typing import Any

from pglast import ast
from pglast.enums import A_Expr_Kind

from app.lint.catalog import Catalog
from app.lint.literals import LENGTHS
from app.lint.nodes import ands, columns_in, constant_text, qualified_name, type_of
from app.lint.values import TEXTS

SHORTER = {"btrim", "ltrim", "rtrim", "lower", "upper", "initcap", "trim", "reverse", "nullif", "translate"}
FIXED = {"md5": 32, "to_char": 0}  # 0: not known


def limit_of(catalog: Catalog, table: str, column: str) -> float:
    """Return how many characters a column allows. A column of another type than a text allows none."""
    known = catalog.column(table, column)
    if known is None or known.type is None or known.type.array:
        return 0
    base = catalog.domain_types.get(known.type.name, known.type)
    if base is None or base.name not in TEXTS:
        return 0
    limits: list[float] = [base.mods[0]] if base.mods and base.mods[0] is not None else []
    limits += [limit_in(each.expression, column) for each in catalog.constraints(table) if each.kind == "check"]
    limits += [limit_in(each, "value") for each in catalog.domain_checks.get(known.type.name, ())]
    return min(limits, default=inf)


def limit_in(condition: Any, column: str) -> float:
    """Return how many characters of a column a condition allows."""
    limit = inf
    for part in ands(condition):
        match part:
            case ast.A_Expr(lexpr=ast.FuncCall(args=[arg]) as call) if columns_in(arg) == {column}:
                if qualified_name(call.funcname).removeprefix("pg_catalog.") in LENGTHS:
                    limit = min(limit, _highest(part))
            case _:
                pass
    return limit


def _highest(comparison: Any) -> float:
    """Return the highest number that a comparison with a constant allows."""
    if comparison.kind == A_Expr_Kind.AEXPR_BETWEEN:
        operator, text = "<=", constant_text(comparison.rexpr[1])
    else:
        operator, text = comparison.name[-1].sval, constant_text(comparison.rexpr)
    return int(text) - (operator == "<") if text.isdecimal() and operator in {"<", "<=", "="} else inf


def longest(catalog: Catalog, tables: set[str], node: Any, where: Any = None) -> float:
    """Return how many characters an expression over tables may have. 0 also means that nothing is known of it."""

    def of(each: Any) -> float:
        return longest(catalog, tables, each, where)

    match node:
        case ast.ColumnRef(fields=[*_, ast.String(sval=str(column))]):
            limit = max((limit_of(catalog, each, column) for each in tables), default=0)
            return min(limit, limit_in(where, column)) if where is not None else limit
        case ast.A_Const(val=ast.String(sval=str(text))):
            return len(text)
        case ast.TypeCast(arg=arg):
            wanted = type_of(node.typeName)
            if wanted is None or wanted.name not in TEXTS or wanted.array:
                return 0
            return min(of(arg), wanted.mods[0] if wanted.mods and wanted.mods[0] is not None else inf)
        case ast.CollateClause(arg=arg):
            return of(arg)
        case ast.CoalesceExpr(args=[*args]) | ast.MinMaxExpr(args=[*args]):
            return max(map(of, args))
        case ast.CaseExpr(args=[*arms]):
            return max(map(of, [*(each.result for each in arms), *([node.defresult] if node.defresult else [])]))
        case ast.A_Expr(kind=A_Expr_Kind.AEXPR_NULLIF, lexpr=value):
            return of(value)
        case ast.A_Expr(name=[ast.String(sval="||")], lexpr=left, rexpr=right):
            return of(left) + of(right)
        case ast.FuncCall(args=[value, *rest]):
            name = qualified_name(node.funcname).removeprefix("pg_catalog.")
            numbers = [int(text) for text in map(constant_text, rest) if text.isdecimal()]
            if name in SHORTER:
                return of(value)
            if name in {"left", "right"}:
                return min(of(value), *numbers) if numbers else 0
            if name in {"substr", "substring"}:
                return min(of(value), numbers[-1]) if len(rest) == len(numbers) == 2 else 0
            return sum(map(of, [value, *rest])) if name == "concat" else FIXED.get(name, 0)
        case _:
            return 0
