"""Backfill statement: the one statement of a file with `-- backfill: TABLE`, and the key range of a batch in it.

The range is `KEY BETWEEN $1 AND $2`, or `(a, b) BETWEEN ($1, $2) AND ($3, $4)` for a key of two columns. The migrator
gives both ends of each batch as parameters. yoyo gives none, so there PostgreSQL rejects the statement with `there is
no parameter $1`. If yoyo is to run the statement for all rows, each end reads a setting with a default, in place of
`$1`: `COALESCE(NULLIF(current_setting('backfill.p1', true), ''), '-infinity')::timestamptz`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pglast import ast  # at run time only inside the functions: the import takes 65 ms

SETTING = "backfill.p"  # the setting backfill.p1 has the value of $1

RANGE = "write `WHERE id BETWEEN $1 AND $2`, or `WHERE (a, b) BETWEEN ($1, $2) AND ($3, $4)`"


class WrongBackfillError(ValueError):
    """A statement cannot be a backfill: what is wrong, and what to do."""

    def __init__(self, what: str, todo: str) -> None:
        super().__init__(what)
        self.what = what
        self.todo = todo


def key_columns(node: ast.Node) -> list[str]:
    """Return the columns of the key whose range the statement takes. Raises WrongBackfillError."""
    from pglast import ast

    if not isinstance(node, ast.UpdateStmt | ast.InsertStmt | ast.DeleteStmt | ast.MergeStmt | ast.SelectStmt):
        raise WrongBackfillError("a backfill cannot run this statement", "write UPDATE, INSERT, DELETE or MERGE")
    if not _writes(node):
        raise WrongBackfillError("a backfill that writes no rows", "write UPDATE, INSERT, DELETE or MERGE")
    if columns := range_columns(node):
        if part := _part_that_skips(node):
            todo = f"write it without {part}: the migrator chooses how many rows a batch has"
            raise WrongBackfillError(f"{part} leaves out rows of a batch, which no other batch does", todo)
        return columns
    raise WrongBackfillError("a backfill without exactly one range of the key, from $1 on", RANGE)


def range_columns(node: ast.Node) -> list[str] | None:
    """Return the columns of the only key range of a statement. Return None if it has several, or other parameters."""
    from pglast.visitors import Visitor

    ranges: list[list[str]] = []
    numbers: list[int] = []

    class Finder(Visitor):
        def visit_ParamRef(self, _: Any, found: Any) -> None:  # noqa: N802  # pglast calls it by this name
            numbers.append(found.number)

        def visit_FuncCall(self, _: Any, found: Any) -> None:  # noqa: N802
            if number := _setting(found):
                numbers.append(number)

        def visit_A_Expr(self, ancestors: Any, found: Any) -> None:  # noqa: N802
            if (columns := _range(found)) and _restricts(ancestors):
                ranges.append(columns)

    Finder()(node)
    if len(ranges) != 1 or sorted(numbers) != list(range(1, 2 * len(ranges[0]) + 1)):
        return None
    return ranges[0]


def _restricts(ancestors: Any) -> bool:
    """Return whether the statement works on no row outside the range, as far as its form tells."""
    from pglast import ast
    from pglast.enums import A_Expr_Kind, BoolExprType, JoinType, SetOperation, SubLinkType

    is_query = False  # the part below is a query, and no condition
    while ancestors is not None and ancestors.node is not None:
        match ancestors.node, ancestors.member:
            case (tuple(), _) | (ast.WithClause() | ast.CommonTableExpr() | ast.RangeSubselect(), _):
                pass
            case ast.BoolExpr(boolop=BoolExprType.AND_EXPR), _:
                pass
            case (ast.SelectStmt() | ast.UpdateStmt() | ast.DeleteStmt(), "whereClause"):
                is_query = True
            case (ast.MergeStmt(), "joinCondition" | "sourceRelation") | (ast.InsertStmt(), "selectStmt"):
                is_query = True
            case _, "withClause" | "fromClause" | "usingClause":
                is_query = True
            case ast.SelectStmt(op=SetOperation.SETOP_EXCEPT | SetOperation.SETOP_INTERSECT), "larg":
                pass
            case ast.JoinExpr(jointype=JoinType.JOIN_INNER), "quals" | "larg" | "rarg":
                pass
            case (ast.JoinExpr(jointype=JoinType.JOIN_LEFT), "larg") | (
                ast.JoinExpr(jointype=JoinType.JOIN_RIGHT),
                "rarg",
            ):
                pass
            case ast.SubLink(subLinkType=kind), "subselect" if kind != SubLinkType.ALL_SUBLINK:
                pass
            case ast.A_Expr(kind=A_Expr_Kind.AEXPR_OP | A_Expr_Kind.AEXPR_OP_ANY), _ if is_query:
                pass
            case _:
                return False
        ancestors = ancestors.parent
    return True


def _part_that_skips(node: ast.Node) -> str:
    """Return the part of a query of the range that leaves rows out, such as LIMIT, or an empty text."""
    from pglast.enums import LockWaitPolicy
    from pglast.visitors import Visitor

    around: list[Any] = []  # the nodes around the range
    readers: list[tuple[str, list[Any]]] = []  # the name of each table, and the nodes around it
    names: set[str] = set()  # of WITH

    class Finder(Visitor):
        def visit_A_Expr(self, ancestors: Any, found: Any) -> None:  # noqa: N802
            if _range(found):
                around.extend(_nodes(ancestors))

        def visit_CommonTableExpr(self, _: Any, found: Any) -> None:  # noqa: N802
            names.add(found.ctename)

        def visit_RangeVar(self, ancestors: Any, found: Any) -> None:  # noqa: N802
            readers.append((found.relname, _nodes(ancestors)))

    Finder()(node)
    for query in (*around, *(each for name, nodes in readers if name in names for each in nodes)):
        if getattr(query, "limitCount", None):
            return "LIMIT"
        if getattr(query, "limitOffset", None):
            return "OFFSET"
        if any(lock.waitPolicy == LockWaitPolicy.LockWaitSkip for lock in getattr(query, "lockingClause", None) or ()):
            return "SKIP LOCKED"
    return ""


def _nodes(ancestors: Any) -> list[Any]:
    return [] if ancestors is None else [ancestors.node, *_nodes(ancestors.parent)]


def _writes(node: Any) -> bool:
    """Return whether the statement, or a WITH of it, writes rows."""
    from pglast import ast

    if not isinstance(node, ast.SelectStmt):
        return True
    parts: Any = node.withClause.ctes if node.withClause else ()
    return any(not isinstance(part.ctequery, ast.SelectStmt) for part in parts)


def _range(node: Any) -> list[str] | None:
    """Return the columns of `KEY BETWEEN $1 AND $2` with the parameters in order. Return None for anything else."""
    from pglast import ast
    from pglast.enums import A_Expr_Kind

    if node.kind != A_Expr_Kind.AEXPR_BETWEEN:
        return None
    low, high = (_parts(end) for end in node.rexpr)
    columns, ends = _parts(node.lexpr), [*low, *high]
    numbers = [*range(1, len(ends) + 1)]
    as_parameters = [end.number if isinstance(end, ast.ParamRef) else None for end in ends]
    as_settings = [_setting_with_default(end) for end in ends]
    if len(low) != len(columns) or numbers not in (as_parameters, as_settings):
        return None
    names = [column.fields[-1] if isinstance(column, ast.ColumnRef) and column.fields else None for column in columns]
    return [name.sval or "" for name in names if isinstance(name, ast.String)] if all(names) else None


def _setting_with_default(node: Any) -> int | None:
    """Return the number of COALESCE(NULLIF(current_setting('backfill.p1', true), ''), 'default')::type, or None."""
    from pglast import ast
    from pglast.enums import A_Expr_Kind

    if isinstance(node, ast.TypeCast):
        return _setting_with_default(node.arg)
    if not isinstance(node, ast.CoalesceExpr) or len(given := node.args or ()) != 2:
        return None
    first, default = given
    if not isinstance(default, ast.A_Const) or not isinstance(first, ast.A_Expr):
        return None
    if first.kind != A_Expr_Kind.AEXPR_NULLIF or not isinstance(first.rexpr, ast.A_Const):
        return None
    is_empty = getattr(first.rexpr.val, "sval", None) == ""
    return _setting(first.lexpr) if is_empty and isinstance(first.lexpr, ast.FuncCall) else None


def _setting(call: Any) -> int | None:
    """Return the number of the parameter that the call of a function reads as a setting, or None."""
    from pglast import ast

    first = call.args[0] if call.args else None
    if call.funcname[-1].sval != "current_setting" or not isinstance(first, ast.A_Const):
        return None
    name = getattr(first.val, "sval", None) or ""
    number = name.removeprefix(SETTING)
    return int(number) if name.startswith(SETTING) and number.isdecimal() else None


def _parts(node: Any) -> list[Any]:
    from pglast import ast

    return list(node.args or ()) if isinstance(node, ast.RowExpr) else [node]
