"""The same picture in many color encodings, and its look in Chromium."""

import base64
import io
import struct
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

import pyvips
from PIL import Image, ImageCms, ImageDraw
from playwright.sync_api import Page

from tests.support.hostile import chunk, segment

WIDTH, HEIGHT = 128, 96
BACKGROUND = (128, 64, 200)  # behind what is transparent
D65 = (0.3127, 0.3290)
BT709, BT2020 = (*D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06), (*D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046)
ADOBE = (*D65, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)


def _base() -> Image.Image:
    """Return gradients of all colors, and six patches."""
    across, down = Image.linear_gradient("L").rotate(90).resize((WIDTH, HEIGHT)), Image.linear_gradient("L")
    down = down.resize((WIDTH, HEIGHT))
    image = Image.merge("RGB", (across, down, Image.blend(across, down, 0.5)))
    draw = ImageDraw.Draw(image)
    colors = ((220, 30, 40), (20, 160, 60), (30, 60, 200), (0, 0, 0), (128, 128, 128), (255, 255, 255))
    for number, color in enumerate(colors):
        left, top = 8 + 40 * (number % 3), 8 + 48 * (number // 3)
        draw.rectangle((left, top, left + 31, top + 31), fill=color)
    return image


BASE = _base()
ALPHA = BASE.convert("RGBA")
ALPHA.putalpha(Image.linear_gradient("L").resize((WIDTH, HEIGHT)))
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
BROKEN = b"\xff" * 500


def encoded(format: str, image: Image.Image = BASE, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **({} if format in {"PNG", "GIF", "TIFF"} else {"quality": 95}) | options)
    return file.getvalue()


def vips() -> pyvips.Image:
    return pyvips.Image.new_from_memory(BASE.tobytes(), WIDTH, HEIGHT, 3, "uchar").copy(interpretation="srgb")


def png(*chunks: bytes, image: Image.Image | bytes = BASE) -> bytes:
    """Return a PNG with chunks behind its head."""
    plain = image if isinstance(image, bytes) else encoded("PNG", image)
    return plain[:33] + b"".join(chunks) + plain[33:]


def gamma(value: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(value * 100_000)))


def primaries(values: tuple[float, ...]) -> bytes:
    return chunk(b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in values)))


def cicp(primaries: int, transfer: int) -> bytes:
    return chunk(b"cICP", bytes([primaries, transfer, 0, 1]))


def png_16() -> bytes:
    return bytes(vips().colourspace("rgb16").pngsave_buffer(bitdepth=16))


def apng(*colors: bytes) -> bytes:
    """Return an animated PNG of one frame, which is in the middle of its screen. The picture in front of it is gray."""
    plain, other = encoded("PNG", BASE), encoded("PNG", Image.new("RGB", (WIDTH + 20, HEIGHT + 30), (90, 90, 90)))
    pixels = plain[plain.index(b"IDAT") + 4 : plain.index(b"IEND") - 8]
    area = chunk(b"fcTL", struct.pack(">5I2H2B", 0, WIDTH, HEIGHT, 10, 15, 1, 1, 0, 0))
    frame = area + chunk(b"fdAT", struct.pack(">I", 1) + pixels)
    return png(chunk(b"acTL", struct.pack(">II", 1, 0)), *colors, image=other[:-12] + frame + other[-12:])


def avif(primaries: int, transfer: int, matrix: int = 6) -> bytes:
    plain = encoded("AVIF")
    at = plain.index(b"colrnclx") + 8
    return plain[:at] + struct.pack(">HHH", primaries, transfer, matrix) + plain[at + 6 :]


def avif_without_box(image: Image.Image = BASE, numbers: bytes = b"\1\x0d\6", **options: Any) -> bytes:
    """Return an AVIF that has no box `nclx`, with numbers of H.273 in its stream: primaries, transfer, matrix."""
    plain = encoded("AVIF", image, **options).replace(b"colrnclx", b"freenclx")
    at = plain.index(b"mdat") + 4
    bits = f"{int.from_bytes(plain[at : at + 16]):0128b}"
    changed = bits.replace(f"{0x010D06:024b}", f"{int.from_bytes(numbers):024b}", 1)
    assert (changed == bits) == (numbers == b"\1\x0d\6")
    return plain[:at] + int(changed, 2).to_bytes(16) + plain[at + 16 :]


def avif_with_limited_alpha(image: Image.Image = ALPHA, **options: Any) -> bytes:
    """Return an AVIF whose alpha has the numbers of video, as the sequence header of its stream says."""
    plain = encoded("AVIF", image, **options)
    head = bytes.fromhex("1819bfdf61")  # without colors, until the bit
    assert plain.count(head + b"\x50") == 1
    return plain.replace(head + b"\x50", head + b"\x10")


def gif(**options: Any) -> bytes:
    """Return a GIF whose frame does not cover the screen."""
    plain = encoded("GIF", BASE.quantize(64), **options)
    return plain[:6] + struct.pack("<HH", WIDTH + 40, HEIGHT + 20) + plain[10:]


def exif(orientation: int) -> bytes:
    return b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0%c\0\0\0\0\0\0" % orientation


def jpeg(*segments: bytes, trailer: bytes = b"\xff\xd9") -> bytes:
    plain = encoded("JPEG")
    return plain[:2] + b"".join(segments) + plain[2:-2] + trailer


def ultra_hdr() -> bytes:
    """Return a JPEG that is followed by a gain map, as XMP says."""
    xmp = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
        <r:Description xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0" hdrgm:GainMapMax="3"/>
        </r:RDF></x:xmpmeta>"""
    return jpeg(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp)) + encoded("JPEG", BASE.convert("L"))


def fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65_536)) for value in values)


@cache
def version_4() -> bytes:
    """Return a color profile of version 4 that has only a table for perceptual intent, from RGB to Lab."""
    steps, white = 9, (0.9642, 1.0, 0.8249)
    table = b"mft2\0\0\0\0" + bytes([3, 3, steps, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1) + struct.pack(">HH", 2, 2)
    table += struct.pack(">HH", 0, 65_535) * 3
    for number in range(steps**3):
        signals = (number // steps**2, number // steps % steps, number % steps)
        red, green, blue = ((signal / (steps - 1)) ** 2.2 for signal in signals)
        # The colors of sRGB, and less contrast: the darkest black of the intent has 0.35 % of the light.
        xyz = (
            0.4361 * red + 0.3851 * green + 0.1431 * blue,
            0.2225 * red + 0.7169 * green + 0.0606 * blue,
            0.0139 * red + 0.0971 * green + 0.7141 * blue,
        )
        x, y, z = ((0.9965 * light / full + 0.0035) ** (1 / 3) for light, full in zip(xyz, white, strict=True))
        lab = (116 * y - 16) * 652.8, (500 * (x - y) + 128) * 256, (200 * (y - z) + 128) * 256
        table += struct.pack(">HHH", *(min(65_535, max(0, round(value))) for value in lab))
    tags = _named("v4") | {b"wtpt": b"XYZ \0\0\0\0" + fixed(*white)}
    tags[b"A2B0"] = table + struct.pack(">HH", 0, 65_535) * 3
    return _profile(b"RGB ", b"Lab ", tags)


def gray() -> bytes:
    """Return a color profile of gray, with gamma 1.5."""
    white = b"XYZ \0\0\0\0" + fixed(0.9642, 1.0, 0.8249)
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, 0x0180)
    return _profile(b"GRAY", b"XYZ ", _named("gray") | {b"wtpt": white, b"kTRC": curve})


def _named(title: str) -> dict[bytes, bytes]:
    name = title.encode("utf-16-be")
    text = b"mluc\0\0\0\0" + struct.pack(">II4sII", 1, 12, b"enUS", len(name), 28) + name
    return {b"desc": text, b"cprt": text}


def _profile(colors: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Return a color profile of version 4, of a screen."""
    index, body, at = b"", b"", 132 + 12 * len(tags)
    for tag, content in tags.items():
        index += tag + struct.pack(">II", at + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(">I4sI4s4s4s", at + len(body), b"test", 0x0420_0000, b"mntr", colors, connection) + bytes(12)
    head += b"acsp" + bytes(28) + fixed(0.9642, 1.0, 0.8249)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + index + body


def inks(**options: Any) -> bytes:
    return encoded("JPEG", BASE.convert("CMYK"), **options)


def bmp(profile: bytes) -> bytes:
    """Return a BMP of version 5 with a color profile behind its pixels."""
    width, height = BASE.size
    rows = [BASE.crop((0, y, width, y + 1)).tobytes("raw", "BGR") for y in reversed(range(height))]
    pixels = b"".join(row + bytes(-len(row) % 4) for row in rows)
    header = struct.pack("<IiiHHIIiiII", 124, width, height, 1, 24, 0, len(pixels), 2835, 2835, 0, 0) + bytes(16)
    header += b"DEBM" + bytes(48) + struct.pack("<IIII", 4, 124 + len(pixels), len(profile), 0)
    return b"BM" + struct.pack("<IHHI", 138 + len(pixels) + len(profile), 0, 0, 138) + header + pixels + profile


def wide() -> bytes:
    """Return the profile of Display P3, which has more colors than sRGB."""
    return bytes(pyvips.Operation.call("profile_load", "p3"))


def changed(old: bytes, new: bytes) -> bytes:
    """Return a color profile with other bytes."""
    plain = wide()
    assert old in plain
    return plain[:132] + plain[132:].replace(old, new) if old in plain[132:] else plain.replace(old, new)


def with_curve(content: bytes) -> bytes:
    """Return a color profile with another curve for all colors."""
    plain = wide()
    at = plain.index(b"para")
    return plain[:at] + content.ljust(32, b"\0") + plain[at + 32 :]


def with_tag(name: bytes, content: bytes) -> bytes:
    """Return a color profile with one more tag."""
    plain = wide()
    count = int.from_bytes(plain[128:132])
    tags = [struct.unpack_from(">4sII", plain, 132 + 12 * number) for number in range(count)]
    moved = b"".join(struct.pack(">4sII", tag, start + 12, length) for tag, start, length in tags)
    last = struct.pack(">4sII", name, len(plain) + 12, len(content))
    rest = plain[132 + 12 * count :]
    head = struct.pack(">I", len(plain) + 12 + len(content)) + plain[4:128] + struct.pack(">I", count + 1)
    return head + moved + last + rest + content


def iccp(profile: bytes) -> bytes:
    return chunk(b"iCCP", b"x\0\0" + zlib.compress(profile))


CORBIS, MONACO = b"\x17\xa5\x05\xb8", b"\x94\x78\xee\x00"  # types of tags that only lcms knows
# Color profiles of which each has a fault, or something that looks like one. Browsers use some of them, and releases of
# Chromium agree which.
PROFILES: dict[str, Callable[[], bytes]] = {
    "sound": wide,
    "unknown-type-of-colors": lambda: changed(b"XYZ \0\0\0\0", CORBIS + bytes(4)),
    "gamma": lambda: with_curve(b"curv" + struct.pack(">IIH", 0, 1, 0x0180)),
    "unknown-type-of-curve": lambda: with_curve(MONACO + struct.pack(">IIH", 0, 1, 0x0180)),
    "version-5": lambda: wide()[:8] + b"\5" + wide()[9:],
    "shorter-than-its-bytes": lambda: wide() + bytes(1000),
    "no-curve": lambda: changed(b"rTRC", b"xTRC"),
    "no-color": lambda: changed(b"rXYZ", b"xXYZ"),
    "other-tag-of-no-known-type": lambda: with_tag(b"note", b"note\0\0\0\0"),
    "table-of-no-known-type": lambda: with_tag(b"A2B0", b"note" + bytes(60)),
    "table-from-lab-of-no-known-type": lambda: with_tag(b"B2A0", b"note" + bytes(60)),
    "connected-by-another-space": lambda: changed(b"RGB XYZ ", b"RGB Luv "),
    "intent-of-a-small-endian": lambda: wide()[:64] + b"\1\0\0\0" + wide()[68:],
    "formula": lambda: with_curve(b"para" + struct.pack(">IHH", 0, 0, 0) + fixed(1.5)),
    "unknown-formula": lambda: changed(b"para\0\0\0\0\0\3", b"para\0\0\0\0\0\7"),
}

# Files that Chromium shows.
SHOWN: dict[str, Callable[[], bytes]] = {
    "jpeg": jpeg,
    "jpeg-broken-profile": lambda: encoded("JPEG", icc_profile=BROKEN),
    "jpeg-cut-profile": lambda: encoded("JPEG", icc_profile=SRGB[:300]),
    "jpeg-version-4-profile": lambda: encoded("JPEG", icc_profile=version_4()),
    "bmp-wide-profile": lambda: bmp(wide()),
    "jpeg-gray": lambda: encoded("JPEG", BASE.convert("L")),
    "jpeg-gray-profile": lambda: encoded("JPEG", BASE.convert("L"), icc_profile=gray()),
    "jpeg-gray-rgb-profile": lambda: encoded("JPEG", BASE.convert("L"), icc_profile=SRGB),
    "jpeg-inks": inks,
    "jpeg-inks-profile": lambda: bytes(vips().icc_transform("cmyk", input_profile="srgb").jpegsave_buffer(Q=95)),
    "jpeg-inks-broken-profile": lambda: inks(icc_profile=BROKEN),
    "jpeg-inks-rgb-profile": lambda: inks(icc_profile=SRGB),
    "jpeg-ultra-hdr": ultra_hdr,
    "jpeg-no-end-but-trailer": lambda: jpeg(trailer=b"\0\0\x01\x0aSEFH" + bytes(90) + b"SEFT"),
    "jpeg-two-exif": lambda: jpeg(segment(0xE1, exif(6)), segment(0xE1, exif(3))),
    "jpeg-two-exif-first-upright": lambda: jpeg(segment(0xE1, exif(1)), segment(0xE1, exif(6))),
    "png-16": png_16,
    "png-16-gamma": lambda: png(gamma(1.0), image=png_16()),
    "png-16-pq": lambda: png(cicp(9, 16), image=png_16()),
    "png-broken-profile": lambda: encoded("PNG", icc_profile=BROKEN),
    "png-version-4-profile": lambda: encoded("PNG", icc_profile=version_4()),
    "png-gamma-1": lambda: png(gamma(1.0)),
    "png-gamma-0.3": lambda: png(gamma(0.3)),
    "png-gamma-of-srgb": lambda: png(gamma(0.45455)),
    "png-gamma-0": lambda: png(gamma(0)),
    "png-primaries": lambda: png(gamma(0.45455), primaries(BT2020)),
    "png-adobe": lambda: png(gamma(1 / 2.2), primaries(ADOBE)),
    "png-primaries-without-gamma": lambda: png(primaries(BT2020)),
    "png-impossible-primaries": lambda: png(gamma(0.45455), primaries((0.0,) * 8)),
    "png-srgb-before-gamma": lambda: png(gamma(1.0), chunk(b"sRGB", b"\0")),
    "png-cicp-p3": lambda: png(cicp(12, 13)),
    "png-cicp-bt2020": lambda: png(cicp(9, 1)),
    "png-cicp-linear": lambda: png(cicp(1, 8)),
    "png-cicp-pq": lambda: png(cicp(9, 16)),
    "png-cicp-hlg": lambda: png(cicp(9, 18)),
    "png-cicp-before-profile": lambda: png(cicp(12, 13), chunk(b"iCCP", b"x\0\0" + zlib.compress(SRGB))),
    "png-two-profiles": lambda: png(iccp(wide()), iccp(SRGB)),
    "png-broken-profile-before-another": lambda: png(iccp(BROKEN), iccp(wide())),
    "png-cut-profile-before-another": lambda: png(chunk(b"iCCP", b"x\0\0abc"), iccp(wide())),
    "png-profile-of-gray-before-another": lambda: png(iccp(gray()), iccp(wide())),
    "png-broken-profile-and-gamma": lambda: png(iccp(BROKEN), gamma(1.0)),
    "png-profile-of-gray-and-gamma": lambda: png(iccp(gray()), gamma(1.0)),
    "png-gray-two-profiles": lambda: png(iccp(wide()), iccp(gray()), image=BASE.convert("L")),
    "png-animated-two-profiles": lambda: apng(iccp(BROKEN), iccp(wide())),
    "png-gray-gamma": lambda: png(gamma(1.0), image=BASE.convert("L")),
    "png-gray-profile": lambda: encoded("PNG", BASE.convert("L"), icc_profile=gray()),
    "png-gray-alpha-profile": lambda: encoded("PNG", ALPHA.convert("LA"), icc_profile=gray()),
    "png-gray-rgb-profile": lambda: encoded("PNG", BASE.convert("L"), icc_profile=wide()),
    "png-gray-broken-profile": lambda: encoded("PNG", BASE.convert("L"), icc_profile=BROKEN),
    "png-gray-alpha": lambda: encoded("PNG", ALPHA.convert("LA")),
    "png-alpha-gamma": lambda: png(gamma(1.0), image=ALPHA),
    "png-palette-gamma": lambda: png(gamma(1.0), image=BASE.quantize(64)),
    "png-transparent-palette": lambda: encoded("PNG", BASE.quantize(16), transparency=3),
    "png-1-bit": lambda: encoded("PNG", BASE.convert("1")),
    "png-turned": lambda: png(chunk(b"eXIf", exif(6)[6:])),
    "png-animated": apng,
    "png-animated-gamma": lambda: apng(gamma(0.3)),
    "webp-alpha": lambda: encoded("WebP", ALPHA),
    "webp-broken-profile": lambda: encoded("WebP", icc_profile=BROKEN),
    "gif-uncovered": gif,
    "gif-uncovered-transparent": lambda: gif(transparency=2),
    "avif": lambda: encoded("AVIF"),
    "avif-alpha": lambda: encoded("AVIF", ALPHA),
    "avif-turned": lambda: encoded("AVIF", exif=exif(6)),
    "avif-limited": lambda: encoded("AVIF", range="limited"),
    "avif-gray": lambda: encoded("AVIF", BASE.convert("L"), subsampling="4:0:0"),
    "avif-gray-limited": lambda: encoded("AVIF", BASE.convert("L"), subsampling="4:0:0", range="limited"),
    "avif-gray-without-box": lambda: avif_without_box(BASE.convert("L"), subsampling="4:0:0"),
    "avif-gray-limited-without-box": lambda: avif_without_box(BASE.convert("L"), subsampling="4:0:0", range="limited"),
    "avif-gray-alpha-limited-without-box": lambda: encoded(
        "AVIF", ALPHA.convert("LA"), subsampling="4:0:0", range="limited"
    ).replace(b"colrnclx", b"freenclx"),
    "avif-limited-without-box": lambda: avif_without_box(range="limited"),
    "avif-p3-without-box": lambda: avif_without_box(numbers=b"\x0c\x0d\6"),
    "avif-pq-without-box": lambda: avif_without_box(numbers=b"\x09\x10\x09"),
    "avif-alpha-limited": avif_with_limited_alpha,
    "avif-gray-alpha-of-limited": lambda: avif_with_limited_alpha(ALPHA.convert("LA"), subsampling="4:0:0"),
    "avif-unspecified": lambda: avif(2, 2),
    "avif-bt709": lambda: avif(1, 1, 1),
    "avif-bt2020": lambda: avif(9, 14, 9),
    "avif-p3": lambda: avif(12, 13),
    "avif-linear": lambda: avif(1, 8),
    "avif-gamma-2.8": lambda: avif(5, 5),
    "avif-pq": lambda: avif(9, 16, 9),
    "avif-hlg": lambda: avif(9, 18, 9),
}

SHOWN |= {
    f"jpeg-profile-{name}": lambda make=make: encoded("JPEG", icc_profile=make())  # type: ignore[misc]
    for name, make in PROFILES.items()
}

# Files that Chromium does not show. The picture is the same as that of an ordinary PNG.
NOT_SHOWN: dict[str, Callable[[], bytes]] = {
    "bmp-broken-profile": lambda: bmp(BROKEN),
    "avif-broken-profile": lambda: encoded("AVIF", icc_profile=BROKEN),
    "tiff": lambda: encoded("TIFF"),
    "tiff-broken-profile": lambda: encoded("TIFF", icc_profile=BROKEN),
    "tiff-inks": lambda: encoded("TIFF", BASE.convert("CMYK")),
    "tiff-inks-broken-profile": lambda: encoded("TIFF", BASE.convert("CMYK"), icc_profile=BROKEN),
    "tiff-16-bit": lambda: bytes(vips().colourspace("rgb16").tiffsave_buffer()),
    "tiff-lab-of-floats": lambda: bytes(vips().colourspace("lab").tiffsave_buffer()),
    "tiff-lab-of-16-bits": lambda: bytes(vips().colourspace("lab").colourspace("labs").tiffsave_buffer()),
    "tiff-floats": lambda: bytes(vips().colourspace("scrgb").tiffsave_buffer()),
    "tiff-tiles": lambda: bytes(vips().tiffsave_buffer(tile=True, compression="deflate")),
}

SHOW = """async (files) => {
  const shown = {};
  for (const [name, content] of Object.entries(files)) {
    const image = new Image();
    image.src = "data:;base64," + content;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    shown[name] = canvas.toDataURL().split(",")[1];
  }
  return shown;
}"""


def show(page: Page, files: dict[str, bytes]) -> dict[str, Image.Image]:
    """Return the pictures that Chromium makes of files, by name."""
    shown = page.evaluate(SHOW, {name: base64.b64encode(content).decode() for name, content in files.items()})
    return {name: decoded(base64.b64decode(content)) for name, content in shown.items()}


def decoded(content: bytes) -> Image.Image:
    """Return the picture on a background, in a quarter of its size: without the noise of compression and dithering."""
    image = Image.open(io.BytesIO(content)).convert("RGBA")
    on = Image.new("RGBA", image.size, BACKGROUND)
    on.alpha_composite(image)
    return on.convert("RGB").reduce(4)
