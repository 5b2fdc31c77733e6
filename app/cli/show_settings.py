"""`images settings`: shows every setting, its value and its source, with secrets masked, and the decoder's sandbox."""

import json
import re
from typing import NamedTuple

from pydantic import ByteSize
from pydantic_core import PydanticUndefinedType

from app.cli.unknown_names import warn_of_unknown_names
from app.decoder.client import describe_decoder
from app.setting_sources import Found, Sources, unknown_names
from app.settings import MODELS, NAMES, check_settings, format_size
from app.text import encodable, printable
from app.urls import (
    MASK,
    WrongURLError,
    check_database_url,
    check_storage_url,
    checked_origins,
    mask_server_url,
    mask_url,
    may_have_password,
)

# Variables of uvicorn, the object store's client and the service itself that are shown if they are set.
OTHERS = re.compile(r"(UVICORN|AWS|GOOGLE|AZURE)_\w+|SECRETS_DIR|PROMETHEUS_MULTIPROC_DIR")
# Of the object store's variables, only these are shown unmasked. Others may be credentials.
SHOWN = re.compile(r"UVICORN_(?!.*PASSWORD)\w+|\w+_(REGION|ALLOW_HTTP|TIMEOUT)|SECRETS_DIR|PROMETHEUS_MULTIPROC_DIR")
URL = re.compile(r"\w+_(ENDPOINT\w*|URL)")


class Row(NamedTuple):
    """A line of the list. `source` is "default", "environment", ".env" or the path of a file."""

    name: str
    value: str | None
    source: str


def show(format: str) -> None:
    """Print every setting. Raises WrongSettingsError after that if settings are wrong."""
    rows, unknown = settings_rows(Sources()), unknown_names()
    sandbox = describe_decoder().sandbox
    if format == "json":
        settings = [row._asdict() for row in rows]
        print(json.dumps({"settings": settings, "decoder_sandbox": sandbox, "warnings": unknown}))
    else:
        for row in rows:
            value = "" if row.value is None else printable(row.value)
            print(f"{row.name:<27} {value:<40} {row.source}")
        print(f"{'decoder sandbox':<27} {sandbox}")
        warn_of_unknown_names()
    check_settings()


def settings_rows(sources: Sources) -> list[Row]:
    """Return a row for each setting, and for each variable of others that is set."""
    rows = []
    for model in MODELS:
        for field, info in model.model_fields.items():
            found = sources.find(field.upper())
            rows.append(_row(field.upper(), found) if found else Row(field.upper(), _default(info.default), "default"))
    others = [name for name in sources.environment if OTHERS.fullmatch(name) and name not in NAMES]
    return rows + [_row(name, Found(sources.environment[name], "environment")) for name in sorted(others)]


def _row(name: str, found: Found) -> Row:
    return Row(name, encodable(_masked(name, found.text)), encodable(found.source))


def _masked(name: str, text: str) -> str:
    """Return the value without secrets. A wrong URL, and wrong origins, are masked as a whole."""
    try:
        if name.endswith("DATABASE_URL"):
            check_database_url(text)
            return mask_url(text)
        if name == "STORAGE_URL":
            check_storage_url(text)
            return text
        if name == "CORS_ORIGINS":
            checked_origins(text)
    except WrongURLError:
        return MASK
    if URL.fullmatch(name):
        return mask_server_url(text)
    may_be_shown = name in NAMES or SHOWN.fullmatch(name)
    return text if may_be_shown and not may_have_password(text) else MASK


def _default(value: object) -> str | None:
    match value:
        case PydanticUndefinedType() | None | "":
            return None
        case bool():
            return str(value).lower()
        case ByteSize():
            return format_size(value)
        case float():
            return f"{value:g}"
    return str(value)
