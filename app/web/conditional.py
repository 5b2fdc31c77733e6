"""Requests on a condition (RFC 9110, 13) and for a range of the bytes (14)."""

import re

from starlette.requests import Request

from app.web.problems import ProblemError


def entity_tags(request: Request, name: str) -> list[str]:
    """What If-Match or If-None-Match lists; that of the compressed bytes stands for the others'."""
    tags = (tag.strip() for line in request.headers.getlist(name) for tag in line.split(","))
    return [tag.replace('-gzip"', '"') for tag in tags]


def not_modified(request: Request, etag: str) -> bool:
    tags = [tag.removeprefix("W/") for tag in entity_tags(request, "if-none-match")]
    return etag in tags or "*" in tags


def wants_range(request: Request, etag: str) -> bool:
    """Whether a GET asks for a range of what it knows: If-Range compares strongly, and a date is never ours."""
    if request.method != "GET" or "range" not in request.headers:
        return False
    return request.headers.get("if-range", etag) == etag


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """Start and end of the one range that `Range` names; None where all the bytes are the answer.

    That is so, as the RFC allows, for several ranges, for what is malformed, and where there are no bytes at all.
    Raises ProblemError 416 for a range that begins after the last byte, or of the last 0 bytes.
    """
    match = re.fullmatch(r"bytes=([0-9]*)-([0-9]*)", header.strip(), re.IGNORECASE)
    if size == 0 or match is None or not any(match.groups()):
        return None
    # Cut before it is parsed: a number of 20 digits lies beyond any size, and Python refuses one of 5,000.
    first, last = (int(digits.lstrip("0")[:20] or "0") if digits else None for digits in match.groups())
    if first is None:
        start, end = max(0, size - (last or 0)), size
    else:
        start, end = first, size if last is None else min(last + 1, size)
        if last is not None and last < first:
            return None
    if start >= size:
        raise ProblemError(416, headers={"Content-Range": f"bytes */{size}"})
    return start, end
