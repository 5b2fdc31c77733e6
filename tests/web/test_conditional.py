"""Conditional requests (RFC 9110, section 13)."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

import httpx
import psycopg
import pytest
from starlette.requests import Request

from app.settings import Settings
from app.web.conditional import not_modified, validators
from app.web.dates import http_date
from app.web.problems import ProblemError
from app.web.state import State
from tests.support.api import insert, problem, put, upload
from tests.support.properties import given, st

PATHS = ["", "/content", "/thumbnail"]
CONFLICT = "version-conflict"
CHANGES = ["PATCH", "DELETE"]
UNQUOTED = ["1795862661643971", "abc", '"a', 'a"', "'a'", "", '"a" b', '*, "a"', "W/a", '"a"; "b"']


async def change(client: httpx.AsyncClient, method: str, url: str, headers: dict[str, str]) -> httpx.Response:
    body = {"title": "changed"} if method == "PATCH" else None
    return await client.request(method, url, json=body, headers=headers)


def later(date: str, seconds: int) -> str:
    return format_datetime(parsedate_to_datetime(date) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize("method", CHANGES)
async def test_if_none_match_prevents_a_change_of_the_version_that_it_lists(
    method: str, client: httpx.AsyncClient
) -> None:
    url = f"/v1/images/{(await upload(client))['id']}"
    etag = (await client.get(url)).headers["etag"]

    for listed in (etag, f'"x", W/{etag}', "*"):
        response = await change(client, method, url, {"If-None-Match": listed})
        problem(response, 412)
        assert response.headers["etag"] == etag
    problem(await change(client, method, url, {"If-None-Match": etag, "If-Match": etag}), 412)
    assert (await client.get(url)).headers["etag"] == etag

    assert (await change(client, method, url, {"If-None-Match": '"x"', "If-Match": etag})).status_code in {200, 204}


@pytest.mark.parametrize("method", CHANGES)
async def test_if_none_match_does_not_find_a_version_of_an_image_that_is_not_there(
    method: str, client: httpx.AsyncClient
) -> None:
    url = f"/v1/images/{(await upload(client))['id']}"
    await client.delete(url)

    problem(await change(client, method, url, {"If-None-Match": "*"}), 404)


async def test_a_412_says_which_condition_is_false_and_why(client: httpx.AsyncClient) -> None:
    url = f"/v1/images/{(await upload(client))['id']}"
    etag = (await client.get(url)).headers["etag"]
    weak = f"If-Match lists the ETag {etag} as a weak one. A weak ETag never matches: send it without W/."
    other = f"If-Match does not list the ETag {etag}."
    known = f"If-None-Match lists the ETag {etag}."
    any_ = "If-None-Match is *, which matches every image that exists."

    for method, headers, detail in [
        *((method, {"If-Match": f"W/{etag}"}, weak) for method in ("GET", *CHANGES)),
        *((method, {"If-Match": f'"x", W/{etag}'}, weak) for method in ("GET", *CHANGES)),
        *((method, {"If-Match": '"x", W/"y"'}, other) for method in ("GET", *CHANGES)),
        *((method, {"If-None-Match": "*"}, any_) for method in CHANGES),
        *((method, {"If-None-Match": f"W/{etag}"}, known) for method in CHANGES),
    ]:
        response = await change(client, method, url, headers)
        assert response.status_code == 412
        assert response.json()["detail"] == detail, (method, headers)


@pytest.mark.parametrize("path", PATHS)
async def test_if_match_holds_for_a_get_and_a_head(path: str, client: httpx.AsyncClient) -> None:
    url = f"/v1/images/{(await upload(client))['id']}{path}"
    etag = (await client.get(url)).headers["etag"]

    for method in ("GET", "HEAD"):
        for other in ('"x"', f"W/{etag}"):
            response = await client.request(method, url, headers={"If-Match": other})
            assert (response.status_code, response.headers["etag"]) == (412, etag)
        for listed in (etag, f'"x", {etag}', "*"):
            assert (await client.request(method, url, headers={"If-Match": listed})).status_code == 200
    problem(await client.get(url, headers={"If-Match": '"x"', "If-None-Match": etag}), 412, None if path else CONFLICT)


async def test_an_etag_without_quotes_is_malformed(client: httpx.AsyncClient) -> None:
    url = f"/v1/images/{(await upload(client))['id']}"
    unquoted = (await client.get(url)).headers["etag"].strip('"')

    for value in (unquoted, *UNQUOTED):
        for method in ("GET", *CHANGES):
            response = await change(client, method, url, {"If-Match": value})
            assert "If-Match must list ETags in quotes" in problem(response, 400)["detail"], value
        for method in CHANGES:
            response = await change(client, method, url, {"If-None-Match": value})
            assert "If-None-Match must list ETags in quotes" in problem(response, 400)["detail"], value
            response = await change(client, method, url, {"If-None-Match": value, "If-Match": '"x"'})
            problem(response, 400)
        assert (await client.get(url, headers={"If-None-Match": value})).status_code == 200
    assert (await client.get(url)).json()["title"] is None


async def test_an_etag_may_contain_a_comma(client: httpx.AsyncClient) -> None:
    url = f"/v1/images/{(await upload(client))['id']}"
    etag = (await client.get(url)).headers["etag"]

    assert (await client.get(url, headers={"If-Match": f'"a,b", {etag}'})).status_code == 200
    problem(await client.get(url, headers={"If-Match": '"a,b"'}), 412, CONFLICT)


@pytest.mark.parametrize("path", PATHS)
async def test_the_last_modification_is_told_and_compared(path: str, client: httpx.AsyncClient) -> None:
    image = await upload(client)
    url = f"/v1/images/{image['id']}{path}"

    modified = (await client.get(url)).headers["last-modified"]

    stored = datetime.fromisoformat(image["created_at"])
    assert parsedate_to_datetime(modified) == stored.replace(microsecond=0)
    for method in ("GET", "HEAD"):
        for condition, seconds, status in [
            ("If-Modified-Since", 0, 304),
            ("If-Modified-Since", 9, 304),
            ("If-Modified-Since", -1, 200),
            ("If-Unmodified-Since", 0, 200),
            ("If-Unmodified-Since", -1, 412),
        ]:
            response = await client.request(method, url, headers={condition: later(modified, seconds)})
            assert response.status_code == status, (method, condition, seconds)
            if status == 304:
                assert response.headers["last-modified"] == modified


async def test_an_etag_counts_more_than_a_date(client: httpx.AsyncClient) -> None:
    url = f"/v1/images/{(await upload(client))['id']}"
    headers = (await client.get(url)).headers
    etag, modified = headers["etag"], headers["last-modified"]

    for condition in (
        {"If-None-Match": '"x"', "If-Modified-Since": modified},
        {"If-Match": etag, "If-Unmodified-Since": later(modified, -9)},
    ):
        assert (await client.get(url, headers=condition)).status_code == 200


@pytest.mark.parametrize("method", CHANGES)
async def test_if_unmodified_since_prevents_a_change_of_a_later_version(method: str, client: httpx.AsyncClient) -> None:
    url = f"/v1/images/{(await upload(client))['id']}"
    modified = (await client.get(url)).headers["last-modified"]

    problem(await change(client, method, url, {"If-Unmodified-Since": later(modified, -1)}), 412, CONFLICT)
    done = await change(client, method, url, {"If-Unmodified-Since": later(modified, 0)})

    assert done.status_code in {200, 204}


async def test_a_range_may_depend_on_the_date(client: httpx.AsyncClient) -> None:
    url = f"/v1/images/{(await upload(client))['id']}/content"
    modified = (await client.get(url)).headers["last-modified"]

    same = await client.get(url, headers={"Range": "bytes=0-9", "If-Range": modified})
    other = await client.get(url, headers={"Range": "bytes=0-9", "If-Range": later(modified, 1)})

    assert (same.status_code, other.status_code) == (206, 200)


@pytest.mark.parametrize("moment", ["infinity", "-infinity", "9999-01-01Z", "0001-01-01Z"])
async def test_any_moment_of_an_adopted_row_makes_a_date_that_is_not_in_the_future(
    moment: str, client: httpx.AsyncClient, connection: psycopg.Connection, settings: Settings
) -> None:
    put(settings, "old.jpg", b"old")
    url = f"/v1/images/{insert(connection, storage_key='old.jpg', created_at=moment, updated_at=moment)}"

    for path in ("", "/content"):
        response = await client.get(url + path)
        assert response.status_code == 200
        assert parsedate_to_datetime(response.headers["last-modified"]) <= datetime.now(UTC)


HEADERS = {"ETag": '"1"', "Last-Modified": "Sat, 28 Nov 2026 13:00:00 GMT"}
NAMES = ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since"]
VALUES = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=40) | st.sampled_from(
    ["*", '"1"', 'W/"1"', '"2"', HEADERS["Last-Modified"], "Sat, 28 Nov 99999999999999999999 13:00:00 GMT", "0"]
)


@given(st.dictionaries(st.sampled_from(NAMES), VALUES), st.sampled_from(["GET", "HEAD", "PATCH", "DELETE"]))
def test_any_conditions_are_met_or_not_or_malformed(conditions: dict[str, str], method: str) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in conditions.items()]
    request: Request[State] = Request({"type": "http", "method": method, "headers": raw})

    try:
        result = not_modified(request, HEADERS)
    except ProblemError as error:
        if error.problem.status not in {400, 412}:
            raise
    else:
        assert not (result and method in {"PATCH", "DELETE"})
        if conditions.get("if-match") == '"2"' or (conditions.get("if-none-match") == '"1"' and method == "PATCH"):
            pytest.fail("a false condition went unnoticed")


@given(st.datetimes(timezones=st.just(UTC)))
def test_the_headers_of_a_version_meet_each_other(moment: datetime) -> None:
    headers = validators('"1"', moment)
    for name in ("if-modified-since", "if-unmodified-since"):
        raw = [(name.encode(), headers["Last-Modified"].encode())]
        request: Request[State] = Request({"type": "http", "method": "GET", "headers": raw})
        assert not_modified(request, headers) == (name == "if-modified-since")


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_date_has_the_format_of_rfc_9110(moment: datetime) -> None:
    assert http_date(moment) == format_datetime(moment, usegmt=True)
