"""Options of libpq in a URL: each one is asyncpg's too, has no effect on the service, or is rejected with its name."""

import socket
from pathlib import Path
from urllib.parse import quote

import pytest
from psycopg import pq

from app.database.connect import LIBPQ_ONLY, UNSUPPORTED, asyncpg_urls
from app.urls import OPTIONS
from tests.conftest import environment
from tests.support import forked

# Of asyncpg's documentation of a DSN. PostgreSQL takes the last three as settings of the session.
ASYNCPG = {
    *(
        "host",
        "port",
        "user",
        "password",
        "dbname",
        "passfile",
        "service",
        "target_session_attrs",
        "krbsrvname",
        "gsslib",
    ),
    *("sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword", "sslnegotiation"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version", "application_name", "client_encoding", "options"),
}


def test_each_option_of_libpq_is_in_one_group() -> None:
    options = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    options -= {"authtype", "tty", "servicefile"}  # without effect, and not in a URL

    assert options | OPTIONS == ASYNCPG | LIBPQ_ONLY | UNSUPPORTED
    assert not ASYNCPG & LIBPQ_ONLY
    assert not ASYNCPG & UNSUPPORTED
    assert not LIBPQ_ONLY & UNSUPPORTED


@pytest.mark.parametrize("name", sorted(UNSUPPORTED))
def test_an_option_that_asyncpg_lacks_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"the service cannot use {name}"):
        asyncpg_urls(f"postgresql://me@localhost/images?{name}=1")


@pytest.mark.parametrize("name", sorted(LIBPQ_ONLY))
def test_an_option_without_effect_is_left_out(name: str) -> None:
    assert asyncpg_urls(f"postgresql://me@localhost/images?{name}=1") == ["postgresql://me@localhost/images"]


@pytest.mark.parametrize("name", ["sslrootcert", "sslcert", "sslkey", "sslcrl"])
def test_a_wrong_path_is_told_at_once(name: str, tmp_path: Path) -> None:
    missing, folder = tmp_path / "missing.pem", tmp_path
    for path, why in ((missing, "No such file or directory"), (folder, "Is a directory")):
        with pytest.raises(ValueError, match=f"{name}: {path}: {why}"):
            asyncpg_urls(f"postgresql://me@localhost/images?sslmode=require&{name}={quote(str(path))}")
    assert asyncpg_urls(f"postgresql://me@localhost/images?sslmode=disable&{name}={missing}")


def test_the_certificates_of_the_system_are_not_for_asyncpg() -> None:
    with pytest.raises(ValueError, match="the service cannot use sslrootcert=system: name the file"):
        asyncpg_urls("postgresql://me@localhost/images?sslrootcert=system")


def test_the_wait_ends_at_once_for_a_wrong_path(tmp_path: Path) -> None:
    url = f"postgresql://me:secret@localhost:1/images?sslrootcert={tmp_path}/no.pem"

    done = forked.run(
        environment(DATABASE_URL=url, STORAGE_URL="memory:", MIGRATE="false", AUTH="none"), "images", "wait"
    )

    assert done.returncode != 0
    assert f"(DATABASE_URL): sslrootcert: {tmp_path}/no.pem: No such file or directory.\n" in done.stderr
    assert "waiting" not in done.stdout + done.stderr
    assert "secret" not in done.stdout + done.stderr


def test_a_port_that_accepts_and_never_answers_has_a_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://me:secret@127.0.0.1:{silent.getsockname()[1]}/images?sslmode=disable"

        done = forked.run(
            environment(DATABASE_URL=url, STORAGE_URL="memory:", MIGRATE="false", AUTH="none"),
            *("images", "wait", "--timeout", "1"),
        )

    assert done.returncode == 3
    assert "(DATABASE_URL): no answer in time.\nhint: waited 1 s; is the server up" in done.stderr
    assert "secret" not in done.stderr
