"""Batches: whether a statement touches few rows of a table, by a LIMIT, by constants, or by a range of keys."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from pglast import ast, enums

from app.lint.catalog import Catalog
from app.lint.nodes import ands, columns_in, constant_text, qualified_name, relation_name, walk

MAX_BATCH = 100_000  # rows of a LIMIT that one statement may write
AGGREGATES = {
    *("count", "sum", "avg", "min", "max", "array_agg", "string_agg", "json_agg", "jsonb_agg"),
    *("bool_and", "bool_or", "every"),
}
EQUALITIES = {enums.A_Expr_Kind.AEXPR_OP, enums.A_Expr_Kind.AEXPR_IN, enums.A_Expr_Kind.AEXPR_OP_ANY}


def few_rows(catalog: Catalog, table: str, node: Any, where: Any, around: Any = None) -> bool:
    """Return whether a statement touches few rows. `around` is the statement that contains it in a WITH.

    Either its WHERE gives each column of a unique key a few constants. Or a subquery with a LIMIT chooses the rows by
    their key. Any other LIMIT limits nothing.
    """
    if isinstance(node, ast.SelectStmt):
        if _is_batch(node) and not _aggregates(node):
            return True
        own = _own_names(node, table)  # none: a subquery reads the table
        if any(_is_limited(each, set()) for each in _sources(node.fromClause)) and (
            not own or _has_key(_keys(catalog, table, ands(where)), _joined(node, where, own))
        ):
            return True
    keys = _keys(catalog, table, ands(where))
    limited = _limited_queries(node) | _limited_queries(around)
    fixed: set[str] = set()  # columns with few values
    for part in ands(where):
        match part:
            case ast.ColumnRef() | ast.BoolExpr(boolop=enums.BoolExprType.NOT_EXPR, args=[ast.ColumnRef()]):
                fixed |= columns_in(part)  # a boolean
            case ast.BoolExpr(boolop=enums.BoolExprType.OR_EXPR, args=[*choices]):
                if all(few_rows(catalog, table, node, each, around) for each in choices):
                    return True
            case ast.SubLink(subLinkType=enums.SubLinkType.ANY_SUBLINK, testexpr=columns, subselect=select):
                if _is_limited(select, limited) and _has_key(keys, columns_in(columns)):
                    return True
            case ast.A_Expr(lexpr=left, rexpr=ast.SubLink(subselect=select) as query, name=[ast.String(sval="=")]):
                if query.subLinkType == enums.SubLinkType.EXPR_SUBLINK:
                    fixed |= columns_in(left)
                elif _is_limited(select, limited) and _has_key(keys, columns_in(left)):
                    return True
            case ast.A_Expr(kind=kind, lexpr=left, rexpr=value, name=[ast.String(sval="=")]) if kind in EQUALITIES:
                if not any(
                    isinstance(each, ast.SubLink) or _is_column(catalog, table, node, each) for each in walk(value)
                ):
                    fixed |= columns_in(left)
            case _:
                pass
    if _has_key(keys, fixed):
        return True
    sources = [getattr(node, name, None) for name in ("fromClause", "usingClause", "sourceRelation")]
    relation = getattr(node, "relation", None)
    own = {relation.relname, relation.alias.aliasname if relation.alias else ""} if relation else set()
    return any(_is_limited(each, limited) for each in _sources(sources)) and _has_key(keys, _joined(node, where, own))


def parts(select: Any) -> Iterator[Any]:
    """Yield the SELECTs that give the rows of a UNION, INTERSECT or EXCEPT. If a LIMIT holds for all, there is none."""
    if select.op == enums.SetOperation.SETOP_NONE:
        yield select
    elif not _is_batch(select):
        if select.op == enums.SetOperation.SETOP_UNION:
            yield from parts(select.larg)
            yield from parts(select.rarg)
        elif select.op == enums.SetOperation.SETOP_EXCEPT or not _is_limited(select.rarg, set()):
            yield from parts(select.larg)


def is_key_range(catalog: Catalog, table: str, where: Any) -> bool:
    """Return whether a WHERE has a lower and an upper bound for the columns of a unique key."""
    bounds: dict[str, set[frozenset[str]]] = {"lower": set(), "upper": set()}
    for part in ands(where):
        match part:
            case ast.A_Expr(kind=enums.A_Expr_Kind.AEXPR_BETWEEN, lexpr=left):
                columns = frozenset(columns_in(left))
                bounds["lower"].add(columns)
                bounds["upper"].add(columns)
            case ast.A_Expr(lexpr=left, name=[ast.String(sval=">" | ">=")]):
                bounds["lower"].add(frozenset(columns_in(left)))
            case ast.A_Expr(lexpr=left, name=[ast.String(sval="<" | "<=")]):
                bounds["upper"].add(frozenset(columns_in(left)))
            case _:
                pass
    return any(
        _has_key(_keys(catalog, table, ands(where)), set(columns)) for columns in bounds["lower"] & bounds["upper"]
    )


def repeats(catalog: Catalog, update: Any, nodes: Sequence[Any]) -> bool:
    """Return whether each turn of a loop with this UPDATE chooses the same rows: its batch does not skip what is done.

    The WHERE of the batch has neither a column that the UPDATE sets, nor a variable, nor a subquery. `IS NOT NULL` of a
    column that stays not NULL does not count. `nodes` are those of the whole statement.
    """
    if not isinstance(update, ast.UpdateStmt):
        return False
    table = relation_name(update.relation)
    changed = {each.name for each in update.targetList or ()}
    for select in nodes:
        if not isinstance(select, ast.SelectStmt) or not _is_batch(select) or select.limitOffset:
            continue
        parts = [each for each in ands(select.whereClause) if not _stays_set(each, update)]
        conditions = [each for each in walk(parts) if isinstance(each, ast.ColumnRef | ast.SubLink)]
        if direct_tables(select) == {table}:
            own = all(_is_column(catalog, table, select, each) for each in conditions)
            return own and not columns_in(conditions) & changed
    return False


def _stays_set(condition: Any, update: Any) -> bool:
    """Return whether a condition is `column IS NOT NULL`, and an UPDATE makes a value out of the column's own value."""
    match condition:
        case ast.NullTest(arg=ast.ColumnRef() as column, nulltesttype=enums.NullTestType.IS_NOT_NULL):
            values = [each.val for each in update.targetList or () if {each.name} == columns_in(column)]
            return bool(values) and all(columns_in(each) == columns_in(column) and _is_total(each) for each in values)
        case _:
            return False


def _is_total(value: Any) -> bool:
    """Return whether a value of not NULLs is seldom NULL: it has no NULLIF, CASE or constant NULL."""
    return not any(
        isinstance(each, ast.CaseExpr | ast.SubLink)
        or (isinstance(each, ast.A_Const) and each.isnull)
        or (isinstance(each, ast.A_Expr) and each.kind == enums.A_Expr_Kind.AEXPR_NULLIF)
        for each in walk(value)
    )


def generates_many(select: Any) -> bool:
    """Return whether a SELECT without a LIMIT joins series that have too many rows for one batch."""
    rows = 1
    for each in walk(select.fromClause):
        match each:
            case ast.FuncCall(funcname=[*_, ast.String(sval="generate_series")], args=[first, last, *step]):
                numbers = [constant_text(value) for value in (first, last, *step)]
                if all(re.fullmatch(r"[0-9]+", number) for number in numbers):
                    low, high, by = (*map(int, numbers), 1)[:3]
                    rows *= max(1, (high - low) // max(1, by) + 1)
            case _:
                pass
    return rows > MAX_BATCH and not _is_batch(select)


def direct_tables(select: Any) -> set[str]:
    """Return the tables in the FROM clause of a SELECT, without those of its subqueries."""
    return {relation_name(each) for each in _sources(select.fromClause) if isinstance(each, ast.RangeVar)}


def _keys(catalog: Catalog, table: str, conditions: list[Any]) -> list[set[str]] | None:
    """Return the columns of each unique key among the rows that meet the conditions, or None for an unknown table."""
    if table not in catalog.tables:
        return None
    unique = [each for each in catalog.indexes_of(table) if each.unique and "" not in each.columns]
    return [{"ctid"}, *(set(each.columns) for each in unique if each.implied_by(conditions))]


def _has_key(keys: list[set[str]] | None, columns: set[str]) -> bool:
    return bool(columns) if keys is None else any(key <= columns for key in keys)


def _is_column(catalog: Catalog, table: str, node: Any, value: Any) -> bool:
    """Return whether a name is a column of the statement, and not a variable of PL/pgSQL."""
    match value:
        case ast.ColumnRef(fields=[ast.String(sval=name)]):
            known = catalog.tables.get(table)
            return known is None or not known.is_complete or name in known.columns
        case ast.ColumnRef(fields=[*_, ast.String(sval=qualifier), _]):
            return qualifier in _names(node)
        case _:
            return isinstance(value, ast.ColumnRef)


def _names(node: Any) -> set[str]:
    """Return the names of the tables and subqueries in a statement."""
    found: set[str] = set()
    for each in walk(node):
        if isinstance(each, ast.RangeVar):
            found.add((each.alias.aliasname if each.alias else each.relname) or "")
        elif isinstance(each, ast.RangeSubselect) and each.alias:
            found.add(each.alias.aliasname or "")
    return found


def _own_names(select: Any, table: str) -> set[str]:
    """Return the names by which a SELECT reads a table in its own FROM clause."""
    found = [each for each in _sources(select.fromClause) if isinstance(each, ast.RangeVar)]
    return {
        (each.alias.aliasname if each.alias else each.relname) or "" for each in found if relation_name(each) == table
    }


def _joined(node: Any, where: Any, own: set[str]) -> set[str]:
    """Return the columns of a table, with its names, that a statement compares with those of another source."""
    joins = [each for each in walk(getattr(node, "fromClause", None)) if isinstance(each, ast.JoinExpr)]
    found = {each.sval for join in joins for each in join.usingClause or ()}
    clauses = (where, getattr(node, "joinCondition", None), *(each.quals for each in joins))
    for part in [each for clause in clauses for each in ands(clause)]:
        match part:
            case ast.A_Expr(lexpr=left, rexpr=right, name=[ast.String(sval="=")]):
                for side, other in ((left, right), (right, left)):
                    if _qualifiers(side) <= own and _qualifiers(other) - own:
                        found |= columns_in(side)
            case _:
                pass
    return found


def _qualifiers(expression: Any) -> set[str]:
    columns = [each.fields for each in walk(expression) if isinstance(each, ast.ColumnRef)]
    return {fields[-2].sval for fields in columns if fields and len(fields) > 1}


def _limited_queries(node: Any) -> set[str]:
    """Return the names of the WITH queries that a LIMIT keeps small."""
    with_clause = getattr(node, "withClause", None)
    queries = with_clause.ctes if with_clause else ()
    return {each.ctename for each in queries if isinstance(each.ctequery, ast.SelectStmt) and _is_batch(each.ctequery)}


def _is_limited(source: Any, limited: set[str]) -> bool:
    """Return whether a table or subquery has few rows."""
    if isinstance(source, ast.RangeVar):
        return source.relname in limited
    if not isinstance(source, ast.SelectStmt):
        return False
    if source.op == enums.SetOperation.SETOP_UNION and not _is_batch(source):
        return _is_limited(source.larg, limited) and _is_limited(source.rarg, limited)
    if source.op != enums.SetOperation.SETOP_NONE and not _is_batch(source):
        is_small = source.op == enums.SetOperation.SETOP_INTERSECT and _is_limited(source.rarg, limited)
        return is_small or _is_limited(source.larg, limited)
    return (
        _is_batch(source)
        or bool(source.valuesLists)
        or any(isinstance(each, ast.RangeVar) and each.relname in limited for each in _sources(source.fromClause))
    )


def _is_batch(select: Any) -> bool:
    """Return whether a LIMIT keeps the result of a SELECT small: a number, a parameter or a variable."""
    limit = select.limitCount
    if limit is None or select.limitOption == enums.LimitOption.LIMIT_OPTION_WITH_TIES:
        return False
    while isinstance(limit, ast.TypeCast):
        limit = limit.arg
    if isinstance(limit, ast.ParamRef | ast.ColumnRef):
        return True
    text = constant_text(limit)
    return text.isdigit() and int(text) <= MAX_BATCH


def _aggregates(select: Any) -> bool:
    """Return whether a SELECT reads all rows before its LIMIT counts: an aggregate, GROUP BY or DISTINCT."""
    names = {qualified_name(each.funcname) for each in walk(select.targetList) if isinstance(each, ast.FuncCall)}
    return bool(select.groupClause or select.distinctClause or names & AGGREGATES)


def _sources(node: Any) -> Iterator[Any]:
    """Yield the tables and subqueries of a FROM clause. A LATERAL subquery has rows for each row of the others."""
    match node:
        case list() | tuple():
            for each in node:
                yield from _sources(each)
        case ast.JoinExpr():
            yield from _sources([node.larg, node.rarg])
        case ast.RangeSubselect(subquery=query) if not node.lateral:
            yield query
        case ast.RangeVar():
            yield node
        case _:
            pass
