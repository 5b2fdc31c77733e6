"""Numbers in headers: Content-Length, and dates. They have ASCII digits only: int() also takes "1_0" and "+1"."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from app.web.dates import MONTHS, WEEKDAYS

MAX_NUMBER = 2**63  # beyond any number of bytes, and of PostgreSQL
BODY_HEADERS = frozenset({b"content-length", b"transfer-encoding"})
DIGITS = re.compile(r"[0-9]+")
_month, _day = "|".join(MONTHS), "|".join(WEEKDAYS)
_clock = "[0-9]{2}:[0-9]{2}:[0-9]{2}"
# RFC 9110, section 5.6.7: the format of today and two older ones.
HTTP_DATE = re.compile(
    rf"(?:{_day}), [0-9]{{2}} (?:{_month}) [0-9]{{4}} {_clock} GMT"
    rf"|[A-Z][a-z]+day, [0-9]{{2}}-(?:{_month})-[0-9]{{2}} {_clock} GMT"
    rf"|(?:{_day}) (?:{_month}) [ 0-9][0-9] {_clock} [0-9]{{4}}"
)


def whole_number(text: str) -> int | None:
    """Return a number of ASCII digits, or MAX_NUMBER if it is larger. Return None for any other text."""
    if DIGITS.fullmatch(text) is None:
        return None
    return min(int(text.lstrip("0")[:20] or "0"), MAX_NUMBER)  # Python rejects a number of 5,000 digits


def http_time(text: str) -> datetime | None:
    """Return the time in an HTTP date, or None if it is none."""
    if HTTP_DATE.fullmatch(text) is None:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def declares_body(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Return whether the head says that a body follows."""
    return any(name in BODY_HEADERS and value != b"0" for name, value in headers)
