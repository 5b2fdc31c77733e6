"""Lock watcher: it survives every kind of relation, and without it nothing is called safe."""

import psycopg
import pytest

from app.review import lock_watcher
from tests.support.reviews import Try, reasons

ODD_RELATIONS = """
    CREATE SCHEMA "Other place";
    CREATE TABLE "Other place"."a ""quoted"" name" (id bigint);
    CREATE TABLE "images " (id bigint);
    CREATE MATERIALIZED VIEW sizes AS SELECT byte_size FROM images;
    CREATE MATERIALIZED VIEW unfilled AS SELECT byte_size FROM images WITH NO DATA;
    CREATE VIEW seen AS SELECT id FROM images;
    CREATE SEQUENCE numbers;
    CREATE TABLE views (day date, n bigint) PARTITION BY RANGE (day);
    CREATE TABLE views_2026 PARTITION OF views FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    CREATE TEMPORARY TABLE mine (id bigint);
    CREATE UNLOGGED TABLE quick (id bigint);
    CREATE TABLE parent (id bigint);
    CREATE TABLE child () INHERITS (parent);
    CREATE FOREIGN DATA WRAPPER nothing;
    CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
    CREATE FOREIGN TABLE elsewhere (id bigint) SERVER nowhere;
"""


def test_the_watcher_survives_every_kind_of_relation(tried: Try, copy: psycopg.Connection) -> None:
    copy.execute(ODD_RELATIONS)

    part = tried(
        "CREATE INDEX CONCURRENTLY images_width_idx ON images (width);",
        "DROP INDEX CONCURRENTLY IF EXISTS images_width_idx;",
    )

    for run in (part.reviewed.up, part.reviewed.down):
        assert run
        assert run.unmeasured == []
        assert run.steps[0].waits
        assert ("images", "SHARE UPDATE EXCLUSIVE") in [(lock.relation, lock.mode) for lock in run.steps[0].locks]
    assert part.apply.level == "safe"


def test_a_watcher_that_dies_makes_the_verdict_not_reviewed(tried: Try, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise psycopg.OperationalError("the connection is gone")

    monkeypatch.setattr(lock_watcher, "locks_of", fail)

    part = tried("CREATE INDEX CONCURRENTLY images_width_idx ON images (width);")

    said = "unknown: it could not be measured: the locks of line 4: the watching session failed: the connection is gone"
    assert said in reasons(part)
    assert part.apply.words == "not reviewed"
