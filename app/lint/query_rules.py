"""Rules for queries: no SELECT *, no OFFSET, no INSERT without columns, no write without WHERE."""

from typing import Any

from pglast import ast
from pglast.enums import SubLinkType

from app.lint import costs
from app.lint.findings import Fault, Faults
from app.lint.nodes import constant_text, relation_name
from app.lint.parser import Statement


def query_faults(statements: list[Statement]) -> Faults:
    """Yield the faults of a query, also in its subqueries."""
    for statement in statements:
        exempt: set[int] = set()
        named = {each.ctename or "" for each in statement.nodes if isinstance(each, ast.CommonTableExpr)}
        for node in statement.nodes:
            if isinstance(node, ast.SelectStmt) and not _from(node.fromClause) - named:
                exempt |= {id(target) for target in node.targetList or ()}  # a WITH query or a subquery lists them
            match node:
                case ast.SubLink(subselect=ast.SelectStmt() as select) if (
                    node.subLinkType == SubLinkType.EXISTS_SUBLINK
                ):
                    exempt |= {
                        id(select),
                        *(id(target) for target in select.targetList or ()),
                    }  # EXISTS returns no rows
                case ast.ResTarget(val=ast.ColumnRef(fields=[*_, ast.A_Star()])) if id(node) not in exempt:
                    yield Fault(statement.line_of(node), "select-star", "its result changes with the table")
                case ast.InsertStmt(cols=None, selectStmt=ast.SelectStmt()):
                    why = "the order of the columns differs from database to database"
                    yield Fault(statement.line, "insert-columns", why)
                case ast.SelectStmt(limitOffset=offset) if (
                    offset is not None and constant_text(offset) != "0" and id(node) not in exempt
                ):
                    line = statement.line_of(offset) if hasattr(offset, "location") else statement.line
                    yield Fault(line, "offset-paging", "PostgreSQL reads and discards all rows before the page")
                case ast.UpdateStmt(whereClause=where) | ast.DeleteStmt(whereClause=where) if costs.without_where(
                    where
                ):
                    if not (getattr(node, "fromClause", None) or getattr(node, "usingClause", None)):
                        why = f"it writes every row of {relation_name(node.relation)}"
                        yield Fault(statement.line, "whole-table-write", why)
                case _:
                    pass


def _from(node: Any) -> set[str]:
    """Return the relations in a FROM clause, without those in its subqueries."""
    if isinstance(node, tuple):
        return {name for each in node for name in _from(each)}
    if isinstance(node, ast.JoinExpr):
        return _from(node.larg) | _from(node.rarg)
    return {relation_name(node)} if isinstance(node, ast.RangeVar) else set()


def parameter_count(statements: list[Statement]) -> int:
    """Return the highest number of a `$n` parameter, or 0."""
    numbers = [
        node.number or 0 for statement in statements for node in statement.nodes if isinstance(node, ast.ParamRef)
    ]
    return max(numbers, default=0)
