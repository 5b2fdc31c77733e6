"""Conditional requests (RFC 9110, section 13) and range requests (section 14)."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import time

from starlette.requests import Request

from app.web.dates import http_date
from app.web.headers import http_time, whole_number
from app.web.problems import ProblemError
from app.web.state import State

CONDITIONS = frozenset({b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since"})
EXCEPT_IF_MATCH = frozenset({b"if-none-match", b"if-unmodified-since"})  # on methods that change something
ENTITY_TAG = re.compile(r'(?:W/)?"[!#-~\x80-\xff]*"')


def validators(etag: str, modified: datetime) -> dict[str, str]:
    """Return the headers ETag and Last-Modified. RFC 9110, section 8.8.2.1, forbids a Last-Modified in the future."""
    if modified.tzinfo is None:  # only asyncpg's infinity has no zone
        modified = modified.replace(tzinfo=UTC)
    if modified.timestamp() > time():
        modified = datetime.now(UTC)
    return {"ETag": etag, "Last-Modified": http_date(modified)}


def has_condition(request: Request[State], conditions: frozenset[bytes] = CONDITIONS) -> bool:
    """Return whether the request has one of these headers."""
    return not conditions.isdisjoint([name for name, _ in request.scope["headers"]])


def entity_tags(request: Request[State], name: str) -> list[str] | None:
    """Return the ETags that the header If-Match or If-None-Match lists, or None if the request does not have it.

    The ETag of compressed bytes counts as that of the others. Raises ProblemError 400 if an ETag has no quotes.
    """
    lines = request.headers.getlist(name)
    if not lines:
        return None
    value = ",".join(lines)
    if value.strip(" \t") == "*":
        return ["*"]
    tags: list[str] = ENTITY_TAG.findall(value)
    if not tags or ENTITY_TAG.sub("", value).strip(" \t,"):
        detail = f'{name} must list ETags in quotes, for example "1795862661643971", or be *.'
        raise ProblemError(400, detail=detail)
    return [tag.replace('-gzip"', '"') for tag in tags]


def not_modified(request: Request[State], headers: dict[str, str], conflict: str | None = None) -> bool:
    """Evaluate the conditions of a request in the order of RFC 9110, section 13.2.2. Return whether the answer is 304.

    `headers` are the validators of the current version. `conflict` is the kind of the problem if the client expects
    another version.

    Raises ProblemError: 412 if a condition is false and the answer is not 304, 400 if an ETag has no quotes.
    """
    if not has_condition(request):
        return False
    etag = headers["ETag"]
    reads = request.method in {"GET", "HEAD"}
    wanted = entity_tags(request, "If-Match")
    try:
        known = entity_tags(request, "If-None-Match")
    except ProblemError:
        if not reads:
            raise
        known = []  # A malformed ETag does not match. The client gets the whole answer.
    if wanted is not None:
        if etag not in wanted and "*" not in wanted:
            detail = f"If-Match does not list the ETag {etag}."
            if f"W/{etag}" in wanted:  # section 13.1.1 compares strongly
                detail = f"If-Match lists the ETag {etag} as a weak one. A weak ETag never matches: send it without W/."
            raise ProblemError(412, conflict, detail, headers={"ETag": etag})
    elif _is_later(headers, request, "if-unmodified-since"):
        detail = f"The last modification was later: {headers['Last-Modified']}."
        raise ProblemError(412, conflict, detail, headers={"ETag": etag})
    if known is None:
        return reads and _is_later(headers, request, "if-modified-since") is False
    matches = etag in [tag.removeprefix("W/") for tag in known] or "*" in known
    if matches and not reads:
        detail = f"If-None-Match lists the ETag {etag}."
        if "*" in known:
            detail = "If-None-Match is *, which matches every image that exists."
        raise ProblemError(412, detail=detail, headers={"ETag": etag})
    return matches


def with_coding(request: Request[State], headers: dict[str, str]) -> dict[str, str]:
    """Return the validators of a 304 for JSON: the ETag is that of the compressed bytes if the client has these."""
    zipped = f'{headers["ETag"][:-1]}-gzip"'
    has_zipped = any(zipped in line for line in request.headers.getlist("if-none-match"))
    vary = ", ".join([headers["Vary"], "Accept-Encoding"] if "Vary" in headers else ["Accept-Encoding"])
    return headers | {"Vary": vary} | ({"ETag": zipped} if has_zipped else {})


def _is_later(headers: dict[str, str], request: Request[State], name: str) -> bool | None:
    """Return whether Last-Modified is later than the date in a header of the request.

    Return None if there is no date, or if it is malformed: RFC 9110 ignores it then.
    """
    value = request.headers.get(name)
    if value is None:
        return None
    if value == headers["Last-Modified"]:
        return False  # the common case: parsing both takes as long as the rest of the conditions
    date = http_time(value)
    return None if date is None else parsedate_to_datetime(headers["Last-Modified"]) > date


def wants_range(request: Request[State], headers: dict[str, str]) -> bool:
    """Return whether a GET asks for a range of the representation with these validators.

    If-Range compares strongly: a weak ETag never matches, and a date only if it is the same.
    """
    if request.method != "GET" or "range" not in request.headers:
        return False
    return request.headers.get("if-range", headers["ETag"]) in {headers["ETag"], headers["Last-Modified"]}


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """Return start and end of the one range that the header Range names, or None if the answer is all the bytes.

    As the RFC allows, all the bytes are the answer to several ranges, to a malformed one, and if there are no bytes.
    Raises ProblemError 416 if the range begins after the last byte, or is the last 0 bytes.
    """
    match = re.fullmatch(r"bytes=([0-9]*)-([0-9]*)", header.strip(" \t"), re.IGNORECASE)
    if size == 0 or match is None or not any(match.groups()):
        return None
    first, last = (whole_number(digits) for digits in match.groups())
    if first is None:
        start, end = max(0, size - (last or 0)), size
    else:
        start, end = first, size if last is None else min(last + 1, size)
        if last is not None and last < first:
            return None
    if start >= size:
        raise ProblemError(416, headers={"Content-Range": f"bytes */{size}"})
    return start, end
