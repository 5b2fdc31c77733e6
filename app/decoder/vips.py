"""Measure images and make thumbnails with libvips, in the decoder process."""

from __future__ import annotations

import logging
import re
import struct
from collections.abc import Iterable

import pyvips

from app.decoder import apng, av1, capture, color_encoding, exif, headers, heif, other_formats, preview, profiles
from app.decoder.formats import ContentType, Measure, Reading, ThumbnailType
from app.decoder.headers import Data
from app.errors import LargeImageError, RejectedImageError

LIBVIPS = ".".join(str(pyvips.version(part)) for part in range(3))

# The loaders of libvips that may run, and the media type that each reads. All others stay blocked: SVG, which may
# contain scripts, and formats that a later libvips learns to read.
LOADERS: dict[str, ContentType] = {
    "jpegload_source": "image/jpeg",
    "pngload_source": "image/png",
    "webpload_source": "image/webp",
    "gifload_source": "image/gif",
    "tiffload_source": "image/tiff",
    "heifload_source": "image/avif",
}
CLASSES = ("Jpeg", "Png", "Webp", "Nsgif", "Tiff", "Heif")
FORMATS = ("JPEG", "PNG", "WebP", "GIF", "TIFF", "AVIF")  # their names for people

AVIF_SEQUENCE = b"ftypavis"  # an animation: libvips reads its first picture, but does not recognize the format
HEIF = re.compile(rb"....ftyp(hei|hev|mif|msf|jpe[gs]|avc[is]|j2k[is]|miaf)", re.DOTALL)  # with any codec
# The first bytes of the supported formats, even if no loader accepts the image.
BEGINNING = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF....WEBP|GIF8[79]a|II[*+]\0|MM\0[*+]|....ftypavi[fs]", re.DOTALL
)
# These loaders decode to fewer pixels, in a fraction of the time.
SHRINKING_LOADERS = {"jpegload_source", "webpload_source"}
# The rendering intents of color profiles that are nearest to a browser's. "perceptual" is for people: black stays
# black. "relative" is exact, for inks.
INTENT, INTENT_OF_INKS = "perceptual", "relative"

# Parts of messages of libvips and its libraries about pictures that they cannot read, but others perhaps can.
OUT_OF_MEMORY = re.compile(
    r"out of memory|memory allocation error(?!.*: Image size)|alloca\w+ .*failed|failed to allocate", re.IGNORECASE
)
UNSUPPORTED = re.compile(
    r"has not been built in|Unsupported feature: Unsupported (?!essential)|No 'pitm' box|No meta box|not configured|"
    r"VipsJpeg: Unsupported (JPEG|color)|No or invalid primary item|Non-existing alpha image|"
    r"Security limit exceeded: Image size|tile size out of range|"
    r"planes not supported|samples out of range|bad labq format|not a whole number of bytes|"
    r"tiff2vips: (not|unsupported) |images? not supported"
)
TRAILER = re.compile(r"Corrupt JPEG data: \d+ extraneous bytes before marker 0xd9")  # of libjpeg, about the last marker
# The name of a format for people, by the first bytes.
NAMES = {
    re.compile(rb"\xff\xd8"): "JPEG",
    re.compile(rb"\x89PNG"): "PNG",
    re.compile(rb"RIFF"): "WebP",
    re.compile(rb"GIF8"): "GIF",
    re.compile(rb"II|MM"): "TIFF",
    re.compile(rb"....ftypavi[fs]", re.DOTALL): "AVIF",
    re.compile(rb"....ftyp", re.DOTALL): "HEIF",
}

# The saver of libvips for each format, and its options. With more effort, WebP and AVIF take longer than all the rest.
SAVERS: dict[ThumbnailType, tuple[str, dict[str, object]]] = {
    "image/avif": ("heifsave_buffer", {"compression": "av1", "Q": 60, "effort": 0}),
    "image/webp": ("webpsave_buffer", {"Q": 80, "effort": 2}),
    "image/jpeg": ("jpegsave_buffer", {"Q": 80, "optimize_coding": True}),
}
# Of a small picture, each pixel counts: the colors of its neighbors must not mix.
SMALL_SIDE = 128  # pixels. A noisy picture of that size has 50 KB without loss, and an icon 5 KB.
SAVED_SMALL: dict[ThumbnailType, dict[str, object]] = {
    "image/avif": {"Q": 90, "subsample_mode": "off"},
    "image/webp": {"lossless": True},
    "image/jpeg": {"Q": 95, "subsample_mode": "off"},
}

# Pixels. Each row costs 0.1 us of CPU, however narrow it is: on a busy machine, a PNG of 1 x 10,000,000 took 32 s. A
# wide picture needs memory: one of 10,000,000 x 10 needed 1.2 GB. libvips takes no side of 100,000,000.
MAX_SIDE = 1_000_000
SCREEN = struct.Struct("<HH")  # width and height in the head of a GIF
NO_BLOCKS = capture.Blocks()
TURNED = range(5, 9)  # EXIF orientations (tag 0x0112) that exchange width and height


class UnknownFormatError(RejectedImageError):
    """No loader knows the first bytes. `name` is that of their format for people, if it is known: "a PDF"."""

    def __init__(self, name: str | None, formats: Iterable[str] = ()) -> None:
        *most, last = [*FORMATS, *formats]
        what = f"This is {name}" if name else "The format of this file is not known"
        super().__init__("unsupported-image", f"{what}. Upload a picture: {', '.join(most)} or {last}.")
        self.name = name


def prepare() -> None:
    """Configure libvips, once in a process, before the first image."""
    pyvips.operation_block_set("VipsForeignLoad", True)
    for name in CLASSES:
        pyvips.operation_block_set(f"VipsForeignLoad{name}", False)
    pyvips.cache_set_max(0)  # no image comes twice
    pyvips.concurrency_set(1)  # The processes already use all cores, so threads of libvips only cost time.
    logging.getLogger("pyvips").addHandler(logging.NullHandler())  # no warnings about images
    # libvips quotes bytes of a broken file in its messages. pyvips reads them even after a success, and would raise
    # UnicodeDecodeError for valid images too.
    pyvips.error._to_string = lambda text: pyvips.ffi.string(text).decode(errors="replace")


def read(
    content: Data,
    max_pixels: int,
    small_pixels: int | None = None,
    orientation: int = 1,
    also: capture.Blocks = NO_BLOCKS,
) -> Reading:
    """Return what one pass over the content tells of its first picture.

    `orientation` counts if the content itself has none, and the blocks of metadata `also` come before its own.

    The whole picture is decoded once, as a stream, to find out whether it can be decoded. Of a JPEG only the first rows
    are decoded: for the others the decoder accepts any data with a warning. The markers of a JPEG show whether all rows
    are there, in a tenth of the time. Without the last marker, the whole JPEG is decoded.

    If there is a limit for small images, raise LargeImageError for larger ones after reading the header. Raises
    RejectedImageError.
    """
    image = _open(content, max_pixels)
    _require_small(image, small_pixels)
    if image.get("vips-loader") == "pngload_source":
        image = _with_profile(apng.first_frame(image, content), content)
    loader = image.get("vips-loader")
    if image.get_typeof("orientation"):
        orientation = image.get("orientation")
    tiny: pyvips.Image | None = None
    try:
        if loader == "jpegload_source" and _is_complete(content):
            pyvips.Region.new(image).fetch(0, 0, 1, 1)  # In this thread. Any other operation would start two threads.
        elif loader == "jpegload_source":
            # Samsung writes panoramas without an end, and other data behind them. The picture is complete if its
            # decoder needs no other data, and finds nothing strange.
            _require_sound(_with_end(content))
        else:
            tiny = preview.shrunk(_on_screen(image, content) if loader == "gifload_source" else image)
    except pyvips.Error as error:
        raise broken(error, content) from None
    width, height = _size(image, content)
    if loader == "jpegload_source":
        tiny = preview.of_jpeg(image)
    if orientation in TURNED:
        width, height = height, width
    texts = headers.png_metadata(content) if loader == "pngload_source" else {}
    if loader == "tiffload_source":
        also = also._replace(iptc=exif.block(content, exif.IPTC))  # libvips exchanges bytes if they are called numbers
    packet, more_xmp = also.xmp or _blob(image, "xmp-data") or texts.get("xmp", b""), b""
    if loader == "jpegload_source" and packet and not also.xmp:
        packet, more_xmp = headers.jpeg_xmp(content)  # libvips has only one of its segments
    elif loader == "gifload_source" and not packet:
        packet = headers.gif_xmp(content)
    blocks = capture.Blocks(
        (*also.exif, content if loader == "tiffload_source" else _blob(image, "exif-data"), texts.get("exif", b"")),
        packet,
        also.iptc or _blob(image, "iptc-data") or texts.get("iptc", b""),
        more_xmp,
    )
    return reading(Measure(LOADERS[loader], width, height), tiny, content, blocks, orientation)


def reading(
    measure: Measure, tiny: pyvips.Image | None, content: Data, blocks: capture.Blocks, orientation: int = 1
) -> Reading:
    """Return what is known of an image, from its shrunken picture, if there is one, and its metadata."""
    color, hashed = None, None
    if tiny is not None:
        try:
            tiny = _in_known_colors(tiny, content, _has_profile(tiny))
            color, hashed = preview.look(tiny, orientation, _intent(tiny))
        except pyvips.Error:
            pass  # the picture has a size without it, too
    return Reading(measure, color, hashed, *capture.read(blocks))


def _blob(image: pyvips.Image, name: str) -> bytes:
    return bytes(image.get(name)) if image.get_typeof(name) else b""


def thumbnail(
    content: Data,
    size: int,
    format: ThumbnailType,
    max_pixels: int,
    small_pixels: int | None = None,
    orientation: int = 1,
) -> bytes:
    """Return the bytes of the thumbnail: upright, not enlarged, sRGB, without metadata. Raises as `measure` does.

    `orientation` counts if the content itself has none.
    """
    image = _open(content, max_pixels)
    _require_small(image, small_pixels)
    if image.get("vips-loader") == "pngload_source":
        image = _with_profile(apng.first_frame(image, content), content)
    if image.get_typeof("orientation"):
        orientation = 1
    try:
        # Only if the image has a profile: the conversion by lcms takes longer than all the rest.
        profile = {"output_profile": "srgb", "intent": _intent(image)} if _has_profile(image) else {}
        if image.get("vips-loader") in SHRINKING_LOADERS and (profile or image.interpretation != "cmyk"):
            # libvips 8.18 ignores fail_on as an argument of thumbnail_source. It gives up a JPEG after 100 warnings if
            # `unlimited` is not set. Most of such a picture can still be seen.
            is_jpeg = image.get("vips-loader") == "jpegload_source"
            limits = "[fail_on=truncated,unlimited]" if is_jpeg else "[fail_on=error]"
            source = _source(_with_end(content) if is_jpeg else content)
            if is_jpeg and not _is_complete(content):  # with an end, no limit would tell that rows are missing
                _require_sound(_with_end(content))
            image = pyvips.Image.thumbnail_source(
                source, size, height=size, size="down", option_string=limits, **profile
            )
            return _encoded(_turned(image, orientation), format)
        return thumbnail_of(image, content, size, format)
    except pyvips.Error as error:
        raise broken(error, content) from None


def thumbnail_of(image: pyvips.Image, content: Data, size: int, format: ThumbnailType) -> bytes:
    """Return the bytes of the thumbnail of a whole picture. `content` is the file that it was decoded from."""
    has_profile = _has_profile(image)
    intent = _intent(image)
    image = _in_known_colors(image, content, has_profile)
    profile = {"output_profile": "srgb", "intent": intent} if image.get_typeof("icc-profile-data") else {}
    return _encoded(image.thumbnail_image(size, height=size, size="down", **profile), format)


def _encoded(image: pyvips.Image, format: ThumbnailType) -> bytes:
    if image.interpretation not in {"srgb", "b-w"}:
        image = image.colourspace("srgb")
    if format == "image/jpeg" and image.hasalpha():
        image = image.flatten(background=255)
    saver, options = SAVERS[format]
    if max(image.width, image.height) <= SMALL_SIDE:
        options = options | SAVED_SMALL[format]
    encoded: bytes = getattr(image, saver)(keep="none", **options)
    return encoded


def _turned(image: pyvips.Image, orientation: int) -> pyvips.Image:
    if orientation not in range(2, 9):
        return image
    image = image.copy_memory()
    image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    return image.autorot()


def _in_known_colors(image: pyvips.Image, content: Data, has_profile: bool) -> pyvips.Image:
    """Return the whole picture in colors that libvips understands, with its profile if that works and has priority."""
    encoding = None
    match image.get("vips-loader") if image.get_typeof("vips-loader") else None:
        case "gifload_source" if image.get_typeof(preview.SHRUNK) == 0:
            image = _on_screen(image, content)
        case "pngload_source":
            chunks = headers.png_colors(content)
            if not profiles.is_usable(headers.png_profile(content)):
                chunks.pop(b"iCCP", None)
            encoding = color_encoding.of_png(chunks)
        case "heifload_source":
            colors = heif.properties(content, b"colr")
            if not any(box.startswith(b"nclx") for box in colors) and (box := av1.color_box(content)):
                colors.append(box)
            encoding = color_encoding.of_heif(colors)
            if color_encoding.is_limited(colors) and heif.is_gray(content):  # libheif does so only for color
                image = _from_limited(image, 0, image.bands - image.hasalpha())
            if image.hasalpha() and av1.has_limited_alpha(content):
                image = _from_limited(image, image.bands - 1, image.bands)
    if image.get_typeof("icc-profile-data") and (encoding or not has_profile):
        image = image.copy()
        image.remove("icc-profile-data")
    if encoding:
        return color_encoding.to_srgb(image, encoding)
    return _from_inks(image) if image.interpretation == "cmyk" and not has_profile else image


def _has_profile(image: pyvips.Image) -> bool:
    """Return whether the image has a color profile that works. Without one, its colors count as sRGB."""
    if not image.get_typeof("icc-profile-data"):
        return False
    profile = image.get("icc-profile-data")
    if not profiles.is_usable(profile):
        return False
    sample = pyvips.Image.black(1, 1, bands=image.bands).cast(image.format).copy(interpretation=image.interpretation)
    sample.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    try:
        made = sample.icc_import(embedded=True, intent=_intent(image))
        made.icc_export(output_profile="srgb", intent=_intent(image)).avg()
    except pyvips.Error:
        return False
    return bool(made.get("icc-profile-data") == profile)  # libvips takes one of its own if it does not understand this


def _intent(image: pyvips.Image) -> str:
    return INTENT_OF_INKS if image.interpretation == "cmyk" else INTENT


def _from_inks(image: pyvips.Image) -> pyvips.Image:
    """Return a picture of cyan, magenta, yellow and black in sRGB, as a browser shows it if it has no profile."""
    most = 65_535 if image.format == "ushort" else 255
    light = image[:4].invert()
    made = (light[:3] * light[3] / most).cast(image.format)
    if image.bands > 4:
        made = made.bandjoin(image[4])
    return made.copy(interpretation="rgb16" if image.format == "ushort" else "srgb")


def _from_limited(image: pyvips.Image, first: int, end: int) -> pyvips.Image:
    """Return a picture in which these bands are from 0 to 255. In the given one they are from 16 to 235."""
    step = 257 if image.format == "ushort" else 1
    bands = image.bandsplit()
    bands[first:end] = [((band - 16 * step) * (255 / 219)).cast(image.format) for band in bands[first:end]]
    made = bands[0].bandjoin(bands[1:]) if len(bands) > 1 else bands[0]
    return made.copy(interpretation=image.interpretation)


def _on_screen(image: pyvips.Image, content: Data) -> pyvips.Image:
    """Return a GIF on its screen. The area that the first frame does not cover is transparent."""
    width, height = _size(image, content)
    frame = headers.gif_frame(content)
    if not image.hasalpha() and frame is not None:
        across, down = min(frame.width, image.width - frame.left), min(frame.height, image.height - frame.top)
        if (across, down) != (width, height) and across > 0 < down:
            covered = image.crop(frame.left, frame.top, across, down).addalpha()
            return covered.embed(frame.left, frame.top, width, height)
    return image.embed(0, 0, width, height)


def _open(content: Data, max_pixels: int) -> pyvips.Image:
    """Return the first picture, of which only the header is read. Raises RejectedImageError."""
    source = _source(content)
    has_loader = pyvips.vips_lib.vips_foreign_find_load_source(source.pointer) != pyvips.ffi.NULL
    if not has_loader and not BEGINNING.match(content):
        if HEIF.match(content):
            raise unsupported("HEIF")
        raise UnknownFormatError(other_formats.name_of(content))
    try:
        if content[4:12] != AVIF_SEQUENCE:
            image = pyvips.Image.new_from_source(source, "", access="sequential", fail_on="error")
        else:
            image = pyvips.Image.heifload_source(source, access="sequential", fail_on="error")
    except pyvips.Error as error:
        raise broken(error, content) from None
    require_pixels(*_size(image, content), max_pixels)
    return image


def _with_profile(image: pyvips.Image, content: Data) -> pyvips.Image:
    """Return a PNG with its first color profile. libvips reads none if it is gray, or a later one if it is broken."""
    profile = headers.png_profile(content)
    if profile == _blob(image, "icc-profile-data"):
        return image
    image = image.copy()
    if profile:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    else:
        image.remove("icc-profile-data")
    return image


def require_pixels(width: int, height: int, max_pixels: int) -> None:
    """Raise RejectedImageError if an image of this size has too many pixels."""
    if width * height > max_pixels:
        detail = f"{width} x {height} pixels exceed the limit of {max_pixels}."
        raise RejectedImageError("too-many-pixels", detail)
    if max(width, height) > MAX_SIDE:
        detail = f"{width} x {height} pixels exceed the limit of {MAX_SIDE} for one side."
        raise RejectedImageError("too-many-pixels", detail)


def _require_small(image: pyvips.Image, small_pixels: int | None) -> None:
    """Raise LargeImageError if the image has more pixels. A JPEG that is not progressive needs little memory and time.

    Of such a JPEG, only some rows are decoded, or each block of 8 x 8 pixels to fewer pixels.
    """
    is_quick = image.get("vips-loader") == "jpegload_source" and not image.get("jpeg-multiscan")
    if small_pixels is not None and not is_quick and image.width * image.height > small_pixels:
        raise LargeImageError


def _size(image: pyvips.Image, content: Data) -> tuple[int, int]:
    """Return width and height in pixels. A GIF has at least the size of its screen.

    libvips 8.18 ignores the screen if it has the size of an old monitor, or is larger than 2048.
    """
    if image.get("vips-loader") != "gifload_source":
        return image.width, image.height
    across, down = SCREEN.unpack_from(content, 6)
    return max(image.width, across), max(image.height, down)


def _source(content: Data | bytes) -> pyvips.Source:
    return pyvips.Source.new_from_memory(content)


def _is_complete(data: Data) -> bool:
    """Return whether a JPEG is complete: its segments lead to the end of the image."""
    return any(marker == headers.JPEG_END for marker, _, _ in headers.jpeg_segments(data))


def _require_sound(data: Data | bytes) -> None:
    """Raise pyvips.Error if the decoder of JPEG warns of anything but other data in front of the last marker."""
    try:
        pyvips.Image.new_from_source(_source(data), "", access="sequential", fail_on="warning").avg()
    except pyvips.Error as error:
        if not TRAILER.search(str(error)):
            raise


def _with_end(data: Data) -> Data | bytes:
    """Return a JPEG with the marker of its end, which libjpeg misses if nothing follows the picture."""
    return data if _is_complete(data) else bytes(data) + headers.JPEG_LAST


def broken(error: pyvips.Error, content: Data) -> RejectedImageError:
    """Return the error in words for people. Those of the libraries are for their authors, and may quote the file."""
    said = str(error)
    if OUT_OF_MEMORY.search(said):
        raise MemoryError
    name = next((name for beginning, name in NAMES.items() if beginning.match(content)), "image")
    if UNSUPPORTED.search(said):
        return unsupported(name)
    return RejectedImageError("broken-image", f"The {name} is damaged, or its end is missing.")


def unsupported(name: str) -> RejectedImageError:
    """Return the error for a rare kind of a format, which others perhaps can read."""
    return RejectedImageError("unsupported-image", f"This kind of {name} is not supported. Convert it to PNG or JPEG.")
