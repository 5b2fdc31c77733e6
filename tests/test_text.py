"""Text for people: a byte that is not UTF-8, as in the name of a file, is printed as `\\xff` everywhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.settings import ROOT
from app.text import encodable, printable
from tests.conftest import BIN, environment
from tests.support import forked
from tests.support.properties import given, st

NAME = b"caf\xe9 \xff"
SHOWN = "caf\\xe9 \\xff"


@given(st.binary(max_size=20))
def test_each_byte_of_a_name_is_printable_or_an_escape(name: bytes) -> None:
    text = os.fsdecode(name)

    assert printable(text).isprintable()
    assert printable(text).encode().decode() == printable(text)
    assert encodable(text) == name.decode(errors="backslashreplace")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Größe", "Größe"),
        (os.fsdecode(NAME), SHOWN),
        ("a\nb\x1b", "a\\nb\\x1b"),
        ("\ud800", "\\ud800"),
        ("a\\b", "a\\b"),
    ],
)
def test_a_character_that_cannot_be_printed_is_its_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    "command",
    [
        ["import", NAME],
        ["export", "-o", NAME + b"/x"],
        ["schema", "--project", str(ROOT), "dump", "-o", NAME + b"/x"],
        ["schema", "check", NAME],
        ["schema", "check", NAME + b".sql"],
        ["schema", "review", NAME],
        ["schema", NAME],
        [NAME],
        ["objects", "keep", NAME],
        ["objects", "check", "--grace", NAME],
        ["completion", NAME],
    ],
    ids=repr,
)
def test_a_name_that_is_not_utf8_is_shown_with_its_bytes(
    command: list[str | bytes], database: str, tmp_path: Path
) -> None:
    variables = environment(DATABASE_URL=database, STORAGE_URL=f"file:{tmp_path}/objects")

    done = forked.run(variables, "images", *map(os.fsdecode, command), folder=tmp_path)

    assert SHOWN in done.stderr
    assert "udc" not in done.stderr
    assert "unexpected" not in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["import", "--tag", NAME, "x.png"],
        ["export", "--q", NAME],
        ["export", "--tag", "a", "--tag", NAME],
        ["token", "create", NAME],
        ["token", "revoke", NAME],
        ["schema", "new", NAME],
        ["schema", "accept", NAME],
    ],
    ids=repr,
)
def test_text_that_is_not_utf8_is_wrong_usage(command: list[str | bytes], tmp_path: Path) -> None:
    variables = environment(DATABASE_URL="postgresql://images@127.0.0.1:1/images", STORAGE_URL="memory:")

    done = forked.run(variables, "images", *map(os.fsdecode, command), folder=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"error: Invalid value for '.+': caf\\xe9 \\xff is not UTF-8\.\nhint: .+\n", done.stderr)


def test_settings_shows_the_bytes_of_a_folder(tmp_path: Path) -> None:
    folder = os.fsdecode(NAME)
    for format in ("text", "json"):
        variables = environment(DATABASE_URL="embedded:x", STORAGE_URL=f"file:{folder}", SECRETS_DIR=str(tmp_path))
        done = forked.run(variables, "images", "settings", "--format", format)

        assert done.returncode == 0
        assert SHOWN.replace("\\", "\\\\" if format == "json" else "\\") in done.stdout


def test_the_arguments_of_a_real_command_are_bytes() -> None:
    """The other tests fork a process of Python, which gets texts."""
    done = subprocess.run([BIN / "images", "completion", NAME], env=environment(), capture_output=True)

    assert (done.returncode, done.stdout) == (2, b"")
    assert SHOWN.encode() in done.stderr


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_output_shows_what_its_encoding_lacks_as_an_escape(encoding: str) -> None:
    code = "import sys; from app.streams import guard_streams; guard_streams(); print(sys.argv[1]); sys.stdout.flush()"
    done = subprocess.run(
        [sys.executable, "-c", code, NAME + "é".encode()],
        cwd=ROOT,
        env=environment(PYTHONIOENCODING=encoding),
        capture_output=True,
        text=True,
    )

    assert (done.stdout, done.stderr) == (SHOWN + ("é\n" if encoding == "utf-8" else "\\xe9\n"), "")


@pytest.mark.parametrize("url", [b"postgresql://app@h/\xff", b"postgresql://\xff@h/x", b"embedded:/\xff"])
def test_a_database_url_that_is_not_utf8_is_a_wrong_setting(url: bytes) -> None:
    done = forked.run(environment(DATABASE_URL=os.fsdecode(url)), "images", "schema", "status")

    assert (done.returncode, done.stderr) == (2, "error: DATABASE_URL is not UTF-8.\n")
