"""Rules about rollbacks: the migration can be applied again after it, and it loses no rows if it says so."""

from collections.abc import Iterator, Sequence
from typing import Any

from pglast import ast
from pglast.enums import AlterTableType as Alter
from pglast.enums import DropBehavior, ObjectType

from app.lint.catalog import Catalog
from app.lint.findings import Fault, Faults
from app.lint.migration_rules import migration_faults
from app.lint.nodes import ands, columns_in, dropped_names, qualified_name, relation_name, walk
from app.lint.parser import Statement
from app.lint.rules import CARE
from app.lint.state import MigrationState
from app.schema.headers import NOTHING

CASCADE = DropBehavior.DROP_CASCADE
KINDS = {
    ObjectType.OBJECT_VIEW: "view",
    ObjectType.OBJECT_SEQUENCE: "sequence",
    ObjectType.OBJECT_SCHEMA: "schema",
    ObjectType.OBJECT_EXTENSION: "extension",
    ObjectType.OBJECT_STATISTIC_EXT: "statistics object",
    ObjectType.OBJECT_POLICY: "policy",
}
# Functions whose result differs from their argument each time.
GROWING = {"concat", "concat_ws", "format", "repeat", "reverse", "md5", "sha256", "encode", "array_append", "array_cat"}
GROWING |= {"array_prepend", "power", "convert_to", "to_json", "to_jsonb", "quote_literal"}
PREFIX = "PostgreSQL rejects it: "


def rollback_faults(
    up: Sequence[Statement], down: Sequence[Statement], before: Catalog, after: Catalog, file: str
) -> Faults:
    """Yield the fault of a rollback after which PostgreSQL rejects the migration.

    `before` is the schema before the migration, and `after` that after the rollback.
    """
    former, again = (_rejections(up, each, file) for each in (before, after))
    new = [each.removeprefix(PREFIX) for each in again if each not in former]
    new += [f"there is a {kind} {name} already" for kind, name in _left(up, down)]
    if down and new:
        why = f"after it, PostgreSQL rejects the migration: {new[0]}"
        yield Fault(down[-1].line, "rollback-incomplete", why)


def _left(up: Sequence[Statement], down: Sequence[Statement]) -> list[tuple[str, str]]:
    """Return the objects that a migration creates, of kinds that the catalog does not have, and the rollback leaves.

    Nothing is left for certain after CASCADE or RENAME.
    """
    nodes = [each.node for each in (*up, *down)]
    if any(isinstance(each, ast.RenameStmt) or getattr(each, "behavior", None) == CASCADE for each in nodes):
        return []
    made: dict[tuple[str, str], str] = {}  # with the table that takes it along, or ""
    for node in (each.node for each in up if not each.block):
        made |= dict(_made(node))
    for node in nodes:
        if isinstance(node, ast.DropStmt):
            gone = {*dropped_names(node)}
            kind = KINDS.get(node.removeType, "") if node.removeType else ""
            made = {key: table for key, table in made.items() if key[1] not in gone or key[0] != kind}
            if node.removeType == ObjectType.OBJECT_TABLE:
                made = {key: table for key, table in made.items() if table not in gone}
        elif isinstance(node, ast.AlterSeqStmt):  # OWNED BY
            made.pop(("sequence", relation_name(node.sequence)), None)
    return list(made)


def _made(node: Any) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield the kind and the name of an object that a statement creates, with the table that takes it along, or ""."""
    match node:
        case ast.ViewStmt(view=relation, replace=False):
            yield ("view", relation_name(relation)), ""
        case ast.CreateSeqStmt(sequence=relation, if_not_exists=False):
            if not any(each.defname == "owned_by" for each in node.options or ()):
                yield ("sequence", relation_name(relation)), ""
        case ast.CreateSchemaStmt(schemaname=str(name), if_not_exists=False):
            yield ("schema", name), ""
        case ast.CreateExtensionStmt(extname=str(name), if_not_exists=False):
            yield ("extension", name), ""
        case ast.CreateStatsStmt(defnames=[*names], relations=[ast.RangeVar() as relation], if_not_exists=False):
            yield ("statistics object", qualified_name(names)), relation_name(relation)
        case ast.CreatePolicyStmt(policy_name=str(name), table=relation):
            yield ("policy", f"{relation_name(relation)}.{name}"), relation_name(relation)
        case _:
            pass


def repeat_faults(up: Sequence[Statement], down: Sequence[Statement], migrated: Catalog, after: Catalog) -> Faults:
    """Yield the fault of an UPDATE that changes its own result again if the migration is applied after its rollback.

    `migrated` is the schema before the rollback, and `after` that after it.
    """
    for table, column, expression, where in _updates(up):
        is_gone = migrated.column(table, column) is not None and after.column(table, column) is None
        is_undone = any((table, column) == each[:2] for each in _updates(down))
        if is_gone or is_undone or not changes_again(column, expression):
            continue
        if not any(column in columns_in(each) and not isinstance(each, ast.NullTest) for each in ands(where)):
            why = f"it leaves {table}.{column} as it is, and the next apply changes the same rows again"
            hint = f"undo it in the rollback, or skip the rows that are done by a condition on {column}"
            yield Fault(down[-1].line if down else 1, "rollback-incomplete", why, hint)


def changes_again(column: str, expression: Any) -> bool:
    """Return whether the value of a column is made of itself in such a way that it changes each time."""
    for node in walk(expression):
        match node:
            case ast.A_Expr(name=[ast.String(sval="||" | "+" | "-" | "*" | "/")]) if column in columns_in(node):
                return True
            case ast.FuncCall() if column in columns_in(node.args):
                if qualified_name(node.funcname).removeprefix("pg_catalog.") in GROWING:
                    return True
            case _:
                pass
    return False


def _updates(statements: Sequence[Statement]) -> Iterator[tuple[str, str, Any, Any]]:
    """Yield the table, the column, the value and the WHERE of each assignment of an UPDATE."""
    for statement in statements:
        for node in statement.nodes if not isinstance(statement.node, ast.CreateFunctionStmt) else ():
            if isinstance(node, ast.UpdateStmt):
                for each in node.targetList or ():
                    yield relation_name(node.relation), each.name, each.val, node.whereClause


def _rejections(statements: Sequence[Statement], catalog: Catalog, file: str) -> list[str]:
    """Return why PostgreSQL rejects statements, as far as that is certain."""
    faults = migration_faults(MigrationState(file, catalog.copy(), []), statements)
    return [each.why for each in faults if each.rule == "rejected" and each.level != CARE]


def loss_faults(loses: str, migrated: Catalog, down: Sequence[Statement]) -> Faults:
    """Yield the faults of a rollback that says "nothing", without a reason, and takes rows or values away."""
    match = NOTHING.fullmatch(loses)
    if match is None or match[1]:
        return
    for statement in down:
        for line, what in _lost(statement, migrated):
            yield Fault(line, "rollback-loses", f"it says that nothing is lost, and {what}")


def _lost(statement: Statement, migrated: Catalog) -> list[tuple[int, str]]:
    """Return the lines of a statement that take rows or values away, each with the loss."""
    node: Any = statement.node
    match node:
        case ast.DropStmt(removeType=ObjectType.OBJECT_TABLE):
            known = [(name, migrated.tables.get(name)) for name in dropped_names(node)]
            return [(statement.line, f"drops the rows of {name}") for name, each in known if each and not each.query]
        case ast.AlterTableStmt(cmds=[*commands]):
            table = relation_name(node.relation)
            drops = [
                pair for pair in zip(statement.lines, commands, strict=True) if pair[1].subtype == Alter.AT_DropColumn
            ]
            columns = [(line, migrated.column(table, each.name)) for line, each in drops]
            return [
                (line, f"drops the values of {table}.{column.name}")
                for line, column in columns
                if column and not column.expression
            ]
        case ast.TruncateStmt(relations=[*relations]):
            return [(statement.line, f"empties {', '.join(map(relation_name, relations))}")]
        case ast.DeleteStmt(relation=relation):
            return [(statement.line, f"deletes rows of {relation_name(relation)}")]
        case _:
            return []
