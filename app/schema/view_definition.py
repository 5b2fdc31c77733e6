"""Definitions of views, as versions of PostgreSQL write them.

Before version 16, pg_get_viewdef() writes the table before each column of a view on one table. Since then it does not.
"""

import re
from typing import Any

QUERY = re.compile(r"(?:^|, )\s*(?=(?:SELECT|WITH|VALUES)\b)")


def is_same(one: str, other: str) -> bool:
    """Return whether two definitions of a table, as in sql/inspect/schema.sql, are those of the same view."""
    parts = [QUERY.split(each, maxsplit=1) for each in (one, other)]
    if any(len(each) != 2 for each in parts) or parts[0][0] != parts[1][0]:
        return False
    trees = [_tree(query) for _, query in parts]
    return trees[0] is not None and trees[0] == trees[1]


def _tree(query: str) -> Any:
    """Return the parse tree of a query without the table before its columns. Return None if it cannot be parsed."""
    from pglast import ast, parse_sql
    from pglast.parser import ParseError

    try:
        [statement] = parse_sql(query)
    except (ParseError, ValueError):
        return None
    select: Any = statement.stmt
    tables: tuple[Any, ...] = getattr(select, "fromClause", None) or ()
    if len(tables) == 1 and not isinstance(tables[0], ast.JoinExpr):
        alias = tables[0].alias
        _remove_table(select, alias.aliasname if alias else getattr(tables[0], "relname", ""))
    return select


def _remove_table(node: Any, name: str) -> None:
    """Remove the name of a table before its columns, but not in subqueries: there all versions write it."""
    from pglast import ast

    if isinstance(node, tuple | list):
        for each in node:
            _remove_table(each, name)
    elif isinstance(node, ast.ColumnRef):
        fields = node.fields or ()
        if len(fields) > 1 and getattr(fields[0], "sval", None) == name:
            node.fields = fields[1:]
    elif isinstance(node, ast.SubLink):
        _remove_table(node.testexpr, name)
    elif isinstance(node, ast.Node) and not isinstance(node, ast.RangeSubselect | ast.CommonTableExpr):
        for attribute in node:
            _remove_table(getattr(node, attribute), name)
