"""Usage: which tables, columns and functions the queries of the service use. A migration must not break them."""

from dataclasses import dataclass, field
from typing import Any

from pglast import ast

from app.lint.nodes import qualified_name, relation_name
from app.lint.parser import Statement


@dataclass
class Use:
    """Usage of one query file. A column without a table may belong to any table in the query."""

    name: str
    relations: set[str] = field(default_factory=set)
    columns: set[tuple[str, str]] = field(default_factory=set)
    uses_all_columns: bool = False  # SELECT * or NATURAL JOIN
    insert_columns: list[tuple[str, frozenset[str]]] = field(default_factory=list)  # of each INSERT, after its table
    conflict_targets: list[tuple[str, frozenset[str]]] = field(default_factory=list)  # columns of each ON CONFLICT
    functions: set[str] = field(default_factory=set)

    def reads(self, table: str, column: str) -> bool:
        """Return whether the query may use the column."""
        named = (table, column) in self.columns or ("", column) in self.columns
        return table in self.relations and (named or self.uses_all_columns)


def use_of(name: str, statements: list[Statement]) -> Use:
    """Return the usage of a query from its statements."""
    use = Use(name)
    everything = [node for statement in statements for node in statement.nodes]
    relations = {}
    for node in everything:
        if isinstance(node, ast.RangeVar):
            use.relations.add(relation_name(node))
            relations[node.alias.aliasname if node.alias else node.relname] = relation_name(node)
    for node in everything:
        match node:
            case ast.ColumnRef(fields=[*before, ast.String(sval=str(column))]):
                qualifier = getattr(before[-1], "sval", "") if before else ""
                use.columns.add((relations.get(qualifier, ""), column))
            case ast.ColumnRef():
                use.uses_all_columns = True
            case ast.A_Indirection(indirection=[ast.String(sval=str(column))]):  # (image).title
                use.columns.add(("", column))
            case ast.JoinExpr(usingClause=[*columns]):
                use.columns |= {("", column.sval) for column in columns}
            case ast.JoinExpr(isNatural=True):
                use.uses_all_columns = True
            case ast.IndexElem(name=str(column)):
                use.columns.add(("", column))
            case ast.FuncCall():
                use.functions.add(qualified_name(node.funcname))
            case ast.UpdateStmt(relation=relation):
                use.columns |= {(relation_name(relation), target.name) for target in node.targetList or ()}
            case ast.InsertStmt(relation=relation):
                _insert(use, node, relation_name(relation))
            case _:
                pass
    return use


def _insert(use: Use, node: Any, table: str) -> None:
    if node.cols is not None:
        columns = frozenset(target.name for target in node.cols)
        use.columns |= {(table, column) for column in columns}
        use.insert_columns.append((table, columns))
    conflict = node.onConflictClause
    if conflict:
        use.columns |= {(table, target.name) for target in conflict.targetList or ()}
        if conflict.infer and conflict.infer.indexElems:
            use.conflict_targets.append((table, frozenset(each.name or "" for each in conflict.infer.indexElems)))
