"""Statements of sql/schema.sql, by the thing that each of them makes."""

from typing import Any

from app.schema.statements import split_statements


def statements_by_thing(schema_file: str) -> dict[str, str]:
    """Return the statements of schema.sql by the thing that each makes."""
    return {key: f"{each.text.strip()};" for each in split_statements(schema_file) if (key := _key(each.parse()))}


def _key(node: Any) -> str | None:
    from pglast import ast  # here, because the import takes 65 ms
    from pglast.enums import AlterTableType, ObjectType

    kinds = {
        ObjectType.OBJECT_TABLE: "table",
        ObjectType.OBJECT_VIEW: "table",
        ObjectType.OBJECT_MATVIEW: "table",
        ObjectType.OBJECT_COLUMN: "column",
        ObjectType.OBJECT_INDEX: "index",
        ObjectType.OBJECT_TABCONSTRAINT: "constraint",
        ObjectType.OBJECT_TRIGGER: "trigger",
        ObjectType.OBJECT_RULE: "rule",
        ObjectType.OBJECT_POLICY: "policy",
        ObjectType.OBJECT_FUNCTION: "function",
    }
    match node:
        case (
            ast.CreateStmt(relation=ast.RangeVar(relname=table))
            | ast.ViewStmt(view=ast.RangeVar(relname=table))
            | ast.CreateTableAsStmt(into=ast.IntoClause(rel=ast.RangeVar(relname=table)))
        ):
            return f"table {table}"
        case ast.IndexStmt(idxname=name):
            return f"index {name}"
        case ast.CreateTrigStmt(relation=ast.RangeVar(relname=table), trigname=name):
            return f"trigger {table}.{name}"
        case ast.RuleStmt(relation=ast.RangeVar(relname=table), rulename=name):
            return f"rule {table}.{name}"
        case ast.CreatePolicyStmt(table=ast.RangeVar(relname=table), policy_name=name):
            return f"policy {table}.{name}"
        case ast.CreateFunctionStmt(funcname=[*_, ast.String(sval=name)]):
            return f"function {name}"
        case ast.CreateStatsStmt(defnames=[*_, ast.String(sval=name)]):
            return f"statistics {name}"
        case ast.AlterTableStmt(
            relation=ast.RangeVar(relname=table),
            cmds=[ast.AlterTableCmd(subtype=AlterTableType.AT_AddConstraint, def_=ast.Constraint(conname=name))],
        ):
            return f"constraint {table}.{name}"
        case ast.AlterTableStmt(
            relation=ast.RangeVar(relname=table),
            cmds=[ast.AlterTableCmd(subtype=AlterTableType.AT_AddIdentity, name=name)],
        ):
            return f"identity {table}.{name}"
        case ast.CommentStmt(
            objtype=ObjectType() as kind, object=ast.ObjectWithArgs(objname=[*_, ast.String(sval=name)])
        ):
            return f"comment on {kinds.get(kind, '')} {name}"
        case ast.CommentStmt(objtype=ObjectType() as kind, object=tuple() as parts) if kind in kinds:
            return f"comment on {kinds[kind]} {'.'.join(part.sval for part in parts)}"
        case _:
            return None


def quoted(name: str) -> str:
    from pglast.parser import ParseError, scan

    try:
        (token,) = scan(name)
        is_plain = token.name == "IDENT" and name == name.lower()
    except (ParseError, ValueError):
        is_plain = False
    return name if is_plain else '"' + name.replace('"', '""') + '"'
