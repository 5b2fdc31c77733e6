"""MIGRATION_ROLE: a login that is only a member of the owner's role creates nothing that it owns itself."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr
from yoyo import read_migrations

from app.migrations.connection import rejects_role
from app.settings import Settings
from app.urls import with_role
from tests.conftest import as_role, backend_on, environment, yoyo_on
from tests.support import forked

OWNED = """
    SELECT relname, pg_get_userbyid(relowner) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND pg_get_userbyid(relowner) <> 'shop owner'
"""


@pytest.fixture
def login(admin: psycopg.Connection, empty_database: str) -> Iterator[str]:
    """The URL of a login that has no right but its membership of a role that may create tables."""
    admin.execute('CREATE ROLE "shop owner"; CREATE ROLE deployer LOGIN NOINHERIT; GRANT "shop owner" TO deployer')
    with psycopg.connect(empty_database) as connection:
        connection.execute('GRANT CREATE ON SCHEMA public TO "shop owner"')
    yield as_role(empty_database, "deployer")
    with psycopg.connect(empty_database) as connection:
        connection.execute('DROP OWNED BY "shop owner", deployer')
    admin.execute('DROP ROLE deployer; DROP ROLE "shop owner"')


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {
        "0001_create_things": "CREATE TABLE things (n int);\nDO $$ BEGIN EXECUTE 'RESET ROLE'; END $$;\n"
        "CREATE TABLE others ();\n",
        "0002_leave_role": "-- depends: 0001_create_things\n\nCREATE TABLE more ();\n"
        "SELECT set_config('role', 'none', false);\n",
        "0003_index_things": "-- depends: 0002_leave_role\n-- transactional: false\n\n"
        "CREATE INDEX CONCURRENTLY things_n_idx ON things (n);\n",
    }
    for name, text in files.items():
        (tmp_path / f"{name}.sql").write_text(text)
        down = "DROP TABLE IF EXISTS none;"
        header = "-- loses: nothing\n"
        if "index" in name:
            down, header = (
                "DROP INDEX CONCURRENTLY IF EXISTS things_n_idx;",
                "-- loses: nothing\n-- transactional: false\n",
            )
        (tmp_path / f"{name}.rollback.sql").write_text(f"{header}\n{down}\n")
    return tmp_path


@pytest.mark.parametrize("default", ["", "ALTER ROLE deployer SET role = 'pg_monitor'"])
def test_everything_belongs_to_the_role(
    admin: psycopg.Connection,
    login: str,
    empty_database: str,
    folder: Path,
    default: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if default:
        admin.execute("GRANT pg_monitor TO deployer")
        admin.execute(default.encode())
    monkeypatch.setenv("MIGRATION_ROLE", "shop owner")

    for _ in range(2):
        with backend_on(login) as backend:
            backend.apply_migrations(backend.to_apply(read_migrations(str(folder))))
        with psycopg.connect(empty_database) as connection:
            assert connection.execute(OWNED).fetchall() == []
            assert connection.execute("SELECT count(*) FROM pg_class WHERE relname = 'things_n_idx'").fetchone() == (1,)
        with backend_on(login) as backend:
            last = backend.to_rollback(read_migrations(str(folder)))[:1]
            backend.rollback_migrations(last)


@pytest.mark.usefixtures("template")  # it makes the roles that a dump names
def test_the_other_commands_of_the_owner_use_it_too(login: str, empty_database: str, folder: Path) -> None:
    assert yoyo_on(login, "apply", str(folder), MIGRATION_ROLE="shop owner").returncode == 0
    assert yoyo_on(login, "unmark", "-m", "0003", str(folder), MIGRATION_ROLE="shop owner").returncode == 0
    variables = environment(DATABASE_URL=login, MIGRATION_ROLE="shop owner")

    for command in (("psql", "--owner", "-Atc", "SELECT current_user"), ("schema", "dump")):
        done = forked.run(variables, "images", *command)
        assert (done.returncode, done.stderr) == (0, ""), command
    assert "things" in done.stdout
    assert "things" in forked.run(variables, "images", "schema", "status").stdout
    assert "permission denied for table" in yoyo_on(login, "apply", str(folder)).stderr  # without the setting


def test_the_commands_for_tokens_use_it_too(admin: psycopg.Connection, database: str) -> None:
    admin.execute("CREATE ROLE issuer LOGIN NOINHERIT; GRANT images_owner TO issuer")
    try:
        variables = environment(DATABASE_URL=as_role(database, "issuer"), MIGRATION_ROLE="images_owner")
        done = forked.run(variables, "images", "token", "list")
    finally:
        admin.execute("DROP ROLE issuer")

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("there is no token.")


@pytest.mark.parametrize(
    ("change", "role", "said"),
    [
        ("SELECT", "nobody", '(MIGRATION_ROLE): role "nobody" does not exist.\nhint: correct MIGRATION_ROLE, or '),
        (
            "SELECT",
            "pg_write_server_files",
            '(MIGRATION_ROLE): permission denied to set role "pg_write_server_files".\nhint: correct MIGRATION_ROLE, ',
        ),
        (
            'REVOKE CREATE ON SCHEMA public FROM "shop owner"',
            "shop owner",
            'error: nothing was done: the role "shop owner" (MIGRATION_ROLE) may not create tables in the schema '
            "public.\n"
            'hint: as its owner: GRANT CREATE ON SCHEMA public TO "shop owner"',
        ),
    ],
)
def test_a_role_that_cannot_work_is_rejected_before_anything_runs(
    login: str,
    empty_database: str,
    folder: Path,
    change: str,
    role: str,
    said: str,
) -> None:
    with psycopg.connect(empty_database) as connection:
        connection.execute(change.encode())

    done = yoyo_on(login, "apply", str(folder), MIGRATION_ROLE=role)

    assert (done.returncode, done.stdout) == (3, "")
    assert said in done.stderr
    with psycopg.connect(empty_database) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


@pytest.mark.parametrize("command", ["token list", "schema status", "schema dump", "schema plan", "objects keep true"])
def test_each_command_of_the_owner_names_the_setting(database: str, command: str) -> None:
    done = forked.run(environment(DATABASE_URL=database, MIGRATION_ROLE="nobody"), "images", *command.split())

    assert done.returncode == 3
    assert '(MIGRATION_ROLE): role "nobody" does not exist.\nhint: correct MIGRATION_ROLE, ' in done.stderr


@pytest.mark.parametrize(
    ("user", "database", "text", "is_role"),
    [
        ("me", "shop", 'FATAL:  role "shop" does not exist', True),
        ("me", "shop", 'FATAL:  database "shop" does not exist', False),
        ("shop", "x", 'FATAL:  role "shop" does not exist', False),
        ("me", "x", "FATAL:  Rolle »shop« existiert nicht", True),
        ("me", "x", 'FATAL:  role "workshop" does not exist', False),
        ("me", "x", 'connection to server at "shop.example" failed', False),
    ],
)
def test_the_setting_that_names_the_role_is_blamed_only_for_it(
    user: str, database: str, text: str, is_role: bool
) -> None:
    settings = Settings(
        _env_file=None, database_url=SecretStr(f"postgresql://{user}@/{database}"), migration_role="shop"
    )

    assert rejects_role(psycopg.OperationalError(text), settings) is is_role


def test_the_options_of_the_environment_stay_beside_the_role(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c a=1")

    assert with_role("postgresql://a@b/c", "x") == "postgresql://a@b/c?options=-c%20a%3D1%20-c%20role%3Dx"
    assert with_role("postgresql://a@b/c?options=-cb%3D2", "x").endswith("?options=-cb%3D2%20-c%20role%3Dx")


def test_a_role_is_added_to_the_options_of_a_url() -> None:
    assert with_role("postgresql://a@b/c", "") == "postgresql://a@b/c"
    assert with_role("postgresql://a@b/c?x=1&options=-c%20a%3D1", "o w\\n") == (
        "postgresql://a@b/c?x=1&options=-c%20a%3D1%20-c%20role%3Do%5C%20w%5C%5Cn"
    )
