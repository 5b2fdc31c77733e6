"""Trial under traffic: what the service meets while a migration is applied and rolled back, and afterwards."""

import json
import re
from datetime import UTC, datetime

import psycopg
import pytest

from app.embedded_postgres import Server
from app.lint.findings import Finding
from app.review import releases, trial
from app.review.report import render, report
from app.review.traffic import Traffic, calls_of
from tests.support import reviews
from tests.support.reviews import ROWS, Try, reasons, rollback_reasons

ADD = "ALTER TABLE images ADD CONSTRAINT wide CHECK (width > 0) NOT VALID;"
DROP = "ALTER TABLE images DROP CONSTRAINT wide;"
WORDS = "5 sessions as images_app sent "
CONSISTENT = f"{ROWS:,} earlier rows and all new ones are consistent"


def test_a_harmless_migration_is_safe_under_traffic_and_each_format_says_what_was_tried(tried: Try) -> None:
    part = tried(ADD, DROP, under_traffic=True, costs_matter=True)

    assert reasons(part) == rollback_reasons(part) == ""
    outcome = report([part.reviewed], ROWS, "18.4", datetime.now(UTC))
    assert not outcome.is_unknown
    for format in ("text", "markdown", "html"):
        text = re.sub(r"<[^>]+>|\\", "", render(outcome, format))
        assert text.count(WORDS) == text.count(CONSISTENT) == 2, format
    assert len(render(outcome, "text").splitlines()) < 40  # one screen
    [migration] = json.loads(render(outcome, "json"))["migrations"]
    measured = migration["measured"]["trial"]
    assert measured["costs"].keys() == {"delete_image", "insert_image", "update_image"}
    assert measured["up"]["met"]["statements"] > 0
    assert measured["down"]["costs"]["update_image"]["hot"] is not None
    assert migration["rollback_verdict"] == "safe under traffic"


def test_locks_in_another_order_than_the_service_s_are_a_deadlock(tried: Try) -> None:
    part = tried(
        "ALTER TABLE image_terms ADD COLUMN note text; ALTER TABLE images ADD COLUMN note text;",
        "ALTER TABLE images DROP COLUMN note; ALTER TABLE image_terms DROP COLUMN note;",
        under_traffic=True,
    )

    assert re.search(r"care: under traffic, a deadlock ended .*: it takes locks in another order", reasons(part))
    assert "deadlock" not in rollback_reasons(part)


@pytest.mark.parametrize(
    ("up", "reason"),
    [
        (
            "ALTER TABLE images ALTER COLUMN id DROP DEFAULT;",
            "unsafe: the query insert_image of the previous release, old, and of this one fails afterwards: "
            'null value in column "id" of relation "images" violates not-null constraint',
        ),
        (
            "ALTER TABLE images ENABLE ROW LEVEL SECURITY;",
            "8 queries of the running release (delete_image, find_contents, get_content and 5 more) find no row",
        ),
        (
            "REVOKE SELECT ON images FROM images_app;",
            "fail afterwards: 42501: permission denied for table images",
        ),
        (
            "ALTER TABLE images DISABLE TRIGGER images_list_inserted;",
            "unsafe: afterwards the rows are not consistent: ",
        ),
        (
            "CREATE OR REPLACE FUNCTION images_terms(tags text[], content_type text) RETURNS text[] LANGUAGE sql "
            "IMMUTABLE PARALLEL SAFE RETURN ARRAY['type:' || content_type];",
            "terms of their image, such as tag:",
        ),
        (
            "DROP TRIGGER images_list_updated ON images;",
            "unsafe: afterwards the rows are not consistent: ",
        ),
        (
            "CREATE FUNCTION limit_images() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN "
            "PERFORM count(*) FROM images WHERE byte_size >= 0; RETURN NULL; END'; "
            "CREATE CONSTRAINT TRIGGER a AFTER INSERT ON images DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION limit_images();",
            "unsafe: each insert_image now reads 2,",  # and those that the traffic inserted
        ),
        (
            "CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''too late''; END'; "
            "CREATE CONSTRAINT TRIGGER a AFTER DELETE ON images DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION stop();",
            "unsafe: the query delete_image of the previous release, old, and of this one fails afterwards: too late",
        ),
    ],
    ids=[
        "default",
        "row security",
        "rights",
        "trigger off",
        "function",
        "trigger dropped",
        "trigger that reads",
        "deferred",
    ],
)
def test_what_breaks_the_running_service_is_unsafe(tried: Try, up: str, reason: str) -> None:
    part = tried(up, under_traffic=True)

    assert reason in reasons(part)
    assert part.apply.level == "unsafe"
    is_order = "find no row" in reason or "fail" in reason  # otherwise no release writes consistent rows
    assert part.order.startswith("none works") == is_order


def test_a_row_that_was_not_written_before_is_unsafe(tried: Try, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the unique index, bytes that are there already are a second image."""
    monkeypatch.setattr(reviews, "with_one_example", lambda query: query)

    part = tried("DROP INDEX images_content_sha256_key;", under_traffic=True)

    writes = "the query insert_image of the running release writes a row afterwards"
    assert f"unsafe: as images_app, {writes}" in reasons(part)


def test_a_row_that_only_the_traffic_wrote_is_no_reason(tried: Try, monkeypatch: pytest.MonkeyPatch) -> None:
    record = releases.present().queries["record_check"]
    delete = "-- $1 text  a hash\n-- example no hash: ''\nDELETE FROM content_checks WHERE sha256 <> $1"
    queries = {"record_check": record, "delete_others": delete}
    monkeypatch.setattr(reviews, "FEW", queries.keys())
    monkeypatch.setattr(releases, "present", lambda: releases.Release("old", queries))

    part = tried("ALTER TABLE images ADD COLUMN note text;", under_traffic=True)

    assert part.apply.level == "safe", reasons(part)


def test_a_parameter_of_another_type_needs_care(tried: Try) -> None:
    """PostgreSQL takes the NULL of the examples for each type. A driver does not send a text as bytes."""
    part = tried(
        "ALTER TABLE images ALTER COLUMN color TYPE bytea USING decode(substr(color, 2), 'hex');", under_traffic=True
    )

    takes = (
        "the query insert_image of the running release takes a value of type bytea afterwards, and of type text before"
    )
    assert f"care: {takes}" in reasons(part)


def test_writes_that_wait_in_one_queue_are_unsafe(tried: Try) -> None:
    """A counter row that a called function changes, and a lock that a trigger takes itself."""
    part = tried(
        "CREATE TABLE totals (images bigint); INSERT INTO totals VALUES (0); GRANT ALL ON totals TO images_app; "
        "CREATE FUNCTION add_one() RETURNS void LANGUAGE sql AS 'UPDATE totals SET images = images + 1'; "
        "CREATE FUNCTION count_image() RETURNS trigger LANGUAGE plpgsql "
        "AS 'BEGIN PERFORM add_one(); RETURN NULL; END'; "
        "CREATE TRIGGER a AFTER INSERT ON images FOR EACH ROW EXECUTE FUNCTION count_image(); "
        "CREATE FUNCTION take_lock() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END'; "
        "CREATE CONSTRAINT TRIGGER b AFTER UPDATE ON images DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION take_lock();",
        under_traffic=True,
    )

    queued = "2 queries of the running release (insert_image and update_image) wait until the same query"
    assert f"unsafe: as images_app, {queued} of another session commits, also for another row" in reasons(part)


def test_a_function_that_a_comment_allows_to_give_other_results_needs_care(
    tried: Try, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of the queries changes a column of an earlier row that has no words. So its words stay as they are."""
    monkeypatch.setattr(reviews, "FEW", reviews.FEW | {"forget_locations"})
    part = tried(
        "CREATE OR REPLACE FUNCTION images_word_document(title text, description text, filename text, tags text[], "
        "content_type text) RETURNS tsvector LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE "
        "AS 'BEGIN RETURN images_vector(filename); END';",
        under_traffic=True,
    )
    fault = "images are not in image_words, or with other words"
    assert re.search(rf"unsafe: afterwards the rows are not consistent: [\d,]+ {fault}", reasons(part))

    finding = Finding(part.reviewed.path, 1, "function-results", "unsafe", "", "")
    part.reviewed.allowed = [(finding, "the next file fills them")]
    [part] = report([part.reviewed], ROWS, "18.4", datetime.now(UTC)).parts

    allowed = "confirm the reason in `-- allow: function-results because the next file fills them`"
    assert re.search(rf"care: the earlier rows are not consistent: [\d,]+ {fault}: {allowed}", reasons(part))
    assert "unsafe" not in reasons(part)


def test_a_rollback_that_repairs_no_row_is_not_consistent(tried: Try) -> None:
    part = tried(
        "ALTER TABLE images DISABLE TRIGGER images_list_inserted;",
        "ALTER TABLE images ENABLE TRIGGER images_list_inserted;",
        under_traffic=True,
    )

    assert "unsafe: afterwards the rows are not consistent: " in rollback_reasons(part)


def test_a_check_that_lacks_a_renamed_column_is_no_fault_of_the_rows(tried: Try) -> None:
    part = tried(
        "ALTER TABLE images RENAME COLUMN title TO heading;",
        "ALTER TABLE images RENAME COLUMN heading TO title;",
        under_traffic=True,
    )

    lacks = "whether the rows are consistent. The schema lacks what sql/review/consistency_images: 42703: column"
    assert f"unknown: it could not be measured: {lacks}" in reasons(part)
    assert "not consistent" not in reasons(part)
    assert rollback_reasons(part) == ""


def test_a_policy_that_reads_other_tables_for_each_row_is_told(tried: Try, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "NOISE", 10)  # the tables are small here

    part = tried(
        "CREATE POLICY seen ON images USING ((SELECT count(*) FROM image_terms WHERE image_id = images.id) >= 0); "
        "ALTER TABLE images ENABLE ROW LEVEL SECURITY;",
        under_traffic=True,
    )

    assert re.search(r"unsafe: as images_app, \S+ reads more: [\d,]+ buffers without row security", reasons(part))


def test_a_migration_is_not_blamed_for_rows_that_were_not_there_before(tried: Try, copy: psycopg.Connection) -> None:
    copy.execute("DELETE FROM image_words")

    part = tried(ADD, DROP, under_traffic=True, costs_matter=True)

    assert reasons(part) == rollback_reasons(part) == ""


def test_a_table_that_a_later_migration_fills_needs_care(tried: Try, copy: psycopg.Connection) -> None:
    for event in ("inserted", "updated", "deleted"):
        copy.execute(f"DROP TRIGGER images_list_{event} ON images")
    copy.execute("ALTER TABLE image_words RENAME TO words_of_images")

    part = tried("ALTER TABLE words_of_images RENAME TO image_words;", under_traffic=True)

    assert re.search(r"care: its new table is not filled yet, so no release may read it: \d+ images", reasons(part))
    assert "not consistent" not in reasons(part)


def test_an_index_that_ends_hot_updates_is_told_with_its_cost(tried: Try) -> None:
    part = tried("CREATE INDEX CONCURRENTLY ON images (updated_at);", under_traffic=True, costs_matter=True)

    assert re.search(r"care: 0% of the updates of update_image are HOT, \d+% before", reasons(part))
    assert part.tried
    [(_, before, after)] = [cost for cost in part.tried.changed_costs if cost[0] == "update_image"]
    assert after.hot == 0
    assert before.hot
    assert after.wal > before.wal


def test_a_query_without_rights_on_what_is_new_is_told(tried: Try) -> None:
    query = "-- find_album: finds an album.\n-- example an album: 1\nSELECT * FROM albums WHERE id = $1"

    part = tried(
        "CREATE TABLE albums (id bigint); REVOKE ALL ON albums FROM images_app;",
        queries={"find_album": query},
        under_traffic=True,
    )

    assert "care: as images_app, the query find_album of this release fails: 42501: permission denied" in reasons(part)


def test_the_traffic_keeps_the_rows_that_later_examples_look_for(copy: psycopg.Connection, server: Server) -> None:
    """A query may write in a WITH, and name its rows otherwise than by a number."""
    calls = calls_of({"forget_locations": releases.present().queries["forget_locations"]})
    [before] = copy.execute("SELECT count(location) FROM images").fetchone() or ()
    traffic = Traffic(server.url(copy.info.dbname), None, calls, ROWS)

    traffic.start()
    traffic.stop()

    assert all(call.is_write for call in calls)
    assert traffic.met.errors == {}
    assert copy.execute("SELECT count(location) FROM images").fetchone() == (before,)
    assert before > 0


def test_a_trial_that_fails_makes_both_verdicts_not_reviewed(tried: Try, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Traffic) -> None:
        raise psycopg.OperationalError("the connection is gone")

    monkeypatch.setattr(Traffic, "start", fail)

    part = tried(ADD, DROP, under_traffic=True)

    reason = "unknown: it could not be measured: the trial under traffic: the connection is gone"
    assert reasons(part) == rollback_reasons(part) == reason
    assert part.apply.words == "not reviewed"
    assert report([part.reviewed], ROWS, "18.4", datetime.now(UTC)).is_unknown
