"""Needed rights on single columns: those that a statement reads or writes, from its text.

A role can have a right on some columns of a table only. A column counts if its table is sure. It may be in the list of
an INSERT or an UPDATE, or have its table before it. In a query with one table, each column counts.
"""

from collections.abc import Iterator
from typing import Any

from app.migrations.needed_rights import quoted, runs

# A table as SQL, the right, and the columns. None: all of them, or the first ones if there is a number.
UsedColumns = tuple[str, str, list[str] | None, int | None]


def used_columns(node: Any) -> Iterator[UsedColumns]:
    """Yield the columns that a statement reads or writes. The query of a view and the body of a function run later."""
    from pglast import ast

    if isinstance(node, ast.CreateStmt | ast.AlterTableStmt):
        yield from _referenced(node)
    if not runs(node):
        return
    local = {each.ctename for each in _parts(node, ast.CommonTableExpr)}
    for part in _parts(node, (ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt, ast.SelectStmt)):
        yield from _written(part)
        yield from _read(part, local)


def _referenced(node: Any) -> Iterator[UsedColumns]:
    from pglast import ast

    for each in _parts(node, ast.TableLikeClause):
        yield quoted(each.relation), "SELECT", None, None
    for each in _parts(node, ast.Constraint):
        if isinstance(each.pktable, ast.RangeVar) and each.pk_attrs:
            yield quoted(each.pktable), "REFERENCES", [name.sval for name in each.pk_attrs], None


def _written(node: Any) -> Iterator[UsedColumns]:
    from pglast import ast
    from pglast.enums import CmdType

    match node:
        case ast.InsertStmt(cols=[*columns]):
            yield quoted(node.relation), "INSERT", [each.name for each in columns], None
        case ast.InsertStmt(selectStmt=ast.SelectStmt(valuesLists=[values, *_])):
            yield quoted(node.relation), "INSERT", None, len(values)
        case ast.UpdateStmt(targetList=[*columns]):
            yield quoted(node.relation), "UPDATE", [each.name for each in columns if each.name], None
        case ast.MergeStmt(mergeWhenClauses=clauses):
            for each in clauses or ():
                if each.commandType == CmdType.CMD_UPDATE:
                    yield quoted(node.relation), "UPDATE", [to.name for to in each.targetList if to.name], None
                elif each.commandType == CmdType.CMD_INSERT and each.targetList:
                    yield quoted(node.relation), "INSERT", [to.name for to in each.targetList], None
                elif each.commandType == CmdType.CMD_INSERT and each.values:
                    yield quoted(node.relation), "INSERT", None, len(each.values)
        case _:
            pass
    conflict = node.onConflictClause if isinstance(node, ast.InsertStmt) else None
    if conflict and conflict.targetList:
        yield quoted(node.relation), "UPDATE", [each.name for each in conflict.targetList if each.name], None
    if conflict and conflict.infer and conflict.infer.indexElems:
        yield quoted(node.relation), "SELECT", [each.name for each in conflict.infer.indexElems if each.name], None


def _read(node: Any, local: set[str]) -> Iterator[UsedColumns]:
    """Yield the columns that a query reads itself, without those of the queries in it."""
    from pglast import ast

    tables = _tables(node)
    if any(not isinstance(each, ast.RangeVar) for each in tables) or getattr(node, "withClause", None):
        return  # its names may be those of another query
    if any(not each.schemaname and each.relname in local for each in tables):
        return
    names = {(each.alias.aliasname if each.alias else each.relname): quoted(each) for each in tables}
    if isinstance(node, ast.InsertStmt):  # reading the new values of ON CONFLICT needs the right too
        names.setdefault("excluded", quoted(node.relation))
    found: dict[str, list[str] | None] = {}
    for each in _parts(node, ast.ColumnRef, is_flat=True):
        *qualifier, last = each.fields
        owner = names.get(qualifier[-1].sval) if qualifier else quoted(tables[0]) if len(tables) == 1 else None
        if owner is None:
            continue
        if isinstance(last, ast.A_Star):
            found[owner] = None
        elif (columns := found.setdefault(owner, [])) is not None:
            columns.append(last.sval)
    yield from ((table, "SELECT", columns, None) for table, columns in found.items())


def _tables(node: Any) -> list[Any]:
    """Return the tables of a query, and what else is in its FROM."""
    from pglast import ast

    found: list[Any] = []
    left = [*(getattr(node, "fromClause", None) or ()), *(getattr(node, "usingClause", None) or ())]
    left += [node.sourceRelation] if isinstance(node, ast.MergeStmt) else []
    while left:
        each = left.pop()
        if isinstance(each, ast.JoinExpr):
            left += [each.larg, each.rarg]
        else:
            found.append(each)
    return found if isinstance(node, ast.SelectStmt) else [node.relation, *found]


def _parts(root: Any, kinds: Any, *, is_flat: bool = False) -> list[Any]:
    """Return the nodes of these kinds, without those in a query of the root if `is_flat`."""
    from pglast import ast
    from pglast.visitors import Skip, Visitor

    found: list[Any] = []

    class Find(Visitor):
        def visit(self, _: Any, each: Any) -> Any:
            if is_flat and each is not root and isinstance(each, ast.SelectStmt):
                return Skip()
            if isinstance(each, kinds):
                found.append(each)
            return None

    Find()(root)
    return found
