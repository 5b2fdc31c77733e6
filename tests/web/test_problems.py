"""Problem details (RFC 9457): their sentences, the request ID in them, and our words for pydantic's errors."""

import re
from typing import Any
from urllib.parse import quote

import httpx
import hypothesis
import pytest
from asyncpg import InterfaceError
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from pydantic import BaseModel, ByteSize, ValidationError

from app.catalogue.cursors import FIRST_ID
from app.catalogue.listing import Filters, ListQuery, TagQuery
from app.catalogue.models import ImagePatch, ImageRecord, ThumbnailQuery, UploadFields
from app.settings import Settings
from app.web.problems import ProblemError, invalid
from tests.conftest import client_of
from tests.support.api import problem, upload

# A detail continues the name of the field.
PREDICATE = re.compile(r"(must|is|has) ", re.IGNORECASE)
SENTENCE = re.compile(r"[A-Z].*\.", re.DOTALL)
MODELS: list[type[BaseModel]] = [Filters, ListQuery, TagQuery, ThumbnailQuery, UploadFields, ImagePatch, ImageRecord]
CHARACTERS = 'aZ09+-:./{}[]" \0é'
TEXTS = st.text(CHARACTERS, max_size=9) | st.sampled_from(
    ["", "0", "1.5", "2026-01-31", "2026-01-31T12:00:00", "2026-13-01T00:00:00Z", "a/b", "\0", "9" * 5000, "{", "[1]"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


LIMITS = Settings.model_construct(
    max_title_length=5,
    max_description_length=5,
    max_filename_length=5,
    max_tag_length=5,
    max_tags=2,
    max_query_length=5,
    max_attributes_bytes=ByteSize(20),
)


@given(VALUES)
@hypothesis.settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_every_error_of_every_field_is_in_our_words(value: object) -> None:
    for model in MODELS:
        for name in [*model.model_fields, "other"]:
            try:
                model.model_validate({name: value}, context=LIMITS)
            except ValidationError as error:
                for fault in invalid(error).problem.errors or []:
                    assert PREDICATE.match(fault.detail), fault
                    assert not re.search(r"Input|String|should|valid ", fault.detail), fault


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("limit=0", "must be from 1 to 200"),
        ("limit=201", "must be from 1 to 200"),
        ("limit=x", "must be a whole number"),
        ("limit=1.5", "must be a whole number"),
        ("limit=1&limit=2", "must be given only once"),
        ("sort=color", "must be one of newest, oldest, largest, name"),
        ("color=red", "is unknown"),
        ("tag=", "must not be empty"),
        ("created_after=yesterday", "must be a time such as 2026-01-31T12:00:00Z"),
        (
            "created_after=2026-01-31T12:00:00+02:00",
            "must be a time such as 2026-01-31T12:00:00Z (in a URL, write + as %2B)",
        ),
    ],
)
async def test_a_wrong_parameter_is_told_the_rule(query: str, detail: str, client: httpx.AsyncClient) -> None:
    [error] = problem(await client.get(f"/v1/images?{query}"), 422, "invalid-request")["errors"]

    assert error == {"parameter": query.partition("=")[0], "detail": detail}


@pytest.mark.parametrize(
    ("fields", "errors"),
    [
        ({"title": 1}, {"/title": "must be a string"}),
        ({"tags": "red"}, {"/tags": "must be a list"}),
        ({"attributes": []}, {"/attributes": "must be an object"}),
        ({"owner": "me", "filename": ""}, {"/filename": "must not be empty", "/owner": "is unknown"}),
    ],
)
async def test_a_wrong_field_is_told_the_rule(
    fields: dict[str, Any], errors: dict[str, str], client: httpx.AsyncClient
) -> None:
    url = f"/v1/images/{(await upload(client))['id']}"

    found = problem(await client.patch(url, json=fields), 422, "invalid-request")["errors"]

    assert {error["pointer"]: error["detail"] for error in found} == errors


async def test_attributes_that_are_not_json_are_told_the_rule(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/images", files={"file": b"x"}, data={"attributes": "{"})

    assert problem(response, 422, "invalid-request")["errors"] == [
        {"pointer": "/attributes", "detail": "must be a JSON object"}
    ]


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [
        ("GET", f"/v1/images/{FIRST_ID}", 404, "No image has this ID."),
        ("PATCH", f"/v1/images/{FIRST_ID}", 404, "No image has this ID."),
        ("DELETE", f"/v1/images/{FIRST_ID}", 404, "No image has this ID."),
        ("GET", f"/v1/images/{FIRST_ID}/content", 404, "No image has this ID."),
        ("GET", f"/v1/images/{FIRST_ID}/thumbnail", 404, "No image has this ID."),
        ("GET", "/v1/none", 404, "There is nothing at this path. See /docs for the paths of the API."),
        ("GET", "/static/none", 404, "There is nothing at this path."),
        ("PUT", "/v1/stats", 405, "This path allows only GET, HEAD, OPTIONS."),
    ],
)
async def test_details_are_sentences(
    method: str, path: str, status: int, detail: str, client: httpx.AsyncClient
) -> None:
    response = await client.request(method, path, json={} if method == "PATCH" else None)

    assert problem(response, status)["detail"] == detail


async def test_each_problem_has_the_request_id(client: httpx.AsyncClient, settings: Settings) -> None:
    headers = {"X-Request-ID": "my-request"}
    async with client_of(settings.model_copy(update={"auth": "token"})) as closed:
        for response in (
            await client.get(f"/v1/images/{FIRST_ID}", headers=headers),
            await client.get("/v1/images?limit=0", headers=headers),
            await client.post("/v1/images", content=b"", headers=headers),
            await closed.get("/v1/images", headers=headers),
        ):
            assert response.json()["request_id"] == response.headers["x-request-id"] == "my-request"


async def test_authentication_says_what_to_send(settings: Settings) -> None:
    unknown = "images_" + "a" * 64
    async with client_of(settings.model_copy(update={"auth": "token"})) as closed:
        for authorization, detail in {
            "Basic YTpi": "Send a bearer token: Authorization: Bearer images_...",
            f"Bearer {unknown}": "The token is unknown or revoked.",
            f"bearer {unknown}": "The token is unknown or revoked.",
        }.items():
            response = await closed.get("/v1/images", headers={"Authorization": authorization})
            assert problem(response, 401)["detail"] == detail
            assert unknown not in response.text
        assert problem(await closed.get("/v1/images"), 401)["detail"].startswith("Send a bearer token")


async def test_a_503_of_a_write_says_that_it_may_have_been_saved(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise InterfaceError("the connection is closed")

    for name in ("get_image", "delete_image"):
        monkeypatch.setattr(f"app.database.queries.{name}", fail)
    async with client_of(settings) as client:
        read = problem(await client.get(f"/v1/images/{FIRST_ID}"), 503)["detail"]
        write = problem(await client.delete(f"/v1/images/{FIRST_ID}"), 503)["detail"]

    assert read == "The database or the object store is not available. Try again in 5 seconds."
    assert write == f"{read} The change may have been saved, so read before you try again."


@pytest.mark.parametrize(
    ("status", "title"), [(413, "Content Too Large"), (416, "Range Not Satisfiable"), (422, "Unprocessable Content")]
)
def test_titles_are_those_of_rfc_9110_in_every_python(status: int, title: str) -> None:
    assert ProblemError(status).problem.title == title


@given(st.text(CHARACTERS, max_size=12))
def test_a_body_that_is_not_json_is_a_sentence(text: str) -> None:
    try:
        ImagePatch.model_validate_json(text, context=LIMITS)
    except ValidationError as error:
        found = invalid(error).problem
        assert found.status == 422 or SENTENCE.fullmatch(found.detail or ""), quote(text)
