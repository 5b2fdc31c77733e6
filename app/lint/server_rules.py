"""Rule about the version of the server: what PostgreSQL 15, the oldest one that the project serves, does not have."""

from typing import Any

from pglast import ast
from pglast.enums import AlterTableType as Alter
from pglast.enums import ConstrType, MergeMatchKind

from app.lint.findings import Fault, Faults
from app.lint.functions import is_newer
from app.lint.nodes import qualified_name
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


def server_faults(statement: Statement) -> Faults:
    """Yield the faults of a statement that an older server rejects."""
    for node in statement.nodes if not statement.unreadable else ():
        if found := _newer(node):
            what, version = found
            since = f"needs PostgreSQL {version}" if version else f"is not in PostgreSQL {OLDEST}"
            yield Fault(statement.line, "newer-server", f"{what} {since}")
            return


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
