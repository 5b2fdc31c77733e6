"""libpq's options and variables for asyncpg: the options of a URL, and PGSSLMODE, PGOPTIONS and others.

yoyo connects with libpq, and the service with asyncpg. The service does what libpq would do with each option, or
rejects it with its name.
"""

import os
import random
import stat
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, urlencode

from app.urls import split_url

# Options that tune a connection: the service has limits of its own.
IGNORED = {
    *("connect_timeout", "fallback_application_name", "max_protocol_version", "sslcompression", "sslkeylogfile"),
    *("keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval", "tcp_user_timeout"),
    *("application_name", "client_encoding"),  # the service sets both
}

# Options that asyncpg does not know, with the values that it fulfills. The service rejects any other value.
LACKING: dict[str, set[str]] = {
    "channel_binding": {"disable", "prefer"},
    "gssdelegation": {"0"},
    "gssencmode": {"disable", "prefer"},
    "hostaddr": set(),
    "load_balance_hosts": {"disable", "random"},
    "min_protocol_version": {"3.0"},
    "oauth_client_id": set(),
    "oauth_client_secret": set(),
    "oauth_issuer": set(),
    "oauth_scope": set(),
    "replication": set(),
    "require_auth": set(),
    "requirepeer": set(),
    "scram_client_key": set(),
    "scram_server_key": set(),
    "service": set(),
    "sslcertmode": {"allow"},
    "sslcrldir": set(),
    "sslsni": {"1"},
}
PROOF = ["use sslmode=verify-full to verify the server"]
ADVICE = {
    "channel_binding": PROOF,
    "hostaddr": ["write the address as the host"],
    "require_auth": PROOF,
    "service": ["write its options into the URL"],
    "sslcrldir": ["name one file with sslcrl"],
}

# libpq's variable of an option is PG and its name without underscores, except for these.
VARIABLES = {"application_name": "PGAPPNAME", "connect_timeout": "PGCONNECT_TIMEOUT", "dbname": "PGDATABASE"}
WITH_VARIABLE = {
    *("application_name", "channel_binding", "client_encoding", "connect_timeout", "dbname", "gssdelegation"),
    *("gssencmode", "gsslib", "host", "hostaddr", "krbsrvname", "load_balance_hosts", "max_protocol_version"),
    *("min_protocol_version", "options", "passfile", "password", "port", "require_auth", "requirepeer", "service"),
    *("sslcert", "sslcertmode", "sslcompression", "sslcrl", "sslcrldir", "sslkey", "sslmode", "sslnegotiation"),
    *("ssl_max_protocol_version", "ssl_min_protocol_version", "sslrootcert", "sslsni", "target_session_attrs", "user"),
}
FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")


def variable_of(name: str) -> str:
    """Return the variable of the environment from which libpq takes an option."""
    return VARIABLES.get(name, f"PG{name.upper().replace('_', '')}")


def asyncpg_url(url: str) -> str:
    """Return the URL as libpq reads it, with what libpq takes from the environment, and without what asyncpg lacks.

    Raises ValueError for an option that the service cannot fulfill, and for a file that cannot be used.
    """
    parts = split_url(url)
    return _joined(parts, parts.netloc, _options(parts))


def asyncpg_urls(url: str) -> list[str]:
    """Return one URL for each host. Raise ValueError as `asyncpg_url` does.

    Also raise it if the URL has neither one port nor one for each host. With all hosts in one URL, asyncpg would wait
    for a frozen host until no time is left for the others. The exception is target_session_attrs=prefer-standby: to
    prefer one, asyncpg must know all hosts.
    """
    parts = split_url(url)
    options = _options(parts)
    user, at, places = parts.netloc.rpartition("@")
    lists = [places.split(","), *(options.get(name, "").split(",") for name in ("host", "port"))]
    count = max(map(len, lists))
    if count == 1 or options.get("target_session_attrs") == "prefer-standby":
        return [_joined(parts, parts.netloc, options)]
    if any(len(named) not in (1, count) for named in lists):
        raise ValueError("the URL must have one port, or one for each host")
    urls = []
    for place, host, port in zip(*(named * count if len(named) == 1 else named for named in lists), strict=False):
        own = options | ({"host": host} if host else {}) | ({"port": port} if port else {})
        urls.append(_joined(parts, f"{user}{at}{place}", own))
    if options.get("load_balance_hosts") == "random":
        random.shuffle(urls)
    return urls


def _joined(parts: SplitResult, place: str, options: dict[str, str]) -> str:
    kept = {name: value for name, value in options.items() if name not in IGNORED and name not in LACKING}
    return f"postgresql://{place}{parts.path}" + (f"?{urlencode(kept)}" if kept else "")


def _with_environment(parts: SplitResult) -> tuple[dict[str, str], dict[str, str]]:
    """Return the options of a URL and those of the environment that it does not have, and the name of each's source."""
    options = dict(parse_qsl(parts.query))
    names = {name: name for name in options}
    for name in sorted(WITH_VARIABLE - _named(parts, options)):
        if value := os.environ.get(variable := variable_of(name)):
            options[name], names[name] = value, f"{variable} ({name})"
    return options, names


def _options(parts: SplitResult) -> dict[str, str]:
    """Return the options for asyncpg. Raise ValueError for one that it does not fulfill."""
    options, names = _with_environment(parts)
    for name in sorted(LACKING.keys() & options.keys()):
        if options[name] not in LACKING[name]:
            raise ValueError(": ".join([f"the service cannot use {names[name]}", *ADVICE.get(name, [])]))
    if options.get("sslrootcert") == "system":
        raise ValueError(f"the service cannot use {names['sslrootcert']}=system: name the file with the certificates")
    _check_files(options, names)
    return options


def check_files(url: str) -> None:
    """Raise ValueError if a file of TLS that the URL or the environment names cannot be used."""
    _check_files(*_with_environment(split_url(url)))


def _check_files(options: dict[str, str], names: dict[str, str]) -> None:
    for name in FILES if options.get("sslmode") != "disable" else ():
        path = options.get(name)
        if not path or path == "system":
            continue
        try:
            with Path(path).open("rb") as file:
                status = os.fstat(file.fileno())
        except OSError as error:
            raise ValueError(f"{names[name]}: {path}: {error.strerror}") from error
        # As libpq: the group may read a key that belongs to root.
        if name == "sslkey" and stat.S_IMODE(status.st_mode) & (0o037 if status.st_uid == 0 else 0o077):
            raise ValueError(f"{names[name]}: {path}: other users may read it: chmod 600 {path}")


def _named(parts: SplitResult, options: dict[str, str]) -> set[str]:
    """Return the names of the options that the URL has, in whichever of its parts."""
    user, _, places = parts.netloc.rpartition("@")
    _, _, password = user.partition(":")
    has_port = any(place.rpartition("]")[2].partition(":")[2] for place in places.split(","))
    found = {"user": user, "password": password, "host": places, "port": has_port, "dbname": parts.path.strip("/")}
    return {*options, *(name for name, value in found.items() if value)}
