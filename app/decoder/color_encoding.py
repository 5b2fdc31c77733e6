"""Color encodings that a picture names by numbers: CICP (ITU-T H.273) of PNG, AVIF and HEIF, and gAMA and cHRM of PNG.

libvips ignores them. A browser does not. See docs/decisions/0011-colors.md.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import NamedTuple

import pyvips

Vector = tuple[float, float, float]
Matrix = tuple[Vector, Vector, Vector]
Primaries = tuple[float, float, float, float, float, float, float, float]  # x and y of white, red, green, blue

D65 = (0.3127, 0.3290)
SRGB: Primaries = (*D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
ILLUMINANT_C, EQUAL_ENERGY, CINEMA = (0.310, 0.316), (1 / 3, 1 / 3), (0.314, 0.351)

# Numbers of H.273, table 2. All others count as those of sRGB.
PRIMARIES: dict[int, Primaries] = {
    4: (*ILLUMINANT_C, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    8: (*ILLUMINANT_C, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    9: (*D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    10: (*EQUAL_ENERGY, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0),
    11: (*CINEMA, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
BRADFORD: Matrix = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))

REFERENCE_WHITE = 203.0  # cd/m2 of white in a picture of high dynamic range (ITU-R BT.2408)
PEAK = 1000 / REFERENCE_WHITE  # of the brightest light in such a picture, in reference whites
PQ, HLG = 16, 18
LUMINANCE = (0.2627, 0.6780, 0.0593)  # of red, green and blue in BT.2100
GAMMA_OF_SRGB = 1 / 2.2  # exponent from light to signal
NEGLIGIBLE = 0.05  # part by which a gamma may differ from that of sRGB. libpng and browsers ignore as much.


def _srgb(signal: float) -> float:
    return signal / 12.92 if signal <= 0.04045 else ((signal + 0.055) / 1.055) ** 2.4


def _smpte240(signal: float) -> float:
    return signal / 4 if signal < 0.0912 else ((signal + 0.1115) / 1.1115) ** (1 / 0.45)


def _pq(signal: float) -> float:
    """Return light in reference whites (SMPTE ST 2084)."""
    power = signal ** (32 / 2523)
    light = (max(power - 3424 / 4096, 0.0) / (2413 / 128 - 2392 / 128 * power)) ** (16384 / 2610)
    return float(light) * 10_000 / REFERENCE_WHITE


def _hlg(signal: float) -> float:
    """Return light in front of the camera, 1 at most (ITU-R BT.2100)."""
    return signal**2 / 3 if signal <= 0.5 else (math.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12


def _power(gamma: float) -> Callable[[float], float]:
    return lambda signal: signal**gamma


# Numbers of H.273, table 3: functions from signal to light. All others count as that of sRGB.
TRANSFERS: dict[int, Callable[[float], float]] = {
    4: _power(2.2),
    5: _power(2.8),
    7: _smpte240,
    8: _power(1.0),
    PQ: _pq,
    17: lambda signal: signal**2.6 * 52.37 / 48,
    HLG: _hlg,
}
# Those of video. A browser takes them as on a screen (ITU-R BT.1886) in a PNG, and as that of sRGB in an AVIF.
VIDEO = dict.fromkeys((1, 6, 11, 14, 15), _power(2.4))


class Encoding(NamedTuple):
    """How numbers of a picture become light: a function of the signal, the primaries, and the kind of transfer."""

    light: Callable[[float], float]
    primaries: Primaries
    transfer: int = 0  # of H.273, if a tone mapping follows


def of_png(chunks: dict[bytes, bytes]) -> Encoding | None:
    """Return the encoding of a PNG from its chunks, or None for sRGB or if a profile has priority."""
    if len(cicp := chunks.get(b"cICP", b"")) == 4:
        return _of_numbers(cicp[0], cicp[1], TRANSFERS | VIDEO)
    if {b"iCCP", b"sRGB"} & chunks.keys() or len(chunks.get(b"gAMA", b"")) != 4:
        return None
    gamma = int.from_bytes(chunks[b"gAMA"]) / 100_000
    if not gamma:
        return None
    primaries = SRGB
    if len(chrm := chunks.get(b"cHRM", b"")) == 32:
        told = tuple(number / 100_000 for number in struct.unpack(">8i", chrm))
        primaries = told if _is_possible(told) else SRGB
    elif abs(gamma / GAMMA_OF_SRGB - 1) < NEGLIGIBLE:
        return None
    return Encoding(_power(1 / gamma), primaries)


def of_heif(colors: list[bytes]) -> Encoding | None:
    """Return the encoding of an AVIF or HEIF from its boxes `colr`, or None for sRGB or if a profile has priority."""
    if any(content[:4] in {b"prof", b"rICC"} for content in colors):
        return None
    for content in colors:
        if content[:4] == b"nclx" and len(content) >= 11:
            primaries, transfer = struct.unpack_from(">HH", content, 4)
            return _of_numbers(primaries, transfer, TRANSFERS)
    return None


def is_limited(colors: list[bytes]) -> bool:
    """Return whether an AVIF or HEIF says that its numbers are those of video: black is 16, and white 235."""
    return any(content[:4] == b"nclx" and len(content) >= 11 and not content[10] & 0x80 for content in colors)


def _of_numbers(primaries: int, transfer: int, transfers: dict[int, Callable[[float], float]]) -> Encoding | None:
    if primaries not in PRIMARIES and transfer not in transfers:
        return None
    return Encoding(transfers.get(transfer, _srgb), PRIMARIES.get(primaries, SRGB), transfer)


def to_srgb(image: pyvips.Image, encoding: Encoding) -> pyvips.Image:
    """Return the image in sRGB with 8 bits. It has one or three bands of 8 or 16 bits, and perhaps alpha."""
    steps = 65_535 if image.format == "ushort" else 255
    number = image.bands - image.hasalpha()
    colors = image[:number] if number > 1 else image[0].bandjoin([image[0], image[0]])
    table = pyvips.Image.new_from_array([[encoding.light(step / steps) for step in range(steps + 1)]]).cast("float")
    light = colors.maplut(table)
    if encoding.transfer == HLG:
        luminance = sum(part * light[band] for band, part in enumerate(LUMINANCE))
        light = light * luminance**0.2 * PEAK
    if encoding.transfer in {PQ, HLG}:
        light = light * _gain(light[0].maxpair(light[1]).maxpair(light[2]))
    made = light.recomb(_to_linear_srgb(encoding.primaries)).copy(interpretation="scrgb").colourspace("srgb")
    if not image.hasalpha():
        return made
    alpha = image[image.bands - 1]
    return made.bandjoin(alpha >> 8 if image.format == "ushort" else alpha).copy(interpretation="srgb")


def _gain(brightest: pyvips.Image) -> pyvips.Image:
    """Return the factor that maps light in reference whites to a screen whose white is the reference white.

    It is the reference white tone mapping of SMPTE ST 2094-50, annex C, for a screen without headroom. It halves the
    light up to the reference white. A Bezier curve of the second degree leads from there to the peak.
    """
    kappa, knee = 0.65, 0.5
    middle, end = (1 - kappa) + kappa / knee, PEAK
    bend, rise = 1 - 2 * middle + end, 2 * middle - 2
    middle_y = (1 - kappa) * knee + kappa
    bend_y, rise_y = knee - 2 * middle_y + 1, 2 * middle_y - 2 * knee
    part = ((rise**2 - 4 * bend * (1 - brightest)) ** 0.5 - rise) / (2 * bend)
    curve = (bend_y * part * part + rise_y * part + knee) / brightest
    return (brightest <= 1).ifthenelse(knee, (brightest < PEAK).ifthenelse(curve, 1 / brightest))


def _to_linear_srgb(primaries: Primaries) -> list[list[float]]:
    """Return the matrix from linear light of these primaries to linear sRGB. White becomes white."""
    to_xyz, white = _to_xyz(primaries)
    cones, target = _times(BRADFORD, white), _times(BRADFORD, _to_xyz(SRGB)[1])
    scaled = _product(_diagonal(*(new / old for new, old in zip(target, cones, strict=True))), BRADFORD)
    adapted = _product(_product(_inverse(BRADFORD), scaled), to_xyz)
    return [list(row) for row in _product(_inverse(_to_xyz(SRGB)[0]), adapted)]


def _to_xyz(primaries: Primaries) -> tuple[Matrix, Vector]:
    """Return the matrix from these primaries to CIE XYZ, and the XYZ of their white."""
    x, y = primaries[:2]
    white = (x / y, 1.0, (1 - x - y) / y)
    columns = [(x, y, 1 - x - y) for x, y in zip(primaries[2::2], primaries[3::2], strict=True)]
    matrix: Matrix = tuple(zip(*columns, strict=True))  # type: ignore[assignment]
    return _product(matrix, _diagonal(*_times(_inverse(matrix), white))), white


def _is_possible(primaries: Primaries) -> bool:
    """Return whether the primaries make a matrix that has an inverse."""
    try:
        return all(math.isfinite(number) and abs(number) < 100 for row in _to_linear_srgb(primaries) for number in row)
    except ZeroDivisionError:
        return False


def _diagonal(a: float, b: float, c: float) -> Matrix:
    return (a, 0.0, 0.0), (0.0, b, 0.0), (0.0, 0.0, c)


def _times(matrix: Matrix, vector: Vector) -> Vector:
    a, b, c = (sum(number * other for number, other in zip(row, vector, strict=True)) for row in matrix)
    return a, b, c


def _product(one: Matrix, other: Matrix) -> Matrix:
    a, b, c = (_times(one, column) for column in zip(*other, strict=True))
    return tuple(zip(a, b, c, strict=True))  # type: ignore[return-value]


def _inverse(matrix: Matrix) -> Matrix:
    (a, b, c), (d, e, f), (g, h, i) = matrix
    scale = 1 / (a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g))
    return (
        (scale * (e * i - f * h), scale * (c * h - b * i), scale * (b * f - c * e)),
        (scale * (f * g - d * i), scale * (a * i - c * g), scale * (c * d - a * f)),
        (scale * (d * h - e * g), scale * (b * g - a * h), scale * (a * e - b * d)),
    )
