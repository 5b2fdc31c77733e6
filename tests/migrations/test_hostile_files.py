"""Malformed migrations: whatever bytes a file has, each reader of SQL gives findings or one kind of error."""

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from pglast.parser import ParseError

from app.lint import parser
from app.lint.check import findings
from app.migrations.migration_file import read_file
from app.migrations.validation import faults
from app.schema.digest import _normalized, digest
from app.schema.headers import directives_of, purpose, rollback_of, sections, transactional
from app.schema.statements import MAX_TOKENS, split_statements, tokens
from app.settings import ROOT
from tests.conftest import environment, yoyo_on
from tests.support import forked
from tests.support.properties import few, given, settings, st

SHIPPED = sorted((ROOT / "sql" / "migrations").glob("*.sql"))

# Texts to put anywhere into a migration. Each is wrong, or makes something else wrong.
BITS = [
    *(b"E'caf\\u00'", b"E'\\xff'", b"E'\\ud800'", b"E'\\u0000'", b"U&'\\00'", b"U&'\\d800'", b"U&'a' UESCAPE '++'"),
    *(b"/* /* */", b"*/", b"/*", b"--", b"$$", b"$a$", b"'", b'"', b"\\", b"\\\\'", b"E'", b'U&"', b"x'", b"b'2'"),
    *(b"\0", b"\xef\xbb\xbf", b"\xff", b"\xed\xa0\x80", b"\xc3", b"\r", b"\r\n", b"\x0b", b"\x0c", b"\xe2\x80\xa8"),
    *(b";", b";;", b"(", b")", b"[", b",", b"::", b":a", b"$1", b"$0", b"10a", b"0x", b"1e", b"@", b"#", b"`"),
    *(b"BEGIN ATOMIC", b"BEGIN", b"END", b"CASE", b"COMMIT;", b"DO $$ BEGIN", b"DO ''", b"DO LANGUAGE sql ''"),
    *(b"-- allow: ", b"-- allow: type-rewrite because x\n", b"-- depends: ", b"-- transactional: false\n"),
    *(b"-- rows to lose: SELECT E'\\u00'\n", b"-- rows to lose: (\n", b"-- loses: x\n", b"-- example a: (\n"),
    *(b"CREATE INDEX CONCURRENTLY ON images (id);", b"DROP INDEX CONCURRENTLY a, b;", b"ALTER TABLE images "),
    *(b"NULL", b"DEFAULT", b"ALTER", b"IF NOT EXISTS", b"ONLY", b"pg_catalog.", b"COPY a FROM STDIN;", b"\\d a"),
    *(b"(" * 500, b"x" * 1_000_000, b" OR a" * 2_000, b"a." * 500, b"[1]" * 500, b"NOT " * 500, b"IF a THEN " * 400),
]


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, bytes]:
    """A name of a shipped file, and its content with a few changes."""
    path = draw(st.sampled_from(SHIPPED))
    content = path.read_bytes()
    for _ in range(draw(st.integers(1, 3))):
        at, to = sorted(draw(st.tuples(*[st.integers(0, len(content))] * 2)))
        part = content[at:to]
        match draw(st.sampled_from(["put", "put", "put", "cut", "double", "flip", "end", "only"])):
            case "put":
                content = content[:at] + draw(st.sampled_from(BITS)) + content[at:]
            case "cut":
                content = content[:at] + content[to:]
            case "double":
                content = content[:to] + part + content[to:]
            case "flip":
                content = content[:at] + bytes([draw(st.integers(0, 255))]) + content[at + 1 :]
            case "end":
                content = content[:at]
            case "only":
                content = part
    return path.name, content


def whole_digest(content: bytes) -> str:
    """The digest of a file, made from all of its tokens at once."""
    content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    try:
        found = tokens(content.decode())
    except (UnicodeDecodeError, ParseError):
        return f"s1:{sha256(content).hexdigest()}"
    while found[-1:] == [";"]:
        found.pop()
    covered = [_normalized(directives_of(content.decode())), [*found, ";"] if found else []]
    return f"s1:{sha256(json.dumps(covered).encode()).hexdigest()}"


def read_all(path: Path) -> list[str]:
    """Read a migration with each reader. Return the faults that stop the migrator."""
    content = path.read_bytes()
    assert digest(content).current == whole_digest(content)
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = ""
    sections(text), purpose(text), directives_of(text), parser.allowed(text)
    try:
        list(parser.statements(text))
    except ParseError:
        assert not read_file(path).statements
    migration = path.with_name(path.name.replace(".rollback", ""))
    try:
        rollback_of(migration), transactional(migration)
    except UnicodeDecodeError:
        assert any("is not UTF-8" in str(fault) for fault in faults(path.parent))
    return [str(fault) for fault in faults(path.parent)]


def test_no_reader_fails_on_a_mutated_migration(tmp_path: Path) -> None:
    @settings(max_examples=few(150))
    @given(mutated())
    def read(file: tuple[str, bytes]) -> None:
        name, content = file
        for old in tmp_path.iterdir():
            old.unlink()
        stem = name.partition(".")[0]
        for each in (f"{stem}.sql", f"{stem}.rollback.sql"):
            shutil.copyfile(ROOT / "sql" / "migrations" / each, tmp_path / each)
        (tmp_path / name).write_bytes(content)

        told = read_all(tmp_path / name)

        assert all(f"{tmp_path}/" in each for each in told)

    read()


# Files that PostgreSQL's parser, its scanner, or Python cannot read.
UNREADABLE = {
    "an escape of half a character": b"COMMENT ON TABLE images IS E'caf\\u00';",
    "a byte that is not UTF-8": b"SELECT E'\\xff';",
    "half of a surrogate pair": b"SELECT U&'\\d800';",
    "a comment without an end": b"/* /* */ SELECT 1;",
    "a dollar quote without an end": b"DO $a$ BEGIN NULL; END $$;",
    "Latin-1": b"SELECT 'caf\xe9';",
    "a NUL": b"SELECT '\0';",
    "deep parentheses": b"SELECT " + b"(" * 100_000 + b"1" + b")" * 100_000 + b";",
    "a deep sum": b"SELECT 1" + b" + 1" * MAX_TOKENS + b";",
}


@pytest.mark.parametrize("case", UNREADABLE)
@pytest.mark.parametrize("broken", ["0001_make_t.sql", "0001_make_t.rollback.sql"])
def test_each_command_names_the_file_and_the_line(empty_database: str, tmp_path: Path, case: str, broken: str) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_make_t.sql").write_text("CREATE TABLE t ();\n")
    (folder / "0001_make_t.rollback.sql").write_text("-- loses: nothing\nDROP TABLE t;\n")
    if "rollback" in broken:
        assert yoyo_on(empty_database, "apply", str(folder)).returncode == 0
    (folder / broken).write_bytes((b"-- loses: nothing\n" if "rollback" in broken else b"") + UNREADABLE[case])

    done = yoyo_on(empty_database, "rollback" if "rollback" in broken else "apply", str(folder))

    line = 2 if "rollback" in broken else 1
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert f"{folder}/{broken}:{line}: " in done.stderr
    listed = yoyo_on(empty_database, "list", str(folder))
    assert (listed.returncode in (0, 3), "Traceback" in listed.stderr) == (True, False)


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    os.mknod(path, stat.S_IFSOCK)


def make_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def make_loop(path: Path) -> None:
    path.symlink_to(path)


OTHERS: dict[str, Callable[[Path], None]] = {
    "Is a FIFO": make_fifo,
    "Is a socket": make_socket,
    "Is a device": make_device,
    "Is a directory": Path.mkdir,
    "Too many levels of symbolic links": make_loop,
}
COMMANDS = ["yoyo list", "yoyo apply", "images schema status", "images schema plan", "images schema check"]


@pytest.mark.parametrize("reason", OTHERS)
@pytest.mark.parametrize("name", ["0002_x.sql", "0001_make_t.rollback.sql"])
def test_what_is_no_file_is_a_fault_and_no_command_waits_for_it(
    empty_database: str, tmp_path: Path, reason: str, name: str
) -> None:
    folder = tmp_path / "sql" / "migrations"
    folder.mkdir(parents=True)
    (tmp_path / "yoyo.ini").write_text("[DEFAULT]\nsources = sql/migrations\ndatabase = settings:///\n")
    (folder / "0001_make_t.sql").write_text("-- Makes it.\n\nCREATE TABLE t ();\n")
    (folder / "archive.sql").mkdir()  # has no name of a migration
    OTHERS[reason](folder / name)

    for command in COMMANDS:
        done = forked.run(environment(DATABASE_URL=empty_database), *command.split(), folder=tmp_path, timeout=20)

        if command == ("images schema status" if "rollback" in name else "yoyo list"):
            assert (done.returncode, done.stderr) == ("rollback" in name, ""), command  # it does not read that file
            continue
        said = done.stderr + done.stdout
        assert f"sql/migrations/{name}" in said, command
        assert f"cannot be read: {reason}" in said, command
        assert "put a readable file in its place, or remove it" in said, command
        assert (done.returncode in (1, 3), "Traceback" in said, "unexpected" in said) == (True, False, False), command


def test_the_check_has_findings_for_all_of_them(tmp_path: Path) -> None:
    sql = tmp_path / "sql"
    shutil.copytree(ROOT / "sql", sql)
    names = [f"99{number:02}_be_wrong.sql" for number in range(len(UNREADABLE))]
    for name, content in zip(names, UNREADABLE.values(), strict=True):
        (sql / "migrations" / name).write_bytes(content)

    found = {each.path.name for each in findings(sql)}

    assert found >= set(names)


@pytest.mark.parametrize("level", [" + 1", " UNION SELECT 1", "::int", " || ''", " COLLATE a", " IS NULL", " - - 1"])
def test_an_expression_that_would_overflow_the_stack_is_an_error(level: str) -> None:
    """pglast would end the process. Below the limit it does not."""
    ok = f"SELECT 1{level * (MAX_TOKENS // 6)};"
    read = "import sys; from app.lint.parser import statements; print(len(list(statements(sys.stdin.read()))))"
    done = subprocess.run([sys.executable, "-c", read], input=ok, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "1"), done.stderr[-500:]

    with pytest.raises(ParseError, match="without a comma"):
        split_statements(f"SELECT 1;\nSELECT 1{level * MAX_TOKENS};")
