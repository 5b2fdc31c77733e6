import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema_rs
import psycopg
import pytest
from starlette.routing import Route

from app.catalogue.cursors import FIRST_ID
from app.catalogue.listing import Filters, ListQuery, TagQuery
from app.catalogue.models import Image, ImagePage, ImagePatch, ImageRecord, ImportResult, Stats, TagPage, UploadFields
from app.main import OPERATIONS, create_app
from app.schema.models import Schema
from app.settings import Settings
from app.web import endpoints
from app.web.openapi import Document
from app.web.operations import Operation
from app.web.problem_types import TYPES
from tests.conftest import client_of
from tests.support.api import faults, insert, upload
from tests.support.pictures import picture

PLAIN = [
    "/v1/images",
    "/v1/images/export",
    "/v1/tags",
    "/v1/cameras",
    "/v1/stats",
    "/v1/timeline",
    "/v1/token",
    "/v1/schema",
    "/healthz",
    "/readyz",
    "/openapi.json",
]
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
JSON = {"Content-Type": "application/json"}
NDJSON = {"Content-Type": "application/x-ndjson"}


async def described(client: httpx.AsyncClient) -> dict[str, Any]:
    document: dict[str, Any] = (await client.get("/openapi.json")).json()
    return document


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in item.keys() & METHODS:
            yield path, method, item[method]


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


async def test_the_document_and_the_router_have_the_same_operations(
    client: httpx.AsyncClient, settings: Settings
) -> None:
    documented = {(path, method) for path, method, _ in operations(await described(client))}
    routed = set()
    for route in create_app(settings).routes:
        if isinstance(route, Route):
            answer = await client.request("OPTIONS", route.path.replace("{id:uuid}", str(FIRST_ID)))
            allowed = set(answer.headers["allow"].split(", ")) - {"HEAD", "OPTIONS"}
            routed |= {(re.sub(r"{(\w+):\w+}", r"{\1}", route.path), method.lower()) for method in allowed}

    assert documented == routed
    assert len(documented) == len(OPERATIONS)


def test_every_declared_operation_is_in_the_application() -> None:
    declared: list[Operation] = []
    for module in pkgutil.iter_modules(endpoints.__path__, f"{endpoints.__name__}."):
        names = vars(importlib.import_module(module.name)).values()
        declared += [name for name in names if isinstance(name, Operation)]

    assert len(declared) == len(OPERATIONS)
    assert {id(operation) for operation in declared} == {id(operation) for operation in OPERATIONS}
    assert len({operation.name for operation in OPERATIONS}) == len(OPERATIONS)


@pytest.mark.parametrize("auth", ["none", "token"])
def test_the_document_is_valid_openapi_3_1(auth: str, settings: Settings) -> None:
    from schemathesis.specs.openapi.definitions import OPENAPI_31  # takes 2 s

    document = Document(OPERATIONS, settings.model_copy(update={"auth": auth}))

    faults = [*jsonschema_rs.Draft202012Validator(OPENAPI_31).iter_errors(json.loads(document.at("")))]

    assert faults == []


async def test_servers_have_the_root_path(settings: Settings) -> None:
    document = Document(OPERATIONS, settings)

    assert json.loads(document.at(""))["servers"] == [{"url": "/"}]
    assert json.loads(document.at("/catalogue"))["servers"] == [{"url": "/catalogue"}]


async def test_without_authentication_a_token_is_optional(client: httpx.AsyncClient) -> None:
    document = await described(client)

    assert document["components"]["securitySchemes"].keys() == {"token"}
    assert document["paths"]["/v1/images"]["get"]["security"] == [{}, {"token": ["read"]}]
    assert document["paths"]["/v1/schema"]["get"]["security"] == [{}, {"token": ["admin"]}]
    assert document["paths"]["/healthz"]["get"]["security"] == []


async def test_the_document_has_the_form_of_openapi_3_1(client: httpx.AsyncClient) -> None:
    document = await described(client)

    assert document.keys() == {"openapi", "info", "servers", "tags", "paths", "components"}
    assert document["openapi"] == "3.1.0"
    assert document["info"].keys() == {"title", "version", "description", "license"}
    assert document["components"].keys() == {"schemas", "securitySchemes"}
    for path, method, operation in operations(document):
        assert operation["tags"][0] in {tag["name"] for tag in document["tags"]}
        assert operation["summary"]
        assert operation["description"]
        assert operation.keys() <= {
            "tags",
            "summary",
            "description",
            "security",
            "operationId",
            "parameters",
            "responses",
            "requestBody",
        }
        parameters = operation["parameters"]
        assert {p["name"] for p in parameters if p["in"] == "path"} == set(re.findall(r"{(\w+)}", path))
        assert len({(p["in"], p["name"]) for p in parameters}) == len(parameters)
        for parameter in parameters:
            assert parameter.keys() <= {"in", "name", "description", "required", "schema"}
            assert parameter["in"] in {"path", "query", "header"}
        assert ("requestBody" in operation) == (method in {"post", "patch"})
        for status, response in operation["responses"].items():
            assert re.fullmatch(r"[2345]\d\d", status)
            assert response["description"]
            assert response.keys() <= {"description", "headers", "content"}
            if status >= "400":
                [(media_type, content)] = response["content"].items()
                assert media_type == "application/problem+json"
                types = content["schema"]["properties"]["type"]["enum"]
                assert types == [example["value"]["type"] for example in content["examples"].values()]


async def test_all_references_resolve_and_all_schemas_are_used(client: httpx.AsyncClient) -> None:
    document = await described(client)

    referred = set(references(document))

    assert referred == {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}


async def test_the_document_names_all_fields_parameters_and_problems(client: httpx.AsyncClient) -> None:
    document = await described(client)
    schemas, paths = document["components"]["schemas"], document["paths"]

    assert schemas["ImagePatch"]["properties"].keys() == ImagePatch.model_fields.keys()
    for path, model in (("/v1/images", ListQuery), ("/v1/images/export", Filters), ("/v1/tags", TagQuery)):
        assert {p["name"] for p in paths[path]["get"]["parameters"] if p["in"] == "query"} == model.model_fields.keys()
    form = paths["/v1/images"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form == {"$ref": "#/components/schemas/UploadForm"}
    assert schemas["UploadForm"]["properties"].keys() == {"file", *UploadFields.model_fields}
    for kind in TYPES.keys() - {"insufficient-scope", "too-many-requests", "upload-quota-exceeded"}:
        assert f"'/problems/{kind}'" in str(paths)


async def test_no_default_is_named_that_another_parameter_changes(client: httpx.AsyncClient) -> None:
    """Generated clients send each default. With `captured_after`, `sort=newest` is a 422."""
    parameters = (await described(client))["paths"]["/v1/images"]["get"]["parameters"]

    query = {p["name"]: p["schema"]["default"] for p in parameters if "default" in p.get("schema", {})}

    assert "sort" not in query
    query = {name: value for name, value in query.items() if value != []}
    assert (await client.get("/v1/images", params={"captured_after": "2026-07-01T00:00:00Z"} | query)).is_success


async def test_an_image_has_the_fields_of_its_schema(client: httpx.AsyncClient) -> None:
    schema = (await described(client))["components"]["schemas"]["Image"]

    image = await upload(client)

    assert image.keys() == schema["properties"].keys() == set(schema["required"])
    assert Image.model_validate(image)


async def test_examples_are_valid(client: httpx.AsyncClient, settings: Settings) -> None:
    schemas = (await described(client))["components"]["schemas"]

    for model in (Image, ImagePage, ImagePatch, ImageRecord, ImportResult, Stats, TagPage):
        [example] = schemas[model.__name__]["examples"]
        assert model.model_validate_json(json.dumps(example), context=settings)


async def test_the_upload_form_has_no_value_that_a_form_cannot_contain(
    client: httpx.AsyncClient, settings: Settings
) -> None:
    properties = (await described(client))["components"]["schemas"]["UploadForm"]["properties"]

    for name, field in properties.items():
        assert "default" not in field
        assert field["type"] in {"string", "array", "object"}, name
        if name != "file":  # Swagger UI fills in the example, and sends no field that is empty
            [example] = field["examples"]
            assert not example
            assert UploadFields.model_validate({name: example}, context=settings)


async def test_limits_are_those_of_the_settings(settings: Settings) -> None:
    async with client_of(settings.model_copy(update={"max_title_length": 7, "max_tags": 3})) as client:
        patch = (await described(client))["components"]["schemas"]["ImagePatch"]["properties"]
        url = f"/v1/images/{(await upload(client))['id']}"

        assert patch["title"]["anyOf"][0]["maxLength"] == 7
        assert patch["tags"]["anyOf"][0]["maxItems"] == 3
        assert (await client.patch(url, json={"title": "a" * 7, "tags": ["a", "b", "c"]})).status_code == 200
        assert faults(await client.patch(url, json={"title": "a" * 8, "tags": [*"abcd"]})) == ["/title", "/tags"]


async def test_with_tokens_each_operation_tells_what_it_needs(settings: Settings) -> None:
    async with client_of(settings.model_copy(update={"auth": "token", "require_if_match": True})) as client:
        document = await described(client)

    assert document["components"]["securitySchemes"].keys() == {"token"}
    for path, _, operation in operations(document):
        public = not path.startswith("/v1")
        assert (operation["security"] == []) == public
        assert all(requirement.keys() == {"token"} for requirement in operation["security"])
        assert ({"401", "403"} <= operation["responses"].keys()) != public
    assert "428" in document["paths"]["/v1/images/{id}"]["patch"]["responses"]


async def test_tags_and_figures_have_the_fields_of_their_schemas(client: httpx.AsyncClient) -> None:
    schemas = (await described(client))["components"]["schemas"]
    await upload(client, tags=["red"])

    tags, stats = (await client.get("/v1/tags")).json(), (await client.get("/v1/stats")).json()

    assert tags.keys() == set(schemas["TagPage"]["required"])
    assert tags["tags"][0].keys() == set(schemas["TagCount"]["required"])
    assert stats.keys() == set(schemas["Stats"]["required"])
    assert TagPage.model_validate(tags)
    assert Stats.model_validate(stats)


async def test_the_schema_has_the_fields_of_its_schema(client: httpx.AsyncClient) -> None:
    schemas = (await described(client))["components"]["schemas"]

    schema = (await client.get("/v1/schema")).json()

    assert schema.keys() == set(schemas["Schema"]["required"])
    for name, many in {"Migration": "migrations", "Table": "tables", "Query": "queries"}.items():
        assert all(one.keys() == set(schemas[name]["required"]) for one in schema[many])
    assert Schema.model_validate(schema)


async def test_answers_are_described(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    document = await described(client)
    url = f"/v1/images/{(await upload(client))['id']}"
    bare = f"/v1/images/{insert(connection)}"
    none = f"/v1/images/{FIRST_ID}"
    stale, unquoted, current = {"If-Match": '"x"'}, {"If-Match": "x"}, {"If-None-Match": "*"}
    huge = {"Content-Length": "9999999999"}
    file = {"file": picture()}
    other, zipped = {"Accept": "text/html"}, {"Content-Encoding": "gzip"}
    requests: list[tuple[str, str, dict[str, Any]]] = [
        *((method, path, {"headers": other}) for path in PLAIN for method in ("GET",)),
        ("POST", "/v1/images", {"files": file, "headers": other}),
        ("PATCH", url, {"json": {}, "headers": other}),
        ("POST", "/v1/images/import", {"content": b"", "headers": NDJSON | other}),
        ("POST", "/v1/images/import", {"content": b"", "headers": NDJSON | {"Content-Length": "9" * 20}}),
        ("POST", "/v1/images", {"files": file, "headers": zipped}),
        ("GET", url, {"headers": other}),
        ("GET", "/v1/images", {}),
        ("GET", "/v1/images?limit=1", {}),
        ("GET", "/v1/images?limit=0", {}),
        ("POST", "/v1/images", {"files": {"file": picture(seed=1)}}),
        ("POST", "/v1/images", {"files": file}),
        ("POST", "/v1/images?x=1", {"files": file}),
        ("POST", "/v1/images", {"files": {"file": b"text"}}),
        ("POST", "/v1/images", {"files": {"file": picture()[:300]}}),
        ("POST", "/v1/images", {"content": b"", "headers": {"Content-Type": "multipart/form-data"}}),
        ("POST", "/v1/images", {"content": b"", "headers": huge}),
        ("GET", url, {}),
        ("GET", url, {"headers": {"If-None-Match": "*"}}),
        *(
            (method, f"{url}{part}", {"headers": headers, "json": {} if method == "PATCH" else None})
            for method, part in (("GET", ""), ("GET", "/content"), ("GET", "/thumbnail"), ("PATCH", ""), ("DELETE", ""))
            for headers in (stale, unquoted)
        ),
        ("PATCH", url, {"json": {}, "headers": current}),
        ("DELETE", url, {"headers": current}),
        ("GET", none, {}),
        ("GET", f"{url}?x=1", {}),
        ("GET", f"{url}/content", {}),
        ("GET", f"{url}/content", {"headers": {"If-None-Match": "*"}}),
        ("GET", f"{bare}/content", {}),
        ("GET", f"{none}/content", {}),
        ("GET", f"{url}/content?x=1", {}),
        ("GET", f"{url}/content", {"headers": {"Range": "bytes=1-"}}),
        ("GET", f"{url}/content", {"headers": {"Range": "bytes=99999-"}}),
        ("GET", f"{url}/thumbnail", {}),
        ("GET", f"{url}/thumbnail", {"headers": {"If-None-Match": "*"}}),
        ("GET", f"{url}/thumbnail", {"headers": {"Accept": "text/html"}}),
        ("GET", f"{url}/thumbnail?size=1", {}),
        ("GET", f"{bare}/thumbnail", {}),
        ("PATCH", url, {"json": {"title": "x"}}),
        ("PATCH", url, {"json": {"title": 1}}),
        ("PATCH", url, {"content": "{", "headers": JSON}),
        ("PATCH", url, {"content": "{"}),
        ("PATCH", url, {"content": "{}", "headers": JSON | huge}),
        ("PATCH", none, {"json": {}}),
        ("DELETE", f"{url}?x=1", {}),
        ("DELETE", url, {}),
        ("DELETE", none, {}),
        ("GET", "/v1/images/export", {}),
        ("GET", "/v1/images/export?limit=1", {}),
        ("POST", "/v1/images/import", {"content": b"", "headers": NDJSON}),
        ("POST", "/v1/images/import", {"content": b"{}", "headers": NDJSON}),
        ("POST", "/v1/images/import", {"content": b"", "headers": JSON}),
        ("GET", "/v1/tags?prefix=", {}),
        ("GET", "/v1/tags?x=1", {}),
        ("GET", "/v1/stats", {}),
        ("GET", "/v1/stats?x=1", {}),
        ("GET", "/v1/timeline", {}),
        ("GET", "/v1/cameras", {}),
        ("GET", "/v1/cameras?x=1", {}),
        ("GET", "/v1/timeline?x=1", {}),
        ("GET", "/v1/token", {}),
        ("GET", "/v1/token?x=1", {}),
        ("GET", "/v1/schema", {}),
        ("GET", "/v1/schema?x=1", {}),
        *(
            ("GET", page, {"headers": {"Accept": accept}})
            for page in ("/", "/schema")
            for accept in ("*/*", "image/png")
        ),
        ("GET", "/healthz", {}),
        ("GET", "/healthz?x=1", {}),
        ("GET", "/readyz", {}),
        ("GET", "/readyz?x=1", {}),
        ("GET", "/metrics", {}),
        ("GET", "/metrics?x=1", {}),
        ("GET", "/docs", {}),
        ("GET", "/docs?x=1", {}),
        ("GET", "/docs", {"headers": {"Accept": "application/json"}}),
        *(("GET", f"/problems/{page}", {"headers": {"Accept": "text/html"}}) for page in ("busy", "idle", "busy?x=1")),
        ("GET", "/problems/busy", {"headers": {"Accept": "image/png"}}),
        ("GET", "/openapi.json", {}),
        ("GET", "/openapi.json?x=1", {}),
        *(
            (method.upper(), path.replace("{id}", str(FIRST_ID)), {"headers": headers})
            for path, method, _ in operations(document)
            for headers in ({"Host": "a.example"}, {"Origin": "http://a.example"})
        ),
    ]

    seen = set()
    for method, target, options in requests:
        response = await client.request(method, target, **options)
        path = re.sub(r"[0-9a-f-]{36}", "{id}", target.partition("?")[0])
        path = re.sub(r"^/problems/[^/]+$", "/problems/{kind}", path)
        status = str(response.status_code)
        answers = document["paths"][path][method.lower()]["responses"]
        assert status in answers, (method, target, status)
        if response.content:
            media_type = response.headers["content-type"].partition(";")[0]
            assert answers[status]["content"].keys() & {media_type, f"{media_type.partition('/')[0]}/*"}
            if status >= "400":
                schema = answers[status]["content"][media_type]["schema"]
                assert response.json()["type"] in schema["properties"]["type"]["enum"], (method, target)
        for header in answers[status].get("headers", {}).keys() - {"Link"}:
            assert header in response.headers
        seen.add((path, method.lower(), status))

    promised = {
        (path, method, status)
        for path, method, operation in operations(document)
        for status in operation["responses"]
        # 307 depends on a setting. For the others, something else has to happen at the same time.
        if status not in {"307", "408", "409", "503"}
    }
    assert promised == seen
