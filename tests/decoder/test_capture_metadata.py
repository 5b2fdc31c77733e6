"""EXIF, XMP and IPTC in the decoder, and bytes that only look like them."""

import io
import struct
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.decoder import capture, exif, headers, vips
from app.decoder.capture import Blocks
from app.decoder.capture_models import Described
from app.decoder.client import Codec
from app.decoder.thumbhash import dominant_color, thumbhash
from tests.support.hostile import chunk, jpeg_with, segment
from tests.support.pictures import photo, picture

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:exif="http://ns.adobe.com/exif/1.0/" xmp:Rating="4" {attributes}>
<dc:description><rdf:Alt><rdf:li xml:lang="de">Boot</rdf:li><rdf:li xml:lang="x-default">Boat</rdf:li></rdf:Alt>
</dc:description><dc:creator><rdf:Seq><rdf:li>Grace</rdf:li></rdf:Seq></dc:creator>
<dc:subject><rdf:Bag><rdf:li>sea</rdf:li><rdf:li>Café</rdf:li><rdf:li>sea</rdf:li></rdf:Bag></dc:subject>
</rdf:Description></rdf:RDF></x:xmpmeta>"""


@pytest.fixture(scope="module")
def codec() -> Iterator[Codec]:
    with Codec(1_000_000, 30) as codec:
        yield codec


def xmp(attributes: str = "") -> bytes:
    return XMP.format(attributes=attributes).encode()


def dataset(number: int, content: bytes, record: int = 2) -> bytes:
    return struct.pack(">BBBH", 0x1C, record, number, len(content)) + content


def tiff(*entries: tuple[int, int, int, bytes], order: str = "<") -> bytes:
    """EXIF with one directory. The values are in the entries, or at places that the test chooses."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(entries))
    return head + b"".join(struct.pack(f"{order}HHI4s", *entry) for entry in entries) + bytes(4)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WebP", "AVIF"])
def test_every_format_says_how_it_was_taken(codec: Codec, format: str) -> None:
    found = codec.read(photo(format))

    assert found.capture == {
        "captured_at": "2026-07-14T18:30:05.250000+02:00",
        "captured_at_zone": "offset",
        "make": "Canon",
        "model": "Canon EOS R5",
        "lens": "RF85mm F1.2 L USM",
        "exposure_seconds": 0.004,
        "aperture": 2.8,
        "iso": 400,
        "focal_length_mm": 85.0,
        "software": "Firmware 1.8",
        "creator": "Ada",
        "copyright": "(c) Ada",
        "caption": "A boat\nin July",
    }
    assert found.location == {"latitude": 48.2083333, "longitude": -11.57, "altitude_m": -12.5}
    has_preview = format != "JPEG"  # which has no thumbnail here
    assert (found.color is not None, found.thumbhash is not None) == (has_preview, has_preview)


def test_the_directory_of_a_tiff_is_its_exif(codec: Codec) -> None:
    assert codec.read(photo("TIFF")).capture["model"] == "Canon EOS R5"  # Pillow leaves the other directories out


def test_the_keywords_of_windows_are_read_in_the_sandbox(codec: Codec) -> None:
    keywords = "Meer;Café\0".encode("utf-16-le")

    assert codec.read(photo(t40094=keywords, t40092=keywords)).capture["keywords"] == ["Meer", "Café"]


def profile(name: bytes, block: bytes) -> bytes:
    """Return the content of a text of a PNG, as ImageMagick writes it."""
    digits = block.hex().encode()
    lines = b"\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    return b"\n%b\n%8d\n%b\n" % (name, len(block), lines)


def test_a_png_may_have_its_metadata_as_texts(codec: Codec) -> None:
    block = Image.open(io.BytesIO(photo())).info["exif"]
    plain = picture("PNG")
    texts = {
        chunk(b"zTXt", b"Raw profile type APP1\0\0" + zlib.compress(profile(b"generic profile", block))): "model",
        chunk(b"tEXt", b"Raw profile type exif\0" + profile(b"exif", block)): "model",
        chunk(b"tEXt", b"Raw profile type xmp\0" + profile(b"xmp", xmp())): "rating",
        chunk(b"tEXt", b"Raw profile type iptc\0" + profile(b"iptc", dataset(120, b"A boat"))): "caption",
    }
    wrong = [b"Raw profile type exif\0", b"Raw profile type exif\0\nexif\n 9\nzz"]
    assert codec.read(plain[:33] + b"".join(chunk(b"tEXt", text) for text in wrong) + plain[33:]).capture == {}
    assert codec.read(plain[:33] + chunk(b"zTXt", wrong[0] + b"\0\xff") + plain[33:]).capture == {}
    for text, name in texts.items():
        assert name in codec.read(plain[:33] + text + plain[33:]).capture
        assert name in codec.read(plain[:-12] + text + plain[-12:]).capture


def test_a_png_may_have_its_metadata_behind_the_pixels(codec: Codec) -> None:
    plain = picture("PNG")
    block = Image.open(io.BytesIO(photo())).info["exif"].removeprefix(b"Exif\0\0")
    for text, name in (
        (chunk(b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + xmp()), "rating"),
        (chunk(b"eXIf", block), "model"),
    ):
        assert name in codec.read(plain[:-12] + text + plain[-12:]).capture


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_iptc_of_a_tiff_may_be_called_numbers(codec: Codec, order: str) -> None:
    block = dataset(120, b"A boat").ljust(12, b"\0")
    tags = [(256, 4, 1), (257, 4, 1), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (278, 4, 1), (279, 4, 1)]
    entries = [
        (tag, kind, 1, struct.pack(f"{order}{'I' if kind == 4 else 'H'}", value).ljust(4, b"\0"))
        for tag, kind, value in tags
    ]
    place = 8 + 2 + 12 * (len(entries) + 1) + 4
    entries.append((33723, 4, 3, struct.pack(f"{order}I", place)))

    assert codec.read(tiff(*entries, order=order) + block).capture == {"caption": "A boat"}


@pytest.mark.parametrize("encoding", ["utf-16-be", "utf-16-le", "utf-16", "utf-8-sig"])
def test_xmp_may_be_utf_16(codec: Codec, encoding: str) -> None:
    packet = xmp().decode().encode(encoding)
    content = jpeg_with(segment(0xE1, headers.JPEG_XMP + packet))

    assert codec.read(content).capture["keywords"] == ["sea", "Café"]


def test_a_gif_has_its_xmp_behind_its_pictures(codec: Codec) -> None:
    plain = picture("GIF")
    leading_out = b"\x01" + bytes(range(255, -1, -1)) + b"\0"

    found = codec.read(plain[:-1] + b"!\xff\x0bXMP DataXMP" + xmp() + leading_out + plain[-1:]).capture
    cut = codec.read(plain[:-1] + b"!\xff\x0bXMP DataXMP" + xmp()).capture

    assert (found["keywords"], found["caption"], cut) == (["sea", "Café"], "Boat", {})


GUID = b"0123456789ABCDEF" * 2


def pieces(content: bytes, name: bytes = GUID) -> list[bytes]:
    """Return XMP in segments of a JPEG, each with its place."""
    head, length = b"http://ns.adobe.com/xmp/extension/\0" + name, len(content)
    return [
        segment(0xE1, head + struct.pack(">II", length, at) + content[at : at + 60_000])
        for at in range(0, length, 60_000)
    ]


def test_the_xmp_of_a_jpeg_may_be_in_several_segments(codec: Codec) -> None:
    note = f'xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="{GUID.decode()}"'
    packet = XMP.partition("<dc:description>")[0].format(attributes=note) + "</rdf:Description></rdf:RDF></x:xmpmeta>"
    first = segment(0xE1, headers.JPEG_XMP + packet.encode())
    more = xmp().replace(b"Grace", b"Grace" + b" " * 100_000)
    of_another = pieces(xmp().replace(b"Boat", b"Ship"), b"F" * 32)
    large = more.replace(b"Grace", b"Grace" + b" " * headers.MAX_XMP)

    def found(*segments: bytes) -> dict[str, object]:
        return codec.read(jpeg_with(*segments)).capture

    whole = {"rating": 4, "caption": "Boat", "creator": "Grace", "keywords": ["sea", "Café"]}
    assert found(*of_another, first, *pieces(more)) == whole
    assert found(*reversed(pieces(more, GUID.lower())), first) == whole
    assert found(first, *pieces(more)[1:]) == found(first, *pieces(large)) == {"rating": 4}


def test_a_picture_without_metadata_says_nothing(codec: Codec) -> None:
    found = codec.read(picture())

    assert (found.capture, found.location) == ({}, None)


def test_a_local_time_is_said_to_be_one(codec: Codec) -> None:
    found = codec.read(photo(zone=None)).capture

    assert found["captured_at"] == "2026-07-14T18:30:05.250000+00:00"
    assert found["captured_at_zone"] == "local"


def dated(text: str, tag: int = 0x9003) -> bytes:
    content = text.encode() + b"\0"
    return tiff((tag, 2, len(content), struct.pack("<I", 26))) + content


@pytest.mark.parametrize(
    "blocks",
    [
        Blocks((dated("2026:07:14"),)),
        Blocks((dated("2026:07:14   :  :  "),)),
        Blocks(xmp=xmp('xmp:CreateDate="2026-07-14"')),
        Blocks(iptc=dataset(55, b"20260714")),
    ],
    ids=["EXIF", "EXIF with blanks", "XMP", "IPTC"],
)
def test_a_day_without_a_time_is_said_to_be_one(blocks: Blocks) -> None:
    found = capture.read(blocks, NOW).capture

    assert (found["captured_at"], found["captured_at_zone"]) == ("2026-07-14T00:00:00+00:00", "day")


@pytest.mark.parametrize("text", ["2026-07-14", "2026-07-15"])
def test_the_time_of_a_day_may_be_in_another_field_but_not_that_of_another_day(text: str) -> None:
    blocks = Blocks((dated("2026:07:14"),), xmp(f'xmp:CreateDate="{text}T18:30:05+02:00"'))

    found = capture.read(blocks, NOW).capture

    expected = "2026-07-14T18:30:05+02:00" if text == "2026-07-14" else "2026-07-14T00:00:00+00:00"
    assert found["captured_at"] == expected


@pytest.mark.parametrize("text", ["2026:02:30", "2026:12:02", "1700:01:01", "2026:07", "    :  :  "])
def test_a_day_that_cannot_be_true_is_left_out(text: str) -> None:
    assert "captured_at" not in capture.read(Blocks((dated(text),)), NOW).capture


@pytest.mark.parametrize("text", ["----", " - ", "?", "..."])
def test_a_name_without_letters_and_digits_is_left_out(text: str) -> None:
    packet = xmp(f'xmlns:aux="http://ns.adobe.com/exif/1.0/aux/" aux:Lens="{text}" xmp:CreatorTool="{text}"')

    assert not {"lens", "software"} & capture.read(Blocks(xmp=packet), NOW).capture.keys()


def test_a_name_that_says_nothing_gives_way_to_the_next() -> None:
    packet = xmp('xmlns:aux="http://ns.adobe.com/exif/1.0/aux/" aux:Lens="RF85mm"')

    assert capture.read(Blocks((dated("----", 0xA434),), packet), NOW).capture["lens"] == "RF85mm"


def test_texts_have_no_characters_that_turn_them_and_no_byte_order_mark() -> None:
    hidden = (
        xmp()
        .replace("Café".encode(), "\ufeffCafé \u202egnp\u202c \u2066a\u2069".encode())
        .replace(b"Boat", b"\xef\xbb\xbf")
    )

    found = capture.read(Blocks(xmp=hidden), NOW).capture

    assert found["keywords"] == ["sea", "Café gnp a"]
    assert "caption" not in found


def test_the_texts_of_people_come_from_xmp_and_iptc() -> None:
    iptc = dataset(90, b"\x1b%G", record=1) + dataset(25, b"Boot") + dataset(120, b"Not this")
    resource = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">I", len(iptc)) + iptc

    found = capture.read(Blocks(xmp=xmp(), iptc=resource), NOW)

    assert found.capture["caption"] == "Boat"
    assert found.capture["creator"] == "Grace"
    assert found.capture["keywords"] == ["sea", "Café", "Boot"]
    assert found.capture["rating"] == 4


def test_iptc_has_a_time_and_a_position_may_be_in_xmp() -> None:
    position = 'exif:GPSLatitude="48,12.5N" exif:GPSLongitude="11,34,12W" exif:GPSAltitude="125/10"'

    found = capture.read(Blocks(xmp=xmp(position), iptc=dataset(55, b"20260714") + dataset(60, b"183005+0200")), NOW)

    assert found.capture["captured_at"] == "2026-07-14T18:30:05+02:00"
    assert found.location == {"latitude": 48.2083333, "longitude": -11.57, "altitude_m": 12.5}


def test_seconds_that_are_rounded_up_to_sixty_are_a_position() -> None:
    position = 'exif:GPSLatitude="48,11,60N" exif:GPSLongitude="11,60,0W"'

    assert capture.read(Blocks(xmp=xmp(position)), NOW).location == {"latitude": 48.2, "longitude": -12.0}
    assert capture.read(Blocks(xmp=xmp(position.replace("60", "61"))), NOW).location is None


@pytest.mark.parametrize(
    "text", ["0000:00:00 00:00:00", "2026:13:01 00:00:00", "2026:02:30 10:00:00", "1700:01:01 00:00:00",
             "2026:12:01 12:00:00", "9999:12:31 23:59:59", "    :  :     :  :  ", "yesterday", ""],
)  # fmt: skip
def test_a_time_that_cannot_be_true_is_left_out(text: str) -> None:
    content = text.encode() + b"\0"
    block = tiff((0x9003, 2, len(content), struct.pack("<I", 26))) + content

    assert "captured_at" not in capture.read(Blocks((block,)), NOW).capture


@pytest.mark.parametrize(
    ("tag", "name"), [(0x829A, "exposure_seconds"), (0x829D, "aperture"), (0x920A, "focal_length_mm")]
)
@pytest.mark.parametrize("fraction", [(1, 0), (0, 0), (0, 1), (2**32 - 1, 1)])
def test_a_number_that_cannot_be_true_is_left_out(tag: int, name: str, fraction: tuple[int, int]) -> None:
    block = tiff((tag, 5, 1, struct.pack("<I", 26))) + struct.pack("<II", *fraction)

    assert name not in capture.read(Blocks((block,)), NOW).capture


@pytest.mark.parametrize(
    ("tag", "kind", "attribute", "name", "expected"),
    [
        (0x829A, 5, 'exif:ExposureTime="1/250"', "exposure_seconds", 0.004),
        (0x829D, 5, 'exif:FNumber="28/10"', "aperture", 2.8),
        (0x920A, 5, 'exif:FocalLength="85"', "focal_length_mm", 85.0),
        (0x8827, 3, 'exif:ISOSpeedRatings="200"', "iso", 200),
        (0x8827, 3, 'exifEX:PhotographicSensitivity="200"', "iso", 200),
    ],
)
def test_the_first_valid_number_counts(tag: int, kind: int, attribute: str, name: str, expected: float) -> None:
    block = tiff((tag, kind, 1, struct.pack("<I", 26 if kind == 5 else 0))) + struct.pack("<II", 0, 1)
    packet = xmp(f'xmlns:exifEX="http://cipa.jp/exif/1.0/" {attribute}')

    assert capture.read(Blocks((block,), packet), NOW).capture[name] == expected


@pytest.mark.parametrize("tag", [0x8831, 0x8832])
def test_an_iso_above_65535_is_in_another_tag(tag: int) -> None:
    block = tiff((0x8827, 3, 1, b"\xff\xff\0\0"), (tag, 4, 1, struct.pack("<I", 102_400)))

    assert capture.read(Blocks((block,)), NOW).capture["iso"] == 102_400


@pytest.mark.parametrize("others", [(), (0x8832,)])
def test_an_iso_of_65535_says_only_that_it_is_higher(others: tuple[int, ...]) -> None:
    block = tiff((0x8827, 3, 1, b"\xff\xff\0\0"), *((tag, 4, 1, b"\xff\xff\0\0") for tag in others))

    assert "iso" not in capture.read(Blocks((block,)), NOW).capture


def gps(*parts: tuple[int, int], below: bytes = b"\0") -> bytes:
    """EXIF with a position: the parts of the latitude, longitude 0 west, altitude 0."""
    rationals = b"".join(struct.pack("<II", *part) for part in (*parts, (0, 1)))
    place = 26 + 2 + 6 * 12 + 4
    directory = struct.pack("<H", 6)
    for entry in (
        (1, 2, 2, b"n\0\0\0"), (2, 5, len(parts), struct.pack("<I", place)), (3, 2, 2, b"W\0\0\0"),
        (4, 5, 1, struct.pack("<I", place + 8 * len(parts))), (5, 1, 1, below.ljust(4, b"\0")),
        (6, 5, 1, struct.pack("<I", place + 8 * (len(parts) - 1))),
    ):  # fmt: skip
        directory += struct.pack("<HHI4s", *entry)
    return tiff((0x8825, 4, 1, struct.pack("<I", 26))) + directory + bytes(4) + rationals


def test_a_position_may_lack_its_seconds_and_may_be_below_the_sea() -> None:
    lacking = capture.read(Blocks((gps((48, 1), (30, 1), (0, 0)),)), NOW).location
    below = capture.read(Blocks((gps((48, 1), (30, 1), (36, 1), below=b"\3"),)), NOW).location

    as_number = gps((48, 1), (30, 1), (36, 1), below=b"\1").replace(b"\5\0\1\0\1\0", b"\5\0\3\0\1\0")

    assert capture.read(Blocks((as_number,)), NOW).location == below
    assert repr(lacking) == "{'latitude': 48.5, 'longitude': 0.0}"  # 0.0 and not -0.0, which JSON has too
    assert repr(below) == "{'latitude': 48.51, 'longitude': 0.0, 'altitude_m': -36.0}"


def test_texts_of_windows_are_read_in_the_sandbox(codec: Codec) -> None:
    caption = "“Boat” for 20 €"

    assert codec.read(photo(t270=caption.encode("cp1252"))).capture["caption"] == caption
    assert capture.read(Blocks(iptc=dataset(120, caption.encode("cp1252"))), NOW).capture["caption"] == caption


def test_the_copyright_may_be_only_that_of_the_editor() -> None:
    block = tiff((33432, 2, 9, struct.pack("<I", 26))) + b" \0Editor\0"

    assert capture.read(Blocks((block,)), NOW).capture == {"copyright": "Editor"}


@pytest.mark.parametrize("position", [(0, 0), (91, 10), (10, 181)])
def test_a_position_that_cannot_be_true_is_left_out(position: tuple[int, int]) -> None:
    text = 'exif:GPSLatitude="{},0N" exif:GPSLongitude="{},0E"'.format(*position)

    assert capture.read(Blocks(xmp=xmp(text)), NOW).location is None


def test_entities_are_not_expanded() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaa">]>' + xmp().replace(b"Grace", b"&a;")

    assert capture.read(Blocks(xmp=bomb), NOW).capture == {}


@given(
    st.binary(max_size=300),
    st.binary(max_size=300),
    st.binary(max_size=300),
    st.sampled_from([b"", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"]),
)
def test_any_bytes_give_an_answer_that_is_valid(exif_block: bytes, packet: bytes, iptc: bytes, head: bytes) -> None:
    found = capture.read(Blocks((head + exif_block,), packet, iptc), NOW)

    Described.model_validate({"color": None, "capture": found.capture, "location": found.location})


@given(st.data())
def test_a_changed_photo_gives_an_answer_that_is_valid(data: st.DataObject) -> None:
    content = bytearray(Image.open(io.BytesIO(photo())).info["exif"])
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(6, len(content) - 1))] = data.draw(st.integers(0, 255))
    packet = bytearray(xmp('exif:GPSLatitude="48,12N" exif:GPSLongitude="11,34W"'))
    packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))

    found = capture.read(Blocks((bytes(content),), bytes(packet), bytes(packet)), NOW)

    Described.model_validate({"color": None, "capture": found.capture, "location": found.location})


def test_the_answer_is_bounded(codec: Codec) -> None:
    found = codec.read(photo(t315="x" * 15_000, t270="x" * 15_000, t33432="x" * 15_000, t271="x" * 15_000))

    assert found.capture["caption"] == "x" * 2000
    assert found.capture["creator"] == found.capture["make"] == "x" * 200


def test_deep_and_wide_xmp_is_read_in_time() -> None:
    deep = b"<rdf:Description>" * 10_000 + b"</rdf:Description>" * 10_000
    wide = b"<dc:subject><rdf:Bag>" + b"<rdf:li>x</rdf:li>" * 20_000 + b"</rdf:Bag></dc:subject>"

    assert capture.read(Blocks(xmp=xmp().replace(b"<dc:creator>", deep + b"<dc:creator>")), NOW).capture["creator"]
    assert capture.read(Blocks(xmp=xmp().replace(b"<dc:creator>", wide + b"<dc:creator>")), NOW).capture["creator"]


def test_a_directory_that_leads_to_itself_ends() -> None:
    assert exif.read(tiff((exif.EXIF, 4, 1, struct.pack("<I", 8))), capture.WANTED)["exif"] == {}


# The last column was made by rgbaToThumbHash() of the package thumbhash 0.1.1 of npm.
@pytest.mark.parametrize(
    ("width", "height", "has_alpha", "expected"),
    [
        (24, 16, False, "19390e159a7077878178888787778787f72c0fd788"),
        (16, 24, False, "96c80d2512607782782878a887858788cc4f03c7f7"),
        (1, 7, False, "83b809291408848b88878877088478bf88"),
        (24, 3, True, "513a87098636e097948787e05a079e7770778888878877"),
    ],
)
def test_a_thumbhash_is_that_of_the_reference(width: int, height: int, has_alpha: bool, expected: str) -> None:
    pixels = b"".join(
        bytes([x * 11 % 256, y * 13 % 256, x * y % 256, x * 9 % 256 if has_alpha else 255])
        for y in range(height)
        for x in range(width)
    )

    ours, theirs = (
        [nibble for byte in hashed for nibble in (byte & 15, byte >> 4)]
        for hashed in (thumbhash(width, height, pixels), bytes.fromhex(expected))
    )
    assert ours[:10] == theirs[:10]
    # An amplitude between two steps is rounded as the order of the additions falls.
    assert len(ours) == len(theirs)
    assert max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) <= 1


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "CMYK", "I;16", "F"])
def test_the_dominant_color_is_the_most_frequent(codec: Codec, mode: str) -> None:
    image = Image.new("RGB", (300, 200), (200, 30, 30))
    image.paste((30, 30, 200), (0, 0, 90, 200))
    file = io.BytesIO()
    format = "TIFF" if mode in {"CMYK", "F", "I;16"} else "PNG"
    (image.convert("I").convert(mode) if mode == "I;16" else image.convert(mode)).save(file, format)

    found = codec.read(file.getvalue())

    assert found.thumbhash is not None
    if mode in {"RGB", "RGBA"}:
        assert found.color == "#c81e1e"


def test_transparent_pixels_do_not_count() -> None:
    assert dominant_color(bytes([0, 0, 0, 0] * 9 + [10, 200, 30, 255] * 2)) == "#0ac81e"


def exif_with(inside: Image.Image, orientation: int = 1) -> bytes:
    """Return EXIF as a camera writes it: the orientation, and a thumbnail."""
    file = io.BytesIO()
    inside.save(file, "JPEG", quality=95)
    content, place = file.getvalue(), 8 + 2 + 12 + 4  # the place of the second directory
    first = struct.pack("<IHHHIII", 8, 1, 0x0112, 3, 1, orientation, place)
    where = struct.pack("<HHHII", 2, 0x0201, 4, 1, place + 2 + 24 + 4)
    length = struct.pack("<HHII", 0x0202, 4, 1, len(content))
    return b"Exif\0\0II*\0" + first + where + length + bytes(4) + content


@pytest.mark.parametrize("orientation", [1, 6, 8])
def test_the_tiny_picture_of_a_jpeg_is_upright(codec: Codec, orientation: int) -> None:
    image = Image.new("RGB", (320, 200), "white")
    image.paste("black", (0, 0, 320, 100))
    lying = image.rotate({1: 0, 6: 90, 8: -90}[orientation], expand=True)

    def hashed(picture: Image.Image, orientation: int) -> bytes:
        file = io.BytesIO()
        picture.save(file, "JPEG", exif=exif_with(picture.reduce(2), orientation))
        found = codec.read(file.getvalue()).thumbhash
        assert found is not None
        return found

    turned, expected = hashed(lying, orientation), hashed(image, 1)
    assert turned[3:5] == expected[3:5]  # both landscape
    assert abs((turned[0] & 63) - (expected[0] & 63)) <= 1
    assert turned[5] == expected[5]


def test_the_tiny_picture_of_a_jpeg_is_that_of_the_thumbnail_in_it() -> None:
    vips.prepare()
    exif = exif_with(Image.new("RGB", (120, 80), (10, 200, 30)))

    alike = vips.read(memoryview(picture(size=(300, 200), exif=exif)), 1_000_000)
    other = vips.read(memoryview(picture(size=(200, 300), exif=exif)), 1_000_000)  # an editor left that of another one

    assert alike.color == "#0ac81e"
    assert (other.color, other.thumbhash) == (None, None)
