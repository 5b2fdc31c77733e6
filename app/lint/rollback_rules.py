"""Rules about rollbacks: the migration can be applied again after it, and it loses no rows if it says so."""

from collections.abc import Iterator, Sequence
from typing import Any

from pglast import ast
from pglast.enums import AlterTableType as Alter
from pglast.enums import DropBehavior, ObjectType

from app.lint.catalog import Catalog
from app.lint.findings import Fault, Faults
from app.lint.migration_rules import migration_faults
from app.lint.nodes import dropped_names, qualified_name, relation_name
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
