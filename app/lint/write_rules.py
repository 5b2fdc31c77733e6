"""Rules about data: backfills without batches, and writes of a whole table."""

from typing import Any

from pglast import ast

from app.lint import batches, costs
from app.lint.findings import Fault, Faults
from app.lint.nodes import constant_text, relation_name
from app.lint.parser import Statement
from app.lint.state import MigrationState, Write

SKIP = "give the batch a WHERE that skips the rows that are done"


def note_writes(state: MigrationState, statement: Statement) -> None:
    """Add the unlimited writes and copies of a statement to the state. `write_faults` judges them at the end."""
    is_definition = isinstance(statement.node, ast.CreateFunctionStmt | ast.RuleStmt | ast.ViewStmt)
    if is_definition or only_explains(statement.node):
        return
    for node in statement.nodes:
        match node:
            case (
                ast.UpdateStmt(relation=relation) | ast.DeleteStmt(relation=relation) | ast.MergeStmt(relation=relation)
            ):
                table = relation_name(relation)
                where = getattr(node, "whereClause", None)
                is_joined = getattr(node, "fromClause", None) or getattr(node, "usingClause", None)
                whole = not isinstance(node, ast.MergeStmt) and costs.without_where(where) and not is_joined
                verb = "deletes from" if isinstance(node, ast.DeleteStmt) else "writes"
                few = (
                    table == state.backfill
                    or (state.backfill and (is_joined or isinstance(node, ast.MergeStmt)))
                    or batches.few_rows(state.catalog, table, node, where, statement.node)
                    or (statement.in_batches and batches.is_key_range(state.catalog, table, where))
                )
                adds_up = statement.in_loop and not statement.in_batches
                if not table.startswith("pg_") and state.is_busy(table) and (adds_up or not few):
                    state.writes.append(Write(statement.line, verb, table, whole, in_loop=adds_up and few))
                elif statement.in_batches and batches.repeats(state.catalog, node, statement.nodes):
                    why = f"each turn of the loop chooses the same rows of {table}, so it may never end"
                    state.pending.append((Fault(statement.line, "many-rows-write", why, SKIP), lambda: True))
            case ast.SelectStmt(lockingClause=[*_], fromClause=[*_]):
                for table in sorted(batches.direct_tables(node)):
                    if state.is_busy(table) and not batches.few_rows(state.catalog, table, node, node.whereClause):
                        state.writes.append(Write(statement.line, "locks", table, has_no_where=False))
            case ast.InsertStmt(selectStmt=ast.SelectStmt() as select, relation=relation):
                table = relation_name(relation)
                for part in batches.parts(select):
                    _note_copy(state, statement, part, table)
                    if state.is_busy(table) and batches.generates_many(part):
                        state.writes.append(Write(statement.line, "writes", table, has_no_where=False))
            case ast.CreateTableAsStmt(query=ast.SelectStmt() as select):
                for part in batches.parts(select):
                    _note_copy(state, statement, part)
            case ast.SelectStmt(intoClause=ast.IntoClause(), fromClause=[*_]):
                _note_copy(state, statement, node)
            case _:
                pass


def only_explains(node: Any) -> bool:
    """Return whether a statement is EXPLAIN without ANALYZE, which does not run what it explains."""
    if not isinstance(node, ast.ExplainStmt):
        return False
    analyze = [constant_text(each.arg).lower() for each in node.options or () if each.defname == "analyze"]
    return not analyze or analyze[-1] in {"false", "off", "0", "no"}


def _note_copy(state: MigrationState, statement: Statement, select: Any, target: str = "") -> None:
    """Note a copy of rows into a table: a new one, or `target`. A new table in its own file locks nothing."""
    queries = {each.ctename: each.ctequery for each in statement.nodes if isinstance(each, ast.CommonTableExpr)}
    for name in sorted(costs.tables_read(select) & queries.keys()):
        if isinstance(queries[name], ast.SelectStmt) and queries[name] is not select:
            for part in batches.parts(queries[name]):
                _note_copy(state, statement, part, target)
    for table in sorted(costs.tables_read(select) - queries.keys()):
        is_system = table not in state.catalog.tables and table.startswith(("pg_", "information_schema."))
        few = batches.few_rows(state.catalog, table, select, select.whereClause) or (
            statement.in_batches and batches.is_key_range(state.catalog, table, select.whereClause)
        )
        adds_up = statement.in_loop and not statement.in_batches
        if state.is_busy(table) and not is_system and table != state.backfill and (adds_up or not few):
            into_new = not target or not state.is_busy(target)
            write = Write(
                statement.line, "copies", table, has_no_where=False, in_loop=adds_up and few, into_new=into_new
            )
            state.writes.append(write)
            break


def write_faults(state: MigrationState) -> Faults:
    """Yield the faults of all writes of a file, once its locks are known."""
    for write in state.writes:
        if state.locked and state.transactional:
            why = f"{write.verb} {write.table} in the transaction that locks {state.held}, so the lock lasts as long"
            yield Fault(write.line, "unbatched-backfill", why)
        elif write.has_no_where:
            why = f"{write.verb} every row of {write.table} in one transaction"
            yield Fault(write.line, "whole-table-write", why)
        elif write.in_loop:
            why = f"{write.verb} {write.table} in a loop without COMMIT, so all turns are one transaction"
            yield Fault(write.line, "many-rows-write", why)
        elif not write.into_new:
            yield Fault(write.line, "many-rows-write", f"{write.verb} many rows of {write.table} in one transaction")
