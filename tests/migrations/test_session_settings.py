"""Settings of the migrator's session: each one of PostgreSQL is set, or left to the operator, or cannot matter."""

import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg.sql import SQL, Identifier, Literal
from yoyo import read_migrations

from app.migrations.session import Session
from app.schema.statements import statement
from tests.conftest import backend_on

# A hostile value for each setting that sql/migrator/prepare_session.sql sets.
HOSTILE = {
    "search_path": "elsewhere",
    "DateStyle": "German, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Kathmandu",
    "timezone_abbreviations": "Australia",
    "client_encoding": "LATIN1",
    "lc_monetary": "C.UTF-8",
    "lc_numeric": "C.UTF-8",
    "lc_time": "C.UTF-8",
    "default_text_search_config": "pg_catalog.german",
    "extra_float_digits": "-15",
    "bytea_output": "escape",
    "xmlbinary": "hex",
    "xmloption": "document",
    "standard_conforming_strings": "off",
    "backslash_quote": "on",
    "transform_null_equals": "on",
    "array_nulls": "off",
    "quote_all_identifiers": "on",
    "gin_fuzzy_search_limit": "1",
    "check_function_bodies": "off",
    "default_table_access_method": "hostile",
    "default_tablespace": "pg_global",
    "client_min_messages": "error",
    "exit_on_error": "on",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "row_security": "on",
    "client_connection_check_interval": "0",
    "tcp_keepalives_idle": "7",
    "tcp_keepalives_interval": "7",
    "tcp_keepalives_count": "7",
    "tcp_user_timeout": "7",
    "synchronous_commit": "off",
    "lock_timeout": "20000",
    "statement_timeout": "20000",
    "idle_in_transaction_session_timeout": "20000",
    "idle_session_timeout": "20000",
    "session_replication_role": "replica",
    "createrole_self_grant": "set",
    "icu_validation_level": "error",
    "transaction_timeout": "20000",
    "restrict_nonsystem_relation_kind": "view",
}
# Speed, logs and the server's care of itself. A DBA sets them, and no result of a migration depends on them.
OPERATOR = [
    "*_cost",
    "*_cost_*",
    "enable_*",
    "geqo*",
    "jit*",
    "vacuum_*",
    "log_*",
    "track_*",
    "wal_*",
    "*_io_concurrency",
    "io_combine_limit",
    "*work_mem",
    "max_parallel_*",
    "min_parallel_*",
    "parallel_leader_participation",
    "temp_*",
    "effective_cache_size",
    "from_collapse_limit",
    "join_collapse_limit",
    "cursor_tuple_fraction",
    "default_statistics_target",
    "plan_cache_mode",
    "constraint_exclusion",
    "hash_mem_multiplier",
    "recursive_worktable_factor",
    "backend_flush_after",
    "commit_delay",
    "commit_siblings",
    "deadlock_timeout",
    "gin_pending_list_limit",
    "default_toast_compression",
    "file_copy_method",
    "max_stack_depth",
    "compute_query_id",
    "pg_stat_statements.*",
    "plpgsql.*",
    "update_process_title",
    "lc_messages",
    "event_triggers",
    "default_transaction_read_only",
    "ignore_checksum_failure",
    "zero_damaged_pages",
    "lo_compat_privileges",
    "password_encryption",
    "scram_iterations",
    "md5_password_warnings",
    "*_preload_libraries",
    "dynamic_library_path",
    "extension_control_path",
    "output_plugin_libraries",
]
# Settings of one transaction, which begins with the default, and settings that only show something.
NO_MATTER = [
    "application_name",
    "transaction_deferrable",
    "transaction_isolation",
    "transaction_read_only",
    "escape_string_warning",
    "synchronize_seqscans",
    "stats_fetch_consistency",
    "debug_*",
    "force_parallel_mode",
    "trace_*",
    "backtrace_functions",
    "allow_in_place_tablespaces",
    "allow_system_table_mods",
    "extension_destdir",
]
TCP_ONLY = {name for name in HOSTILE if name.startswith("tcp_")}  # on a socket they are 0
SET = re.findall(r"set_config\(\s*'(\w+)'", statement("prepare_session", "migrator"))


@pytest.fixture
def hostile(admin: psycopg.Connection, empty_database: str) -> Iterator[psycopg.Connection]:
    """A connection of a superuser to the database of the tests. `rogue` is another superuser."""
    admin.execute("DROP ROLE IF EXISTS rogue; CREATE ROLE rogue LOGIN SUPERUSER")
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA elsewhere")
        connection.execute("CREATE ACCESS METHOD hostile TYPE TABLE HANDLER heap_tableam_handler")
        yield connection
    admin.execute("DROP ROLE rogue")


def values(connection: psycopg.Connection) -> dict[str, str]:
    return {
        name: value
        for name in SET
        for (value,) in connection.execute("SELECT current_setting(%s, true)", [name]).fetchall()
        if value is not None
    }


def test_every_setting_of_postgresql_is_decided(admin: psycopg.Connection) -> None:
    known = admin.execute("SELECT name FROM pg_settings WHERE context IN ('user', 'superuser')").fetchall()

    decided = [
        [name in HOSTILE, any(fnmatch(name, one) for one in OPERATOR), any(fnmatch(name, one) for one in NO_MATTER)]
        for (name,) in known
    ]

    assert [name for (name,), kinds in zip(known, decided, strict=True) if sum(kinds) != 1] == []
    assert sorted(SET) == sorted(HOSTILE)


def test_no_value_of_the_database_the_role_or_the_url_reaches_a_migration(
    hostile: psycopg.Connection, empty_database: str
) -> None:
    rogue = empty_database.replace("postgres@", "rogue@")
    with psycopg.connect(rogue, client_encoding="UTF8", autocommit=True) as plain:
        Session(plain, "", 3)
        expected = values(plain)
        names = [name for name in HOSTILE if name in expected]
    assert {name for name in names if expected[name] == HOSTILE[name]} <= TCP_ONLY

    def check(url: str, where: str) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            # It reaches the session. The schema of the search_path is the operator's choice.
            changed = {name for name, value in values(connection).items() if value != expected[name]}
            assert changed >= set(names) - TCP_ONLY - {"search_path", "default_tablespace"}, where
            session = Session(connection, "", 3)
            assert values(connection) == expected | {"search_path": "elsewhere, pg_temp"}, where
            for name in names:  # as a migration can
                if name not in TCP_ONLY:
                    connection.execute("SELECT set_config(%s, %s, false)", [name, HOSTILE[name]])
            connection.execute("SET ROLE pg_monitor")
            session.prepare()
            assert values(connection) == expected | {"search_path": "elsewhere, pg_temp"}, where
            assert connection.execute("SELECT current_user").fetchone() == ("rogue",)

    for kind, name in (("DATABASE", hostile.info.dbname), ("ROLE", "rogue")):
        for setting in names:
            change = SQL("ALTER {} {} SET {} = {}").format(
                SQL(kind), Identifier(name), Identifier(setting), Literal(HOSTILE[setting])
            )
            hostile.execute(change)
        hostile.execute(SQL("ALTER {} {} SET role = pg_monitor").format(SQL(kind), Identifier(name)))
        check(rogue, kind)
        hostile.execute(SQL("ALTER {} {} RESET ALL").format(SQL(kind), Identifier(name)))
    options = " ".join(f"-c {name}={HOSTILE[name].replace(' ', chr(92) + ' ')}" for name in names)
    check(f"{rogue}&client_encoding=LATIN1&options={quote(options + ' -c role=pg_monitor')}", "URL")


# Each of them fails if the session has one of the name.
LEFT_OVER = """
CREATE TEMPORARY TABLE "a stage" ();
PREPARE "a query" AS SELECT 1;
DECLARE "a cursor" CURSOR WITH HOLD FOR SELECT 1;
"""


def test_a_setting_of_a_migration_does_not_reach_its_record_or_the_next_migration(
    hostile: psycopg.Connection, empty_database: str, tmp_path: Path
) -> None:
    (tmp_path / "0001_set_much.sql").write_text(
        "SET LOCAL search_path = elsewhere;\n"
        "SELECT set_config('lock_timeout', '1h', false), set_config('row_security', 'on', false);\n"
        "CREATE TEMPORARY TABLE _yoyo_ledger ();\n"
        "CREATE TEMPORARY TABLE things (mine int);\n"
        "CREATE TABLE public.things (n int);\n"
        "CREATE SEQUENCE public.numbers;\n"
        "SELECT nextval('public.numbers');\n"
        f"{LEFT_OVER}"
        "SELECT set_config('search_path', 'elsewhere', false), set_config('role', 'pg_monitor', false);\n"
    )
    (tmp_path / "0001_set_much.rollback.sql").write_text("-- loses: nothing\n\nDROP TABLE things;\n")
    (tmp_path / "0002_use_it.sql").write_text(
        "-- depends: 0001_set_much\n\n"
        "INSERT INTO things (n) VALUES (1);\n"
        "CREATE TABLE seen AS SELECT current_setting('lock_timeout'), current_setting('row_security') AS row, "
        "current_user, current_schema();\n"
        "DO $$ BEGIN PERFORM lastval(); RAISE 'the value of 0001';\n"
        "EXCEPTION WHEN object_not_in_prerequisite_state THEN NULL; END $$;\n"
        f"{LEFT_OVER}"
    )
    (tmp_path / "0002_use_it.rollback.sql").write_text("-- loses: nothing\n\nDROP TABLE seen;\n")

    with backend_on(empty_database) as backend:
        backend.apply_migrations(read_migrations(str(tmp_path)))

    assert hostile.execute("SELECT * FROM public.seen").fetchall() == [("3s", "off", "postgres", "public")]
    assert hostile.execute("SELECT n FROM public.things").fetchall() == [(1,)]
    assert hostile.execute("SELECT migration_id, outcome FROM public._yoyo_ledger ORDER BY id").fetchall() == [
        ("0001_set_much", "done"),
        ("0002_use_it", "done"),
    ]
