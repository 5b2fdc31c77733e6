"""Settings: their sources, the errors of wrong values, and that no message contains a secret."""

import asyncio
import io
import json
import subprocess
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from functools import cache
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo
from pydantic_settings import BaseSettings
from uvicorn.main import main as uvicorn_command

from app import settings
from app.cli import main, show_settings
from app.cli.show_settings import show
from app.cli.wait import wait_for_database
from app.database.libpq_options import asyncpg_url
from app.decoder.client import describe_decoder
from app.errors import CommandError, ExitCode, UsageError, describe
from app.migrations.connection import connect
from app.setting_sources import unknown_names
from app.settings import MODELS, Settings, read_settings
from app.storage.store import reason
from app.urls import OPTIONS, is_loopback, mask_url, mask_urls
from tests.conftest import environment
from tests.support import forked
from tests.support.properties import few, given, st
from tests.support.properties import settings as hypothesis_settings

URL = "postgresql://app@localhost/images"
PORT_THAT_REFUSES = 1
READ: tuple[type[BaseSettings], ...] = (*MODELS, settings._Unchecked, settings._Address)
ENVIRONMENT_ONLY = {settings.ServerSettings, settings._Address}


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for model in READ:
        monkeypatch.setitem(model.model_config, "env_file", None)
        for name in model.model_fields:
            monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(settings, "SECRETS", tmp_path)
    # `images settings` starts a decoder for its last line, which takes most of the time and reads no setting.
    monkeypatch.setattr(show_settings, "describe_decoder", cache(describe_decoder))


@pytest.fixture
def dotenv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A file that is read as `.env`."""
    file = tmp_path / "dotenv"
    for model in READ:
        if model not in ENVIRONMENT_ONLY:
            monkeypatch.setitem(model.model_config, "env_file", file)
    return file


def faults(*, needs_store: bool = False) -> list[str]:
    """Return what a command prints about the settings."""
    with pytest.raises(UsageError) as raised:
        read_settings(needs_store=needs_store)
    assert raised.value.exit_code == ExitCode.USAGE
    return describe(raised.value).splitlines()


def test_both_urls_are_reported_as_missing_at_once() -> None:
    assert faults(needs_store=True) == [
        "error: DATABASE_URL is not set.",
        "hint: example: DATABASE_URL=postgresql://images@db.example/images",
        "error: STORAGE_URL is not set.",
        "hint: example: STORAGE_URL=file:/srv/images",
    ]
    assert faults() == [
        "error: DATABASE_URL is not set.",
        "hint: example: DATABASE_URL=postgresql://images@db.example/images",
    ]


WRONG = {
    "MAX_UPLOAD_BYTES=lots": 'MAX_UPLOAD_BYTES: "lots" is not a size. Examples: 52428800, 50 MiB.',
    "MAX_UPLOAD_BYTES=3 Furlong": 'MAX_UPLOAD_BYTES: "3 Furlong" is not a size. Examples: 52428800, 50 MiB.',
    "MAX_ATTRIBUTES_BYTES=1GB": 'MAX_ATTRIBUTES_BYTES must be from 2 bytes to 8 MiB, not "1GB".',
    "FORMATS=heic,gif": (
        'FORMATS must be formats with commas between, or none, not "heic,gif". Example: bmp,heic,jxl,raw.'
    ),
    "AUTH=maybe": 'AUTH must be token or none, not "maybe".',
    "LOG_FORMAT=xml": 'LOG_FORMAT must be json or text, not "xml".',
    "MIGRATE=perhaps": 'MIGRATE must be true or false, not "perhaps".',
    "DATABASE_POOL_SIZE=0": 'DATABASE_POOL_SIZE must be from 1 to 1000, not "0".',
    "MAX_IMAGE_PIXELS=0": 'MAX_IMAGE_PIXELS must be more than 0, not "0".',
    "MAX_TAGS=many": 'MAX_TAGS must be a whole number, not "many". Example: 50.',
    "MAX_TAGS=1.5": 'MAX_TAGS must be a whole number, not "1.5". Example: 50.',
    "REQUEST_TIMEOUT=nan": 'REQUEST_TIMEOUT must be more than 0 and at most 86400, not "nan".',
    "DECODE_TIMEOUT=long": 'DECODE_TIMEOUT must be a number, not "long". Example: 30.',
    "WEB_CONCURRENCY=abc": 'WEB_CONCURRENCY must be a whole number, not "abc". Example: 1.',
    "WEB_CONCURRENCY=4.0": 'WEB_CONCURRENCY must be a whole number, not "4.0". Example: 1.',
    "UVICORN_PORT=abc": 'UVICORN_PORT must be a whole number, not "abc". Example: 8000.',
    "UVICORN_PORT=70000": 'UVICORN_PORT must be from 0 to 65535, not "70000".',
    "STORAGE_URL=ftp://someone:hunter2@x": "STORAGE_URL has the unknown scheme ftp:.",
    "STORAGE_URL=s3://someone:hunter2@x": "STORAGE_URL contains an @.",
    "STORAGE_URL=az://someone:hunter2@x": "STORAGE_URL contains an @.",
    "STORAGE_URL=file://someone:hunter2@x/y": "STORAGE_URL contains an @.",
    "STORAGE_URL=file:someone:hunter2@x/y": "STORAGE_URL contains an @.",
    "STORAGE_URL=s3://someone:hunter2%40x": "STORAGE_URL contains an @.",
    "STORAGE_URL=s3://x/someone:hunter2@y": "STORAGE_URL contains an @.",
    "STORAGE_URL=s3://someone:hunter2": "STORAGE_URL has a wrong name of the bucket, the container or the host.",
    "STORAGE_URL=https://x/?sig=hunter2": "STORAGE_URL contains a ? or a #.",
    "STORAGE_URL=https://x/#hunter2": "STORAGE_URL contains a ? or a #.",
    "STORAGE_URL=someone:hunter2@x": "STORAGE_URL has no scheme.",
    "STORAGE_URL=/srv/photos": "STORAGE_URL has no scheme.",
    "DATABASE_URL=mysql://someone:hunter2@x": "DATABASE_URL must start with postgresql:// or embedded:.",
    "DATABASE_URL=embedded:": "DATABASE_URL needs a folder: embedded:DIR.",
    f"MIGRATION_ROLE={'a' * 64}": "MIGRATION_ROLE must have at most 63 characters, not 64.",
    "AUTH=\x1b[2J": 'AUTH must be token or none, not "\\x1b[2J".',
}


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_setting_is_named_with_its_value_and_an_example(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    name, _, value = line.partition("=")
    monkeypatch.setenv(name, value)

    first, *rest = faults()

    assert first == f"error: {WRONG[line]}"
    assert all(line.startswith("hint: ") for line in rest)
    assert "hunter2" not in "".join([first, *rest])


ORIGIN_HINT = (
    "hint: an origin is a scheme, a host, and maybe a port, such as https://gallery.example or http://localhost:3000"
)


@pytest.mark.parametrize(
    "value",
    [
        "https://a.example/",
        "https://a.example/gallery",
        "https://a.example, http://b.example/",
        "a.example",
        "//a.example",
        "ftp://a.example",
        "https://",
        "https://a..example",
        "https://a.example:",
        "https://a.example:0",
        "https://a.example:99999",
        "https://*.example",
        "https://bücher.example",
        "null",
        "**",
        "https:/a.example",
    ],
)
def test_a_value_that_is_no_origin_is_rejected(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setenv("CORS_ORIGINS", value)
    wrong = value.rpartition(", ")[2]

    assert faults() == [f'error: CORS_ORIGINS must list origins, not "{wrong}".', ORIGIN_HINT]


@pytest.mark.parametrize(
    "value",
    [
        "https://someone:hunter2@a.example",
        "https://someone:hunter2",
        "https://a.example?hunter2",
        "https://[::hunter2",
        "https://[::g]",
        "https://a.example, https://someone:hun ter2@a.example",
        "someone:hunter2@a.example",
        "https://hunter2@a.example",
        "https://a.example/?token=hunter2",
        "https://a.example/#hunter2",
    ],
)
def test_a_secret_in_an_origin_is_not_printed(
    value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setenv("CORS_ORIGINS", value)

    first, hint = faults()

    assert [first, hint] == ["error: CORS_ORIGINS must list only origins.", ORIGIN_HINT]
    with pytest.raises(UsageError):
        show("text")
    assert "CORS_ORIGINS                ***" in capsys.readouterr().out


def test_all_origins_beside_others_are_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setenv("CORS_ORIGINS", "*, https://a.example")

    assert faults() == ["error: CORS_ORIGINS must be * or a list of origins, not both.", ORIGIN_HINT]


@pytest.mark.parametrize(
    ("value", "origins"),
    [
        ("*", "*"),
        ("https://a.example", "https://a.example"),
        ("https://a.example,http://localhost:3000  http://127.0.0.1:8080", None),
        ("http://[::1]:3000, http://[2001:db8::1]", None),
        ("HTTPS://A.example", "https://a.example"),
        (
            "https://a.example:443, http://a.example:80, http://[::1]:80",
            "https://a.example, http://a.example, http://[::1]",
        ),
        ("https://my_host.example", None),
    ],
)
def test_origins_are_stored_as_browsers_send_them(
    value: str, origins: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setenv("CORS_ORIGINS", value)

    expected = (origins or value).replace(",", " ").split()
    assert read_settings().cors_origins.replace(",", " ").split() == expected


def test_all_faults_are_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for line in ("MAX_TAGS=many", "AUTH=none", "UVICORN_HOST=0.0.0.0", "WEB_CONCURRENCY=abc", "MIGRATE=perhaps"):
        name, _, value = line.partition("=")
        monkeypatch.setenv(name, value)

    errors = [line.removeprefix("error: ") for line in faults(needs_store=True) if line.startswith("error: ")]

    assert [error.partition(" ")[0] for error in errors] == [
        "DATABASE_URL",
        "MIGRATE",
        "MAX_TAGS",
        "WEB_CONCURRENCY",
        "STORAGE_URL",
        "UVICORN_HOST",
    ]


def test_auth_none_is_rejected_beyond_loopback_also_beside_other_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH", "none")
    monkeypatch.setenv("UVICORN_HOST", "0.0.0.0")  # noqa: S104

    assert faults()[2:] == [
        "error: UVICORN_HOST must be a loopback address with AUTH=none, not 0.0.0.0.",
        "hint: set AUTH=token",
    ]


@pytest.mark.parametrize("origins", ["*", "http://localhost:3000", "nonsense"])
def test_auth_none_admits_no_other_origin_and_tells_it_beside_other_faults(
    origins: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for line in (f"DATABASE_URL={URL}", "AUTH=none", f"CORS_ORIGINS={origins}", "MAX_TAGS=many"):
        name, _, value = line.partition("=")
        monkeypatch.setenv(name, value)

    assert faults()[-2:] == ["error: CORS_ORIGINS must be empty with AUTH=none.", "hint: remove it, or set AUTH=token"]
    monkeypatch.setenv("AUTH", "token")
    assert not [line for line in faults() if "AUTH" in line]


@pytest.mark.parametrize("fault", ["UVICORN_PORT=abc", "UVICORN_PORT=70000", "WEB_CONCURRENCY=0", "MAX_TAGS=many"])
def test_no_other_fault_hides_that_auth_none_is_public(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for line in (f"DATABASE_URL={URL}", "AUTH=none", "UVICORN_HOST=0.0.0.0", fault):
        name, _, value = line.partition("=")
        monkeypatch.setenv(name, value)

    errors = [line for line in faults() if line.startswith("error: ")]

    assert errors[0].startswith(f"error: {fault.partition('=')[0]} must be ")
    assert errors[1:] == ["error: UVICORN_HOST must be a loopback address with AUTH=none, not 0.0.0.0."]


@pytest.mark.parametrize(
    ("host", "is_accepted"),
    [
        ("127.0.0.1", True),
        ("127.0.0.2", True),
        ("127.255.255.254", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("::1", True),
        ("0:0:0:0:0:0:0:1", True),
        ("::ffff:127.0.0.1", True),
        ("::FFFF:7F00:2", True),
        ("0.0.0.0", False),  # noqa: S104
        ("::", False),
        ("::ffff:0.0.0.0", False),
        ("::ffff:192.0.2.1", False),
        ("192.0.2.1", False),
        ("128.0.0.1", False),
        ("example.org", False),
        ("localhost.example.org", False),
        ("127.0.0.1.example.org", False),
        (" ", False),
    ],
)
def test_auth_none_accepts_loopback_only(host: str, is_accepted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setenv("AUTH", "none")
    monkeypatch.setenv("UVICORN_HOST", host)

    if is_accepted:
        assert read_settings().auth == "none"
    else:
        assert faults()[0] == f"error: UVICORN_HOST must be a loopback address with AUTH=none, not {host}."


def test_an_empty_host_is_no_loopback_address() -> None:
    """uvicorn reads an empty UVICORN_HOST as its default, 127.0.0.1. An empty host itself means all addresses."""
    assert not is_loopback("")


def test_a_folder_without_a_scheme_is_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setenv("STORAGE_URL", "/srv/photos")

    assert faults()[1] == "hint: for a folder write file:/srv/photos (other stores are s3://, gs:// and az://)"


@pytest.mark.parametrize("url", ["file:", "file:/", "file://", "file:///"])
def test_a_store_of_files_needs_a_folder(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setenv("STORAGE_URL", url)

    assert faults() == ["error: STORAGE_URL needs a folder: file:DIR."]


def test_the_migrator_has_the_applications_url_unless_it_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    assert read_settings().migrator_url == read_settings().database_url

    monkeypatch.setenv("MIGRATION_DATABASE_URL", "postgresql://owner@localhost/images")
    assert read_settings().migrator_url.get_secret_value() == "postgresql://owner@localhost/images"


def test_a_password_is_in_no_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://app:hunter2@localhost/images")

    read = read_settings()

    assert "hunter2" not in f"{read!r} {read} {read.model_dump()} {read.model_dump_json()}"


def test_sizes_may_be_written_with_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setenv("MAX_UPLOAD_BYTES", "10 MiB")

    assert read_settings().max_upload_bytes == 10_485_760


def test_the_example_names_only_known_settings() -> None:
    lines = (settings.ROOT / ".env.example").read_text().splitlines()
    names = {line.partition("=")[0] for line in lines if line and not line.startswith("#")}

    assert names <= {name.upper() for name in Settings.model_fields}
    assert names >= {"DATABASE_URL", "STORAGE_URL"}


def test_a_url_may_have_options_that_only_libpq_knows() -> None:
    url = (
        "postgresql://app:p%40ss%231@one:5432,two:5433/images?connect_timeout=5&sslmode=require&channel_binding=prefer"
    )

    assert conninfo_to_dict(asyncpg_url(url)) == {
        "user": "app",
        "password": "p@ss#1",
        "host": "one,two",
        "port": "5432,5433",
        "dbname": "images",
        "sslmode": "require",
    }


URLS = {
    "postgresql://localhost": True,
    "postgres://app:p%40ss@[::1]:5432,two/images?sslmode=require": True,
    "postgresql:///images?host=/var/run/postgresql&port=5433": True,
    "postgresql://%2Fvar%2Frun%2Fpostgresql/images": True,
    "postgresql://app:hunter2%23@localhost/images": True,
    "postgresql://app:@localhost/images": True,
    "postgresql://app:hunter2#@localhost/images": False,
    "postgresql://app:hunter@2@localhost/images": False,
    "postgresql://app:hunter2:x@localhost/images": False,
    "postgresql://app:hunter2/x@localhost/images": False,
    "postgresql://app:hunter2?x@localhost/images": False,
    "postgresql://app:hunter2[x@localhost/images": False,
    "postgresql://app:hunter2 x@localhost/images": False,
    "postgresql://app:hunter2%zz@localhost/images": False,
    "postgresql://app:hunter2%00@localhost/images": False,
    "postgresql://app@[::1/images": False,
    "postgresql://app@localhost/images?sslmode": False,
}


@pytest.mark.parametrize("url", URLS)
def test_a_url_is_rejected_that_the_two_drivers_would_not_read_alike(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    if URLS[url]:
        assert read_settings().database_url.get_secret_value() == url
        assert conninfo_to_dict(asyncpg_url(url)) == conninfo_to_dict(url)
        return

    error, hint = faults()

    assert error.startswith("error: DATABASE_URL ")
    assert "write @ as %40" in hint
    assert "hunter" not in error + hint


@pytest.mark.parametrize(
    "rest", [":port/images", ":65536/images", ":0/images", f":{5000 * '9'}/images", "/images?port=a", ":٣/images"]
)
def test_a_wrong_port_of_a_url_is_called_a_port(rest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://app:hunter2@localhost{rest}")

    assert faults() == [
        "error: DATABASE_URL has a port that is not a whole number from 1 to 65535.",
        "hint: example: postgresql://images@db.example:5432/images",
    ]


# Letters that no message contains, and characters with a meaning in a URL or for a shell.
PASSWORDS = st.text("qxzjkQXZJK" + "@/:?#[]%& +=,;'\"<>()\\^`{|}~$!*-_.é", min_size=4, max_size=24)


def parts_of(password: str) -> set[str]:
    return {password[start : start + 4] for start in range(len(password) - 3)}


def said_by(work: Callable[[], object]) -> str:
    """Return all that a command says with --verbose: its output, the error, and the traceback without source lines."""
    output = io.StringIO()
    with redirect_stdout(output), redirect_stderr(output):
        try:
            work()
        except CommandError as error:
            print(describe(error))
            lines = "".join(traceback.format_exception(error)).splitlines()
            print("\n".join(line for line in lines if not line.startswith("    ")))
        except SystemExit as end:
            print(end.code)
    return output.getvalue()


@pytest.mark.parametrize("name", ["DATABASE_URL", "MIGRATION_DATABASE_URL", "READ_DATABASE_URL"])
@given(password=PASSWORDS)
@example(password="qxqx@zkzkzk")
@example(password="qxqx/zkzkzk")
@example(password="qxqx:zkzkzk")
@hypothesis_settings(max_examples=40)
def test_no_part_of_a_password_is_in_a_message(name: str, password: str) -> None:
    url = f"postgresql://images:{password}@127.0.0.1:{PORT_THAT_REFUSES}/images"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", URL.replace("localhost", f"127.0.0.1:{PORT_THAT_REFUSES}"))
        patch.setenv("STORAGE_URL", "memory:")
        patch.setenv(name, url)

        said = said_by(read_settings)
        said += said_by(lambda: asyncio.run(wait_for_database(0)))
        said += said_by(lambda: connect(read_settings()))
        said += said_by(lambda: show("text"))
        said += said_by(lambda: show("json"))

    assert "127.0.0.1" in said
    assert [part for part in parts_of(password) if part in said] == []


# `az://NAME@account` is a container, and no secret.
SECRET_PLACES = st.sampled_from(
    [
        *(f"{scheme}://u:{{}}@h/x" for scheme in ("file", "s3", "gs", "az", "abfss", "https", "memory", "ftp")),
        *(f"{scheme}://{{}}@h/x" for scheme in ("file", "s3", "gs", "https", "ftp")),
        *(f"{scheme}://{{}}:p@h/x" for scheme in ("file", "s3", "az", "https")),
        *(f"{scheme}://h/x?sig={{}}" for scheme in ("file", "s3", "az", "https", "memory", "ftp")),
        *(f"{scheme}://h/x?a=b&{{}}" for scheme in ("file", "s3", "https")),
        *(f"{scheme}://h/x#{{}}" for scheme in ("file", "s3", "az", "https", "memory", "ftp")),
        *(f"{scheme}:u:{{}}@h/x" for scheme in ("file", "s3", "memory")),
        "s3://k:{}%40b/x",
        "file:/u:{}@h/x",
        "u:{}@h/x",
    ]
)


@given(place=SECRET_PLACES, password=PASSWORDS, is_escaped=st.booleans())
@example(place="s3://{}@h/x", password="qxqxzk", is_escaped=True)
@hypothesis_settings(max_examples=few(150))
def test_no_part_of_a_secret_in_a_url_of_a_store_is_shown(place: str, password: str, is_escaped: bool) -> None:
    secret = quote(password, safe="") if is_escaped else password
    url = place.format(secret)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", URL)
        patch.setenv("STORAGE_URL", url)
        patch.setenv("AWS_ENDPOINT", url)
        patch.setenv("GOOGLE_PROXY_URL", url)

        said = said_by(lambda: read_settings(needs_store=True))
        said += said_by(lambda: show("text"))
        said += said_by(lambda: show("json"))

    assert "error: STORAGE_URL " in said
    assert [part for part in parts_of(secret) if part in said] == []


@pytest.mark.parametrize(
    "url",
    [
        "file:/srv/images",
        "file:///srv/images",
        "file:.data/objects",
        "file:/srv/a photo@home/x",
        "file:/srv/10:30",
        "s3://photos.example/a prefix/of:it",
        "s3a://photos",
        "gs://photos_1/x",
        "az://container@account/x",
        "abfss://container@account.dfs.core.windows.net/x",
        "https://store.example:9000/x",
        "http://[::1]:9000/x",
        "memory:",
    ],
)
def test_a_url_of_a_store_without_a_secret_is_shown_as_it_is(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setenv("STORAGE_URL", url)

    show("json")

    rows = {row["name"]: row["value"] for row in json.loads(capsys.readouterr().out)["settings"]}
    assert rows["STORAGE_URL"] == url


@given(password=PASSWORDS)
@hypothesis_settings(max_examples=few(200))
def test_an_escaped_password_reaches_both_drivers(password: str) -> None:
    url = f"postgresql://images:{quote(password, safe='')}@db.example/images"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", url)

        read = read_settings().database_url.get_secret_value()

    assert conninfo_to_dict(read)["password"] == password
    assert conninfo_to_dict(asyncpg_url(read))["password"] == password
    assert not parts_of(password) & parts_of(mask_url(read))


@given(password=PASSWORDS)
@hypothesis_settings(max_examples=few(200))
def test_no_part_of_a_secret_in_a_url_is_in_a_message_of_the_store(password: str) -> None:
    secret = quote(password, safe="@/:?#[]&+=,;$!*")
    for url in (f"https://someone:{secret}@store.example/x", f"https://store.example/x?sig={secret}"):
        said = reason(OSError(f"Error performing HEAD {url} in 1s - HTTP error: error sending request"))

        assert [part for part in parts_of(secret) if part in said] == []
        assert said.endswith("error sending request")
    assert mask_urls("HEAD http://127.0.0.1:9/images/x in 1s") == "HEAD http://127.0.0.1:9 in 1s"


def test_an_escaped_password_connects(database: str, tmp_path: Path) -> None:
    url = database.replace("postgres@", f"postgres:{quote('Winter@Sommer/2027:#?[]%', safe='')}@")
    variables = environment(DATABASE_URL=url, STORAGE_URL=f"file:{tmp_path}")

    assert forked.run(variables, "images", "wait", "--timeout", "30").returncode == 0
    assert forked.run(variables, "yoyo", "list").returncode == 0


def test_a_secret_comes_from_a_file_named_as_its_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Docker and Kubernetes write them in either case, with a newline, and as a link within the folder."""
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "database_url").write_text("postgresql://app:hunter2@file/images\n")
    (tmp_path / "database_url").symlink_to("..data/database_url")
    (tmp_path / "MIGRATION_DATABASE_URL").write_text("postgresql://owner@file/images")
    (tmp_path / "kubernetes.io").mkdir()

    read = read_settings()

    assert read.database_url.get_secret_value() == "postgresql://app:hunter2@file/images"
    assert read.migrator_url.get_secret_value() == "postgresql://owner@file/images"
    monkeypatch.setenv("DATABASE_URL", "postgresql://app@environment/images")
    assert read_settings().database_url.get_secret_value() == "postgresql://app@environment/images"


def test_secrets_come_from_the_folder_that_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "database_url").write_text("postgresql://app@elsewhere/images")
    (tmp_path / "database_url").write_text("postgresql://app@run/images")
    monkeypatch.setenv("SECRETS_DIR", str(folder))

    assert read_settings().database_url.get_secret_value() == "postgresql://app@elsewhere/images"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "error: DATABASE_URL must start with postgresql:// or embedded:."),
        (b"hunter2\xff", "error: .env or the file of a secret is not UTF-8."),
        (None, "error: SECRETS_DIR: attempted to load secret file "),
    ],
    ids=["empty", "bytes", "a folder"],
)
def test_a_secret_that_cannot_be_used_is_an_error(content: bytes | None, error: str, tmp_path: Path) -> None:
    if content is None:
        (tmp_path / "database_url").mkdir()
    else:
        (tmp_path / "database_url").write_bytes(content)

    assert faults()[0].startswith(error)
    assert "hunter2" not in said_by(read_settings)


def test_a_secret_that_may_not_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(path: Path, **_: object) -> str:  # root may read a file whatever its mode
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "database_url").write_text("postgresql://app@run/images")
    monkeypatch.setattr(Path, "read_text", deny)

    assert faults() == [f"error: {tmp_path}/database_url cannot be read: Permission denied."]


def test_a_folder_of_secrets_that_does_not_exist_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path / "none"))

    assert faults() == [f'error: SECRETS_DIR: directory "{tmp_path}/none" does not exist.']


def test_a_url_in_the_line_of_another_setting_shows_no_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = ""
    names = {name.upper() for model in MODELS for name in model.model_fields} | {"SECRETS_DIR", "UVICORN_LOG_LEVEL"}
    for url in ("postgresql://app:hunter2@db/images", "postgresql://app:hunter2 hunter2@db/images"):
        for name in sorted(names):
            with monkeypatch.context() as patch:
                patch.setenv(name, url)
                with suppress(UsageError):
                    show("json")
            shown += "\n".join([*capsys.readouterr(), *faults()])

    assert "***" in shown
    assert "hunter2" not in shown


def test_yoyo_reads_secrets_too(tmp_path: Path) -> None:
    (tmp_path / "database_url").write_text("mysql://someone:hunter2@x")

    library = settings.ROOT / "tests" / "project" / "library"  # it has no .env, which comes first
    done = forked.run(environment(SECRETS_DIR=str(tmp_path)), "yoyo", "list", folder=library)

    assert done.returncode == ExitCode.USAGE
    assert done.stderr.startswith("error: DATABASE_URL must start with postgresql:// or embedded:.\n")
    assert "hunter2" not in done.stderr


def test_uvicorn_ends_without_a_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        ["uvicorn", "--factory", "app.main:from_environment"],
        cwd=settings.ROOT,
        env=environment(DATABASE_URL=URL, STORAGE_URL="objects", MAX_TAGS="many"),
        capture_output=True,
        text=True,
    )

    assert done.returncode == ExitCode.USAGE
    assert 'error: MAX_TAGS must be a whole number, not "many". Example: 50.' in done.stderr
    assert "error: STORAGE_URL has no scheme." in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_name_is_told_with_the_nearest_one(
    dotenv: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dotenv.write_text("MAX_UPLOAD_BYTE=1MiB\nSOMETHING_ELSE=1\nUVICORN_PORT=8001\nAUTH=none\nexport max_tags=3\n")
    (tmp_path / "migration_database_ur").write_text(URL)
    (tmp_path / "postgres_password").write_text("hunter2")
    monkeypatch.setenv("AUTHH", "token")
    monkeypatch.setenv("DATABASE_HOST", "of another program")

    assert unknown_names() == [
        ".env: unknown setting MAX_UPLOAD_BYTE. Did you mean MAX_UPLOAD_BYTES?",
        ".env: unknown setting SOMETHING_ELSE.",
        ".env: UVICORN_PORT is read only from the environment. Set it there: export UVICORN_PORT=...",
        "environment: unknown setting AUTHH. Did you mean AUTH?",
        f"{tmp_path}: unknown setting MIGRATION_DATABASE_UR. Did you mean MIGRATION_DATABASE_URL?",
    ]


def test_a_misspelt_variable_of_the_server_is_told(dotenv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dotenv.write_text("UVICORN_PROT=8001\nUVICORN_HOTS=::1\nUVICORN_RELOAD=1\n")
    for option in uvicorn_command.params:  # valid names are no mistakes
        monkeypatch.setenv(f"UVICORN_{str(option.name).upper()}", "1")
    monkeypatch.delenv("UVICORN_RELOAD")
    monkeypatch.setenv("UVICORN_PROT", "8001")

    assert unknown_names() == [
        ".env: unknown setting UVICORN_PROT. Did you mean UVICORN_PORT?",
        ".env: unknown setting UVICORN_HOTS. Did you mean UVICORN_HOST?",
        ".env: UVICORN_RELOAD is read only from the environment. Set it there: export UVICORN_RELOAD=...",
        "environment: unknown setting UVICORN_PROT. Did you mean UVICORN_PORT?",
    ]


def test_quiet_prints_no_warning(dotenv: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dotenv.write_text("MAX_TAG=3\n")

    main.run(["schema", "backfill", "pause", "--quiet", "0001"])
    assert "warning" not in capsys.readouterr().err

    main.run(["schema", "backfill", "pause", "0001"])
    assert "warning: .env: unknown setting MAX_TAG. Did you mean MAX_TAGS?" in capsys.readouterr().err


def test_a_broken_line_of_dotenv_is_told_once(dotenv: Path, caplog: pytest.LogCaptureFixture) -> None:
    dotenv.write_text("MAX_TAGS=3\nhunter2 of nobody\nAUTH=none\n")

    assert unknown_names() == [".env: line 2 is not NAME=value, and is ignored."]
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("foo=x", "has the option foo that libpq does not know"),
        ("sslmode=hunter2", "has a wrong value of sslmode"),
        ("password=a&hunter2=c", "has an option that libpq does not know"),
    ],
)
def test_an_option_that_libpq_rejects_is_a_wrong_setting(
    options: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://a:hunter2@h/db?{options}")

    error, hint = faults()

    assert error == f"error: DATABASE_URL {message}."
    assert "hunter2" not in hint


def test_the_options_of_libpq_are_known() -> None:
    assert {option.keyword.decode() for option in Conninfo.get_defaults()} == OPTIONS


def test_images_wait_warns_once_of_an_unknown_name(database: str, tmp_path: Path) -> None:
    variables = environment(DATABASE_URL=database, STORAGE_URL=f"file:{tmp_path}", MAX_UPLOAD_BYTE="1MiB")

    done = forked.run(variables, "images", "wait", "--timeout", "30")

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "warning: environment: unknown setting MAX_UPLOAD_BYTE. Did you mean MAX_UPLOAD_BYTES?\n"


def test_each_setting_is_shown_with_its_source(
    dotenv: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dotenv.write_text("MAX_TAGS=3\nMAX_TAG=4\nAUTH=none\n")
    (tmp_path / "database_url").write_text("postgresql://app:hunter2@db/images?password=hunter2&sslmode=require\n")
    monkeypatch.setenv("AUTH", "token")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("AWS_ENDPOINT", "https://someone:hunter2@store.example:9000/x?sig=hunter2")
    monkeypatch.setenv("UVICORN_SSL_KEYFILE_PASSWORD", "hunter2")
    monkeypatch.setenv("UVICORN_WORKERS", "2")

    show("json")

    shown = capsys.readouterr().out
    listed = json.loads(shown)
    rows = {row["name"]: (row["value"], row["source"]) for row in listed["settings"]}
    assert {name.upper() for model in MODELS for name in model.model_fields} <= rows.keys()
    assert rows["AUTH"] == ("token", "environment")
    assert rows["MAX_TAGS"] == ("3", ".env")
    assert rows["MAX_UPLOAD_BYTES"] == ("50 MiB", "default")
    assert rows["STORAGE_URL"] == (None, "default")
    assert rows["DATABASE_URL"] == (
        "postgresql://app:***@db/images?password=***&sslmode=require",
        str(tmp_path / "database_url"),
    )
    assert rows["AWS_SECRET_ACCESS_KEY"] == ("***", "environment")
    assert rows["AWS_ENDPOINT"] == ("https://***@store.example:9000/x?***", "environment")
    assert rows["UVICORN_WORKERS"] == ("2", "environment")
    assert listed["warnings"] == [".env: unknown setting MAX_TAG. Did you mean MAX_TAGS?"]
    show("text")
    text = capsys.readouterr()
    assert len(text.out.splitlines()) == len(rows) + 1  # the last is the decoder's sandbox
    assert "hunter2" not in shown + text.out + text.err


def test_settings_shows_the_faults_of_all_models_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REVIEW_DATABASE_URL", "mysql://x")
    monkeypatch.setenv("MAX_TAGS", "many")
    monkeypatch.setenv("WEB_CONCURRENCY", "abc")

    with pytest.raises(UsageError) as raised:
        show("text")

    said = describe(raised.value)
    for name in ("REVIEW_DATABASE_URL", "DATABASE_URL", "MAX_TAGS", "WEB_CONCURRENCY"):
        assert f"error: {name} " in said


def test_wrong_settings_are_shown_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://app:hunter@2@db/images")
    monkeypatch.setenv("MAX_TAGS", "many")

    with pytest.raises(UsageError):
        show("text")

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["DATABASE_URL", "***", "environment"] in lines
    assert ["MAX_TAGS", "many", "environment"] in lines
