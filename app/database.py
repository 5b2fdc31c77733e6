"""The application's connections to PostgreSQL."""

import re

import asyncpg

from app.embedded import connectable
from app.settings import Settings

# What libpq, under yoyo, takes in a URL and asyncpg would send to the server as a setting of its own.
LIBPQ_ONLY = re.compile(
    r"(?<=[?&])(?:connect_timeout|keepalives\w*|tcp_user_timeout|channel_binding|gssencmode|load_balance_hosts)=[^&]*&?"
)


def asyncpg_url(url: str) -> str:
    """The libpq URL, less the options that asyncpg does not know; how long to wait and so on the settings say."""
    return LIBPQ_ONLY.sub("", url).rstrip("?&")


def create_pool(settings: Settings) -> "asyncpg.Pool[asyncpg.Record]":
    """A pool of at most DATABASE_POOL_SIZE connections, opened as they are needed: it also starts with no database.

    A server that does not answer in twice the statement timeout is lost. Each statement is planned for its parameters
    (plan_cache_mode): the best plan for a rare tag is the worst for a common one, and to plan these statements costs a
    tenth of a millisecond.
    """
    return asyncpg.create_pool(
        asyncpg_url(connectable(settings.database_url)),
        min_size=0,
        max_size=settings.database_pool_size,
        timeout=settings.database_statement_timeout,
        command_timeout=2 * settings.database_statement_timeout,
        server_settings={
            "application_name": "images",
            "plan_cache_mode": "force_custom_plan",
            "statement_timeout": f"{settings.database_statement_timeout * 1000:.0f}",
        },
    )
