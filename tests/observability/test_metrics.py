"""GET /metrics: counters, number of label values, several workers, and a database that is down."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from pydantic import SecretStr

from app.catalogue.cursors import FIRST_ID
from app.database import database_metrics, queries
from app.database.pool import Pool
from app.observability import metrics
from app.observability.multiprocess import all_workers
from app.settings import Settings
from app.web import exposition
from tests.cli.test_entrypoint import free_port, ready, service
from tests.conftest import VERSION, backend_on, client_of
from tests.database.test_outages import silent_port as silent_port
from tests.migrations.test_backend import wait_until
from tests.schema.test_migrations import CONTRACTS, IDS
from tests.support.api import upload
from tests.support.kept_decoders import end_kept
from tests.support.pictures import picture
from tests.support.relay import until

REQUESTS = "images_http_request_duration_seconds_count"


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is slow to answer here is not away. The metrics are those of the moment."""
    monkeypatch.setattr(database_metrics, "PROBE_TIMEOUT", 30.0)
    monkeypatch.setattr(exposition, "CACHE_TIME", 0)


def parsed(text: str) -> list[Sample]:
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


async def scraped(client: httpx.AsyncClient) -> list[Sample]:
    response = await client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    return parsed(response.text)


def total(samples: list[Sample], name: str, **labels: str) -> float:
    """The sum of those with these labels."""
    return sum(sample.value for sample in samples if sample.name == name and labels.items() <= sample.labels.items())


async def grown(client: httpx.AsyncClient, before: list[Sample], name: str, **labels: str) -> float:
    return total(await scraped(client), name, **labels) - total(before, name, **labels)


async def test_requests_are_counted_by_route_method_and_status(client: httpx.AsyncClient) -> None:
    before = await scraped(client)
    id = (await upload(client))["id"]
    for _ in range(3):
        await client.get(f"/v1/images/{id}")
    await client.head(f"/v1/images/{id}")
    await client.get(f"/v1/images/{FIRST_ID}")
    content = await client.get(f"/v1/images/{id}/content")

    after = await scraped(client)

    def more(name: str, **labels: str) -> float:
        return total(after, name, **labels) - total(before, name, **labels)

    assert more(REQUESTS, route="/v1/images/{id}", method="GET", status="200") == 3
    assert more(REQUESTS, route="/v1/images/{id}", method="HEAD", status="200") == 1
    assert more(REQUESTS, route="/v1/images/{id}", method="GET", status="404") == 1
    assert more("images_http_request_duration_seconds_bucket", route="/v1/images/{id}", le="+Inf") == 5
    sent = "images_http_response_body_bytes_total"
    assert more(sent, route="/v1/images/{id}/content") == len(content.content)
    assert more("images_database_query_duration_seconds_count", query="get_image") == 5
    assert more("images_database_acquire_duration_seconds_count", pool="requests") >= 5
    assert total(after, "images_http_requests_in_progress") == 1  # this one


async def test_calls_at_the_same_time_share_one_rendering_and_it_is_cached(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: list[object] = []

    def counted() -> CollectorRegistry:
        rendered.append(None)
        return all_workers()

    monkeypatch.setattr(exposition, "all_workers", counted)
    monkeypatch.setattr(exposition, "CACHE_TIME", 3600)
    open_metrics = {"Accept": "application/openmetrics-text; version=1.0.0"}
    for _ in range(2):
        texts = await asyncio.gather(*[client.get("/metrics") for _ in range(50)])
        assert len({text.content for text in texts}) == len(rendered) == 1
    for version in range(50):
        headers = {"Accept": f"application/openmetrics-text; version=1.0.{version}"}
        assert (await client.get("/metrics", headers=headers)).text.endswith("# EOF\n")
    assert len(rendered) == 2
    monkeypatch.setattr(exposition, "CACHE_TIME", 0)
    assert parsed((await client.get("/metrics", headers=open_metrics)).text)
    assert len(rendered) == 3


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/html", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("application/openmetrics-text; version=x", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("application/openmetrics-text;version=,;;=", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("text/plain; version=1.x", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/plain, application/openmetrics-text;q=0.1", "text/plain; version=0.0.4; charset=utf-8"),
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;"
            "version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,"
            "*/*;q=0.2",  # Prometheus 3
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        ),
    ],
)
async def test_accept_chooses_one_of_two_formats(accept: str, expected: str, client: httpx.AsyncClient) -> None:
    response = await client.get("/metrics", headers={"Accept": accept})

    assert (response.status_code, response.headers["content-type"]) == (200, expected)


async def test_whatever_clients_send_the_labels_are_few(client: httpx.AsyncClient) -> None:
    for number in range(20):
        await client.get(f"/{number}")
        await client.request(f"M{number}", f"/v1/images/{number}")
        await client.request(f"M{number}", "/v1/images")
        await client.get(f"/docs/assets/{number}")

    labels = [sample.labels for sample in await scraped(client) if sample.name == REQUESTS]

    assert Counter(one["route"] for one in labels if one["status"] == "404")["other"] <= len(metrics.METHODS) + 1
    assert {one["method"] for one in labels} <= metrics.METHODS | {"other"}
    assert {one["route"] for one in labels} <= {"other", "/docs/assets/{path}"} | {
        path.path_format
        for path in client._transport.app.__closure__[0].cell_contents.routes  # type: ignore
    }


async def test_uploads_are_counted_by_what_became_of_them(settings: Settings) -> None:
    content = picture()
    end_kept()  # so that the first upload starts a decoder
    async with client_of(settings) as client:
        before = await scraped(client)

        await upload(client, content)
        await upload(client, content)
        await client.post("/v1/images", files={"file": b"no image"})

        for result in ("new", "known", "rejected"):
            assert await grown(client, before, "images_uploads_total", result=result) == 1, result
        assert await grown(client, before, "images_upload_bytes_total") == 2 * len(content)
        assert await grown(client, before, "images_decoder_starts_total") == 1


async def test_thumbnails_are_counted_where_they_are_made(client: httpx.AsyncClient) -> None:
    id = (await upload(client))["id"]
    before = await scraped(client)

    for _ in range(2):
        assert (await client.get(f"/v1/images/{id}/thumbnail")).status_code == 200

    assert await grown(client, before, "images_thumbnails_made_total") == 1


async def test_who_waits_for_a_connection_is_seen_and_not_waited_for(
    client: httpx.AsyncClient, connection: psycopg.Connection, settings: Settings
) -> None:
    before = await scraped(client)
    with connection.transaction():
        connection.execute("LOCK TABLE images IN ACCESS EXCLUSIVE MODE")
        callers = range(1, settings.database_pool_size + 4)  # with different lists, which share no statement
        asking = [asyncio.create_task(client.get(f"/v1/images?limit={limit}")) for limit in callers]
        async with asyncio.timeout(5):
            while total(samples := await scraped(client), "images_database_connections_waiting") != 3:
                pass

        assert total(samples, "images_database_connections", state="used", pool="requests") == 4
        assert total(samples, "images_database_connections_max", pool="requests") == 4
        assert total(samples, "images_database_up") == 1
        blocked = "FROM pg_locks WHERE NOT granted AND relation = 'images'::regclass"
        await until(lambda: len(connection.execute(f"SELECT {blocked}".encode()).fetchall()) == 4)
        connection.execute(f"SELECT pg_cancel_backend(pid) {blocked}".encode())
    assert {response.status_code for response in await asyncio.gather(*asking)} == {200, 503}
    assert await grown(client, before, "images_database_query_errors_total", query="list_images", error="57") == 4


@pytest.mark.parametrize("state", ["silent", "refusing"])
async def test_without_a_database_it_answers_soon(state: str, settings: Settings, silent_port: int) -> None:
    port = silent_port if state == "silent" else free_port()
    away = {"database_url": SecretStr(f"postgresql://images:secret@127.0.0.1:{port}/images")}
    async with client_of(settings.model_copy(update=away | {"database_statement_timeout": 0.3})) as client:
        async with asyncio.timeout(10):
            text = (await client.get("/metrics")).text

    assert total(parsed(text), "images_database_up") == 0
    assert "images_database_up 0.0" in text
    assert "images_migrations" not in text
    assert "secret" not in text


async def test_migrations_are_told_by_state(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    *applied, pending = (each for each in IDS if each not in CONTRACTS)
    connection.execute("DELETE FROM _yoyo_migration WHERE migration_id = ANY(%s)", [[pending, *CONTRACTS]])
    connection.execute("UPDATE _yoyo_ledger SET sha256 = 'another' WHERE migration_id = '0002_set_images_defaults'")

    samples = await scraped(client)

    assert total(samples, "images_migrations_pending") == 1
    states = {s.labels["state"]: s.value for s in samples if s.name == "images_migrations" and s.value}
    assert states == {"applied": len(applied) - 1, "edited": 1, "pending": 1, "waiting": len(CONTRACTS)}
    assert total(samples, "images_migration_last_info", migration=applied[-1]) == 1
    assert 0 < total(samples, "images_migration_last_duration_seconds") < 60


async def test_the_last_migrators_wait_for_the_lock_is_kept(settings: Settings, connection: psycopg.Connection) -> None:
    """In a ledger that an older release made, too."""
    connection.execute("ALTER TABLE _yoyo_ledger DROP COLUMN lock_wait_seconds")
    waiting = """
        SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'yoyo on%'
            AND state = 'idle' AND query LIKE '%pg_try_advisory_lock%'
    """

    def let_go() -> None:
        wait_until(lambda: connection.execute(waiting).fetchall())
        time.sleep(0.05)
        connection.execute("SELECT pg_advisory_unlock(hashtextextended('yoyo_lock', 0))")

    async with Pool(settings) as pool:
        assert await queries.read_lock_wait(pool) is None
        connection.execute("SELECT pg_advisory_lock(hashtextextended('yoyo_lock', 0))")
        with ThreadPoolExecutor(1) as threads:
            threads.submit(let_go)
            with backend_on(settings.migrator_url.get_secret_value()) as backend:
                backend._hold()

        assert 0.05 < (await queries.read_lock_wait(pool) or 0) < 60


async def test_a_ledger_that_is_in_use_is_left_as_it_is(settings: Settings, connection: psycopg.Connection) -> None:
    """A backup reads it for as long as it takes; migrations are not to wait for that."""
    connection.execute("ALTER TABLE _yoyo_ledger DROP COLUMN lock_wait_seconds")
    with connection.transaction(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIGRATION_LOCK_TIMEOUT", "0.1")
        connection.execute("SELECT FROM _yoyo_ledger")

        with backend_on(settings.migrator_url.get_secret_value()) as backend:
            backend._hold()

    async with Pool(settings) as pool:
        assert await queries.read_lock_wait(pool) is None


def test_workers_count_together_and_one_that_is_killed_takes_nothing_back(database: str, tmp_path: Path) -> None:
    """And all that all of them say is a line of JSON."""
    port = free_port()
    told = {"UVICORN_LOG_LEVEL": "info", "TMPDIR": str(tmp_path)}
    with service(database, port, tmp_path, WEB_CONCURRENCY="2", **told) as process:

        def look() -> list[Sample]:
            return parsed(httpx.get(f"http://127.0.0.1:{port}/metrics").text)

        def counted() -> float:
            return total(look(), REQUESTS, route="/v1/images")

        wait_until(lambda: ready(port) and total(look(), "images_workers") == 2)
        [folder] = tmp_path.glob("images-metrics-*")
        for _ in range(30):
            assert httpx.get(f"http://127.0.0.1:{port}/v1/images").status_code == 200
        wait_until(lambda: counted() == 30)
        assert process.stderr is not None
        lines: list[dict[str, Any]] = []
        while sum(line.get("route") == "/v1/images" for line in lines) < 30:  # a killed worker writes nothing
            line = process.stderr.readline()
            lines += [json.loads(line)] if line.startswith("{") else []  # the start tells of the sandbox before
        most = total(look(), "images_database_connections_max", pool="requests")
        assert most == 2 * 10
        pids = {int(file.stem.rpartition("_")[2]) for file in folder.glob("gauge_*.db")}
        assert len(pids) == 2
        assert pids <= {child.pid for child in psutil.Process(process.pid).children()}

        os.kill(pids.pop(), signal.SIGKILL)

        wait_until(lambda: alive(port) and total(look(), "images_worker_starts_total") == 3)
        wait_until(lambda: total(look(), "images_database_connections_max", pool="requests") == most)
        wait_until(lambda: total(look(), "images_workers") == 2)
        wait_until(lambda: counted() == 30)

        process.terminate()
        assert process.wait(timeout=10) in {0, -signal.SIGTERM}
        assert not folder.exists()
        lines += [json.loads(line) for line in process.stderr]

    assert all({"time", "level", "message"} <= line.keys() for line in lines)
    messages = [line["message"] for line in lines]
    assert messages.count("Application startup complete.") == 3
    assert messages.count("Application shutdown complete.") == 2
    assert any(re.fullmatch(r"Child process \[\d+\] died", message) for message in messages)
    asked = [line for line in lines if line.get("route") == "/v1/images"]
    assert len({line["request_id"] for line in asked}) == len(asked) == 30
    assert {line["queries"][0]["name"] for line in asked} == {"list_images"}


def alive(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
    except httpx.TransportError:  # the worker that was killed had taken the connection
        return False


async def test_a_statement_is_known_by_its_file_in_pg_stat_activity(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    await client.get("/v1/images")
    await client.get(f"/v1/images/{FIRST_ID}")

    seen = connection.execute(
        "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'images %'"
    ).fetchall()

    assert "-- get_image" in {query.partition(":")[0] for (query,) in seen}


@pytest.mark.skipif(VERSION == 16, reason="the wheel of PostgreSQL 16 has no contrib")
async def test_before_18_so_do_those_in_pg_stat_statements(settings: Settings, database: str) -> None:
    """PostgreSQL 18 no longer keeps the comments before a statement."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")
        async with Pool(settings) as pool:
            for sha256 in ("a", "b"):
                await queries.lock_content(pool, sha256)

        seen = connection.execute(
            "SELECT query LIKE '-- lock_content%', calls FROM pg_stat_statements "
            "JOIN pg_database ON dbid = pg_database.oid "
            "WHERE datname = current_database() AND query LIKE '%advisory_xact_lock%'"
        )
        assert seen.fetchall() == [(VERSION < 18, 2)]


FILL = """
import os, sys
from app.observability import metrics
for route in range(30):
    for status in range(20):
        metrics.REQUESTS.observe(1, (f"/v1/images/{route}", "PATCH", status))
metrics.REQUESTS.publish()
"""


def test_the_files_of_a_worker_have_their_blocks_before_the_volume_is_full(tmp_path: Path) -> None:
    """A mapped file with holes on a full volume ends the worker with SIGBUS."""
    env = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", FILL], env=env, check=True)

    files = {file.name.partition("_")[0]: file.stat() for file in tmp_path.iterdir()}

    assert set(files) == {"counter", "gauge", "histogram"}
    for file in files.values():
        assert file.st_blocks * 512 >= file.st_size
