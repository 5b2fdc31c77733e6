"""PgBouncer in transaction mode between the service and PostgreSQL. Only migrations need a direct connection.

Tests elsewhere that also run through PgBouncer are marked `routes("direct", "pgbouncer")`: see tests/conftest.py.
"""

import asyncio
import logging
from contextlib import ExitStack
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from pydantic import SecretStr

from app.cli import check_objects as checks
from app.cli import export_images, import_files, manage_tokens
from app.cli.main import leave
from app.cli.wait import wait_for_database
from app.database.connect import application_name
from app.embedded_postgres import Server
from app.errors import CommandError
from app.settings import Settings
from tests.conftest import as_role, client_of
from tests.conftest import environment as command_environment
from tests.support import forked
from tests.support.api import insert, objects, problem, upload
from tests.support.pgbouncer import SERVERS, PgBouncer, pgbouncer
from tests.support.pictures import picture

POOLED = "this connection goes through a pooler"
SET_POOLER = f"{POOLED}: set DATABASE_POOLER=transaction, and MIGRATION_DATABASE_URL to PostgreSQL itself"


@pytest.fixture
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Set the variables of commands in this process, so that each connects through the pooler."""
    url = settings.database_url.get_secret_value()
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("MIGRATION_DATABASE_URL", url.replace("images_app@", "images_owner@"))
    monkeypatch.setenv("STORAGE_URL", str(settings.storage_url))
    monkeypatch.setenv("DATABASE_POOLER", "transaction")
    return settings


@pytest.mark.routes("pgbouncer")
async def test_many_clients_share_few_sessions_and_leave_no_settings_behind(
    settings: Settings, pooler: PgBouncer, connection: psycopg.Connection
) -> None:
    name = connection.info.dbname
    connection.execute(SQL("ALTER DATABASE {} SET timezone = 'Asia/Tokyo'").format(Identifier(name)))

    async def use(client: httpx.AsyncClient, number: int) -> None:
        image = await upload(client, picture(seed=number), tags=["few"], title=f"number {number}")
        assert image["created_at"].endswith(("+00:00", "Z"))
        path = f"/v1/images/{image['id']}"
        patch = {"description": "changed"}
        assert (await client.patch(path, json=patch)).json()["description"] == "changed"
        for sort in ("newest", "oldest", "largest", "name"):
            found = (await client.get("/v1/images", params={"sort": sort, "tag": "few", "q": "number"})).json()
            assert image["id"] in {each["id"] for each in found["images"]}
        for answer in (f"{path}/thumbnail?size=160", f"{path}/content", "/v1/tags", "/v1/stats"):
            assert (await client.get(answer)).status_code == 200

    async with client_of(settings.model_copy(update={"database_pool_size": 12})) as client:
        await asyncio.gather(*(use(client, number) for number in range(24)))
        clients = [each for each in pooler.ask("SHOW CLIENTS") if each["database"] == name]
        servers = [each for each in pooler.ask("SHOW SERVERS") if each["database"] == name]

    assert len(clients) >= 12
    assert 1 < len(servers) <= SERVERS
    assert {each["application_name"] for each in servers} == {application_name()}
    pids = {each["remote_pid"] for each in servers}
    shown = connection.execute("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'images %'").fetchall()
    assert pids <= {pid for (pid,) in shown}
    with ExitStack() as stack:
        url = settings.database_url.get_secret_value()
        others = [stack.enter_context(psycopg.connect(url, prepare_threshold=None)) for _ in servers]
        for other in others:  # each has a session of PostgreSQL until its transaction ends
            other.execute("SELECT")
        left = [other.execute(LEFT).fetchone() for other in others]
    assert left == [("0", "auto", "Asia/Tokyo", 0, 0)] * len(servers)


LEFT = """
    SELECT current_setting('statement_timeout'), current_setting('plan_cache_mode'), current_setting('TimeZone'),
        (SELECT count(*) FROM pg_prepared_statements),
        (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())
"""


@pytest.mark.routes("pgbouncer")
async def test_a_statement_has_its_time_limit(settings: Settings, connection: psycopg.Connection) -> None:
    short = settings.model_copy(update={"database_statement_timeout": 1.0})
    async with client_of(short) as client:
        id = insert(connection)
        with connection.transaction():
            connection.execute("LOCK TABLE images IN ACCESS EXCLUSIVE MODE")
            both = client.get("/v1/images"), client.patch(f"/v1/images/{id}", json={"title": "x"})
            for response in await asyncio.gather(*both):
                problem(response, 503)

        assert (await client.patch(f"/v1/images/{id}", json={"title": "y"})).status_code == 200


@pytest.mark.routes("pgbouncer")
async def test_a_statement_follows_a_column_that_changes_its_type(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    """If the types of a statement were kept, its parameters would be sent as the old type, and be rejected forever."""
    await upload(client)
    assert (await client.get("/v1/images?sort=largest")).status_code == 200

    connection.execute("ALTER TABLE images ALTER COLUMN byte_size TYPE numeric")

    assert (await client.post("/v1/images", files={"file": picture(seed=1)})).status_code == 201
    assert len((await client.get("/v1/images?sort=largest")).json()["images"]) == 2


@pytest.mark.routes("pgbouncer")
def test_commands_run_through_a_pooler(
    environment: Settings, connection: psycopg.Connection, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(3):
        (tmp_path / "photos" / f"{number}.jpg").write_bytes(picture(seed=number))

    asyncio.run(wait_for_database(10))
    assert import_files.import_folders([tmp_path / "photos"], ["few"], None, leave) == 0
    export_images.export_images({"tag": ["few"]}, None, tmp_path / "all.ndjson")
    manage_tokens.create("gallery", "read")
    manage_tokens.revoke("gallery")
    manage_tokens.show("text")
    assert checks.check_objects(86_400, False, None, "text") == 0

    assert (tmp_path / "all.ndjson").read_text().count("\n") == len(objects(environment)) == 3
    printed = "".join(capsys.readouterr())
    assert "3 new, 0 known, 0 rejected" in printed
    assert "revoked" in printed
    assert "3 images, 3 contents, 0 thumbnails: nothing is wrong" in printed


@pytest.mark.parametrize("ignored", ["", "jit, plan_cache_mode, statement_timeout"])
@pytest.mark.routes("pgbouncer")
async def test_without_the_setting_the_error_names_it(
    ignored: str,
    server: Server,
    environment: Settings,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """PgBouncer rejects what the service sets when it connects. If it is configured to ignore it, it drops it."""
    with pgbouncer(server, ignored=ignored) as pooler:
        url = pooler.url(as_role(database, "images_app"))
        without = environment.model_copy(update={"database_url": SecretStr(url), "database_pooler": "none"})
        monkeypatch.setenv("DATABASE_URL", url)
        monkeypatch.delenv("DATABASE_POOLER")

        async with client_of(without) as client:
            problem(await client.get("/readyz"), 503)
        with pytest.raises(CommandError) as raised:
            await wait_for_database(10)

    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == [
        f"503 GET /readyz: PoolerError: {SET_POOLER}"
    ]
    assert raised.value.message == f"{SET_POOLER}."


@pytest.mark.parametrize(
    ("mode", "command"),
    [("transaction", "yoyo apply"), ("session", "yoyo rollback"), ("session", "images schema dump")],
)
def test_the_migrator_rejects_a_pooler(mode: str, command: str, server: Server, database: str) -> None:
    with pgbouncer(server, mode) as pooler:
        url = pooler.url(as_role(database, "images_owner"))
        done = forked.run(command_environment(DATABASE_URL=url), *command.split())

    assert done.returncode != 0
    assert done.stdout == ""
    assert POOLED in done.stderr
    assert "MIGRATION_DATABASE_URL to PostgreSQL itself" in done.stderr


def test_a_plan_through_a_pooler_says_no(server: Server, empty_database: str) -> None:
    with pgbouncer(server, "transaction") as pooler:
        done = forked.run(command_environment(DATABASE_URL=pooler.url(empty_database)), "images", "schema", "plan")

    assert done.returncode == 1
    assert done.stdout.startswith("no: ")
    assert f"no: {POOLED}" in done.stdout
    assert "MIGRATION_DATABASE_URL to PostgreSQL itself" in done.stdout
