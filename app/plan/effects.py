"""Effects of a statement, from its text: the locks that it takes, and its work (rewrite, scan, build, write).

The lock modes of ALTER TABLE are measured (app/lint/alter_table.py). The others are those of PostgreSQL's manual
("Explicit Locking"). A test compares them with the locks that a server reports. A statement that cannot be read (a DO
block that puts SQL together, a call of a routine) says so in `unread`. Then the locks are at least those that it names.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pglast import ast
from pglast.enums import AlterTableType as Alter
from pglast.enums import ConstrType, GrantTargetType, ObjectType

from app.lint import changes
from app.lint.alter_table import MODES
from app.lint.alter_table import mode as mode_of
from app.lint.alter_table_rules import TABLES, alter_table_faults
from app.lint.nodes import constant_text, dropped_names, qualified_name, relation_name, walk
from app.lint.parser import Statement
from app.lint.partition_rules import default_partition, excluded
from app.lint.state import MigrationState
from app.migrations.statement_rules import is_concurrent
from app.plan.one_row import changes_one_row

ACCESS_SHARE, ROW_SHARE, ROW_EXCLUSIVE, SHARE_UPDATE_EXCLUSIVE = MODES[:4]
SHARE, SHARE_ROW_EXCLUSIVE, EXCLUSIVE, ACCESS_EXCLUSIVE = MODES[4:]

WORK_OF_RULE = {  # a rule of app/lint that finds work in an ALTER TABLE
    "type-rewrite": "rewrite",
    "default-rewrite": "rewrite",
    "table-rewrite": "rewrite",
    "check-scan": "scan",
    "not-null-scan": "scan",
    "foreign-key-scan": "scan",
    "constraint-index": "build",
}
FOREIGN_KEY = "foreign key"
ONE_ROW = "one row"  # an UPDATE or a DELETE by a key
TEXTS = {"text", "varchar", "bpchar", "citext"}
WRITES = (ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt)
READABLE = (*WRITES, ast.SelectStmt, ast.CreateTableAsStmt, ast.ViewStmt, ast.CreateFunctionStmt, ast.CopyStmt)
# Statements that lock no table.
LOCKLESS = (
    *(ast.CreateSchemaStmt, ast.CreateEnumStmt, ast.CompositeTypeStmt, ast.CreateDomainStmt, ast.CreateSeqStmt),
    *(ast.AlterFunctionStmt, ast.AlterEnumStmt, ast.VariableSetStmt, ast.VariableShowStmt, ast.DefineStmt),
    *(ast.CreateRangeStmt, ast.CreateRoleStmt, ast.GrantRoleStmt, ast.TransactionStmt, ast.ConstraintsSetStmt),
    *(ast.AlterDefaultPrivilegesStmt, ast.AlterOwnerStmt, ast.NotifyStmt, ast.DiscardStmt, ast.SecLabelStmt),
    *(ast.CreateExtensionStmt, ast.CreateCastStmt, ast.AlterTypeStmt, ast.AlterTSConfigurationStmt),
    *(ast.AlterTSDictionaryStmt, ast.AlterRoleStmt, ast.AlterRoleSetStmt, ast.CreateOpClassStmt),
    # Those of a relation are other cases, before this one: these are of types, functions, schemas, and the like.
    *(ast.RenameStmt, ast.AlterObjectSchemaStmt),
)


@dataclass(frozen=True)
class Work:
    """Work that grows with a table: rewrite, scan, build (of an index), write, or sample (ANALYZE)."""

    kind: str
    table: str
    method: str = ""  # of an index, if it is no B-tree of numbers; foreign key; insert, delete or one row


@dataclass
class Effects:
    """Effects of a statement on tables that exist when it begins."""

    locks: dict[str, str] = field(default_factory=dict)  # the strongest mode by table, or by index if it is named
    work: list[Work] = field(default_factory=list)
    fills: set[str] = field(default_factory=set)  # tables that it inserts rows into
    sources: set[str] = field(default_factory=set)  # tables that these rows come from
    values: int = 0  # rows that it has itself, in VALUES
    # Without blocking others, it waits for the transactions with a lock on a table that conflicts with a mode.
    waits: dict[str, str] = field(default_factory=dict)
    waits_for_snapshots: bool = False  # also for each session that has one
    unread: str = ""  # why a part of it cannot be read

    def lock(self, relation: str, mode: str) -> None:
        """Add a lock, unless a stronger one is there."""
        known = self.locks.get(relation)
        if known is None or MODES.index(mode) > MODES.index(known):
            self.locks[relation] = mode

    def do(self, kind: str, table: str, method: str = "") -> None:
        """Add work once."""
        if (work := Work(kind, table, method)) not in self.work:
            self.work.append(work)


def effects_of(state: MigrationState, statement: Statement, version: int) -> Effects:
    """Return the effects of a statement, and apply it to the catalog of the state. `version` is that of PostgreSQL."""
    found = Effects()
    if statement.unreadable or statement.guessed:
        found.unread = "it runs a statement that is put together at run time"
        return found
    node = statement.node
    if isinstance(node, ast.AlterTableStmt):
        _alter_table(found, state, statement)
    else:
        _other(found, state, statement, version)
        changes.apply(state.catalog, node, state.file)
    own = {name for name, table in state.catalog.tables.items() if table.created_by == state.file}
    own |= {index.name for index in state.catalog.indexes.values() if index.table in own}
    hidden = own | state.catalog.temporary
    found.locks = {name: mode for name, mode in found.locks.items() if name not in hidden and not _is_system(name)}
    found.work = [work for work in found.work if work.table not in hidden]
    return found


def _is_system(name: str) -> bool:
    return name.startswith(("pg_", "information_schema."))


def _other(found: Effects, state: MigrationState, statement: Statement, version: int) -> None:
    node, catalog = statement.node, state.catalog
    match node:
        case ast.DoStmt():
            pass  # its statements follow it
        case ast.CreateStmt():
            _create_table(found, node)
        case ast.IndexStmt(relation=relation):
            table = relation_name(relation)
            found.lock(table, SHARE_UPDATE_EXCLUSIVE if node.concurrent else SHARE)
            if node.concurrent:
                found.waits[table] = SHARE
                found.waits_for_snapshots = True
            found.do("build", table, _method(node, state))
        case ast.DropStmt():
            _drop(found, state, node)
        case ast.RenameStmt(relation=ast.RangeVar() as relation):
            name = relation_name(relation)
            is_index = node.renameType == ObjectType.OBJECT_INDEX or name in catalog.indexes
            found.lock(name, SHARE_UPDATE_EXCLUSIVE if is_index else ACCESS_EXCLUSIVE)
        case ast.AlterObjectSchemaStmt(relation=ast.RangeVar() as relation):
            found.lock(relation_name(relation), ACCESS_EXCLUSIVE)
        case ast.CommentStmt():
            _comment(found, node)
        case ast.CreateTrigStmt(relation=relation):
            found.lock(relation_name(relation), SHARE_ROW_EXCLUSIVE)
        case ast.RuleStmt(relation=relation):
            found.lock(relation_name(relation), ACCESS_EXCLUSIVE)
        case ast.CreatePolicyStmt(table=relation) | ast.AlterPolicyStmt(table=relation):
            found.lock(relation_name(relation), ACCESS_EXCLUSIVE)
        case ast.CreateStatsStmt(relations=[*relations]):
            for relation in relations:
                found.lock(relation_name(relation), SHARE_UPDATE_EXCLUSIVE)
        case ast.AlterSeqStmt(sequence=relation):
            found.lock(relation_name(relation), SHARE_ROW_EXCLUSIVE)
        case ast.TruncateStmt(relations=[*relations]):
            for relation in relations:
                found.lock(relation_name(relation), ACCESS_EXCLUSIVE)
        case ast.LockStmt(relations=[*relations], mode=int(mode)):
            for relation in relations:
                found.lock(relation_name(relation), MODES[mode - 1])
        case ast.GrantStmt(targtype=GrantTargetType.ACL_TARGET_OBJECT, objtype=ObjectType.OBJECT_TABLE):
            for relation in node.objects or () if version >= 18 else ():
                found.lock(relation_name(relation), ACCESS_SHARE)
        case ast.GrantStmt(targtype=GrantTargetType.ACL_TARGET_OBJECT):
            pass
        case ast.VacuumStmt():
            _vacuum(found, node)
        case ast.ClusterStmt(relation=ast.RangeVar() as relation):
            found.lock(relation_name(relation), ACCESS_EXCLUSIVE)
            found.do("rewrite", relation_name(relation))
        case ast.RefreshMatViewStmt(relation=relation):
            found.lock(relation_name(relation), EXCLUSIVE if node.concurrent else ACCESS_EXCLUSIVE)
            found.do("rewrite", relation_name(relation))
            found.unread = "the plan does not know which tables the view reads"
        case ast.ReindexStmt(relation=ast.RangeVar() as relation):
            _reindex(found, state, node, relation_name(relation))
        case _ if isinstance(node, READABLE):
            _queries(found, state, node)
        case _ if not isinstance(node, LOCKLESS):
            words = re.findall(r"[A-Z][a-z]*", type(node).__name__.removesuffix("Stmt"))
            found.unread = f"the plan does not know {' '.join(words).upper()}"
        case _:
            pass


def _method(node: Any, state: MigrationState) -> str:
    """Return the method of an index, or "text" for a B-tree that compares texts by a collation."""
    if node.accessMethod not in {None, "btree"}:
        return str(node.accessMethod)
    types = [state.catalog.column(relation_name(node.relation), key.name) for key in node.indexParams]
    is_text = any(column is None or column.type is None or column.type.name in TEXTS for column in types)
    return "text" if is_text else ""


def _create_table(found: Effects, node: Any) -> None:
    for parent in node.inhRelations or ():
        found.lock(relation_name(parent), ACCESS_EXCLUSIVE if node.partbound else SHARE_UPDATE_EXCLUSIVE)
    for target in _foreign_targets(node.tableElts or ()):
        found.lock(target, SHARE_ROW_EXCLUSIVE)
    for element in node.tableElts or ():
        if isinstance(element, ast.TableLikeClause):
            found.lock(relation_name(element.relation), ACCESS_SHARE)


def _foreign_targets(elements: Any) -> Iterator[str]:
    for element in elements:
        constraints = [element] if isinstance(element, ast.Constraint) else getattr(element, "constraints", None) or ()
        for constraint in constraints:
            if constraint.contype == ConstrType.CONSTR_FOREIGN:
                yield relation_name(constraint.pktable)


def _drop(found: Effects, state: MigrationState, node: Any) -> None:
    for name in dropped_names(node):
        if node.removeType in {*TABLES, ObjectType.OBJECT_VIEW}:
            found.lock(name, ACCESS_EXCLUSIVE)
            for other, owner in state.catalog.tables.items():
                for constraint in owner.constraints.values():
                    if constraint.kind == "fkey" and name in {other, constraint.target}:
                        found.lock(other, ACCESS_EXCLUSIVE)
                        found.lock(constraint.target, ACCESS_EXCLUSIVE)
        elif node.removeType == ObjectType.OBJECT_INDEX:
            short = name.rpartition(".")[2]
            mode = SHARE_UPDATE_EXCLUSIVE if node.concurrent else ACCESS_EXCLUSIVE
            if short in state.catalog.indexes:
                table = state.catalog.indexes[short].table
                found.lock(table, mode)
                if node.concurrent:
                    found.waits[table] = ACCESS_EXCLUSIVE
                if not node.concurrent:  # otherwise no session uses the index any more when it is locked
                    found.lock(short, mode)
            elif not node.missing_ok:
                found.unread = f"the table of the index {name} is not known"
    if node.removeType in {ObjectType.OBJECT_TRIGGER, ObjectType.OBJECT_POLICY, ObjectType.OBJECT_RULE}:
        for parts in node.objects or ():
            found.lock(qualified_name(parts[:-1]), ACCESS_EXCLUSIVE)


def _comment(found: Effects, node: Any) -> None:
    kind, target = node.objtype, node.object
    if kind in {*TABLES, ObjectType.OBJECT_VIEW, ObjectType.OBJECT_INDEX, ObjectType.OBJECT_SEQUENCE}:
        found.lock(qualified_name(target), SHARE_UPDATE_EXCLUSIVE)
    elif kind == ObjectType.OBJECT_COLUMN:
        found.lock(qualified_name(target[:-1]), SHARE_UPDATE_EXCLUSIVE)
    elif kind in {
        *(ObjectType.OBJECT_TABCONSTRAINT, ObjectType.OBJECT_TRIGGER),
        *(ObjectType.OBJECT_POLICY, ObjectType.OBJECT_RULE),
    }:
        found.lock(qualified_name(target[:-1]), ACCESS_SHARE)


def _vacuum(found: Effects, node: Any) -> None:
    options = {option.defname: constant_text(option.arg) if option.arg else "true" for option in node.options or ()}
    is_full = node.is_vacuumcmd and options.get("full", "false") not in {"false", "off", "0"}
    if not node.rels:
        found.unread = "it visits every table"
    for each in node.rels or ():
        table = relation_name(each.relation)
        found.lock(table, ACCESS_EXCLUSIVE if is_full else SHARE_UPDATE_EXCLUSIVE)
        found.do("rewrite" if is_full else "scan" if node.is_vacuumcmd else "sample", table)


def _reindex(found: Effects, state: MigrationState, node: Any, name: str) -> None:
    concurrently = is_concurrent(node)
    index = state.catalog.indexes.get(name)
    table = index.table if index else name
    if concurrently:
        found.waits[table] = ACCESS_EXCLUSIVE
        found.waits_for_snapshots = True
    found.lock(table, SHARE_UPDATE_EXCLUSIVE if concurrently else SHARE)
    if index:
        found.lock(name, SHARE_UPDATE_EXCLUSIVE if concurrently else ACCESS_EXCLUSIVE)
    found.do("build", table, "text" if index else "reindex")


def _queries(found: Effects, state: MigrationState, root: Any) -> None:
    """Add the locks of reads and writes, at any depth."""
    nodes = list(walk(root))
    within = {node.ctename for node in nodes if isinstance(node, ast.CommonTableExpr)}
    match root:
        case ast.ViewStmt(view=ast.RangeVar(relname=str(name)) as view):
            within.add(name)
            if relation_name(view) in state.catalog.tables:
                found.lock(relation_name(view), ACCESS_EXCLUSIVE)
        case ast.CreateTableAsStmt(into=ast.IntoClause(rel=ast.RangeVar(relname=str(name)))):
            within.add(name)
        case _:
            pass
    runs = not isinstance(root, ast.CreateFunctionStmt | ast.ViewStmt)
    for node in nodes:
        match node:
            case ast.RangeVar() if node.relname not in within:
                found.lock(relation_name(node), ACCESS_SHARE)
            case ast.SelectStmt(lockingClause=[_, *_]):
                for each in walk(node.fromClause):
                    if isinstance(each, ast.RangeVar) and each.relname not in within:
                        found.lock(relation_name(each), ROW_SHARE)
            case _ if isinstance(node, WRITES):
                table = relation_name(node.relation)
                found.lock(table, ROW_EXCLUSIVE)
                if runs:
                    methods = {ast.InsertStmt: "insert", ast.DeleteStmt: "delete"}
                    is_one = changes_one_row(node, state.catalog)
                    found.do("write", table, ONE_ROW if is_one else methods.get(type(node), ""))
                if runs and isinstance(node, ast.InsertStmt | ast.MergeStmt):
                    found.fills.add(table)
                    ranges = [each for each in nodes if isinstance(each, ast.RangeVar) and each is not node.relation]
                    found.sources |= {relation_name(each) for each in ranges if each.relname not in within}
                    found.values += len(getattr(getattr(node, "selectStmt", None), "valuesLists", None) or ())
            case ast.CallStmt():
                found.unread = "it calls a procedure"
            case ast.FuncCall() if runs:
                known = state.catalog.routines.get(qualified_name(node.funcname))
                if known and known.volatility == "volatile":
                    found.unread = f"it calls {qualified_name(node.funcname)}(), which may do anything"
            case _:
                pass


def _alter_table(found: Effects, state: MigrationState, statement: Statement) -> None:
    node, table = statement.node, relation_name(statement.node.relation)
    known = dict(state.catalog.tables[table].constraints) if table in state.catalog.tables else {}
    for command in node.cmds or ():
        kind, definition = command.subtype, command.def_
        mode = mode_of(command)
        if kind == Alter.AT_AddConstraint and definition.contype == ConstrType.CONSTR_FOREIGN:
            found.lock(relation_name(definition.pktable), mode)
        elif kind == Alter.AT_AddColumn:
            for target in _foreign_targets([definition]):
                found.lock(target, SHARE_ROW_EXCLUSIVE)
        elif kind in {Alter.AT_AttachPartition, Alter.AT_DetachPartition}:
            found.lock(relation_name(definition.name), ACCESS_EXCLUSIVE)
            rest = default_partition(state, table)
            if rest and rest != relation_name(definition.name):
                found.lock(rest, ACCESS_EXCLUSIVE)
                if kind == Alter.AT_AttachPartition and not excluded(state, table, definition.bound):
                    found.do("scan", rest)
            if definition.concurrent:
                found.waits[table] = ACCESS_EXCLUSIVE
        elif kind in {Alter.AT_AddInherit, Alter.AT_DropInherit}:
            found.lock(
                relation_name(definition), SHARE_UPDATE_EXCLUSIVE if kind == Alter.AT_AddInherit else ACCESS_SHARE
            )
        elif kind == Alter.AT_AlterConstraint and definition.alterEnforceability and definition.conname in known:
            found.lock(known[definition.conname].target, ACCESS_EXCLUSIVE)
        elif kind in {Alter.AT_ValidateConstraint, Alter.AT_DropConstraint} and command.name in known:
            constraint = known[command.name]
            if constraint.kind == "fkey":
                target_mode = ROW_SHARE if kind == Alter.AT_ValidateConstraint else ACCESS_EXCLUSIVE
                found.lock(constraint.target, target_mode)
            if kind == Alter.AT_ValidateConstraint and not constraint.valid:
                for each in filter(None, (table, constraint.target)):
                    found.do("scan", each, FOREIGN_KEY if constraint.kind == "fkey" else "")
        elif kind == Alter.AT_ValidateConstraint:
            found.do("scan", table)
        elif kind == Alter.AT_AlterColumnType:
            _rebuilt_foreign_keys(found, state, table, command.name)
        found.lock(table, mode)
    others = found.locks.keys() - {table}
    for fault in alter_table_faults(state, statement):
        for other in others if fault.rule == "foreign-key-scan" else ():
            found.do("scan", other, FOREIGN_KEY)
        for other in others if fault.rule == "partition-locks" else ():
            if fault.why.startswith(f"{other} is scanned"):
                found.do("scan", other)
        if fault.rule in WORK_OF_RULE:
            kinds = {"type-rewrite": "rewrite" if "rewrites" in fault.why else "scan"}
            if "rebuilds" in fault.why:
                kinds["type-rewrite"] = "build"
            method = FOREIGN_KEY if fault.rule == "foreign-key-scan" else ""
            found.do(kinds.get(fault.rule, WORK_OF_RULE[fault.rule]), table, method)


def _rebuilt_foreign_keys(found: Effects, state: MigrationState, table: str, column: str) -> None:
    """Add the locks on the other tables of foreign keys that a change of type drops and creates again."""
    for other in state.catalog.tables:
        for constraint in state.catalog.constraints(other):
            is_own = other == table and column in constraint.columns
            referenced = constraint.target_columns or _primary_key(state, constraint.target)
            if constraint.kind == "fkey" and (is_own or (constraint.target == table and column in referenced)):
                found.lock(other, ACCESS_EXCLUSIVE)
                found.lock(constraint.target, ACCESS_EXCLUSIVE)


def _primary_key(state: MigrationState, table: str) -> tuple[str, ...]:
    return next((each.columns for each in state.catalog.constraints(table) if each.kind == "pkey"), ())
