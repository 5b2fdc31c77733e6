"""Sources of the settings: which one each value comes from, and names in them that no setting has."""

import io
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from app.settings import NAMES, ServerSettings, env_file, secrets_folder
from app.text import printable

WARNED = "IMAGES_WARNED"  # set for yoyo if the command that started it has warned of unknown names
SIMILAR = 0.8  # of difflib's ratio: names in .env and in the folder of secrets
ALMOST_EQUAL = 0.88  # the same for the environment, which holds names of other programs

# Read from the environment only: by uvicorn, the object store's client, entrypoint.sh, and app/project.py.
ENVIRONMENT_ONLY = re.compile(
    r"(UVICORN|AWS|GOOGLE|AZURE|MALLOC)_\w+|WEB_CONCURRENCY|SECRETS_DIR|SCHEMA_PROJECT|PROMETHEUS_MULTIPROC_DIR"
)
SERVER_NAMES = {name.upper() for name in ServerSettings.model_fields}


class Found(NamedTuple):
    """A value as it is written, and its source: "environment", ".env" or the path of a file."""

    text: str
    source: str


class Sources:
    """The environment, `.env` and the folder of secrets. A source that cannot be read counts as empty."""

    @cached_property
    def environment(self) -> Mapping[str, str]:
        """Return the variables by their names in upper case, without empty ones."""
        return {name.upper(): value for name, value in os.environ.items() if value}

    @cached_property
    def dotenv(self) -> Mapping[str, str]:
        """Return the variables of `.env` by their names in upper case, without empty ones."""
        file = env_file()
        with suppress(OSError, UnicodeError):
            if file is not None and file.is_file():
                return {name.upper(): value for name, value in dotenv_values(file).items() if value}
        return {}

    @cached_property
    def secrets(self) -> Mapping[str, Path]:
        """Return the files in the folder of secrets by their names in upper case."""
        folder = secrets_folder()
        with suppress(OSError):
            if folder is not None:
                return {path.name.upper(): path for path in sorted(folder.iterdir()) if path.is_file()}
        return {}

    def find(self, name: str) -> Found | None:
        """Return the value of a setting and its source, or None if the default applies."""
        if name in self.environment:
            return Found(self.environment[name], "environment")
        if name in SERVER_NAMES:
            return None
        if name in self.dotenv:
            return Found(self.dotenv[name], ".env")
        if name in self.secrets:
            with suppress(OSError, UnicodeError):
                return Found(self.secrets[name].read_text(encoding="utf-8").strip(), str(self.secrets[name]))
        return None


def unknown_names() -> list[str]:
    """Return a sentence for each broken line of `.env`, and for each name in a source that no setting has.

    The environment and the folder of secrets have names of other programs too. There, only a name that is almost one
    of ours counts.
    """
    logging.getLogger("dotenv.main").setLevel(logging.ERROR)  # its warnings of broken lines are given here, once
    sources = Sources()
    return [
        *_broken_lines(),
        *_in_dotenv(sources),
        *_likely("environment", sources.environment, ALMOST_EQUAL),
        *_in_secrets(sources),
    ]


def _broken_lines() -> Iterator[str]:
    file = env_file()
    with suppress(OSError, UnicodeError):
        if file is not None and file.is_file():
            for binding in parse_stream(io.StringIO(file.read_text(encoding="utf-8"))):
                if binding.error:
                    yield f".env: line {binding.original.line} is not NAME=value, and is ignored."


def _in_dotenv(sources: Sources) -> Iterator[str]:
    for name in sources.dotenv:
        if _is_of_environment(name):
            if name not in sources.environment:
                yield f".env: {name} is read only from the environment. Set it there: export {name}=..."
        elif name not in NAMES:
            yield _sentence(".env", name, _nearest(name, SIMILAR))


def _in_secrets(sources: Sources) -> Iterator[str]:
    return _likely(str(secrets_folder()), sources.secrets, SIMILAR)


def _likely(source: str, names: Iterable[str], ratio: float) -> Iterator[str]:
    for name in names:
        if name not in NAMES and not _is_of_environment(name) and (nearest := _nearest(name, ratio)):
            yield _sentence(source, name, nearest)


def _is_of_environment(name: str) -> bool:
    """Return whether another program reads this name from the environment, and it is no misspelt name of ours."""
    is_misspelt = name not in NAMES and _nearest(name, ALMOST_EQUAL)
    return ENVIRONMENT_ONLY.fullmatch(name) is not None and not is_misspelt


def _nearest(name: str, ratio: float) -> str | None:
    return next(iter(get_close_matches(name, NAMES, 1, ratio)), None)


def _sentence(source: str, name: str, nearest: str | None) -> str:
    question = f" Did you mean {nearest}?" if nearest else ""
    return f"{source}: unknown setting {printable(name)}.{question}"
