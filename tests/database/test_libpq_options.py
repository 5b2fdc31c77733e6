"""Options and variables of libpq: the service does what libpq would do, or rejects it with its name."""

import re
import socket
from pathlib import Path
from urllib.parse import quote

import pytest
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from app.database.libpq_options import IGNORED, LACKING, WITH_VARIABLE, asyncpg_urls, variable_of
from app.urls import OPTIONS
from tests.conftest import environment
from tests.support import forked

# Of asyncpg's documentation of a DSN. PostgreSQL takes `options` as a setting of the session.
ASYNCPG = {
    *("host", "port", "user", "password", "dbname", "passfile", "target_session_attrs", "krbsrvname", "gsslib"),
    *("sslmode", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword", "sslnegotiation", "options"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version"),
}
NOT_IN_A_URL = {"authtype", "tty", "servicefile"}
URL = "postgresql://me@localhost/images"
VALUES = {  # of options whose values are checked. Others get "1"
    "load_balance_hosts": "random",
    "sslmode": "require",
    "sslrootcert": "system",
    "target_session_attrs": "primary",
}


@pytest.fixture(autouse=True)
def without_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in WITH_VARIABLE:
        monkeypatch.delenv(variable_of(name), raising=False)


def outcome(url: str) -> list[str] | str:
    try:
        return asyncpg_urls(url)
    except ValueError as error:
        return str(error)


def test_each_option_of_libpq_is_in_one_group() -> None:
    options = {option.keyword.decode() for option in pq.Conninfo.get_defaults()} - NOT_IN_A_URL

    assert options | OPTIONS == ASYNCPG | IGNORED | LACKING.keys()
    assert not ASYNCPG & IGNORED
    assert not ASYNCPG & LACKING.keys()
    assert not IGNORED & LACKING.keys()


def test_each_variable_of_libpq_is_known() -> None:
    variables = {
        option.keyword.decode(): option.envvar.decode()
        for option in pq.Conninfo.get_defaults()
        if option.envvar is not None and option.keyword.decode() not in NOT_IN_A_URL
    }

    assert variables == {name: variable_of(name) for name in WITH_VARIABLE}


@pytest.mark.parametrize("name", sorted(WITH_VARIABLE))
def test_a_variable_does_what_the_option_does(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    base = "postgresql:///?dbname=images" if name != "dbname" else "postgresql://"
    value = VALUES.get(name, "1")
    by_option = outcome(f"{base}{'&' if '?' in base else '?'}{name}={value}")

    monkeypatch.setenv(variable_of(name), value)

    by_variable = outcome(base)
    if isinstance(by_option, str):
        by_option = re.sub(rf"(^|use ){name}\b", rf"\1{variable_of(name)} ({name})", by_option)
    assert by_variable == by_option


@pytest.mark.parametrize("name", sorted(WITH_VARIABLE - {"sslrootcert", "sslcert", "sslkey", "sslcrl"}))
def test_the_url_wins_over_a_variable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"postgresql://me:secret@localhost:1/images?{name}={VALUES.get(name, '1')}"
    expected = outcome(url)

    monkeypatch.setenv(variable_of(name), "elsewhere")

    assert outcome(url) == expected


def test_the_parts_of_a_url_win_over_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("host", "port", "user", "password", "dbname"):
        monkeypatch.setenv(variable_of(name), "7")

    assert asyncpg_urls("postgresql://me:secret@localhost:1/images") == ["postgresql://me:secret@localhost:1/images"]
    assert asyncpg_urls("postgresql://me@localhost/images") == ["postgresql://me@localhost/images?password=7&port=7"]


@pytest.mark.parametrize("name", sorted(LACKING.keys() - {"load_balance_hosts"}))
def test_an_option_that_asyncpg_lacks_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"the service cannot use {name}"):
        asyncpg_urls(f"{URL}?{name}=require")


@pytest.mark.parametrize("name", sorted(LACKING))
def test_what_asyncpg_does_anyway_is_left_out(name: str) -> None:
    for value in LACKING[name]:
        assert asyncpg_urls(f"{URL}?{name}={value}") == [URL]


@pytest.mark.parametrize("name", sorted(IGNORED))
def test_an_option_without_effect_is_left_out(name: str) -> None:
    assert asyncpg_urls(f"{URL}?{name}=1") == [URL]


@pytest.mark.parametrize(
    ("option", "variable"),
    [("require_auth=scram-sha-256", "PGREQUIREAUTH"), ("channel_binding=require", "PGCHANNELBINDING")],
)
def test_a_promise_of_security_is_kept_or_rejected(option: str, variable: str, database: str, tmp_path: Path) -> None:
    name, _, value = option.partition("=")
    separator = "&" if "?" in database else "?"
    variables = {"STORAGE_URL": f"file:{tmp_path}", "MIGRATE": "false", "AUTH": "none"}

    for url, own in ((f"{database}{separator}{option}", {}), (database, {variable: value})):
        done = forked.run(environment(DATABASE_URL=url, **variables, **own), "images", "wait")

        assert done.returncode == 3
        source, shown = (f"DATABASE_URL, {variable}", f"{variable} ({name})") if own else ("DATABASE_URL", name)
        assert f"({source}): the service cannot use {shown}: use sslmode=verify-full" in done.stderr
        assert done.stderr.count("\n") == 1


def test_several_hosts_come_in_random_order_if_the_url_says_so() -> None:
    hosts = ",".join(f"host{number}" for number in range(30))

    orders = {tuple(asyncpg_urls(f"postgresql://{hosts}/x?load_balance_hosts=random")) for _ in range(3)}

    assert len(orders) == 3
    assert len({frozenset(order) for order in orders}) == 1
    assert asyncpg_urls(f"postgresql://{hosts}/x") == sorted(orders.pop(), key=lambda url: int(url[17:-2]))


def test_a_key_that_others_may_read_is_rejected_as_libpq_does(tmp_path: Path) -> None:
    key = tmp_path / "client.key"
    key.touch()
    url = f"postgresql://me@localhost/images?sslmode=require&sslkey={key}"
    for mode in (0o644, 0o640, 0o660, 0o604, 0o601):
        key.chmod(mode)
        if mode == 0o640 and key.stat().st_uid == 0:
            asyncpg_urls(url)
            continue
        with pytest.raises(ValueError, match=f"^sslkey: {key}: other users may read it: chmod 600 {key}$"):
            asyncpg_urls(url)
    key.chmod(0o600)
    assert asyncpg_urls(url)


def test_the_migrator_may_use_what_only_libpq_knows(database: str, tmp_path: Path) -> None:
    """Its URL is tried by libpq, so a service file and hostaddr are no error there."""
    (tmp_path / "services").write_text(f"[mine]\n{conninfo(database)}\n")
    variables = {
        "DATABASE_URL": database,
        "MIGRATION_DATABASE_URL": "postgresql:///?service=mine",
        "STORAGE_URL": f"file:{tmp_path}",
        "AUTH": "none",
        "PGSERVICEFILE": str(tmp_path / "services"),
    }

    done = forked.run(environment(**variables), "images", "wait")
    wrong = forked.run(
        environment(**variables | {"MIGRATION_DATABASE_URL": "postgresql:///?service=no"}), "images", "wait"
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert wrong.returncode == 3
    assert '(MIGRATION_DATABASE_URL): definition of service "no" not found' in wrong.stderr
    assert wrong.stderr.count("\n") == 1


def conninfo(url: str) -> str:
    return "\n".join(f"{name}={value}" for name, value in conninfo_to_dict(url).items())


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
    assert "(DATABASE_URL): no answer in time.\nhint: waited 1 s; check that the server runs" in done.stderr
    assert "secret" not in done.stderr
