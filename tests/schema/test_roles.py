"""The two roles of sql/roles.sql. Every other test of the application runs with the rights of the service's role."""

from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege
from psycopg.sql import SQL, Identifier
from pydantic import SecretStr

from app.settings import Settings
from tests.cli.test_entrypoint import free_port, ready, service
from tests.conftest import as_role, client_of, make_roles, yoyo_on
from tests.migrations.test_backend import wait_until
from tests.support.api import upload
from tests.support.pictures import picture

FORBIDDEN = [
    "CREATE TABLE mine ()",
    "CREATE TEMPORARY TABLE mine ()",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION mine() RETURNS integer LANGUAGE sql RETURN 1",
    "ALTER TABLE images ADD COLUMN mine text",
    "CREATE INDEX mine ON images (title)",
    "DROP INDEX images_sha256_key",
    "DROP TABLE images",
    "TRUNCATE images",
    "TRUNCATE image_terms",
    "ALTER TABLE images DISABLE TRIGGER ALL",
    "COMMENT ON TABLE images IS 'mine'",
    "SELECT name FROM tokens",
    "SELECT * FROM tokens",
    "INSERT INTO tokens (id, name, scope, sha256) VALUES (gen_random_uuid(), 'me', 'admin', sha256('me'))",
    "UPDATE tokens SET scope = 'admin'",
    "UPDATE tokens SET sha256 = sha256('me')",
    "UPDATE tokens SET revoked_at = NULL",
    "DELETE FROM tokens",
    "INSERT INTO _yoyo_migration (migration_hash, migration_id) VALUES ('a', 'b')",
    "UPDATE _yoyo_migration SET migration_id = 'b'",
    "DELETE FROM _yoyo_migration",
    "DELETE FROM _yoyo_log",
    "DELETE FROM _yoyo_version",
    "UPDATE _yoyo_ledger SET outcome = 'failed'",
    "INSERT INTO yoyo_lock (locked, ctime, pid) VALUES (1, now(), 1)",
    "CREATE ROLE mine",
    "DELETE FROM object_stores",
    "SET ROLE images_owner",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_the_service_may_nothing_else(statement: str, database: str) -> None:
    make_roles(database)

    with psycopg.connect(as_role(database, "images_app"), autocommit=True) as connection:
        connection.execute("SELECT migration_id FROM _yoyo_migration")
        with pytest.raises(InsufficientPrivilege):
            connection.execute(statement)


def test_what_it_may_is_what_the_migration_says(database: str, connection: psycopg.Connection) -> None:
    held = connection.execute("""
        SELECT table_name, string_agg(privilege_type, ' ' ORDER BY privilege_type)
        FROM information_schema.role_table_grants
        WHERE grantee = 'images_app'
        GROUP BY table_name
    """).fetchall()

    rights = dict.fromkeys(
        ["images", "image_terms", "image_documents", "content_checks"], "DELETE INSERT SELECT UPDATE"
    )
    assert dict(held) == rights | {"object_stores": "INSERT SELECT UPDATE"}


@pytest.mark.parametrize("upto", [[], ["-r", "0001"], ["-r", "0020"]], ids=["whole", "adopted", "the release before"])
async def test_roles_that_come_late_take_over(
    upto: list[str], admin: psycopg.Connection, empty_database: str, tmp_path: Path
) -> None:
    name = empty_database.partition("@/")[2].partition("?")[0]
    admin.execute("DROP ROLE IF EXISTS former")
    admin.execute("CREATE ROLE former LOGIN")
    admin.execute(SQL("ALTER DATABASE {} OWNER TO former").format(Identifier(name)))
    assert yoyo_on(as_role(empty_database, "former"), "apply", *upto).returncode == 0

    with psycopg.connect(as_role(empty_database, "former"), autocommit=True) as running:
        make_roles(empty_database)
        make_roles(empty_database)

        assert running.execute("SELECT count(*) FROM images").fetchone() == (0,)
        with pytest.raises(InsufficientPrivilege):
            running.execute("TRUNCATE images")
    done = yoyo_on(as_role(empty_database, "images_owner"), "apply")
    assert done.returncode == 0, done.stderr
    settings = Settings(
        _env_file=None,
        database_url=SecretStr(as_role(empty_database, "images_app")),
        storage_url=f"file:{tmp_path}",
        auth="none",
    )
    async with client_of(settings) as client:
        assert (await client.get("/readyz")).status_code == 200
        await upload(client)


def test_the_entrypoint_migrates_as_the_owner_and_serves_as_the_other(empty_database: str, tmp_path: Path) -> None:
    make_roles(empty_database)
    port, owner, app = free_port(), as_role(empty_database, "images_owner"), as_role(empty_database, "images_app")
    with service(app, port, tmp_path, MIGRATION_DATABASE_URL=owner):
        wait_until(lambda: ready(port))
        headers = {"Content-Type": "image/jpeg"}
        stored = httpx.post(f"http://127.0.0.1:{port}/v1/images", content=picture(), headers=headers, timeout=30)

        assert stored.status_code == 201
    with psycopg.connect(empty_database) as connection:
        owners = connection.execute("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'").fetchall()
        assert owners == [("images_owner",)]
