"""Types of the options of `images token`: a time such as 90d, a date, a rate such as 50/s, and a number of bytes."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from app.catalogue.tokens import NEVER, End
from app.cli.commands.classes import Bytes

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}  # seconds
DURATION = re.compile(r"([0-9]{1,9})([smhdw])", re.ASCII)
MAX_DURATION = timedelta(days=36_500)
MAX_RATE = 100_000  # requests a second, as in the constraint tokens_requests_per_second_check
MAX_QUOTA = 10**15  # bytes, as in the constraint tokens_upload_bytes_per_day_check


def duration(text: str) -> timedelta | None:
    """Return a time such as 90d, 12h or 30m, or None if the text is none or if it is too long."""
    match = DURATION.fullmatch(text)
    found = timedelta(seconds=int(match[1]) * UNITS[match[2]]) if match else None
    return None if found is None or found > MAX_DURATION else found


class Expiry(click.ParamType[End]):
    """When a secret expires: 90d, 2027-01-31, 2027-01-31T12:00:00Z, or never. A date begins at 00:00 UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> End:
        if value == "never":
            return NEVER
        if after := duration(value):
            return End(after=after)
        try:
            at = datetime.fromisoformat(value)
            at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not a time. Examples: 90d, 12h, 2027-01-31, never.", param, ctx)
        if at <= datetime.now(UTC):
            self.fail(f"{value} is in the past.", param, ctx)
        return End(at=at)


class Overlap(click.ParamType[timedelta]):
    """How long a former secret works on: 0, or a time such as 1d."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        found = timedelta() if value == "0" else duration(value)
        if found is None:
            self.fail(f"{value!r} is not a time. Examples: 1d, 12h, 0.", param, ctx)
        return found


class Rate(click.ParamType[tuple[int | None]]):
    """Requests a second, such as 50/s or 50, or none. The result is a tuple with the number, or with None."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int | None]:
        if value == "none" or isinstance(value, tuple):
            return (None,) if value == "none" else value
        match = re.fullmatch(r"([0-9]{1,6})(?:/s)?", value, re.ASCII)
        if match is None or not 1 <= int(match[1]) <= MAX_RATE:
            self.fail(f"{value!r} is not a rate from 1/s to {MAX_RATE}/s. Examples: 50/s, none.", param, ctx)
        return (int(match[1]),)


class LimitedBytes(click.ParamType[tuple[int | None]]):
    """A number of bytes, such as 10GiB, or none. The result is a tuple with the number, or with None."""

    name = "bytes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int | None]:
        if value == "none" or isinstance(value, tuple):
            return (None,) if value == "none" else value
        size = Bytes().convert(value, param, ctx)
        if size > MAX_QUOTA:
            self.fail(f"{value!r} is more than 1 PB.", param, ctx)
        return (size,)
