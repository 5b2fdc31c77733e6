"""Numbers of a client, in the query, in headers and in cursors: ASCII digits, and nothing else that int() takes."""

from email.utils import parsedate_to_datetime

import httpx
import pytest

from app.web.headers import MAX_NUMBER, http_time, whole_number
from tests.support.api import faults, upload

# int() takes each of them. The digits after the first four are those of other scripts, and of wide letters.
ODD = [
    "1_0",
    "+1",
    " 1",
    "1 ",
    "1\n",
    "\t1",
    "1\xa0",
    "\u0661",
    "1\u0660",
    "\uff11",
    "\u06f1",
    "\U0001d7d9",
    "\u0e51",
    "-\u0661",
]
DATES = ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
ODD_DATES = [
    "Sun, 0_6 Nov 1994 08:49:37 GMT",
    "Sun, +6 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1_994 08:49:37 GMT",
    "Sun, 06 Nov 1994 0_8:49:37 GMT",
    "Sun, 06 Nov 1994 08:49:37 +0000",
    "Sun, 06 Nov 1994 08:49:37",
    "Sun, 99 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 25:49:37 GMT",
    "Sun, 06 Nov 1994 08:49:37 GMT\xa0",
    "06 Nov 1994 08:49:37 GMT",
    "1994-11-06T08:49:37Z",
    "784111777",
]


@pytest.mark.parametrize("path", ["/v1/images?limit=", "/v1/tags?limit=", "/v1/images/{id}/thumbnail?size="])
async def test_a_number_in_the_query_has_ascii_digits(path: str, client: httpx.AsyncClient) -> None:
    url, _, name = path.format(id=(await upload(client))["id"]).rpartition("?")
    name = name.removesuffix("=")
    good = "160" if name == "size" else "10"
    assert (await client.get(url, params={name: good})).status_code == 200
    for odd in [*ODD, "0x10", "1e1", "1.0", "10.", "", *(good[:1] + sign + good[1:] for sign in "_ ,.'")]:
        for text in (odd, odd.replace("1", good)):
            assert faults(await client.get(url, params={name: text})) == [name], text


async def test_a_time_in_the_query_has_ascii_digits(client: httpx.AsyncClient) -> None:
    for odd in (
        "\u0662026-01-31T12:00:00Z",
        "2026-01-31T12:00:0\u0660Z",
        "2_026-01-31T12:00:00Z",
        "+2026-01-31T12:00:00Z",
    ):
        assert faults(await client.get("/v1/images", params={"created_after": odd})) == ["created_after"]


def test_a_number_in_a_header_has_ascii_digits() -> None:
    for odd in [*ODD, "", "-1", "0x1", "1.0", "1,1"]:
        assert whole_number(odd) is None, odd
    assert [whole_number(text) for text in ("0", "007", "10", "9" * 6000)] == [0, 7, 10, MAX_NUMBER]


def test_a_date_in_a_header_is_one_of_http() -> None:
    for odd in ODD_DATES:
        assert http_time(odd) is None, odd
    assert {http_time(date) for date in DATES} == {parsedate_to_datetime(DATES[0])}


async def test_odd_numbers_in_headers_are_ignored(client: httpx.AsyncClient) -> None:
    image = await upload(client)
    url = f"/v1/images/{image['id']}/content"
    size = image["byte_size"]
    for odd in ODD:
        for text in (f"bytes={odd}-", f"bytes=-{odd}-", f"bytes=0-{odd}", f"bytes=-{odd}"):
            if text == text.rstrip(" "):  # a blank at the end is not part of the value
                response = await client.get(url, headers=[(b"Range", text.encode())])
                assert (response.status_code, len(response.content)) == (200, size), text
    for odd in ODD_DATES:
        assert (await client.get(url, headers=[(b"If-Unmodified-Since", odd.encode())])).status_code == 200, odd
        assert (
            await client.get(url, headers=[(b"If-Modified-Since", odd.replace("1994", "2994").encode())])
        ).status_code == 200
