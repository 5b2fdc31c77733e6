"""The application's connections to PostgreSQL."""

from typing import Any

import asyncpg
from pydantic_core import from_json, to_json

from app.embedded import connectable
from app.settings import Settings


def create_pool(settings: Settings) -> "asyncpg.Pool[asyncpg.Record]":
    """A pool of at most DATABASE_POOL_SIZE connections, opened as they are needed: it also starts with no database.

    jsonb comes and goes as Python objects. Each statement is planned for its parameters (plan_cache_mode): the best
    plan for a rare tag is the worst for a common one, and to plan these statements costs a tenth of a millisecond.
    """
    return asyncpg.create_pool(
        connectable(settings.database_url),
        min_size=0,
        max_size=settings.database_pool_size,
        timeout=settings.database_statement_timeout,
        init=_set_codecs,
        server_settings={
            "application_name": "images",
            "plan_cache_mode": "force_custom_plan",
            "statement_timeout": f"{settings.database_statement_timeout * 1000:.0f}",
        },
    )


async def _set_codecs(connection: "asyncpg.Connection[Any]") -> None:
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=_encode, decoder=from_json)


def _encode(value: Any) -> str:
    return to_json(value).decode()
