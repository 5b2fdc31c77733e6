"""Sequence header of AV1 (specification, section 5.5): how an AVIF without a box `nclx` means its numbers.

Cut or wrong data give no answer and no error.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from app.decoder import heif
from app.decoder.headers import Data

SEQUENCE_HEADER = 1  # type of an OBU, which is a part of the stream
MAX_OBUS = 10  # before the sequence header. There is one at most.
HEAD_BYTES = 300  # of a picture that are read. A sequence header with all 32 operating points has fewer.
PROFILE_444, PROFILE_422 = 1, 2
SRGB_WITHOUT_MATRIX = (1, 13, 0)  # primaries, transfer and matrix of H.273
CHOSEN_BY_FRAME = 2  # choice of the tools for screens


class Numbers(NamedTuple):
    """Numbers of H.273, and whether all of a byte is used: otherwise black is 16, and white 235."""

    primaries: int
    transfer: int
    matrix: int
    is_full_range: bool


def color_box(data: Data) -> bytes | None:
    """Return the box `nclx` that says the same as the picture, or None if it is not AV1 or is damaged."""
    numbers = _numbers(data, heif.picture(data))
    if numbers is None:
        return None
    return b"nclx" + struct.pack(">HHHB", *numbers[:3], 0x80 * numbers.is_full_range)


def has_limited_alpha(data: Data) -> bool:
    """Return whether the alpha of the picture has the numbers of video: 16 is transparent, and 235 opaque."""
    numbers = _numbers(data, heif.alpha(data))
    return numbers is not None and not numbers.is_full_range


def _numbers(data: Data, place: int | None) -> Numbers | None:
    try:
        return None if place is None else _of_obus(bytes(data[place : place + HEAD_BYTES]))
    except IndexError:
        return None


def _of_obus(content: bytes) -> Numbers | None:
    at = 0
    for _ in range(MAX_OBUS):
        kind, has_extension, has_size = content[at] >> 3 & 15, content[at] & 4, content[at] & 2
        at += 2 if has_extension else 1
        size = len(content) - at
        if has_size:
            size = shift = 0
            while True:  # LEB128
                size |= (content[at] & 127) << shift
                shift += 7
                at += 1
                if not content[at - 1] & 128:
                    break
        if kind == SEQUENCE_HEADER:
            return _of_sequence(Bits(content[at : at + size]))
        at += size
    return None


class Bits:
    """Bits of bytes, the highest first. After the end, raises IndexError."""

    def __init__(self, content: bytes) -> None:
        self._value = int.from_bytes(content)
        self._left = 8 * len(content)

    def take(self, count: int) -> int:
        """Return the number that the next bits are."""
        self._left -= count
        if self._left < 0:
            raise IndexError
        return self._value >> self._left & (1 << count) - 1

    def variable(self) -> None:
        """Pass a number of variable length (`uvlc`)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
        self.take(zeros if zeros < 32 else 0)


def _of_sequence(bits: Bits) -> Numbers:
    profile, _, is_reduced = bits.take(3), bits.take(1), bits.take(1)
    if is_reduced:
        bits.take(5)  # level
    else:
        _pass_operating_points(bits)
    width, height = bits.take(4) + 1, bits.take(4) + 1
    bits.take(width)
    bits.take(height)
    if not is_reduced and bits.take(1):  # numbers of frames
        bits.take(7)
    bits.take(3)  # large blocks, two filters
    if not is_reduced:
        _pass_tools(bits)
    bits.take(3)  # three more filters
    return _of_color(bits, profile)


def _pass_operating_points(bits: Bits) -> None:
    delay_bits = 0
    if bits.take(1):  # timing
        bits.take(64)
        if bits.take(1):  # equal intervals
            bits.variable()
        if bits.take(1):  # model of the decoder
            delay_bits = bits.take(5) + 1
            bits.take(42)
    has_delays = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take(1)  # tier
        if delay_bits and bits.take(1):
            bits.take(2 * delay_bits + 1)
        if has_delays and bits.take(1):
            bits.take(4)


def _pass_tools(bits: Bits) -> None:
    bits.take(4)
    has_order = bits.take(1)
    if has_order:
        bits.take(2)
    for_screens = CHOSEN_BY_FRAME if bits.take(1) else bits.take(1)
    if for_screens and not bits.take(1):
        bits.take(1)
    if has_order:
        bits.take(3)


def _of_color(bits: Bits, profile: int) -> Numbers:
    if bits.take(1) and profile == PROFILE_422:
        bits.take(1)  # 12 bits
    is_gray = profile != PROFILE_444 and bits.take(1)
    numbers = (bits.take(8), bits.take(8), bits.take(8)) if bits.take(1) else (2, 2, 2)  # not specified
    return Numbers(*numbers, (not is_gray and numbers == SRGB_WITHOUT_MATRIX) or bool(bits.take(1)))
