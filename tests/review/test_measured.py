"""Measurements of `images schema review --save`: what is saved is read again, and files that are gone are forgotten."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from app.errors import CommandError
from app.review.measure import measure
from app.review.measured_times import FILE, MeasuredFile, MeasuredStatement, load, save
from app.schema.digest import digest

LOCK = SimpleNamespace(relation="images", table="images", mode="SHARE")
STRONGER = SimpleNamespace(relation="images", table="images", mode="ACCESS EXCLUSIVE")
INDEX = SimpleNamespace(relation="images_title_idx", table="images", mode="ACCESS EXCLUSIVE")


def measured(path: Path, *, error: str | None = None, is_idle: bool = False) -> Any:
    step = SimpleNamespace(milliseconds=1.26, whole_milliseconds=0.0, locks=[STRONGER, LOCK, INDEX])
    run = SimpleNamespace(error=error, steps=[step], found_nothing=is_idle, speed=0.012)
    return SimpleNamespace(path=path, up=run, down=None, rows={"images": 20, "_yoyo_migration": 3})


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "review").mkdir()
    first, second = (tmp_path / "migrations" / f"{name}.sql" for name in ("0001_one", "0002_two"))
    first.write_text("SELECT 1;\n")
    second.write_text("SELECT 2;\n")
    assert load(tmp_path) == {}

    third = tmp_path / "migrations" / "0003_three.sql"
    third.write_text("SELECT 3;\n")

    save(tmp_path, [measured(first), measured(second, error="it failed"), measured(third, is_idle=True)], "18.6")

    expected = MeasuredFile({"images": 20}, [MeasuredStatement(1.3, {"images": "ACCESS EXCLUSIVE"})], 0.012)
    assert load(tmp_path) == {digest(first.read_bytes()).current: expected}

    save(tmp_path, [measured(second)], "18.6")
    assert [*load(tmp_path)] == [digest(path.read_bytes()).current for path in (first, second)]
    first.unlink()
    save(tmp_path, [], "18.6")
    assert [*load(tmp_path)] == [digest(second.read_bytes()).current]


@pytest.mark.parametrize(
    "text", ["", '{"x', "[]", "7", "{}", '{"files": []}', '{"files": {"a": 1}}', '{"files": {"a": {"rows": 1}}}']
)
def test_a_damaged_file_is_an_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "review").mkdir()
    (tmp_path / FILE).write_text(text)

    for use in (load, lambda folder: save(folder, [], "18.6")):
        with pytest.raises(CommandError, match=r"measured\.json is not a file of `images schema review --save`"):
            use(tmp_path)
    assert (tmp_path / FILE).read_text() == text


def test_a_loop_that_found_nothing_to_write_is_known(connection: psycopg.Connection, tmp_path: Path) -> None:
    """Its time would be that of reading only."""
    connection.execute("CREATE TABLE items AS SELECT n FROM generate_series(1, 10) AS n")
    path = tmp_path / "0002_fill_items.sql"
    found = []
    for _ in range(2):
        path.write_text("DO $$ BEGIN DELETE FROM items WHERE n = 1; COMMIT; END $$;\n")
        found.append(measure(connection, path, transactional=False).found_nothing)

    assert found == [False, True]
