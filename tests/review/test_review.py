"""`images schema review`: each kind of harm that a migration can do is measured and reported."""

import json
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from app.embedded_postgres import Server
from app.errors import ExitCode
from app.lint.rules import RULES
from app.review import releases, scratch
from app.review.measure import execute
from app.review.plans import SLOW_PLAN, explain
from app.review.releases import Release
from app.review.report import Part, render, report
from app.review.review import review
from app.schema.headers import EXAMPLE, transactional
from app.settings import ROOT
from tests.conftest import BIN, NUMBER, VERSION, environment, yoyo_on
from tests.schema.test_migrations import FILES
from tests.support.corpus import CASES, Case

ROWS = 2_000

Try = Callable[..., Part]


@pytest.fixture(scope="module")
def filled(server: Server, admin: psycopg.Connection) -> Iterator[str]:
    """Create a database with the shipped schema and rows, to clone from."""
    name = f"filled_{next(NUMBER)}"
    admin.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    with scratch.connect(server.url(name)) as connection:
        for path in FILES:
            execute(connection, path.read_text(), transactional(path))
        scratch.fill(connection, ROWS)
    yield name
    admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@pytest.fixture
def copy(server: Server, admin: psycopg.Connection, filled: str) -> Iterator[psycopg.Connection]:
    name = f"review_{next(NUMBER)}"
    admin.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(filled)))
    with scratch.connect(server.url(name)) as connection:
        yield connection
    admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@pytest.fixture
def tried(copy: psycopg.Connection, tmp_path: Path) -> Try:
    """Return a function that reviews one more migration than the shipped ones."""

    def try_it(
        up: str,
        down: str | None = None,
        header: str = "",
        queries: dict[str, str] | None = None,
        loses: str = "nothing",
        kept: bool = True,
    ) -> Part:
        path = tmp_path / "0012_try_it.sql"
        mode = "-- transactional: false\n" if "CONCURRENTLY" in up else ""
        path.write_text(f"-- Try.\n{mode}{header}\n{up}")
        if down:
            path.with_suffix(".rollback.sql").write_text(f"-- loses: {loses}\n{mode}\n{down}")
        old = releases.present()
        new = Release("new", (old.queries if kept else {}) | (queries or {}))
        done = review(copy, [path], {path.stem}, ROWS, new, lambda _: old, lambda *_: None)
        return report(done, ROWS, "18", datetime.now(UTC)).parts[0]

    return try_it


def reasons(part: Part) -> str:
    return "\n".join(f"{reason.level}: {reason.text}" for reason in part.apply.measured)


def rollback_reasons(part: Part) -> str:
    assert part.rollback
    return "\n".join(f"{reason.level}: {reason.text}" for reason in part.rollback.measured)


def test_a_rewrite_is_caught(tried: Try) -> None:
    part = tried("ALTER TABLE images ALTER COLUMN byte_size TYPE numeric;")

    assert "unsafe: reads and writes of images wait" in reasons(part)
    assert "rewrites images, images_pkey" in reasons(part)
    [step] = part.reviewed.up.steps
    assert step.wal > 1_000_000
    assert step.disk > 1_000_000
    assert ("images", "ACCESS EXCLUSIVE", "reads, writes, other DDL") in [
        (lock.relation, lock.mode, lock.blocks) for lock in step.locks
    ]


def test_a_scan_that_blocks_reads_is_caught(tried: Try) -> None:
    part = tried("ALTER TABLE images ADD CONSTRAINT images_size_check CHECK (byte_size > 0);")

    assert "unsafe: reads and writes of images wait" in reasons(part)
    assert f"line 3 reads {ROWS:,} rows of images" in reasons(part)


def test_a_scan_under_a_lock_of_the_statement_before_is_caught(tried: Try) -> None:
    part = tried("""ALTER TABLE images ADD CONSTRAINT images_size_check CHECK (byte_size > 0) NOT VALID;
        ALTER TABLE images VALIDATE CONSTRAINT images_size_check;""")

    assert f"line 4 reads {ROWS:,} rows of images" in reasons(part)


def test_a_lock_is_held_to_the_end_of_the_transaction(tried: Try) -> None:
    part = tried("ALTER TABLE images ALTER COLUMN title SET DEFAULT ''; SELECT pg_sleep(0.2) FROM images LIMIT 1;")

    first, second = part.reviewed.up.steps
    [lock] = [lock for lock in first.locks if lock.mode == "ACCESS EXCLUSIVE"]
    assert lock.milliseconds > first.milliseconds + second.milliseconds > 200
    assert [lock.mode for lock in second.locks if lock.relation == "images"] == ["ACCESS SHARE"]


def test_an_index_built_while_writes_wait_is_caught(tried: Try) -> None:
    part = tried("CREATE INDEX images_width_idx ON images (width);", "DROP INDEX images_width_idx;")

    assert "unsafe: writes of images wait" in reasons(part)
    assert "builds images_width_idx" in reasons(part)
    assert part.reviewed.up.blocks("reads") == 0


def test_a_change_of_every_row_is_caught(tried: Try) -> None:
    part = tried("UPDATE images SET description = NULL WHERE width > 0;")

    assert f"unsafe: line 3 changes {ROWS:,} of {ROWS:,} rows of images" in reasons(part)


def test_a_statement_that_fails_on_the_rows_is_caught(tried: Try) -> None:
    part = tried("CREATE TABLE other (id bigint); ALTER TABLE images ADD CONSTRAINT one_type UNIQUE (content_type);")

    assert "unsafe: it fails: line 3: could not create unique index" in reasons(part)
    assert part.rollback is None


def test_rows_lost_in_silence_are_caught(tried: Try) -> None:
    part = tried("DELETE FROM images WHERE id = md5('image 7')::uuid;", "SELECT 1;")

    assert f"unsafe: it permanently loses images: 1 of {ROWS:,} rows, and no header says so" in reasons(part)


def test_values_lost_in_silence_are_caught(tried: Try) -> None:
    part = tried(
        "ALTER TABLE images DROP COLUMN attributes;",
        "ALTER TABLE images ADD COLUMN attributes jsonb;",
    )

    assert "unsafe: it permanently loses images.attributes: " in reasons(part)


def test_a_value_that_is_another_after_the_rollback_is_caught(tried: Try) -> None:
    part = tried(
        "UPDATE images SET width = width + 1 WHERE id = md5('image 7')::uuid;",
        "UPDATE images SET width = width - 2 WHERE id = md5('image 7')::uuid;",
    )

    assert "unsafe: it permanently loses images.width: its former values, and no header says so" in reasons(part)


def test_values_that_change_places_are_caught(tried: Try) -> None:
    part = tried(
        "COMMENT ON TABLE images IS NULL;",
        """UPDATE images SET byte_size = other.byte_size FROM images AS other
        WHERE (images.id, other.id) IN ((uuid_7, uuid_8), (uuid_8, uuid_7));""".replace(
            "uuid_7", "md5('image 7')::uuid"
        ).replace("uuid_8", "md5('image 8')::uuid"),
    )

    assert "unsafe: it loses images.byte_size: its former values, but its header says" in rollback_reasons(part)


def test_a_loss_that_is_declared_needs_care(tried: Try) -> None:
    part = tried("ALTER TABLE images DROP COLUMN storage_key;", header="-- irreversible: the column is of no use")

    assert f"care: it permanently loses images.storage_key: {ROWS:,} of {ROWS:,} values, as its header says" in reasons(
        part
    )


def test_a_rollback_that_loses_rows_in_silence_is_caught(tried: Try) -> None:
    part = tried("CREATE TABLE other (id bigint);", "DROP TABLE other; DELETE FROM images;")

    assert (
        f"unsafe: it loses images: {ROWS:,} of {ROWS:,} rows, but its header says `-- loses: nothing`"
        in rollback_reasons(part)
    )
    assert (
        "unsafe: it loses other: every row written since, but its header says `-- loses: nothing`"
        in rollback_reasons(part)
    )
    assert part.apply.level == "safe"
    assert part.is_unproved


@pytest.mark.parametrize("lose", ["TRUNCATE images;", "DELETE FROM images WHERE true;"])
def test_a_table_that_is_emptied_is_not_filled_again(lose: str, tried: Try) -> None:
    part = tried(lose, "SELECT 1;")

    assert f"unsafe: it permanently loses images: {ROWS:,} of {ROWS:,} rows, and no header says so" in reasons(part)
    assert "NOT the same" in part.proved


def test_a_table_put_in_the_place_of_another_is_empty(tried: Try) -> None:
    part = tried(
        "ALTER TABLE images RENAME TO images_old; CREATE TABLE images (LIKE images_old INCLUDING ALL);",
        "DROP TABLE images; ALTER TABLE images_old RENAME TO images;",
    )

    assert part.reviewed.proof.lost_upwards == [f"images: {ROWS:,} of {ROWS:,} rows"]


def test_another_schema_s_table_is_not_taken_for_ours(tried: Try) -> None:
    part = tried(
        "CREATE SCHEMA archive; CREATE TABLE archive.images AS TABLE images; CREATE TEMP TABLE images (id bigint);",
        "DROP TABLE archive.images; DROP SCHEMA archive;",
        loses="the archive\n-- rows to lose: SELECT count(*) FROM archive.images",
    )

    assert [step.rewritten for step in part.reviewed.up.steps] == [[], [], []]
    assert part.reviewed.down
    assert [lock.relation for lock in part.reviewed.down.steps[0].locks] == ["archive.images"]
    assert part.reviewed.proof.at_stake == ["archive.images: every row written since"]


@pytest.mark.parametrize("also", ["", " DELETE FROM images;"])
def test_a_reason_why_a_loss_is_none_is_for_the_reader_to_judge(also: str, tried: Try) -> None:
    """That is for rows that are written later, never for rows that existed before."""
    reason = "nothing (each row follows from images)"

    part = tried("CREATE TABLE other (id bigint);", f"DROP TABLE other;{also}", loses=reason)

    said = f"care: it loses other: every row written since: confirm the reason in `-- loses: {reason}`"
    assert said in rollback_reasons(part)
    assert (
        f"unsafe: it loses images: {ROWS:,} of {ROWS:,} rows, but its header says" in rollback_reasons(part)
    ) == bool(also)
    assert part.is_unproved == bool(also)


def test_a_name_and_a_view_are_not_lost_with_the_rollback(tried: Try) -> None:
    part = tried(
        "ALTER TABLE images RENAME COLUMN title TO heading; CREATE MATERIALIZED VIEW n AS SELECT count(*) FROM images;",
        "DROP MATERIALIZED VIEW n; ALTER TABLE images RENAME COLUMN heading TO title;",
    )

    assert part.reviewed.proof.at_stake == []


def test_a_query_that_fails_on_its_own_schema_is_caught(tried: Try) -> None:
    wrong = releases.present().queries["get_image"].replace("    title,", "    titel,")

    part = tried("COMMENT ON TABLE images IS 'x';", queries={"get_image": wrong})

    assert 'unsafe: the query get_image of this release fails on its own schema: column "titel"' in reasons(part)
    assert part.order.startswith("none works")


def test_a_table_without_rows_is_said_to_be_so(tried: Try, copy: psycopg.Connection) -> None:
    copy.execute("CREATE TABLE notes (id bigint)")

    part = tried("CREATE INDEX notes_id_idx ON notes (id);")

    assert "care: it was tried without rows in notes, which may have many" in reasons(part)
    assert "notes 0" in part.tables


@pytest.mark.parametrize("type", ["point", "json", "money", "int[]", "tsvector"])
def test_values_of_any_type_are_told_apart(type: str, tried: Try, copy: psycopg.Connection) -> None:
    value = {"point": "(1,2)", "int[]": "{1,2}"}.get(type, "1")
    copy.execute(f"CREATE TABLE odd (id bigint PRIMARY KEY, value {type})".encode())
    copy.execute("INSERT INTO odd VALUES (1, %s)", [value])

    change = "UPDATE odd SET value = 'OTHER';".replace("OTHER", value.replace("1", "3"))
    part = tried(change, "SELECT 1;")

    assert part.reviewed.proof.lost == ["odd.value: its former values"]


def test_what_failed_is_not_said_to_be_known(tried: Try) -> None:
    part = tried("ALTER TABLE images ALTER COLUMN title SET NOT NULL;")

    assert "unsafe: it fails: line 3: column" in reasons(part)
    assert part.order == "not known: it was not applied"
    assert part.proved == "none: the migration or its rollback failed"


def test_a_failure_of_the_commit_is_not_the_last_statement_s(tried: Try) -> None:
    part = tried(
        "CREATE TABLE other (id uuid REFERENCES images DEFERRABLE INITIALLY DEFERRED);"
        "INSERT INTO other VALUES (md5('none')::uuid); COMMENT ON TABLE other IS 'x';"
    )

    assert "unsafe: it fails: at the commit: insert or update on table" in reasons(part)


def test_a_rollback_that_says_what_it_loses_needs_care(tried: Try) -> None:
    part = tried(
        "ALTER TABLE images ADD COLUMN rating smallint;",
        "ALTER TABLE images DROP COLUMN rating;",
        loses="the ratings\n-- rows to lose: SELECT count(*) FROM images WHERE rating IS NOT NULL",
    )

    assert rollback_reasons(part) == "care: it loses images.rating: every value written since, as its header says"
    assert part.apply.level == "safe"
    assert not part.is_unproved


def test_what_postgresql_generates_is_not_lost(tried: Try) -> None:
    part = tried(
        "ALTER TABLE images ADD COLUMN area bigint GENERATED ALWAYS AS (width * height) STORED;",
        "ALTER TABLE images DROP COLUMN area;",
    )

    assert rollback_reasons(part) == ""


def test_a_count_of_what_is_lost_that_counts_nothing_is_caught(tried: Try) -> None:
    part = tried(
        "CREATE TABLE other (id bigint);",
        "DROP TABLE other; DELETE FROM images;",
        loses="rows\n-- rows to lose: SELECT count(*) FROM other",
    )

    assert "unsafe: `-- rows to lose:` counts 0" in rollback_reasons(part)


def test_a_rollback_that_leaves_something_is_caught(tried: Try) -> None:
    part = tried(
        "CREATE TABLE other (id bigint); CREATE TABLE another (id bigint);",
        "DROP TABLE other;",
        loses="the others\n-- rows to lose: SELECT count(*) FROM other",
    )

    assert "+ table another" in rollback_reasons(part)
    assert (
        'unsafe: the second apply differs from the first: it fails: relation "another" already exists'
        in rollback_reasons(part)
    )
    assert part.reviewed.stuck


def test_what_breaks_the_previous_release_is_caught(tried: Try) -> None:
    part = tried(
        "ALTER TABLE images DROP COLUMN attributes;",
        header="-- irreversible: for a test",
        queries={"get_image": releases.present().queries["get_image"].replace(",\n        attributes\n", "\n")},
        kept=False,
    )

    assert (
        'unsafe: the query get_image of the previous release, this release, fails afterwards: column "attributes"'
        in reasons(part)
    )
    assert part.order.startswith("code first")
    assert "insert_image" in part.reviewed.broken


def test_a_rename_suits_neither_order(tried: Try) -> None:
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


def test_a_query_that_needs_the_migration_goes_after_it(tried: Try) -> None:
    part = tried(
        "ALTER TABLE images ADD COLUMN rating smallint;",
        queries={"get_rating": "-- example any: md5('image 1')::uuid\nSELECT rating FROM images WHERE id = $1;"},
    )

    assert part.order.startswith("schema first")
    assert list(part.reviewed.needed) == ["get_rating"]
    assert part.apply.level == "safe"


def test_an_index_scan_that_becomes_a_sequential_one_is_caught(tried: Try) -> None:
    part = tried("DROP INDEX CONCURRENTLY images_sha256_key;")

    assert "unsafe: get_image_by_sha256" in reasons(part)
    assert "now reads the whole of images" in reasons(part)
    plan = next(plan for plan in part.reviewed.plans if plan.query == "get_image_by_sha256")
    assert plan.changed
    assert plan.before
    assert plan.after
    assert plan.before.buffers < 10 < plan.after.buffers


def test_a_build_concurrently_is_safe_and_waits(tried: Try) -> None:
    part = tried(
        "CREATE INDEX CONCURRENTLY images_width_idx ON images (width);",
        "DROP INDEX CONCURRENTLY IF EXISTS images_width_idx;",
    )

    for run in (part.reviewed.up, part.reviewed.down):
        assert run
        [step] = run.steps
        assert step.waits
        assert ("images", "SHARE UPDATE EXCLUSIVE") in [(lock.relation, lock.mode) for lock in step.locks]
        assert run.blocks("reads") == run.blocks("writes") == 0
    assert part.apply.level == "safe"
    assert part.rollback
    assert part.rollback.level == "safe"


def test_another_name_for_an_index_is_no_other_plan(tried: Try) -> None:
    part = tried("ALTER INDEX images_sha256_key RENAME TO other_key;")

    assert part.reviewed.up.renamed == {"images_sha256_key": "other_key"}
    assert [plan.query for plan in part.reviewed.plans if plan.changed] == []


@pytest.mark.parametrize("names", [("COLUMN title TO heading", "COLUMN heading TO title"), ("TO pictures", None)])
def test_another_name_loses_nothing(names: tuple[str, str | None], tried: Try) -> None:
    there, back = names
    part = tried(
        f"ALTER TABLE images RENAME {there};",
        f"ALTER TABLE images RENAME {back};" if back else "ALTER TABLE pictures RENAME TO images;",
    )

    assert part.reviewed.proof.lost_upwards == part.reviewed.proof.lost == []


def test_a_slow_query_is_asked_again_only_where_its_plan_is_another(copy: psycopg.Connection) -> None:
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


def test_what_a_comment_allows_is_said() -> None:
    done = run_review("0003_turn_images_varchars_into_text", "--rows", "2000")

    assert "static and measured differ: a comment allows type-rewrite, because" in done.stdout
    assert "rollback not safe under traffic" in done.stdout
    assert done.returncode == 0  # what is asked for is to apply it, and the rollback undoes what it says


def test_a_change_of_only_the_system_catalog_is_safe(tried: Try) -> None:
    part = tried(
        "ALTER TABLE images ALTER COLUMN title SET DEFAULT '';", "ALTER TABLE images ALTER COLUMN title DROP DEFAULT;"
    )

    assert part.apply.level == "safe"
    assert part.reviewed.up.blocks("reads") > 0
    assert part.reviewed.proof.changes == [
        "- column images.title: text",
        "+ column images.title: text, default ''::text",
    ]
    assert "the same" in part.proved


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose name leaves room for a socket's."""
    with TemporaryDirectory() as folder:
        yield Path(folder)


def left_of(folder: Path) -> list[str]:
    """Files in a folder, and processes that work there."""
    lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    return [str(path) for path in folder.iterdir()] + [line for line in lines if str(folder) in line]


def run_review(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    command: list[str | Path] = [BIN / "images", "schema", "review", *arguments]
    return subprocess.run(command, env=environment(**variables), capture_output=True, text=True, timeout=120)


def test_the_command_needs_no_settings_and_leaves_nothing(short_path: Path) -> None:
    done = run_review("0005", "--rows", "2000", TMPDIR=str(short_path))
    assert done.stderr == 'error: there is no migration "0005".\nhint: did you mean 0005_index_images_newest?\n'
    assert done.returncode == ExitCode.USAGE

    done = run_review(str(FILES[4].with_suffix(".rollback.sql")), "--rows", "2000", TMPDIR=str(short_path))

    assert done.returncode == 0, done.stderr
    assert "0005_index_images_newest  safe under traffic" in done.stdout
    assert "line 16: CREATE INDEX CONCURRENTLY images_created_at_id_idx" in done.stdout
    assert done.stderr == "reviewing 0005_index_images_newest\n"
    assert left_of(short_path) == []


def test_the_command_uses_a_server_that_is_named_and_leaves_nothing_there(
    empty_database: str, admin: psycopg.Connection
) -> None:
    databases = "SELECT count(*) FROM pg_database WHERE datname LIKE 'images_review%'"

    done = run_review(
        "0002_set_images_defaults", "--rows", "100", "--format", "json", REVIEW_DATABASE_URL=empty_database
    )

    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["rows"] == 100
    [migration] = outcome["migrations"]
    assert migration["verdict"] == migration["rollback_verdict"] == "safe under traffic"
    [step] = migration["measured"]["up"]["steps"]
    assert [lock["mode"] for lock in step["locks"] if lock["relation"] == "images"] == ["ACCESS EXCLUSIVE"]
    assert admin.execute(databases).fetchone() == (0,)
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT to_regclass('images')").fetchone() == (None,)


def test_the_command_reviews_what_is_pending(empty_database: str) -> None:
    yoyo_on(empty_database, "apply", "--revision", FILES[-2].stem)

    pending = run_review("--rows", "100", DATABASE_URL=empty_database, REVIEW_DATABASE_URL=empty_database)
    yoyo_on(empty_database, "apply")
    nothing = run_review("--rows", "100", DATABASE_URL=empty_database, REVIEW_DATABASE_URL=empty_database)

    assert pending.stderr == f"reviewing {FILES[-1].stem}\n"
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert nothing.stderr == "nothing is pending: name the migrations to review\n"


@pytest.mark.parametrize("library", ["jinja2", "pygments"])
def test_without_the_tools_of_a_review_it_says_how_to_get_them(library: str) -> None:
    program = f"import sys; sys.modules['{library}'] = None; from app.cli import main; main.main()"
    command: list[str | Path] = [BIN / "python", "-c", program, "schema", "review"]

    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60)

    assert done.stderr == f"error: {library} is not installed.\nhint: make .venv/development\n"
    assert done.returncode == ExitCode.FAILED


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "words"),
    [
        (["0002_set_images_defaults", "--rows", "0"], {}, ExitCode.USAGE, "--rows"),
        (
            ["0002_set_images_default"],
            {},
            ExitCode.USAGE,
            'error: there is no migration "0002_set_images_default".\nhint: did you mean 0002_set_images_defaults?\n',
        ),
        ([], {"DATABASE_URL": "mysql://x"}, ExitCode.USAGE, "DATABASE_URL"),
        (["0002_set_images_defaults"], {"REVIEW_DATABASE_URL": "mysql://x"}, ExitCode.USAGE, "REVIEW_DATABASE_URL"),
        (
            ["0002_set_images_defaults"],
            {"REVIEW_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"},
            ExitCode.FAILED,
            "error: cannot connect to PostgreSQL at 127.0.0.1:1 (REVIEW_DATABASE_URL): connection refused.\n",
        ),
    ],
)
def test_an_argument_or_setting_that_is_wrong_is_an_error_without_a_report(
    arguments: list[str], variables: dict[str, str], code: ExitCode, words: str
) -> None:
    done = run_review(*arguments, **variables)

    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert (done.returncode, done.stdout) == (code, "")


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_review_that_is_stopped_leaves_nothing(ending: signal.Signals, short_path: Path) -> None:
    command: list[str | Path] = [BIN / "images", "schema", "review", FILES[-1].stem, "--rows", "50000000"]
    with subprocess.Popen(
        command, env=environment(TMPDIR=str(short_path)), stderr=subprocess.PIPE, text=True
    ) as review:
        assert review.stderr
        assert review.stderr.readline() == f"reviewing {FILES[-1].stem}\n"
        review.send_signal(ending)
        assert review.wait(60) == 128 + signal.SIGINT
        assert review.stderr.read() == ""
    assert left_of(short_path) == []


@pytest.mark.parametrize("format", ["text", "markdown", "html"])
def test_each_format_tells_verdict_reasons_locks_and_plans(tried: Try, format: str) -> None:
    part = tried(
        "DROP INDEX CONCURRENTLY images_sha256_key;",
        "CREATE UNIQUE INDEX CONCURRENTLY images_sha256_key ON images (sha256);",
    )

    text = render(report([part.reviewed], ROWS, "18.4", datetime.now(UTC)), format)

    for words in (
        "0012_try_it",
        "not safe under traffic",
        "now reads the whole of images",
        "SHARE UPDATE EXCLUSIVE on images",
        "Seq Scan on images",
        "index images_sha256_key: CREATE UNIQUE INDEX",
        "the same",
    ):
        plain = re.sub(r"<[^>]+>", "", text) if format == "html" else text.replace("\\", "")
        assert words in plain, words
    if format == "html":  # one file, in the style of the pages
        assert (ROOT / "app" / "static" / "style.css").read_text() in text
        assert '<span class="k">DROP</span> <span class="k">INDEX</span>' in text
        assert not re.search(r"<script|<link|\ssrc=|https?:", text)


def test_what_a_file_says_is_not_taken_for_markup(tried: Try) -> None:
    part = tried("COMMENT ON TABLE images IS '<script>|`x`';", "COMMENT ON TABLE images IS '</pre>';")
    done = report([part.reviewed], ROWS, "18.4", datetime.now(UTC))

    assert "<script>" not in render(done, "html")
    assert "COMMENT ON TABLE images IS '<script>\\|'x''" in render(done, "markdown")


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=n", "-c", "user.email=e@localhost", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def test_the_previous_release_is_the_commit_before_the_one_that_brought_the_file(tmp_path: Path) -> None:
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


def test_where_git_tells_nothing_there_is_no_previous_release(tmp_path: Path) -> None:
    assert releases.previous(tmp_path / "sql" / "migrations" / "0001_ask.sql") is None
    assert releases.previous(FILES[0]) is None


ALBUM_ROWS = """INSERT INTO albums (name, rating, code, address, seen_at)
    SELECT 'name', 1, n, '10.0.0.0/8', now() FROM generate_series(1, 5000) AS n"""


# What the static check holds against a migration and no measurement on a quiet server can show.
UNSEEN = {
    "blocking-index-drop": "it takes a moment, once the lock is granted",
    "concurrently-whole": "there is no INVALID index to be taken for a whole one",
    "create-if-not-exists": "that nothing is made is no harm done to anybody else",
    "hidden-ddl": "what is hidden is measured by itself",
    "lock-table": "it is held for a moment",
    "lock-timeout-off": "nobody is in the way",
    "session-setting": "it is felt by the migrations after it",
}
UNSEEN_CASES = {
    "a primary key by an index of what may be NULL": "the table is empty",
    "a merge beside DDL": "the lock comes last, and is short",
    "batches in a loop, in one transaction": "they are few, for a test",
    "a table put in another's place": "the rows that others add meanwhile are lost, and there are no others",
    "a query that deletes all": "it is a query, not a migration",
}
# Whether it reads the whole table is the planner's choice, and the view that it locks has five rows.
EITHER = {"a refresh"}
# A batch is more than a few rows of so small a table.
SMALL = {"a batch beside its column", "a batch by WITH"}
# What only a trial shows.
PROVED = {
    "a drop of an index": "list_images (first page) now reads the whole of images",
    "a drop that blocks nobody": "list_images (first page) now reads the whole of images",
    "a rollback that takes more than was brought": "the schema is not as before",
    "an example that is too short": "the query count_images of this release fails",
}


# Queries of each kind that read and write images, and what is kept beside it: the others use no more of it, and to ask
# them is half of the time.
FEW = {
    "delete_image",
    "find_contents",
    "get_content",
    "get_image",
    "get_image_by_sha256",
    "insert_image",
    "list_images",
    "list_images_by_terms",
    "update_image",
}


def with_one_example(query: str) -> str:
    for example in reversed(list(EXAMPLE.finditer(query))[1:]):
        query = query[: example.start()] + query[example.end() :]
    return query


@pytest.mark.parametrize("case", CASES, ids=str)
def test_each_case_of_the_corpus_measures_as_it_is_judged(case: Case, copy: psycopg.Connection, tmp_path: Path) -> None:
    if case.before:
        execute(copy, case.before, transactional=True)
    if copy.execute("SELECT to_regclass('albums')").fetchone() != (None,):
        copy.execute(ALBUM_ROWS)
        copy.execute("VACUUM ANALYZE albums")
    path = tmp_path / "0901_case.sql"
    mode = "" if case.transactional else "-- transactional: false\n"
    path.write_text(f"{mode}{'' if case.rollback else '-- irreversible: a case'}\n\n{case.sql}")
    if case.rollback:
        path.with_suffix(".rollback.sql").write_text(f"-- loses: what was brought\n{mode}\n{case.rollback}")
    queries = {Path(name).stem: text for name, text in (case.queries or {}).items()}
    few = {name: text for name, text in releases.present().queries.items() if name in FEW}
    release = Release("this", {name: with_one_example(text) for name, text in (few | queries).items()})

    done = review(copy, [path], {path.stem}, ROWS, release, lambda _: release, lambda *_: None)

    part = report(done, ROWS, "18", datetime.now(UTC)).parts[0]
    if VERSION < 18 and part.reviewed.up.error:
        pytest.skip("it needs PostgreSQL 18")
    measured = [part.apply.level] + ([part.rollback.level] if part.rollback else [])
    judged = {RULES[rule].level for rule in case.finds - UNSEEN.keys() if rule in RULES}
    if case.name in UNSEEN_CASES:
        assert ("unsafe" in measured, "unsafe" in judged) == (False, True)
    elif case.name in SMALL:
        assert f"reads {ROWS:,} rows of images" in reasons(part)
    elif case.name in PROVED:
        assert ("unsafe" in measured, "unsafe" in judged) == (True, False)
        assert PROVED[case.name] in reasons(part) + (rollback_reasons(part) if part.rollback else "")
    elif case.name not in EITHER:
        assert ("unsafe" in measured) == ("unsafe" in judged), reasons(part)
