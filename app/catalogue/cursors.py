"""The places in a list: what `cursor` holds, and how it is read."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, TypeAdapter

from app.catalogue.fields import Moment, Text

EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)  # asyncpg's infinity
LAST_ID = UUID(int=2**128 - 1)
FIRST_ID = UUID(int=0)
MAX_BIGINT = 2**63 - 1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

ID_AND_MOMENT = re.compile(r'{"id":"([^"]+)".*?,"created_at":"([^"]+)"', re.DOTALL)


def microseconds(moment: datetime) -> int:
    """Since 1970, in UTC, where asyncpg's times are: all but PostgreSQL's infinity, which comes without a zone."""
    return (moment.replace(tzinfo=UTC) - EPOCH) // MICROSECOND


class Position(tuple[datetime, UUID]):
    """A place in the newest-first list, (created_at, id); a cursor is its 24 bytes in base64url."""

    __slots__ = ()

    @classmethod
    def of(cls, cursor: str) -> Self:
        """Raises ValueError for anything that `cursor()` did not write."""
        try:
            packed = urlsafe_b64decode(cursor)
            moment = EPOCH + timedelta(microseconds=int.from_bytes(packed[:8], signed=True))
            position = cls((moment, UUID(bytes=packed[8:])))
        except (ValueError, OverflowError):
            position = None
        if position is None or position.cursor() != cursor:
            raise ValueError("is not a cursor that this service gave")
        return position

    @classmethod
    def after(cls, image: str) -> Self:
        """The place of an image, of which this is the JSON, as PostgreSQL writes it.

        It is not parsed: the attributes, which come last, may be more than a parser takes. No text before them has an
        unescaped quote after a comma.
        """
        found = ID_AND_MOMENT.match(image)
        assert found
        id, created_at = found.groups()
        return cls((LATEST if created_at == "infinity" else datetime.fromisoformat(created_at), UUID(id)))

    def cursor(self) -> str:
        return urlsafe_b64encode(microseconds(self[0]).to_bytes(8, signed=True) + self[1].bytes).decode()


# What a cursor of each other list holds: the list, and what its last row is sorted by.
PLACES: dict[str, TypeAdapter[Any]] = {
    "oldest": TypeAdapter(tuple[Literal["oldest"], Moment, UUID]),
    "largest": TypeAdapter(tuple[Literal["largest"], Annotated[int, Field(ge=-MAX_BIGINT - 1, le=MAX_BIGINT)], UUID]),
    "name": TypeAdapter(tuple[Literal["name"], Text, UUID]),
    "tags": TypeAdapter(tuple[Literal["tags"], Text]),
}


def cursor_of(name: str, *place: object) -> str:
    """The cursor of a place in a list: JSON in base64url."""
    return urlsafe_b64encode(PLACES[name].dump_json((name, *place))).decode()


def place_of(name: str, cursor: str) -> tuple[Any, ...]:
    """The place in the list. Raises ValueError for anything that `cursor_of()` did not write for it."""
    try:
        place = tuple(PLACES[name].validate_json(urlsafe_b64decode(cursor))[1:])
    except ValueError:
        place = ()
    if not place or cursor_of(name, *place) != cursor:
        raise ValueError("is not a cursor that this service gave for this list")
    return place
