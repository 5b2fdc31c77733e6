import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import httpx
import psycopg
import pytest
from psycopg.types.json import Jsonb

from app.catalogue.cursors import FIRST_ID, Position
from app.settings import Settings
from app.web.endpoints.images import merge
from tests.support.api import faults, insert, objects, problem, remove, rows, upload
from tests.support.pictures import picture

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
MERGE_PATCH = "application/merge-patch+json"


async def listed(client: httpx.AsyncClient, url: str = "/v1/images", **query: Any) -> list[str]:
    """The ids of all pages, each page by the Link of the one before."""
    response = await client.get(url, params=query)
    ids = []
    while True:
        assert response.status_code == 200, response.text
        page = response.json()
        ids += [image["id"] for image in page["images"]]
        link = re.fullmatch(r'<(.*)>; rel="next"', response.headers.get("link", ""))
        if link is None:
            assert page["next"] is None
            return ids
        assert page["images"]
        assert f"cursor={page['next']}" in unquote(link[1])
        response = await client.get(link[1])


async def change(client: httpx.AsyncClient, id: str, patch: Any, **headers: str) -> httpx.Response:
    return await client.patch(f"/v1/images/{id}", json=patch, headers={"Content-Type": MERGE_PATCH} | headers)


# Lists


async def test_no_images_are_an_empty_page(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/images")

    assert response.json() == {"images": [], "next": None}
    assert "link" not in response.headers


async def test_images_are_listed_newest_first(client: httpx.AsyncClient) -> None:
    images = [await upload(client, picture(seed=seed)) for seed in range(3)]

    response = await client.get("/v1/images")

    assert response.json()["images"] == images[::-1]


@pytest.mark.parametrize("limit", [1, 3, 4, 12, 13, 200])
async def test_pages_neither_lose_nor_repeat_images_of_the_same_moment(
    client: httpx.AsyncClient, connection: psycopg.Connection, limit: int
) -> None:
    moments = [NOON] * 5 + [NOON - timedelta(microseconds=1)] * 4 + [NOON + timedelta(microseconds=1)] * 3
    inserted = [(moment, insert(connection, created_at=moment)) for moment in moments]

    ids = await listed(client, limit=limit)

    assert ids == [id for _, id in sorted(inserted, key=lambda row: (row[0], UUID(row[1])), reverse=True)]


async def test_images_stored_meanwhile_do_not_move_the_pages(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    ids = [insert(connection, created_at=NOON - timedelta(days=day)) for day in range(4)]
    first = (await client.get("/v1/images?limit=2")).json()

    insert(connection, created_at=NOON + timedelta(days=1))
    second = (await client.get("/v1/images", params={"limit": 2, "cursor": first["next"]})).json()

    assert [image["id"] for image in first["images"] + second["images"]] == ids


async def test_the_moments_of_a_page_do_not_take_part_in_it(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    _, middle, _ = (insert(connection, created_at=NOON + timedelta(microseconds=step)) for step in (-1, 0, 1))
    before = "2026-01-31T12:00:00.000001Z"
    after = "2026-01-31T14:59:59.999999+03:00"

    assert await listed(client, created_after=after, created_before=before) == [middle]


async def test_the_filters_are_kept_from_page_to_page(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    def add(days: int, type: str, *tags: str) -> str:
        return insert(connection, created_at=NOON - timedelta(days=days), content_type=type, tags=list(tags))

    both = [add(day, "image/png", "cat", "é & ü", f"day {day}") for day in range(5)]
    one = [add(day, "image/png", "cat") for day in range(5, 8)]
    jpeg = [add(day, "image/jpeg", "é & ü", "cat") for day in range(8, 10)]
    bare = [add(10, "image/png")]

    assert await listed(client, limit=2, tag=["cat", "é & ü"]) == both + jpeg
    assert await listed(client, limit=2, tag="cat") == both + one + jpeg
    assert await listed(client, limit=2, content_type="image/png") == both + one + bare
    assert await listed(client, limit=1, content_type="image/png", tag=["é & ü", "cat"]) == both
    assert await listed(client, limit=2, tag="cat", created_before="2026-01-28T12:00:00Z") == [both[4], *one, *jpeg]
    assert await listed(client, limit=2, tag="cat", created_after="2026-01-28T12:00:00Z") == both[:3]
    assert await listed(client, limit=2, tag="Cat") == both + one + jpeg
    assert await listed(client, limit=2, tag="ca") == []
    assert await listed(client, limit=200, content_type="image/PNG") == both + one + bare


async def test_a_page_has_50_images_unless_told(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    for _ in range(51):
        insert(connection)

    assert len((await client.get("/v1/images")).json()["images"]) == 50


NO_CURSORS = [
    "",
    "x",
    "null",
    "AAAA",
    "é",
    "=" * 32,
    "A" * 31,
    "A" * 33,
    "A" * 10_000,
    "A" * 30 + "==",
    "!" + Position((NOON, FIRST_ID)).cursor(),
    Position((NOON, FIRST_ID)).cursor() + "=",
    Position((NOON, FIRST_ID)).cursor() + "\n",
    Position((NOON, FIRST_ID)).cursor()[:-1],
    "f" + "_" * 31,
    "g" + "A" * 31,
    "a\x00b",
]


async def test_what_is_no_cursor_is_refused(client: httpx.AsyncClient) -> None:
    for cursor in NO_CURSORS:
        assert faults(await client.get("/v1/images", params={"cursor": cursor})) == ["cursor"]


WRONG_PARAMETERS = [
    ("limit=0", ["limit"]),
    ("limit=201", ["limit"]),
    ("limit=-1", ["limit"]),
    ("limit=", ["limit"]),
    ("limit=ten", ["limit"]),
    ("limit=NaN", ["limit"]),
    ("limit=1e999", ["limit"]),
    (f"limit={'9' * 5000}", ["limit"]),
    ("limit=1&limit=2", ["limit"]),
    ("content_type=a&content_type=b", ["content_type"]),
    ("content_type=a%00b", ["content_type"]),
    ("tag=", ["tag"]),
    ("tag=a%00b", ["tag"]),
    (f"tag={'x' * 101}", ["tag"]),
    ("&".join("tag=x" for _ in range(51)), ["tag"]),
    ("cursor=x&cursor=y", ["cursor"]),
    ("offset=1", ["offset"]),
    ("limit=0&offset=1", ["limit", "offset"]),
    ("a%00b=1", ["a\x00b"]),
    ("created_after=yesterday", ["created_after"]),
    ("created_after=", ["created_after"]),
    ("created_after=1769860800", ["created_after"]),
    ("created_after=2026-01-31", ["created_after"]),
    ("created_after=2026-01-31T12:00:00", ["created_after"]),
    ("created_after=2026-01-31T12:00:00+03:00", ["created_after"]),
    ("created_after=2026-02-30T12:00:00Z", ["created_after"]),
    ("created_after=0000-01-01T00:00:00Z", ["created_after"]),
    ("created_after=0001-01-01T00:00:00%2B14:00", ["created_after"]),
    ("created_before=9999-12-31T23:59:59-14:00", ["created_before"]),
    ("created_before=99999-01-01T00:00:00Z", ["created_before"]),
    ("created_before=%D9%A2%D9%A0%D9%A2%D9%A6-01-31T12:00:00Z", ["created_before"]),
    ("created_before=2026-01-31T12:00:00Z&created_before=2026-01-31T12:00:00Z", ["created_before"]),
]


async def test_a_parameter_that_is_not_valid_is_named(client: httpx.AsyncClient) -> None:
    for query, named in WRONG_PARAMETERS:
        assert faults(await client.get(f"/v1/images?{query}")) == named


@pytest.mark.parametrize("query", ["created_after=0001-01-01T00:00:00Z", "created_before=9999-12-31T23:59:59.999999Z"])
async def test_the_first_and_the_last_moment_are_valid(
    client: httpx.AsyncClient, connection: psycopg.Connection, query: str
) -> None:
    id = insert(connection)

    assert await listed(client, f"/v1/images?{query}") == [id]


ODD_QUERIES = ["tag=%", "tag=%25", "&&&", "tag=%E7%8C%AB"]


async def test_a_query_of_odd_bytes_finds_nothing(client: httpx.AsyncClient) -> None:
    for query in ODD_QUERIES:
        assert (await client.get(f"/v1/images?{query}")).json() == {"images": [], "next": None}


async def test_a_query_that_is_not_utf8_is_rejected(client: httpx.AsyncClient) -> None:
    for query in ("tag=%ED%A0%80", "tag=%FF"):
        response = await client.get(f"/v1/images?{query}")
        assert (response.status_code, response.json()["detail"]) == (422, "The query parameters must be UTF-8.")


async def test_the_link_does_not_depend_on_what_the_client_calls_the_host(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    for _ in range(2):
        insert(connection)

    for host in ("127.0.0.1", "[::1]:8000", "gallery.localhost"):
        response = await client.get("/v1/images?limit=1", headers={"Host": host})
        assert response.headers["link"].startswith("</v1/images?limit=1&cursor=")


# One image


async def test_an_image_that_the_client_has_is_not_sent_again(client: httpx.AsyncClient) -> None:
    url = f"/v1/images/{(await upload(client))['id']}"
    etag = (await client.get(url)).headers["etag"]

    for condition in (etag, f'"x", W/{etag}', "*"):
        response = await client.get(url, headers={"If-None-Match": condition})
        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["etag"] == etag
    assert (await client.get(url, headers={"If-None-Match": '"x"'})).status_code == 200
    assert (await client.head(url)).headers["etag"] == etag


NO_IMAGES = ["1", "x", "%00", "%ff", f"{FIRST_ID}0", "..%2f..", "a" * 5000, str(FIRST_ID)]


async def test_what_is_no_image_is_not_found(client: httpx.AsyncClient) -> None:
    for id in NO_IMAGES:
        problem(await client.get(f"/v1/images/{id}"), 404)
        problem(await change(client, id, {}), 404)
        problem(await client.delete(f"/v1/images/{id}"), 404)
        problem(await client.get(f"/v1/images/{id}/content"), 404)


UNKNOWN_PATHS = ["/nowhere", "/v1/images/", "/v1", "/v1//images", "/v1/images/x/y/z", "/%00", "/%ff"]


async def test_an_unknown_path_is_not_found(client: httpx.AsyncClient) -> None:
    for path in UNKNOWN_PATHS:
        problem(await client.get(path), 404)


WRONG_METHODS = [
    ("PUT", "/v1/images", {"GET", "HEAD", "POST"}),
    ("get", "/v1/images", {"GET", "HEAD", "POST"}),
    ("POST", f"/v1/images/{FIRST_ID}", {"GET", "HEAD", "PATCH", "DELETE"}),
    ("DELETE", f"/v1/images/{FIRST_ID}/content", {"GET", "HEAD"}),
    ("POST", "/healthz", {"GET", "HEAD"}),
]


async def test_405_names_all_the_methods_there_are(client: httpx.AsyncClient) -> None:
    for method, path, allowed in WRONG_METHODS:
        request = client.build_request("PUT", path)
        request.method = method

        response = await client.send(request)

        problem(response, 405)
        assert set(response.headers["allow"].split(", ")) == allowed | {"OPTIONS"}


async def test_parameters_where_there_are_none_are_refused(client: httpx.AsyncClient) -> None:
    url = f"/v1/images/{(await upload(client))['id']}"

    assert faults(await client.get(f"{url}?fields=id")) == ["fields"]
    assert faults(await client.get(f"{url}/content?size=1&size=2")) == ["size"]
    assert faults(await client.patch(f"{url}?x=", json={})) == ["x"]
    assert faults(await client.delete(f"{url}?force=1")) == ["force"]
    assert faults(await client.post("/v1/images?tags=x", files={"file": picture()})) == ["tags"]
    assert (await client.get(url)).status_code == 200


# Changes


@pytest.mark.parametrize("media_type", [MERGE_PATCH, "application/json", "Application/JSON; charset=utf-8"])
async def test_a_patch_changes_what_it_names(client: httpx.AsyncClient, media_type: str) -> None:
    before = await upload(client, title="old", description="stays", tags=["a"])
    patch = {"title": "new", "tags": ["b", "c", "b"], "filename": "new name.jpg"}

    response = await change(client, before["id"], patch, **{"Content-Type": media_type})

    after = response.json()
    assert response.status_code == 200
    assert after == before | patch | {"tags": ["b", "c"], "updated_at": after["updated_at"]}
    assert after["updated_at"] > before["updated_at"]
    assert (await client.get(f"/v1/images/{before['id']}")).json() == after


async def test_null_takes_away(client: httpx.AsyncClient) -> None:
    image = await upload(client, title="t", description="d", tags=["a"], attributes='{"a": 1}')

    response = await change(client, image["id"], {"title": None, "description": None, "tags": None, "attributes": None})

    after = response.json()
    assert (after["title"], after["description"], after["tags"], after["attributes"]) == (None, None, [], {})


async def test_attributes_are_merged(client: httpx.AsyncClient) -> None:
    image = await upload(client, attributes='{"a": {"b": 1, "c": [1, {"d": null}]}, "e": 1, "f": {"g": 1}}')

    response = await change(
        client, image["id"], {"attributes": {"a": {"b": None, "h": {"i": None, "j": 0}}, "e": {"k": []}, "f": None}}
    )

    assert response.json()["attributes"] == {"a": {"c": [1, {"d": None}], "h": {"j": 0}}, "e": {"k": []}}


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_the_examples_of_rfc_7396(target: Any, patch: Any, result: Any) -> None:
    assert merge(target, patch) == result


WRONG_PATCHES = [
    ('{"titel": 1}', ["/titel"]),
    ('{"a/b~c": 1}', ["/a~1b~0c"]),
    ('{"id": "x"}', ["/id"]),
    ('{"sha256": "x", "width": 1}', ["/sha256", "/width"]),
    ('{"storage_key": "x"}', ["/storage_key"]),
    ('{"created_at": null}', ["/created_at"]),
    ('{"title": 1}', ["/title"]),
    ('{"title": ["x"]}', ["/title"]),
    ('{"title": "' + "x" * 201 + '"}', ["/title"]),
    ('{"title": "a\\u0000b"}', ["/title"]),
    ('{"description": "\\u0000"}', ["/description"]),
    ('{"tags": "cat"}', ["/tags"]),
    ('{"tags": {"0": "cat"}}', ["/tags"]),
    ('{"tags": ["cat", 1, null, ""]}', ["/tags/1", "/tags/2", "/tags/3"]),
    ('{"tags": ["a\\u0000"]}', ["/tags/0"]),
    ('{"filename": null}', ["/filename"]),
    ('{"filename": ""}', ["/filename"]),
    ('{"filename": "a/b"}', ["/filename"]),
    ('{"filename": ".."}', ["/filename"]),
    ('{"filename": "a\\nb"}', ["/filename"]),
    ('{"filename": "' + "x" * 256 + '"}', ["/filename"]),
    ('{"attributes": []}', ["/attributes"]),
    ('{"attributes": {"a": NaN}}', ["/attributes"]),
    ('{"attributes": {"a": [1e999]}}', ["/attributes"]),
    ('{"attributes": {"a\\u0000": 1}}', ["/attributes"]),
    ('{"attributes": {"a": "' + "x" * 65_536 + '"}}', ["/attributes"]),
    ("[]", [""]),
    ("null", [""]),
    ('"title"', [""]),
]


async def test_a_patch_that_is_not_valid_is_refused(client: httpx.AsyncClient) -> None:
    for patch, pointers in WRONG_PATCHES:
        before = await upload(client)
        url = f"/v1/images/{before['id']}"

        response = await client.patch(url, content=patch, headers={"Content-Type": MERGE_PATCH})

        assert faults(response) == pointers
        assert (await client.get(url)).json() == before


NO_JSON = [
    b"",
    b"{",
    b"\xff",
    b"title=x",
    b'{"title": "\xed\xa0\x80"}',
    b'{"title": "\\ud800"}',
    b'{"\\udfff": 1}',
    b'{"attributes": {"a": 1' + b"0" * 5000 + b"}}",
    b'{"attributes": {"a": ' + b"[" * 10_000 + b"]" * 10_000 + b"}}",
    b'{"title": "x"} {}',
]


async def test_a_patch_that_is_no_json_is_malformed(client: httpx.AsyncClient) -> None:
    for body in NO_JSON:
        url = f"/v1/images/{(await upload(client))['id']}"

        problem(await client.patch(url, content=body, headers={"Content-Type": MERGE_PATCH}), 400, "invalid-request")


async def test_a_patch_of_another_media_type_is_refused(client: httpx.AsyncClient) -> None:
    url = f"/v1/images/{(await upload(client))['id']}"

    for media_type in ("text/plain", "application/json-patch+json", ""):
        response = await client.patch(url, content="{}", headers={"Content-Type": media_type})
        problem(response, 415)
        assert response.headers["accept-patch"] == f"{MERGE_PATCH}, application/json"


async def test_a_patch_that_is_too_large_is_refused(client: httpx.AsyncClient) -> None:
    url = f"/v1/images/{(await upload(client))['id']}"

    problem(await client.patch(url, json={"description": "x" * 1_100_000}), 413)


async def test_attributes_do_not_grow_without_limit(client: httpx.AsyncClient) -> None:
    id = (await upload(client))["id"]

    assert (await change(client, id, {"attributes": {"a": "x" * 40_000}})).status_code == 200
    assert faults(await change(client, id, {"attributes": {"b": "x" * 40_000}})) == ["/attributes"]


async def test_a_change_moves_the_etag(client: httpx.AsyncClient) -> None:
    id = (await upload(client))["id"]

    etags = [(await client.get(f"/v1/images/{id}")).headers["etag"]]
    etags += [(await change(client, id, {"title": title})).headers["etag"] for title in "abc"]

    assert len(set(etags)) == 4
    assert (await client.get(f"/v1/images/{id}")).headers["etag"] == etags[-1]


async def test_only_the_version_that_if_match_names_is_changed(client: httpx.AsyncClient) -> None:
    id = (await upload(client))["id"]
    first = (await client.get(f"/v1/images/{id}")).headers["etag"]
    second = (await change(client, id, {"title": "a"}, **{"If-Match": first})).headers["etag"]

    for stale in (first, '"x"', f"W/{second}"):
        problem(await change(client, id, {"title": "b"}, **{"If-Match": stale}), 412, "version-conflict")
        problem(await client.delete(f"/v1/images/{id}", headers={"If-Match": stale}), 412, "version-conflict")
    assert (await client.get(f"/v1/images/{id}")).json()["title"] == "a"

    assert (await change(client, id, {"title": "c"}, **{"If-Match": f'"x", {second}'})).status_code == 200
    assert (await change(client, id, {"title": "d"}, **{"If-Match": "*"})).status_code == 200
    third = (await client.get(f"/v1/images/{id}")).headers["etag"]
    assert (await client.delete(f"/v1/images/{id}", headers={"If-Match": third})).status_code == 204
    problem(await client.delete(f"/v1/images/{id}", headers={"If-Match": third}), 404)


@pytest.mark.routes("direct", "pgbouncer")
async def test_patches_at_the_same_time_lose_nothing(client: httpx.AsyncClient) -> None:
    id = (await upload(client))["id"]

    responses = await asyncio.gather(*(change(client, id, {"attributes": {f"key {n}": n}}) for n in range(20)))

    assert {response.status_code for response in responses} == {200}
    assert len({response.headers["etag"] for response in responses}) == 20
    image = (await client.get(f"/v1/images/{id}")).json()
    assert image["attributes"] == {f"key {n}": n for n in range(20)}


async def test_of_conditional_patches_at_the_same_time_one_wins(client: httpx.AsyncClient) -> None:
    id = (await upload(client))["id"]
    etag = (await client.get(f"/v1/images/{id}")).headers["etag"]

    responses = await asyncio.gather(*(change(client, id, {"title": str(n)}, **{"If-Match": etag}) for n in range(8)))

    assert sorted(response.status_code for response in responses) == [200] + [412] * 7


# Removal


async def test_a_deleted_image_is_gone_with_its_bytes(
    client: httpx.AsyncClient, connection: psycopg.Connection, settings: Settings
) -> None:
    url = f"/v1/images/{(await upload(client))['id']}"
    kept = await upload(client, picture(seed=1))

    response = await client.delete(url)

    assert (response.status_code, response.content) == (204, b"")
    problem(await client.delete(url), 404)
    problem(await client.get(url), 404)
    problem(await client.get(f"{url}/content"), 404)
    assert rows(connection) == 1
    assert [key.rpartition("/")[2] for key in objects(settings)] == [kept["sha256"]]


async def test_deleted_bytes_may_be_stored_again(client: httpx.AsyncClient) -> None:
    first = await upload(client)
    await client.delete(f"/v1/images/{first['id']}")

    response = await client.post("/v1/images", files={"file": picture()})

    assert response.status_code == 201
    assert response.json()["id"] != first["id"]
    assert (await client.get(f"/v1/images/{response.json()['id']}/content")).content == picture()


@pytest.mark.routes("direct", "pgbouncer")
async def test_no_order_of_uploads_and_deletions_leaves_a_row_without_its_bytes(
    client: httpx.AsyncClient, connection: psycopg.Connection, settings: Settings
) -> None:
    content = picture()
    id = (await upload(client, content))["id"]

    for _ in range(30):
        image, _, deleted, again = await asyncio.gather(
            upload(client, content),
            upload(client, content),
            client.delete(f"/v1/images/{id}"),
            upload(client, content),
        )
        assert deleted.status_code in {204, 404}
        id = (await upload(client, content))["id"]
        assert id in {image["id"], again["id"]} or deleted.status_code == 204
        assert rows(connection) == len(objects(settings)) == 1


@pytest.mark.routes("direct", "pgbouncer")
async def test_a_deletion_waits_for_an_upload_of_the_same_bytes(
    client: httpx.AsyncClient, connection: psycopg.Connection, settings: Settings
) -> None:
    image = await upload(client)
    [key] = objects(settings)

    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [image["sha256"]])
        deletion = asyncio.create_task(client.delete(f"/v1/images/{image['id']}"))
        while not deletion.done():
            await client.get("/readyz")
            if connection.execute("SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").fetchall():
                break
        insert(connection, sha256=image["sha256"], storage_key=key)

    assert (await deletion).status_code == 204
    assert objects(settings) == [key]


async def test_an_image_whose_bytes_are_gone_can_be_deleted(client: httpx.AsyncClient, settings: Settings) -> None:
    image = await upload(client)
    for key in objects(settings):
        remove(settings, key)

    problem(await client.get(f"/v1/images/{image['id']}/content"), 404, "content-missing")
    assert (await client.delete(f"/v1/images/{image['id']}")).status_code == 204


# Rows of the former service


@pytest.mark.parametrize(
    "attributes",
    ["{}", "[]", "null", "1", '"x"', '[{"a": null}]', '{"n": 1e5000}', '{"n": 1e-400}', "[" * 900 + "]" * 900],
)
async def test_an_adopted_row_may_have_any_attributes(
    client: httpx.AsyncClient, connection: psycopg.Connection, attributes: str
) -> None:
    id = insert(connection, attributes=attributes, tags=["", "a" * 500, None])
    stored = connection.execute("SELECT attributes::text FROM images").fetchone()
    assert stored is not None

    page = await client.get("/v1/images")
    image = await client.get(f"/v1/images/{id}")
    patched = await change(client, id, {"title": "new"})

    assert (page.status_code, image.status_code, patched.status_code) == (200, 200, 200)
    assert f'"attributes":{stored[0]}' in page.text
    assert f'"attributes":{stored[0]}' in image.text
    assert f'"attributes":{stored[0]}' in patched.text
    assert '"tags":["","' in image.text
    assert (await change(client, id, {"attributes": None, "tags": None})).json()["attributes"] == {}


async def test_attributes_that_cannot_be_merged_are_named(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    id = insert(connection, attributes='{"n": 1e5000}')

    assert faults(await change(client, id, {"attributes": {"a": 1}})) == ["/attributes"]


async def test_attributes_that_are_no_object_are_replaced(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    id = insert(connection, attributes=Jsonb([1, 2]))

    assert (await change(client, id, {"attributes": {"a": 1, "b": None}})).json()["attributes"] == {"a": 1}


async def test_a_page_may_end_with_attributes_that_are_too_deep_to_parse(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    deep = "[" * 900 + "]" * 900
    ids = [insert(connection, attributes=deep, created_at=NOON + timedelta(days=day)) for day in range(3)]

    assert await listed(client, limit=1) == ids[::-1]


async def test_no_text_is_taken_for_the_position_of_the_next_page(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    text = f'\\","created_at":"{NOON.isoformat()}", "id":"{FIRST_ID}"\n'
    columns = {"title": text, "description": text, "filename": text, "tags": [text]}
    ids = [insert(connection, created_at=NOON + timedelta(days=day), **columns) for day in range(3)]

    assert await listed(client, limit=1) == ids[::-1]


async def test_a_row_of_no_moment_is_listed(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    ids = {insert(connection, created_at="infinity", updated_at="infinity") for _ in range(3)}

    assert set(await listed(client, limit=1)) == ids
    assert (await change(client, ids.pop(), {"title": "x"})).status_code == 200


async def test_an_answer_names_twenty_faults_at_most(client: httpx.AsyncClient) -> None:
    id = (await upload(client))["id"]
    patch = {f"unknown {number}": 0 for number in range(1000)}

    response = await client.patch(f"/v1/images/{id}", json=patch)

    assert len(problem(response, 422, "invalid-request")["errors"]) == 20


async def test_a_patch_of_nothing_changes_nothing(client: httpx.AsyncClient) -> None:
    image = await upload(client)

    response = await client.patch(f"/v1/images/{image['id']}", json={})

    assert response.json() == image


async def test_what_is_given_twice_is_said_so(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/images?limit=1&limit=2")

    errors = problem(response, 422, "invalid-request")["errors"]
    assert errors == [{"parameter": "limit", "detail": "must be given only once"}]
