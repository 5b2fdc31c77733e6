"""Bearer tokens: `images token create`, `rotate`, `limit`, `list` and `revoke`, as the owner of the schema."""

import asyncio
import getpass
import json
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from asyncpg import Record
from pydantic import SecretStr

from app.catalogue import tokens
from app.catalogue.tokens import NEVER, End
from app.cli.failures import FAILURES, failure
from app.cli.output import note
from app.database import token_queries
from app.database.connection import Connection
from app.database.pool import Pool
from app.embedded_postgres import owner_url
from app.errors import CommandError, UsageError
from app.settings import format_size, read_settings
from app.text import printable

MAX_NAME_LENGTH = 100  # characters, as in the constraint tokens_name_check
MAX_NOTE_LENGTH = 500  # characters, as in the constraint tokens_note_check
MAX_ACTOR_LENGTH = 200  # characters, as in the function images_record_token_event
SEE_LIST = "list tokens: images token list"
CREATE = "images token create NAME"

Result = TypeVar("Result")


def create(
    name: str, scope: str, end: End = NEVER, text: str | None = None, rate: int | None = None, quota: int | None = None
) -> None:
    """Print a new token on a line of its own.

    The row is committed after the token is printed. If the output cannot be written, there is no token. Raises
    OutputError, CommandError.
    """
    if not 1 <= len(name) <= MAX_NAME_LENGTH or not name.isprintable():
        raise UsageError(f"a token name must have 1 to {MAX_NAME_LENGTH} printable characters.")
    if text is not None and not (1 <= len(text) <= MAX_NOTE_LENGTH and text.isprintable()):
        raise UsageError(f"a note must have 1 to {MAX_NOTE_LENGTH} printable characters.")
    token = tokens.make()

    async def insert(pool: Pool) -> Record:
        async with _change(pool) as connection:
            row = await token_queries.insert_token(
                connection,
                token.id,
                name,
                scope,
                token.sha256,
                note=text,
                expires_at=end.at,
                lifetime=end.after,
                requests_per_second=rate,
                upload_bytes_per_day=quota,
            )
            if row is None:
                raise CommandError(
                    f'a token named "{name}" exists.',
                    f"revoke it first (images token revoke {name}), or choose another name",
                )
            _print_secret(token.text, row)
            return row

    row = _run(insert)
    note(f"{name} has scope {scope} and {_expires(row)}. The token is shown once: keep it now.")


def rotate(name: str, overlap: timedelta, end: End | None = None) -> None:
    """Give a token a new secret, and print it on a line of its own. It is stored after it is printed.

    The new secret is valid for as long as the present one, unless `end` says otherwise. Raises OutputError,
    CommandError.
    """

    async def change(pool: Pool) -> tuple[Record, bool]:
        async with _change(pool) as connection:
            known = await token_queries.get_token(connection, name)
            if known is None:
                raise _unknown(name)
            if overlap and known["former_expires_at"]:
                # A third secret would end the first one, which clients may still use.
                raise CommandError(
                    f'"{name}" was rotated, and its former secret works until {_time(known["former_expires_at"])}.',
                    f"wait until then, or end both secrets at once: images token rotate {name} --overlap 0",
                )
            token = tokens.make(known["id"])
            row = await token_queries.rotate_token(
                connection,
                known["id"],
                known["sha256"],
                token.sha256,
                overlap=overlap,
                expires_at=end.at if end else None,
                lifetime=end.after if end else known["lifetime"],
            )
            if row is None:
                raise CommandError(f'another command has just changed "{name}".', SEE_LIST)
            _print_secret(token.text, row)
            return row, known["is_expired"]

    row, was_expired = _run(change)
    if was_expired:
        former = "has expired"
    elif overlap:
        former = f"works until {_time(row['former_expires_at'])}"
    else:
        former = f"works for {tokens.CACHE_TIME:g} s"
    note(
        f"{name} has a new secret and {_expires(row)}. The token is shown once: keep it now. "
        f"The former secret {former}."
    )


def limit(name: str, rate: tuple[int | None] | None, quota: tuple[int | None] | None) -> None:
    """Change the limits that are given. A tuple with None removes a limit. Raises CommandError."""
    if rate is None and quota is None:
        raise UsageError("name a limit.", "example: images token limit NAME --rate 50/s")

    async def change(pool: Pool) -> Record | None:
        async with _change(pool) as connection:
            return await token_queries.limit_token(connection, name, rate=rate, quota=quota)

    row = _run(change)
    if row is None:
        raise _unknown(name)
    note(f"{name} has {_limits(row) or 'no limits'}. Workers apply it within {tokens.CACHE_TIME:g} s.")


def revoke(name: str) -> None:
    """Revoke a token by its name. Raises CommandError."""

    async def change(pool: Pool) -> Record | None:
        async with _change(pool) as connection:
            return await token_queries.revoke_token(connection, name)

    if _run(change) is None:
        raise _unknown(name)
    note(f"{name} is revoked. It stops working within {tokens.CACHE_TIME:g} s.")


def show(format: str) -> None:
    """Print each token, expired and revoked ones too, without anything that a client could use."""

    async def read(pool: Pool) -> tuple[list[Record], bool]:
        return await token_queries.list_tokens(pool), await token_queries.can_read_hashes(pool)

    rows, is_readable = _run(read)
    if format == "json":
        listed = [dict(row) for row in rows]
        print(
            json.dumps(listed, default=lambda value: value.isoformat() if isinstance(value, datetime) else str(value))
        )
    else:
        for row in rows:
            print(_line(row))
        if not rows:
            note(f"there is no token. Create one: {CREATE}")
    if is_readable:
        note("warning: images_app can read the hashes of all tokens.")
        note("hint: when no instance of an earlier release runs, run as a superuser: images database create NAME")


def _line(row: Record) -> str:
    parts = [f"made {_time(row['created_at'])}" + (f" by {row['created_by']}" if row["created_by"] else "")]
    if row["rotated_at"]:
        parts.append(f"rotated {_time(row['rotated_at'])}")
    if row["former_expires_at"]:
        parts.append(f"former secret until {_time(row['former_expires_at'])}")
    if row["expires_at"]:
        parts.append(f"{'expired' if row['state'] == 'expired' else 'expires'} {_time(row['expires_at'])}")
    parts.append(f"used {_time(row['last_used_at'])}" if row["last_used_at"] else "never used")
    if row["revoked_at"]:
        by = f" by {row['revoked_by']}" if row["revoked_by"] else ""
        parts.append(f"revoked {_time(row['revoked_at'])}{by}")
    parts += filter(None, [_limits(row), row["note"] and f"note: {row['note']}"])
    return printable(f"{row['name']:<30} {row['scope']:<5}  {row['state']:<12}  {', '.join(parts)}")


def _limits(row: Record) -> str:
    rate, quota = row["requests_per_second"], row["upload_bytes_per_day"]
    limits = [f"{rate} requests a second"] if rate else []
    return " and ".join(limits + ([f"{format_size(quota)} of uploads a day"] if quota else []))


def _expires(row: Record) -> str:
    return f"expires {_time(row['expires_at'])}" if row["expires_at"] else "does not expire"


def _time(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _print_secret(text: str, row: Record) -> None:
    """Print a token before it is committed. Raises CommandError if it would have expired by PostgreSQL's clock."""
    if row["is_expired"]:
        raise UsageError(f"--expires: {_time(row['expires_at'])} is in the past.")
    print(text, flush=True)


def _unknown(name: str) -> UsageError:
    return UsageError(f'no valid token is named "{name}".', SEE_LIST)


@asynccontextmanager
async def _change(pool: Pool) -> AsyncIterator[Connection]:
    """Run a transaction whose changes of tokens are recorded with the user and the machine."""
    async with pool.transaction() as connection:
        await token_queries.name_actor(connection, _actor())
        yield connection


def _actor() -> str:
    """Return who runs the command, as USER@HOST. It is a claim: the user may set these variables."""
    try:
        user = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a container's uid without an entry in the password file
        user = f"uid {os.getuid()}"
    return printable(f"{user}@{socket.gethostname()}")[:MAX_ACTOR_LENGTH]


def _run(work: Callable[[Pool], Awaitable[Result]]) -> Result:
    settings = read_settings()
    url = SecretStr(owner_url(settings))  # outside of the event loop, because it may start a server

    async def run() -> Result:
        async with Pool(settings.model_copy(update={"database_url": url})) as pool:
            return await work(pool)

    try:
        return asyncio.run(run())
    except FAILURES as error:
        raise failure(error, settings, as_owner=True) from error
