"""Queries of the previous and of this release: those that fail, change their plan, or set the order of a release."""

import subprocess
from pathlib import Path

import psycopg
import pytest

from app.review import plans, releases
from app.review.plans import SLOW_PLAN, explain
from tests.schema.test_migrations import FILES
from tests.support.reviews import Try, reasons


def test_a_query_that_fails_on_its_own_schema_is_caught(tried: Try) -> None:
    wrong = releases.present().queries["get_image"].replace("    title,", "    titel,")

    part = tried("COMMENT ON TABLE images IS 'x';", queries={"get_image": wrong})

    assert 'unsafe: the query get_image of this release fails on its own schema: column "titel"' in reasons(part)
    assert part.order.startswith("none works")


def test_a_migration_that_breaks_the_previous_release_is_caught(tried: Try) -> None:
    part = tried(
        "ALTER TABLE images DROP COLUMN attributes;",
        header="-- irreversible: for a test",
        queries={"get_image": releases.present().queries["get_image"].replace(",\n        attributes\n", "\n")},
        kept=False,
    )

    said = reasons(part)
    whose = "of the previous release, old, (get_image, get_image_by_sha256, list_images and 2 more)"
    assert f'unsafe: 5 queries {whose} fail afterwards: column "attributes"' in said
    assert part.order.startswith("code first")
    assert "insert_image" in part.reviewed.broken


def test_a_contract_may_break_the_previous_release_but_not_this_one(tried: Try) -> None:
    """No session of the previous release is connected when `images schema contract` applies it."""
    drop, header = "ALTER TABLE images DROP COLUMN attributes;", "-- irreversible: for a test\n-- phase: contract"
    query = releases.present().queries["get_image"].replace(",\n        attributes\n", "\n")

    part = tried(drop, header=header, queries={"get_image": query}, kept=False)

    assert "fail afterwards, so `schema contract` waits until that release has stopped" in reasons(part)
    assert part.apply.level == "care"
    assert part.order.startswith("code first: `schema contract`")
    assert not part.reviewed.broken


def test_a_contract_that_breaks_this_release_is_unsafe(tried: Try) -> None:
    drop = "ALTER TABLE images DROP COLUMN attributes;"

    part = tried(drop, header="-- irreversible: for a test\n-- phase: contract")

    assert "unsafe: 5 queries of this release (get_image, get_image_by_sha256, list_images and 2 more)" in reasons(part)
    assert part.order.startswith("none works")


def test_a_query_that_takes_too_long_does_not_fit(tried: Try, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "MAX_TIME", 0.5)
    waits = "-- wait_for_index: waits.\n-- example a second: 1\nSELECT pg_sleep($1)"

    part = tried("COMMENT ON TABLE images IS 'x';", queries={"wait_for_index": waits})

    reason = (
        "the query wait_for_index of this release fails on its own schema: canceling statement due to statement timeout"
    )
    assert reason in reasons(part)


def test_queries_that_fail_in_both_releases_are_one_reason(tried: Try) -> None:
    said = reasons(tried("ALTER TABLE images RENAME COLUMN capture TO shot;"))

    assert said.count('column "capture" does not exist') == 1
    assert "of the previous release, old, and of this one (" in said


def test_a_rename_fits_neither_order(tried: Try) -> None:
    queries = {"get_image": releases.present().queries["get_image"].replace("title,\n", "heading,\n")}
    part = tried("ALTER TABLE images RENAME COLUMN title TO heading;", queries=queries, kept=False)

    assert part.order.startswith("no order works")
    assert "get_image" in part.reviewed.broken
    assert "get_image" in part.reviewed.needed


def test_a_column_that_the_previous_release_does_not_fill_is_caught(tried: Try) -> None:
    part = tried(
        "ALTER TABLE images ADD COLUMN owner text NOT NULL DEFAULT ''; ALTER TABLE images ALTER owner DROP DEFAULT;"
    )

    assert "unsafe: the query insert_image of the previous release" in reasons(part)


def test_a_query_that_needs_the_migration_is_released_after_it(tried: Try) -> None:
    part = tried(
        "ALTER TABLE images ADD COLUMN rating smallint;",
        queries={
            "get_rating": "-- get_rating: one image.\n-- example any: md5('image 1')::uuid\n"
            "SELECT rating FROM images WHERE id = $1;"
        },
    )

    assert part.order.startswith("schema first")
    assert list(part.reviewed.needed) == ["get_rating"]
    assert part.apply.level == "safe"


def test_an_index_scan_that_becomes_a_sequential_one_is_caught(tried: Try) -> None:
    part = tried("DROP INDEX CONCURRENTLY images_content_sha256_key;")

    assert "so does get_image_by_sha256" in reasons(part)
    assert "now reads the whole of images" in reasons(part)
    plan = next(plan for plan in part.reviewed.plans if plan.query == "get_image_by_sha256")
    assert plan.changed
    assert plan.before
    assert plan.after
    assert plan.before.buffers < 10 < plan.after.buffers


def test_a_new_name_for_an_index_does_not_change_a_plan(tried: Try) -> None:
    part = tried("ALTER INDEX images_content_sha256_key RENAME TO other_key;")

    assert part.reviewed.up.renamed == {"images_content_sha256_key": "other_key"}
    assert [plan.query for plan in part.reviewed.plans if plan.changed] == []


def test_a_slow_query_runs_again_only_if_its_plan_has_changed(copy: psycopg.Connection) -> None:
    slow = "SELECT count(*) FROM images, generate_series(1, 200) AS n WHERE width > n;"
    before = explain(copy, slow, "")

    same = explain(copy, slow, "", known=before)
    copy.execute("CREATE INDEX images_width_idx ON images (width)")
    copy.execute("SET enable_seqscan = off")
    other = explain(copy, slow, "", known=before)

    assert before.milliseconds > SLOW_PLAN
    assert same is before
    assert other is not before
    assert other.shape != before.shape


def test_a_query_that_chooses_rows_by_chance_is_measured_at_its_largest(copy: psycopg.Connection) -> None:
    copy.execute("CREATE SEQUENCE turns")
    images = "SELECT count(*) FROM images WHERE turn % 3 = 0"
    by_chance = "SELECT (IMAGES) FROM (SELECT nextval('turns') AS turn, random()) AS now".replace("IMAGES", images)

    found = [explain(copy, by_chance, "").buffers for _ in range(3)]

    assert max(found) < 1.5 * min(found)


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=n", "-c", "user.email=e@localhost", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def test_the_previous_release_is_the_commit_before_the_one_that_added_the_file(tmp_path: Path) -> None:
    queries, migrations = tmp_path / "sql" / "queries", tmp_path / "sql" / "migrations"
    queries.mkdir(parents=True)
    migrations.mkdir()
    git(tmp_path, "init")
    (queries / "ask.sql").write_text("SELECT 1;\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "Ask for 1")
    brought = migrations / "0001_ask.sql"
    brought.write_text("SELECT 1;\n")
    (queries / "ask.sql").write_text("SELECT 2;\n")
    git(tmp_path, "add", ".")
    uncommitted = releases.previous(brought)
    git(tmp_path, "commit", "-m", "Ask for 2")
    (queries / "ask.sql").write_text("SELECT 3;\n")
    git(tmp_path, "commit", "-a", "-m", "Ask for 3")

    committed = releases.previous(brought)
    later = releases.previous(migrations / "0002_ask.sql")

    assert uncommitted
    assert committed
    assert later
    assert uncommitted.queries == committed.queries == {"ask": "SELECT 1;\n"}
    assert committed.name.endswith("(Ask for 1)")
    assert later.queries == {"ask": "SELECT 3;\n"}


def test_without_git_there_is_no_previous_release(tmp_path: Path) -> None:
    assert releases.previous(tmp_path / "sql" / "migrations" / "0001_ask.sql") is None
    assert releases.previous(FILES[0]) is None
