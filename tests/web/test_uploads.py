import asyncio
import io
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import psycopg
import pytest
from PIL import Image, ImageOps

from app.decoder.attempt import Attempt
from app.decoder.client import Codec
from app.decoder.formats import Reading
from app.main import create_app
from app.settings import Settings
from app.storage import store
from app.storage.spool import Content
from tests.conftest import client_of
from tests.support.api import BOUNDARY, faults, insert, objects, part, problem, rows, send, upload
from tests.support.pictures import picture, turned, unspeakable

TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WebP": "image/webp",
    "GIF": "image/gif",
    "TIFF": "image/tiff",
    "AVIF": "image/avif",
}
FILE = part('name="file"; filename="cat.jpg"', picture())


@pytest.fixture
def nothing_stored(connection: psycopg.Connection, settings: Settings) -> Iterator[None]:
    """Check after the test that a rejected upload left neither a row nor an object."""
    yield
    assert rows(connection) == 0
    assert objects(settings) == []


@pytest.mark.parametrize("format", TYPES)
async def test_the_service_finds_type_and_size_in_the_bytes(client: httpx.AsyncClient, format: str) -> None:
    content = picture(format, size=(61, 43))

    response = await client.post("/v1/images", files={"file": ("misnamed.txt", content, "text/plain")})

    assert response.status_code == 201
    image = response.json()
    assert (image["content_type"], image["width"], image["height"]) == (TYPES[format], 61, 43)
    assert image["byte_size"] == len(content)
    assert image["filename"] == "misnamed.txt"


@pytest.mark.parametrize("orientation", range(1, 9))
async def test_width_and_height_are_as_displayed(client: httpx.AsyncClient, orientation: int) -> None:
    content = turned(orientation)

    image = await upload(client, content)

    displayed = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    assert (image["width"], image["height"]) == displayed.size


async def test_an_upload_stores_the_metadata_of_the_form(client: httpx.AsyncClient) -> None:
    fields = {
        "title": "Кот",
        "description": "猫",
        "tags": ["cat", "home", "cat"],
        "attributes": '{"a": {"b": [1, null]}}',
    }

    response = await client.post("/v1/images", files={"file": ("cat.jpg", picture())}, data=fields)

    image = response.json()
    assert response.headers["location"] == f"/v1/images/{image['id']}"
    assert (image["title"], image["description"], image["tags"]) == ("Кот", "猫", ["cat", "home"])
    assert image["attributes"] == {"a": {"b": [1, None]}}
    read = await client.get(response.headers["location"])
    assert read.json() == image
    assert read.headers["etag"] == response.headers["etag"]


@pytest.mark.parametrize("media_type", ["image/*", "image/jpeg", "application/octet-stream"])
async def test_a_raw_body_is_named_by_its_hash(client: httpx.AsyncClient, media_type: str) -> None:
    response = await client.post("/v1/images", content=picture("PNG"), headers={"Content-Type": media_type})

    assert response.status_code == 201
    image = response.json()
    assert image["content_type"] == "image/png"
    assert image["filename"] == f"{image['sha256'][:16]}.png"


@pytest.mark.parametrize("size", [(8, 8), (700, 700)])
async def test_the_bytes_come_back_as_they_were(client: httpx.AsyncClient, size: tuple[int, int]) -> None:
    content = picture("TIFF", size)

    image = await upload(client, content)

    assert (await client.get(f"/v1/images/{image['id']}/content")).content == content


async def test_the_same_bytes_are_stored_once(
    client: httpx.AsyncClient, connection: psycopg.Connection, settings: Settings
) -> None:
    first = await client.post("/v1/images", files={"file": ("first.jpg", picture())}, data={"title": "first"})

    second = await client.post("/v1/images", files={"file": ("second.jpg", picture())}, data={"title": "second"})

    assert second.status_code == 200
    assert second.json() == first.json()
    assert second.headers["content-location"] == first.headers["location"]
    assert rows(connection) == len(objects(settings)) == 1


@pytest.mark.routes("direct", "pgbouncer")
async def test_the_same_bytes_at_the_same_time_are_stored_once(
    client: httpx.AsyncClient, connection: psycopg.Connection, settings: Settings
) -> None:
    content = picture()

    responses = await asyncio.gather(*(client.post("/v1/images", files={"file": content}) for _ in range(20)))

    assert sorted(response.status_code for response in responses) == [200] * 19 + [201]
    assert len({response.json()["id"] for response in responses}) == 1
    assert rows(connection) == len(objects(settings)) == 1


async def test_bytes_of_an_adopted_row_are_known(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    sha256 = (await upload(client))["sha256"]
    connection.execute("DELETE FROM images")
    id = insert(connection, sha256=sha256)

    response = await client.post("/v1/images", files={"file": picture()})

    assert response.status_code == 200
    assert response.json()["id"] == id


PATHS = [
    ("../../etc/passwd", "passwd"),
    ("/srv/cat.jpg", "cat.jpg"),
    ("C:\\photos\\cat.jpg", "cat.jpg"),
    ("photos/2026\\cat.jpg", "cat.jpg"),
    ("猫 кот 🐈.jpg", "猫 кот 🐈.jpg"),
    ("a" * 251 + ".jpg", "a" * 251 + ".jpg"),
]


async def test_only_the_last_component_of_a_path_is_stored(client: httpx.AsyncClient) -> None:
    for seed, (given, kept) in enumerate(PATHS):
        response = await send(client, part(f'name="file"; filename="{given}"', picture(seed=seed)))

        assert response.status_code == 201
        assert response.json()["filename"] == kept


JPEG = {"Content-Type": "image/jpeg"}


async def test_a_body_that_is_the_image_carries_what_a_form_can(client: httpx.AsyncClient) -> None:
    attributes = {"sensor": {"iso": 100}, "où": [None, 1.5]}
    query = {"title": "Café", "description": "", "tag": ["red", "a,b", "red"], "attributes": json.dumps(attributes)}
    headers = JPEG | {"Content-Disposition": "attachment; filename=\"x.jpg\"; filename*=UTF-8''%D0%9A%D0%BE%D1%82.jpg"}

    response = await client.post("/v1/images", params=query, content=picture(), headers=headers)

    assert response.status_code == 201
    image = response.json()
    assert image["filename"] == "Кот.jpg"
    assert (image["title"], image["description"], image["tags"]) == ("Café", "", ["red", "a,b"])
    assert image["attributes"] == attributes


DISPOSITIONS: dict[bytes, str | None] = {
    b'attachment; filename="red.jpg"': "red.jpg",
    b"inline;filename=red.jpg": "red.jpg",
    b'ATTACHMENT ; FileName = "a;b \\"c\\".jpg"': 'a;b "c".jpg',
    'attachment; filename="Кот.jpg"'.encode(): "Кот.jpg",
    b'attachment; filename="C:\\photos\\red.jpg"': "red.jpg",
    b'attachment; filename="../../red.jpg"': "red.jpg",
    b'attachment; filename="..jpg"': "..jpg",
    b"attachment; filename*=iso-8859-1'de'gr%FCn.jpg": "grün.jpg",
    b"attachment; filename=\"a.jpg\"; filename*=UTF-8''%ff.jpg": "a.jpg",  # %ff is no UTF-8
    b'attachment; filename=""': None,
    b"attachment": None,
    b"": None,
    b";;;": None,
}


async def test_the_file_name_is_read_as_rfc_6266_says(client: httpx.AsyncClient) -> None:
    for seed, (given, filename) in enumerate(DISPOSITIONS.items()):
        headers = [(b"content-type", b"image/jpeg"), (b"content-disposition", given)]
        content = picture(size=(40 + seed, 30))
        response = await client.post("/v1/images", content=content, headers=headers)

        assert response.status_code == 201, given
        image = response.json()
        assert image["filename"] == filename or (
            filename is None and image["filename"] == f"{image['sha256'][:16]}.jpg"
        )


@pytest.mark.usefixtures("nothing_stored")
async def test_a_wrong_file_name_in_the_head_is_rejected(client: httpx.AsyncClient) -> None:
    wrong = [
        b"attachment; filename*=UTF-8''a%00b.jpg",
        b"attachment; filename*=UTF-8''a%0Ab.jpg",
        b'x; filename="\xe9"',
        b"attachment; filename*=UTF-8''%ff",
        b"attachment; filename*=UTF-8''100%.jpg",
        b"attachment; filename*=cat.jpg",
    ]
    for given in [*wrong, b"attachment; filename=" + b"a" * 256]:
        headers = [(b"content-type", b"image/jpeg"), (b"content-disposition", given)]
        problem(await client.post("/v1/images", content=picture(), headers=headers), 400)

    twice = [(b"content-type", b"image/jpeg"), *[(b"content-disposition", b"attachment; filename=a.jpg")] * 2]
    problem(await client.post("/v1/images", content=picture(), headers=twice), 400)


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("title=a&title=b", "title"),
        ("title=%00", "title"),
        ("tags=a", "tags"),
        ("tag=", "tag"),
        ("attributes=1", "attributes"),
        ("attributes={", "attributes"),
        ("attributes=", "attributes"),
        ('attributes={"a": "\\u0000"}', "attributes"),
        ("filename=a.jpg", "filename"),
    ],
)
@pytest.mark.usefixtures("nothing_stored")
async def test_wrong_metadata_in_the_query_is_rejected_before_the_body_is_read(
    client: httpx.AsyncClient, query: str, wrong: str
) -> None:
    response = await client.post(f"/v1/images?{query}", content=unread(), headers=JPEG)

    assert [fault["parameter"] for fault in problem(response, 422, "invalid-request")["errors"]] == [wrong]


async def test_a_form_may_have_its_metadata_in_the_query(client: httpx.AsyncClient) -> None:
    url = '/v1/images?title=a&tag=b&tag=c&attributes={"x": 1}'
    response = await client.post(url, files={"file": picture()}, data={"description": "d"})

    image = response.json()
    assert (image["title"], image["tags"], image["description"], image["attributes"]) == (
        "a",
        ["b", "c"],
        "d",
        {"x": 1},
    )


@pytest.mark.usefixtures("nothing_stored")
async def test_metadata_that_are_given_in_both_places_are_rejected(client: httpx.AsyncClient) -> None:
    data = {"title": "a", "tags": ["b"], "description": "d"}
    response = await client.post("/v1/images?title=a&tag=b", files={"file": picture()}, data=data)

    assert faults(response) == ["/tags", "/title"]


@pytest.mark.parametrize("given", ["", ".", "..", "photos/", "a/.."])
async def test_a_missing_file_name_is_replaced_by_the_hash(client: httpx.AsyncClient, given: str) -> None:
    response = await send(client, part(f'name="file"; filename="{given}"', picture()))

    image = response.json()
    assert image["filename"] == f"{image['sha256'][:16]}.jpg"


WRONG_NAMES = [b"a\x00b.jpg", b"a\x1bb.jpg", b"a\x7f.jpg", b"a" * 256]


@pytest.mark.usefixtures("nothing_stored")
async def test_a_file_name_that_cannot_be_stored_is_rejected(client: httpx.AsyncClient) -> None:
    for name in WRONG_NAMES:
        response = await send(client, part(b'name="file"; filename="' + name + b'"', picture()))

        assert response.status_code in {400, 422}
        problem(response, response.status_code, "invalid-request" if response.status_code == 422 else None)


NO_IMAGES = [
    b"x",
    b"plain text " * 50,
    b"\x00" * 1000,
    b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>',
    b'<?xml version="1.0"?><!DOCTYPE svg><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    b"%PDF-1.7\n",
    b"P6 1 1 255\n\x00\x00\x00",
    picture("JPEG2000"),
]


@pytest.mark.usefixtures("nothing_stored")
async def test_an_unsupported_format_is_rejected(client: httpx.AsyncClient) -> None:
    for content in NO_IMAGES:
        in_a_form = await client.post("/v1/images", files={"file": ("cat.jpg", content, "image/jpeg")})
        raw = await client.post("/v1/images", content=content, headers={"Content-Type": "image/jpeg"})

        problem(in_a_form, 415, "unsupported-image")
        problem(raw, 415, "unsupported-image")


@pytest.mark.parametrize("format", TYPES)
@pytest.mark.usefixtures("nothing_stored")
async def test_a_truncated_image_is_rejected(client: httpx.AsyncClient, format: str) -> None:
    content = picture(format, (300, 200))

    for tenths in (3, 6, 9):
        cut = content[: len(content) * tenths // 10]
        problem(await client.post("/v1/images", files={"file": cut}), 422, "broken-image")


@pytest.mark.parametrize("format", ["PNG", "GIF", "AVIF"])
@pytest.mark.usefixtures("nothing_stored")
async def test_a_corrupt_image_is_rejected(client: httpx.AsyncClient, format: str) -> None:
    content = picture(format, (300, 200))
    middle = len(content) // 2
    corrupt = content[:middle] + b"\xff" * 60 + content[middle + 60 :]

    problem(await client.post("/v1/images", files={"file": corrupt}), 422, "broken-image")


@pytest.mark.usefixtures("nothing_stored")
async def test_an_image_that_libvips_quotes_in_its_message_is_rejected(client: httpx.AsyncClient) -> None:
    responses = [await client.post("/v1/images", files={"file": unspeakable()}) for _ in range(3)]

    for response in responses:
        problem(response, 422, "broken-image")


@pytest.mark.parametrize("size", [(1001, 1000), (1_000_001, 1)])
@pytest.mark.usefixtures("nothing_stored")
async def test_an_image_with_too_many_pixels_is_rejected(client: httpx.AsyncClient, size: tuple[int, int]) -> None:
    response = await client.post("/v1/images", files={"file": picture("PNG", size)})

    assert f"{size[0]} x {size[1]}" in problem(response, 422, "too-many-pixels")["detail"]


async def unread() -> AsyncIterator[bytes]:
    pytest.fail("the body is read")
    yield b""


async def endless() -> AsyncIterator[bytes]:
    for _ in range(10_000):
        yield b"\xff" * 100_000
    pytest.fail("the body is read to its end")


@pytest.mark.parametrize("media_type", ["image/jpeg", f"multipart/form-data; boundary={BOUNDARY}"])
@pytest.mark.usefixtures("nothing_stored")
async def test_a_body_that_is_declared_too_large_is_rejected_unread(client: httpx.AsyncClient, media_type: str) -> None:
    for length in ("6048577", "9" * 30):
        headers = {"Content-Type": media_type, "Content-Length": length}
        response = await client.post("/v1/images", content=unread(), headers=headers)

        problem(response, 413)
        assert response.headers["connection"] == "close"


@pytest.mark.parametrize("media_type", ["image/jpeg", f"multipart/form-data; boundary={BOUNDARY}"])
@pytest.mark.usefixtures("nothing_stored")
async def test_a_body_that_grows_too_large_is_rejected(client: httpx.AsyncClient, media_type: str) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield part('name="file"; filename="cat.jpg"', b"")[:-2]
        async for chunk in endless():
            yield chunk

    response = await client.post("/v1/images", content=body(), headers={"Content-Type": media_type})

    problem(response, 413)


@pytest.mark.usefixtures("nothing_stored")
async def test_the_limit_is_on_the_bytes_of_the_image(client: httpx.AsyncClient) -> None:
    too_large = picture() + b"\x00" * 5_000_000

    in_a_form = await client.post("/v1/images", files={"file": too_large})

    async def in_chunks() -> AsyncIterator[bytes]:
        yield too_large

    raw = await client.post("/v1/images", content=in_chunks(), headers=JPEG)
    declared = await client.post("/v1/images", content=too_large, headers=JPEG)

    problem(in_a_form, 413)
    for response in (raw, declared):
        assert problem(response, 413)["detail"] == "The request is larger than the limit of 5000000 bytes."


OTHER_MEDIA_TYPES = ["application/x-tar", "text/html", "application/json", "image", "", "é/\xff"]


@pytest.mark.usefixtures("nothing_stored")
async def test_another_media_type_is_rejected(client: httpx.AsyncClient) -> None:
    for media_type in OTHER_MEDIA_TYPES:
        response = await client.post(
            "/v1/images", content=picture(), headers=[(b"content-type", media_type.encode("latin-1"))]
        )

        problem(response, 415)
        assert response.headers["accept-post"] == "multipart/form-data, image/*, application/octet-stream"


OTHER_CHARSETS = ["utf-16", "unicode_escape", "undefined", "idna", "zlib", "nonsense", "raw_unicode_escape"]


@pytest.mark.usefixtures("nothing_stored")
async def test_a_form_in_another_charset_is_rejected(client: httpx.AsyncClient) -> None:
    for charset in OTHER_CHARSETS:
        title = part('name="title"', b"\\ud800")

        problem(await send(client, FILE, title, also=f"; charset={charset}"), 415)


async def test_a_form_may_say_that_it_is_in_utf_8(client: httpx.AsyncClient) -> None:
    response = await send(client, FILE, part('name="title"', "Кот".encode()), also='; charset="UTF-8"')

    assert response.json()["title"] == "Кот"


async def test_text_that_is_not_utf_8_is_rejected(client: httpx.AsyncClient) -> None:
    title = await send(client, FILE, part('name="title"', b"caf\xe9 \xed\xa0\x80"))
    name = part('name="file"; filename="café.png"', picture("PNG")).replace("é".encode(), b"\xe9")
    filename = await send(client, name)

    for response in (title, filename):
        assert problem(response, 400)["detail"] == "File names, and names and fields of a form, must be UTF-8."


async def test_the_smallest_images_are_accepted(client: httpx.AsyncClient) -> None:
    for number, size in enumerate([(1, 1), (2, 2), (7, 7), (9, 1), (1, 300), (8, 8)]):
        for progressive in (False, True):
            content = picture(size=size, seed=2 * number + progressive, progressive=progressive)
            response = await client.post("/v1/images", files={"file": content})
            assert response.status_code == 201, size
            assert (response.json()["width"], response.json()["height"]) == size


async def test_a_worker_decodes_two_images_at_once(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    running = most = 0
    decode = Codec.read

    def counted(codec: Codec, content: Content, attempt: Attempt) -> Reading:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            return decode(codec, content, attempt)
        finally:
            running -= 1

    monkeypatch.setattr(Codec, "read", counted)
    images = [picture("PNG", size=(900, 900), seed=seed) for seed in range(12)]
    responses = await asyncio.gather(*(client.post("/v1/images", files={"file": image}) for image in images))

    assert {response.status_code for response in responses} == {201}
    assert most == 2


async def test_the_size_of_attributes_is_that_of_the_answer(client: httpx.AsyncClient) -> None:
    """jsonb writes 1e308 with its 308 zeros."""
    for number in ("1e308", "1e-300"):
        fitting, longer = (f'{{"n": [{", ".join([number] * count)}]}}' for count in (150, 300))
        accepted = await client.post(
            "/v1/images", files={"file": picture(seed=len(number))}, data={"attributes": fitting}
        )
        refused = await client.post("/v1/images", files={"file": picture(seed=3)}, data={"attributes": longer})

        assert accepted.status_code == 201
        assert len(accepted.content) < 65_536
        assert (await client.patch(accepted.headers["location"], json={"attributes": {"more": 1}})).status_code == 200
        assert problem(refused, 422, "invalid-request")["errors"][0]["pointer"] == "/attributes"


WITHOUT_BOUNDARY = [
    "multipart/form-data",
    "multipart/form-data; boundary=",
    "multipart/form-data; boundary=other",
    f"multipart/form-data; boundary={'b' * 500}",
]


@pytest.mark.usefixtures("nothing_stored")
async def test_a_form_without_its_boundary_is_malformed(client: httpx.AsyncClient) -> None:
    for media_type in WITHOUT_BOUNDARY:
        response = await client.post("/v1/images", content=FILE, headers={"Content-Type": media_type})

        problem(response, 400)


CUTS = [0, 3, 30, 60, 400, len(FILE) - 3, len(FILE), len(FILE) + 20, len(FILE) + 68, len(FILE) + 73]


@pytest.mark.usefixtures("nothing_stored")
async def test_a_truncated_form_is_malformed(client: httpx.AsyncClient) -> None:
    for cut in CUTS:
        whole = FILE + part('name="title"', b"A title")

        problem(await send(client, whole[:cut], end=b""), 400)


async def test_a_field_may_have_a_file_name_as_that_of_a_blob(client: httpx.AsyncClient) -> None:
    attributes = part('name="attributes"; filename="blob"', b'{"a": 1}')

    response = await send(client, attributes, FILE)

    assert response.status_code == 201, response.text
    assert response.json()["attributes"] == {"a": 1}


async def test_a_preamble_is_ignored(client: httpx.AsyncClient) -> None:
    response = await send(client, b"This is a multi-part message in MIME format.\r\n\r\n", FILE)

    assert response.status_code == 201, response.text


@pytest.mark.parametrize(
    ("parameters", "kept"),
    [
        ("filename=\"=?utf-8?B?54yrLmpwZw==?=\"; filename*=utf-8''%E7%8C%AB.jpg", "猫.jpg"),
        ("filename*=UTF-8''a%2Fb%2F%E7%8C%AB.jpg", "猫.jpg"),
        ('filename="100%25.jpg"', "100%25.jpg"),
    ],
)
async def test_filename_extended_is_the_name_of_the_file(parameters: str, kept: str, client: httpx.AsyncClient) -> None:
    response = await send(client, part(f'name="file"; {parameters}', picture()))

    assert response.status_code == 201, response.text
    assert response.json()["filename"] == kept


WRONG_FIELDS = [
    ([], ["/file"]),
    ([part('name="title"', b"x")], ["/file"]),
    ([part('name="file"', b"no file name")], ["/file"]),
    ([FILE, part('name="file"', b"x")], ["/file"]),
    ([FILE, part('name="titel"', b"x")], ["/titel"]),
    ([FILE, part('name="a/b~c"', b"x")], ["/a~1b~0c"]),
    ([FILE, part('name=""', b"x")], ["/"]),
    ([FILE, part('name="title"', b"x"), part('name="title"', b"y")], ["/title"]),
    ([part('name="title"; filename="x"', b"x")], ["/file"]),
    ([FILE, part('name="title"; filename="blob"', b"x" * 201)], ["/title"]),
    ([FILE, part('name="title"', b"x" * 201)], ["/title"]),
    ([FILE, part('name="title"', b"a\x00b")], ["/title"]),
    ([FILE, part('name="description"', b"a\x00b")], ["/description"]),
    ([FILE, part('name="description"', b"x" * 10_001)], ["/description"]),
    ([FILE, part('name="tags"', b"good"), part('name="tags"', b"a\x00b")], ["/tags/1"]),
    ([FILE, part('name="tags"', b"")], ["/tags/0"]),
    ([FILE, part('name="tags"', b"x" * 101)], ["/tags/0"]),
    ([FILE, *(part('name="tags"', b"%d" % number) for number in range(51))], ["/tags"]),
    ([FILE, part(b'name="a\x00b"', b"x")], ["/a\x00b"]),
]


@pytest.mark.usefixtures("nothing_stored")
async def test_a_field_that_is_not_valid_is_named_in_the_error(client: httpx.AsyncClient) -> None:
    for parts, pointers in WRONG_FIELDS:
        response = await send(client, *parts)

        assert faults(response) == pointers


TOO_MUCH = [
    [FILE, FILE],
    [FILE, *(part('name="tags"', b"x") for _ in range(60))],
    [FILE, part('name="description"', b"x" * 1_050_000)],
    [part("nameless", b"x")],
]


@pytest.mark.usefixtures("nothing_stored")
async def test_a_form_with_too_many_or_too_long_parts_is_rejected(client: httpx.AsyncClient) -> None:
    for parts in TOO_MUCH:
        problem(await send(client, *parts), 400)


WRONG_ATTRIBUTES = [
    "",
    "{",
    "nonsense",
    "[]",
    '"text"',
    "null",
    "{'a': 1}",
    '{"a": NaN}',
    '{"a": [Infinity]}',
    '{"a": -Infinity}',
    '{"a": 1e999}',
    '{"a": 1' + "0" * 5000 + "}",
    '{"a": ' + "[" * 10_000 + "]" * 10_000 + "}",
    '{"a": "\\u0000"}',
    '{"a": {"\\u0000": 1}}',
    '{"a": "\\ud800"}',
    '{"\\udfff": 1}',
    '{"a": "' + "x" * 65_536 + '"}',
]


@pytest.mark.usefixtures("nothing_stored")
async def test_attributes_that_cannot_be_stored_are_rejected(client: httpx.AsyncClient) -> None:
    for attributes in WRONG_ATTRIBUTES:
        response = await client.post("/v1/images", files={"file": picture()}, data={"attributes": attributes})

        assert faults(response) == ["/attributes"]


@pytest.mark.parametrize(
    "attributes",
    [
        "{}",
        '{"a": 123456789012345678901234567890}',
        '{"a": ' + "9" * 4000 + "}",
        '{"a": 1e22, "b": 5e-324, "c": -0.0, "d": 0.1}',
        '{"": {"": ""}, "\\ud83d\\udc08": "\\u0001"}',
        '{"a": ' + "[" * 150 + "]" * 150 + "}",
    ],
)
async def test_attributes_are_kept_as_they_are(client: httpx.AsyncClient, attributes: str) -> None:
    image = await upload(client, attributes=attributes)

    assert image["attributes"] == json.loads(attributes)
    read = await client.get(f"/v1/images/{image['id']}")
    assert read.json()["attributes"] == json.loads(attributes)
    again = await client.patch(f"/v1/images/{image['id']}", json={"attributes": {"new": 1}})
    assert again.json()["attributes"] == json.loads(attributes) | {"new": 1}


async def test_the_last_of_repeated_keys_counts(client: httpx.AsyncClient) -> None:
    image = await upload(client, attributes='{"a": 1, "a": 2}')

    assert image["attributes"] == {"a": 2}


@pytest.mark.usefixtures("nothing_stored")
async def test_a_client_that_goes_away_is_not_an_error(settings: Settings) -> None:
    app = create_app(settings)
    sent = []

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        sent.append(message)

    for media_type in (b"image/jpeg", b"multipart/form-data; boundary=b"):
        async with app.router.lifespan_context(app) as state:
            scope = {
                "type": "http",
                "method": "POST",
                "path": "/v1/images",
                "query_string": b"",
                "headers": [(b"host", b"localhost"), (b"content-type", media_type)],
                "state": dict(state or {}),
            }
            await app(scope, receive, send)

    assert len(sent) == 4


async def test_uploads_of_the_same_bytes_use_one_connection(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, go_on, put = asyncio.Event(), asyncio.Event(), store.put

    async def slow(*arguments: Any) -> None:
        writing.set()
        await go_on.wait()
        await put(*arguments)

    monkeypatch.setattr("app.storage.store.put", slow)
    async with client_of(settings) as client:
        sent = [asyncio.create_task(upload(client, picture())) for _ in range(3 * settings.database_pool_size)]
        await writing.wait()
        await asyncio.sleep(0.2)  # the others are under way
        assert (await client.get("/v1/images")).status_code == 200
        go_on.set()
        images = await asyncio.gather(*sent)

    assert len({image["id"] for image in images}) == 1


async def test_an_empty_file_is_told_apart_from_other_formats(client: httpx.AsyncClient) -> None:
    for response in (
        await client.post("/v1/images", content=b"", headers={"Content-Type": "image/png"}),
        await client.post("/v1/images", files={"file": ("a.png", b"")}),
    ):
        assert problem(response, 422, "broken-image")["detail"] == "The file is empty."
