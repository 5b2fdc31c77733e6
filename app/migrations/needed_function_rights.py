"""Needed rights on functions: those that a statement calls, or that a trigger will call, from its text."""

from collections.abc import Iterator
from typing import Any

from app.migrations.needed_rights import nodes, quoted, runs

# The schema, the name, the table for whose rows it is called, and whether an index calls it. See find_uncallable.sql.
Called = tuple[str | None, str, str | None, bool]


def called(node: Any) -> Iterator[Called]:
    """Yield the functions that PostgreSQL calls at once, or whose right it checks at once.

    It calls a new default, a check and a generated column for the rows of a table, unless the check is NOT VALID.
    """
    from pglast import ast

    match node:
        case ast.CreateTrigStmt(funcname=parts):
            yield *_name(parts), None, False
        case ast.AlterTableStmt(relation=ast.RangeVar() as relation):
            for expression in (found for command in node.cmds or () for found in _computed(command)):
                yield from ((*name, quoted(relation), False) for name in _calls(expression))
        case ast.IndexStmt(relation=relation):
            expressions = [each.expr for each in node.indexParams or () if each.expr is not None]
            for expression in filter(None, (*expressions, node.whereClause)):
                yield from ((*name, quoted(relation), True) for name in _calls(expression))
        case _ if runs(node):
            yield from ((*name, None, False) for name in _calls(node))
        case _:
            return


def _computed(command: Any) -> Iterator[Any]:
    """Yield the expressions that a command of ALTER TABLE computes for each row."""
    from pglast import ast
    from pglast.enums import AlterTableType, ConstrType

    added = command.def_
    if command.subtype == AlterTableType.AT_AddConstraint:
        if added.contype == ConstrType.CONSTR_CHECK and not added.skip_validation and added.is_enforced is not False:
            yield added.raw_expr
    elif command.subtype == AlterTableType.AT_AlterColumnType and added.raw_default is not None:
        yield added.raw_default
    elif command.subtype == AlterTableType.AT_AddColumn and isinstance(added, ast.ColumnDef) and not command.missing_ok:
        computed = {ConstrType.CONSTR_DEFAULT, ConstrType.CONSTR_CHECK, ConstrType.CONSTR_GENERATED}
        constraints = (each for each in added.constraints or () if each.contype in computed)
        yield from (each.raw_expr for each in constraints if each.generated_kind != "v")


def _calls(root: Any) -> Iterator[tuple[str | None, str]]:
    from pglast import ast

    yield from (_name(each.funcname) for each in nodes(root) if isinstance(each, ast.FuncCall))


def _name(parts: Any) -> tuple[str | None, str]:
    *schema, name = (part.sval for part in parts)
    return (schema[-1] if schema else None), name
