"""Effects of each form of ALTER TABLE: the locks that it takes, and whether it rewrites, scans or builds an index.

`python -m tests.support.alter_table` runs each form on the versions of PostgreSQL that are served, and writes
alter_table.json. A test runs the forms again, and another one compares them with the rules and with the plan.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pglast
from pglast.enums import AlterTableType, ConstrType

FILE = Path(__file__).with_name("alter_table.json")
MODES = [
    *("ACCESS SHARE", "ROW SHARE", "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE"),
    *("SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE"),
]  # from the weakest to the strongest
DETACH_CONCURRENTLY = (AlterTableType.AT_DetachPartition, True)  # not measured: it does not run in a transaction
DETACH_FINALIZE = (AlterTableType.AT_DetachPartitionFinalize, None)  # not measured: it needs an interrupted DETACH


def effects() -> dict[str, dict[int, dict[str, str]]]:
    """Return the effects of each form by version: "MODE" or "MODE, work" by table, or {"error": reason}."""
    stored = json.loads(FILE.read_text(encoding="utf-8"))
    return {
        form: {int(version): found for versions, found in by_versions.items() for version in versions.split(", ")}
        for form, by_versions in stored.items()
    }


def _key(command: Any) -> tuple[Any, Any]:
    """Return the subcommand, and what of it decides the lock."""
    kind, definition = command.subtype, command.def_
    match kind:
        case AlterTableType.AT_AddConstraint:
            return kind, definition.contype == ConstrType.CONSTR_FOREIGN
        case AlterTableType.AT_SetRelOptions | AlterTableType.AT_ResetRelOptions:
            return kind, any(option.defname == "user_catalog_table" for option in definition)
        case AlterTableType.AT_DetachPartition:
            return kind, bool(definition.concurrent)
        case _:
            return kind, None


@cache
def _measured() -> dict[tuple[Any, Any], set[str]]:
    found = {key: {"SHARE UPDATE EXCLUSIVE"} for key in (DETACH_CONCURRENTLY, DETACH_FINALIZE)}
    for form, by_version in effects().items():
        node: Any = pglast.parse_sql(form)[0].stmt
        for command in getattr(node, "cmds", ()):  # a RenameStmt has none
            tables = [each[node.relation.relname] for each in by_version.values() if "error" not in each]
            found.setdefault(_key(command), set()).update(tables)
    return found


def mode(command: Any) -> str:
    """Return the strongest lock that a subcommand of ALTER TABLE takes on its table."""
    measured = _measured().get(_key(command), {MODES[-1]})
    return max((each.partition(",")[0] for each in measured), key=MODES.index)


def is_light(command: Any) -> bool:
    """Return whether reads and writes continue beside a subcommand of ALTER TABLE."""
    return MODES.index(mode(command)) < MODES.index("SHARE")


def rewrites(command: Any) -> bool:
    """Return whether a subcommand may rewrite the table, whatever its columns are."""
    own = {"AT_AddColumn", "AT_AlterColumnType", "AT_SetExpression"}  # rules read their expressions and types
    return command.subtype.name not in own and any(
        each.endswith("rewrite") for each in _measured().get(_key(command), ())
    )
