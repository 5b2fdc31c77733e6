import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import pairwise
from typing import NamedTuple
from urllib.parse import quote

import pytest

from app.web.multipart import Limits, read_form
from app.web.problems import ProblemError
from tests.support.properties import given, settings, st

LIMITS = Limits(file_bytes=5_000_000, field_bytes=65_536, fields=50)
BOUNDARY = b"0a1b2c"


class Result(NamedTuple):
    """The contents of a form."""

    fields: list[tuple[str, str]]
    filename: str | None
    content: bytes


def read(body: bytes, cuts: Sequence[int] = (), boundary: bytes = BOUNDARY) -> Result:
    """Read a form that comes in chunks, cut at these places."""

    async def chunks() -> AsyncIterator[bytes]:
        places = [0, *sorted(cuts), len(body)]
        for start, end in pairwise(places):
            yield body[start:end]

    async def run() -> Result:
        content_type = f'multipart/form-data; boundary="{boundary.decode()}"'
        async with read_form(content_type, chunks(), LIMITS) as form:
            content = form.spool.content()
            return Result(form.fields, form.filename, content if isinstance(content, bytes) else content.read())

    return asyncio.run(run())


def part(disposition: str, content: bytes, boundary: bytes = BOUNDARY) -> bytes:
    head = f"Content-Disposition: form-data; {disposition}".encode()
    return b"--%b\r\n%b\r\n\r\n%b\r\n" % (boundary, head, content)


def form(*parts: bytes, boundary: bytes = BOUNDARY) -> bytes:
    return b"".join(parts) + b"--%b--\r\n" % boundary


def quoted(text: str) -> str:
    """A quoted string, as RFC 9110 and curl write it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


# Contents that begin like a boundary, end like one, or hold one with a letter too few.
NEAR_BOUNDARIES = [b"\r\n--0a1b2", b"\r", b"\n", b"\r\n", b"-", b"--0a1b2c", b"\r\n-", b"\0", b"x" * 5000]
CONTENTS = st.lists(st.sampled_from(NEAR_BOUNDARIES) | st.binary(max_size=40), max_size=6).map(b"".join)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters='\\"\r\n\0'), min_size=1, max_size=20)
TEXTS = st.text(max_size=60)
# Everything that a file name of the service may hold.
FILENAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="/\\"), min_size=1, max_size=255
)


@st.composite
def forms(draw: st.DrawFn) -> tuple[bytes, Result]:
    """A form, and what it holds."""
    content = draw(CONTENTS.filter(lambda content: b"\r\n--" + BOUNDARY not in b"\r\n" + content))
    fields = draw(st.lists(st.tuples(NAMES.filter(lambda name: name != "file"), TEXTS), max_size=4))
    parts = [
        part(
            f'name="{name}"' + draw(st.sampled_from(["", '; filename="blob"'])),
            text.encode(),
        )
        for name, text in fields
    ]
    parts.insert(draw(st.integers(0, len(parts))), part('name="file"; filename="a.png"', content))
    preamble = draw(st.sampled_from([b"", b"\r\n", b"This is a preamble.\r\n", b"--0a1b2\r\n--\r\n\r\n", b"\n\n\r\n"]))
    epilogue = draw(st.sampled_from([b"", b"\r\n", b"an epilogue", b"\r\n--0a1b2c\r\n"]))
    padding = draw(st.sampled_from([b"", b" ", b"\t  "]))
    body = form(*parts).replace(b"--0a1b2c\r\nContent", b"--0a1b2c" + padding + b"\r\nContent")
    return preamble + body + epilogue, Result(fields, "a.png", content)


@given(forms(), st.data())
def test_a_form_in_any_chunks_holds_the_same(form: tuple[bytes, Result], data: st.DataObject) -> None:
    body, expected = form
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=12))

    assert read(body, cuts) == expected


@given(forms())
@settings(max_examples=20)
def test_a_form_byte_by_byte_holds_the_same(form: tuple[bytes, Result]) -> None:
    body, expected = form

    assert read(body, range(len(body))) == expected


def plain(name: str) -> str:
    return f"filename={quoted(name)}"


def extended(name: str) -> str:
    return f"filename*=UTF-8''{quote(name, safe='')}"


def aiohttp_style(name: str) -> str:
    return f"filename=\"{quote(name, safe='')}\"; filename*=utf-8''{quote(name, safe='')}"


def extended_first(name: str) -> str:
    return f"FileName* = utf-8'en'{quote(name, safe='')} ; filename={quoted(name[:1])}"


@pytest.mark.parametrize("style", [plain, extended, aiohttp_style, extended_first])
@given(name=FILENAMES)
def test_any_file_name_round_trips(style: Callable[[str], str], name: str) -> None:
    body = form(part(f'name="file"; {style(name)}', b"x"))

    assert read(body).filename == name


LITERAL = [
    "100%25.jpg",
    "=?utf-8?B?Y2F0LmpwZw==?=",
    "UTF-8''cat.jpg",
    "a; filename*=UTF-8''b.jpg",
    "a\"; filename*=UTF-8''b.jpg",
    "+.jpg",
]


@pytest.mark.parametrize("name", LITERAL)
def test_a_file_name_without_filename_extended_is_taken_literally(name: str) -> None:
    assert read(form(part(f'name="file"; {plain(name)}', b"x"))).filename == name


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("filename=\"=?utf-8?B?Y2F0?=\"; filename*=utf-8''%E7%8C%AB.jpg", "猫.jpg"),
        ("filename*=iso-8859-1''caf%E9.jpg", "café.jpg"),
        ("filename*=UTF-8''; filename=a", ""),
        ("filename*=utf-16''%00a; filename=fallback", "fallback"),
        ("filename*=UTF-8''%E7%8C; filename=fallback", "fallback"),
        ("filename*=UTF-8''100%; filename=fallback", "fallback"),
        ("filename*=cat.jpg; filename=fallback", "fallback"),
        ("filename*0=a; filename*1=b; filename=fallback", "fallback"),
    ],
)
def test_filename_extended_wins_if_it_is_valid(parameters: str, expected: str) -> None:
    assert read(form(part(f'name="file"; {parameters}', b"x"))).filename == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("he said %22hi%22.jpg", 'he said "hi".jpg'),
        ("two%0D%0Alines.jpg", "two%0D%0Alines.jpg"),
        ("50% %25 %2522 %C3%A4 %2F.jpg", "50% %25 %2522 %C3%A4 %2F.jpg"),
        (r"a \"quote\" and %22.jpg", 'a "quote" and %22.jpg'),
    ],
)
def test_only_the_escape_of_a_quotation_mark_is_read(given: str, expected: str) -> None:
    assert read(form(part(f'name="file"; filename="{given}"', b"x"))).filename == expected


def test_a_field_may_have_a_file_name_as_that_of_a_blob() -> None:
    blob = part('name="attributes"; filename="blob"', b'{"a": 1}')

    assert read(form(blob, part('name="file"; filename="a.png"', b"x"))).fields == [("attributes", '{"a": 1}')]


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([part('name="file"', b"\xff")], 422),
        ([part('name="file"; filename=a', b"x")] * 2, 400),
        ([part('filename="a"', b"x")], 400),
        ([part('name="title"', b"\xff")], 400),
        ([part('name="title"', b"x" * 65_537)], 400),
        ([part('name="tags"', b"x")] * 51, 400),
        ([part('name="file"; filename="' + "a" * 8192 + '"', b"x")], 400),
        ([part('name="file"; filename=a', b"x" * 5_000_001)], 413),
        ([b"--0a1b2c\r\nno colon\r\n\r\n\r\n"], 400),
        ([b"a preamble without end"], 400),
    ],
)
def test_a_form_that_is_wrong_is_rejected(parts: list[bytes], status: int) -> None:
    with pytest.raises(ProblemError) as error:
        read(form(*parts))

    assert error.value.problem.status == status


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", "multipart/form-data; boundary=", f"multipart/form-data; boundary={'b' * 500}"],
)
async def test_a_form_without_a_usable_boundary_is_rejected(content_type: str) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield form(part('name="file"; filename=a', b"x"))

    with pytest.raises(ProblemError, match="boundary"):
        async with read_form(content_type, chunks(), LIMITS):
            pass


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\xff", b"a" * (LIMITS.field_bytes + 1)], ids=["bytes", "long"])
def test_a_file_under_another_name_is_told_the_right_one(content: bytes) -> None:
    with pytest.raises(ProblemError) as told:
        read(form(part('name="photo"; filename="a.png"', content)))

    assert told.value.problem.status == 422
    [error] = told.value.problem.errors or []
    assert (error.pointer, error.detail) == ("/file", "must be the name of the part with the file, not photo")


def test_a_field_without_a_file_name_that_is_not_text_is_told_so() -> None:
    with pytest.raises(ProblemError, match="must be UTF-8"):
        read(form(part('name="title"', b"\xff")))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ('name="title"\r\nContent-Type: text/plain; charset=utf-16le', 415),
        ('name="title"\r\nContent-Type: text/plain; charset=iso-8859-1', 415),
        ('name="title"\r\ncontent-transfer-encoding: quoted-printable', 415),
        ('name="file"; filename="a.png"\r\nContent-Transfer-Encoding: base64', 415),
        ('name="file"; filename="a.png"\nContent-Type: image/png', 400),
        ('name="title"\nX: y', 400),
    ],
)
def test_a_part_in_another_coding_is_rejected(headers: str, status: int) -> None:
    with pytest.raises(ProblemError) as raised:
        read(form(part(headers, b"text")))

    assert raised.value.problem.status == status


@pytest.mark.parametrize(
    "headers",
    [
        "Content-Type: text/plain; charset=UTF-8",
        "Content-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 8bit",
        "Content-Transfer-Encoding: Binary",
        "Content-Type: application/json",
    ],
)
def test_a_part_that_names_its_plain_coding_is_read(headers: str) -> None:
    assert read(form(part(f'name="title"\r\n{headers}', b"text"))).fields == [("title", "text")]
