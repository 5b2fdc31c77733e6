"""Rejections in a plan: stopped backfills, guards, objects in use, read-only roles, and a locked history."""

import json
from contextlib import nullcontext
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from pydantic import SecretStr
from yoyo import read_migrations

from app.errors import CommandError
from app.migrations import backfill_control
from app.migrations.backfill import Backfill
from app.migrations.name_conflicts import taken_names
from app.migrations.status import as_json, as_text, read_status
from app.plan.model import Plan
from app.plan.plan import down_to, make_plan
from app.plan.render import as_text as plan_text
from app.plan.verdict import verdict_of
from app.project import chosen
from app.settings import Settings
from tests.conftest import as_role, backend_on, yoyo_on
from tests.migrations.test_backfill import FILL, ID, apply, write
from tests.schema.test_migrations import FOLDER
from tests.support.legacy import CREATE_ALL


@pytest.fixture
def own(empty_database: str) -> Settings:
    return Settings(_env_file=None, database_url=SecretStr(empty_database), storage_url="file:/tmp", auth="none")


def said(plan: Plan) -> str:
    verdict = verdict_of(plan)
    return "\n".join([verdict.level, *(reason.text for reason in verdict.reasons)])


def migration(folder: Path, id: str, up: str, down: str = "SELECT 1;", header: str = "") -> None:
    (folder / f"{id}.sql").write_text(f"{header}{up}\n")
    (folder / f"{id}.rollback.sql").write_text(f"-- loses: nothing\n\n{down}\n")


def begin(url: str, folder: Path, state: str, monkeypatch: pytest.MonkeyPatch, own: Settings) -> None:
    """Make 2,000 rows, run the first batch of the backfill, and stop it."""
    with backend_on(url) as backend:
        backend.apply_migrations(read_migrations(str(folder)).filter(lambda each: each.id < ID))
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO items SELECT n FROM generate_series(1, 2000) AS n")
        connection.commit()
        connection.autocommit = True
        connection.execute("ANALYZE items")
    with monkeypatch.context() as patch:
        patch.setattr(Backfill, "_pace", lambda _: backfill_control.change(own, ID, "paused", folder))
        with pytest.raises(SystemExit):
            apply(url, folder)
    if state == "killed":
        with psycopg.connect(url) as connection:
            connection.execute("UPDATE _yoyo_ledger_backfills SET state = 'running'")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sql").mkdir()
    return write(tmp_path / "sql" / "migrations")


def test_a_paused_backfill_is_a_reason_against_the_apply(
    own: Settings, empty_database: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(empty_database, folder, "paused", monkeypatch, own)

    plan = make_plan(own, folder=folder)
    back = make_plan(own, "rollback", down_to("0001"), folder=folder)

    stopped = f"{ID} is paused after 1,000 rows, and the command stops there: images schema backfill resume {ID}"
    assert said(plan) == f"no\n{stopped}"
    assert "in batches that commit, continues after 1,000 of about 2,000 rows" in plan_text(plan)
    assert [each.id for each in back.migrations] == [ID, "0001_create_items"]

    (tmp_path / "yoyo.ini").write_text("[DEFAULT]\nsources = sql/migrations\n")
    with chosen(tmp_path):
        status = read_status(own)
        text, fields = as_text(status), json.loads(as_json(status))
    words = "paused, 1,000 of about 2,000 rows of items are done"
    assert f"\npaused   {ID} " in text
    assert f"(apply: {words})\n" in text
    assert [each["state"] for each in fields["migrations"]] == ["applied", "paused"]
    assert status.exit_code == 1

    path = folder / f"{ID}.sql"
    path.write_text(f"-- phase: background\n{path.read_text()}")
    assert make_plan(own, folder=folder).waiting == [
        f"{ID} waits for the command: images schema backfill run ({words})"
    ]


def test_a_backfill_that_was_cut_off_continues(
    own: Settings, empty_database: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(empty_database, folder, "killed", monkeypatch, own)

    plan = make_plan(own, folder=folder)
    [planned] = plan.migrations
    whole = sum(statement.seconds or 0 for statement in planned.statements)
    assert said(plan) == "yes"
    assert planned.seconds == pytest.approx(whole / 2)

    (folder / f"{ID}.sql").write_text((folder / f"{ID}.sql").read_text().replace("done + 1", "done + 2"))
    assert "0002_fill_items was edited after 1,000 rows were done: restore" in said(make_plan(own, folder=folder))


def test_a_backfill_whose_table_is_missing_is_a_reason(own: Settings, folder: Path) -> None:
    assert said(make_plan(own, folder=folder)) == "yes"  # a migration before it makes the table
    write(folder, FILL.replace("items", "itms"), header="-- backfill: itms\n")

    assert said(make_plan(own, folder=folder)) == (
        f"no\n{ID} would stop, because there is no table itms: correct `-- backfill: TABLE`"
    )


def test_a_backfill_whose_table_or_key_has_gone_is_a_reason(
    own: Settings, empty_database: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(empty_database, folder, "killed", monkeypatch, own)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("ALTER TABLE items DROP CONSTRAINT items_pkey")
        assert f"{ID} would stop, because items has no key (id): use the range of" in said(
            make_plan(own, folder=folder)
        )

        connection.execute("ALTER TABLE items RENAME TO things")
        assert f"{ID} would stop, because there is no table items: correct" in said(make_plan(own, folder=folder))


def test_a_table_that_the_first_migration_rejects_is_a_reason(own: Settings, empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(CREATE_ALL.encode())
        assert verdict_of(make_plan(own)).level != "no"
        connection.execute("ALTER TABLE images ALTER COLUMN width TYPE bigint")

    found = said(make_plan(own))

    assert found.startswith("no\n0001_create_images would be rejected: the table images is not the one")
    assert "column width: expected integer NOT NULL, found bigint NOT NULL" in found


@pytest.mark.parametrize(
    "block",
    [
        "PERFORM pg_advisory_lock(42); RAISE EXCEPTION 'volatile';",
        "LOCK TABLE items; RAISE EXCEPTION 'locks';",
        "EXECUTE 'SELECT ' || to_regclass('items'); RAISE EXCEPTION 'unread';",
        "UPDATE items SET id = 1; RAISE EXCEPTION 'writes';",
        "PERFORM setval('s', 9); RAISE EXCEPTION 'volatile';",
    ],
)
def test_a_block_that_does_more_than_read_is_not_run(
    block: str, own: Settings, empty_database: str, tmp_path: Path
) -> None:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("CREATE TABLE items (id bigint); CREATE SEQUENCE s")
        folder = tmp_path / "sql" / "migrations"
        folder.mkdir(parents=True)
        migration(folder, "0001_try_it", f"DO $$ BEGIN {block} END $$;")

        assert "would be rejected" not in said(make_plan(own, folder=folder))

        migration(
            folder, "0001_try_it", "DO $$ BEGIN IF to_regclass('items') IS NOT NULL THEN RAISE 'there'; END IF; END $$;"
        )
        assert "0001_try_it would be rejected: there" in said(make_plan(own, folder=folder))


USES = """
CREATE TABLE parents (id bigint PRIMARY KEY, a text, b text, c text, d text CHECK (d <> ''), e text, parent_id bigint
    REFERENCES parents);
CREATE TABLE children (id bigint REFERENCES parents);
CREATE INDEX ON parents (lower(d));
CREATE VIEW shown AS SELECT a FROM parents;
CREATE FUNCTION f() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT b FROM parents LIMIT 1; END;
CREATE POLICY p ON parents USING (c <> '');
CREATE SEQUENCE numbers; CREATE TYPE mood AS ENUM ('good'); CREATE DOMAIN word AS text; CREATE TYPE pair AS (a int);
CREATE FUNCTION is_right(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE FUNCTION short(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TABLE coded (code text);
CREATE TABLE typed (id bigint DEFAULT nextval('numbers') CONSTRAINT typed_id_key UNIQUE, m mood, w word,
    s text CONSTRAINT typed_s_check CHECK (is_right(s)), g text GENERATED ALWAYS AS (upper(s)) STORED, row coded);
CREATE INDEX typed_short_idx ON typed (short(s));
CREATE TRIGGER acts BEFORE INSERT ON typed FOR EACH ROW EXECUTE FUNCTION act();
CREATE UNIQUE INDEX coded_code_idx ON coded (code);
CREATE TABLE refers (code text CONSTRAINT refers_fkey REFERENCES coded (code));
CREATE SCHEMA aside; CREATE TABLE aside.more (); CREATE SCHEMA nowhere;
CREATE TABLE whole (id int CONSTRAINT whole_pkey PRIMARY KEY) PARTITION BY LIST (id);
CREATE TABLE part PARTITION OF whole DEFAULT;
CREATE TABLE counted (id serial, own int GENERATED ALWAYS AS IDENTITY);
"""


def test_a_drop_of_what_is_in_use_is_a_reason(own: Settings, empty_database: str, tmp_path: Path) -> None:
    """Each statement is compared with what PostgreSQL says."""
    folder = tmp_path / "sql" / "migrations"
    folder.mkdir(parents=True)
    drops = {
        "ALTER TABLE parents DROP COLUMN a;": "which view shown needs",
        "ALTER TABLE parents DROP COLUMN b;": "which function f() needs",
        "ALTER TABLE parents DROP COLUMN c;": "which policy p on table parents needs",
        "ALTER TABLE parents DROP COLUMN id;": "which constraint children_id_fkey on table children needs",
        "DROP TABLE parents;": "which view shown needs",
        "ALTER TABLE parents DROP COLUMN d, DROP COLUMN parent_id, DROP COLUMN e;": "",
        "ALTER TABLE parents DROP COLUMN a CASCADE;": "",
        "DROP VIEW shown; ALTER TABLE parents DROP COLUMN a;": "",
        "DROP FUNCTION f(); ALTER TABLE parents DROP COLUMN b;": "",
        "DROP VIEW shown; DROP FUNCTION f(); DROP TABLE children, parents;": "",
        "ALTER TABLE children DROP CONSTRAINT children_id_fkey, DROP COLUMN id;": "",
        "DROP TABLE IF EXISTS nothing; ALTER TABLE IF EXISTS nothing DROP COLUMN a;": "",
        "DROP INDEX parents_pkey;": "parents_pkey, which constraint parents_pkey on table parents needs",
        "DROP INDEX typed_id_key;": "typed_id_key, which constraint typed_id_key on table typed needs",
        "ALTER TABLE typed DROP CONSTRAINT typed_id_key;": "",
        "ALTER TABLE parents DROP CONSTRAINT parents_pkey;": "constraint children_id_fkey on table children needs",
        "DROP TABLE children; ALTER TABLE parents DROP COLUMN parent_id, DROP CONSTRAINT parents_pkey;": "",
        "DROP INDEX coded_code_idx;": "coded_code_idx, which constraint refers_fkey on table refers needs",
        "ALTER TABLE refers DROP CONSTRAINT refers_fkey; DROP INDEX coded_code_idx;": "",
        "DROP INDEX typed_short_idx;": "",
        "DROP SEQUENCE numbers;": "numbers, which default value for column id of table typed needs",
        "ALTER TABLE typed ALTER id DROP DEFAULT; DROP SEQUENCE numbers;": "",
        "ALTER TABLE typed ALTER id DROP NOT NULL; DROP SEQUENCE numbers;": "which default value for column id of",
        "DROP SEQUENCE counted_id_seq;": "which default value for column id of table counted needs",
        "DROP SEQUENCE counted_own_seq;": "which column own of table counted needs",
        "DROP TYPE mood;": "mood, which column m of table typed needs",
        "DROP TYPE parents;": "parents, which table parents needs",
        "DROP TYPE pair; DROP DOMAIN IF EXISTS nothing;": "",
        "DROP DOMAIN word;": "word, which column w of table typed needs",
        "ALTER TABLE typed ALTER w TYPE text; DROP DOMAIN word; ALTER TABLE typed DROP m; DROP TYPE mood;": "",
        "DROP FUNCTION is_right(text);": "which constraint typed_s_check on table typed needs",
        "ALTER TABLE typed DROP CONSTRAINT typed_s_check; DROP FUNCTION is_right;": "",
        "DROP FUNCTION short;": "short, which index typed_short_idx needs",
        "DROP INDEX typed_short_idx; DROP FUNCTION short(text);": "",
        "DROP FUNCTION act();": "act, which trigger acts on table typed needs",
        "DROP TRIGGER acts ON typed; DROP FUNCTION act();": "",
        "ALTER TABLE typed DROP COLUMN s;": "which default value for column g of table typed needs",
        "ALTER TABLE typed ALTER g DROP EXPRESSION; ALTER TABLE typed DROP COLUMN s;": "",
        "DROP TABLE typed;": "",
        "DROP SCHEMA aside;": "aside, which table aside.more needs",
        "DROP TABLE aside.more; DROP SCHEMA aside, nowhere;": "",
        "DROP TABLE part;": "",
        "DROP INDEX part_pkey;": "part_pkey, which",
        "DROP TABLE whole;": "",
    }
    with psycopg.connect(empty_database) as connection:
        connection.execute(USES.encode())
        connection.commit()
        for sql, words in drops.items():
            migration(folder, "0001_drop_it", sql)
            plan = said(make_plan(own, folder=folder))
            assert words in plan, sql
            assert (" drops " in plan) == bool(words), sql
            try:
                connection.execute(sql.encode())
                assert not words, sql
            except psycopg.errors.DependentObjectsStillExist:
                assert words, sql
            connection.rollback()


HAVES = """
CREATE SCHEMA "Two"; CREATE TABLE "Two".things (id int); CREATE INDEX things_idx ON "Two".things (id);
CREATE TABLE things (id serial CONSTRAINT things_pk PRIMARY KEY, a text CONSTRAINT a_check CHECK (a <> ''), "B c" int);
CREATE VIEW shown AS SELECT 1 AS one; CREATE TYPE mood AS ENUM ('good'); CREATE DOMAIN word AS text;
CREATE TYPE pair AS (a int, b int);
CREATE FUNCTION f(int, text) RETURNS int RETURN 1;
CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER acts BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION act();
CREATE POLICY p ON things; CREATE UNIQUE INDEX things_a_idx ON things (a);
CREATE TABLE whole (id int) PARTITION BY LIST (id);
CREATE TABLE part PARTITION OF whole FOR VALUES IN (1) PARTITION BY LIST (id); CREATE INDEX part_idx ON part (id);
CREATE TABLE deep PARTITION OF part DEFAULT; CREATE TABLE counted (id int GENERATED ALWAYS AS IDENTITY);
"""
TAKEN = {
    "CREATE TABLE things ();": "table things",
    'CREATE TABLE "Two".things ();': 'table "Two".things',
    "CREATE TABLE shown ();": "view shown",
    "CREATE TABLE mood ();": "type mood",
    "CREATE TABLE things_pk ();": "index things_pk",
    "CREATE TABLE things_id_seq AS SELECT 1 AS one;": "sequence things_id_seq",
    "CREATE VIEW things AS SELECT 1 AS one;": "table things",
    "CREATE SEQUENCE shown;": "view shown",
    "CREATE TYPE word AS ENUM ('a');": "type word",
    "CREATE TYPE shown AS ENUM ('a');": "view shown",
    "CREATE TYPE pair AS (a int);": "composite type pair",
    "CREATE DOMAIN mood AS int;": "type mood",
    "CREATE INDEX things_pk ON things (a);": "index things_pk",
    'CREATE INDEX things_idx ON "Two".things (id);': 'index "Two".things_idx',
    'CREATE SCHEMA "Two";': "schema Two",
    "CREATE EXTENSION plpgsql;": "extension plpgsql",
    "CREATE TRIGGER acts AFTER DELETE ON things FOR EACH ROW EXECUTE FUNCTION act();": "trigger acts on table things",
    "CREATE POLICY p ON things;": "policy p on table things",
    "CREATE FUNCTION f(a integer, OUT c int, b text) LANGUAGE sql AS 'SELECT 1';": "function f(integer,text)",
    "ALTER TABLE things ADD COLUMN z int, ADD COLUMN a int;": "column a of table things",
    'ALTER TABLE things ADD "B c" text;': "column B c of table things",
    "ALTER TABLE things ADD CONSTRAINT a_check CHECK (true);": "constraint a_check on table things",
    "ALTER TABLE things ADD CONSTRAINT things_id_seq UNIQUE (a);": "sequence things_id_seq",
    "ALTER TABLE things RENAME TO shown;": "view shown",
    "ALTER TABLE things RENAME a TO id;": "column id of table things",
    "ALTER TABLE things RENAME CONSTRAINT a_check TO things_pk;": "constraint things_pk on table things",
    "ALTER INDEX things_pk RENAME TO things;": "table things",
    "DROP TABLE things; CREATE TABLE shown (a int);": "view shown",
    "CREATE TABLE a (); CREATE INDEX things_pk ON a ((1));": "index things_pk",
    # PostgreSQL does not reject these.
    'CREATE TABLE things_idx (); CREATE TABLE "Two".shown ();': "",
    "CREATE TABLE IF NOT EXISTS things (); CREATE SEQUENCE IF NOT EXISTS things_id_seq;": "",
    "CREATE TEMP TABLE things (id int, w int); CREATE INDEX things_pk ON things (w); ALTER TABLE things ADD a int;": "",
    "CREATE TABLE _mood (); CREATE TABLE _things ();": "",
    "DROP TABLE things; CREATE TABLE things (a int); CREATE SEQUENCE things_id_seq;": "",
    "DROP TABLE things; CREATE TABLE things (); ALTER TABLE things ADD a int, ADD CONSTRAINT a_check CHECK (true);": "",
    "ALTER TABLE things DROP COLUMN id; CREATE TABLE things_pk ();": "",
    "ALTER TABLE things RENAME TO olds; CREATE TABLE things ();": "",
    "ALTER TABLE things RENAME a TO z; ALTER TABLE things ADD COLUMN a int;": "",
    "ALTER TABLE things ADD COLUMN IF NOT EXISTS a int; CREATE INDEX IF NOT EXISTS things_pk ON things (a);": "",
    'DROP SCHEMA "Two" CASCADE; CREATE SCHEMA "Two"; CREATE TABLE "Two".things ();': "",
    "DO $$ BEGIN DROP VIEW shown; END $$; CREATE TABLE shown ();": "",
    "DO $$ BEGIN EXECUTE 'DROP VIEW ' || 'shown'; END $$; CREATE TABLE shown ();": "",
    "CREATE OR REPLACE VIEW shown AS SELECT 2 AS one; CREATE FUNCTION f(text, int) RETURNS int RETURN 1;": "",
    'SET LOCAL search_path = "Two"; CREATE TABLE shown ();': "",
    "ALTER TABLE things ADD CONSTRAINT a_check CHECK (true), DROP CONSTRAINT a_check, ADD a int, DROP a;": "",
    "CREATE DOMAIN mood_ AS int; ALTER TYPE mood RENAME TO moods;": "",
    "ALTER TYPE mood RENAME TO moods; CREATE TYPE mood AS ENUM ('bad'); DROP TYPE moods;": "",
    "ALTER DOMAIN word RENAME TO words; CREATE DOMAIN word AS text;": "",
    "ALTER FUNCTION f(int, text) RENAME TO g; CREATE FUNCTION f(int, text) RETURNS int RETURN 2;": "",
    'ALTER FUNCTION f SET SCHEMA "Two"; CREATE FUNCTION f(int, text) RETURNS int RETURN 2;': "",
    "ALTER TYPE mood SET SCHEMA \"Two\"; CREATE TYPE mood AS ENUM ('bad');": "",
    'ALTER TYPE pair SET SCHEMA "Two"; CREATE TYPE pair AS (a int);': "",
    'ALTER SCHEMA "Two" RENAME TO three; CREATE SCHEMA "Two"; CREATE TABLE "Two".things ();': "",
    "DROP TABLE whole; CREATE TABLE part (); CREATE INDEX part_idx ON things (a);": "",
    "DROP TABLE whole; CREATE TABLE deep (); CREATE TABLE part ();": "",
    "ALTER TABLE things ADD CONSTRAINT c UNIQUE USING INDEX things_a_idx; CREATE TABLE things_a_idx ();": "",
    "ALTER TABLE counted ALTER COLUMN id DROP IDENTITY; CREATE SEQUENCE counted_id_seq;": "",
    "ALTER TYPE mood RENAME TO moods; CREATE TYPE word AS ENUM ('bad');": "type word",
}


def test_a_name_that_is_taken_is_a_reason(own: Settings, empty_database: str, tmp_path: Path) -> None:
    """Each statement is compared with what PostgreSQL says."""
    folder = tmp_path / "sql" / "migrations"
    folder.mkdir(parents=True)
    with psycopg.connect(empty_database) as connection:
        connection.execute(HAVES.encode())
        connection.commit()
        for sql, object in TAKEN.items():
            migration(folder, "0001_make_it", sql)
            found = list(taken_names(connection, [folder / "0001_make_it.sql"]))
            assert found == ([("0001_make_it.sql:1", object)] if object else []), sql
            with pytest.raises(psycopg.ProgrammingError, match="exists") if object else nullcontext():
                connection.execute(sql.encode())
            connection.rollback()
        migration(folder, "0001_make_it", "CREATE TABLE things ();")
        assert "0001_make_it.sql:1 makes an object whose name is taken: table things" in said(
            make_plan(own, folder=folder)
        )
    with backend_on(empty_database) as backend, pytest.raises(CommandError, match="reject a name that is taken"):
        backend.apply_migrations(read_migrations(str(folder)))


def test_a_name_that_an_index_of_another_table_has_is_a_reason(
    own: Settings, empty_database: str, tmp_path: Path
) -> None:
    """An index of the same table may be what an interrupted build left: the migrator repairs it."""
    folder = tmp_path / "sql" / "migrations"
    folder.mkdir(parents=True)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("CREATE TABLE things (a int); CREATE TABLE other (a int); CREATE INDEX i ON things (a)")
        for name, table, object in (("i", "other", "index i"), ("other", "things", "table other"), ("i", "things", "")):
            build = f"CREATE INDEX CONCURRENTLY {name} ON {table} (a);"
            (folder / "0001_index_it.sql").write_text(f"-- transactional: false\n\n{build}\n")
            (folder / "0001_index_it.rollback.sql").write_text(
                f"-- loses: nothing\n-- transactional: false\n\nDROP INDEX CONCURRENTLY IF EXISTS {name};\n"
            )

            plan = said(make_plan(own, folder=folder))

            assert ("makes an object whose name is taken" in plan) == bool(object), plan
            assert object in plan
            with pytest.raises(psycopg.errors.DuplicateTable):
                connection.execute(build.encode())


def test_a_role_that_may_only_read_is_a_reason(own: Settings, empty_database: str, admin: psycopg.Connection) -> None:
    name = Identifier(empty_database.partition("@/")[2].partition("?")[0])
    admin.execute(SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(name))

    assert said(make_plan(own, folder=FOLDER)).startswith(
        "no\ndefault_transaction_read_only is on (set by: database), and the migrator does not change it: set it to off"
    )
    with pytest.raises(SystemExit):
        apply(empty_database, FOLDER)


def test_triggers_that_this_role_may_not_switch_on_are_a_reason(
    own: Settings, empty_database: str, admin: psycopg.Connection
) -> None:
    owner = as_role(empty_database, "images_owner")
    own = own.model_copy(update={"database_url": SecretStr(owner)})
    name = Identifier(empty_database.partition("@/")[2].partition("?")[0])
    admin.execute(SQL("GRANT CREATE ON SCHEMA public TO images_owner"))
    admin.execute(SQL("ALTER DATABASE {} SET session_replication_role = replica").format(name))

    assert said(make_plan(own, folder=FOLDER)).startswith(
        "no\nsession_replication_role is replica (set by: database), and this role may not set it to origin: "
    )
    assert yoyo_on(owner, "apply").stderr == (
        "error: session_replication_role is replica (set by: database), and this role may not set it to origin.\n"
        "hint: as a superuser, reset it: ALTER DATABASE ... RESET session_replication_role, or ALTER ROLE\n"
    )


def test_triggers_that_are_off_are_a_reason_with_nothing_to_do(
    own: Settings, database: str, admin: psycopg.Connection
) -> None:
    owner = as_role(database, "images_owner")
    own = own.model_copy(update={"database_url": SecretStr(owner)})
    name = Identifier(database.partition("@/")[2].partition("?")[0])
    assert said(make_plan(own, folder=FOLDER)) == "nothing to do"
    admin.execute(SQL("ALTER DATABASE {} SET session_replication_role = replica").format(name))

    assert said(make_plan(own, folder=FOLDER)).startswith("no\nsession_replication_role is replica (set by: database)")
    assert yoyo_on(owner, "apply").returncode == 3


def test_rows_that_a_policy_hides_are_a_reason(own: Settings, empty_database: str, tmp_path: Path) -> None:
    """The migrator counts them first, and PostgreSQL rejects its query. An earlier rollback may lift the policy."""
    folder = tmp_path / "sql" / "migrations"
    folder.mkdir(parents=True)
    migration(folder, "0001_create_t", "CREATE TABLE t (a int);", "DROP TABLE t;")
    lost = "-- loses: a\n-- rows to lose: SELECT count(*) FROM t\n\nDROP TABLE t;\n"
    (folder / "0001_create_t.rollback.sql").write_text(lost)
    forced = "ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("GRANT CREATE ON SCHEMA public TO images_owner")
    owner = as_role(empty_database, "images_owner")
    own = own.model_copy(update={"database_url": SecretStr(owner)})
    apply(owner, folder)
    with psycopg.connect(owner) as connection:
        connection.execute(forced.encode())

    reasons = said(make_plan(own, "rollback", down_to("0001"), folder=folder))
    accepted = own.model_copy(update={"accept_data_loss": "0001_create_t"})

    assert reasons == (
        "no\nthe rows that 0001_create_t would lose cannot be counted: "
        'query would be affected by row-level security policy for table "t"'
    )
    assert said(make_plan(accepted, "rollback", down_to("0001"), folder=folder)) == "yes"

    lifts = "ALTER TABLE t DISABLE ROW LEVEL SECURITY;"
    migration(folder, "0002_hide_t", forced, lifts, "-- depends: 0001_create_t\n")
    apply(owner, folder)
    plan = make_plan(own, "rollback", down_to("0001"), folder=folder)
    assert said(plan) == "yes"


def test_the_schema_without_its_history_is_a_reason(own: Settings, database: str) -> None:
    own = own.model_copy(update={"database_url": SecretStr(database)})
    with psycopg.connect(database) as connection:
        connection.execute("DROP TABLE _yoyo_migration, _yoyo_ledger, _yoyo_log, _yoyo_version, yoyo_lock")

    reasons = said(make_plan(own))

    assert reasons.startswith("no\nnothing was done: the database has the schema of this release, but not its history")
    assert "yoyo mark --all" in reasons
    assert reasons.count("\n") == 1


def test_a_locked_history_names_the_session(own: Settings, database: str) -> None:
    own = own.model_copy(update={"database_url": SecretStr(database)})
    with psycopg.connect(database, application_name="nightly") as holder:
        holder.execute("LOCK TABLE tokens")
        holder.execute("LOCK TABLE _yoyo_migration")

        with pytest.raises(CommandError) as error:
            make_plan(own)
        process = holder.info.backend_pid

    assert f"process {process} (nightly) holds ACCESS EXCLUSIVE on _yoyo_migration" in str(error.value)
    assert "tokens" not in str(error.value)


def test_short_time_outs_of_a_database_do_not_matter(own: Settings, database: str, admin: psycopg.Connection) -> None:
    own = own.model_copy(update={"database_url": SecretStr(database)})
    name = Identifier(database.partition("@/")[2].partition("?")[0])
    for setting in ("statement_timeout = '1ms'", "lock_timeout = '1ms'", "transaction_timeout = '50ms'"):
        if "transaction" not in setting or admin.info.server_version >= 170000:
            admin.execute(SQL("ALTER DATABASE {} SET {}").format(name, SQL(setting)))

    assert read_status(own).exit_code == 0
    assert said(make_plan(own)) == "nothing to do"
