"""Problem details (RFC 9457): their sentences, the request ID in them, and our words for pydantic's errors."""

import re
from collections.abc import Iterator
from datetime import date, datetime, time
from enum import Enum
from errno import EFBIG, ENOSPC
from html import unescape
from typing import Annotated, Any, Literal
from urllib.parse import quote
from uuid import UUID

import httpx
import hypothesis
import pytest
from asyncpg import InterfaceError
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from obstore.exceptions import GenericError
from pydantic import (
    UUID4,
    AwareDatetime,
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
)
from pydantic_core import to_json

from app.catalogue.cursors import FIRST_ID
from app.catalogue.faults import FAULTS, PATTERNS, explain
from app.catalogue.listing import Filters, ListQuery, TagQuery
from app.catalogue.models import ImagePatch, ImageRecord, ThumbnailQuery, UploadFields, UploadForm
from app.main import OPERATIONS
from app.settings import ROOT, Settings
from app.web.openapi import _models_of
from app.web.operations import MERGE_PATCH
from app.web.problem_types import TYPES, as_markdown
from app.web.problems import ProblemError, invalid
from tests.conftest import client_of
from tests.support.api import problem, upload
from tests.support.pictures import picture

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
                for fault in invalid(error, model).problem.errors or []:
                    assert PREDICATE.match(fault.detail), fault
                    assert not re.search(r"Input|String|should|valid ", fault.detail), fault


# The kinds of errors that each type of pydantic's core schemas can raise, and each of its limits.
KINDS: dict[str, set[str]] = {
    **{
        name: set()
        for name in (
            "any",
            "function-plain",
            "chain",
            "default",
            "definition-ref",
            "definitions",
            "nullable",
            "no-info",
        )
    },
    **{name: {"value_error"} for name in ("function-after", "function-before", "function-wrap", "with-info")},
    "bool": {"bool_type", "bool_parsing"},
    "datetime": {
        "datetime_type",
        "datetime_parsing",
        "datetime_object_invalid",
        "datetime_from_date_parsing",
        "timezone_aware",
    },
    "dict": {"dict_type"},
    "float": {"float_type", "float_parsing", "finite_number"},
    "int": {"int_type", "int_parsing", "int_parsing_size", "int_from_float", "finite_number"},
    "json-or-python": {"invalid-json-value"},  # of JsonValue
    "list": {"list_type"},
    "literal": {"literal_error"},
    "model": {"model_type", "model_attributes_type"},
    "model-field": {"missing"},
    "model-fields": {"extra_forbidden"},
    "none": {"none_required"},
    "str": {"string_type", "string_unicode"},
    "tagged-union": {"union_tag_invalid", "union_tag_not_found"},
    "uuid": {"uuid_type", "uuid_parsing", "uuid_version"},
}
LIMIT_KINDS = {
    "ge": "greater_than_equal",
    "gt": "greater_than",
    "le": "less_than_equal",
    "lt": "less_than",
    "multiple_of": "multiple_of",
    "pattern": "string_pattern_mismatch",
}
LENGTH_KINDS = {"str": ("string_too_short", "string_too_long"), "list": ("too_short", "too_long")}


def kinds_of(node: object) -> Iterator[str]:
    """Return the kinds of errors that a core schema can raise."""
    if isinstance(node, list | tuple):
        for child in node:
            yield from kinds_of(child)
    elif isinstance(node, dict):
        name = node.get("type")
        if isinstance(name, str):
            yield from KINDS[name]
            yield from (kind for limit, kind in LIMIT_KINDS.items() if limit in node)
            for limit, kind in zip(("min_length", "max_length"), LENGTH_KINDS.get(name, ()), strict=False):
                if limit in node:
                    yield kind
        for key, child in node.items():
            if key != "metadata":
                yield from kinds_of(child)


def patterns_of(node: object) -> Iterator[str]:
    """Return the regular expressions in a core schema."""
    if isinstance(node, list | tuple):
        for child in node:
            yield from patterns_of(child)
    elif isinstance(node, dict):
        if isinstance(node.get("pattern"), str):
            yield node["pattern"]
        for key, child in node.items():
            if key != "metadata":
                yield from patterns_of(child)


def test_every_kind_of_error_of_the_declared_models_has_a_plain_message() -> None:
    declared = [operation.query for operation in OPERATIONS]
    declared += [model for operation in OPERATIONS if operation.body for model in _models_of(operation.body)]
    models = {UploadFields if model is UploadForm else model for model in declared if model is not None}
    assert {*MODELS} <= models

    for model in models:
        missing = {*kinds_of(model.__pydantic_core_schema__)} - {*FAULTS}
        assert not missing, model
        assert {*patterns_of(model.__pydantic_core_schema__)} <= {*PATTERNS}, model


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class EveryType(BaseModel):
    """The types that a model of the API may use in the future."""

    model_config = ConfigDict(extra="forbid")

    switch: bool
    ratio: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
    number: Annotated[int, Field(ge=2, le=9, multiple_of=2)]
    day: date
    clock: time
    moment: datetime
    aware: AwareDatetime
    color: Color
    choice: Literal["a", "b"]
    rank: Literal[1, 2]
    word: Annotated[str, Field(min_length=2, max_length=3, pattern="^a")]
    few: Annotated[list[int], Field(min_length=2, max_length=3)]
    key: UUID
    other: UUID4
    named: dict[str, int]
    any_json: JsonValue


EVERY_TEXT = TEXTS | st.sampled_from(
    ["1e999", "nan", "25:00:00", "true", "ab", "abcde", "00000000-0000-1000-8000-000000000000"]
)


@given(VALUES | EVERY_TEXT)
@hypothesis.settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_errors_of_types_that_no_model_uses_yet_are_in_our_words(value: object) -> None:
    for name in [*EveryType.model_fields, "unknown"]:
        for as_json in (False, True):
            given = {name: value}
            try:
                EveryType.model_validate_json(to_json(given)) if as_json else EveryType.model_validate(given)
            except ValidationError as error:
                for fault in error.errors(include_url=False):
                    assert fault["type"] in FAULTS, fault
                    assert PREDICATE.match(explain(fault)), fault


@pytest.mark.parametrize(
    ("field", "value", "detail"),
    [
        ("switch", "perhaps", "must be true or false"),
        ("ratio", "x", "must be a number"),
        ("ratio", 1, "must be less than 1"),
        ("ratio", 0, "must be more than 0"),
        ("ratio", "nan", "must be a finite number"),
        ("number", 0, "must be at least 2"),
        ("number", 10, "must be at most 9"),
        ("number", 3, "must be a multiple of 2"),
        ("day", "yesterday", "must be a date such as 2026-01-31"),
        ("clock", "25:00", "must be a time of day such as 12:00:00"),
        ("color", "green", "must be one of red, blue"),
        ("rank", 3, "must be one of 1, 2"),
        ("word", "a", "must have at least 2 characters"),
        ("few", [1], "must have at least 2 items"),
        ("few", [1, 2, 3, 4], "must have at most 3 items"),
        ("other", "00000000-0000-1000-8000-000000000000", "must be a UUID of version 4"),
    ],
)
def test_a_message_says_the_rule(field: str, value: object, detail: str) -> None:
    with pytest.raises(ValidationError) as raised:
        EveryType.model_validate({field: value})

    [fault] = [fault for fault in raised.value.errors() if fault["loc"][0] == field]
    assert explain(fault) == detail


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("limit=0", "must be from 1 to 200"),
        ("limit=201", "must be from 1 to 200"),
        ("limit=x", "must be a whole number"),
        ("limit=1.5", "must be a whole number"),
        ("limit=1&limit=2", "must be given only once"),
        ("sort=color", "must be one of newest, oldest, largest, name, captured, relevance"),
        ("owner=me", f"is unknown. The parameters are {', '.join(ListQuery.model_fields)}"),
        ("tags=red", "is unknown. Did you mean tag?"),
        ("content_type=png", "must be a media type such as image/png"),
        ("tag=", "must not be empty"),
        ("camera=", "must not be empty"),
        (f"camera={'a' * 201}", "must have at most 200 characters"),
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
        ({"tag": "me", "filename": ""}, {"/filename": "must not be empty", "/tag": "is unknown. Did you mean tags?"}),
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


NAN = "must not contain NaN, which JSON does not have"
INFINITE = "must not contain Infinity, or a number beyond 1.7976931348623157e+308"
DIGITS = "must not contain a whole number with more than 4300 digits"
NESTED = "must not be nested more than 200 levels deep"


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        ("NaN", NAN),
        ("[{}, [NaN]]", NAN),
        ("Infinity", INFINITE),
        ("-Infinity", INFINITE),
        ("1e999", INFINITE),
        ("9" * 5000, DIGITS),
        ("[" * 10_000 + "]" * 10_000, NESTED),
        ("[" * 10_000, NESTED),
        ('{"a":' * 10_000 + "1" + "}" * 10_000, NESTED),
    ],
    ids=["NaN", "NaN inside", "Infinity", "-Infinity", "1e999", "digits", "lists", "lists without end", "objects"],
)
async def test_attributes_that_cannot_be_stored_are_told_why(
    value: str, detail: str, client: httpx.AsyncClient
) -> None:
    url = f"/v1/images/{(await upload(client))['id']}"
    attributes = f'{{"a": {value}}}'

    form = await client.post("/v1/images", files={"file": picture("PNG")}, data={"attributes": attributes})
    patch = await client.patch(url, content=f'{{"attributes": {attributes}}}', headers={"Content-Type": MERGE_PATCH})

    fault = {"pointer": "/attributes", "detail": detail}
    assert problem(form, 422, "invalid-request")["errors"] == [fault]
    if detail in {NAN, INFINITE}:
        assert problem(patch, 422, "invalid-request")["errors"] == [fault]
    else:  # the parser stops there
        assert problem(patch, 400, "invalid-request")["detail"] == f"The JSON {detail}."


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [
        ("GET", f"/v1/images/{FIRST_ID}", 404, "No image has this ID."),
        ("PATCH", f"/v1/images/{FIRST_ID}", 404, "No image has this ID."),
        ("DELETE", f"/v1/images/{FIRST_ID}", 404, "No image has this ID."),
        ("GET", f"/v1/images/{FIRST_ID}/content", 404, "No image has this ID."),
        ("GET", f"/v1/images/{FIRST_ID}/thumbnail", 404, "No image has this ID."),
        ("GET", "/v1/images/1/content", 404, "No image has this ID, because it is not a UUID."),
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


@pytest.mark.parametrize("id", [str(FIRST_ID), "1", "nope", f"{FIRST_ID}x", "%00"])
async def test_each_id_without_an_image_has_one_type_of_problem(id: str, client: httpx.AsyncClient) -> None:
    for path in ("", "/content", "/thumbnail"):
        problem(await client.get(f"/v1/images/{id}{path}"), 404, "image-not-found")


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


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (InterfaceError("the connection is closed"), "database-unavailable", "The database is not available"),
        (ConnectionRefusedError(111, "refused"), "database-unavailable", "The database is not available"),
        (TimeoutError(), "database-unavailable", "The database is not available"),
        (GenericError("the bucket does not answer"), "storage-unavailable", "The object store is not available"),
        (OSError(ENOSPC, "No space left on device"), "storage-unavailable", "The object store is not available"),
        (OSError(EFBIG, "File too large"), "storage-unavailable", "The object store is not available"),
    ],
)
async def test_a_503_names_what_is_missing_and_of_a_write_says_that_it_may_have_been_saved(
    error: Exception, kind: str, reason: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise error

    for name in ("get_image", "delete_image"):
        monkeypatch.setattr(f"app.database.queries.{name}", fail)
    async with client_of(settings) as client:
        read = problem(await client.get(f"/v1/images/{FIRST_ID}"), 503, kind)["detail"]
        write = problem(await client.delete(f"/v1/images/{FIRST_ID}"), 503, kind)["detail"]

    assert read == f"{reason}. Try again in 5 seconds."
    assert write == f"{read} The change may have been saved, so read before you try again."


async def test_an_image_that_does_not_exist_is_no_unknown_path(client: httpx.AsyncClient) -> None:
    for path in ("", "/content", "/thumbnail"):
        problem(await client.get(f"/v1/images/{FIRST_ID}{path}"), 404, "image-not-found")
        assert problem(await client.get(f"/v1/image/{FIRST_ID}{path}"), 404)["type"] == "about:blank"


async def test_the_type_of_a_problem_is_the_path_of_its_page(client: httpx.AsyncClient, settings: Settings) -> None:
    async with client_of(settings.model_copy(update={"auth": "token"})) as closed:
        for kind, (statuses, title, cause, remedy) in TYPES.items():
            page = await closed.get(f"/problems/{kind}")
            text = unescape(re.sub("<[^>]*>", "", page.text))
            assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
            for words in (title, cause, remedy, *map(str, statuses)):
                assert words.replace("`", "") in text
            for other in TYPES:
                assert f'href="{other}"' in page.text
    for unknown in ("about:blank", "Busy", "busy/", "..%2Fschema", "%3Cscript%3E", "busy%00"):
        answer = problem(await client.get(f"/problems/{unknown}"), 404)
        assert "script" not in str(answer)


def test_the_reference_has_every_problem_type() -> None:
    assert (ROOT / "docs" / "reference" / "problems.md").read_text() == as_markdown()


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
        found = invalid(error, ImagePatch).problem
        assert found.status == 422 or SENTENCE.fullmatch(found.detail or ""), quote(text)
