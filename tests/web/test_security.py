"""CORS: which headers pages of other origins may send and read."""

import pytest

from app.catalogue.cursors import FIRST_ID
from app.settings import Settings
from tests.conftest import client_of
from tests.support.api import upload
from tests.support.pictures import picture

ORIGIN = {"Origin": "https://a.example"}


@pytest.mark.parametrize(
    "header", ["traceparent", "tracestate", "x-request-id", "if-none-match", "if-unmodified-since"]
)
async def test_a_page_of_another_origin_may_send_the_headers_that_the_api_reads(
    header: str, settings: Settings
) -> None:
    asks = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": header}
    async with client_of(settings.model_copy(update={"cors_origins": ORIGIN["Origin"]})) as client:
        preflight = await client.options(f"/v1/images/{FIRST_ID}", headers=asks | ORIGIN)

    assert preflight.status_code == 200, preflight.text


async def test_a_page_of_another_origin_sees_where_the_known_bytes_are(settings: Settings) -> None:
    async with client_of(settings.model_copy(update={"cors_origins": ORIGIN["Origin"]})) as client:
        await upload(client)
        known = await client.post("/v1/images", files={"file": picture()}, headers=ORIGIN)

    assert known.headers["content-location"]
    assert "Content-Location" in known.headers["access-control-expose-headers"]
