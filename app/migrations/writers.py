"""Wait for open transactions that have written a table, before a backfill reads the table.

CREATE OR REPLACE FUNCTION takes no lock on a table. So a transaction can write a row with the former function of a
trigger, and commit after the backfill has begun. The backfill does not see this row. CREATE INDEX CONCURRENTLY waits
for such transactions too.
"""

import time

from app.errors import CommandError
from app.migrations.connection import run
from app.migrations.migrator import Migrator
from app.schema.blockers import Blocker, advice, in_words

POLL_INTERVAL = 0.1  # seconds between two looks
REPORT_INTERVAL = 5.0  # seconds between two lines


def wait_for_writers(migrator: Migrator, migration_id: str, table: str | None = None) -> None:
    """Wait until each transaction has ended that has written the table by now. None: any table of the schema.

    No session waits behind this one. Raises CommandError after MIGRATION_LOCK_WAIT seconds.
    """
    began = reported = time.monotonic()
    writers = _find(migrator, table)
    expected = set(writers)
    while blockers := [each for name, each in writers.items() if name in expected]:
        waited = time.monotonic() - began
        if waited > migrator.settings.migration_lock_wait:
            raise CommandError(
                f"{migration_id} gave up after {waited:.1f} s (MIGRATION_LOCK_WAIT), because a transaction with rows "
                f"that it would not see is open: {in_words(blockers)}.",
                advice(blockers),
            )
        if time.monotonic() - reported >= REPORT_INTERVAL:
            migrator.report(f"{migration_id}: waiting: {in_words(blockers)}, {waited:.0f} s so far", "blocked")
            reported = time.monotonic()
        time.sleep(POLL_INTERVAL)
        writers = _find(migrator, table)


def _find(migrator: Migrator, table: str | None) -> dict[str, Blocker]:
    """Return the open transactions that have written the table, by their virtual transaction IDs."""
    rows = run(migrator.connection, "find_writers", table=table).fetchall()
    return {name: Blocker(*columns) for name, *columns in rows}
