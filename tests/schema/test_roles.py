"""The two roles of sql/roles.sql. Every other test of the application runs with the rights of the service's role."""

import subprocess
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege
from psycopg.sql import SQL, Identifier
from pydantic import SecretStr

from app.settings import Settings
from tests.cli.test_entrypoint import free_port, ready, service
from tests.conftest import as_role, client_of, environment, make_roles, yoyo_on
from tests.migrations.test_backend import wait_until
from tests.support import forked
from tests.support.api import upload
from tests.support.pictures import picture
from tests.web.test_tokens import images

FORBIDDEN = [
    "CREATE TABLE mine ()",
    "CREATE TEMPORARY TABLE mine ()",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION mine() RETURNS integer LANGUAGE sql RETURN 1",
    "ALTER TABLE images ADD COLUMN mine text",
    "CREATE INDEX mine ON images (title)",
    "DROP INDEX images_content_sha256_key",
    "DROP TABLE images",
    "TRUNCATE images",
    "TRUNCATE image_terms",
    "ALTER TABLE images DISABLE TRIGGER ALL",
    "COMMENT ON TABLE images IS 'mine'",
    "SELECT name FROM tokens",
    "SELECT * FROM tokens",
    "SELECT id FROM tokens",
    "SELECT sha256 FROM tokens WHERE id = gen_random_uuid()",
    "SELECT count(*) FROM tokens",
    "SELECT FROM tokens FOR UPDATE",
    "COPY tokens TO STDOUT",
    "UPDATE tokens SET last_used_at = now() RETURNING id",
    "SELECT token_id FROM token_usage",
    "UPDATE token_usage SET upload_bytes = 0",
    "DELETE FROM token_usage",
    "SELECT * FROM token_events",
    "INSERT INTO token_events (action, token_id, name, token) VALUES ('create', gen_random_uuid(), 'x', '{}')",
    "UPDATE token_events SET role = 'me'",
    "DELETE FROM token_events",
    "TRUNCATE token_events",
    "SELECT nextval('token_events_id_seq')",
    "ALTER TABLE tokens DISABLE TRIGGER tokens_record_event",
    "ALTER FUNCTION images_find_token(uuid) SECURITY INVOKER",
    "CREATE OR REPLACE FUNCTION images_touch_token(token uuid) RETURNS timestamptz LANGUAGE sql RETURN now()",
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

    rights = dict.fromkeys(["images", "image_terms", "image_words", "content_checks"], "DELETE INSERT SELECT UPDATE")
    assert dict(held) == rights | {"object_stores": "INSERT SELECT UPDATE"}


def test_roles_that_come_after_the_migrations_own_everything(database: str, connection: psycopg.Connection) -> None:
    connection.execute("REASSIGN OWNED BY images_owner TO postgres")
    make_roles(database)

    others = connection.execute("""
        SELECT relname
        FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S') AND relowner <> 'images_owner'::regrole
        UNION ALL
        SELECT proname
        FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND proowner <> 'images_owner'::regrole
            AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
    """).fetchall()
    assert others == []


def test_a_token_is_found_by_its_id_alone(database: str, connection: psycopg.Connection) -> None:
    """Other roles cannot even do that."""
    make_roles(database)
    connection.execute(
        "INSERT INTO tokens (id, name, scope, sha256, requests_per_second, upload_bytes_per_day) "
        "VALUES (md5('a')::uuid, 'a', 'read', sha256('a'), 5, 1000)"
    )
    calls = (
        "SELECT scope, sha256 = sha256('a') FROM images_find_token(md5('a')::uuid)",
        "SELECT images_touch_token(md5('a')::uuid) IS NOT NULL, true",
        "SELECT granted, remaining FROM images_take_requests(md5('a')::uuid, 2)",
        "SELECT granted, remaining FROM images_count_upload_bytes(md5('a')::uuid, 900, NULL)",
    )
    with psycopg.connect(as_role(database, "images_app"), autocommit=True) as app:
        assert [app.execute(call).fetchone() for call in calls] == [("read", True), (True, True), (2, 3), (True, 100)]
        assert app.execute("SELECT * FROM images_find_token(md5('b')::uuid)").fetchall() == []
    connection.execute("DROP ROLE IF EXISTS bystander")
    connection.execute("CREATE ROLE bystander LOGIN")
    with psycopg.connect(as_role(database, "bystander"), autocommit=True) as other:
        for call in (*calls, "SELECT images_record_token_event()"):
            with pytest.raises(InsufficientPrivilege):
                other.execute(call)
    connection.execute("DROP ROLE bystander")


def test_no_object_of_the_caller_takes_the_place_of_a_table(database: str, connection: psycopg.Connection) -> None:
    """Temporary tables and a search_path of the caller would otherwise come first, with the rights of the owner."""
    make_roles(database)
    connection.execute("INSERT INTO tokens (id, name, scope, sha256) VALUES (md5('a')::uuid, 'a', 'read', sha256('a'))")
    name = Identifier(connection.info.dbname)
    connection.execute(SQL("GRANT TEMPORARY ON DATABASE {} TO images_app").format(name))
    with psycopg.connect(as_role(database, "images_app"), autocommit=True) as app:
        app.execute("CREATE TEMPORARY TABLE tokens (id uuid, scope text, sha256 bytea)")
        app.execute("INSERT INTO tokens VALUES (md5('mine')::uuid, 'admin', sha256('mine'))")
        app.execute("CREATE FUNCTION pg_temp.now() RETURNS timestamptz LANGUAGE sql RETURN timestamptz 'infinity'")
        app.execute("SET search_path = pg_temp, pg_catalog, public")

        assert app.execute("SELECT scope FROM images_find_token(md5('a')::uuid)").fetchall() == [("read",)]
        assert app.execute("SELECT scope FROM images_find_token(md5('mine')::uuid)").fetchall() == []


def test_each_function_that_runs_as_its_owner_has_a_fixed_path(connection: psycopg.Connection) -> None:
    found = connection.execute("SELECT proname, proconfig FROM pg_proc WHERE prosecdef ORDER BY proname").fetchall()

    assert found == [
        (name, ["search_path=pg_catalog, pg_temp"])
        for name in ("images_count_upload_bytes", "images_find_token", "images_take_requests", "images_touch_token")
    ]


def test_the_release_before_reads_tokens_until_the_dba_ends_it(empty_database: str) -> None:
    """With tokens in the table, the migrations leave its right. sql/roles.sql takes it."""
    make_roles(empty_database)
    owner = as_role(empty_database, "images_owner")
    assert yoyo_on(owner, "apply", "-r", "0031").returncode == 0
    former = "SELECT scope, sha256 FROM tokens WHERE id = md5('a')::uuid AND revoked_at IS NULL"
    touch = "UPDATE tokens SET last_used_at = now() WHERE id = md5('a')::uuid RETURNING last_used_at"
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO tokens (id, name, scope, sha256) VALUES (md5('a')::uuid, 'a', 'read', sha256('a'))"
        )
    assert yoyo_on(owner, "apply").returncode == 0

    with psycopg.connect(as_role(empty_database, "images_app"), autocommit=True) as app:
        assert app.execute(former).fetchall() != []
        app.execute(touch)
        said = images(owner, "list").stderr
        assert said == (
            "warning: images_app can read the hashes of all tokens.\n"
            "hint: when no instance of an earlier release runs, run as a superuser: images database create NAME\n"
        )
        for _ in range(2):
            make_roles(empty_database)
            for statement in (former, touch):
                with pytest.raises(InsufficientPrivilege):
                    app.execute(statement)
        assert images(owner, "list").stderr == ""
        assert app.execute("SELECT scope FROM images_find_token(md5('a')::uuid)").fetchall() == [("read",)]

        done = images_psql(owner, "-f", "sql/migrations/0037_revoke_images_app.rollback.sql")
        assert (done.returncode, done.stderr) == (0, "")
        assert app.execute(former).fetchall() != []


def images_psql(url: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return forked.run(environment(DATABASE_URL=url, STORAGE_URL="memory:"), "images", "psql", "--owner", *arguments)


@pytest.mark.parametrize("way", ["the earlier schema", "the earlier release"])
def test_no_way_back_revives_an_expired_token(way: str, database: str, connection: psycopg.Connection) -> None:
    connection.execute(
        "INSERT INTO tokens (id, name, scope, sha256, expires_at) "
        "SELECT md5(name)::uuid, name, 'read', sha256(name::bytea), now() + days * interval '1 day' "
        "FROM (VALUES ('over', -1), ('valid', 1), ('for ever', NULL)) AS made (name, days)"
    )
    owner = as_role(database, "images_owner")
    if way == "the earlier schema":
        done = yoyo_on(owner, "rollback", "-r", "0032", ACCEPT_DATA_LOSS="all")
    else:
        done = images_psql(owner, "-f", "sql/migrations/0037_revoke_images_app.rollback.sql")
    assert done.returncode == 0, done.stderr

    rows = connection.execute("SELECT name, revoked_at IS NULL FROM tokens").fetchall()
    assert dict(rows) == {"over": False, "valid": True, "for ever": True}


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
