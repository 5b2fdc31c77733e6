"""Metrics from the database for /metrics, and their probe: whether PostgreSQL answers, and which migrations it has."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from typing import get_args

from asyncpg import InsufficientPrivilegeError, PostgresError, Record, UndefinedTableError
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from app.database import queries
from app.database.errors import UNAVAILABLE
from app.database.pool import Pool
from app.observability.logs import logger
from app.schema import history
from app.schema.digest import Digest
from app.settings import Settings
from app.single_flight import SingleFlight
from app.storage.store import reason

CACHE_TIME = 5.0  # seconds that an answer of the database is used again
PROBE_TIMEOUT = 1.0  # seconds


class DatabaseMetrics(Collector):
    """Metrics of one answer of the database, and of this release. `records` is None if the database did not answer.

    `shipped` has the digests of this release's migrations, by ID.

    `contents` is the row of count_faults, or None. `checks` are the last results of `images schema verify`.
    """

    def __init__(
        self,
        shipped: Mapping[str, Digest],
        records: list[history.Record] | None = None,
        lock_wait: float | None = None,
        contents: Record | None = None,
        checks: Sequence[Record] = (),
    ) -> None:
        self._shipped, self._records, self._lock_wait = shipped, records, lock_wait
        self._contents, self._checks = contents, checks

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("images_build", "The release.", {"version": version("image-catalogue")})
        up = self._records is not None
        yield GaugeMetricFamily(
            "images_database_up", "1 if the database answered within the last seconds, otherwise 0.", int(up)
        )
        if self._records is None:
            return
        entries = history.compare(self._shipped, self._records)
        states = Counter(entry.state for entry in entries)
        migrations = GaugeMetricFamily("images_migrations", "Migrations by state.", labels=["state"])
        for state in get_args(history.State):
            migrations.add_metric([state], states[state])
        yield migrations
        pending = sum(entry.lacking and not entry.waits for entry in entries)
        yield GaugeMetricFamily(
            "images_migrations_pending",
            "Migrations of this release that are not applied, without those that wait for a command.",
            pending,
        )
        if applied := [entry for entry in entries if entry.applied]:
            yield InfoMetricFamily(
                "images_migration_last", "The last applied migration.", {"migration": applied[-1].id}
            )
        runs = [
            (record.finished_at, record.finished_at - record.started_at)
            for record in self._records
            if record.started_at and record.finished_at and record.operation in {"apply", "rollback"}
        ]
        if runs:
            moment, took = max(runs)
            words = "Duration of the last run of a migration."
            yield GaugeMetricFamily("images_migration_last_duration_seconds", words, took.total_seconds())
            words = "Unix time at which the last run of a migration ended."
            yield GaugeMetricFamily("images_migration_last_timestamp_seconds", words, moment.timestamp())
        if self._contents is not None:
            words = "Images whose bytes were missing or wrong in the last images objects check --verify."
            yield GaugeMetricFamily("images_contents_damaged", words, self._contents["faults"])
            if self._contents["checked_at"] is not None:
                words, moment = "Unix time at which the last images objects check ended.", self._contents["checked_at"]
                yield GaugeMetricFamily("images_objects_checked_timestamp_seconds", words, moment.timestamp())
        if self._checks:
            words = "Faults that the last images schema verify found and did not repair."
            faults = GaugeMetricFamily("images_schema_faults", words, labels=["check"])
            words = "Unix time at which the last images schema verify ended."
            verified = GaugeMetricFamily("images_schema_verified_timestamp_seconds", words, labels=["check"])
            for check in self._checks:
                faults.add_metric([check["name"]], check["faults"] - check["repaired"])
                verified.add_metric([check["name"]], check["checked_at"].timestamp())
            yield faults
            yield verified
        if self._lock_wait is not None:
            words = "Seconds that the last migrator waited for another migrator."
            yield GaugeMetricFamily("images_migration_lock_wait_seconds", words, self._lock_wait)


class DatabaseProbe:
    """Ask the database, at most once in CACHE_TIME seconds.

    The probe opens a connection of its own each time. So it shows whether a new connection can be opened, and does not
    wait for those that requests hold.
    """

    def __init__(self, settings: Settings, shipped: Mapping[str, Digest]) -> None:
        self._shipped = shipped
        self._settings = settings.model_copy(
            update={
                "database_pool_size": 1,
                "database_statement_timeout": min(settings.database_statement_timeout, PROBE_TIMEOUT),
            }
        )
        self._flight: SingleFlight[str, DatabaseMetrics] = SingleFlight()
        self._last: DatabaseMetrics | None = None
        self._since = 0.0  # when it was asked for

    async def metrics(self) -> DatabaseMetrics:
        """Return the metrics of the last answer, or that the database did not answer within PROBE_TIMEOUT."""
        if self._last is not None and time.monotonic() - self._since <= CACHE_TIME:
            return self._last
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                return await self._flight.share("metrics", self._ask)
        except TimeoutError:
            return DatabaseMetrics(self._shipped)

    async def _ask(self) -> DatabaseMetrics:
        since = time.monotonic()
        self._last = await self._read()
        self._since = since
        return self._last

    async def _read(self) -> DatabaseMetrics:
        try:
            async with Pool(self._settings, "metrics") as pool:
                records = [history.Record(*row) for row in await queries.read_history(pool)]
                lock_wait = contents = None
                with suppress(UndefinedTableError):
                    lock_wait = await queries.read_lock_wait(pool)
                with suppress(UndefinedTableError, InsufficientPrivilegeError):
                    contents = await queries.count_faults(pool)
                checks: list[Record] = []
                with suppress(UndefinedTableError, InsufficientPrivilegeError):
                    checks = await queries.read_checks(pool)
                return DatabaseMetrics(self._shipped, records, lock_wait, contents, checks)
        except (*UNAVAILABLE, PostgresError) as error:
            logger.warning("/metrics: the database did not answer: %s: %s", type(error).__name__, reason(error))
            return DatabaseMetrics(self._shipped)
