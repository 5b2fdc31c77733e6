"""Statements of sql/schema.sql, by the thing that each of them makes."""

import re
from typing import Any

from app.schema.statements import split_statements

CAST = re.compile(r"CREATE CAST \((.+?)\) ")


def statements_by_thing(schema_file: str) -> dict[str, str]:
    """Return the statements of schema.sql by the thing that each makes, in their order, in which they can run.

    A function has its name and the number of its parameters. Functions that have both alike are left out.
    """
    found: dict[str, str] = {}
    alike = set()
    for each in split_statements(schema_file):
        text = f"{each.text.strip()};"
        cast = CAST.match(text)
        key = f"other cast ({cast[1]})".replace('"', "") if cast else _key(each.parse())
        if key and key in found and "/" in key:
            alike.add(key)
        elif key:
            found[key] = f"{found[key]}\n{text}" if key in found else text
    return {key: text for key, text in found.items() if key not in alike}


def function_key(name: str, parameters: int) -> str:
    """Return the key of a function in statements_by_thing()."""
    return f"function {name}/{parameters}"


def _key(node: Any) -> str | None:
    """Return the thing that a statement of schema.sql makes, or None. A thing can have several statements."""
    return _key_of_table(node) or _key_of_type_or_function(node) or _key_of_comment(node) or _key_of_other(node)


def _key_of_table(node: Any) -> str | None:
    from pglast import ast  # here, because the import takes 65 ms
    from pglast.enums import AlterTableType

    match node:
        case (
            ast.CreateStmt(relation=ast.RangeVar(relname=table))
            | ast.CreateForeignTableStmt(base=ast.CreateStmt(relation=ast.RangeVar(relname=table)))
            | ast.ViewStmt(view=ast.RangeVar(relname=table))
            | ast.CreateTableAsStmt(into=ast.IntoClause(rel=ast.RangeVar(relname=table)))
            | ast.CreateSeqStmt(sequence=ast.RangeVar(relname=table))
        ):
            return f"table {table}"
        case ast.AlterSeqStmt(sequence=ast.RangeVar(relname=name), options=[ast.DefElem(defname="owned_by")]):
            return f"owner of numbers {name}"
        case ast.AlterTableStmt(cmds=[ast.AlterTableCmd(def_=ast.PartitionCmd(name=ast.RangeVar(relname=name)))]):
            return f"partition {name}"
        case ast.IndexStmt(idxname=name):
            return f"index {name}"
        case ast.CreateTrigStmt(relation=ast.RangeVar(relname=table), trigname=name):
            return f"trigger {table}.{name}"
        case ast.RuleStmt(relation=ast.RangeVar(relname=table), rulename=name):
            return f"rule {table}.{name}"
        case ast.CreatePolicyStmt(table=ast.RangeVar(relname=table), policy_name=name):
            return f"policy {table}.{name}"
        case ast.CreateStatsStmt(defnames=[*_, ast.String(sval=str(name))]):
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
        case ast.AlterTableStmt(
            relation=ast.RangeVar(relname=table),
            cmds=[ast.AlterTableCmd(subtype=AlterTableType.AT_ColumnDefault, name=name)],
        ):
            return f"default {table}.{name}"
        case _:
            return None


def _key_of_type_or_function(node: Any) -> str | None:
    from pglast import ast
    from pglast.enums import FunctionParameterMode, ObjectType

    returned = (FunctionParameterMode.FUNC_PARAM_OUT, FunctionParameterMode.FUNC_PARAM_TABLE)
    match node:
        case (
            ast.CreateDomainStmt(domainname=[*_, ast.String(sval=str(name))])
            | ast.CreateEnumStmt(typeName=[*_, ast.String(sval=str(name))])
            | ast.CreateRangeStmt(typeName=[*_, ast.String(sval=str(name))])
            | ast.CompositeTypeStmt(typevar=ast.RangeVar(relname=name))
        ):
            return f"type {name}"
        case ast.CreateFunctionStmt(funcname=[*_, ast.String(sval=str(name))], parameters=parameters):
            return function_key(name, sum(each.mode not in returned for each in parameters or ()))
        case ast.DefineStmt(
            kind=ObjectType.OBJECT_AGGREGATE, defnames=[*_, ast.String(sval=str(name))], args=[parameters, *_]
        ):
            return function_key(name, len(parameters or ()))
        case _:
            return None


def _key_of_other(node: Any) -> str | None:
    """Return the key of a thing of a rare kind, with its words in pg_identify_object(), without quotes."""
    from pglast import ast
    from pglast.enums import ObjectType

    kinds = {
        ObjectType.OBJECT_COLLATION: "collation",
        ObjectType.OBJECT_TSCONFIGURATION: "text search configuration",
        ObjectType.OBJECT_TSDICTIONARY: "text search dictionary",
        ObjectType.OBJECT_TSPARSER: "text search parser",
        ObjectType.OBJECT_TSTEMPLATE: "text search template",
    }
    match node:
        case ast.DefineStmt(kind=ObjectType() as kind, defnames=[*_, ast.String(sval=str(name))]) if kind in kinds:
            return f"other {kinds[kind]} {name}"
        case ast.AlterTSConfigurationStmt(cfgname=[*_, ast.String(sval=str(name))]):
            return f"other text search configuration {name}"
        case ast.CreateConversionStmt(conversion_name=[*_, ast.String(sval=str(name))]):
            return f"other conversion {name}"
        case ast.CreateEventTrigStmt(trigname=str(name)):
            return f"other event trigger {name}"
        case ast.CreateOpFamilyStmt(opfamilyname=[*_, ast.String(sval=str(name))], amname=method):
            return f"other operator family {name} USING {method}"
        case ast.CreateOpClassStmt(opclassname=[*_, ast.String(sval=str(name))], amname=method):
            return f"other operator class {name} USING {method}"
        case _:
            return None


def _key_of_comment(node: Any) -> str | None:
    from pglast import ast
    from pglast.enums import ObjectType

    kinds = {
        **dict.fromkeys((ObjectType.OBJECT_TABLE, ObjectType.OBJECT_VIEW, ObjectType.OBJECT_MATVIEW), "table"),
        ObjectType.OBJECT_FOREIGN_TABLE: "table",
        ObjectType.OBJECT_SEQUENCE: "sequence",
        ObjectType.OBJECT_COLUMN: "column",
        ObjectType.OBJECT_INDEX: "index",
        ObjectType.OBJECT_TABCONSTRAINT: "constraint",
        ObjectType.OBJECT_TRIGGER: "trigger",
        ObjectType.OBJECT_RULE: "rule",
        ObjectType.OBJECT_POLICY: "policy",
        ObjectType.OBJECT_STATISTIC_EXT: "statistics",
    }
    match node:
        case ast.CommentStmt(object=ast.ObjectWithArgs(objname=[*_, ast.String(sval=str(name))], objargs=parameters)):
            return f"comment on {function_key(name, len(parameters or ()))}"
        case ast.CommentStmt(
            objtype=ObjectType.OBJECT_TYPE | ObjectType.OBJECT_DOMAIN,
            object=ast.TypeName(names=[*_, ast.String(sval=str(name))]),
        ):
            return f"comment on type {name}"
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
