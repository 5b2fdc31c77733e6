"""Capture metadata: time, position and camera of a picture, from EXIF, XMP and IPTC. It imports nothing large.

A value that cannot be true is left out. Nothing that a file contains raises an error.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from math import isfinite
from typing import NamedTuple

from app.decoder import exif, xmp
from app.decoder.formats import TURNS
from app.decoder.headers import Data

MAX_TEXT = 200  # characters of a name
MAX_CAPTION = 2000  # characters
MAX_KEYWORDS = 50  # of a picture
MAX_KEYWORD = 100  # characters
FIRST_YEAR = 1826  # of the oldest photograph
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
HIDDEN = re.compile(f"\ufeff|{TURNS.pattern}")  # a byte order mark is no part of a text

# Tags of EXIF.
DESCRIPTION, MAKE, MODEL, SOFTWARE, MODIFIED, ARTIST, COPYRIGHT, RATING = 270, 271, 272, 305, 306, 315, 33432, 0x4746
EXPOSURE, F_NUMBER, ISO, SENSITIVITY, RECOMMENDED, ISO_SPEED = 0x829A, 0x829D, 0x8827, 0x8831, 0x8832, 0x8833
TAKEN, DIGITIZED, FOCAL_LENGTH, LENS, XP_KEYWORDS = 0x9003, 0x9004, 0x920A, 0xA434, 0x9C9E
OFFSETS = {TAKEN: 0x9011, DIGITIZED: 0x9012}
FRACTIONS = {TAKEN: 0x9291, DIGITIZED: 0x9292}
# EXIF 3.0 has 1 for below the ellipsoid and 3 for below the sea. Some programs write them as whole numbers.
BELOW: list[exif.Value] = [b"\1", b"\3", [1], [3]]
NORTH_SOUTH, LATITUDE, EAST_WEST, LONGITUDE, BELOW_SEA, ALTITUDE = range(1, 7)
WANTED = frozenset(
    {
        DESCRIPTION, MAKE, MODEL, SOFTWARE, ARTIST, COPYRIGHT, RATING, EXPOSURE, F_NUMBER, ISO, SENSITIVITY,
        RECOMMENDED, ISO_SPEED, FOCAL_LENGTH, TAKEN, DIGITIZED, LENS, XP_KEYWORDS, *OFFSETS.values(),
        *FRACTIONS.values(), NORTH_SOUTH, LATITUDE, EAST_WEST, LONGITUDE, BELOW_SEA, ALTITUDE,
    }
)  # fmt: skip
# Datasets of IPTC.
KEYWORDS, DATE, TIME, BYLINE, NOTICE, ABSTRACT = 25, 55, 60, 80, 116, 120

ISO_NAMES = ("exif:ISOSpeedRatings", "exifEX:PhotographicSensitivity")

CAMERA_TIME = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6})\d*)?)?(.*)", re.ASCII)
# Without a time. Some cameras write blanks and colons in its place.
CAMERA_DAY = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)[ :]*", re.ASCII)
OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)", re.ASCII)
MAX_OFFSET = timedelta(hours=14)
DEGREES = re.compile(r"(\d{1,3}),(\d{1,2}(?:\.\d{1,20})?)(?:,(\d{1,2}(?:\.\d{1,20})?))?([NSEW])", re.ASCII)
FRACTION = re.compile(r"(-?\d{1,10})(?:/(\d{1,10}))?", re.ASCII)

Fields = dict[str, object]


class Blocks(NamedTuple):
    """The blocks of metadata in a file. `exif` are structures of TIFF, the best one first."""

    exif: tuple[Data | bytes, ...] = ()
    xmp: bytes = b""
    iptc: bytes = b""
    more_xmp: bytes = b""  # the part that has no room in the packet


class Found(NamedTuple):
    """The fields of app/decoder/capture_models.py that the blocks say, and the position of the camera."""

    capture: Fields
    location: Fields | None


def prepare() -> None:
    """Load what Python would load on first use. Later no file can be opened."""
    for encoding in ("utf-16-le", "utf-16-be", "ascii", "cp1252"):
        b"  ".decode(encoding)  # Python does not look up the encoding of empty bytes


def read(blocks: Blocks, now: datetime | None = None) -> Found:
    """Return what the blocks say. A time after `now`, which is the present by default, cannot be true."""
    image, detail, gps = _tags(blocks.exif)
    texts = xmp.read(blocks.xmp) if blocks.xmp else {}
    if blocks.more_xmp:
        texts = xmp.read(blocks.more_xmp) | texts
    iptc = xmp.read_iptc(blocks.iptc) if blocks.iptc else {}

    def tagged(tags: exif.Tags, tag: int, part: int = 0) -> str:
        value = tags.get(tag, b"")
        return _text(xmp.decode([*value.split(b"\0"), b""][part])) if isinstance(value, bytes) else ""

    def written(name: str) -> str:
        return _text(texts.get(name, [""])[0])

    def filed(number: int) -> str:
        return _text(iptc.get(number, [""])[0])

    def measured(numbers: tuple[int, ...], names: tuple[str, ...], low: float, high: float) -> float | None:
        """Return the first number that is valid."""
        tagged = [value[0] for number in numbers if isinstance(value := detail.get(number), list)]
        told = [*tagged, *(_fraction(texts.get(name, [""])[0]) for name in names)]
        return next((number for number in told if number is not None and low <= number <= high), None)

    iso = measured((ISO_SPEED, ISO), ISO_NAMES, 1, 10_000_000)
    if iso == 65_535:  # the most that the tag ISO can hold
        iso = measured((SENSITIVITY, RECOMMENDED), ISO_NAMES[1:], 1, 10_000_000)
        iso = None if iso == 65_535 else iso
    rating = measured((RATING,), ("xmp:Rating",), -1, 5)
    keywords = [*texts.get("dc:subject", []), *iptc.get(KEYWORDS, []), *_wide(image, XP_KEYWORDS).split(";")]
    fields: Fields = {
        **_time(detail, texts, iptc, now or datetime.now(UTC)),
        "make": _name(tagged(image, MAKE)) or _name(written("tiff:Make")),
        "model": _name(tagged(image, MODEL)) or _name(written("tiff:Model")),
        "lens": _name(tagged(detail, LENS)) or _name(written("exifEX:LensModel")) or _name(written("aux:Lens")),
        "exposure_seconds": _rounded(measured((EXPOSURE,), ("exif:ExposureTime",), 1e-7, 86_400.0)),
        "aperture": _rounded(measured((F_NUMBER,), ("exif:FNumber",), 0.1, 1000.0)),
        "iso": None if iso is None else round(iso),
        "focal_length_mm": _rounded(measured((FOCAL_LENGTH,), ("exif:FocalLength",), 0.1, 100_000.0)),
        "software": _name(tagged(image, SOFTWARE)) or _name(written("xmp:CreatorTool")),
        "creator": written("dc:creator") or filed(BYLINE) or tagged(image, ARTIST),
        "copyright": written("dc:rights") or filed(NOTICE) or tagged(image, COPYRIGHT) or tagged(image, COPYRIGHT, 1),
        "rating": None if rating is None or rating != round(rating) else round(rating),
        "caption": _caption(texts.get("dc:description", [""])[0])
        or _caption(iptc.get(ABSTRACT, [""])[0])
        or _caption(_described(image)),
        "keywords": _distinct(keywords),
    }
    known = {name: value for name, value in fields.items() if value not in (None, "", [])}
    return Found(known, _position(gps, texts))


def _tags(blocks: Iterable[Data | bytes]) -> tuple[exif.Tags, exif.Tags, exif.Tags]:
    """Return the tags of the picture, of its details and of its position. A tag of an earlier block counts."""
    merged: dict[str, exif.Tags] = {"image": {}, "exif": {}, "gps": {}}
    for block in blocks:
        for name, tags in exif.read(block, WANTED).items():
            merged[name] = tags | merged[name]
    # A CR3 has a block for each of the three, as its first directory.
    return merged["image"], merged["image"] | merged["exif"], merged["gps"] or merged["image"]


def _text(value: str, most: int = MAX_TEXT) -> str:
    """Return one line of text without control characters, in Unicode form C, cut to a length.

    Characters that turn the direction of the text behind them are left out too.
    """
    plain = HIDDEN.sub("", CONTROL.sub(" ", value[: 4 * most]))
    return unicodedata.normalize("NFC", plain).strip()[:most].rstrip()


def _name(value: str) -> str:
    """Return the name of a device or program, or nothing if it has no letter and no digit: cameras write "----"."""
    return value if any(map(str.isalnum, value)) else ""


def _caption(value: str) -> str:
    lines = (_text(line, MAX_CAPTION) for line in value[: 4 * MAX_CAPTION].splitlines())
    return "\n".join(lines).strip()[:MAX_CAPTION].rstrip()


def _described(image: exif.Tags) -> str:
    value = image.get(DESCRIPTION, b"")
    return xmp.decode(value.split(b"\0")[0]) if isinstance(value, bytes) else ""


def _wide(image: exif.Tags, tag: int) -> str:
    value = image.get(tag, b"")
    return value.decode("utf-16-le", errors="replace").partition("\0")[0] if isinstance(value, bytes) else ""


def _distinct(keywords: list[str]) -> list[str]:
    return list(dict.fromkeys(filter(None, (_text(keyword, MAX_KEYWORD) for keyword in keywords))))[:MAX_KEYWORDS]


def _fraction(text: str) -> float | None:
    if found := FRACTION.fullmatch(text.strip()):
        above, below = float(found[1]), float(found[2] or 1)
        return above / below if below else None
    try:
        value = float(text[:40])
    except ValueError:
        return None
    return value if isfinite(value) else None


def _rounded(value: float | None) -> float | None:
    """Return six significant digits, which is more than a camera knows."""
    return None if value is None else float(f"{value:.6g}")


# Time


def _time(detail: exif.Tags, texts: xmp.Texts, iptc: dict[int, list[str]], now: datetime) -> Fields:
    """Return the first moment. If that is only a day, return the first one that has the time of this day."""
    moments = list(_moments(detail, texts, iptc, now))
    same_day = (found for found in moments if str(found["captured_at"])[:10] == str(moments[0]["captured_at"])[:10])
    return min(
        same_day, key=lambda found: moments[0]["captured_at_zone"] == found["captured_at_zone"] == "day", default={}
    )


def _moments(detail: exif.Tags, texts: xmp.Texts, iptc: dict[int, list[str]], now: datetime) -> Iterator[Fields]:
    for tag in (TAKEN, DIGITIZED):
        text, part = (_plain(detail, each) for each in (tag, FRACTIONS[tag]))
        has_part = CAMERA_TIME.fullmatch(text) and part.isdigit() and part.isascii()
        if found := _moment(f"{text}.{part}" if has_part else text, now, _plain(detail, OFFSETS[tag])):
            yield found
    for name in ("exif:DateTimeOriginal", "photoshop:DateCreated", "xmp:CreateDate"):
        if found := _moment(texts.get(name, [""])[0], now):
            yield found
    day, time = (iptc.get(number, [""])[0] for number in (DATE, TIME))
    clock = f"T{time[:2]}:{time[2:4]}:{time[4:6]}{time[6:]}" if time.strip() else ""
    if found := _moment(f"{day[:4]}-{day[4:6]}-{day[6:8]}{clock}", now):
        yield found


def _plain(tags: exif.Tags, tag: int) -> str:
    value = tags.get(tag, b"")
    return value.split(b"\0")[0].decode("ascii", errors="replace").strip() if isinstance(value, bytes) else ""


def _moment(text: str, now: datetime, offset: str = "") -> Fields:
    text = text.strip()
    is_day = CAMERA_DAY.fullmatch(text)
    found = CAMERA_TIME.fullmatch(f"{is_day[1]}-{is_day[2]}-{is_day[3]}T00:00" if is_day else text)
    if not found:
        return {}
    *numbers, fraction, rest = found.groups()
    offset = "" if is_day else offset
    zone = _zone(rest.strip() or offset)
    try:
        year, month, day, hour, minute, second = (int(number or 0) for number in numbers)
        microsecond = int((fraction or "0").ljust(6, "0"))
        moment = datetime(year, month, day, hour, minute, second, microsecond, zone or UTC)
        latest = now + (timedelta(days=1) if zone else MAX_OFFSET + timedelta(days=1))
        if moment.year < FIRST_YEAR or moment > latest:
            return {}
    except (ValueError, OverflowError):
        return {}
    return {"captured_at": moment.isoformat(), "captured_at_zone": "offset" if zone else "day" if is_day else "local"}


def _zone(text: str) -> timezone | None:
    if text == "Z":
        return UTC
    found = OFFSET.fullmatch(text)
    if not found or int(found[3]) > 59:
        return None
    offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(-offset if found[1] == "-" else offset) if offset <= MAX_OFFSET else None


# Position


def _position(gps: exif.Tags, texts: xmp.Texts) -> Fields | None:
    latitude = _angle(gps, LATITUDE, NORTH_SOUTH, (b"N", b"S"), 90)
    longitude = _angle(gps, LONGITUDE, EAST_WEST, (b"E", b"W"), 180)
    if latitude is None or longitude is None:
        latitude = _degrees(texts.get("exif:GPSLatitude", [""])[0], "NS", 90)
        longitude = _degrees(texts.get("exif:GPSLongitude", [""])[0], "EW", 180)
    if (
        latitude is None or longitude is None or (latitude == 0 == longitude)
    ):  # many receivers without a fix write zeros
        return None
    position: Fields = {"latitude": latitude, "longitude": longitude}
    altitude = gps.get(ALTITUDE)
    height = (
        altitude[0] if isinstance(altitude, list) and altitude else _fraction(texts.get("exif:GPSAltitude", [""])[0])
    )
    if height is not None:
        below = gps.get(BELOW_SEA) in BELOW or texts.get("exif:GPSAltitudeRef") in (["1"], ["3"])
        height = -abs(height) if below else height
        if -12_000 <= height <= 100_000:
            position["altitude_m"] = round(height, 1) or 0.0  # not -0.0
    return position


def _angle(gps: exif.Tags, tag: int, side: int, sides: tuple[bytes, bytes], most: int) -> float | None:
    parts, letter = gps.get(tag), gps.get(side, b"")
    if (
        not isinstance(parts, list)
        or not 1 <= len(parts) <= 3
        or not isinstance(letter, bytes)
        or letter[:1].upper() not in sides
    ):
        return None
    return _signed(parts, letter[:1].upper() == sides[1], most)


def _degrees(text: str, sides: str, most: int) -> float | None:
    found = DEGREES.fullmatch(text.strip())
    if not found or found[4] not in sides:
        return None
    return _signed([float(part or 0) for part in found.groups()[:3]], found[4] == sides[1], most)


def _signed(parts: list[float], is_negative: bool, most: int) -> float | None:
    """Return degrees from degrees, minutes and seconds, to a centimeter. Some programs round up to 60 seconds."""
    if any(part < 0 for part in parts) or any(part > 60 for part in parts[1:]):
        return None
    value = sum(part / 60**power for power, part in enumerate(parts))
    return round(-value if is_negative else value, 7) or 0.0 if value <= most else None  # not -0.0
