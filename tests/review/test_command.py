"""`images schema review`: its report, its errors, and what it leaves behind."""

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import psycopg
import pytest

from app.errors import ExitCode
from app.review.report import render, report
from app.review.second_version import oldest
from app.settings import ROOT
from tests.conftest import BIN, environment, yoyo_on
from tests.schema.test_migrations import FILES
from tests.support.reviews import ROWS, Try, run_review


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose name leaves room for a socket's."""
    with TemporaryDirectory() as folder:
        yield Path(folder)


def left_of(folder: Path) -> list[str]:
    """Files in a folder, and processes that work there."""
    lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    return [str(path) for path in folder.iterdir()] + [line for line in lines if str(folder) in line]


def test_the_report_names_what_a_comment_allows() -> None:
    done = run_review("0003_turn_images_varchars_into_text", "--rows", "2000")

    assert "static and measured differ: a comment allows slow-under-lock, because" in done.stdout
    assert "; type-rewrite, because" in done.stdout
    assert "rollback not safe under traffic" in done.stdout
    assert done.returncode == 0  # applying it is safe, and the rollback does what its header says
    other = oldest()
    assert (f"and without traffic on {other}." in done.stdout) == (other is not None)
    assert "on PostgreSQL" not in done.stdout.replace("migration on PostgreSQL 18", "")  # it does the same there


def test_the_command_needs_no_settings_and_leaves_nothing(short_path: Path) -> None:
    done = run_review("000", "--rows", "2000", TMPDIR=str(short_path))
    assert done.stderr.startswith("error: 000 could be any of these migrations: 0001_create_images, ")
    assert done.returncode == ExitCode.USAGE

    done = run_review(
        "0005", str(FILES[4].with_suffix(".rollback.sql")), "--rows", "2000", "--latest-only", TMPDIR=str(short_path)
    )

    assert done.returncode == 0, done.stderr
    assert "0005_index_images_newest  safe under traffic" in done.stdout
    assert "line 16: CREATE INDEX CONCURRENTLY images_created_at_id_idx" in done.stdout
    assert done.stderr.splitlines()[0] == "reviewing 0005_index_images_newest"
    assert left_of(short_path) == []


def test_the_command_uses_the_server_of_review_database_url_and_leaves_nothing_there(
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


def test_the_command_reviews_the_pending_migrations(database: str) -> None:
    yoyo_on(database, "rollback")

    pending = run_review("--rows", "100", DATABASE_URL=database, REVIEW_DATABASE_URL=database)
    yoyo_on(database, "mark", "--all")
    nothing = run_review("--rows", "100", DATABASE_URL=database, REVIEW_DATABASE_URL=database)

    assert pending.stderr.splitlines()[0] == f"reviewing {FILES[-1].stem}"
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert nothing.stderr == "nothing is pending: name the migrations to review\n"


@pytest.mark.parametrize("library", ["jinja2", "pygments"])
def test_without_its_libraries_the_command_prints_how_to_install_them(library: str) -> None:
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
            ["0002_set_image_defaults"],
            {},
            ExitCode.USAGE,
            'error: there is no migration "0002_set_image_defaults".\nhint: did you mean 0002_set_images_defaults?\n',
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
def test_an_interrupted_review_leaves_nothing(ending: signal.Signals, short_path: Path) -> None:
    command: list[str | Path] = [BIN / "images", "schema", "review", FILES[-1].stem, "--rows", "50000000"]
    with subprocess.Popen(
        command, env=environment(TMPDIR=str(short_path)), stderr=subprocess.PIPE, text=True
    ) as review:
        assert review.stderr
        assert review.stderr.readline() == f"reviewing {FILES[-1].stem}\n"
        review.send_signal(ending)
        assert review.wait(60) == 128 + signal.SIGINT
        assert review.stderr.read() == "interrupted\n"
    assert left_of(short_path) == []


@pytest.mark.parametrize("format", ["text", "markdown", "html"])
def test_each_format_has_verdict_reasons_locks_and_plans(tried: Try, format: str) -> None:
    part = tried(
        "DROP INDEX CONCURRENTLY images_content_sha256_key;",
        "CREATE UNIQUE INDEX CONCURRENTLY images_content_sha256_key ON images (content_sha256);",
    )

    text = render(report([part.reviewed], ROWS, "18.4", datetime.now(UTC)), format)

    for words in (
        "0012_try_it",
        "not safe under traffic",
        "now reads the whole of images",
        "SHARE UPDATE EXCLUSIVE on images",
        # The text has a line for each plan, the other formats the plans.
        "the plans before and after: --format html" if format == "text" else "Seq Scan on images",
        "index images_content_sha256_key: CREATE UNIQUE INDEX",
        "the same",
    ):
        plain = re.sub(r"<[^>]+>", "", text) if format == "html" else text.replace("\\", "")
        assert words in plain, words
    if format == "html":  # one file, in the style of the pages
        assert (ROOT / "app" / "static" / "style.css").read_text() in text
        assert '<span class="k">DROP</span> <span class="k">INDEX</span>' in text
        assert not re.search(r"<script|<link|\ssrc=|https?:", text)


def test_the_text_of_a_file_is_escaped(tried: Try) -> None:
    part = tried("COMMENT ON TABLE images IS '<script>|`x`';", "COMMENT ON TABLE images IS '</pre>';")
    done = report([part.reviewed], ROWS, "18.4", datetime.now(UTC))

    assert "<script>" not in render(done, "html")
    assert "COMMENT ON TABLE images IS '<script>\\|'x''" in render(done, "markdown")
