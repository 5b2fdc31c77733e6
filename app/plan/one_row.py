"""One row: whether an UPDATE or a DELETE names its row by a key."""

from collections.abc import Iterator
from typing import Any

from pglast import ast
from pglast.enums import BoolExprType

from app.lint.catalog import Catalog
from app.lint.nodes import relation_name

KEYS = {"pkey", "key"}  # constraints


def changes_one_row(node: Any, catalog: Catalog) -> bool:
    """Return whether the statement compares each column of a key with a constant, so that it changes a row at most."""
    if not isinstance(node, ast.UpdateStmt | ast.DeleteStmt) or node.whereClause is None:
        return False
    compared = set(_compared(node.whereClause))
    constraints = catalog.constraints(relation_name(node.relation))
    return any(each.kind in KEYS and each.columns and compared.issuperset(each.columns) for each in constraints)


def _compared(condition: Any) -> Iterator[str]:
    """Yield the columns that a condition compares with a constant by =, and by nothing but AND."""
    match condition:
        case ast.BoolExpr(boolop=BoolExprType.AND_EXPR, args=parts):
            for part in parts or ():
                yield from _compared(part)
        case ast.A_Expr(
            name=[ast.String(sval="=")], lexpr=ast.ColumnRef(fields=[*_, ast.String(sval=name)]), rexpr=right
        ):
            if isinstance(right.arg if isinstance(right, ast.TypeCast) else right, ast.A_Const):
                yield str(name)
        case _:
            return
