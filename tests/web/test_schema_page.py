"""GET /v1/schema, and the page that shows it, which a browser's tests look at."""

import gzip
import re
from contextlib import closing
from datetime import datetime
from typing import Any

import httpx
import psycopg
import pytest
from anyio import to_thread
from pydantic import SecretStr

from app.cli.main import run as run_command
from app.database import database_metrics
from app.migrations.connection import run
from app.migrations.ledger import record_run
from app.migrations.lock import name_session
from app.project import current
from app.settings import ROOT, Settings
from app.web import exposition
from app.web.endpoints.schema import _by_database
from tests.conftest import VERSION, client_of
from tests.observability.test_metrics import scraped, total
from tests.schema.test_migrations import CONTRACTS, IDS
from tests.support.api import problem, upload
from tests.support.waiting import wait_until
from tests.web.test_tokens import bearer, made

STATIC = ROOT / "app" / "static"
QUERIES = {path.stem: path.read_text() for path in (ROOT / "sql" / "queries").glob("*.sql")}


async def read(client: httpx.AsyncClient) -> dict[str, Any]:
    response = await client.get("/v1/schema")
    assert response.status_code == 200, response.text
    schema: dict[str, Any] = response.json()
    return schema


def states(schema: dict[str, Any]) -> dict[str, str]:
    return {migration["id"]: migration["state"] for migration in schema["migrations"]}


async def test_it_tells_what_the_database_is_to_the_service_s_own_role(client: httpx.AsyncClient) -> None:
    schema = await read(client)

    assert (schema["state"], schema["drift"], schema["unknown"], schema["migrator"]) == ("up-to-date", [], [], None)
    assert schema["database"]["role"] == "images_app"
    assert states(schema) == dict.fromkeys(IDS, "applied")
    for migration in schema["migrations"]:
        assert migration["sql"] == (current().migrations / f"{migration['id']}.sql").read_text()
        assert migration["rollback"] == (current().migrations / f"{migration['id']}.rollback.sql").read_text()
        assert all(migration[name] for name in ("title", "locks", "cost", "loses", "applied_at"))
        [last] = migration["runs"]
        assert (last["operation"], last["outcome"]) == ("apply", "done")
        assert last["seconds"] >= 0
    tables = {table["name"]: table for table in schema["tables"]}
    of_images = ["content_checks", "image_terms", "image_words", "images", "merged_tags", "object_stores"]
    assert [*tables] == [*of_images, "token_events", "token_usage", "tokens"]
    images = tables["images"]
    assert images["comment"].startswith("One row for each distinct content")
    assert {column["name"]: column["default"] for column in images["columns"]}["tags"] == "'{}'::text[]"
    assert {index["name"] for index in images["indexes"]} >= {"images_pkey", "images_content_sha256_key"}
    assert all(index["valid"] and index["bytes"] >= 0 for index in images["indexes"])
    assert {trigger["name"] for trigger in images["triggers"]} >= {"images_list_inserted"}
    assert {query["name"]: query["sql"] for query in schema["queries"]} == QUERIES


async def test_each_state_has_its_words(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    connection.execute("UPDATE _yoyo_ledger SET sha256 = 'another' WHERE migration_id = %s", [IDS[2]])
    connection.execute("DELETE FROM _yoyo_migration WHERE migration_id = ANY(%s)", [CONTRACTS[-2:]])
    record_run(connection, CONTRACTS[-1], "of the file", "apply", "failed", error="why")
    connection.execute("INSERT INTO _yoyo_migration VALUES ('hash', '0003_of_another_name', now())")

    schema = await read(client)

    assert (schema["state"], schema["drift"]) == ("wrong", None)
    assert states(schema) == dict.fromkeys(IDS, "applied") | {
        "0003_of_another_name": "missing",
        IDS[2]: "edited",
        CONTRACTS[-2]: "waiting",
        CONTRACTS[-1]: "failed",
    }
    found = {migration["id"]: migration for migration in schema["migrations"]}
    assert "images schema accept" in found[IDS[2]]["fault"]
    assert "its file is missing: restore the file" in found["0003_of_another_name"]["fault"]
    assert found["0003_of_another_name"]["sql"] is None
    assert [(each["outcome"], each["error"]) for each in found[CONTRACTS[-1]]["runs"]] == [
        ("failed", "why"),
        ("done", None),
    ]
    assert found[CONTRACTS[-2]]["applied_at"] is None


async def test_what_a_newer_release_applied_is_fine(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    connection.execute("INSERT INTO _yoyo_migration VALUES ('hash', '9999_of_tomorrow', now())")

    schema = await read(client)

    assert (schema["state"], schema["drift"]) == ("up-to-date", None)
    assert states(schema)["9999_of_tomorrow"] == "newer"


async def test_drift_is_told(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    connection.execute("ALTER TABLE images ADD COLUMN mine text")
    connection.execute("DROP INDEX images_content_sha256_key")

    schema = await read(client)

    assert schema["state"] == "wrong"
    assert schema["drift"] == [
        "index images_content_sha256_key: expected, not found",
        "column images.mine: not in schema.sql",
    ]


async def test_the_last_result_of_schema_verify_is_told(
    client: httpx.AsyncClient, connection: psycopg.Connection, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setattr(database_metrics, "CACHE_TIME", 0)
    monkeypatch.setattr(database_metrics, "PROBE_TIMEOUT", 30.0)
    monkeypatch.setattr(exposition, "CACHE_TIME", 0)
    await upload(client)
    assert (await read(client))["checks"] == []
    assert not any(sample.name.startswith("images_schema") for sample in await scraped(client))
    connection.execute("TRUNCATE image_terms")

    assert await to_thread.run_sync(run_command, ["schema", "verify"]) == 1

    schema = await read(client)
    assert (schema["state"], schema["drift"]) == ("up-to-date", [])
    assert not any(table["name"].startswith("_yoyo") for table in schema["tables"])
    first, *others = schema["checks"]
    assert (first["name"], first["table"], first["rows"], first["faults"]) == ("missing_terms", "images", 1, 1)
    assert [check["faults"] for check in others] == [0] * 4
    samples = await scraped(client)
    assert total(samples, "images_schema_faults", check="missing_terms") == 1
    assert total(samples, "images_schema_faults") == 1
    assert total(samples, "images_schema_verified_timestamp_seconds", check="missing_terms") == pytest.approx(
        datetime.fromisoformat(first["checked_at"]).timestamp()
    )

    assert await to_thread.run_sync(run_command, ["schema", "verify", "--repair"]) == 0

    assert [check["faults"] - check["repaired"] for check in (await read(client))["checks"]] == [0] * 5
    assert total(await scraped(client), "images_schema_faults") == 0


async def test_an_empty_database_is_pending(settings: Settings, empty_database: str) -> None:
    of_none = settings.model_copy(update={"database_url": SecretStr(empty_database)})
    async with client_of(of_none) as client:
        schema = await read(client)

    assert (schema["state"], schema["tables"], schema["unknown"]) == ("pending", [], [])
    assert states(schema) == dict.fromkeys(IDS, "pending") | dict.fromkeys(CONTRACTS, "waiting")


async def test_who_is_at_work_is_named(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    name_session(connection, IDS[13])
    run(connection, "take_lock", key="yoyo_lock")

    schema = await read(client)

    assert schema["migrator"]["name"].startswith(f"yoyo {IDS[13][:4]} on ")
    assert schema["migrator"]["migration"] == IDS[13][:4]
    assert (schema["migrator"]["since"], schema["migrator"]["statement"]) == (None, None)  # for images_app
    assert schema["migrator"]["blockers"] == []
    assert states(schema)[IDS[13]] == "running"


async def test_the_sessions_that_block_the_migrator_are_named(client: httpx.AsyncClient, database: str) -> None:
    with (
        psycopg.connect(database, application_name="holder") as holder,
        closing(psycopg.connect(database, autocommit=True)) as connection,
    ):
        process = holder.info.backend_pid
        run(connection, "take_lock", key="yoyo_lock")
        holder.execute("SELECT FROM images")
        connection.pgconn.send_query(b"BEGIN; LOCK TABLE images")
        waits = "SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
        wait_until(lambda: holder.execute(waits, [connection.info.backend_pid]).fetchall())

        blockers = (await read(client))["migrator"]["blockers"]

    assert blockers == [
        f"process {process} (holder) holds AccessShareLock on images, "
        "its statement is hidden from this role, GRANT pg_monitor shows it"
    ]


async def test_what_cannot_be_read_is_said(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    connection.execute("REVOKE SELECT ON _yoyo_ledger FROM PUBLIC")
    with connection.transaction():
        connection.execute("LOCK TABLE images IN ACCESS EXCLUSIVE MODE")

        schema = await read(client)

    assert (schema["state"], schema["migrations"], schema["tables"]) == (None, [], [])
    assert schema["unknown"] == [
        "history of the migrations: permission denied for table _yoyo_ledger",
        "tables: a table is locked, for example by a migration. Try again in a moment",
    ]
    assert (await read(client))["tables"]  # the connection is as good as before


async def test_times_are_the_service_s_and_where_it_is_there_the_database_s(client: httpx.AsyncClient) -> None:
    def listed(schema: dict[str, Any]) -> Any:
        [query] = [query for query in schema["queries"] if query["name"] == "list_images"]
        return query["service"] or {"calls": 0, "seconds": 0}

    before = listed(await read(client))
    await client.get("/v1/images")

    schema = await read(client)

    assert schema["sources"] == ["service"]  # this database does not have the extension
    assert listed(schema)["calls"] == before["calls"] + 1
    assert listed(schema)["seconds"] > before["seconds"]


@pytest.mark.skipif(VERSION == 16, reason="the wheel of PostgreSQL 16 has no contrib")
async def test_with_pg_stat_statements_times_are_the_database_s_too(client: httpx.AsyncClient, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as superuser:
        superuser.execute("CREATE EXTENSION pg_stat_statements")
    for _ in range(3):
        await client.get("/v1/images")

    schema = await read(client)

    [query] = [query for query in schema["queries"] if query["name"] == "list_images"]
    assert schema["sources"] == ["service", "database"]
    assert schema["drift"] == []
    assert query["database"]["calls"] == 3
    assert query["database"]["seconds"] > 0


def test_a_query_is_found_again_in_pg_stat_statements() -> None:
    """PostgreSQL replaces constants with parameters. Some versions remove the header."""
    text = QUERIES["lock_content"]
    bare = re.sub(r"(?m)^--.*\n", "", text).replace(", 0)", ", $2)")
    export = QUERIES["export_images"].rstrip().removesuffix(";")
    rows: Any = [
        {"query": text.replace(", 0)", ", $2)"), "calls": 2, "seconds": 0.5},
        {"query": bare, "calls": 1, "seconds": 0.25},
        {"query": f"COPY ({export}) TO STDOUT WITH (FORMAT csv)", "calls": 1, "seconds": 9.0},
        {"query": "<insufficient privilege>", "calls": 7, "seconds": 1.0},
        {"query": "SELECT something FROM elsewhere", "calls": 7, "seconds": 1.0},
    ]

    found = _by_database(rows)

    assert {name: (one.calls, one.seconds) for name, one in found.items()} == {
        "lock_content": (3, 0.75),
        "export_images": (1, 9.0),
    }


async def test_it_is_for_admins_and_tells_no_secret(settings: Settings) -> None:
    secret = SecretStr(settings.database_url.get_secret_value().replace("images_app@", "images_app:hunter2@"))
    closed = settings.model_copy(update={"auth": "token", "database_url": secret})
    writer, admin = await made(settings, "write", "desk-7"), await made(settings, "admin", "desk-8")
    async with client_of(closed) as client:
        problem(await client.get("/v1/schema"), 401)
        problem(await client.get("/v1/schema", headers=bearer(writer)), 403, "insufficient-scope")
        schema = await client.get("/v1/schema", headers=bearer(admin))
        page = await client.get("/schema")

    assert schema.status_code == page.status_code == 200
    assert schema.headers["cache-control"] == "private, no-cache"
    for word in ("hunter2", admin, writer, "desk-7"):
        assert word not in schema.text


async def test_the_page_runs_nothing_but_its_own_files(client: httpx.AsyncClient) -> None:
    page = await client.get("/schema?q=pending")

    policy = page.headers["content-security-policy"]
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|https?:", page.text)
    for path in re.findall(r'(?:src|href)="(static/[^"]+)"', page.text):
        assert (await client.get(f"/{path}")).status_code == 200


def test_the_page_is_small() -> None:
    modules = [*STATIC.glob("schema/*.js"), *(STATIC / f"{name}.js" for name in ("api", "dom", "format"))]
    files = [path.read_bytes() for path in [STATIC / "schema.html", STATIC / "style.css", *modules]]

    assert sum(len(gzip.compress(file)) for file in files) < 25_000


def test_the_page_has_the_parts_that_it_links_to() -> None:
    text = (STATIC / "schema.html").read_text()
    modules = "".join(path.read_text() for path in STATIC.glob("schema/*.js"))

    for anchor in re.findall(r'href="#(\w+)"', text):
        assert f'id="{anchor}"' in text or f'section("{anchor}"' in modules


@pytest.mark.parametrize("accept", ["application/json", "text/css"])
async def test_the_page_is_html_alone(accept: str, client: httpx.AsyncClient) -> None:
    problem(await client.get("/schema", headers={"Accept": accept}), 406)
