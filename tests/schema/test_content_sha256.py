"""Migrations 0039 to 0049: sha256 and content_sha256 keep in step, whichever a release writes, and no value is lost."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import sqlparse
from psycopg.rows import args_row
from psycopg.sql import SQL, Identifier, Placeholder

from app.settings import ROOT
from tests.conftest import yoyo_on
from tests.schema.test_migrations import CONTRACTS
from tests.support.api import content_sha256
from tests.support.properties import given, settings, st

HASHES = st.binary(min_size=32, max_size=32).map(bytes.hex)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=66)
ODD = st.one_of(HASHES.map(str.upper), HASHES.map(lambda text: text[1:]), HASHES.map(lambda text: text + "\n"), TEXTS)
SHA256 = st.one_of(HASHES, ODD)
KEYS = st.one_of(st.just("derived"), st.just(""), TEXTS, st.just("sha256/ab"))
CONTENTS = st.one_of(
    HASHES.map(bytes.fromhex), ODD.map(content_sha256), st.binary(max_size=66), st.just(bytes(33)), st.just(bytes(34))
)
NULL = st.none()
OLD = st.fixed_dictionaries({}, optional={"sha256": SHA256 | NULL, "storage_key": KEYS | NULL})
NEW = st.fixed_dictionaries({}, optional={"content_sha256": CONTENTS | NULL, "own_key": TEXTS | NULL})
OTHER = st.fixed_dictionaries({}, optional={"title": st.just("Another")})
WRITES = st.one_of(OLD, NEW, OTHER, st.builds(lambda *parts: {**parts[0], **parts[1], **parts[2]}, OLD, NEW, OTHER))
INSERTED = {"filename": "a", "content_type": "b", "byte_size": 1, "width": 1, "height": 1}
# PostgreSQL rejects a wrong value by these. Each other error is a fault.
REJECTED = (psycopg.errors.CheckViolation, psycopg.errors.NotNullViolation, psycopg.errors.CharacterNotInRepertoire)


def test_no_statement_of_the_contract_rollback_reads_the_table_under_its_lock(expanded: psycopg.Connection) -> None:
    """VALIDATE reads it, and blocks neither reads nor writes. SET NOT NULL must find the proof."""
    file = next((ROOT / "sql" / "migrations").glob("*_relax_images_sha256.sql"))
    reading: list[str] = []
    expanded.execute(file.read_bytes())
    expanded.execute("SET client_min_messages = debug1")
    expanded.add_notice_handler(lambda notice: reading.append(notice.message_primary or ""))
    scans: dict[str, bool] = {}

    for statement in sqlparse.split(file.with_suffix(".rollback.sql").read_text()):
        reading.clear()
        expanded.execute(statement.encode())
        scans[statement] = 'verifying table "images"' in reading

    assert ["VALIDATE" in statement for statement, scanned in scans.items() if scanned] == [True]


def derived_key(sha256: str) -> str:
    return f"sha256/{sha256[:2]}/{sha256[2:4]}/{sha256}"


def text_of(content: bytes) -> str:
    return content.hex() if len(content) == 32 else content[33:].decode()


def with_key(write: dict[str, Any]) -> dict[str, Any]:
    if write.get("storage_key") == "derived":
        return write | {"storage_key": derived_key(write.get("sha256") or "ab" * 32)}
    return write


@pytest.fixture
def expanded(database: str) -> Iterator[psycopg.Connection]:
    """A database in which both releases write: its contract migrations are rolled back."""
    assert yoyo_on(database, "rollback", "-r", CONTRACTS[0]).returncode == 0
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


Row = tuple[str, str, bytes, str | None]  # sha256, storage_key, content_sha256, own_key


def write(connection: psycopg.Connection, statement: SQL, values: dict[str, Any]) -> Row | None:
    """Return the row after an INSERT or UPDATE. Return None if PostgreSQL rejected the values."""
    query = statement.format(
        columns=SQL(", ").join(map(Identifier, values)),
        values=SQL(", ").join(map(Placeholder, values)),
        changes=SQL(", ").join(SQL("{} = {}").format(Identifier(name), Placeholder(name)) for name in values),
        returning=SQL(", ").join(map(Identifier, ["sha256", "storage_key", "content_sha256", "own_key"])),
    )
    try:
        with connection.transaction(), connection.cursor(row_factory=args_row(lambda *row: row)) as cursor:
            return cursor.execute(query, values).fetchone()
    except REJECTED:
        return None


INSERT = SQL("INSERT INTO images ({columns}) VALUES ({values}) RETURNING {returning}")
UPDATE = SQL("UPDATE images SET {changes} RETURNING {returning}")


def agree(row: Row) -> bool:
    """Return whether both pairs of columns say the same."""
    sha256, storage_key, content, own_key = row
    return text_of(content) == sha256 and (derived_key(sha256) if own_key is None else own_key) == storage_key


def test_whatever_a_release_writes_the_other_reads(expanded: psycopg.Connection) -> None:
    """Any INSERT, and then any UPDATEs, of either pair of columns, or of both."""
    seen = {"accepted": 0, "rejected": 0}

    @settings(max_examples=300)
    @given(st.lists(WRITES, min_size=1, max_size=4))
    def check(writes: list[dict[str, Any]]) -> None:
        with expanded.transaction(force_rollback=True):
            before: Row | None = None
            for values in filter(None, map(with_key, writes)):
                row = write(expanded, UPDATE, values) if before else write(expanded, INSERT, INSERTED | values)
                seen["accepted" if row else "rejected"] += 1
                if not row:
                    continue
                assert agree(row), (before, values, row)
                is_old = values.get("sha256") is not None and not (before and values["sha256"] == before[0])
                if is_old:
                    assert row[0] == values["sha256"]
                elif values.get("content_sha256") is not None and not {"sha256", "storage_key"} & values.keys():
                    assert row[2] == values["content_sha256"]
                elif before and values.keys() == {"title"}:
                    assert row == before
                before = row

    check()
    assert min(seen.values()) > 50, seen


@pytest.mark.parametrize("change", [{"title": "x"}, {"storage_key": "y"}, {"sha256": "a" * 64}, {"tags": ["z"]}])
def test_an_edit_fills_a_row_that_the_backfill_has_not_reached(
    expanded: psycopg.Connection, change: dict[str, Any]
) -> None:
    expanded.execute("ALTER TABLE images DROP CONSTRAINT images_content_sha256_check")
    expanded.execute("ALTER TABLE images ALTER COLUMN content_sha256 DROP NOT NULL")
    for old in ({"sha256": "ab" * 32, "storage_key": derived_key("ab" * 32)}, {"sha256": "AB", "storage_key": "key"}):
        with expanded.transaction(force_rollback=True):
            expanded.execute("SET LOCAL session_replication_role = replica")  # as before the trigger was created
            unfilled = write(expanded, INSERT, INSERTED | old)
            assert unfilled
            assert not any(unfilled[2:])
            expanded.execute("SET LOCAL session_replication_role = origin")

            row = write(expanded, UPDATE, change)

            assert row is not None
            assert agree(row)
            assert row[:2] == tuple((old | change)[name] for name in old)
