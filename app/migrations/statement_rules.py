"""Statements that a migration may not contain, such as COMMIT, SET, or CREATE INDEX CONCURRENTLY in a transaction.

The rules are those of docs/reference/lint-rules.md, and of PostgreSQL for statements that cannot run in a transaction.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from app.migrations.migration_file import COPY_ADVICE, COPY_PROBLEM

if TYPE_CHECKING:
    from pglast import ast  # at run time only inside the functions: the import takes 65 ms


class Rejection(NamedTuple):
    """Why a migration may not contain a statement."""

    what: str  # the problem
    todo: str  # the advice
    rule: str  # its heading in docs/reference/lint-rules.md


OFF = {"false", "off", "no", "0"}  # as an option of a command
UNSURE = "after an interruption the migrator cannot tell whether it finished"
NEEDS_OWN_FILE = Rejection(
    "cannot run in a transaction",
    "move it to its own file, with `-- transactional: false`",
    "concurrently-alone",
)
BY_HAND = Rejection(f"cannot run in a transaction, and {UNSURE}", "run it by hand, outside the migrations", "by-hand")
NEEDS_TRANSACTION = Rejection(
    f"{UNSURE}: only CREATE INDEX, DROP INDEX, REINDEX and DETACH CONCURRENTLY, ATTACH, VACUUM, and a DO block with "
    "COMMIT may run without a transaction",
    "use one of them, or remove `-- transactional: false`",
    "concurrently-alone",
)


def rejection(node: ast.Node, transactional: bool) -> Rejection | None:
    """Return why a migration may not contain the statement. Return None if it may."""
    return _of_session(node, transactional) or _of_transaction(node, transactional)


def _of_session(node: ast.Node, transactional: bool) -> Rejection | None:
    """Return why the statement does not suit the migrator's session."""
    from pglast import ast

    match node:
        case ast.TransactionStmt():
            return Rejection(
                "yoyo begins and ends the transaction itself", "remove this statement", "transaction-control"
            )
        case ast.VariableSetStmt(is_local=True) if not transactional:
            return Rejection("SET LOCAL has no effect outside a transaction", "remove it", "session-setting")
        case ast.VariableSetStmt(is_local=False, name=name) if not (name or "").startswith("TRANSACTION"):
            return Rejection(
                "would also apply to the migrations after this one",
                "write SET LOCAL (SET LOCAL ... TO DEFAULT)",
                "session-setting",
            )
        case ast.DiscardStmt():
            return Rejection("would change the migrator's session", "remove it", "session-setting")
        case ast.CopyStmt(filename=None):
            return Rejection(COPY_PROBLEM, COPY_ADVICE, "client-copy")
        case _:
            return None


def _of_transaction(node: ast.Node, transactional: bool) -> Rejection | None:
    """Return why the statement may not run with, or without, a transaction."""
    from pglast import ast
    from pglast.enums import AlterTableType

    match node:
        case ast.IndexStmt(concurrent=True, idxname=None):
            return Rejection(
                "gives the index no name, so that an interrupted build cannot be found", "name it", "concurrently-whole"
            )
        case ast.IndexStmt(concurrent=True, if_not_exists=True):
            return Rejection(
                "IF NOT EXISTS would accept an INVALID index as finished",
                "remove IF NOT EXISTS",
                "concurrently-whole",
            )
        case ast.IndexStmt(concurrent=True, relation=ast.RangeVar(inh=False)):
            return Rejection(
                "ONLY leaves an INVALID index, as an interruption does", "remove ONLY", "concurrently-whole"
            )
        case ast.DropStmt(concurrent=True, objects=[_, _, *_]):
            return Rejection("drops more than one index", "move each to its own file", "concurrently-alone")
        case ast.DropStmt(concurrent=True, missing_ok=False):
            return Rejection(
                "would fail for ever if the index is gone, but an interruption came before its record",
                "write DROP INDEX CONCURRENTLY IF EXISTS",
                "concurrently-whole",
            )
        case ast.IndexStmt(concurrent=True) | ast.DropStmt(concurrent=True) | ast.VacuumStmt(is_vacuumcmd=True):
            return NEEDS_OWN_FILE if transactional else None
        case ast.DoStmt(args=[*arguments]) if any(
            option.defname == "as" and re.search(r"\bCOMMIT\b", option.arg.sval, re.IGNORECASE) for option in arguments
        ):
            return None  # a backfill in batches: after an interruption it runs again from its beginning, by design
        case ast.CreatedbStmt() | ast.DropdbStmt() | ast.CreateTableSpaceStmt() | ast.DropTableSpaceStmt():
            return BY_HAND
        case ast.CreateSubscriptionStmt(options=options) if not _has_no_slot(options):
            return BY_HAND
        case ast.DropSubscriptionStmt():
            return BY_HAND
        case ast.AlterSystemStmt() | ast.ReindexStmt(relation=None):  # a schema, a database
            return BY_HAND
        case ast.ReindexStmt() if is_concurrent(node):
            return NEEDS_OWN_FILE if transactional else None
        case ast.AlterTableStmt(cmds=[ast.AlterTableCmd(def_=ast.PartitionCmd(concurrent=True))]):
            return NEEDS_OWN_FILE if transactional else None
        case ast.AlterTableStmt(cmds=[ast.AlterTableCmd(subtype=AlterTableType.AT_AttachPartition)]):
            return None  # also without a transaction: it is the rollback of DETACH CONCURRENTLY
        case _:
            return None if transactional else NEEDS_TRANSACTION


def is_concurrent(reindex: ast.ReindexStmt) -> bool:
    """Return whether a REINDEX has CONCURRENTLY, as a word or as an option that is not switched off."""
    values = [each.arg for each in reindex.params or () if each.defname == "concurrently"]
    return bool(values) and str(getattr(values[-1], "sval", getattr(values[-1], "ival", 1))).lower() not in OFF


def _has_no_slot(options: tuple[ast.DefElem, ...] | None) -> bool:
    """Return whether CREATE SUBSCRIPTION creates no slot, so that it may run in a transaction."""
    without = {each.defname for each in options or () if getattr(each.arg, "sval", "") in {"false", "off"}}
    return bool(without & {"connect", "create_slot"})
