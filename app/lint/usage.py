"""Usage: which tables, columns and functions the queries of the service use. A migration must not break them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pglast import ast

from app.lint.nodes import columns_in, qualified_name, relation_name, walk
from app.lint.parser import Statement

WRITES = ast.InsertStmt | ast.UpdateStmt | ast.DeleteStmt | ast.MergeStmt
# Functions whose result differs at each call, or in each transaction.
NEW_VALUES = {
    *("now", "transaction_timestamp", "statement_timestamp", "clock_timestamp", "timeofday", "nextval"),
    *("random", "gen_random_uuid", "uuidv4", "uuidv7"),
}


class Scope(NamedTuple):
    """FROM clause of one SELECT or write, without those of its subqueries."""

    relations: frozenset[str]
    columns: frozenset[str]  # that are named without a relation
    provided: frozenset[str]  # columns of its functions and subqueries
    aliases: frozenset[str] = frozenset()  # by which it names its relations and subqueries
    outer: tuple["Scope", ...] = ()  # the statements around it, whose columns it sees


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
    untyped: set[tuple[str, tuple[bool, ...]]] = field(default_factory=set)  # which arguments of a call have no type
    written: set[str] = field(default_factory=set)  # tables
    written_within: set[tuple[str, str]] = field(default_factory=set)  # in a WITH: the table, and the statement
    upserted: set[str] = field(default_factory=set)  # tables, by INSERT with ON CONFLICT
    arbiters: set[tuple[str, str]] = field(default_factory=set)  # the table, and its constraint: "" for any
    always_changed: set[tuple[str, str]] = field(default_factory=set)  # columns to which an UPDATE gives a new value
    scopes: list[Scope] = field(default_factory=list)
    variables: frozenset[str] = frozenset()  # of PL/pgSQL
    header: frozenset[str] = frozenset()  # the words of the comments, among them the index
    text: str = ""  # of the file
    deleted: set[str] = field(default_factory=set)  # tables, by DELETE
    writes: list[Any] = field(default_factory=list)  # the nodes of INSERT and UPDATE

    def reads(self, table: str, column: str) -> bool:
        """Return whether the query may use the column."""
        named = (table, column) in self.columns or ("", column) in self.columns
        return table in self.relations and (named or self.uses_all_columns)


def subject(names: list[str], verb: str) -> str:
    """Return the queries as the subject of a verb in the singular: "a uses", or "a, b use"."""
    return f"{', '.join(names)} {verb if len(names) == 1 else verb.removesuffix('s')}"


def header_words(text: str) -> frozenset[str]:
    """Return the words in the comments of a query file."""
    return frozenset(re.findall(r"\w+", " ".join(line for line in text.split("\n") if line.startswith("--"))))


def use_of(name: str, statements: list[Statement]) -> Use:
    """Return the usage of a query from its statements."""
    use = Use(name)
    everything = [node for statement in statements for node in statement.nodes]
    within = {each.ctename or "": _outputs(each) for each in everything if isinstance(each, ast.CommonTableExpr)}
    shadowed = _shadowed(everything)
    relations = {}
    for node in everything:
        if isinstance(node, ast.RangeVar):
            use.relations |= {relation_name(node)} - shadowed
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
                use.untyped.add((qualified_name(node.funcname), tuple(_has_no_type(each) for each in node.args or ())))
            case ast.UpdateStmt(relation=relation):
                table = relation_name(relation)
                use.columns |= {(table, target.name) for target in node.targetList or ()}
                use.always_changed |= {(table, each.name) for each in node.targetList or () if _is_new(each)}
            case ast.CommonTableExpr(ctequery=ast.InsertStmt() | ast.UpdateStmt() | ast.DeleteStmt() as write):
                use.written_within.add((relation_name(write.relation), type(write).__name__))
            case ast.InsertStmt(relation=relation):
                _insert(use, node, relation_name(relation))
            case _:
                pass
        if isinstance(node, ast.InsertStmt | ast.UpdateStmt):
            use.writes.append(node)
        elif isinstance(node, ast.DeleteStmt):
            use.deleted.add(relation_name(node.relation))
        if isinstance(node, WRITES):
            use.written.add(relation_name(node.relation))
        elif isinstance(node, ast.TruncateStmt):
            use.written |= {relation_name(each) for each in node.relations or ()}
    for statement in statements:
        use.scopes += _scopes(statement.node, (), within)
    return use


def _has_no_type(node: Any) -> bool:
    """Return whether PostgreSQL finds the type of an argument by the function that is called."""
    return isinstance(node, ast.ParamRef) or (
        isinstance(node, ast.A_Const) and (bool(node.isnull) or isinstance(node.val, ast.String))
    )


def _scopes(node: Any, outer: tuple[Scope, ...], within: dict[str, set[str]]) -> Iterator[Scope]:
    """Yield the scope of each SELECT and write under a node.

    A subquery in FROM or WITH does not see its neighbors. If it is LATERAL, it sees those before it.
    """
    stack = [(node, outer)]
    while stack:
        node, around = stack.pop()
        if isinstance(node, ast.SelectStmt | WRITES):
            scope = _scope(node, within)._replace(outer=around)
            yield scope
            inside = (*around, scope)
            for name in node:
                child = getattr(node, name)
                if name in {"fromClause", "usingClause"}:
                    stack += [(each, (*around, *before)) for each, before in _neighbors(child, within)]
                    stack.append((list(_join_conditions(child)), inside))
                else:
                    is_apart = name == "withClause" or isinstance(child, ast.SelectStmt)
                    stack.append((child, around if is_apart else inside))
        elif isinstance(node, ast.Node):
            stack += [(getattr(node, name), around) for name in node]
        elif isinstance(node, tuple | list):
            stack += [(each, around) for each in node]


def _neighbors(clause: Any, within: dict[str, set[str]]) -> Iterator[tuple[Any, tuple[Scope, ...]]]:
    """Yield each source of a FROM clause. If it is LATERAL, a scope of the sources before it comes with it."""
    before: list[Any] = []
    for source in _sources(clause):
        is_lateral = isinstance(source, ast.RangeSubselect) and source.lateral
        yield source, (_scope_of(before, within),) if is_lateral else ()
        before.append(source)


def _join_conditions(node: Any) -> Iterator[Any]:
    """Yield the conditions of the joins in a FROM clause."""
    if isinstance(node, list | tuple):
        for each in node:
            yield from _join_conditions(each)
    elif isinstance(node, ast.JoinExpr):
        yield node.quals
        yield from _join_conditions([node.larg, node.rarg])


def _shadowed(nodes: list[Any]) -> set[str]:
    """Return the names that mean a WITH query. `WITH t AS (SELECT ... FROM t)` reads the table, too."""
    found = set()
    for clause in (each for each in nodes if isinstance(each, ast.WithClause)):
        for query in clause.ctes or ():
            own = {each.relname for each in walk(query.ctequery) if isinstance(each, ast.RangeVar)}
            if clause.recursive or query.ctename not in own:
                found.add(query.ctename or "")
    return found


def _is_new(target: ast.ResTarget) -> bool:
    """Return whether SET gives a column a value that differs from the old one: a time, or a number counted up."""
    for node in walk(target.val):
        match node:
            case ast.SQLValueFunction():
                return True
            case ast.FuncCall() if qualified_name(node.funcname).removeprefix("pg_catalog.") in NEW_VALUES:
                return True
            case ast.A_Expr(lexpr=ast.ColumnRef() as column, name=[ast.String(sval="+" | "-")]):
                if columns_in(column) == {target.name}:
                    return True
            case _:
                pass
    return False


def _scope(node: Any, within: dict[str, set[str]]) -> Scope:
    """Return the scope of a statement. `within` has the columns of its WITH queries."""
    target = getattr(node, "relation", None)
    sources = [getattr(node, name, None) for name in ("fromClause", "usingClause", "sourceRelation")]
    scope = _scope_of([target, *_sources(sources)], within)
    columns: set[str] = set()
    provided: set[str] = set()
    aliases = {each.name for each in getattr(node, "targetList", None) or () if isinstance(each, ast.ResTarget)}
    for name in node:
        child = getattr(node, name)
        if isinstance(child, ast.SelectStmt):  # of INSERT ... SELECT, or a side of a UNION
            continue
        named = _plain_columns(child)
        columns |= named - aliases if name == "sortClause" else named
        provided |= named & aliases if name == "groupClause" else set()  # a column of a table comes before the alias
    return scope._replace(columns=frozenset(columns), provided=scope.provided | provided)


def _scope_of(sources: list[Any], within: dict[str, set[str]]) -> Scope:
    """Return a scope of relations, functions and subqueries, without the columns that the statement names."""
    relations, provided, names = set(), set(), set()
    for source in sources:
        alias = getattr(source, "alias", None)
        names.add((alias.aliasname if alias else getattr(source, "relname", None)) or "")
        if isinstance(source, ast.RangeVar):
            relations.add(relation_name(source))
            provided |= within.get(source.relname or "", set())
        elif source is not None:
            provided |= _outputs(source)
    return Scope(frozenset(relations), frozenset(), frozenset(provided), frozenset(names - {""}))


def _outputs(source: Any) -> set[str]:
    """Return the columns of a function, subquery or WITH query, as far as its text names them."""
    alias = getattr(source, "alias", None)
    named = [*(alias.colnames or ())] if alias else [*(getattr(source, "aliascolnames", None) or ())]
    if named:
        return {each.sval for each in named}
    if isinstance(source, ast.RangeFunction):
        return {alias.aliasname} if alias else set()
    query = getattr(source, "subquery", None) or getattr(source, "ctequery", None)
    targets = getattr(query, "targetList", None) or ()
    returning = getattr(query, "returningClause", None)
    if returning:
        targets = returning.exprs or ()
    found = set()
    for each in targets:
        column = each.val.fields[-1] if isinstance(each.val, ast.ColumnRef) and each.val.fields else None
        found.add(each.name or getattr(column, "sval", None) or "")
    return found


def _sources(node: Any) -> Iterator[Any]:
    """Yield the relations, functions and subqueries of a FROM clause."""
    if isinstance(node, list | tuple):
        for each in node:
            yield from _sources(each)
    elif isinstance(node, ast.JoinExpr):
        yield from _sources([node.larg, node.rarg])
    elif node is not None:
        yield node


def _plain_columns(root: Any) -> set[str]:
    """Return the columns that are named without a relation, outside of subqueries."""
    found, stack = set(), [root]
    while stack:
        node = stack.pop()
        match node:
            case ast.ColumnRef(fields=[ast.String(sval=str(column))]):
                found.add(column)
            case ast.SelectStmt():
                pass
            case ast.Node():
                stack += [getattr(node, name) for name in node]
            case tuple() | list():
                stack += node
            case _:
                pass
    return found


def _insert(use: Use, node: Any, table: str) -> None:
    if node.cols is not None:
        columns = frozenset(target.name for target in node.cols)
        use.columns |= {(table, column) for column in columns}
        use.insert_columns.append((table, columns))
    conflict = node.onConflictClause
    if conflict:
        use.upserted.add(table)
        if conflict.infer is None or conflict.infer.conname:
            use.arbiters.add((table, conflict.infer.conname if conflict.infer else ""))
        use.columns |= {(table, target.name) for target in conflict.targetList or ()}
        if conflict.infer and conflict.infer.indexElems:
            use.conflict_targets.append((table, frozenset(each.name or "" for each in conflict.infer.indexElems)))
