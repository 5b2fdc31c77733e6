"""Cursors of pagination: encode a place in a list as the text of the parameter `cursor`, and decode it."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, TypeAdapter

from app.catalogue.fields import Moment, Text

# asyncpg sends and returns these two for PostgreSQL's -infinity and infinity, which an adopted image can have.
EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
INFINITE = {"-infinity": EARLIEST, "infinity": LATEST}
LAST_ID = UUID(int=2**128 - 1)
FIRST_ID = UUID(int=0)
MAX_BIGINT = 2**63 - 1  # the largest value of PostgreSQL's type bigint
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

ID_AND_MOMENT = re.compile(r'{"id":"([^"]+)".*?,"created_at":"([^"]+)"', re.DOTALL)


def microseconds(moment: datetime) -> int:
    """Return the microseconds since 1970.

    Every time from asyncpg is in UTC, except PostgreSQL's infinity, which has no zone.
    """
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)  # takes 2 µs
    return (moment - EPOCH) // MICROSECOND


class Position(tuple[datetime, UUID]):
    """A place in the newest-first list: (created_at, id). Its cursor is these 24 bytes in base64url."""

    __slots__ = ()

    @classmethod
    def of(cls, cursor: str) -> Self:
        """Decode a cursor. Raises ValueError for any text that cursor() did not write."""
        try:
            packed = urlsafe_b64decode(cursor)
            moment = EPOCH + timedelta(microseconds=int.from_bytes(packed[:8], signed=True))
            position = cls((moment, UUID(bytes=packed[8:])))
        except (ValueError, OverflowError):
            position = None
        if position is None or position.cursor() != cursor:
            raise ValueError("must be a cursor from this service")
        return position

    @classmethod
    def after(cls, image: str) -> Self:
        """Return the place of an image. `image` is its JSON as PostgreSQL writes it.

        A regular expression reads it, because a JSON parser may reject the attributes, which come last. No text before
        them contains an unescaped quote after a comma.
        """
        found = ID_AND_MOMENT.match(image)
        assert found
        id, created_at = found.groups()
        return cls((INFINITE.get(created_at) or datetime.fromisoformat(created_at), UUID(id)))

    def cursor(self) -> str:
        """Return the cursor of the page that begins after this place."""
        return urlsafe_b64encode(microseconds(self[0]).to_bytes(8, signed=True) + self[1].bytes).decode()


# The contents of the cursors of the other lists: the name of the list, and the sort key of the last row.
PLACES: dict[str, TypeAdapter[Any]] = {
    "oldest": TypeAdapter(tuple[Literal["oldest"], Moment, UUID]),
    "relevance": TypeAdapter(tuple[Literal["relevance"], Annotated[float, Field(ge=0, le=2)], Moment, UUID]),
    "captured": TypeAdapter(tuple[Literal["captured"], Moment, Moment, UUID]),
    "largest": TypeAdapter(tuple[Literal["largest"], Annotated[int, Field(ge=-MAX_BIGINT - 1, le=MAX_BIGINT)], UUID]),
    "name": TypeAdapter(tuple[Literal["name"], Text, UUID]),
    "tags": TypeAdapter(tuple[Literal["tags"], Text]),
}


def cursor_of(name: str, *place: object) -> str:
    """Encode a place in a list as a cursor: JSON in base64url."""
    place = tuple(each.replace(tzinfo=UTC) if isinstance(each, datetime) else each for each in place)
    return urlsafe_b64encode(PLACES[name].dump_json((name, *place))).decode()


def place_of(name: str, cursor: str) -> tuple[Any, ...]:
    """Decode the cursor of a list. Raises ValueError for any text that cursor_of() did not write for this list."""
    try:
        place = tuple(PLACES[name].validate_json(urlsafe_b64decode(cursor))[1:])
    except ValueError:
        place = ()
    if not place or cursor_of(name, *place) != cursor:
        raise ValueError("must be a cursor from this service, of the same list")
    return place
