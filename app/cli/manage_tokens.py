"""Bearer tokens: `images token create`, `list` and `revoke`, as the owner of the schema."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from app.catalogue import tokens
from app.cli.failures import FAILURES, failure
from app.cli.output import note
from app.database import queries
from app.database.pool import Pool
from app.embedded_postgres import connectable
from app.errors import CommandError, UsageError
from app.settings import read_settings

MAX_NAME_LENGTH = 100  # characters, as in the constraint tokens_name_check

Result = TypeVar("Result")


def create(name: str, scope: str) -> None:
    """Print a new token on a line of its own.

    The row is committed after the token is printed. If the output cannot be written, there is no token. Raises
    OutputError, CommandError.
    """
    if not 1 <= len(name) <= MAX_NAME_LENGTH or not name.isprintable():
        raise UsageError(f"a name has 1 to {MAX_NAME_LENGTH} printable characters.")
    token = tokens.make()

    async def insert(pool: Pool) -> None:
        async with pool.transaction() as connection:
            if await queries.insert_token(connection, token.id, name, scope, token.sha256) is None:
                raise CommandError(
                    f'a token named "{name}" exists.',
                    f"revoke it first (images token revoke {name}), or choose another name",
                )
            print(token.text, flush=True)

    _run(insert)
    note(f"{name} has scope {scope}. The token is shown once: keep it now.")


def revoke(name: str) -> None:
    """Revoke a token by its name. Raises CommandError."""
    if _run(lambda pool: queries.revoke_token(pool, name)) is None:
        raise CommandError(f'no valid token is named "{name}".', "list tokens: images token list")
    note(f"{name} is revoked. It stops working within {tokens.CACHE_TIME:g} s.")


def show(format: str) -> None:
    """Print each token, revoked ones too, without anything that a client could use."""
    rows = [dict(row) for row in _run(queries.list_tokens)]
    if format == "json":
        print(json.dumps(rows, default=lambda value: value.isoformat() if isinstance(value, datetime) else str(value)))
        return
    for row in rows:
        print(_line(row))


def _line(row: Mapping[str, Any]) -> str:
    used = f"used {row['last_used_at']:%Y-%m-%d %H:%M}" if row["last_used_at"] else "never used"
    revoked = f", revoked {row['revoked_at']:%Y-%m-%d %H:%M}" if row["revoked_at"] else ""
    return f"{row['name']:<30} {row['scope']:<5}  made {row['created_at']:%Y-%m-%d %H:%M}, {used}{revoked}"


def _run(work: Callable[[Pool], Awaitable[Result]]) -> Result:
    settings = read_settings()
    connectable(settings.migrator_url)  # outside of the event loop, because it may start a server

    async def run() -> Result:
        async with Pool(settings.model_copy(update={"database_url": settings.migrator_url})) as pool:
            return await work(pool)

    try:
        return asyncio.run(run())
    except FAILURES as error:
        raise failure(error, settings, as_owner=True) from error
