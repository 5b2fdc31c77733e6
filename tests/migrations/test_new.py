"""New migrations: `images schema new` and `yoyo new --sql` make both files by the project's pattern."""

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from app.errors import UsageError
from app.migrations.new_migration import MAX_NAME, create
from app.migrations.validation import faults
from app.schema.files import NAME
from app.settings import ROOT
from tests.conftest import BIN, environment
from tests.support.properties import given, st


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Another project, in the folder of which there is no `.venv`."""
    (tmp_path / "yoyo.ini").write_text((ROOT / "tests" / "project" / "library" / "yoyo.ini").read_text())
    (tmp_path / "sql" / "migrations").mkdir(parents=True)
    create("Create orders", tmp_path / "sql" / "migrations")
    return tmp_path


def yoyo_new(project: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [str(BIN / "yoyo"), "new", *arguments]
    return subprocess.run(command, cwd=project, env=environment(), capture_output=True, text=True, timeout=60)


def test_create_makes_a_migration_and_its_rollback_with_headers(tmp_path: Path) -> None:
    first = create("Create a table.", tmp_path)
    second = create("Index images' title, soon", tmp_path)

    assert first.name == "0001_create_a_table.sql"
    assert "depends" not in first.read_text()
    assert second.name == "0002_index_images_title_soon.sql"
    assert second.read_text() == (
        "-- Index images' title, soon.\n--\n-- What:\n-- Why:\n-- Locks:\n-- Cost:\n-- depends: 0001_create_a_table\n\n"
    )
    assert second.with_suffix(".rollback.sql").read_text() == (
        "-- Rolls back 0002_index_images_title_soon.\n--\n-- loses:\n-- Locks:\n-- Cost:\n\n"
    )


def test_the_first_migration_makes_its_folder(tmp_path: Path) -> None:
    path = create("Create orders", tmp_path / "sql" / "migrations")

    assert path == tmp_path / "sql" / "migrations" / "0001_create_orders.sql"
    assert path.exists()


@given(st.text(max_size=150))
def test_any_message_makes_a_right_name_or_is_rejected(message: str) -> None:
    with TemporaryDirectory() as folder:
        try:
            path = create(message, Path(folder))
        except UsageError:
            assert list(Path(folder).iterdir()) == []
            return

        assert NAME.fullmatch(path.name)
        assert len(path.stem) <= MAX_NAME + len("0001_")
        # A line break in the message adds no line to the header, and so no statement and no directive.
        assert len(path.read_text().split("\n")) == 8
        assert {fault.what for fault in faults(Path(folder))} <= {"has no statement", "`-- loses:` is empty"}


def test_accents_are_removed_from_the_name(tmp_path: Path) -> None:
    assert create("Index Ümlaut, größe", tmp_path).name == "0001_index_umlaut_grosse.sql"


def test_letters_that_have_no_ascii_form_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot contain") as raised:
        create("Index 猫", tmp_path)

    assert raised.value.hint is not None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("message", ["", "...", "-- \n", "x" * (MAX_NAME + 1)])
def test_a_message_without_a_name_is_rejected(message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        create(message, tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_yoyo_new_makes_both_files(project: Path) -> None:
    done = yoyo_new(project, "--sql", "-m", "Index orders' title, soon")

    names = [f"sql/migrations/0002_index_orders_title_soon{ending}" for ending in (".sql", ".rollback.sql")]
    assert (done.returncode, done.stdout.split()) == (0, names), done.stderr
    assert "\n-- depends: 0001_create_orders\n" in (project / names[0]).read_text()
    assert (project / names[1]).exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-m", "Index images title"], "error: migrations are plain SQL.\n"),
        ([], "error: migrations are plain SQL.\n"),
        (["--sql"], "error: the message has no letters or digits.\n"),
        (["--sql", "-m", "..."], "error: the message has no letters or digits.\n"),
    ],
)
def test_yoyo_new_says_that_it_created_nothing(project: Path, arguments: list[str], message: str) -> None:
    folder = project / "sql" / "migrations"
    before = set(folder.iterdir())

    done = yoyo_new(project, *arguments)

    assert done.returncode == 2
    assert done.stderr.startswith(message)
    assert done.stderr.splitlines()[1].startswith("hint: ")
    assert (done.stdout, set(folder.iterdir())) == ("", before)
