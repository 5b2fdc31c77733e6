"""The commands of tokens: expiry, rotation, limits, and the audit trail."""

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import psycopg
import pytest

from app.catalogue import tokens
from app.catalogue.tokens import End
from app.cli import manage_tokens
from app.cli.commands.token_options import MAX_DURATION, MAX_RATE, Expiry, LimitedBytes, Overlap, Rate
from app.embedded_postgres import Server
from app.errors import CommandError
from tests.conftest import as_role
from tests.support.properties import given, st
from tests.web.test_tokens import images

DAY = timedelta(days=1)
LIKE_OPTIONS = (
    st.text() | st.from_regex(r"[0-9]{0,12}[smhdw/ ]{0,2}") | st.from_regex(r"[0-9]{1,5}-[0-9]{2}-[0-9]{2}.{0,15}")
)


def listed(database: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(images(database, "list", "--format", "json").stdout)
    return rows


def events(connection: psycopg.Connection) -> list[tuple[str, str, str, str | None]]:
    return connection.execute("SELECT action, name, role, actor FROM token_events ORDER BY id").fetchall()


@given(LIKE_OPTIONS)
def test_an_option_is_right_or_rejected(text: str) -> None:
    for kind in (Expiry(), Overlap(), Rate(), LimitedBytes()):
        try:
            value = kind.convert(text, None, None)
        except click.BadParameter:
            continue
        match value:
            case End(at=at, after=after):
                assert at is None or at > datetime.now(UTC) - DAY
                assert after is None or timedelta() < after <= MAX_DURATION
            case timedelta():
                assert timedelta() <= value <= MAX_DURATION
            case (number,):
                assert number is None or 1 <= number <= 10**15


@given(st.integers(1, 36_500), st.integers(1, MAX_RATE))
def test_an_option_means_what_it_says(days: int, rate: int) -> None:
    assert Expiry().convert(f"{days}d", None, None) == End(after=timedelta(days=days))
    assert Overlap().convert(f"{days}h", None, None) == timedelta(hours=days)
    assert Rate().convert(f"{rate}/s", None, None) == (rate,)
    assert LimitedBytes().convert(f"{rate}KiB", None, None) == (rate * 1024,)
    date = (datetime.now(UTC) + timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)
    assert Expiry().convert(f"{date + DAY:%Y-%m-%d}", None, None) == End(at=date + DAY)


def test_a_token_has_an_end_a_note_and_limits(database: str) -> None:
    options = ("--expires", "90d", "--note", "for the museum", "--rate", "50/s", "--upload-quota", "10GiB")
    assert images(database, "list").stderr == "there is no token. Create one: images token create NAME\n"
    made = images(database, "create", "gallery", *options)
    images(database, "create", "old")
    images(database, "revoke", "old")

    assert re.fullmatch(
        r"gallery has scope read and expires \d{4}-\d\d-\d\d \d\d:\d\d UTC\. The token is shown once: keep it now\.\n",
        made.stderr,
    )
    gallery, old = listed(database)
    lifetime = datetime.fromisoformat(gallery["expires_at"]) - datetime.fromisoformat(gallery["created_at"])
    assert lifetime == 90 * DAY
    assert gallery["note"] == "for the museum"
    assert (gallery["requests_per_second"], gallery["upload_bytes_per_day"]) == (50, 10 * 1024**3)
    assert (gallery["state"], old["state"], old["expires_at"]) == ("valid", "revoked", None)
    for by in (gallery["created_by"], old["created_by"], old["revoked_by"]):
        assert re.fullmatch(r"postgres, .+@.+", by)
    text = images(database, "list").stdout
    assert "50 requests a second and 10 GiB of uploads a day, note: for the museum\n" in text
    assert "revoked" in text.splitlines()[1]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--expires 2020-01-31", "2020-01-31 is in the past."),
        ("--expires tomorrow", "'tomorrow' is not a time. Examples: 90d, 12h, 2027-01-31, never."),
        ("--rate 0/s", "'0/s' is not a rate from 1/s to 100000/s. Examples: 50/s, none."),
        ("--upload-quota much", "'much' is not a number of bytes. Examples: 50000000, 50MB."),
        (f"--note {'x' * 501}", "a note must have 1 to 500 printable characters."),
    ],
)
def test_a_wrong_option_is_named(options: str, says: str, database: str, connection: psycopg.Connection) -> None:
    done = images(database, "create", "gallery", *options.split(maxsplit=1))

    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert connection.execute("SELECT * FROM tokens").fetchall() == []


def test_the_state_tells_what_ends(database: str, connection: psycopg.Connection) -> None:
    for name, expires in (("a", "8d"), ("b", "6d"), ("c", "1d")):
        images(database, "create", name, "--expires", expires)
    connection.execute("UPDATE tokens SET expires_at = now() WHERE name = 'c'")

    assert [row["state"] for row in listed(database)] == ["valid", "expires soon", "expired"]
    text = images(database, "list").stdout.splitlines()
    assert re.search(r"read   expired       made .+, expired 20[-\d]+ [:\d]+ UTC, never used$", text[2])


def test_a_rotation_keeps_the_token_and_changes_its_secret(database: str, connection: psycopg.Connection) -> None:
    first = images(database, "create", "gallery", "--expires", "90d", "--rate", "5").stdout.strip()
    connection.execute(
        "UPDATE tokens SET created_at = now() - interval '89 days', expires_at = now() + interval '1 day'"
    )
    [before] = listed(database)

    rotated = images(database, "rotate", "gallery", "--overlap", "12h")

    second = rotated.stdout.strip()
    assert re.fullmatch(r"images_[A-Za-z0-9_-]{64}", second)
    assert second != first
    assert re.search(
        r"gallery has a new secret and expires .+\. The former secret works until .+ UTC\.\n", rotated.stderr
    )
    [after] = listed(database)
    assert {key for key in before if before[key] != after[key]} == {
        "rotated_at",
        "expires_at",
        "former_expires_at",
        "state",
    }
    rotation = datetime.fromisoformat(after["rotated_at"])
    assert datetime.fromisoformat(after["expires_at"]) - rotation == 90 * DAY
    assert datetime.fromisoformat(after["former_expires_at"]) - rotation == DAY / 2
    stored = connection.execute("SELECT sha256, former_sha256 FROM tokens").fetchone()
    assert stored == (tokens.digest(second), tokens.digest(first))


def test_a_former_secret_never_outlives_its_own_end(database: str) -> None:
    images(database, "create", "gallery", "--expires", "1h")
    [before] = listed(database)

    images(database, "rotate", "gallery", "--overlap", "1d", "--expires", "never")

    [after] = listed(database)
    assert (after["former_expires_at"], after["expires_at"]) == (before["expires_at"], None)


@pytest.mark.parametrize("overlap", ["1d", "0"])
def test_an_expired_token_can_be_rotated_and_its_secret_stays_expired(
    overlap: str, database: str, connection: psycopg.Connection
) -> None:
    images(database, "create", "gallery", "--expires", "1h")
    connection.execute("UPDATE tokens SET created_at = now() - interval '1 hour', expires_at = now()")

    rotated = images(database, "rotate", "gallery", "--overlap", overlap)

    assert rotated.returncode == 0
    assert rotated.stderr.endswith("keep it now. The former secret has expired.\n")
    [after] = listed(database)
    assert (after["state"], after["former_expires_at"]) == ("expires soon", None)


def test_a_second_rotation_in_the_overlap_needs_a_word(database: str, connection: psycopg.Connection) -> None:
    first = images(database, "create", "gallery").stdout.strip()
    images(database, "rotate", "gallery")

    again = images(database, "rotate", "gallery")

    assert (again.returncode, again.stdout) == (3, "")
    assert re.fullmatch(
        r'error: "gallery" was rotated, and its former secret works until .+\.\n'
        r"hint: wait until then, or end both secrets at once: images token rotate gallery --overlap 0\n",
        again.stderr,
    )
    assert connection.execute("SELECT former_sha256 FROM tokens").fetchone() == (tokens.digest(first),)
    last = images(database, "rotate", "gallery", "--overlap", "0")
    assert "The former secret works for 0.5 s." in last.stderr
    stored = connection.execute("SELECT sha256, former_sha256, former_expires_at FROM tokens").fetchone()
    assert stored == (tokens.digest(last.stdout.strip()), None, None)


@pytest.mark.parametrize("overlap", [DAY, timedelta()])
def test_two_rotations_at_once_give_one_secret(
    overlap: timedelta,
    database: str,
    connection: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Both read the same secret before one of them changes it."""
    images(database, "create", "gallery")
    monkeypatch.setenv("DATABASE_URL", database)
    both, make = threading.Barrier(2), tokens.make

    def make_together(id: Any = None) -> tokens.Token:
        both.wait(30)
        return make(id)

    monkeypatch.setattr(tokens, "make", make_together)

    def rotate() -> str:
        try:
            manage_tokens.rotate("gallery", overlap)
        except CommandError as error:
            return error.message
        return "done"

    with ThreadPoolExecutor(2) as threads:
        results = sorted(future.result() for future in [threads.submit(rotate) for _ in range(2)])

    assert results == ['another command has just changed "gallery".', "done"]
    [printed] = capsys.readouterr().out.split()
    assert connection.execute("SELECT sha256 FROM tokens").fetchone() == (tokens.digest(printed),)


@pytest.mark.parametrize("command", ["rotate", "limit --rate 5", "revoke"])
def test_a_revoked_token_stays_as_it_is(command: str, database: str, connection: psycopg.Connection) -> None:
    images(database, "create", "gallery")
    images(database, "revoke", "gallery")
    before = connection.execute("SELECT * FROM tokens").fetchall()

    first, *options = command.split()
    done = images(database, first, "gallery", *options)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == 'error: no valid token is named "gallery".\nhint: list tokens: images token list\n'
    assert connection.execute("SELECT * FROM tokens").fetchall() == before


def test_a_limit_that_is_not_named_stays(database: str) -> None:
    images(database, "create", "gallery", "--rate", "5", "--upload-quota", "1GiB")

    assert images(database, "limit", "gallery", "--rate", "7/s").stderr == (
        "gallery has 7 requests a second and 1 GiB of uploads a day. Workers apply it within 0.5 s.\n"
    )
    assert (
        "gallery has 7 requests a second. Workers"
        in images(database, "limit", "gallery", "--upload-quota", "none").stderr
    )
    assert (
        "gallery has 10 MB of uploads a day. Workers"
        in images(database, "limit", "gallery", "--rate", "none", "--upload-quota", "10MB").stderr
    )
    images(database, "limit", "gallery", "--upload-quota", "none")
    assert "gallery has no limits. Workers" in images(database, "limit", "gallery", "--rate", "none").stderr
    assert images(database, "limit", "gallery").stderr == (
        "error: name a limit.\nhint: example: images token limit NAME --rate 50/s\n"
    )


def test_each_change_is_an_event_and_a_line_in_the_log(
    database: str, connection: psycopg.Connection, server: Server
) -> None:
    owner = as_role(database, "images_owner")
    secrets = [
        images(owner, *command.split()).stdout.strip()
        for command in (
            "create trail --note x",
            "rotate trail",
            "limit trail --rate 5",
            "limit trail --rate 5",
            "revoke trail",
        )
    ]
    connection.execute("UPDATE tokens SET scope = 'admin'")
    connection.execute("UPDATE tokens SET last_used_at = now()")
    connection.execute("DELETE FROM tokens")

    found = events(connection)
    assert [action for action, *_ in found] == ["create", "rotate", "change", "revoke", "change", "delete"]
    assert {role for _, _, role, _ in found[:4]} == {"images_owner"}
    assert all(re.fullmatch(r".+@.+", actor or "") for *_, actor in found[:4])
    assert found[4:] == [("change", "trail", "postgres", None), ("delete", "trail", "postgres", None)]
    kept = str(connection.execute("SELECT token FROM token_events").fetchall())
    assert "sha256" not in kept
    log = (server.data / "server.log").read_text()
    lines = re.findall(r'LOG:  images: (\w+) of token "trail" \([0-9a-f-]{36}\) by role "(\w+)", (.+)', log)
    assert [line[:2] for line in lines] == [(action, role) for action, _, role, _ in found]
    assert lines[-1][2] == "another program"
    for secret in filter(None, secrets):
        assert secret[-43:] not in kept + log


def test_a_name_cannot_forge_a_line_of_the_log(connection: psycopg.Connection, server: Server) -> None:
    connection.execute("SELECT set_config('images.actor', E'me\\nLOG:  images: revoke of token', false)")
    connection.execute(
        "INSERT INTO tokens (id, name, scope, sha256) "
        "VALUES (gen_random_uuid(), E'x\\nLOG:  images: create of token', 'read', sha256('a'))"
    )

    log = (server.data / "server.log").read_text()
    assert r'images: create of token "x\nLOG:  images: create of token"' in log
    assert r'"me\nLOG:  images: revoke of token"' in log
