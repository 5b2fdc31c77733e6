"""app.lint.query_rules: to be described."""

from typing import Any

from pglast import ast
from pglast.enums import SubLinkType

from app.lint import costs
from app.lint.catalog import key
from app.lint.migration_rules import Told, _text
from app.lint.parser import Statement


def query_faults(statements: list[Statement]) -> Told:
    """What a query may not be, wherever in the statement it stands."""
    for statement in statements:
        exempt: set[int] = set()
        named = {each.ctename or "" for each in statement.nodes if isinstance(each, ast.CommonTableExpr)}
        for node in statement.nodes:
            if isinstance(node, ast.SelectStmt) and not _from(node.fromClause) - named:
                exempt |= {id(target) for target in node.targetList or ()}  # columns that are listed in the statement
            match node:
                case ast.SubLink(subselect=ast.SelectStmt() as select) if (
                    node.subLinkType == SubLinkType.EXISTS_SUBLINK
                ):
                    exempt |= {id(select), *(id(target) for target in select.targetList or ())}  # no page, no columns
                case ast.ResTarget(val=ast.ColumnRef(fields=[*_, ast.A_Star()])) if id(node) not in exempt:
                    yield statement.line_of(node), "select-star", "what it returns changes with the table"
                case ast.InsertStmt(cols=None, selectStmt=ast.SelectStmt()):
                    why = "the order of the columns differs from one database to another"
                    yield statement.line, "insert-columns", why
                case ast.SelectStmt(limitOffset=offset) if (
                    offset is not None and _text(offset) != "0" and id(node) not in exempt
                ):
                    line = statement.line_of(offset) if hasattr(offset, "location") else statement.line
                    yield line, "offset-paging", "the server reads and throws away all rows before the page"
                case ast.UpdateStmt(whereClause=where) | ast.DeleteStmt(whereClause=where) if costs.without_where(
                    where
                ):
                    if not (getattr(node, "fromClause", None) or getattr(node, "usingClause", None)):
                        yield statement.line, "whole-table-write", f"it writes every row of {key(node.relation)}"
                case _:
                    pass


def _from(node: Any) -> set[str]:
    """The relations that stand in a FROM itself, not in a subselect there."""
    if isinstance(node, tuple):
        return {name for each in node for name in _from(each)}
    if isinstance(node, ast.JoinExpr):
        return _from(node.larg) | _from(node.rarg)
    return {key(node)} if isinstance(node, ast.RangeVar) else set()


def parameters(statements: list[Statement]) -> int:
    numbers = [
        node.number or 0 for statement in statements for node in statement.nodes if isinstance(node, ast.ParamRef)
    ]
    return max(numbers, default=0)
