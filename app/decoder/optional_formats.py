"""Optional formats: BMP, HEIC and JPEG XL by Pillow and its plugins, camera RAW by its embedded JPEG."""

from __future__ import annotations

import io
import re
import struct
from importlib.metadata import version

import pyvips

from app.decoder import capture, headers, vips
from app.decoder import preview as small_picture
from app.decoder.formats import OPTIONAL, ContentType, Measure, Reading, ThumbnailType
from app.decoder.headers import Data
from app.errors import LargeImageError, RejectedImageError

TITLES = {"bmp": "BMP", "heic": "HEIC", "jxl": "JPEG XL", "raw": "Camera RAW"}
PILLOW_NAMES = {"image/bmp": "BMP", "image/heic": "HEIF", "image/jxl": "JXL"}
installed: dict[str, str] = {"raw": ""}  # the formats that can be read, and the library of each with its version

HEIF_BRANDS = re.compile(rb"....ftyp(hei[cxms]|hev[cms]|mif[12]|msf1)", re.DOTALL)
BMP = re.compile(rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL)
JXL = re.compile(rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n")
RAW_BEGINNINGS: dict[bytes, ContentType] = {
    b"FUJIFILMCCD-RAW": "image/x-fuji-raf",
    b"IIU\0": "image/x-panasonic-rw2",
    b"IIRO": "image/x-olympus-orf",
    b"IIRS": "image/x-olympus-orf",
    b"MMOR": "image/x-olympus-orf",
}
RAW_MAKERS: dict[bytes, ContentType] = {b"NIKON": "image/x-nikon-nef", b"SONY": "image/x-sony-arw"}
MAKE, ORIENTATION, PHOTOMETRIC, SUB_IFDS, DNG_VERSION = 271, 274, 262, 330, 50706  # tags of TIFF
COLOR_FILTER_ARRAY = 32803  # the photometric interpretation of the data of a sensor
ADVICE = "Convert the image to PNG or JPEG."
JPEG = re.compile(rb"\xff\xd8\xff[\xc0-\xfe]")
SEGMENT = struct.Struct(">BBH")
FRAME = struct.Struct(">HH")
LOSSY_FRAMES = {0xC0, 0xC1, 0xC2}  # of a JPEG. The data of a sensor are often in a lossless one.
CANON_BOX = re.compile(rb"CMT[124]")  # the directories of a CR3: picture, details, position
CANON_HEAD = 256 * 1024  # bytes
MAX_SEGMENTS = 1000  # of a JPEG in front of its frame


def prepare(formats: list[str]) -> None:
    """Import the libraries of these formats, if they are installed. Later no file can be opened."""
    if not {"bmp", "heic", "jxl"} & set(formats):
        return
    try:
        from PIL import BmpImagePlugin, Image
    except ImportError:
        return
    assert BmpImagePlugin
    Image.preinit()
    Image.MAX_IMAGE_PIXELS = None  # MAX_IMAGE_PIXELS of the service counts
    if "bmp" in formats:
        installed["bmp"] = f"Pillow {version('pillow')}"
    if "heic" in formats:
        try:
            import pi_heif

            pi_heif.register_heif_opener(thumbnails=False)
            pi_heif.options.DECODE_THREADS = 1
            installed["heic"] = f"pi-heif {version('pi-heif')} with libheif {pi_heif.libheif_version()}"
        except ImportError:
            pass
    if "jxl" in formats:
        try:
            import pillow_jxl

            assert pillow_jxl
            installed["jxl"] = f"pillow-jxl-plugin {version('pillow-jxl-plugin')}"
        except ImportError:
            pass


def supported(formats: list[str]) -> list[ContentType]:
    """Return the media types that can be read: those of libvips, and those that are on and installed."""
    others = [type for name, types in OPTIONAL.items() if name in formats and name in installed for type in types]
    return [*vips.LOADERS.values(), *others]


def recognize(data: Data) -> tuple[str, ContentType] | None:
    """Return the name of the optional format that the data have, and their media type."""
    if BMP.match(data):
        return "bmp", "image/bmp"
    if JXL.match(data):
        return "jxl", "image/jxl"
    if HEIF_BRANDS.match(data) and headers.heif_properties(data, b"hvcC"):
        return "heic", "image/heic"
    raw = _raw_type(data)
    return raw and ("raw", raw)


def require(name: str, formats: list[str]) -> None:
    """Raise RejectedImageError if a format is switched off, or its library is not installed."""
    if name not in formats:
        raise RejectedImageError("unsupported-image", f"{TITLES[name]} is switched off here. {ADVICE}")
    if name not in installed:
        raise RejectedImageError("unsupported-image", f"{TITLES[name]} is not installed here. {ADVICE}")


def read(data: Data, max_pixels: int, small_pixels: int | None, formats: list[str]) -> Reading:
    """Return what is known of a picture of any format. Raises as `vips.read` does."""
    found = recognize(data)
    if found is None:
        try:
            return vips.read(data, max_pixels, small_pixels)
        except vips.UnknownFormatError:
            types = ", ".join(supported(formats))
            raise RejectedImageError("unsupported-image", f"Supported types: {types}.") from None
    name, type = found
    require(name, formats)
    if name == "raw":
        jpeg, orientation = preview(data)
        made = vips.read(jpeg, max_pixels, small_pixels, orientation, _exif_of_raw(data, type))
        return made._replace(measure=made.measure._replace(content_type=type))
    image, info = _decoded(data, type, max_pixels, small_pixels)
    blocks = capture.Blocks((_bytes(info.get("exif")),), _bytes(info.get("xmp")))
    try:
        tiny = small_picture.shrunk(image)
    except pyvips.Error:
        tiny = None
    return vips.reading(Measure(type, image.width, image.height), tiny, data, blocks)


def _bytes(value: object) -> bytes:
    return value.encode(errors="replace") if isinstance(value, str) else value if isinstance(value, bytes) else b""


def thumbnail(
    data: Data, size: int, format: ThumbnailType, max_pixels: int, small_pixels: int | None, formats: list[str]
) -> bytes:
    """Return the thumbnail of a picture of any format. Raises as `vips.thumbnail` does."""
    found = recognize(data)
    if found is None:
        return vips.thumbnail(data, size, format, max_pixels, small_pixels)
    name, type = found
    require(name, formats)
    if name == "raw":
        jpeg, orientation = preview(data)
        return vips.thumbnail(jpeg, size, format, max_pixels, small_pixels, orientation)
    image, _ = _decoded(data, type, max_pixels, small_pixels)
    try:
        return vips.thumbnail_of(image, data, size, format)
    except pyvips.Error as error:
        raise vips.broken(error, data) from None


def _decoded(
    data: Data, type: ContentType, max_pixels: int, small_pixels: int | None
) -> tuple[pyvips.Image, dict[str | tuple[int, int], object]]:
    """Return the picture that Pillow and its plugins decode, and what they say about it.

    Raises RejectedImageError and LargeImageError.
    """
    from PIL import Image

    try:
        image: Image.Image = Image.open(io.BytesIO(data), formats=[PILLOW_NAMES[type]])
        vips.require_pixels(*image.size, max_pixels)
        if small_pixels is not None and image.width * image.height > small_pixels:
            raise LargeImageError
        image.load()
        if image.mode not in {"L", "LA", "RGB", "RGBA"}:
            image = image.convert("RGBA" if image.has_transparency_data else "RGB")
        pixels = image.tobytes()
    except (MemoryError, RejectedImageError, LargeImageError):
        raise
    except Exception as error:  # the plugins raise many kinds
        if vips.OUT_OF_MEMORY.search(str(error)):
            raise MemoryError from None
        title = TITLES[recognized[0]] if (recognized := recognize(data)) else "image"
        raise RejectedImageError("broken-image", f"The {title} is damaged, or its end is missing.") from None
    bands = len(image.getbands())
    made = pyvips.Image.new_from_memory(pixels, image.width, image.height, bands, "uchar")
    made = made.copy(interpretation="srgb" if bands > 2 else "b-w")
    if type == "image/heic":
        made.set_type(pyvips.GValue.gstr_type, "vips-loader", "heifload_source")
    if profile := headers.bmp_profile(data) if type == "image/bmp" else image.info.get("icc_profile"):
        made.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    return made, image.info


# Camera RAW


def preview(data: Data) -> tuple[memoryview, int]:
    """Return the largest JPEG in a RAW file, and the orientation that the file says if the JPEG says none.

    Raises RejectedImageError if there is none.
    """
    largest, at = 0, -1
    for found in JPEG.finditer(data):
        pixels = _pixels(data, found.start() + 2)
        if pixels > largest:
            largest, at = pixels, found.start()
    if at < 0:
        raise RejectedImageError("unsupported-image", f"This camera RAW has no JPEG inside. {ADVICE}")
    directory = _directory(data, _first(data))
    return memoryview(data)[at:], directory.get(ORIENTATION, [1])[0]


def _exif_of_raw(data: Data, type: ContentType) -> tuple[Data | bytes, ...]:
    """Return the structures of EXIF in a RAW file: the file itself, or those that a CR3 has in its first boxes."""
    if type != "image/x-canon-cr3":
        return (data,)
    lengths = {
        box: int.from_bytes(data[box.start() - 4 : box.start()]) for box in CANON_BOX.finditer(data, 4, CANON_HEAD)
    }
    return tuple(bytes(data[box.end() : box.start() - 4 + min(length, CANON_HEAD)]) for box, length in lengths.items())


def _pixels(data: Data, at: int) -> int:
    """Return the number of pixels of the JPEG whose segments begin there, or 0 if libvips cannot read it."""
    for _ in range(MAX_SEGMENTS):
        if at + 9 > len(data):
            return 0
        mark, marker, length = SEGMENT.unpack_from(data, at)
        if mark != 0xFF or marker in {0xD8, 0xD9, 0xDA} or length < 2:
            return 0
        if marker in LOSSY_FRAMES:
            height, width = FRAME.unpack_from(data, at + 5)
            return int(width * height)
        if 0xC3 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            return 0
        at += 2 + length
    return 0


def _raw_type(data: Data) -> ContentType | None:
    if bytes(data[4:12]) == b"ftypcrx ":
        return "image/x-canon-cr3"
    for beginning, type in RAW_BEGINNINGS.items():
        if data[: len(beginning)] == beginning:
            return type
    if bytes(data[:4]) not in {b"II*\0", b"MM\0*"}:
        return None
    if data[8:10] == b"CR":
        return "image/x-canon-cr2"
    first = _directory(data, _first(data))
    if DNG_VERSION in first:
        return "image/x-adobe-dng"
    directories = [first, *(_directory(data, at) for at in first.get(SUB_IFDS, [])[:8])]
    if not any(directory.get(PHOTOMETRIC) == [COLOR_FILTER_ARRAY] for directory in directories):
        return None
    make = first.get(MAKE, [0])[0]
    return next((type for maker, type in RAW_MAKERS.items() if data[make : make + len(maker)] == maker), None)


def _order(data: Data) -> str:
    return ">" if data[:1] == b"M" else "<"


def _first(data: Data) -> int:
    """Return the place of the first directory of a TIFF."""
    return int.from_bytes(data[4:8], "big" if _order(data) == ">" else "little")


def _directory(data: Data, at: int) -> dict[int, list[int]]:
    """Return the numbers of a directory of a TIFF, by their tags. Those of other kinds are the place of their bytes."""
    order, found = _order(data), dict[int, list[int]]()
    try:
        (count,) = struct.unpack_from(f"{order}H", data, at)
        for entry in range(at + 2, at + 2 + 12 * count, 12):
            tag, kind, number = struct.unpack_from(f"{order}HHI", data, entry)
            letter, size = {3: ("H", 2), 4: ("I", 4), 13: ("I", 4)}.get(kind, ("I", 4))
            number = number if kind in {3, 4, 13} else 1
            place = entry + 8 if number * size <= 4 else struct.unpack_from(f"{order}I", data, entry + 8)[0]
            if number <= 64:
                found[tag] = list(struct.unpack_from(f"{order}{number}{letter}", data, place))
    except (struct.error, OverflowError):
        pass
    return found
