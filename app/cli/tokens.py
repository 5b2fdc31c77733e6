"""`images token`: bearer tokens are made, listed and revoked, as the owner of the schema."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from asyncpg import PostgresError, UndefinedTableError

from app.catalogue import tokens
from app.database import queries
from app.database.errors import UNAVAILABLE
from app.database.pool import Pool
from app.embedded_postgres import connectable
from app.errors import fail
from app.settings import read_settings
from app.text import one_line

MAX_NAME = 100  # characters, as tokens_name_check has it

Result = TypeVar("Result")


def create(name: str, scope: str) -> None:
    """Print a new token, on a line of its own; nobody can tell it again."""
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        fail(f"images token create: a name has 1 to {MAX_NAME} printable characters")
    token = tokens.make()
    if _run("create", lambda pool: queries.insert_token(pool, token.id, name, scope, token.sha256)) is None:
        fail(f"images token create: there is a token {name} already: images token revoke {name}, or another name")
    print(token.text, flush=True)
    print(f"{name} may {scope}. This is shown once: keep it now.", file=sys.stderr)


def revoke(name: str) -> None:
    if _run("revoke", lambda pool: queries.revoke_token(pool, name)) is None:
        fail(f"images token revoke: no token {name} is in force: images token list")
    print(f"{name} is revoked; every worker knows it in {tokens.FRESH:g} s")


def show(format: str) -> None:
    """Print each token, revoked ones too, and never what it is made of."""
    rows = [dict(row) for row in _run("list", queries.list_tokens)]
    if format == "json":
        print(json.dumps(rows, default=lambda value: value.isoformat() if isinstance(value, datetime) else str(value)))
        return
    for row in rows:
        print(_line(row))


def _line(row: Mapping[str, Any]) -> str:
    used = f"used {row['last_used_at']:%Y-%m-%d %H:%M}" if row["last_used_at"] else "never used"
    revoked = f", revoked {row['revoked_at']:%Y-%m-%d %H:%M}" if row["revoked_at"] else ""
    return f"{row['name']:<30} {row['scope']:<5}  made {row['created_at']:%Y-%m-%d %H:%M}, {used}{revoked}"


def _run(command: str, work: Callable[[Pool], Awaitable[Result]]) -> Result:
    settings = read_settings()
    connectable(settings.migrator_url)  # here, where it may end the command

    async def run() -> Result:
        async with Pool(settings.model_copy(update={"database_url": settings.migrator_url})) as pool:
            return await work(pool)

    try:
        return asyncio.run(run())
    except UndefinedTableError:
        fail(f"images token {command}: the database is not migrated yet: yoyo apply")
    except (*UNAVAILABLE, PostgresError) as error:
        fail(f"images token {command}: {one_line(str(error)) or type(error).__name__}")
