"""Rules about the migrator's own state: its tables and yoyo's, and its advisory lock, session and settings."""

from collections.abc import Iterator
from typing import Any

from pglast import ast
from pglast.enums import DiscardMode, ObjectType

from app.lint.findings import Fault, Faults
from app.lint.nodes import constant_text, dropped_names, qualified_name, relation_name, walk
from app.lint.parser import Statement
from app.lint.rules import CARE, UNSAFE
from app.lint.state import MigrationState
from app.project import current

PREFIX, YOYO = "_yoyo_", "yoyo_lock"  # the beginning of the names of the tables, and the one with another name
WRITES = ast.InsertStmt | ast.UpdateStmt | ast.DeleteStmt | ast.MergeStmt
LOCKS = {"pg_advisory_lock", "pg_try_advisory_lock"}
UNLOCKS = {"pg_advisory_unlock"}
SHARED_LOCKS = {"pg_advisory_lock_shared", "pg_try_advisory_lock_shared"}
SHARED_UNLOCKS = {"pg_advisory_unlock_shared"}
UNLOCK_ALL = "pg_advisory_unlock_all"
ENDS = {"pg_terminate_backend", "pg_cancel_backend"}
LATER = "it would also apply to the migrations after this one"


def migrator_faults(state: MigrationState, statement: Statement) -> Faults:
    """Yield the faults of a statement that writes or locks the migrator's tables, or changes its session."""
    if statement.unreadable:
        return
    line = statement.line
    for table in sorted({each for each in _targets(statement) if _is_own(each)}):
        why = f"the migrator writes {table}, and trusts what is in it"
        yield Fault(line, "migrator-tables", why)
    yield from _calls(state, statement)
    if statement.block:
        yield from _session(line, statement.node)
    if isinstance(statement.node, ast.LoadStmt):
        why = f"{statement.node.filename} stays loaded for the migrations after this one"
        yield Fault(line, "migrator-session", why, "load it in the configuration of the server", CARE)


def _is_own(table: str) -> bool:
    short = table.rpartition(".")[2]
    return short.startswith(PREFIX) or short == YOYO


def _targets(statement: Statement) -> Iterator[str]:
    """Yield the tables that a statement writes, changes, locks, or gives rights on."""
    node = statement.node
    for each in statement.nodes if not isinstance(node, ast.CreateFunctionStmt | ast.ViewStmt) else ():
        if isinstance(each, WRITES):
            yield relation_name(each.relation)
        elif isinstance(each, ast.SelectStmt) and each.lockingClause:
            yield from (relation_name(source) for source in each.fromClause or () if isinstance(source, ast.RangeVar))
    match node:
        case ast.DropStmt():
            for name in dropped_names(node):
                yield name
                yield name.rpartition(".")[0]  # of a trigger, a rule or a policy
        case ast.TruncateStmt(relations=[*relations]) | ast.LockStmt(relations=[*relations]):
            yield from map(relation_name, relations)
        case ast.GrantStmt(objtype=ObjectType.OBJECT_TABLE, objects=[*objects]):
            yield from (relation_name(each) for each in objects if isinstance(each, ast.RangeVar))
        case ast.CreatePolicyStmt(table=relation) | ast.AlterPolicyStmt(table=relation):
            yield relation_name(relation)
        case ast.AlterSeqStmt(sequence=relation):
            yield relation_name(relation)
        case ast.CopyStmt(is_from=True, relation=ast.RangeVar() as relation):
            yield relation_name(relation)
        case _ if not isinstance(node, WRITES | ast.CopyStmt):
            relation = getattr(node, "relation", None)
            if isinstance(relation, ast.RangeVar):
                yield relation_name(relation)


def _calls(state: MigrationState, statement: Statement) -> Faults:
    if isinstance(statement.node, ast.CreateFunctionStmt):
        return
    for each in statement.nodes:
        if not isinstance(each, ast.FuncCall):
            continue
        name = qualified_name(each.funcname).removeprefix("pg_catalog.")
        arguments = each.args or ()
        key = repr(arguments)
        if name in LOCKS | SHARED_LOCKS:
            state.advisory.add((name in SHARED_LOCKS, key))
        elif name == UNLOCK_ALL:
            why = "it ends the lock that lets only one migrator work on this database"
            yield Fault(statement.line, "migrator-session", why, "name the lock that the file has taken")
        elif name in UNLOCKS | SHARED_UNLOCKS and (name in SHARED_UNLOCKS, key) not in state.advisory:
            if not all(constant_text(argument) for argument in arguments):
                is_own = any(constant_text(each) == current().lock_key for each in walk(arguments))
                why = f"the file has not taken this lock, and it {'is' if is_own else 'may be'} that of the migrator"
                level = UNSAFE if is_own else CARE
                yield Fault(statement.line, "migrator-session", why, "name the lock that the file has taken", level)
        elif name in ENDS and any(_is_own_process(argument) for argument in arguments):
            yield Fault(
                statement.line, "migrator-session", "the migrator ends itself, and does not know how far it got"
            )


def _is_own_process(node: Any) -> bool:
    return isinstance(node, ast.FuncCall) and qualified_name(node.funcname).endswith("pg_backend_pid")


def _session(line: int, node: Any) -> Faults:
    """Yield the fault of a statement in DO or a routine that changes the session. The migrator finds all others."""
    match node:
        case ast.VariableSetStmt(is_local=False, name=name) if not (name or "").startswith("TRANSACTION"):
            yield Fault(line, "session-setting", f"{name or 'RESET ALL'}: {LATER}")
        case ast.DiscardStmt(target=DiscardMode.DISCARD_ALL):
            yield Fault(line, "rejected", "PostgreSQL rejects it: DISCARD ALL cannot run in a transaction", "remove it")
        case ast.DiscardStmt():
            why = "it changes the migrator's session"
            yield Fault(line, "migrator-session", why, "remove it", UNSAFE)
        case _:
            pass
