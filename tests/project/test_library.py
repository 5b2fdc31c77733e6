"""A second project with other tables: every schema command and yoyo work on it as on the project of the program."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import psycopg
import pytest

from app.cli.main import run
from app.project import Project, chosen, current
from app.settings import ROOT
from tests.conftest import environment
from tests.support import forked

LIBRARY = Path(__file__).parent / "library"
IDS = ["0001_create_authors", "0002_index_books_author", "0003_fill_books_title_key"]
CHECK = b"""-- titles: finds books without a title.
-- table: books

SELECT count(*) AS faults, min(id::text) AS example FROM books WHERE id BETWEEN $1 AND $2 AND title IS NULL
"""
PACKAGES = ("lint", "migrations", "plan", "review", "schema")


def yoyo(database: str, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run yoyo in a folder below the library."""
    variables = environment(DATABASE_URL=database, **variables)
    return forked.run(variables, "yoyo", *arguments, folder=LIBRARY / "sql" / "queries")


@pytest.mark.usefixtures("library_role")
def test_the_commands_work_on_another_project(
    empty_database: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database)
    monkeypatch.setenv("REVIEW_DATABASE_URL", empty_database)

    def schema(*arguments: str) -> tuple[int, str]:
        code = run(["schema", "--project", os.path.relpath(LIBRARY), *arguments])
        output = capfd.readouterr()
        assert not output.err or arguments[0] == "review", output.err
        return code, output.out

    assert schema("check") == (0, "no findings\n")
    assert schema("check", str(LIBRARY / "sql" / "queries" / "list_books.sql")) == (0, "no findings\n")
    code, pending = schema("status", "--format", "json")
    assert (code, [each["id"] for each in json.loads(pending)["migrations"]]) == (1, IDS)
    code, plan = schema("plan", "--format", "json")
    assert (code, [each["id"] for each in json.loads(plan)["migrations"]]) == (1, IDS)
    code, report = schema("review", "--rows", "1000", "--format", "json")
    assert (code, re.findall(r"\b000\d_\w+", report)[0]) == (0, IDS[0])

    first = yoyo(empty_database, "apply", "-r", IDS[0])
    with psycopg.connect(empty_database) as connection:
        connection.execute(
            "INSERT INTO books (author_id, title) SELECT n, 'B ' || n FROM generate_series(1, 1500) AS n"
        )
    code, plan = schema("plan", "--format", "json")
    assert [each["backfill"] for each in json.loads(plan)["migrations"]] == ["", "books"]
    applied = yoyo(empty_database, "apply")

    assert (first.stderr, applied.stderr) == ("", "")
    assert re.findall(r"^applied (\w+)", first.stdout + applied.stdout, re.MULTILINE) == IDS
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT count(*) FROM books WHERE title_key = lower(title)").fetchone() == (1500,)
    code, filled = schema("backfill", "status")
    assert (code, filled.split()[:2]) == (0, ["done", IDS[2]])
    code, status = schema("status")
    assert (code, status.splitlines()[-1]) == (0, "drift: none, the schema matches schema.sql"), status
    assert schema("dump") == (0, (LIBRARY / "sql" / "schema.sql").read_text())
    monkeypatch.chdir(LIBRARY / "sql")
    assert run(["schema", "status"]) == 0
    with monkeypatch.context() as missing:
        missing.setattr(Project, "schema_file", property(lambda project: project.sql / "none.sql"))
        _, status = schema("status")
        assert status.splitlines()[-1] == (
            "drift: not compared, because there is no sql/none.sql. Write it: images schema dump --output sql/none.sql"
        )
        assert run(["schema", "drift"]) == 3
        assert capfd.readouterr().err.startswith("error: the schema cannot be compared, because sql/none.sql cannot")

    back = yoyo(empty_database, "rollback", "-r", IDS[1])

    assert (back.stderr, re.findall(r"^rolled back (\w+)", back.stdout, re.MULTILINE)) == ("", IDS[:0:-1])
    with psycopg.connect(empty_database) as connection:
        find = "SELECT to_regclass('authors'), to_regclass('books'), to_regclass('books_author_id_id_idx')"
        assert connection.execute(find).fetchone() == ("authors", "books", None)


def test_the_lock_is_that_of_the_project(empty_database: str) -> None:
    with psycopg.connect(empty_database) as other:
        other.execute("SELECT pg_advisory_lock(hashtextextended('library', 0))")

        waiting = yoyo(empty_database, "apply", MIGRATION_LOCK_WAIT="0")

    assert (waiting.returncode, waiting.stderr[:14]) == (3, "error: gave up"), waiting.stderr


def test_tables_of_the_project_in_another_schema_are_rejected(empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("CREATE TABLE books (); CREATE SCHEMA shelf")

    done = yoyo(f"{empty_database}&options=-csearch_path%3Dshelf,public", "apply")

    assert done.returncode == 3
    assert done.stderr.startswith(
        "error: the search_path leads to schema shelf, but schema public has the table books.\n"
    )


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("schema.sql", "status"),
        ("schema.sql", "drift"),
        ("drift.ignore", "drift"),
        ("verify/titles.sql", "verify"),
        ("verify/titles.repair.sql", "verify"),
        ("review/measured.json", "plan"),
        ("review/fill_books.sql", "review"),
        ("queries/list_books.sql", "review"),
    ],
)
def test_a_file_that_is_not_utf8_is_named(
    file: str,
    command: str,
    empty_database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database)
    monkeypatch.setenv("REVIEW_DATABASE_URL", empty_database)
    library = tmp_path / "library"
    shutil.copytree(LIBRARY, library)
    assert yoyo(empty_database, "apply", "-r", IDS[0 if command in {"plan", "review"} else -1]).returncode == 0
    for path in (file, file.replace(".repair", "")):
        (library / "sql" / path).parent.mkdir(exist_ok=True)
        with (library / "sql" / path).open("ab") as damaged:
            damaged.write(CHECK if path.startswith("verify/") else b"")
    with (library / "sql" / file).open("ab") as damaged:
        damaged.write(b"-- caf\xe9\n")

    assert run(["schema", "--project", str(library), command]) != 0

    assert f"sql/{file} cannot be read: byte 0xe9 is not UTF-8." in capfd.readouterr().err


@pytest.mark.parametrize(
    ("files", "variables", "message"),
    [
        ({}, {}, "there is no project: PLACE and the folders above it have no yoyo.ini."),
        ({}, {"SCHEMA_PROJECT": "/no/such"}, "SCHEMA_PROJECT: /no/such is not a project, because it has no yoyo.ini."),
        ({"yoyo.ini": "sources = x"}, {}, "PLACE/yoyo.ini has no section.\nhint: begin the file with"),
        ({"yoyo.ini": "[DEFAULT]\n"}, {}, "PLACE/yoyo.ini: `sources` must name one folder, not 0."),
        ({"yoyo.ini": "[DEFAULT]\nsources = a b\n"}, {}, "PLACE/yoyo.ini: `sources` must name one folder, not 2."),
        ({"pyproject.toml": "[tool"}, {}, "PLACE/pyproject.toml cannot be read: "),
        ({"pyproject.toml": "[tool.schema]\nnames = 'x'"}, {}, "PLACE/pyproject.toml: [tool.schema] names is unknown."),
        ({"pyproject.toml": "tool = 'x'"}, {}, "PLACE/pyproject.toml: [tool.schema] must be a table."),
        ({"pyproject.toml": "[tool]\nschema = [1]"}, {}, "PLACE/pyproject.toml: [tool.schema] must be a table."),
        ({"pyproject.toml": "[tool.schema]\nname = 7"}, {}, "PLACE/pyproject.toml: [tool.schema] name must be a text"),
        ({"pyproject.toml": "[tool.schema]\nname = 'A b'"}, {}, "PLACE/pyproject.toml: [tool.schema] name must be low"),
        ({"pyproject.toml": "[tool.schema]\ntables = 'x'"}, {}, "PLACE/pyproject.toml: [tool.schema] tables must be a"),
    ],
)
def test_a_missing_or_wrong_project_is_an_error_of_usage(
    files: dict[str, str],
    variables: dict[str, str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if files:
        (tmp_path / "yoyo.ini").write_text("[DEFAULT]\nsources = sql/migrations\n")
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    for command in (["check"], ["status"], ["review"], ["new", "Add a table"], ["accept", "--all"], ["dump"]):
        assert run(["schema", *command]) == 2
        output = capfd.readouterr()
        assert output.out == ""
        assert output.err.replace(str(tmp_path), "PLACE").startswith(f"error: {message}"), command
    assert run(["schema", "check", "--help"]) == 0


def test_a_project_is_found_from_a_folder_below_and_has_its_own_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "yoyo.ini").write_text("[DEFAULT]\nsources = %(here)s/db/migrations\n")
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql://127.0.0.1:1/nothing\n")
    below = tmp_path / "db" / "migrations" / "old"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    monkeypatch.delenv("DATABASE_URL", raising=False)

    with chosen():
        assert (current().folder, current().migrations) == (tmp_path, tmp_path / "db" / "migrations")
    assert run(["schema", "new", "Create shelves"]) == 0
    assert (tmp_path / "db" / "migrations" / "0001_create_shelves.sql").exists()
    assert run(["schema", "status"]) == 3
    assert "cannot connect to PostgreSQL at 127.0.0.1:1 (DATABASE_URL)" in capfd.readouterr().err
    assert current().folder == ROOT


def test_yoyo_rejects_a_variable_that_names_another_project(empty_database: str) -> None:
    done = yoyo(empty_database, "apply", SCHEMA_PROJECT=str(ROOT))

    assert done.returncode == 2
    assert done.stderr == (
        f"error: SCHEMA_PROJECT is {ROOT}, but yoyo reads {LIBRARY}/yoyo.ini.\n"
        "hint: unset SCHEMA_PROJECT: yoyo works on the project of the current folder\n"
    )


def test_the_packages_for_any_project_know_no_name_of_this_one() -> None:
    """The tables, indexes, functions and roles, and the name of the product. `tokens` is a word of parsers, too."""
    schema = (ROOT / "sql" / "schema.sql").read_text()
    names = set(re.findall(r"^CREATE (?:TABLE|FUNCTION|INDEX|UNIQUE INDEX) (\w+)", schema, re.MULTILINE))
    names = (names - {"tokens"}) | {"images", "catalogue", "images_app", "images_owner"}
    pattern = re.compile(rf"\b({'|'.join(sorted(names))})\b", re.IGNORECASE)
    files = [path for package in PACKAGES for path in (ROOT / "app" / package).rglob("*") if path.is_file()]
    files += [path for folder in ("migrator", "inspect", "review") for path in (ROOT / "sql" / folder).glob("*.sql")]
    service = {
        "consistency_images.sql",
        "keep_objects.sql",
        *(f"fill_images{each}.sql" for each in ("", ".0048", ".0054")),
        "fill_content_checks.sql",
    }

    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in files
        if path.suffix != ".pyc" and path.name not in service
        for match in pattern.finditer(path.read_text())
    ]

    assert len(names) > 20
    assert found == []
