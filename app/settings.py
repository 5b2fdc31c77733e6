"""Settings: read from the environment, then from `.env` in the project's folder, then from files of secrets.

All wrong settings are reported at once. No message contains the URL of a database or store: it may hold a password.
"""

import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, TypeVar, get_args

from annotated_types import Ge, Gt, Le
from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from app import project
from app.errors import UsageError, WrongSettingsError
from app.text import printable
from app.urls import (
    MASK,
    WrongURLError,
    check_database_url,
    check_storage_url,
    checked_origins,
    is_loopback,
    may_have_password,
)

ROOT = project.OWN
SECRETS = Path("/run/secrets")  # Docker's folder; SECRETS_DIR names another one
MAX_SHOWN = 60  # characters of a wrong value in a message


def _database_url(value: SecretStr) -> SecretStr:
    check_database_url(value.get_secret_value())
    return value


def _storage_url(url: str) -> str:
    check_storage_url(url)
    return url


def _digits(value: object) -> object:
    """Reject what uvicorn rejects, although pydantic accepts it, as "4.0"."""
    if isinstance(value, str) and not re.fullmatch(r"\s*[0-9]+\s*", value):
        raise ValueError("must be a whole number")
    return value


Read = TypeVar("Read", bound=BaseSettings)
FORMATS = ("bmp", "heic", "jxl", "raw")  # that can be switched off


def _formats(text: str) -> str:
    names = [name.strip().lower() for name in text.split(",")]
    if names == ["none"]:
        return ""
    if not set(names) <= set(FORMATS):
        raise ValueError("must be formats with commas between, or none")
    return ",".join(names)


DatabaseURL = Annotated[SecretStr, AfterValidator(_database_url)]
StorageURL = Annotated[str, AfterValidator(_storage_url)]
Origins = Annotated[str, AfterValidator(checked_origins)]
Formats = Annotated[str, AfterValidator(_formats)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Digits = BeforeValidator(_digits)


class Settings(BaseSettings):
    """One field for each setting, named as its variable in lower case. docs/reference/settings.md explains them."""

    model_config = SettingsConfigDict(
        env_file=ROOT / ".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    database_url: DatabaseURL
    read_database_url: DatabaseURL | None = None
    migration_database_url: DatabaseURL | None = None
    storage_url: StorageURL | None = None
    content_redirect: Annotated[int, Field(ge=0, le=604_800)] = 0
    auth: Literal["token", "none"] = "token"
    migrate: bool = True
    shutdown_delay: Annotated[float, Field(ge=0, le=3600)] = 0.0
    database_pooler: Literal["none", "transaction"] = "none"
    database_pool_size: Annotated[int, Field(ge=1, le=1000)] = 10
    database_statement_timeout: Seconds = 5.0
    database_pool_queue: Annotated[int, Field(ge=0, le=100_000)] = 1000
    max_upload_bytes: Annotated[ByteSize, Field(gt=0)] = ByteSize(50 * 1024**2)
    max_image_pixels: Annotated[int, Field(gt=0)] = 100_000_000
    decode_timeout: Seconds = 30.0
    formats: Formats = ",".join(FORMATS)
    location: Literal["admin", "keep", "strip"] = "admin"
    max_uploads: Annotated[int, Field(ge=1, le=10_000)] = 100
    max_filename_length: Annotated[int, Field(ge=1, le=255)] = 255
    max_title_length: Annotated[int, Field(ge=0, le=200)] = 200
    max_description_length: Annotated[int, Field(ge=0, le=1_000_000)] = 10_000
    max_tags: Annotated[int, Field(ge=0, le=1000)] = 50
    max_tag_length: Annotated[int, Field(ge=1, le=100)] = 100
    max_attributes_bytes: Annotated[ByteSize, Field(ge=2, le=8 * 1024**2)] = ByteSize(64 * 1024)
    max_query_length: Annotated[int, Field(ge=1, le=10_000)] = 200
    request_timeout: Seconds = 30.0
    require_if_match: bool = False
    cors_origins: Origins = ""
    migration_lock_wait: Annotated[float, Field(ge=0, le=86_400)] = 600.0
    migration_lock_timeout: Seconds = 3.0
    migration_retries: Annotated[int, Field(ge=0, le=1000)] = 10
    backfill_batch_seconds: Seconds = 0.05
    backfill_pause: Annotated[float, Field(ge=0, le=3600)] = 0.01
    backfill_max_lag: Annotated[ByteSize, Field(gt=0)] = ByteSize(64 * 1024**2)
    migration_role: Annotated[str, Field(max_length=63)] = ""
    migration_output: Literal["text", "json"] = "text"
    accept_data_loss: str = ""
    log_format: Literal["json", "text"] | None = None  # app/observability/logs.py reads it

    @property
    def max_record_bytes(self) -> int:
        """Return an upper bound for an image's metadata as JSON, in which each character may be escaped."""
        text = self.max_title_length + self.max_description_length + self.max_tags * self.max_tag_length
        return 64 * 1024 + 12 * text + 4 * self.max_attributes_bytes

    @property
    def migrator_url(self) -> SecretStr:
        """Return the URL that yoyo connects to: the owner's if it is set."""
        return self.migration_database_url or self.database_url

    def accepts_loss_of(self, migration_id: str) -> bool:
        """Return whether ACCEPT_DATA_LOSS names this migration, or is `all`. Commas or blanks separate its IDs."""
        return not {"all", migration_id}.isdisjoint(self.accept_data_loss.replace(",", " ").split())


class ReviewSettings(BaseSettings):
    """Settings that only `images schema review` reads. It needs no service."""

    model_config = Settings.model_config

    review_database_url: DatabaseURL | None = None


class ServerSettings(BaseSettings):
    """Settings that uvicorn reads, from the environment only. They are checked here, before uvicorn starts."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    uvicorn_host: str = "127.0.0.1"
    uvicorn_port: Annotated[int, Digits, Field(ge=0, le=65_535)] = 8000
    web_concurrency: Annotated[int, Digits, Field(ge=1, le=1000)] = 1


class _Unchecked(BaseSettings):
    """Settings that are compared with others, as they are written."""

    model_config = Settings.model_config

    storage_url: str | None = None
    auth: str | None = None
    cors_origins: str = ""


class _Address(BaseSettings):
    """The address that uvicorn listens on. It can be read even if another setting of uvicorn is wrong."""

    model_config = ServerSettings.model_config

    uvicorn_host: str = "127.0.0.1"


MODELS: tuple[type[BaseSettings], ...] = (Settings, ReviewSettings, ServerSettings)
EXAMPLES = {
    "database_url": "example: DATABASE_URL=postgresql://images@db.example/images",
    "storage_url": "example: STORAGE_URL=file:/srv/images",
}
NAMES = [name.upper() for model in MODELS for name in model.model_fields]


def read_settings(*, needs_store: bool = False) -> Settings:
    """Read the settings. Raises WrongSettingsError with every wrong or missing one.

    `needs_store` tells that a missing STORAGE_URL is an error, too.
    """
    settings, faults = _read(Settings)
    faults += _read(ServerSettings)[1]
    # These can be read even if another setting is wrong: all faults are reported at once.
    (unchecked, _), (address, _) = _read(_Unchecked), _read(_Address)
    if needs_store and unchecked is not None and unchecked.storage_url is None:
        faults.append(UsageError("STORAGE_URL is not set.", EXAMPLES["storage_url"]))
    is_open = unchecked is not None and unchecked.auth == "none"
    if is_open and address is not None and not is_loopback(address.uvicorn_host):
        host = printable(address.uvicorn_host)
        faults.append(
            UsageError(f"UVICORN_HOST must be a loopback address with AUTH=none, not {host}.", "set AUTH=token")
        )
    if is_open and unchecked is not None and unchecked.cors_origins:
        faults.append(UsageError("CORS_ORIGINS must be empty with AUTH=none.", "remove it, or set AUTH=token"))
    if settings is None or faults:
        raise WrongSettingsError(faults)
    return settings


def check_settings() -> None:
    """Raise WrongSettingsError with every wrong or missing setting, of the review too."""
    faults = list(_read(ReviewSettings)[1])
    try:
        read_settings()
    except WrongSettingsError as error:
        faults += error.errors
    if faults:
        raise WrongSettingsError(faults)


def read_review_settings() -> ReviewSettings:
    """Read the settings of `images schema review`. Raises WrongSettingsError with every wrong one."""
    settings, faults = _read(ReviewSettings)
    if settings is None:
        raise WrongSettingsError(faults)
    return settings


def secrets_folder() -> Path | None:
    """Return the folder with a file for each secret: SECRETS_DIR, else /run/secrets if it can be read, else None."""
    named = os.environ.get("SECRETS_DIR")
    if named:
        return Path(named)
    return SECRETS if SECRETS.is_dir() and os.access(SECRETS, os.R_OK | os.X_OK) else None


def env_file(model: type[BaseSettings] = Settings) -> Path | None:
    """Return the file `.env` of the project, or None if the model reads none."""
    file = model.model_config.get("env_file")
    if not isinstance(file, Path):
        return None
    return file if project.current().is_own else project.current().folder / file.name


def _read(model: type[Read]) -> tuple[Read | None, list[UsageError]]:
    """Return the settings, or None and what is wrong with them. Raises UsageError if a source cannot be read."""
    folder = None if model is ServerSettings else secrets_folder()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # pydantic-settings only warns of a folder or a file that it cannot read
            return model(_secrets_dir=folder, _env_file=env_file(model)), []
    except ValidationError as error:
        return None, [_fault(model, fault) for fault in error.errors(include_url=False)]
    except (OSError, UnicodeError, SettingsError, UserWarning) as error:
        cause = error.__cause__ or error
    match cause:
        case OSError():
            raise UsageError(f"{cause.filename} cannot be read: {cause.strerror}.")
        case UnicodeError():  # its message may show the bytes of a secret
            raise UsageError(".env or the file of a secret is not UTF-8.")
    # The message of pydantic has the value, which may be a URL with a password.
    raise UsageError("SECRETS_DIR must be a folder." if "@" in str(cause) else f"SECRETS_DIR: {cause}.")


def _fault(model: type[BaseSettings], fault: ErrorDetails) -> UsageError:
    """Return one fault of pydantic as a sentence with the name of the setting, its value, and an example."""
    field = str(fault["loc"][0])
    name, value = field.upper(), printable(str(fault["input"]))
    value = MASK if may_have_password(value) else value
    shown = f'"{value[:MAX_SHOWN]}"' + ("..." if len(value) > MAX_SHOWN else "")
    info = model.model_fields[field]
    default = info.default
    cause = fault.get("ctx", {}).get("error")
    if isinstance(cause, WrongURLError):
        return UsageError(f"{name} {printable(str(cause))}.", cause.hint)
    match fault["type"]:
        case "missing":
            return UsageError(f"{name} is not set.", EXAMPLES.get(field))
        case "bool_parsing" | "bool_type":
            return UsageError(f"{name} must be true or false, not {shown}.")
        case "literal_error":
            return UsageError(f"{name} must be {' or '.join(_choices(info.annotation))}, not {shown}.")
        case "byte_size" | "byte_size_unit":
            return UsageError(f"{name}: {shown} is not a size. Examples: {int(default)}, {format_size(default)}.")
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal" | "finite_number":
            return UsageError(f"{name} must be {_range(info)}, not {shown}.")
        case "float_parsing" | "float_type":
            return UsageError(f"{name} must be a number, not {shown}. Example: {default:g}.")
        case "value_error":
            return UsageError(f"{name} {cause}, not {shown}. Example: {default}.")
        case "int_parsing" | "int_from_float" | "int_type" | "int_parsing_size":
            return UsageError(f"{name} must be a whole number, not {shown}. Example: {default}.")
        case "string_too_long":
            longest = fault["ctx"]["max_length"]
            return UsageError(f"{name} must have at most {longest} characters, not {len(fault['input'])}.")
    return UsageError(f"{name} must not be {shown}.")


def _choices(annotation: object) -> Iterator[str]:
    for part in get_args(annotation):
        yield from [part] if isinstance(part, str) else _choices(part)


def _range(info: FieldInfo) -> str:
    """Return the limits of a number in words: "from 1 to 1000", "more than 0"."""
    limits = {type(limit): limit for limit in info.metadata}
    low, above, high = limits.get(Ge), limits.get(Gt), limits.get(Le)
    least = f"from {_number(info, low.ge)}" if low else f"more than {_number(info, above.gt)}" if above else ""
    if high is None:
        return least
    return f"{least} {'to' if low else 'and at most'} {_number(info, high.le)}"


def _number(info: FieldInfo, limit: float) -> str:
    return format_size(int(limit)) if info.annotation is ByteSize else f"{limit:.16g}"


def format_size(size: int) -> str:
    """Return a number of bytes in the largest unit that divides it, as "50 MiB" or "10 MB"."""
    units = ((1024**3, "GiB"), (1000**3, "GB"), (1024**2, "MiB"), (1000**2, "MB"), (1024, "KiB"))
    return next((f"{size // unit} {name}" for unit, name in units if size and size % unit == 0), f"{size} bytes")
