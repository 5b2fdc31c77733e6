"""URLs of databases, of object stores and of other servers: check, split and mask them.

No message of this module contains a part of a URL except its scheme, host and port.
"""

import os
import re
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

ESCAPES = "in a user name and a password, write @ as %40, / as %2F, : as %3A, ? as %3F, # as %23, % as %25"
MASK = "***"
MAX_PORT = 65_535
PORT = re.compile(r"[0-9]{1,5}")

# RFC 3986, 3.2.1. libpq and Python read these characters in different ways if they are not encoded.
RESERVED = re.compile(r"[/?#\[\]\s]|%(?![0-9A-Fa-f]{2})|%00")
BROKEN = re.compile(r"\s|%(?![0-9A-Fa-f]{2})|%00")
SECRET_OPTION = re.compile(r"pass|secret|token|sig|key|credential", re.IGNORECASE)

STORES = {"file", "memory", "s3", "s3a", "gs", "az", "azure", "adl", "abfs", "abfss", "http", "https"}
CONTAINER_AT_ACCOUNT = {"az", "azure", "adl", "abfs", "abfss"}  # schemes whose URLs may contain an @
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
FOLDER = re.compile(r"[./][\w./ -]*")
BUCKET = re.compile(r"[\w.-]+", re.ASCII)
SERVER = re.compile(r"([\w.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?", re.ASCII)  # a host, and perhaps a port
STORE_CREDENTIALS = "credentials come from variables of the store, such as AWS_ACCESS_KEY_ID"

ANY_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://[^\s\"'<>()]*")


DEFAULT_PORTS = {"http": 80, "https": 443}
LABEL = "[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?"
ORIGIN = re.compile(
    rf"(?P<scheme>https?)://(?:(?P<host>{LABEL}(?:\.{LABEL})*\.?)|\[(?P<address>[0-9a-f:.]+)\])(?::(?P<port>[0-9]{{1,5}}))?"
)
ORIGIN_HINT = (
    "an origin is a scheme, a host, and maybe a port, such as https://gallery.example or http://localhost:3000"
)
NOT_A_PORT = re.compile(r":(?!//|[0-9]*(?:/|$))")  # the rest may be a password


# asyncpg would send any other option to PostgreSQL as a setting.
OPTIONS = {  # of libpq 18
    "application_name",
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "dbname",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "load_balance_hosts",
    "max_protocol_version",
    "min_protocol_version",
    "oauth_client_id",
    "oauth_client_secret",
    "oauth_issuer",
    "oauth_scope",
    "options",
    "passfile",
    "password",
    "port",
    "replication",
    "require_auth",
    "requirepeer",
    "scram_client_key",
    "scram_server_key",
    "service",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcert",
    "sslcertmode",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslkey",
    "sslkeylogfile",
    "sslmode",
    "sslnegotiation",
    "sslpassword",
    "sslrootcert",
    "sslsni",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
}
CHOICES = {
    "sslmode": {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"},
    "target_session_attrs": {"any", "read-write", "read-only", "primary", "standby", "prefer-standby"},
}


class WrongURLError(ValueError):
    """A URL cannot be used. The message is the end of a sentence that begins with the name of its setting."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


def split_url(url: str) -> SplitResult:
    """Return the parts of a database URL as libpq reads them: # is an ordinary character there."""
    return urlsplit(url.replace("#", "%23"))


def check_database_url(url: str) -> None:
    """Raise WrongURLError if this is not `embedded:DIR` and not a `postgresql://` URL that both drivers read alike."""
    try:
        url.encode()
    except UnicodeEncodeError:  # a variable of the environment may have any bytes
        raise WrongURLError("is not UTF-8") from None
    if url.startswith("embedded:"):
        if url == "embedded:":
            raise WrongURLError("needs a folder: embedded:DIR")
        return
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in {"postgresql", "postgres"}:
        raise WrongURLError(
            "must start with postgresql:// or embedded:", "example: postgresql://images@db.example/images"
        )
    userinfo, at, _ = rest.rpartition("@")
    if at:
        _check_userinfo(userinfo)
    try:
        ports = None if BROKEN.search(url) else _ports(url)
    except ValueError:  # its message may contain the password
        ports = None
    if ports is None:
        raise WrongURLError("is not a URL that libpq understands", ESCAPES)
    if not all(PORT.fullmatch(port) and 1 <= int(port) <= MAX_PORT for port in ports):
        raise WrongURLError(  # the text after the last colon may be a part of a password
            f"has a port that is not a whole number from 1 to {MAX_PORT}",
            "example: postgresql://images@db.example:5432/images",
        )
    _check_options(url)


def _check_options(url: str) -> None:
    """Raise WrongURLError if libpq does not know an option. Hide a name after a secret: it may be a part of it."""
    after_secret = False
    for name, value in parse_qsl(split_url(url).query, keep_blank_values=True):
        shown = "an option" if after_secret or not name.isidentifier() else f"the option {name}"
        if name not in OPTIONS:
            raise WrongURLError(f"has {shown} that libpq does not know", "remove it, or correct its name")
        if name in CHOICES and not CHOICES[name].issuperset([value]):
            raise WrongURLError(f"has a wrong value of {name}", f"use {', '.join(sorted(CHOICES[name]))}")
        after_secret = after_secret or bool(SECRET_OPTION.search(name))


def _check_userinfo(userinfo: str) -> None:
    """Raise WrongURLError if the text before the last @ is more than a user name and a password."""
    found = "@" if "@" in userinfo else None
    if found is None and (match := RESERVED.search(userinfo)):
        found = match[0] if match[0] in "/?#[]" else "%" if match[0].startswith("%") else "blank"
    if found is None and userinfo.count(":") > 1:
        found = ":"
    if found is not None:
        character = "a blank" if found == "blank" else f'an unescaped "{found}"'
        raise WrongURLError(f"contains {character} in the user name or the password", ESCAPES)


def _ports(url: str) -> list[str]:
    """Return the ports that the URL names, for each of its hosts."""
    parts = split_url(url)
    named = [value for name, value in parse_qsl(parts.query, strict_parsing=bool(parts.query)) if name == "port"]
    hosts = parts.netloc.rpartition("@")[2].split(",")
    ports = [host.rpartition("]")[2].partition(":")[2] for host in hosts]
    return [port for port in [*ports, *",".join(named).split(",")] if port]


def with_role(url: str, role: str) -> str:
    """Return the URL of a database with an option that lets each session begin as this role. "" stands for none."""
    if not role:
        return url
    base, _, query = url.partition("?")
    options = parse_qsl(query, keep_blank_values=True)
    given = [value for name, value in options if name == "options"] or [os.environ.get("PGOPTIONS", "")]
    own = "-c role=" + re.sub(r"([\\\s])", r"\\\1", role)  # libpq splits at white space
    options = [pair for pair in options if pair[0] != "options"] + [("options", " ".join(filter(None, [*given, own])))]
    return f"{base}?{urlencode(options, quote_via=quote)}"


def check_storage_url(url: str) -> None:
    """Raise WrongURLError if this is no URL of an object store, or if it has a place for credentials.

    A URL that passes has no user name, password, query or fragment, so it can be shown.
    """
    scheme, separator, rest = url.partition(":")
    if not SCHEME.fullmatch(scheme) or not separator or (scheme not in STORES and not rest.startswith("//")):
        example = f"file:{url}" if FOLDER.fullmatch(url) else "file:/srv/images"
        raise WrongURLError("has no scheme", f"for a folder write {example} (other stores are s3://, gs:// and az://)")
    if scheme not in STORES:
        raise WrongURLError(f"has the unknown scheme {scheme}:", "use file:, s3://, gs://, az:// or memory:")
    if "?" in rest or "#" in rest:
        raise WrongURLError("contains a ? or a #", STORE_CREDENTIALS)
    before, at, _ = rest.replace("%40", "@").rpartition("@")
    if scheme == "file":
        if not rest.strip("/"):
            raise WrongURLError("needs a folder: file:DIR")
        if at and (":" in before or before.startswith("//")):  # a folder may have an @ in its name: file:/srv/a@b
            raise WrongURLError("contains an @", STORE_CREDENTIALS)
        return
    server = rest.removeprefix("//").partition("/")[0]
    bucket, named, account = server.partition("@")
    if named and scheme in CONTAINER_AT_ACCOUNT and ":" not in before and "/" not in before.removeprefix("//"):
        is_right = bool(BUCKET.fullmatch(bucket) and BUCKET.fullmatch(account))
    elif at:
        raise WrongURLError("contains an @", STORE_CREDENTIALS)
    else:
        pattern = SERVER if scheme in {"http", "https"} else BUCKET
        is_right = url == "memory:" or bool(pattern.fullmatch(server))
    if not is_right:
        raise WrongURLError("has a wrong name of the bucket, the container or the host", "example: s3://photos/2026")


def mask_url(url: str) -> str:
    """Return the URL of a database with *** for its password and its secret options.

    Of a URL that cannot be split safely, only the scheme is left.
    """
    scheme, separator, rest = url.partition(":")
    if not separator:
        return MASK
    if scheme == "embedded":
        return url  # a folder
    userinfo, at, place = rest.removeprefix("//").rpartition("@")
    if at and (RESERVED.search(userinfo) or "@" in userinfo or userinfo.count(":") > 1):
        return f"{scheme}://{MASK}"
    place, question, query = place.partition("?")
    user, colon, _ = userinfo.partition(":")
    masked = [_masked_option(option) for option in query.split("&")] if question else []
    if None in masked:
        return f"{scheme}://{MASK}"
    slashes = "//" if rest.startswith("//") else ""
    return f"{scheme}:{slashes}{user}{f':{MASK}' if colon else ''}{at}{place}{question}" + "&".join(map(str, masked))


def _masked_option(option: str) -> str | None:
    name, equals, value = option.partition("=")
    if not equals:
        return None  # the rest of a secret that contains an unescaped &
    return f"{name}={MASK if SECRET_OPTION.search(name) else value}"


def may_have_password(text: str) -> bool:
    """Return whether the value of a setting seems to be a URL with a password, maybe in the wrong line."""
    return "://" in text and "@" in text


def mask_server_url(url: str) -> str:
    """Return the URL of a server with *** for its user name, password, query and fragment.

    Of a URL that cannot be split safely, only the scheme is left.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or not SCHEME.fullmatch(scheme):
        return MASK
    place = re.split(r"[?#]", rest, maxsplit=1)[0]
    server, slash, path = place.rpartition("@")[2].partition("/")
    if "@" in rest[len(place) :] or not SERVER.fullmatch(server) or "/" in place.rpartition("@")[0]:
        return f"{scheme}://{MASK}"
    user = f"{MASK}@" if "@" in place else ""
    rest = f"{rest[len(place)]}{MASK}" if len(place) < len(rest) else ""
    return f"{scheme}://{user}{server}{slash}{path}{rest}"


def mask_urls(text: str) -> str:
    """Return the text with each URL in it cut down to its scheme and its host: a message of a library."""

    def place(match: re.Match[str]) -> str:
        host = re.split(r"[/?#]", match[0].partition("://")[2], maxsplit=1)[0]
        return f"{match[1]}://{MASK if '@' in match[0] else host}"

    return ANY_URL.sub(place, text)


def checked_origins(value: str) -> str:
    """Return the origins of CORS_ORIGINS as browsers send them: in lower case, without the default port. Or return *.

    Commas or blanks separate them. Raises WrongURLError if one is not an origin. The message does not contain a value
    in which a password may be.
    """
    origins = value.replace(",", " ").split()
    if "*" in origins and len(origins) > 1:
        raise WrongURLError("must be * or a list of origins, not both", ORIGIN_HINT)
    if origins == ["*"]:
        return "*"
    found = []
    for origin in origins:
        normal = normal_origin(origin)
        if normal is None:
            secret = re.search(r"[@?#]", value) or NOT_A_PORT.search(origin)
            shown = "must list only origins" if secret else f'must list origins, not "{origin}"'
            raise WrongURLError(shown, ORIGIN_HINT)
        found.append(normal)
    return ", ".join(found)


def normal_origin(text: str) -> str | None:
    """Return an origin (RFC 6454) as a browser sends it, or None if the text is not one."""
    match = ORIGIN.fullmatch(text.lower()) if text.isascii() else None
    if match is None:
        return None
    scheme, host, address, port = match["scheme"], match["host"], match["address"], match["port"]
    if address is not None:
        try:
            host = f"[{IPv6Address(address)}]"
        except ValueError:
            return None
    if port is not None and not 1 <= int(port) <= MAX_PORT:
        return None
    return f"{scheme}://{host}" + (f":{int(port)}" if port and int(port) != DEFAULT_PORTS[scheme] else "")


@lru_cache(maxsize=64)  # for each request with AUTH=none
def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a server that listens on this host."""
    try:
        address = ip_address(host)
    except ValueError:
        return host.lower() == "localhost"
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None  # Python 3.11 does not look into it
    return (mapped or address).is_loopback
