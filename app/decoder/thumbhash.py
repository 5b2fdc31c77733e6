"""ThumbHash and dominant color of a picture: what a page paints before the thumbnail arrives.

The format is that of https://evanw.github.io/thumbhash/: some 25 bytes for the lowest frequencies of a picture.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from math import cos, floor, pi
from operator import itemgetter, mul

OPAQUE = 255  # the highest value of a band
HALF_OPAQUE = 128  # a value of a band
# Colors that share the three highest bits of red, green and blue count as the same, to find the most frequent one.
COARSE = bytes(value >> 5 for value in range(256))

Channel = list[float]


def dominant_color(pixels: bytes) -> str:
    """Return the mean of the most frequent colors as `#rrggbb`, from pixels of red, green, blue and alpha."""
    bands = [pixels[band::4] for band in range(4)]
    if min(bands[3]) < HALF_OPAQUE <= max(bands[3]):
        seen = [at for at, alpha in enumerate(bands[3]) if alpha >= HALF_OPAQUE]
        bands = [bytes(band[at] for at in seen) for band in bands]
    keys = list(zip(*(band.translate(COARSE) for band in bands[:3]), strict=True))
    most, number = max(Counter(keys).items(), key=itemgetter(1))  # most_common() would import a module
    chosen = [at for at, key in enumerate(keys) if key == most]
    return "#" + "".join(f"{round(sum(band[at] for at in chosen) / number):02x}" for band in bands[:3])


def thumbhash(width: int, height: int, pixels: bytes) -> bytes:
    """Return the ThumbHash of at most 100 x 100 pixels of red, green, blue and alpha."""
    count = width * height
    red, green, blue, alpha = (pixels[band::4] for band in range(4))
    has_alpha = min(alpha) < OPAQUE
    if has_alpha:
        total = sum(alpha)
        means = [sum(map(mul, band, alpha)) / (total * OPAQUE) if total else 0.0 for band in (red, green, blue)]
        opacity = [value / OPAQUE for value in alpha]
        colors: list[Channel] = [
            [mean * (1 - seen) + value * seen / OPAQUE for value, seen in zip(band, opacity, strict=True)]
            for mean, band in zip(means, (red, green, blue), strict=True)
        ]
    else:
        opacity = []
        colors = [[value / OPAQUE for value in band] for band in (red, green, blue)]
    lightness = [(r + g + b) / 3 for r, g, b in zip(*colors, strict=True)]
    yellow_blue = [(r + g) / 2 - b for r, g, b in zip(*colors, strict=True)]
    red_green = [r - g for r, g in zip(*colors[:2], strict=True)]

    limit, longer = (5 if has_alpha else 7), max(width, height)
    across, down = (max(1, _round(limit * side / longer)) for side in (width, height))
    frequencies = [
        _frequencies(lightness, width, height, max(3, across), max(3, down)),
        _frequencies(yellow_blue, width, height, 3, 3),
        _frequencies(red_green, width, height, 3, 3),
    ]
    (l_mean, l_scale, _), (p_mean, p_scale, _), (q_mean, q_scale, _) = frequencies
    is_landscape = width > height
    assert count
    head = (
        _round(63 * l_mean)
        | _round(31.5 + 31.5 * p_mean) << 6
        | _round(31.5 + 31.5 * q_mean) << 12
        | _round(31 * l_scale) << 18
        | has_alpha << 23
        | (down if is_landscape else across) << 24
        | _round(63 * p_scale) << 27
        | _round(63 * q_scale) << 33
        | is_landscape << 39
    )
    made = bytearray(head.to_bytes(5, "little"))
    if has_alpha:
        frequencies.append(_frequencies(opacity, width, height, 5, 5))
        made.append(_round(15 * frequencies[3][0]) | _round(15 * frequencies[3][1]) << 4)
    nibbles = [_round(15 * value) for _, _, values in frequencies for value in values]
    nibbles += [0] * (len(nibbles) % 2)
    made += bytes(low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=True))
    return bytes(made)


def _frequencies(channel: Channel, width: int, height: int, across: int, down: int) -> tuple[float, float, Channel]:
    """Return the mean, the largest amplitude, and the amplitudes from 0 to 1, by a discrete cosine transform."""
    rows = [channel[start : start + width] for start in range(0, width * height, width)]
    by_column = [[sum(map(mul, row, wave)) for row in rows] for wave in _waves(width, across)]
    waves, count = _waves(height, down), width * height
    found = [
        sum(map(mul, by_column[x], waves[y])) / count
        for y in range(down)
        for x in range(across)
        if _is_kept(x, y, across, down)
    ]
    mean, amplitudes = found[0], found[1:]
    scale = max(map(abs, amplitudes), default=0.0)
    return mean, scale, [0.5 + 0.5 / scale * value for value in amplitudes] if scale else amplitudes


def _is_kept(x: int, y: int, across: int, down: int) -> bool:
    return x * down < across * (down - y)


@cache
def _waves(length: int, number: int) -> list[Channel]:
    return [[cos(pi / length * wave * (at + 0.5)) for at in range(length)] for wave in range(number)]


def _round(value: float) -> int:
    return floor(value + 0.5)
