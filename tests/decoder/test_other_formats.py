"""The name of a format that is not taken, in the words of the error."""

import gzip
import io
import struct
import time
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.decoder import other_formats
from app.decoder.client import Codec
from app.errors import RejectedImageError
from tests.support.pictures import picture
from tests.support.properties import settings


def archive(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name in names:
            made.writestr(name, "")
    return file.getvalue()


def media(brand: bytes) -> bytes:
    return struct.pack(">I4s4sI", 20, b"ftyp", brand, 0) + brand + b"\0\0\0\x08mdat"


OTHERS = {
    "a PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "an SVG": b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- a -->\n<svg xmlns="http://www.w3.org/2000/svg"/>',
    "a web page (HTML)": b"\n<!DOCTYPE html><p>",
    "an XML or HTML file": b"<feed/>",
    "a text file": "Straße, 東京\n".encode() * 400,
    "an MP4 video": media(b"isom"),
    "a QuickTime video (MOV)": media(b"qt  "),
    "a 3GP video": media(b"3gp4"),
    "a sound file (M4A)": media(b"M4A "),
    "a sound file (MP3)": b"ID3\4\0\0\0\0\0\0",
    "a sound file (WAV)": b"RIFF\x24\0\0\0WAVEfmt ",
    "an AVI video": b"RIFF\x24\0\0\0AVI LIST",
    "an icon (ICO)": b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0",
    "a Photoshop file": b"8BPS\0\1\0\0\0\0\0\0\0\3",
    "a JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n",
    "a ZIP archive": archive("holiday.jpg"),
    "an Office document": archive("[Content_Types].xml", "word/document.xml"),
    "a gzip archive": gzip.compress(b"a"),
    "a camera RAW of another maker": b"FOVb\0\0\2\0",
    "a program": b"MZ\x90\0\3\0\0\0\4\0",
}


def detail(codec: Codec, content: bytes) -> str:
    with pytest.raises(RejectedImageError) as refused:
        codec.measure(content)
    assert refused.value.kind == "unsupported-image"
    return refused.value.detail


def test_the_error_names_the_format_and_those_that_are_taken() -> None:
    taken = "Upload a picture: JPEG, PNG, WebP, GIF, TIFF, AVIF or Camera RAW."
    with Codec(1_000_000, 30, ("raw",)) as codec:
        for name, content in OTHERS.items():
            assert detail(codec, content) == f"This is {name}. {taken}"
        assert detail(codec, b"\1\2\3\4 no format") == f"The format of this file is not known. {taken}"


def test_a_heif_with_another_codec_is_not_called_a_video() -> None:
    with Codec(1_000_000, 30) as codec:
        for brand in (b"avci", b"jpeg", b"j2ki"):
            assert detail(codec, media(brand)).startswith("This kind of HEIF is not supported.")


def test_a_text_may_be_cut_within_a_character() -> None:
    for shift in range(4):
        assert other_formats.name_of(memoryview(b"a" * shift + "東".encode() * 3000)) == "a text file"
    assert other_formats.name_of(memoryview("東".encode()[:2])) is None


@settings(max_examples=200)
@given(st.binary(max_size=300) | st.sampled_from([*OTHERS.values(), picture()]).map(lambda content: content[:50]))
def test_any_bytes_have_a_name_or_none(content: bytes) -> None:
    assert (other_formats.name_of(memoryview(content)) or "a").startswith("a")


def test_marks_of_xml_without_a_root_take_no_time() -> None:
    began = time.process_time()

    assert other_formats.name_of(memoryview(b"<??>" * 1000 + b"<!-- -->" + b"<\1")) is None

    assert time.process_time() - began < 1
