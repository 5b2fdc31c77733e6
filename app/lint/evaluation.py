"""Evaluation of SQL expressions without a database, as far as their values are known (app/lint/values.py)."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pglast import ast
from pglast.enums import A_Expr_Kind, BoolExprType, BoolTestType, NullTestType

from app.lint.nodes import qualified_name, type_of
from app.lint.values import SOMETHING, UNKNOWN, Unknown, apply, call, each_of, is_same, joined, negated, typed

ROWS = {"excluded", "new", "old"}  # their columns are apart from those of the table


class Row:
    """Values by which an expression is evaluated: those of columns, and those of parameters."""

    def __init__(self, columns: Mapping[str, Any], parameters: Mapping[int, Any] | None = None) -> None:
        self.columns = columns
        self.parameters = parameters or {}

    def value(self, node: Any) -> Any:
        """Return the value of an expression: UNKNOWN if it depends on anything that is not known."""
        match node:
            case ast.A_Const():
                return _constant(node)
            case ast.TypeCast(arg=arg):
                return typed(self.value(arg), type_of(node.typeName))
            case ast.CollateClause(arg=arg):
                return self.value(arg)
            case ast.ParamRef(number=int(number)):
                return self.parameters.get(number, UNKNOWN)
            case ast.ColumnRef(fields=[*before, ast.String(sval=str(name))]):
                qualifier = getattr(before[-1], "sval", "") if before else ""
                return self.columns.get(f"{qualifier}.{name}" if qualifier in ROWS else name, UNKNOWN)
            case ast.A_ArrayExpr(elements=elements):
                return [self.value(each) for each in elements or ()]
            case ast.SQLValueFunction():
                return SOMETHING
            case ast.NullTest(arg=arg, nulltesttype=kind) if not isinstance(arg, ast.RowExpr):
                value = self.value(arg)
                return UNKNOWN if value is UNKNOWN else (value is None) == (kind == NullTestType.IS_NULL)
            case ast.BooleanTest(arg=arg, booltesttype=kind):
                return _boolean_test(self.value(arg), kind)
            case ast.BoolExpr(args=[*args], boolop=kind):
                return joined([self.value(each) for each in args], kind)
            case ast.CoalesceExpr(args=[*args]):
                return self._first(args)
            case ast.CaseExpr():
                return self._case(node)
            case ast.MinMaxExpr(args=[*args]):
                values = [each for each in map(self.value, args) if each is not None]
                return SOMETHING if any(each is not UNKNOWN for each in values) else UNKNOWN if values else None
            case ast.FuncCall(args=args):
                return call(qualified_name(node.funcname).removeprefix("pg_catalog."), [*map(self.value, args or ())])
            case ast.A_Expr():
                return self._operator(node)
            case _:
                return UNKNOWN

    def _first(self, args: list[Any]) -> Any:
        for each in args:
            value = self.value(each)
            if value is UNKNOWN:
                rest = self._first(args[args.index(each) + 1 :])
                return UNKNOWN if rest in (None, UNKNOWN) else SOMETHING
            if value is not None:
                return value
        return None

    def _case(self, node: Any) -> Any:
        for arm in node.args or ():
            condition = self.value(arm.expr)
            if node.arg is not None:
                condition = apply("=", self.value(node.arg), condition)
            if condition is True:
                return self.value(arm.result)
            if isinstance(condition, Unknown):
                return UNKNOWN
        return self.value(node.defresult) if node.defresult is not None else None

    def _operator(self, node: Any) -> Any:
        operator, left = node.name[-1].sval, self.value(node.lexpr) if node.lexpr is not None else Decimal(0)
        match node.kind:
            case A_Expr_Kind.AEXPR_OP | A_Expr_Kind.AEXPR_LIKE | A_Expr_Kind.AEXPR_ILIKE:
                return apply(operator, left, self.value(node.rexpr))
            case A_Expr_Kind.AEXPR_IN:
                found = [apply("=", left, self.value(each)) for each in node.rexpr]
                is_in = joined(found, BoolExprType.OR_EXPR)
                return is_in if operator == "=" else negated(is_in)
            case A_Expr_Kind.AEXPR_OP_ANY | A_Expr_Kind.AEXPR_OP_ALL:
                return each_of(node.kind, operator, left, self.value(node.rexpr))
            case A_Expr_Kind.AEXPR_BETWEEN | A_Expr_Kind.AEXPR_NOT_BETWEEN:
                low, high = map(self.value, node.rexpr)
                within = joined([apply(">=", left, low), apply("<=", left, high)], BoolExprType.AND_EXPR)
                return within if node.kind == A_Expr_Kind.AEXPR_BETWEEN else negated(within)
            case A_Expr_Kind.AEXPR_DISTINCT | A_Expr_Kind.AEXPR_NOT_DISTINCT:
                found = is_same(left, self.value(node.rexpr))
                return found if node.kind == A_Expr_Kind.AEXPR_NOT_DISTINCT else negated(found)
            case A_Expr_Kind.AEXPR_NULLIF:
                equal = apply("=", left, self.value(node.rexpr))
                return None if equal is True else UNKNOWN if isinstance(equal, Unknown) else left
            case _:
                return UNKNOWN


def _constant(node: Any) -> Any:
    if node.isnull:
        return None
    match node.val:
        case ast.String(sval=text):
            return text
        case ast.Integer(ival=int(number)):
            return Decimal(number)
        case ast.Float(fval=str(text)):
            return Decimal(text) if re.fullmatch(r"[0-9.e+-]+", text) else SOMETHING
        case ast.Boolean(boolval=value):
            return bool(value)
        case _:
            return SOMETHING


def _boolean_test(value: Any, kind: Any) -> Any:
    tests = {BoolTestType.IS_TRUE: True, BoolTestType.IS_FALSE: False, BoolTestType.IS_UNKNOWN: None}
    opposites = {BoolTestType.IS_NOT_TRUE: True, BoolTestType.IS_NOT_FALSE: False, BoolTestType.IS_NOT_UNKNOWN: None}
    if isinstance(value, Unknown):
        return UNKNOWN
    return value is tests[kind] if kind in tests else value is not opposites[kind]
