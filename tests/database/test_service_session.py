"""Session of the service: settings of the database change nothing that the API documents."""

import asyncio
from collections import Counter
from itertools import cycle, product
from typing import Any

import httpx
import psycopg
import pytest

from app.cli.wait import _compare
from app.embedded_postgres import Server
from app.errors import CommandError
from app.schema.statements import statement
from app.settings import Settings
from tests.conftest import client_of
from tests.migrations.test_session import HOSTILE, neutral, sets
from tests.support.api import problem, rows, upload
from tests.support.exhaustive import EXHAUSTIVE
from tests.support.pictures import picture
from tests.support.relay import until

MORE = {
    "words": ["gin_fuzzy_search_limit = 1", "bytea_output = 'escape'", "default_text_search_config = 'german'"],
}
SORTS = ("newest", "oldest", "largest", "name")


@pytest.fixture
def hostile(request: pytest.FixtureRequest, server: Server, database: str) -> str:
    """The name of a case of HOSTILE, whose settings the database has."""
    case: str = request.param
    with psycopg.connect(server.url(), autocommit=True) as plain, psycopg.connect(database) as connection:
        name = connection.info.dbname
        sets(plain, "DATABASE", name, [setting for setting in HOSTILE[case] if "search_path" not in setting])
        sets(plain, "DATABASE", name, MORE.get(case, []))
    return case


async def get(client: httpx.AsyncClient, path: str, **parameters: Any) -> Any:
    response = await client.get(path, params=parameters)
    assert response.status_code == 200, response.text
    return response.json()


CASES = [case for case in HOSTILE if case != "decoys"]
ROUTES = ["direct", "pgbouncer"]
# Both routes set the same settings. By default, they take turns.
TURNS = [*zip(cycle(ROUTES), CASES, strict=False)]


@pytest.mark.parametrize(("route", "hostile"), [*product(ROUTES, CASES)] if EXHAUSTIVE else TURNS, indirect=True)
async def test_settings_of_the_database_change_nothing(hostile: str, settings: Settings, database: str) -> None:
    async with client_of(settings) as client, client_of(settings) as other:  # two processes, each with a pool
        both = client, other
        # Concurrent uploads of the same bytes store one image.
        for seed in range(4):
            content = picture(seed=seed)
            posts = [
                one.post("/v1/images", files={"file": (f"{seed}.png", content)}, data={"title": "back\\slash 'fog'"})
                for one in both * 3
            ]
            answers = await asyncio.gather(*posts)
            assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 5}
            assert len({answer.json()["id"] for answer in answers}) == 1
        image = answers[0].json()
        path = f"/v1/images/{image['id']}"

        # Of concurrent changes of one version, one succeeds. Without a condition, all do.
        etag = (await client.get(path)).headers["etag"]
        patches = [
            one.patch(path, json={"title": f"title {n}"}, headers={"If-Match": etag}) for n, one in enumerate(both * 4)
        ]
        assert Counter(answer.status_code for answer in await asyncio.gather(*patches)) == {200: 1, 412: 7}
        patches = [one.patch(path, json={"tags": [f"tag {n}"]}) for n, one in enumerate(both * 4)]
        assert {answer.status_code for answer in await asyncio.gather(*patches)} == {200}
        tagged = (await get(client, path))["tags"]
        assert [found["id"] for found in (await get(client, "/v1/images", tag=tagged[0]))["images"]] == [image["id"]]

        # Lists, searches, cursors and exports find every image.
        moment = (await get(client, path))["created_at"]
        for sort in SORTS:
            ids: list[str] = []
            cursor = None
            while cursor or not ids:
                page = await get(client, "/v1/images", sort=sort, limit=1, **({"cursor": cursor} if cursor else {}))
                ids += [found["id"] for found in page["images"]]
                cursor = page["next"]
            assert len(ids) == len(set(ids)) == 4
            assert len((await get(client, "/v1/images", sort=sort, q="slash fog"))["images"]) == 3
            assert len((await get(client, "/v1/images", sort=sort, created_before=moment))["images"]) == 3
        exported = await client.get("/v1/images/export", params={"q": "slash -'x", "created_before": moment})
        assert (exported.status_code, exported.text.count("\n")) == (200, 3)
        assert (await get(client, "/v1/stats"))["images"] == 4
        assert (await client.get("/readyz")).status_code == 200

        # An import takes an export.
        whole = (await client.get("/v1/images/export")).text
        assert (await client.delete(path)).status_code == 204
        imports = [
            one.post("/v1/images/import", content=whole, headers={"Content-Type": "application/x-ndjson"})
            for one in both
        ]
        answers = await asyncio.gather(*imports)
        assert sorted((answer.status_code, answer.json()["new"]) for answer in answers) == [(200, 0), (200, 1)]
        assert (await client.get("/v1/images/export")).text == whole
    with psycopg.connect(neutral(database)) as connection:
        assert rows(connection) == 4


async def test_a_database_that_is_read_only_by_default_is_read(
    server: Server, settings: Settings, database: str
) -> None:
    """An administrator sets it to stop all changes: each is a 503."""
    async with client_of(settings) as client:
        image = await upload(client)
    with psycopg.connect(server.url(), autocommit=True) as plain, psycopg.connect(database) as connection:
        sets(plain, "DATABASE", connection.info.dbname, ["default_transaction_read_only = on"])
    path = f"/v1/images/{image['id']}"

    async with client_of(settings) as client:
        for sort in SORTS:
            assert len((await get(client, "/v1/images", sort=sort, q="cat"))["images"]) == 1
        assert (await client.get("/v1/images/export")).text.count("\n") == 1
        assert (await client.get(f"{path}/content")).status_code == 200
        problem(await client.patch(path, json={"title": "x"}), 503)
        problem(await client.delete(path), 503)
        problem(await client.post("/v1/images", files={"file": picture(seed=7)}), 503)
        assert await get(client, path) == image


@pytest.mark.parametrize(
    "call",
    [
        "prepare_import()",
        "prepare_export('-infinity', 'infinity', '{}', NULL, true, NULL, NULL, NULL, '{}', '{}', 0, 0)",
    ],
    ids=["import", "export"],
)
def test_no_time_out_of_the_database_ends_an_import_or_an_export(server: Server, database: str, call: str) -> None:
    names = ["statement_timeout", "idle_in_transaction_session_timeout"]
    with psycopg.connect(database) as connection:
        names += ["transaction_timeout"] if connection.info.server_version >= 170000 else []
        with psycopg.connect(server.url(), autocommit=True) as plain:
            sets(plain, "DATABASE", connection.info.dbname, [f"{name} = '1min'" for name in names])
    name = call.partition("(")[0]

    with psycopg.connect(database) as connection:
        connection.execute(f"PREPARE {name} AS {statement(name)}".encode())
        connection.execute(f"EXECUTE {call}".removesuffix("()").encode())

        assert {name: connection.execute(f"SHOW {name}".encode()).fetchone() for name in names} == dict.fromkeys(
            names, ("0",)
        )


NO_TRIGGERS = {
    "session_replication_role is replica, so triggers do not run": (
        "ALTER DATABASE {} SET session_replication_role = replica"
    ),
    "the trigger images_list_inserted of images is disabled": "ALTER TABLE images DISABLE TRIGGER images_list_inserted",
}


@pytest.mark.parametrize("fault", NO_TRIGGERS)
async def test_a_service_without_triggers_is_ready_and_says_that_searches_lose_images(
    fault: str,
    server: Server,
    settings: Settings,
    database: str,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(NO_TRIGGERS[fault].format(f'"{connection.info.dbname}"').encode())

    await _compare(settings)

    assert f"warning: searches lose new images: {fault}.\nhint: " in capsys.readouterr().err
    async with client_of(settings.model_copy(update={"migrate": False})) as client:
        assert (await client.get("/readyz")).status_code == 200
        await until(lambda: f"searches lose new images: {fault}" in caplog.text)


async def test_sessions_that_find_another_table_are_not_ready_and_the_start_says_why(
    server: Server, settings: Settings, database: str
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA first; GRANT USAGE ON SCHEMA first TO PUBLIC")
        connection.execute("CREATE VIEW first.images AS SELECT 1 AS n")
        change = f'ALTER DATABASE "{connection.info.dbname}" SET search_path = first, public'
        connection.execute(change.encode())

    async with client_of(settings) as client:
        answer = await client.get("/readyz")
        assert problem(answer, 503)["detail"] == "The search_path finds first.images before public.images."
        assert (await client.get("/healthz")).status_code == 200
    with pytest.raises(CommandError, match=r"the search_path finds first\.images before public\.images") as raised:
        await _compare(settings)
    assert raised.value.hint
