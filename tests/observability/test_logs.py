"""Log: a line for each request and each other event, without secrets and without forged lines."""

import asyncio
import json
import logging
import os
import pty
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from app.catalogue import tokens
from app.catalogue.cursors import FIRST_ID
from app.observability import context as observability_context
from app.observability import logs
from app.observability.logs import logger
from app.settings import ROOT, Settings
from tests.cli.test_entrypoint import free_port
from tests.conftest import client_of
from tests.support.api import upload
from tests.web.test_tokens import bearer, made

Lines = Callable[[], list[str]]
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


@pytest.fixture
def format() -> str:
    return "json"


@pytest.fixture
def lines(format: str) -> Iterator[Lines]:
    """The lines so far, written by the handler that app/logging.json names. Ask for it before the client."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    handler = logs.Handler(format, writer)
    root, level = logging.getLogger(), logs.requests.level
    root.addHandler(handler)
    logs.requests.setLevel(logging.INFO)
    seen: list[str] = []

    def read() -> list[str]:
        handler.stop()
        with open(reader, closefd=False) as file:
            seen.extend(line.removesuffix("\n") for line in file)
        return seen

    yield read
    root.removeHandler(handler)
    logs.requests.setLevel(level)
    os.close(reader)
    os.close(writer)


def parsed(lines: Lines) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines()]


async def test_each_request_has_a_line(lines: Lines, client: httpx.AsyncClient) -> None:
    id = (await upload(client))["id"]
    answer = await client.get(f"/v1/images/{id}?", headers={"X-Request-ID": "of-the-client/1"})

    line = parsed(lines)[-1]

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert 0 < line["queries"][0].pop("seconds") <= line.pop("query_seconds") < line.pop("seconds") < 10
    assert line == {
        "level": "info",
        "message": "request",
        "request_id": "of-the-client/1",
        "method": "GET",
        "route": "/v1/images/{id}",
        "path": f"/v1/images/{id}",
        "status": 200,
        "bytes": len(answer.content),
        "client": "127.0.0.1",
        "queries": [{"name": "get_image", "times": 1}],
    }


async def test_what_is_asked_together_is_told_to_each(lines: Lines, client: httpx.AsyncClient) -> None:
    await asyncio.gather(*(client.get(f"/v1/images/{FIRST_ID}") for _ in range(40)))

    told = parsed(lines)

    assert len({line["request_id"] for line in told}) == len(told) == 40
    for line in told:
        assert [(query["name"], query["times"]) for query in line["queries"]] == [("get_image", 1)]


@pytest.mark.parametrize(
    "sent", [b"", b"a b", b"a" * 129, b"caf\xc3\xa9", b"\x7f", b"a\tb", b'{"level":"error"}\x85'], ids=repr
)
async def test_an_id_that_is_not_sane_is_passed_over(sent: bytes, lines: Lines, client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/images", headers=[(b"X-Request-ID", sent)])

    assert re.fullmatch("[0-9a-f]{24}", answer.headers["x-request-id"])
    assert parsed(lines)[-1]["request_id"] == answer.headers["x-request-id"]


async def test_each_answer_has_the_id(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("a fault")

    given = {"X-Request-ID": '"quoted\\"'}
    open_to_all = settings.model_copy(update={"auth": "token", "cors_origins": "*"})
    async with client_of(open_to_all) as client:
        preflight = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
        answers = [await client.options("/v1/images", headers=given | preflight)]
    async with client_of(settings) as client:
        client._transport.raise_app_exceptions = False  # type: ignore[attr-defined]
        etag = (await client.get(f"/v1/images/{(await upload(client))['id']}")).headers["etag"]
        url = (await client.get("/v1/images")).json()["images"][0]["id"].join(["/v1/images/", ""])
        answers += [
            await client.get("/none", headers=given),
            await client.get("/v1/images?x=1", headers=given),
            await client.put("/v1/images", headers=given),
            await client.get(url, headers=given | {"If-None-Match": etag}),
            await client.get("/v1/images", headers=given | {"Origin": "https://a.example"}),
            await client.get("/docs/assets/none", headers=given),
            await client.get("/metrics", headers=given),
        ]
        monkeypatch.setattr("app.database.queries.get_image", fail)
        answers.append(await client.get(url, headers=given))

    assert [answer.status_code for answer in answers] == [200, 404, 422, 405, 304, 403, 404, 200, 500]
    assert {answer.headers["x-request-id"] for answer in answers} == {'"quoted\\"'}
    assert "X-Request-ID" in answers[1].request.headers


async def test_a_fault_is_one_line_with_its_traceback_and_the_requests_id(
    lines: Lines, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr("app.database.queries.get_image", fail)

    async def as_the_server_does() -> None:
        try:
            await client.get(
                f"/v1/images/{FIRST_ID}", headers={"X-Request-ID": "a", "traceparent": f"00-{TRACE}-{PARENT}-01"}
            )
        except RuntimeError:
            logger.exception("Exception in ASGI application\n")

    await asyncio.create_task(as_the_server_does())

    request, fault = parsed(lines)
    assert fault["message"] == "Exception in ASGI application"
    assert fault["traceback"].startswith("Traceback (most recent call last):\n")
    assert fault["traceback"].endswith("RuntimeError: a fault")
    assert request["status"] == 500
    for line in (request, fault):
        assert line["level"] == "error"
        assert (line["request_id"], line["trace_id"], line["parent_id"]) == ("a", TRACE, PARENT)


@pytest.mark.parametrize(
    ("traceparent", "valid"),
    [
        (f"00-{TRACE}-{PARENT}-01", True),
        (f"cc-{TRACE}-{PARENT}-01-what-comes-later", True),
        (f"00-{TRACE}-{PARENT}-01-", False),
        (f"ff-{TRACE}-{PARENT}-01", False),
        (f"00-{TRACE.upper()}-{PARENT}-01", False),
        (f"00-{'0' * 32}-{PARENT}-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"00-{TRACE}-{PARENT}", False),
        ('"}\\n', False),
        ("0" * 60_000, False),
    ],
)
def test_a_trace_is_taken_over_where_it_is_valid(traceparent: str, valid: bool) -> None:
    context = observability_context.Context([(b"traceparent", traceparent.encode())])

    assert context.trace == ((TRACE, PARENT) if valid else None)


async def test_no_line_has_a_secret(lines: Lines, settings: Settings) -> None:
    away = SecretStr(f"postgresql://images:hunter2@127.0.0.1:{free_port()}/images")
    token = await made(settings, "read", "gallery")
    async with client_of(settings.model_copy(update={"auth": "token"})) as client:
        await client.get("/v1/images?q=whisper", headers=bearer(token))
        await client.get("/v1/images", headers=bearer(tokens.make().text))
    async with client_of(settings.model_copy(update={"database_url": away})) as client:
        await client.get("/v1/images?q=whisper")
        await client.get("/metrics")

    told = parsed(lines)

    assert [line.get("status") for line in told if "status" in line] == [200, 401, 503]
    assert len(told[0]["token"]) == 36
    assert "token" not in told[1]
    assert any("503 GET /v1/images" in line["message"] for line in told)
    for secret in ("hunter2", "whisper", token, token[-43:], "Bearer"):
        assert secret not in str(told)


@pytest.mark.parametrize("format", ["json", "text"])
async def test_a_token_in_a_wrong_place_is_not_in_the_log(format: str, lines: Lines, client: httpx.AsyncClient) -> None:
    token = tokens.make().text
    await client.get(f"/v1/images/{token}")
    await client.get(f"/{token}", headers={"X-Request-ID": token})
    logger.error("no connection to %s", f"http://someone:{token[-20:]}@store.example:9000/{token}")

    told = str(lines())

    assert told.count("images_...") >= 3
    assert "http://someone:...@store.example:9000/" in told
    assert token[-20:] not in told


async def test_probes_are_told_where_they_fail(
    lines: Lines, client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        await client.get(path)
    connection.execute("DELETE FROM _yoyo_migration")
    await client.get("/readyz")

    assert [(line["route"], line["status"]) for line in parsed(lines)] == [("/readyz", 503)]


@pytest.mark.parametrize("format", ["json", "text"])
async def test_no_path_forges_a_line(format: str, lines: Lines, client: httpx.AsyncClient) -> None:
    for text in ("\r\nforged", "\x1b[2J", "\u2028forged", "\x85forged", '"}{"'):
        await client.get(f"/{quote(text)}")
        logger.error("a file called %s", text)

    for line in lines():
        assert line.isprintable()
        assert not line.startswith("forged")
        assert format == "text" or json.loads(line)
    assert len(lines()) == 10


@pytest.mark.parametrize("format", ["json", "text"])
def test_half_a_character_is_told_all_the_same(format: str) -> None:
    reader, writer = os.pipe()
    record = logging.LogRecord("app", logging.ERROR, "", 0, "a file called \udcff", None, None)

    logs.Handler(format, writer).emit(record)

    os.close(writer)
    with os.fdopen(reader) as file:
        assert "a file called \\" + ("\\xff" if format == "json" else "xff") in file.read()


@pytest.mark.parametrize("format", ["text"])
async def test_a_line_for_a_terminal_is_short(lines: Lines, client: httpx.AsyncClient) -> None:
    await client.get(f"/v1/images/{FIRST_ID}")
    try:
        raise RuntimeError("a\nfault")
    except RuntimeError:
        logger.exception("went wrong")

    request, *fault = lines()

    assert re.fullmatch(rf"\d\d:\d\d:\d\d info    GET /v1/images/{FIRST_ID} 404 \d+\.\d ms \d+ B get_image:1", request)
    assert re.fullmatch(r"\d\d:\d\d:\d\d error   went wrong", fault[0])
    assert fault[1] == "  Traceback (most recent call last):"
    assert all(line.startswith("  ") for line in fault[1:])


def test_it_is_json_unless_a_terminal_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOG_FORMAT", raising=False)
    monkeypatch.setattr("app.observability.logs._dotenv", dict)
    terminal, other = pty.openpty()
    pipe, end = os.pipe()
    try:
        assert logs.Handler(None, end).json
        assert not logs.Handler(None, other).json
        monkeypatch.setenv("LOG_FORMAT", "json")
        assert logs.Handler(None, other).json
        monkeypatch.setenv("LOG_FORMAT", "text")
        assert not logs.Handler(None, end).json
    finally:
        for descriptor in (terminal, other, pipe, end):
            os.close(descriptor)


def test_who_does_not_read_holds_up_nobody_and_is_told_what_was_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.observability.logs.STALL_TIMEOUT", 0.1)
    monkeypatch.setattr("app.observability.logs.MAX_WAITING_LINES", 100)
    reader, writer = os.pipe()
    handler = logs.Handler("json", writer)
    handler.start()
    line = b"x" * 9_999 + b"\n"

    for _ in range(1000):
        handler.write(line)

    assert handler.dropped > 0
    with closing(os.fdopen(reader)) as file:
        read = 0
        for text in file:  # until nothing is left but that
            if text.startswith("{"):
                break
            read += 1
        handler.stop()
        os.close(writer)
    told = re.match(r"(\d+) log lines were dropped", json.loads(text)["message"])
    assert told
    assert read + int(told[1]) == 1000


def test_the_thread_that_writes_survives_an_error_and_reports_it(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    handler = logs.Handler("json", writer)
    write, errors = os.write, [RuntimeError("no such thing")]

    def fail_once(descriptor: int, data: bytes) -> int:
        if descriptor == writer and errors:
            raise errors.pop()
        return write(descriptor, data)

    monkeypatch.setattr("app.observability.logs.os.write", fail_once)
    handler.start()
    handler.write(b'{"message":"first"}\n')

    with closing(os.fdopen(reader)) as file:
        fault = json.loads(next(file))
        dropped = json.loads(next(file))
        handler.write(b'{"message":"second"}\n')
        second = json.loads(next(file))
        handler.stop()
        os.close(writer)

    assert (fault["level"], fault["message"]) == ("error", "log lines could not be written")
    assert fault["traceback"].endswith("RuntimeError: no such thing")
    assert dropped["message"].startswith("1 log lines were dropped")
    assert second["message"] == "second"


def test_the_configuration_is_uvicorns_own() -> None:
    """No handler for uvicorn's lines of access, which would be a second line for each request."""
    configuration = json.loads((ROOT / "app" / "logging.json").read_text())

    assert configuration["handlers"] == {"stderr": {"()": "app.observability.logs.Handler"}}
    assert configuration["loggers"]["uvicorn.access"] == {"level": "INFO", "handlers": [], "propagate": False}
