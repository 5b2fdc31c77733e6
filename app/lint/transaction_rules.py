"""Rules about one transaction: slow statements under a lock, the order of locks, COMMIT in DO, new enum values."""

from typing import Any

from pglast import ast

from app.lint import batches
from app.lint.findings import Fault, Faults
from app.lint.nodes import constant_text, qualified_name, relation_name
from app.lint.parser import Statement
from app.lint.routines import written_by_triggers
from app.lint.state import MigrationState
from app.lint.texts import OTHER_SESSIONS
from app.migrations.statement_rules import is_concurrent

OUTSIDE = "make it the only statement of a file with `-- transactional: false`"
READ_ONLY = {"transaction_read_only", "default_transaction_read_only"}
ON = {"on", "true", "yes", "1"}
WITH_HOLD = 32  # bit of DeclareCursorStmt.options
WRITES = ast.InsertStmt | ast.UpdateStmt | ast.DeleteStmt | ast.MergeStmt
READ_TABLE = {"table_to_xml", "table_to_xml_and_xmlschema", "pgstattuple", "pgstatindex", "pg_prewarm"}
READ_TABLE |= {"bt_index_check", "bt_index_parent_check", "verify_heapam", "pg_check_visible", "pg_check_frozen"}
READ_ALL = {f"{of}_to_xml{more}" for of in ("schema", "database") for more in ("", "_and_xmlschema")}
SLEEPS = {"pg_sleep", "pg_sleep_for", "pg_sleep_until"}


def transaction_faults(state: MigrationState, statement: Statement) -> Faults:
    """Yield the faults of a statement that depend on the transaction. Call it before the statement is noted."""
    node, line = statement.node, statement.line
    if statement.trapped_commit:
        why = "PostgreSQL rejects it in a block with EXCEPTION, which is a subtransaction"
        yield Fault(statement.trapped_commit, "commit-in-transaction", why, "end the block before COMMIT")
    elif statement.commit and state.transactional:
        why = "PostgreSQL rejects it, because the migrator runs this file in one transaction"
        yield Fault(statement.commit, "commit-in-transaction", why)
    if statement.block and not statement.unreadable and (outside := _outside(node)):
        yield Fault(line, "rejected", f"PostgreSQL rejects it: {outside} cannot run inside DO or a function", OUTSIDE)
    if statement.reader and not statement.unreadable and not _only_reads(node, statement.nodes):
        yield Fault(line, "rejected", f"PostgreSQL rejects it: {statement.reader}() only reads", "write it as SQL")
    if isinstance(node, ast.DeclareCursorStmt) and isinstance(node.query, ast.SelectStmt):
        state.cursors[node.portalname or ""] = next(iter(_read(state, node.query)), "")
    if statement.unreadable or not state.transactional:
        return
    if isinstance(node, ast.VariableSetStmt) and (why := _wrong_mode(node)):
        yield Fault(line, "rejected", why, "remove it")
    if state.locked and (slow := _slow(state, statement)):
        yield Fault(line, "slow-under-lock", f"it {slow} while {state.held} is locked")
    if isinstance(node, ast.AlterEnumStmt) and node.newVal and not node.oldVal:
        if qualified_name(node.typeName) not in state.catalog.types or not _is_new_type(state, node):
            state.enum_values.add(node.newVal)
    elif state.enum_values and (
        used := sorted(
            state.enum_values & {constant_text(each) for each in statement.nodes if isinstance(each, ast.A_Const)}
        )
    ):
        why = f"PostgreSQL rejects the new value {used[0]!r} until the transaction that adds it has committed"
        yield Fault(line, "enum-value", why)


def _wrong_mode(node: Any) -> str:
    """Return why a SET of the mode of the transaction makes the file fail, or ""."""
    settings = {each.defname: each.arg for each in node.args or () if isinstance(each, ast.DefElem)}
    if node.name in READ_ONLY and node.args:
        settings["transaction_read_only"] = node.args[0]
    if "transaction_read_only" in settings and constant_text(settings["transaction_read_only"]).lower() in ON:
        return "PostgreSQL rejects each write after it, and the migrator's note that the file was applied"
    isolation = constant_text(settings.get("transaction_isolation"))
    if node.name == "TRANSACTION" and isolation not in {"", "read committed"}:
        return "PostgreSQL rejects it: the migrator has sent a query in this transaction already"
    return ""


def _outside(node: Any) -> str:
    """Return the name of a statement that runs only outside of a transaction, or ""."""
    match node:
        case ast.VacuumStmt(is_vacuumcmd=True):
            return "VACUUM"
        case ast.IndexStmt(concurrent=True):
            return "CREATE INDEX CONCURRENTLY"
        case ast.DropStmt(concurrent=True):
            return "DROP INDEX CONCURRENTLY"
        case ast.ReindexStmt() if is_concurrent(node):
            return "REINDEX CONCURRENTLY"
        case ast.AlterTableStmt(cmds=[ast.AlterTableCmd(def_=ast.PartitionCmd(concurrent=True))]):
            return "DETACH PARTITION CONCURRENTLY"
        case ast.CreatedbStmt() | ast.DropdbStmt() | ast.AlterSystemStmt():
            return "a statement about the server"
        case _:
            return ""


def _only_reads(node: Any, nodes: list[Any]) -> bool:
    """Return whether a statement is a SELECT that writes nothing, and locks no row."""
    if not isinstance(node, ast.SelectStmt) or node.intoClause:
        return False
    return not any(isinstance(each, WRITES) or getattr(each, "lockingClause", None) for each in nodes)


def _is_new_type(state: MigrationState, node: ast.AlterEnumStmt) -> bool:
    return state.catalog.types.get(qualified_name(node.typeName)) == state.file


def _slow(state: MigrationState, statement: Statement) -> str:
    """Return what takes long in a statement, as the predicate of a sentence, or ""."""
    match statement.node:
        case ast.VacuumStmt(rels=rels):
            tables = [relation_name(each.relation) for each in rels or ()]
            busy = [table for table in tables if state.is_busy(table)]
            return f"reads a sample of {', '.join(busy)}" if busy else "" if tables else "reads a sample of each table"
        case ast.RefreshMatViewStmt(relation=relation):
            return f"fills {relation_name(relation)}"
        case ast.FetchStmt(portalname=str(name), howMany=int(number)) if number > batches.MAX_BATCH:
            return f"reads {state.cursors[name]}" if state.cursors.get(name) else ""
        case ast.DeclareCursorStmt(portalname=str(name), options=int(options)) if options & WITH_HOLD:
            return f"reads {state.cursors[name]} at the commit" if state.cursors.get(name) else ""
        case ast.SelectStmt():
            pass
        case _:
            return ""
    for node in statement.nodes:
        if isinstance(node, ast.FuncCall) and (slow := _slow_call(state, node)):
            return slow
    tables = [table for node in statement.nodes if isinstance(node, ast.SelectStmt) for table in _read(state, node)]
    return f"reads {tables[0]}" if tables else ""


def _slow_call(state: MigrationState, call: ast.FuncCall) -> str:
    """Return what takes long in a function of PostgreSQL or of an extension, as the predicate of a sentence, or ""."""
    name = qualified_name(call.funcname).rpartition(".")[2]
    if name in SLEEPS:
        return "sleeps"
    if name in OTHER_SESSIONS:
        return "waits for another session"
    if name in READ_ALL:
        return "reads each table of a schema"
    if name not in READ_TABLE:
        return ""
    table = constant_text(next(iter(call.args or ()), None)).removeprefix("public.")
    table = state.catalog.indexes[table].table if table in state.catalog.indexes else table
    return f"reads {table}" if table in state.catalog.tables and state.is_busy(table) else ""


def calls_for_many_rows(state: MigrationState, statement: Statement) -> bool:
    """Return whether a SELECT may call its functions for each of many rows."""
    return isinstance(statement.node, ast.SelectStmt) and many_rows(state, statement.node)


def many_rows(state: MigrationState, select: ast.SelectStmt) -> bool:
    """Return whether a SELECT may return many rows of the tables in its FROM clause, or of a series."""
    return bool(select.fromClause) and (bool(_read(state, select)) or batches.generates_many(select))


def _read(state: MigrationState, select: ast.SelectStmt) -> list[str]:
    """Return the tables in use of which a SELECT may read many rows."""
    tables = [name for name in sorted(batches.direct_tables(select)) if name in state.catalog.tables]
    return [
        name
        for name in tables
        if state.is_busy(name)
        and state.catalog.tables[name].kind != "view"
        and not batches.few_rows(state.catalog, name, select, select.whereClause)
    ]


def lock_order_faults(state: MigrationState, line: int, before: int) -> Faults:
    """Yield the faults of the locks that a statement added: `before` of them were there."""
    if not state.transactional or len(state.locked) == before:
        return
    added = [each for each in dict.fromkeys(state.locked[before:]) if each not in state.lock_order]
    for new in added:
        for first in sorted(state.lock_order.keys() & written_by_triggers(state.catalog, new)):
            why = f"it locks {new} after {first}, and a writer of {new} locks {first} after {new}: a deadlock"
            yield Fault(line, "lock-order", why)
        state.lock_order[new] = None  # a later table of the same statement comes after it
