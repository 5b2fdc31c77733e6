"""The settings of the service: from the environment, then from `.env` in the project's folder, then from files."""

import os
import re
import warnings
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import SplitResult, parse_qsl, urlsplit

from pydantic import AfterValidator, ByteSize, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from app.errors import fail

# What libpq takes in no URL: a blank, and a % that encodes nothing.
UNSAFE = re.compile(r"\s|%(?![0-9A-Fa-f]{2})|%00")

ROOT = Path(__file__).resolve().parent.parent
SECRETS = Path("/run/secrets")  # where Docker puts them; another folder is named by SECRETS_DIR


def _database_url(value: SecretStr) -> SecretStr:
    url = value.get_secret_value()
    if url.startswith("embedded:"):
        if url == "embedded:":
            raise ValueError("needs a folder: embedded:DIR")
        return value
    if not url.startswith(("postgresql://", "postgres://")):
        raise ValueError("must start with postgresql:// or embedded:")
    try:
        understood = not UNSAFE.search(url) and all(port.isdecimal() and int(port) < 65_536 for port in _ports(url))
    except ValueError:  # whose words may show the password
        understood = False
    if not understood:
        raise ValueError("is no URL that libpq understands; in a password write @ as %40, / as %2F and so on")
    return value


def split_url(url: str) -> SplitResult:
    """The parts of a URL as libpq takes it, where # is a character like another."""
    return urlsplit(url.replace("#", "%23"))


def _ports(url: str) -> list[str]:
    """Those that the URL names, for each of its hosts."""
    parts = split_url(url)
    named = [value for name, value in parse_qsl(parts.query, strict_parsing=bool(parts.query)) if name == "port"]
    hosts = parts.netloc.rpartition("@")[2].split(",")
    ports = [host.rpartition("]")[2].partition(":")[2] for host in hosts]
    return [port for port in [*ports, *",".join(named).split(",")] if port]


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches a server that listens there."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


Read = TypeVar("Read", bound=BaseSettings)
DatabaseURL = Annotated[SecretStr, AfterValidator(_database_url)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Settings(BaseSettings):
    """One field a setting, named as its variable in lower case; the README's table says what each means."""

    model_config = SettingsConfigDict(
        env_file=ROOT / ".env", env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore", frozen=True
    )

    database_url: DatabaseURL
    read_database_url: DatabaseURL | None = None
    migration_database_url: DatabaseURL | None = None
    storage_url: str | None = None
    content_redirect: Annotated[int, Field(ge=0, le=604_800)] = 0
    auth: Literal["token", "none"] = "token"
    migrate: bool = True
    shutdown_delay: Annotated[float, Field(ge=0, le=3600)] = 0.0
    uvicorn_host: str = "127.0.0.1"
    database_pooler: Literal["none", "transaction"] = "none"
    database_pool_size: Annotated[int, Field(ge=1, le=1000)] = 10
    database_statement_timeout: Seconds = 5.0
    database_pool_queue: Annotated[int, Field(ge=0, le=100_000)] = 1000
    max_upload_bytes: Annotated[ByteSize, Field(gt=0)] = ByteSize(50 * 1024**2)
    max_image_pixels: Annotated[int, Field(gt=0)] = 100_000_000
    decode_timeout: Seconds = 30.0
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
    cors_origins: str = ""
    migration_lock_wait: Annotated[float, Field(ge=0, le=86_400)] = 600.0
    migration_lock_timeout: Seconds = 3.0
    migration_retries: Annotated[int, Field(ge=0, le=1000)] = 10
    accept_data_loss: str = ""
    log_format: Literal["json", "text"] | None = None  # read by app/observability/logs.py; here it is checked

    @property
    def max_record_bytes(self) -> int:
        """More than what is known of an image takes as JSON, where each character may be escaped."""
        text = self.max_title_length + self.max_description_length + self.max_tags * self.max_tag_length
        return 64 * 1024 + 12 * text + 4 * self.max_attributes_bytes

    @field_validator("uvicorn_host")
    @classmethod
    def _open_on_loopback_alone(cls, host: str, info: ValidationInfo) -> str:
        if info.data.get("auth") == "none" and not is_loopback(host):
            raise ValueError("is no loopback address, where AUTH=none is refused: set AUTH=token")
        return host

    @property
    def migrator_url(self) -> SecretStr:
        """The URL that yoyo connects to: the owner's, where there is one."""
        return self.migration_database_url or self.database_url

    def accepts_loss_of(self, migration_id: str) -> bool:
        """Whether ACCEPT_DATA_LOSS, a list of ids with commas or blanks between, or `all`, names this migration."""
        return not {"all", migration_id}.isdisjoint(self.accept_data_loss.replace(",", " ").split())


class ReviewSettings(BaseSettings):
    """What `images schema review` alone reads: it needs no service."""

    model_config = Settings.model_config

    review_database_url: DatabaseURL | None = None


def read_settings() -> Settings:
    """Read the settings, or end the command with one line that names each wrong one and no value."""
    return _read(Settings)


def read_review_settings() -> ReviewSettings:
    """The same for what `images schema review` needs."""
    return _read(ReviewSettings)


def secrets_folder() -> Path | None:
    """The folder with a file for a setting: where none is named, and there is none that may be read, there is none."""
    named = os.environ.get("SECRETS_DIR")
    if named:
        return Path(named)
    return SECRETS if SECRETS.is_dir() and os.access(SECRETS, os.R_OK | os.X_OK) else None


def _read(settings: type[Read]) -> Read:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # pydantic-settings only warns of a folder or a file that it cannot take
            return settings(_secrets_dir=secrets_folder())
    except (OSError, UnicodeError, SettingsError, UserWarning) as error:
        match error.__cause__ or error:
            case OSError() as cause:
                fail(f"settings: {cause.filename} cannot be read: {cause.strerror}")
            case UnicodeError() as cause:
                fail(f"settings: .env, or the file of a secret, is no UTF-8: {cause}")
            case cause:
                fail(f"settings: SECRETS_DIR: {cause}")
    except ValidationError as error:
        wrong = []
        for fault in error.errors(include_url=False, include_input=False, include_context=False):
            name = str(fault["loc"][0]).upper()
            reason = "is not set" if fault["type"] == "missing" else fault["msg"].removeprefix("Value error, ")
            wrong.append(f"{name} {reason[0].lower()}{reason[1:]}")
        fail(f"settings: {'; '.join(wrong)} (see .env.example and the README's table)")
