"""Optional formats: BMP, HEIC and JPEG XL by Pillow and its plugins, camera RAW by its embedded JPEG."""

from __future__ import annotations

import io
import re
from importlib.metadata import version

import pyvips

from app.decoder import camera_raw, capture, headers, heif, vips
from app.decoder import preview as small_picture
from app.decoder.formats import ContentType, Measure, Reading, ThumbnailType
from app.decoder.headers import Data
from app.errors import LargeImageError, RejectedImageError

TITLES = {"bmp": "BMP", "heic": "HEIC", "jxl": "JPEG XL", "raw": "Camera RAW"}
PILLOW_NAMES = {"image/bmp": "BMP", "image/heic": "HEIF", "image/jxl": "JXL"}
installed: dict[str, str] = {"raw": ""}  # the formats that can be read, and the library of each with its version

HEIF_BRANDS = re.compile(rb"....ftyp(hei[cxms]|hev[cms]|mif[12]|msf1)", re.DOTALL)
BMP = re.compile(rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL)
UNSUPPORTED = re.compile(
    r"unsupported|not supported|not implemented|security limit exceeded: image size", re.IGNORECASE
)  # in messages of the libraries
JXL = re.compile(rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n")


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


def recognize(data: Data) -> tuple[str, ContentType] | None:
    """Return the name of the optional format that the data have, and their media type."""
    if BMP.match(data):
        return "bmp", "image/bmp"
    if JXL.match(data):
        return "jxl", "image/jxl"
    if HEIF_BRANDS.match(data) and heif.properties(data, b"hvcC"):
        return "heic", "image/heic"
    raw = camera_raw.type_of(data)
    return raw and ("raw", raw)


def require(name: str, formats: list[str]) -> None:
    """Raise RejectedImageError if a format is switched off, or its library is not installed."""
    if name not in formats:
        raise RejectedImageError("unsupported-image", f"{TITLES[name]} is switched off here. {camera_raw.ADVICE}")
    if name not in installed:
        raise RejectedImageError("unsupported-image", f"{TITLES[name]} is not installed here. {camera_raw.ADVICE}")


def read(data: Data, max_pixels: int, small_pixels: int | None, formats: list[str]) -> Reading:
    """Return what is known of a picture of any format. Raises as `vips.read` does."""
    found = recognize(data)
    if found is None:
        try:
            return vips.read(data, max_pixels, small_pixels)
        except vips.UnknownFormatError as error:
            others = [title for name, title in TITLES.items() if name in formats and name in installed]
            raise vips.UnknownFormatError(error.name, others) from None
    name, type = found
    require(name, formats)
    if name == "raw":
        jpeg, orientation = camera_raw.preview(data, type)
        made = vips.read(jpeg, max_pixels, small_pixels, orientation, camera_raw.blocks(data, type))
        return made._replace(measure=made.measure._replace(content_type=type))
    image, info = _decoded(data, type, max_pixels, small_pixels)
    packet = headers.jxl_xmp(data) if type == "image/jxl" else _bytes(info.get("xmp"))
    blocks = capture.Blocks((_bytes(info.get("exif")),), packet)
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
        jpeg, orientation = camera_raw.preview(data, type)
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
        if UNSUPPORTED.search(str(error)):
            raise vips.unsupported(title) from None
        raise RejectedImageError("broken-image", f"The {title} is damaged, or its end is missing.") from None
    bands = len(image.getbands())
    made = pyvips.Image.new_from_memory(pixels, image.width, image.height, bands, "uchar")
    made = made.copy(interpretation="srgb" if bands > 2 else "b-w")
    if type == "image/heic":
        made.set_type(pyvips.GValue.gstr_type, "vips-loader", "heifload_source")
    if profile := headers.bmp_profile(data) if type == "image/bmp" else image.info.get("icc_profile"):
        made.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    return made, image.info
