"""Fields of an image: types that validate the values of a client, and describe them in OpenAPI."""

import re
import sys
from collections.abc import Sized
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite, isnan
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    JsonValue,
    StringConstraints,
    ValidationInfo,
)
from pydantic_core import CoreSchema, core_schema, to_json

from app.catalogue import tag_keys

MAX_TAG_LENGTH = 100  # characters that the database allows in a tag
# The limits of pydantic's JSON parser, by the beginnings of its messages.
JSON_LIMITS = {
    "recursion limit exceeded": "must not be nested more than 200 levels deep",
    "number out of range": "must not contain a whole number with more than 4300 digits",
}
MAX_TYPE_LENGTH = 100  # characters that the database allows in a media type
# Years of times that are stored. In every time zone they have four digits, so each client can read them. The year 1 is
# the zero time of Go, for a time that was not set.
YEARS = range(1000, 9999)
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d", re.ASCII)
NOT_IN_A_NAME = re.compile(r"[\x00-\x1f\x7f/\\]")


@dataclass(frozen=True)
class AtMost:
    """Limit the characters of a string, or the items of a list, to the value of a setting.

    The context of a validation is Settings. The JSON schema contains the name of the setting. app/web/openapi.py puts
    the value there.
    """

    setting: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        described = handler(schema)
        described["maxItems" if described["type"] == "array" else "maxLength"] = self.setting
        return described

    def _check(self, value: Sized, info: core_schema.ValidationInfo) -> Sized:
        most = getattr(info.context, self.setting)
        if len(value) > most:
            raise ValueError(f"must have at most {most} {'characters' if isinstance(value, str) else 'items'}")
        return value


@dataclass(frozen=True)
class Between:
    """A number from `low` to `high`."""

    low: int
    high: int

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(schema) | {"minimum": self.low, "maximum": self.high}

    def _check(self, value: int) -> int:
        if not self.low <= value <= self.high:
            raise ValueError(f"must be from {self.low} to {self.high}")
        return value


def _without_nul(value: str) -> str:
    # PostgreSQL's type text can store every character except this one.
    if "\x00" in value:
        raise ValueError("must not contain the character U+0000")
    return value


def _a_name(value: str) -> str:
    if NOT_IN_A_NAME.search(value) or value in {".", ".."}:
        raise ValueError("must be a file name without folders and control characters")
    return value


def _a_media_type(value: str) -> str:
    if "/" not in value or "*" in value:
        raise ValueError("must be a media type such as image/png")
    return value


def _storable(value: JsonValue) -> JsonValue:
    """Return the value. Raises ValueError if jsonb cannot store it: U+0000, or a number that is not finite."""
    if isinstance(value, str):
        _without_nul(value)
    elif isinstance(value, float) and not isfinite(value):
        if isnan(value):
            raise ValueError("must not contain NaN, which JSON does not have")
        raise ValueError(f"must not contain Infinity, or a number beyond {sys.float_info.max}")
    elif isinstance(value, list):
        for item in value:
            _storable(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            _without_nul(key)
            _storable(item)
    return value


def json_limit(message: str) -> str | None:
    """Return the limit that JSON exceeds, as the predicate of a sentence, or None if it is not JSON.

    `message` is that of pydantic's JSON parser.
    """
    return next((limit for begin, limit in JSON_LIMITS.items() if message.startswith(begin)), None)


def attributes_within(value: dict[str, JsonValue], most: int) -> dict[str, JsonValue]:
    """Return the attributes. Raises ValueError if they cannot be stored, or have more than `most` bytes as JSON."""
    _storable(value)
    if len(to_json(value)) + _zeros(value) > most:
        raise ValueError(f"must have at most {most} bytes as JSON, numbers without exponent")
    return value


def _attributes(value: dict[str, JsonValue], info: ValidationInfo) -> dict[str, JsonValue]:
    assert info.context is not None
    return attributes_within(value, info.context.max_attributes_bytes)


def _zeros(value: JsonValue) -> int:
    """Return the bytes that numbers gain in PostgreSQL: jsonb writes 1e300 as a 1 and 300 zeros."""
    if isinstance(value, float):
        return max(0, len(f"{Decimal(repr(value)):f}") - len(repr(value)))
    if isinstance(value, dict):
        return sum(map(_zeros, value.values()))
    return sum(map(_zeros, value)) if isinstance(value, list) else 0


def _a_tag(value: str) -> str:
    if not tag_keys.key(value):
        raise ValueError("must have a character that can be seen")
    return tag_keys.clean(value)


def _rfc3339(value: Any) -> Any:
    # pydantic also accepts a number of seconds, and a date without a time.
    if not isinstance(value, str) or not MOMENT.match(value):
        raise ValueError("must be a time such as 2026-01-31T12:00:00Z")
    return value


def _digits(value: Any) -> Any:
    # In text, pydantic also accepts "1_0", "+1", " 1 " and "1.0".
    if isinstance(value, str) and not re.fullmatch("-?[0-9]+", value):
        raise ValueError("must be a whole number")
    return value


def _utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be in the years 1 to 9999 UTC") from None


def _readable_everywhere(value: datetime) -> datetime:
    if value.year not in YEARS:
        raise ValueError(f"must be in the years {YEARS[0]} to {YEARS[-1]} UTC")
    return value


WITHOUT_NUL = AfterValidator(_without_nul), Field(json_schema_extra={"pattern": r"^[^\u0000]*$"})
A_TAG = (
    AfterValidator(_without_nul),
    Field(
        json_schema_extra={
            "pattern": r"^[^\u0000]*[^\u0000\t-\r\u001c-\u0020\u0085\u00a0\u00ad\u1680\u180e\u2000-\u200f\u2028-\u202f"
            r"\u205f-\u2064\u2066-\u2069\u3000\ufe00-\ufe0f\ufeff][^\u0000]*$"
        }
    ),
)
A_NAME = AfterValidator(_a_name), Field(json_schema_extra={"pattern": r"^(?!\.{1,2}$)[^\u0000-\u001f\u007f/\\]*$"})

Text = Annotated[str, *WITHOUT_NUL]
MediaType = Annotated[
    Text,
    StringConstraints(to_lower=True, max_length=MAX_TYPE_LENGTH),
    AfterValidator(_a_media_type),
    Field(json_schema_extra={"pattern": r"^[^\u0000*]*/[^\u0000*]*$"}),
]
Filename = Annotated[str, StringConstraints(min_length=1), AtMost("max_filename_length"), *A_NAME]
Title = Annotated[str, AtMost("max_title_length"), *WITHOUT_NUL]
Description = Annotated[str, AtMost("max_description_length"), *WITHOUT_NUL]
Tag = Annotated[str, StringConstraints(min_length=1), AfterValidator(_a_tag), AtMost("max_tag_length"), *A_TAG]
Tags = Annotated[list[Tag], AtMost("max_tags"), AfterValidator(tag_keys.distinct)]
# `Any` and not JsonValue, whose schema is recursive: generators of clients do not understand that. So the schema does
# not say that no text at any depth may contain U+0000.
Attributes = Annotated[
    dict[str, Any],
    AfterValidator(_attributes),
    Field(json_schema_extra={"propertyNames": {"pattern": r"^[^\u0000]*$"}}),
]
Whole = Annotated[int, BeforeValidator(_digits)]
Moment = Annotated[AwareDatetime, BeforeValidator(_rfc3339), AfterValidator(_utc)]
StoredMoment = Annotated[Moment, AfterValidator(_readable_everywhere)]
