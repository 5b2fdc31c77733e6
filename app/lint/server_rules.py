"""Rule about the version of the server: what PostgreSQL 15, the oldest one that the project serves, does not have."""

import re
from typing import Any

from pglast import ast
from pglast.enums import AlterTableType as Alter
from pglast.enums import ConstrType, MergeMatchKind, ObjectType
from pglast.parser import ParseError, scan

from app.lint.findings import Fault, Faults
from app.lint.functions import is_newer, is_newer_setting
from app.lint.nodes import constant_text, qualified_name
from app.lint.parser import Statement

OLDEST = 15  # major version of PostgreSQL
NODES = {
    ast.JsonTable: ("JSON_TABLE", 17),
    ast.JsonFuncExpr: ("JSON_VALUE, JSON_QUERY and JSON_EXISTS", 17),
    ast.JsonParseExpr: ("JSON()", 17),
    ast.JsonScalarExpr: ("JSON_SCALAR", 17),
    ast.JsonSerializeExpr: ("JSON_SERIALIZE", 17),
    ast.JsonObjectConstructor: ("JSON_OBJECT with keys", 16),
    ast.JsonArrayConstructor: ("JSON_ARRAY", 16),
    ast.JsonObjectAgg: ("JSON_OBJECTAGG", 16),
    ast.JsonArrayAgg: ("JSON_ARRAYAGG", 16),
    ast.JsonIsPredicate: ("IS JSON", 16),
}
COMMANDS = {Alter.AT_SetExpression: ("SET EXPRESSION", 17)}
# Functions that an older server has with another number of arguments only.
BY_ARGUMENTS = {
    ("pg_catalog.timezone", 1): ("AT LOCAL", 17),
    ("random", 2): ("random() with limits", 17),
    ("json_strip_nulls", 2): ("json_strip_nulls() for arrays", 18),
    ("jsonb_strip_nulls", 2): ("jsonb_strip_nulls() for arrays", 18),
}


NUMBER = re.compile(r"0[xob]|.*_", re.IGNORECASE)
COPY_OPTIONS = {"default": 16, "on_error": 17, "log_verbosity": 17, "reject_limit": 18}
EXPLAIN_OPTIONS = {"generic_plan": 16, "memory": 17, "serialize": 17}
VACUUM_OPTIONS = {"process_main": 16, "skip_database_stats": 16, "only_database_stats": 16, "buffer_usage_limit": 16}
ROLES = {"pg_create_subscription": 16, "pg_use_reserved_connections": 16, "pg_maintain": 17, "pg_signal_autovacuum": 18}
COLLATIONS = {"unicode": 16, "pg_c_utf8": 17, "pg_unicode_fast": 18}


def server_faults(statement: Statement) -> Faults:
    """Yield the faults of a statement that an older server rejects."""
    if not statement.unreadable and not statement.block and (number := _newer_number(statement)):
        yield Fault(statement.line, "newer-server", f"the number {number} needs PostgreSQL 16")
    for node in statement.nodes if not statement.unreadable else ():
        if found := _newer(node):
            what, version = found
            since = f"needs PostgreSQL {version}" if version else f"is not in PostgreSQL {OLDEST}"
            yield Fault(statement.line, "newer-server", f"{what} {since}")
            return


def _newer_number(statement: Statement) -> str:
    """Return a number with an underscore, or in another base than ten, also in the body of a function; or ""."""
    texts = [statement.text]
    while texts:
        text = texts.pop()
        try:
            tokens = scan(text)
        except ParseError:
            continue
        for token in tokens:
            word = text[token.start : token.end + 1]
            if token.name in {"ICONST", "FCONST"} and NUMBER.match(word):
                return word
            if token.name == "SCONST" and isinstance(statement.node, ast.CreateFunctionStmt | ast.DoStmt):
                texts.append(word[(word.find("$", 1) if word.startswith("$") else 0) + 1 :].rpartition(word[0])[0])
    return ""


def _option(options: Any, newer: dict[str, int]) -> tuple[str, int] | None:
    """Return an option that an older server does not know, with its version."""
    return next(((each.defname.upper(), newer[each.defname]) for each in options or () if each.defname in newer), None)


def _newer_setting(name: str) -> tuple[str, int] | None:
    return (f"the setting {name}", 0) if is_newer_setting(name) else None


def _newer(node: Any) -> tuple[str, int] | None:
    match node:
        case ast.Constraint(generated_kind="v"):
            return "a VIRTUAL column", 18
        case ast.Constraint(contype=ConstrType.CONSTR_ATTR_NOT_ENFORCED):
            return "NOT ENFORCED", 18
        case ast.Constraint(contype=ConstrType.CONSTR_CHECK | ConstrType.CONSTR_FOREIGN, is_enforced=False):
            return "NOT ENFORCED", 18
        case ast.ATAlterConstraint(alterEnforceability=True):
            return "ALTER CONSTRAINT ... ENFORCED", 18
        case ast.Constraint(contype=ConstrType.CONSTR_NOTNULL, keys=[*_]):
            return "ADD CONSTRAINT ... NOT NULL", 18
        case ast.Constraint() if node.without_overlaps or node.fk_with_period or node.pk_with_period:
            return "WITHOUT OVERLAPS and PERIOD", 18
        case ast.MergeStmt() if node.returningClause:
            return "MERGE ... RETURNING", 17
        case ast.MergeWhenClause(matchKind=MergeMatchKind.MERGE_WHEN_NOT_MATCHED_BY_SOURCE):
            return "WHEN NOT MATCHED BY SOURCE", 17
        case ast.ReturningClause(options=[*_]):
            return "RETURNING WITH (OLD AS ...)", 18
        case ast.ReturningClause(exprs=[*columns]) if any(_is_old_or_new(each) for each in columns):
            return "OLD and NEW in RETURNING", 18
        case ast.AccessPriv(priv_name="maintain"):
            return "the right MAINTAIN", 17
        case ast.RangeSubselect(alias=None):
            return "a subquery in FROM without a name", 16
        case ast.ColumnDef(storage_name=str()):
            return "STORAGE in the definition of a column", 16
        case ast.CreateStatsStmt(defnames=None):
            return "CREATE STATISTICS without a name", 16
        case ast.AlterTableCmd(subtype=Alter.AT_SetStorage, def_=ast.String(sval="default")):
            return "SET STORAGE DEFAULT", 16
        case ast.AlterTableCmd(subtype=Alter.AT_SetStatistics, def_=None):
            return "SET STATISTICS DEFAULT", 17
        case ast.FuncCall(funcname=name, args=[*arguments]) if (qualified_name(name), len(arguments)) in BY_ARGUMENTS:
            return BY_ARGUMENTS[qualified_name(name), len(arguments)]
        case ast.AlterTableCmd() if node.subtype in COMMANDS:
            return COMMANDS[node.subtype]
        case ast.CopyStmt(options=options):
            return _option(options, COPY_OPTIONS)
        case ast.ExplainStmt(options=options):
            return _option(options, EXPLAIN_OPTIONS)
        case ast.VacuumStmt(options=options) if newer := _option(options, VACUUM_OPTIONS):
            return newer
        case ast.VacuumStmt(rels=[*rels]) if any(each.relation and not each.relation.inh for each in rels):
            return "ONLY in VACUUM and ANALYZE", 18
        case ast.GrantRoleStmt(opt=[*options]) if any(each.defname in {"inherit", "set"} for each in options):
            return "GRANT ... WITH INHERIT or SET", 16
        case ast.GrantRoleStmt(granted_roles=[*roles]) if any(each.priv_name in ROLES for each in roles):
            return next(
                (f"the role {each.priv_name}", ROLES[each.priv_name]) for each in roles if each.priv_name in ROLES
            )
        case ast.XmlSerialize(indent=True):
            return "XMLSERIALIZE ... INDENT", 16
        case ast.CollateClause(collname=[*_, ast.String(sval=str(name))]) if COLLATIONS.get(name):
            return f"the collation {name}", COLLATIONS[name]
        case ast.VariableSetStmt(name=str(name)):
            return _newer_setting(name)
        case ast.FuncCall(funcname=[*_, ast.String(sval="set_config")], args=[name, *_]):
            return _newer_setting(constant_text(name))
        case ast.AlterTableCmd(subtype=Alter.AT_SetAccessMethod, name=None):
            return "SET ACCESS METHOD DEFAULT", 17
        case ast.CreateEventTrigStmt(eventname="login"):
            return "the event login", 17
        case ast.AlterDefaultPrivilegesStmt(action=ast.GrantStmt(objtype=ObjectType.OBJECT_LARGEOBJECT)):
            return "default privileges for large objects", 18
        case ast.FuncCall() if is_newer(node):
            return f"{qualified_name(node.funcname)}()", 0
        case _:
            return NODES.get(type(node))


def _is_old_or_new(target: Any) -> bool:
    match getattr(target, "val", None):
        case ast.ColumnRef(fields=[ast.String(sval="old" | "new"), *_]):
            return True
        case _:
            return False
