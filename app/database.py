"""The application's connections to PostgreSQL."""

from typing import Any
from urllib.parse import urlencode

import asyncpg
from psycopg.conninfo import conninfo_to_dict

from app.embedded import connectable
from app.settings import Settings

# What libpq, under yoyo, takes in a URL and asyncpg would send to the server as a setting of its own.
LIBPQ_ONLY = {
    "channel_binding",
    "connect_timeout",
    "fallback_application_name",
    "gssencmode",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "load_balance_hosts",
    "require_auth",
    "requiressl",
    "sslcertmode",
    "sslcompression",
    "sslsni",
    "tcp_user_timeout",
}


def asyncpg_url(url: str) -> str:
    """The URL as libpq reads it, less the options that asyncpg does not know; how long to wait is a setting."""
    return f"postgresql://?{urlencode({k: v for k, v in conninfo_to_dict(url).items() if k not in LIBPQ_ONLY})}"


class PatientPool(asyncpg.Pool):
    """asyncpg's, but that the wait for a connection ends in TimeoutError; by itself asyncpg waits for ever."""

    patience: float  # seconds

    def acquire(self, *, timeout: float | None = None) -> Any:
        return super().acquire(timeout=timeout or self.patience)


def create_pool(settings: Settings) -> PatientPool:
    """A pool of at most DATABASE_POOL_SIZE connections, opened as they are needed: it also starts with no database.

    A server that does not answer in twice the statement timeout is lost. Each statement is planned for its parameters
    (plan_cache_mode); tests/test_plans.py holds that a plan for any parameters would do as well.
    """
    pool = PatientPool(
        asyncpg_url(connectable(settings.database_url)),
        min_size=0,
        max_size=settings.database_pool_size,
        max_queries=50_000,
        max_inactive_connection_lifetime=300.0,
        loop=None,
        connection_class=asyncpg.Connection,
        record_class=asyncpg.Record,
        timeout=settings.database_statement_timeout,
        command_timeout=2 * settings.database_statement_timeout,
        server_settings={
            "application_name": "images",
            "plan_cache_mode": "force_custom_plan",
            "statement_timeout": f"{settings.database_statement_timeout * 1000:.0f}",
        },
    )
    pool.patience = settings.database_statement_timeout
    return pool
