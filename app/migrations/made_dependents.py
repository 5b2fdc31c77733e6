"""Dependents that the migrations make themselves: views, foreign keys and children that a later DROP would remove."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from app.migrations.name_conflicts import gone_names
from app.migrations.needed_rights import nodes


class Made(NamedTuple):
    """An object that needs a table."""

    object: str  # in words
    name: str  # its own name, or that of its table
    table: tuple[str, ...]  # the parts of the name, as written
    columns: frozenset[str] | None  # those that it needs for sure. None: all


class MadeDependents:
    """The objects that the statements so far have made, and not dropped, renamed or moved.

    If a table may be another one, its dependents are forgotten.
    """

    def __init__(self) -> None:
        self._made: list[Made] = []
        self._temporary: set[str] = set()  # tables that hide others

    def needing(self, kind: str, names: tuple[str, ...], node: Any) -> Iterator[str]:
        """Yield what needs a table (the kind is relation) or a column that a statement drops."""
        if kind not in {"relation", "column"}:
            return
        table, column = (names, None) if kind == "relation" else (names[:-1], names[-1])
        dropped = set(gone_names(node))
        for each in self._made:
            is_needed = column is None or each.columns is None or column in each.columns
            is_kept = each.name not in dropped and each.name != table[-1]
            if each.table == table and is_needed and is_kept and self._temporary.isdisjoint({each.name, table[-1]}):
                yield each.object

    def follow(self, node: Any) -> None:
        """Forget what a statement takes away, and remember what it makes."""
        from pglast import ast

        gone = set(gone_names(node))
        if gone and isinstance(node, ast.AlterTableStmt):
            gone.add(str(getattr(node.relation, "relname", "")))  # it may lose the foreign key or the parent
        self._made = [each for each in self._made if gone.isdisjoint({each.name, each.table[-1]})]
        self._temporary |= set(temporary_names(node))
        self._made += _made(node)


def temporary_names(node: Any) -> Iterator[str]:
    """Yield the name of a new temporary table, view or sequence. It hides others of this name."""
    from pglast import ast

    match node:
        case (
            ast.CreateStmt(relation=ast.RangeVar() as relation)
            | ast.CreateTableAsStmt(into=ast.IntoClause(rel=ast.RangeVar() as relation))
            | ast.SelectStmt(intoClause=ast.IntoClause(rel=ast.RangeVar() as relation))
            | ast.CreateSeqStmt(sequence=ast.RangeVar() as relation)
            | ast.ViewStmt(view=ast.RangeVar() as relation)
        ) if relation.relpersistence == "t":
            yield str(relation.relname)
        case _:
            return


def _made(node: Any) -> Iterator[Made]:
    from pglast import ast
    from pglast.enums import ObjectType

    match node:
        case ast.ViewStmt(view=ast.RangeVar(relname=str(name)), query=query):
            yield from _reads(f"view {name}", name, query)
        case ast.CreateTableAsStmt(
            objtype=ObjectType.OBJECT_MATVIEW,
            if_not_exists=False,
            into=ast.IntoClause(rel=ast.RangeVar(relname=str(name))),
        ):
            yield from _reads(f"materialized view {name}", name, node.query)
        case ast.CreateStmt(if_not_exists=False, relation=ast.RangeVar(relname=str(name))):
            yield from _references(name, node)
            if node.partbound is None:
                parents = (each for each in node.inhRelations or () if isinstance(each, ast.RangeVar))
                yield from (Made(f"table {name}", name, _parts(each), frozenset()) for each in parents)
        case ast.AlterTableStmt(missing_ok=False, relation=ast.RangeVar(relname=str(name))):
            if not any(each.missing_ok for each in node.cmds or ()):
                yield from _references(name, node)
        case _:
            return


def _references(name: str, node: Any) -> Iterator[Made]:
    from pglast import ast

    for each in nodes(node):
        if isinstance(each, ast.Constraint) and isinstance(each.pktable, ast.RangeVar):
            columns = frozenset(column.sval for column in each.pk_attrs or ())
            yield Made(f"a foreign key of table {name}", name, _parts(each.pktable), columns)


def _reads(object: str, name: str, query: Any) -> Iterator[Made]:
    """Yield the tables of a view. Its columns are sure if it has one table."""
    from pglast import ast

    found = nodes(query)
    local = {each.ctename for each in found if isinstance(each, ast.CommonTableExpr)}
    tables = [
        each for each in found if isinstance(each, ast.RangeVar) and (each.schemaname or each.relname not in local)
    ]
    fields = [(each.fields or (None,))[-1] for each in found if isinstance(each, ast.ColumnRef)]
    columns = {str(each.sval) for each in fields if isinstance(each, ast.String)}
    # ORDER BY may name a result instead of a column.
    columns -= {str(each.name) for each in found if isinstance(each, ast.ResTarget) and each.name}
    has_all = any(isinstance(each, ast.A_Star) for each in fields)
    is_alone = (
        isinstance(query, ast.SelectStmt)
        and isinstance((query.fromClause or (None,))[0], ast.RangeVar)
        and len(query.fromClause or ()) == len(tables) == sum(isinstance(each, ast.SelectStmt) for each in found) == 1
    )
    for table in tables:
        sure = (None if has_all else frozenset(columns)) if is_alone else frozenset[str]()
        yield Made(object, name, _parts(table), sure)


def _parts(table: Any) -> tuple[str, ...]:
    return tuple(filter(None, (table.schemaname, table.relname)))
