"""Images for the tests, made by Pillow."""

import io
from typing import Any

from PIL import Image


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
