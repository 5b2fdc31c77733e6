"""Images for the tests, made by Pillow."""

import base64
import io
import zlib
from typing import Any

from PIL import Image
from PIL.TiffImagePlugin import IFDRational

# An AVIF of 10,000 x 10,000 pixels. Pillow takes 5 s of CPU and 2 GB of memory to make it.
HUGE = zlib.decompress(
    base64.b64decode(
        "eNpjYGBQSCupLEgsy0xjAAIQnZuZZpibmZjm62joBBR6nZtaksgAAYoZKTlFUDZDQWZyCQMa4CvILMkFsxiBWC4zJz8ZxHEB8RkhoozCDAxsII"
        "M1MjPz0uBqpYCcVCYoL7HMwNA5PycfbFdWZkFRAZD2zixIzgfSIpnFBakQ69QFIJhBoCCzIhMkwszBwQGkeBLLDJ0b5XlAQsLJ+TlFeck5FUCT"
        "eRnYGoBC4pkFuTA/AR3GwsjUzAJ0lVduSmKJEAMXt/z3dP45touYpHg5jDbwCJ9xb2+9e9nX5NCxAwwMQedPaR6fIjdlwotH0ukXfjUYhj+e2i"
        "o+Y5fI8WWBgelzHAWYTrg8niDr9ixpxnP11V+XxiyIfThhaavnqR9XT7M0KjfcOszUHPfpevp8w1f7wkRur1GxD2oIPX/KJdqhOmZT6MXp6Smr"
        "q448zXA/el4tZOl8y5N8PzwTW49d3Lv6b5lY2ce9zKnTnxWpFD9vWrbq/qn3H+252V5vOGnh8ozFfun/O4In8nMP3JNQbbqsyNVofIdGxuYRbe"
        "yBWMVlnpZCfoeYGhRW6vHEPK2b8/6Y4f97RyLEH0VNlIngX/v3u892zQsPX99uPLfAJ+4wj71mxbUzm+L/RW+fVpb/VTrRbuOihKEVOqOBPhro"
        "5AZ6HvW9IZ18Kv7ZE7/LP4qYZZfEv5v2SvymYtGs9PUc9+IOOgx3++gWfbLaTyUCu0vCZJMPC2QAAMh3daM="
    )
)


def picture(format: str = "JPEG", size: tuple[int, int] = (60, 40), seed: int = 0, **options: Any) -> bytes:
    """The bytes of an image that is no other's: its colors come from `seed`."""
    image = Image.new("RGB", size, (seed % 256, seed // 256 % 256, 90))
    image.putpixel((0, 0), (255, 0, seed % 256))
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def turned(orientation: int, format: str = "JPEG", size: tuple[int, int] = (60, 40)) -> bytes:
    """An image with an EXIF orientation (1 to 8)."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return picture(format, size, exif=exif)


def unspeakable() -> bytes:
    """A broken AVIF whose fault libvips tells in the file's own bytes, which are no UTF-8."""
    return turned(6, "AVIF").replace(b"irot", b"\xff\xfe\xfd\xfc")


def huge(seed: int = 0) -> bytes:
    """An AVIF of 100 megapixels and 2 kB, which takes 4 s of CPU and 1.5 GB of memory to decode."""
    return HUGE + b"\0\0\0\x0cfree" + seed.to_bytes(4)


def photo(
    format: str = "JPEG",
    *,
    taken: str = "2026:07:14 18:30:05",
    zone: str | None = "+02:00",
    gps: bool = True,
    seed: int = 0,
    **tags: Any,
) -> bytes:
    """A picture with EXIF as a camera writes it. `tags` are others of the first directory, as t271="a maker"."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0131] = "Canon", "Canon EOS R5", "Firmware 1.8"
    exif[0x013B], exif[0x8298], exif[0x010E] = "Ada", "(c) Ada", "A boat\nin July"
    for name, value in tags.items():
        exif[int(name[1:])] = value
    detail = exif.get_ifd(0x8769)
    detail[0x9003], detail[0x9291] = taken, "25"
    if zone:
        detail[0x9011] = zone
    detail[0x829A], detail[0x829D], detail[0x8827] = IFDRational(1, 250), IFDRational(28, 10), 400
    detail[0x920A], detail[0xA434] = IFDRational(85, 1), "RF85mm F1.2 L USM"
    if gps:
        position = exif.get_ifd(0x8825)
        position[1], position[2] = "N", (48.0, 12.0, 30.0)
        position[3], position[4] = "W", (11.0, 34.0, 12.0)
        position[5], position[6] = b"\x01", 12.5
    return picture(format, (60, 40), seed, exif=exif)
