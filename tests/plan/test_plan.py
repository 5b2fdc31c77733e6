"""Plan of an apply and of a rollback: what it says about one live database, and that it neither writes nor waits."""

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg.errors import LockNotAvailable
from pydantic import SecretStr
from yoyo import read_migrations

from app.errors import UsageError
from app.migrations.connection import run
from app.migrations.data_loss import count_rows
from app.plan.effects import Effects, Work
from app.plan.estimate import CONSTANT, Rows, seconds
from app.plan.live import Live, Table, read_live
from app.plan.model import Plan, PlannedLock, PlannedMigration, PlannedStatement
from app.plan.plan import down_to, make_plan
from app.plan.planner import _hold
from app.plan.render import as_json, as_text
from app.plan.verdict import verdict_of
from app.review import measured_times
from app.schema.digest import digest
from app.schema.headers import directives
from app.settings import Settings
from tests.conftest import as_role, backend_on
from tests.schema.test_migrations import FILES, FOLDER, IDS
from tests.support import forked
from tests.support.waiting import wait_until


@pytest.fixture
def own(database: str) -> Settings:
    return Settings(_env_file=None, database_url=SecretStr(database), storage_url="file:/tmp", auth="none")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sql = tmp_path / "sql"
    shutil.copytree(FOLDER, sql / "migrations")
    shutil.copytree(FOLDER.parent / "review", sql / "review")
    return sql / "migrations"


def add(folder: Path, name: str, up: str, down: str = "SELECT 1;", loses: str = "nothing", header: str = "") -> str:
    """Write one more migration and its rollback. Return its ID."""
    last = max(path.stem for path in folder.glob("*.sql") if ".rollback" not in path.name)
    id = f"{int(last[:4]) + 1:04}_{name}"
    (folder / f"{id}.sql").write_text(f"-- Tries.\n-- depends: {last}\n{header}\n{up}\n")
    (folder / f"{id}.rollback.sql").write_text(f"-- Undoes.\n-- loses: {loses}\n{header}\n{down}\n")
    return id


def reasons(plan: Plan) -> str:
    return "\n".join(f"{reason.level}: {reason.text}" for reason in verdict_of(plan).reasons)


@pytest.fixture
def holder(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, application_name="nightly") as connection:
        yield connection
        connection.rollback()


def test_an_up_to_date_database_has_nothing_to_do(database: str) -> None:
    done = forked.run({"DATABASE_URL": database}, "images", "schema", "plan")

    assert (done.returncode, done.stdout) == (0, "nothing to do: no migration is pending\n"), done.stderr


def test_a_pending_migration_has_its_locks_work_and_time(own: Settings, folder: Path, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO images (filename, content_type, byte_size, width, height, content_sha256, own_key) "
            "SELECT 'x', 'image/png', 1, 1, 1, sha256(n::text::bytea), 'k' FROM generate_series(1, 2000) AS n"
        )
        connection.execute("ANALYZE images")
        connection.execute("SELECT pg_stat_force_next_flush()")
    first = add(folder, "add_notes", "CREATE TABLE notes (id bigint);\nALTER TABLE images ADD COLUMN a int;")
    add(folder, "index_notes", "CREATE INDEX notes_id_idx ON notes (id);")
    add(folder, "drop_notes_index", "DROP INDEX notes_id_idx;")
    add(folder, "number_images", "ALTER TABLE images ADD COLUMN n uuid DEFAULT gen_random_uuid();")

    plan = make_plan(own, folder=folder)

    assert plan.exit_code == 1
    assert verdict_of(plan).level == "yes"
    adding, indexing, dropping, numbering = plan.migrations
    assert adding.id == first
    assert [(lock.relation, lock.mode, lock.blocks) for each in adding.statements for lock in each.locks] == [
        ("images", "ACCESS EXCLUSIVE", ["reads", "writes", "other DDL"])
    ]
    assert adding.statements[1].work == []
    # The table and the index of the migrations before are known, although the database does not have them.
    assert indexing.statements[0].work == ["builds an index over no rows of notes"]
    assert {lock.relation for lock in dropping.statements[0].locks} == {"notes", "notes_id_idx"}
    assert numbering.statements[0].work == ["rewrites images and its indexes, about 2,000 rows"]
    assert numbering.seconds is not None
    assert 0.01 < numbering.seconds < 1
    assert plan.tables["images"].rows == 2000
    assert plan.tables["images"].writes >= 2000
    assert "number_images" in as_text(plan)
    fields = json.loads(as_json(plan))
    assert fields["verdict"] == "yes"
    assert fields["migrations"][3]["statements"][0]["locks"][0]["mode"] == "ACCESS EXCLUSIVE"


def test_a_hidden_transaction_that_soon_ends_is_not_in_the_way(
    admin: psycopg.Connection, database: str, holder: psycopg.Connection
) -> None:
    """Only a member of pg_read_all_stats sees how old the transactions of other roles are."""
    admin.execute("CREATE ROLE outsider_of_statistics LOGIN")
    try:
        with (
            psycopg.connect(as_role(database, "outsider_of_statistics"), autocommit=True) as connection,
            psycopg.connect(database) as passing,
        ):
            holder.execute("SELECT FROM images LIMIT 0")
            passing.execute("SELECT FROM images LIMIT 0")
            end = threading.Timer(0.1, passing.rollback)
            end.start()
            live = read_live(connection)
            end.join()
    finally:
        admin.execute("DROP ROLE outsider_of_statistics")

    [blocker] = live.blockers("images", "ACCESS EXCLUSIVE")
    assert blocker.process == holder.info.backend_pid
    assert str(blocker).endswith("its statement is hidden from this role, GRANT pg_monitor shows it")


def test_a_session_that_blocks_a_statement_is_named_and_no_other(
    own: Settings, folder: Path, holder: psycopg.Connection
) -> None:
    add(folder, "add_column", "ALTER TABLE images ADD COLUMN a int;")
    holder.execute("SELECT FROM images")
    holder.execute("LOCK TABLE tokens IN ACCESS EXCLUSIVE MODE")  # blocks no statement of the plan
    holder.execute("SELECT pg_sleep(1.05)")  # as long as PASSING, so that the plan advises to wait

    plan = make_plan(own, folder=folder)

    assert verdict_of(plan).level == "not now"
    (lock,) = plan.migrations[0].statements[0].locks
    (blocker,) = lock.blockers
    assert (blocker.process, blocker.mode) == (holder.info.backend_pid, "ACCESS SHARE")
    assert f"process {blocker.process} (nightly) holds ACCESS SHARE on images" in reasons(plan)
    assert "tokens" not in reasons(plan)


def test_a_prepared_transaction_that_blocks_a_statement_is_named_by_its_gid(
    own: Settings, folder: Path, holder: psycopg.Connection, database: str
) -> None:
    if holder.execute("SHOW max_prepared_transactions").fetchone() == ("0",):
        pytest.skip("this server allows no prepared transactions")
    add(folder, "add_column", "ALTER TABLE images ADD COLUMN a int;")
    holder.execute("LOCK TABLE images IN SHARE MODE")
    holder.execute("PREPARE TRANSACTION 'two; phases'")
    holder.commit()
    try:
        plan = make_plan(own, folder=folder)
        assert verdict_of(plan).level == "not now"
        assert "prepared transaction 'two; phases' holds SHARE on images" in reasons(plan)
    finally:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("ROLLBACK PREPARED 'two; phases'")


def test_the_plan_waits_for_no_lock_and_writes_nothing(
    own: Settings, folder: Path, holder: psycopg.Connection, database: str
) -> None:
    add(folder, "fill_images", "UPDATE images SET title = 'x' WHERE title IS NULL;")
    holder.execute("LOCK TABLE images, tokens, _yoyo_log IN ACCESS EXCLUSIVE MODE")
    before = holder.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())").fetchone()

    plan = make_plan(own, folder=folder)
    rollback = make_plan(own, "rollback", down_to("0026"), folder=FOLDER)

    assert plan.migrations[0].statements[0].locks[0].blockers[0].mode == "ACCESS EXCLUSIVE"
    assert [each.rows_to_lose for each in rollback.migrations if each.id == "0026_create_tokens"] == [None]
    assert holder.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())").fetchone() == before


CONCURRENT = {
    "build": "CREATE INDEX CONCURRENTLY images_title_idx ON images (title);",
    "rebuild": "REINDEX INDEX CONCURRENTLY images_created_at_id_idx;",
    "drop": "DROP INDEX CONCURRENTLY IF EXISTS images_camera_idx;",
}


@pytest.mark.parametrize(
    ("work", "waiting"),
    [
        ("SELECT FROM images", {"rebuild", "drop"}),
        ("DELETE FROM images", {"build", "rebuild", "drop"}),
        ("DELETE FROM images; PREPARE TRANSACTION 'deletes'", {"build", "rebuild", "drop"}),
        ("SELECT FROM images FOR UPDATE", {"rebuild", "drop"}),
        ("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT", {"build", "rebuild"}),
        ("DELETE FROM tokens", set()),
    ],
    ids=["reader", "writer", "prepared", "row lock", "snapshot", "other table"],
)
def test_what_is_concurrent_waits_for_the_transactions_of_its_table(
    own: Settings, folder: Path, holder: psycopg.Connection, database: str, work: str, waiting: set[str]
) -> None:
    """The migrator and PostgreSQL agree: the statement of each one that waits meets its lock_timeout."""
    if "PREPARE" in work and holder.execute("SHOW max_prepared_transactions").fetchone() == ("0",):
        pytest.skip("this server allows no prepared transactions")
    holder.rollback()
    for name, statement in CONCURRENT.items():
        add(folder, f"{name}_index", statement, "VACUUM images;", header="-- transactional: false\n")
    process = None if "PREPARE" in work else holder.info.backend_pid
    for statement in work.split("; "):
        holder.execute(statement.encode())

    plan = make_plan(own, folder=folder)

    found = {each.id[5:].removesuffix("_index"): each.statements[0].waits_for for each in plan.migrations}
    assert {name: {each.process for each in users} for name, users in found.items()} == {
        name: {process} if name in waiting else set() for name in CONCURRENT
    }
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SET lock_timeout = '100ms'")
        for name, statement in CONCURRENT.items():
            with pytest.raises(LockNotAvailable) if name in waiting else nullcontext():
                connection.execute(statement.encode())
        if process is None:
            connection.execute("ROLLBACK PREPARED 'deletes'")


def test_a_session_that_queues_for_a_lock_blocks_too(
    own: Settings, folder: Path, holder: psycopg.Connection, database: str
) -> None:
    call = "EXECUTE FUNCTION suppress_redundant_updates_trigger()"
    add(folder, "create_trigger", f"CREATE TRIGGER skips BEFORE UPDATE ON images FOR EACH ROW {call};")
    holder.execute("SELECT FROM images")  # the trigger does not wait for a reader
    with psycopg.connect(database) as queue:
        thread = threading.Thread(target=queue.execute, args=("LOCK TABLE images",))
        thread.start()
        wait_until(lambda: holder.execute("SELECT FROM pg_locks WHERE NOT granted").rowcount)

        [blocker] = make_plan(own, folder=folder).migrations[0].statements[0].locks[0].blockers

        assert blocker.process == queue.info.backend_pid
        assert f"process {blocker.process} (no application_name) waits for ACCESS EXCLUSIVE on images" in str(blocker)
        holder.rollback()
        thread.join()


BLOCK = "-- transactional: false\n\nDO $$ BEGIN UPDATE images SET title = 'a' WHERE title = 'b'; COMMIT; END $$;\n"
BACKFILL = "-- backfill: images\n\nUPDATE images SET title = title WHERE id BETWEEN $1 AND $2;\n"


@pytest.mark.parametrize(("up", "down"), [(BACKFILL, "\nSELECT 1;\n"), (BLOCK, BLOCK)], ids=["backfill", "block"])
def test_batches_wait_for_transactions_that_wrote(
    own: Settings, folder: Path, holder: psycopg.Connection, up: str, down: str
) -> None:
    id = add(folder, "fill_titles", "")
    (folder / f"{id}.sql").write_text((folder / f"{id}.sql").read_text().rstrip() + f"\n{up}")
    (folder / f"{id}.rollback.sql").write_text(f"-- loses: nothing\n{down}")
    holder.execute("DELETE FROM images")

    plan = make_plan(own, folder=folder)

    assert [each.process for each in plan.migrations[0].statements[0].waits_for] == [holder.info.backend_pid]


def test_the_time_of_each_shipped_backfill_is_that_of_all_its_rows() -> None:
    """The saved time of a batch of 100 rows would be less than a microsecond a row."""
    known = measured_times.load(FOLDER.parent)
    backfills = {path: directives(path)["backfill"] for path in FILES if "backfill" in directives(path)}

    assert backfills
    for path, table in backfills.items():
        file = known[digest(path.read_bytes()).current]
        assert file.statements[0].milliseconds > file.rows[table] / 1000, path.name


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO tried VALUES ({}, 'a');",
        "UPDATE tried SET word = 'b' WHERE id = {};",
        "DELETE FROM tried WHERE word = 'c' AND tried.id = {}::bigint;",
        "COMMENT ON COLUMN images.title IS 'number {}';",
    ],
)
def test_many_small_statements_take_milliseconds_together(
    statement: str, own: Settings, folder: Path, database: str
) -> None:
    add(folder, "create_tried", "CREATE TABLE tried (id bigint PRIMARY KEY, word text NOT NULL);")
    with backend_on(database) as backend:
        backend.apply_migrations(read_migrations(str(folder)))
    with psycopg.connect(database) as connection:
        connection.execute("INSERT INTO tried SELECT n, 'a' FROM generate_series(-100000, -1) AS n")
        connection.execute("ANALYZE tried")
    id = add(folder, "change_tried", "\n".join(statement.format(number) for number in range(1000)))

    [planned] = make_plan(own, folder=folder).migrations
    assert planned.id == id
    assert 0.1 < (planned.seconds or 0) < 1  # 0.1 s were measured


def test_the_rows_in_values_count(own: Settings, folder: Path, database: str) -> None:
    add(folder, "create_tried", "CREATE TABLE tried (id bigint PRIMARY KEY);")
    with backend_on(database) as backend:
        backend.apply_migrations(read_migrations(str(folder)))
    values = ", ".join(f"({number})" for number in range(20_000))
    add(folder, "fill_tried", f"INSERT INTO tried VALUES {values};")  # noqa: S608

    [planned] = make_plan(own, folder=folder).migrations

    assert (planned.seconds or 0) > 2 * CONSTANT


def test_a_backfill_holds_its_locks_for_a_batch() -> None:
    lock = PlannedLock("images", "ROW EXCLUSIVE", [], None, [])
    statement = PlannedStatement(1, "UPDATE images SET title = ''", 100.0, locks=[lock])
    migration = PlannedMigration("0001_a", "A", True, backfill="images", statements=[statement])

    _hold(migration)

    assert (migration.seconds, statement.locks[0].seconds) == (100.0, 0.05)


def test_what_cannot_be_read_is_said(own: Settings, folder: Path) -> None:
    add(
        folder,
        "hide_change",
        "DO $$ BEGIN EXECUTE 'ALTER TABLE images ADD ' || current_user || ' int'; END $$;",
    )

    plan = make_plan(own, folder=folder)

    assert verdict_of(plan).level == "with care"
    assert plan.migrations[0].seconds is None
    assert "cannot tell its locks and its time" in as_text(plan)


def test_a_rollback_counts_what_it_would_lose_now(own: Settings, database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(
            "INSERT INTO tokens (id, name, scope, sha256) VALUES (gen_random_uuid(), 'a', 'read', sha256('a'))"
        )

    plan = make_plan(own, "rollback", down_to("0026"))

    assert [each.id for each in plan.migrations] == [id for id in reversed(IDS) if id >= "0026"]
    assert plan.migrations[-1].rows_to_lose == 1
    assert verdict_of(plan).level == "no"
    losing = "0035_create_token_events 0026_create_tokens"
    assert f"no: back up first. To lose the rows, set ACCEPT_DATA_LOSS='{losing}'" in reasons(plan)
    accepted = own.model_copy(
        update={"accept_data_loss": "0026_create_tokens,0032_add_tokens_columns,0035_create_token_events"}
    )
    assert verdict_of(make_plan(accepted, "rollback", down_to("0026"))).level == "yes"


def test_a_rollback_that_can_lose_rows_counts_them_under_a_lock(own: Settings, folder: Path, database: str) -> None:
    """The migrator takes this lock, so that no row comes in between the count and the rollback."""
    file = folder / f"{IDS[-1]}.rollback.sql"
    query = "SELECT (SELECT count(*) FROM tokens) + length(pg_sleep(0.2)::text)"
    file.write_text(file.read_text().replace("-- loses: nothing", f"-- loses: tokens\n-- rows to lose: {query}"))

    [planned] = make_plan(own, "rollback", down_to(IDS[-1]), folder).migrations
    accepted = own.model_copy(update={"accept_data_loss": "all"})
    [without] = make_plan(accepted, "rollback", down_to(IDS[-1]), folder).migrations

    [lock] = planned.statements[0].locks
    assert (planned.statements[0].sql, lock.relation, lock.mode) == (query, "tokens", "ACCESS EXCLUSIVE")
    assert planned.seconds is not None
    assert planned.seconds > 0.4
    assert lock.seconds is not None
    assert 0.2 < lock.seconds < planned.seconds - 0.19
    assert query not in [each.sql for each in without.statements]
    with psycopg.connect(database, autocommit=True) as connection, connection.transaction():
        assert count_rows(connection, query, IDS[-1]) == 0
        run(connection, "lock_counted")
        held = connection.execute("SELECT mode FROM pg_locks WHERE relation = 'tokens'::regclass").fetchall()
        assert ("AccessExclusiveLock",) in held


def test_a_problem_of_the_history_or_of_the_files_is_the_verdict(own: Settings, folder: Path, database: str) -> None:
    last = next(id for id in reversed(IDS) if "-- backfill:" not in (folder / f"{id}.sql").read_text())
    (folder / f"{last}.sql").write_text((folder / f"{last}.sql").read_text() + "\nSELECT 1;\n")
    edited = make_plan(own, folder=folder)
    (folder / f"{last}.sql").write_text("SELEC 1;\n")
    broken = make_plan(own, folder=folder)

    assert (verdict_of(edited).level, edited.exit_code) == ("no", 1)
    assert "was edited after it was applied" in reasons(edited)
    assert (verdict_of(broken).level, broken.exit_code) == ("no", 1)
    with pytest.raises(UsageError, match="there is no migration"):
        make_plan(own, "rollback", down_to("0099"))


def test_a_migrator_that_runs_is_named(own: Settings, database: str, folder: Path) -> None:
    add(folder, "add_column", "ALTER TABLE images ADD COLUMN a int;")
    with backend_on(database) as backend:
        backend._hold()
        plan = make_plan(own, folder=folder)

    assert verdict_of(plan).level == "not now"
    assert "a migrator is running: yoyo on" in reasons(plan)


def table(name: str, rows: int, row_bytes: int = 100, index_bytes: int = 0, triggers: int = 0) -> Table:
    return Table(name, rows, rows * row_bytes, rows * index_bytes, 0, 0, None, triggers)


def test_work_that_was_not_measured_takes_the_time_of_rows_bytes_indexes_and_triggers_on_this_machine() -> None:
    plain, indexed = table("plain", 1_000_000), table("indexed", 1_000_000, index_bytes=200)
    wide, fired = table("wide", 1_000_000, 2000), table("fired", 1_000_000, triggers=2)
    tables = {each.name: each for each in (plain, indexed, wide, fired, table("small", 1000))}
    live = Live(18, tables, [])

    def of(kind: str, name: str, method: str = "", live: Live = live) -> float:
        found = seconds(Effects(work=[Work(kind, name, method)]), None, Rows(live))
        assert found is not None
        return found

    for kind in ("scan", "rewrite", "build", "write"):
        assert of(kind, "small") < of(kind, "plain") / 10
        assert of(kind, "plain") < of(kind, "wide")
        assert of(kind, "plain", live=replace(live, slowness=3.0)) == pytest.approx(3 * of(kind, "plain"), rel=0.1)
    for kind in ("rewrite", "write"):
        assert of(kind, "indexed") > 2 * of(kind, "plain")
    assert of("write", "fired") > 2 * of("write", "plain")
    assert of("build", "plain", "gin") > 2 * of("build", "plain")
    assert of("write", "indexed", "delete") < of("write", "indexed", "insert") < of("write", "indexed")
    assert of("scan", "indexed") == of("scan", "plain")


def test_an_insert_that_was_not_measured_takes_the_time_of_the_rows_that_it_reads() -> None:
    """It may write them into a table that is empty now, and a large table may get one row."""
    live = Live(18, {"images": table("images", 1_000_000)}, [])
    rows, one = Rows(live), Effects(work=[Work("write", "images", "insert")], fills={"images"})
    copies = Effects(work=[Work("write", "copies", "insert")], fills={"copies"}, sources={"images"})
    backfill = Effects(work=[Work("write", "words", "insert")], fills={"words"})

    assert seconds(one, None, rows) == pytest.approx(CONSTANT, rel=0.1)
    assert (seconds(copies, None, rows) or 0) > 100 * CONSTANT
    assert seconds(backfill, None, rows, "images") == seconds(copies, None, rows)
    rows.fill(copies)
    rows.fill(one)
    assert (rows.of("images"), rows.of("copies")) == (1_000_001, 1_000_000)
