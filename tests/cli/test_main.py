"""The command line: help, suggestions, completion, verbosity, colors, exit codes."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import click
import pytest
from pydantic import SecretStr

from app.cli.commands import images
from app.cli.failures import failure, interruption
from app.cli.main import run
from app.cli.output import color_verdicts
from app.migrations import new_migration
from app.settings import ROOT, Settings
from tests.conftest import BIN, environment, free_port
from tests.support import forked

CPU_LIMIT = 0.2  # seconds for `images --help`
LARGE = {"asyncpg", "obstore", "pglast", "psycopg", "pydantic", "starlette", "tqdm", "uvicorn", "yoyo"}


def commands(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield (*path, name), command


def groups() -> list[tuple[str, ...]]:
    return [(), *((name,) for name, command in images.commands.items() if isinstance(command, click.Group))]


ALL = [path for path, _ in commands(images)]


def start(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return forked.run(environment(**variables), "images", *arguments)


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_each_help_has_description_examples_and_exit_codes(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*path, "-h"]) == 0
    short = capsys.readouterr()
    assert run([*path, "--help"]) == 0

    assert capsys.readouterr() == short
    assert short.err == ""
    assert re.match(rf"Usage: images {' '.join(path)} .*\n\n  [A-Z].*\.\n", short.out)
    assert "\nExamples:\n  " in short.out
    assert re.search(rf"^  .*images {' '.join(path)}\b", short.out.partition("Examples:")[2], re.MULTILINE)
    assert re.search(r"\nExit codes:\n  0  .+\n(  1  .+\n)?  2  .+\n", short.out)


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_each_option_is_described(path: tuple[str, ...]) -> None:
    command = dict(commands(images))[path]

    undescribed = [each.name for each in command.params if isinstance(each, click.Option) and not each.help]
    assert undescribed == []


def test_no_description_is_cut_in_the_list_of_commands(capsys: pytest.CaptureFixture[str]) -> None:
    for path in groups():
        run([*path, "--help"])
        assert "..." not in capsys.readouterr().out.partition("Commands:")[2]


@pytest.mark.parametrize("path", groups(), ids=" ".join)
def test_a_group_without_a_command_prints_its_help(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(path) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"Usage: {' '.join(['images', *path])} [OPTIONS]")
    assert "Commands:" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("frob", "error: No such command 'frob'.\nhint: see images --help\n"),
        ("exprot", "error: No such command 'exprot'.\nhint: did you mean export?\n"),
        ("schema statsu", "error: No such command 'statsu'.\nhint: did you mean status?\n"),
        ("export --outptu x", "error: No such option '--outptu'.\nhint: did you mean --output?\n"),
        ("token create", "error: Missing argument 'NAME'.\nhint: see images token create --help\n"),
        ("schema accept", "error: name the edited migrations, or give --all.\nhint: list them: images schema status\n"),
        (
            "schema accept --all 0001",
            "error: name the edited migrations, or give --all.\nhint: list them: images schema status\n",
        ),
        (
            "objects check --grace soon",
            "error: Invalid value for '--grace': 'soon' is not a valid number of seconds.\n"
            "hint: see images objects check --help\n",
        ),
        (
            "schema review --rows many",
            "error: Invalid value for '--rows': 'many' is not a valid whole number.\n"
            "hint: see images schema review --help\n",
        ),
        (
            "wait --timeout 0",
            "error: Invalid value for '--timeout': 0.0 is not in the range x>0.\nhint: see images wait --help\n",
        ),
        (
            "schema review 9999",
            'error: there is no migration "9999".\nhint: list the migrations: images schema status\n',
        ),
        (
            "completion tcsh",
            "error: Invalid value for 'SHELL': 'tcsh' is not one of 'bash', 'zsh', 'fish'.\n"
            "hint: see images completion --help\n",
        ),
    ],
)
def test_wrong_usage_is_2_with_a_hint(arguments: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments.split()) == 2

    assert capsys.readouterr() == ("", said)


def empty_texts() -> Iterator[list[str]]:
    """Yield each command with an empty text for one of its arguments and options, and valid ones for the others."""
    for path, command in commands(images):
        needed = {
            parameter: [parameter.opts[0], "x"] if isinstance(parameter, click.Option) else ["x"]
            for parameter in command.params
            if parameter.required
        }
        for parameter in command.params:
            if parameter.type is click.STRING or isinstance(parameter.type, click.Path):
                empty = [parameter.opts[0], ""] if isinstance(parameter, click.Option) else [""]
                others = [word for other, words in needed.items() if other is not parameter for word in words]
                yield [*path, *others, *empty]
    yield ["schema", "--project", "", "status"]


@pytest.mark.parametrize("arguments", list(empty_texts()), ids=" ".join)
def test_an_empty_text_is_wrong_usage(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "yoyo.ini").touch()  # for the commands of a project

    assert run(arguments) == 2

    assert re.fullmatch(r"error: [-\w]+ must not be empty\.\nhint: see images .*--help\n", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (f"export --tag {'a' * 101}", "error: --tag must have at most 100 characters"),
        (f"export --content-type {'a' * 101}", "error: --content-type must have at most 100 characters"),
        ("export --content-type png", "error: --content-type must be a media type such as image/png"),
        ("export --created-after today", "error: --created-after must be a time such as 2026-01-31T12:00:00Z"),
        ("import --use all .", "error: --use must be keywords, caption, or keywords,caption"),
    ],
)
def test_a_wrong_option_of_a_model_is_in_plain_words(
    arguments: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://images@nowhere.invalid/images")
    monkeypatch.setenv("STORAGE_URL", "memory:")

    assert run(arguments.split()) == 2

    assert capsys.readouterr() == ("", f"{said}.\n")


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert re.fullmatch(r"images \d+\.\d+\.\d+\n", capsys.readouterr().out)

    assert run(["--version", "-v"]) == 0
    verbose = capsys.readouterr().out
    for name in ("images", "Python", "libpq", "libvips", "libheif", "libwebp", "mozjpeg", "asyncpg", "yoyo-migrations"):
        assert re.search(rf"^{name} \d+\.", verbose, re.MULTILINE), verbose


def test_help_imports_nothing_large_and_is_fast() -> None:
    code = "import sys, app.cli.main\nassert app.cli.main.run(['--help']) == 0\nprint(*sys.modules, file=sys.stderr)"
    before = os.times()
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True, text=True)
    after = os.times()

    assert done.returncode == 0, done.stderr
    assert LARGE.isdisjoint(name.partition(".")[0] for name in done.stderr.split())
    used = after.children_user + after.children_system - before.children_user - before.children_system
    assert used < 2 * CPU_LIMIT  # a busy machine counts more than the 0.13 s of an idle one


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    script = start("completion", shell)
    assert (script.returncode, script.stderr) == (0, "")
    assert "_IMAGES_COMPLETE" in script.stdout

    completed = start(
        _IMAGES_COMPLETE=f"{shell}_complete", COMP_WORDS="images schema re", COMP_CWORD="2" if shell != "fish" else "re"
    )
    assert completed.returncode == 0
    assert "review" in completed.stdout


def test_completion_knows_the_migrations() -> None:
    completed = start(_IMAGES_COMPLETE="bash_complete", COMP_WORDS="images schema accept 0005", COMP_CWORD="3")

    assert "0005_index_images_newest" in completed.stdout


def test_one_wording_for_a_server_that_is_not_there(tmp_path: Path) -> None:
    port = free_port()
    variables = {
        "DATABASE_URL": f"postgresql://images:hunter2@127.0.0.1:{port}/images",
        "STORAGE_URL": f"file:{tmp_path}",
    }
    said = f"error: cannot connect to PostgreSQL at 127.0.0.1:{port} (DATABASE_URL): connection refused.\n"
    for command in (
        "wait --timeout 0.1",
        "token list",
        "export",
        "import README.md",
        "objects check",
        "objects keep true",
        "schema status",
        "schema dump",
    ):
        done = start(*command.split(), **variables)

        assert (done.returncode, done.stdout) == (3, ""), command
        assert said in done.stderr, command
        assert "hunter2" not in done.stderr

    verbose = start("token", "list", "--verbose", **variables)
    assert verbose.stderr.endswith(said)
    assert "Traceback" in verbose.stderr
    assert f"Connect call failed ('127.0.0.1', {port})" in verbose.stderr
    assert "hunter2" not in verbose.stderr


@pytest.mark.parametrize("command", ["token list", "schema status", "wait --timeout 0.1"])
def test_the_variables_that_fill_in_a_url_are_named(command: str) -> None:
    port = free_port()
    variables = {"DATABASE_URL": "postgresql:///images", "PGHOST": "127.0.0.1", "PGPORT": f"{port}", "PGAPPNAME": "me"}

    done = start(*command.split(), STORAGE_URL="memory:", **variables)

    said = (
        f"error: cannot connect to PostgreSQL at 127.0.0.1:{port} (DATABASE_URL, PGHOST, PGPORT): connection refused.\n"
    )
    assert (done.returncode, said in done.stderr) == (3, True), done.stderr


@pytest.mark.parametrize("url", ["postgresql://images:Winter@Sommer2027@db/images", "mysql://images:Winter@x/Sommer"])
def test_verbose_shows_no_secret(url: str) -> None:
    for command in ("wait", "token list", "schema status", "objects keep true", "psql -l", "settings"):
        done = start("-v", *command.split(), DATABASE_URL=url, STORAGE_URL="memory:")

        assert done.returncode == 2, command
        assert "Winter" not in done.stdout + done.stderr
        assert "Sommer" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (
            "postgresql://images@nosuchhost.invalid/images",
            "nosuchhost.invalid:5432 (DATABASE_URL): host name not found.",
        ),
        (
            "postgresql:///images?host=/nowhere",
            "/nowhere/.s.PGSQL.5432 (DATABASE_URL): no server listens on this socket.",
        ),
    ],
)
def test_both_drivers_have_the_same_words(url: str, reason: str) -> None:
    for command in ("token list", "objects keep true"):
        done = start(*command.split(), DATABASE_URL=url)

        assert (done.returncode, done.stderr) == (3, f"error: cannot connect to PostgreSQL at {reason}\n"), command


def test_a_connection_that_the_server_closed_is_not_told_in_words_of_the_driver() -> None:
    """A time-out of 1 ms ends a session between two statements. asyncpg then knows only its own state."""
    lost = asyncpg.InternalClientError("cannot switch to state 11; another operation (2) is in progress")
    settings = Settings(_env_file=None, database_url=SecretStr("postgresql:///x"), auth="none")

    error = failure(lost, settings)

    assert error.message == "PostgreSQL failed: it closed the connection between two statements."
    assert error.hint == (
        "it was stopped, or the role, the database or the server has a time-out that is too short: see \\drds of psql"
    )
    assert interruption(lost, settings).hint == "run the command again to continue"


def test_a_fault_of_the_program_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> int:
        raise ZeroDivisionError("of the program")

    monkeypatch.setattr("app.cli.dev.dev", broken)

    assert run(["dev"]) == 3
    assert capsys.readouterr().err == (
        "error: unexpected ZeroDivisionError: of the program\n"
        "hint: this is a fault of the program; --verbose shows the traceback\n"
    )
    assert run(["dev", "-v"]) == 3
    assert "Traceback" in capsys.readouterr().err
    assert run(["-v", "dev"]) == 3
    assert "Traceback" in capsys.readouterr().err


def test_a_traceback_of_a_library_shows_no_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    message = f"Error performing HEAD http://key:Winter@127.0.0.1:1/b?x=Sommer: images_{'Herbst-_' * 8}"

    def broken() -> int:
        raise OSError(message)

    monkeypatch.setattr("app.cli.dev.dev", broken)

    assert run(["dev", "-v"]) == 3

    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "images_..." in said
    assert not re.search("Winter|Sommer|Herbst-", said)


@pytest.mark.parametrize(
    "command",
    [
        ["export", "-o", "images.ndjson"],
        ["schema", "dump", "-o", "schema.sql"],
        ["schema", "check", "a.sql"],
        ["psql", "-l"],
        ["import", "."],
        ["objects", "keep", "./backup.sh"],
        ["wait", "--migrate"],
    ],
    ids=" ".join,
)
def test_a_removed_current_folder_is_an_error_with_a_hint(command: list[str], database: str, tmp_path: Path) -> None:
    done = in_removed_folder(tmp_path, *command, DATABASE_URL=database, STORAGE_URL="memory:")

    assert "unexpected" not in done.stderr
    assert "Traceback" not in done.stderr
    if command[-1] in {"images.ndjson", "schema.sql", "a.sql", "-l"}:  # the others say that there is no such file
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr == (
            "error: the current folder does not exist: it was removed.\nhint: go to another folder, for example: cd\n"
        )
    if command[0] == "wait":
        assert done.returncode == 0, done.stderr


def in_removed_folder(tmp_path: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in a folder that is removed before the command starts."""
    folder = tmp_path / "removed"
    folder.mkdir()
    variables = environment(**{"UVICORN_PORT": str(free_port())} | variables)
    if arguments[0] in {"wait", "import"}:  # real commands
        command: list[str | Path] = ["sh", "-c", 'rmdir "$0" && exec "$@"', folder, BIN / "images", *arguments]
        return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)
    opened = os.open(folder, os.O_RDONLY)
    folder.rmdir()
    try:
        return forked.run(variables, "images", *arguments, folder=Path(f"/proc/{os.getpid()}/fd/{opened}"))
    finally:
        os.close(opened)


def test_quiet_leaves_data_and_errors(database: str) -> None:
    made = start("token", "create", "--quiet", "a", DATABASE_URL=database)
    assert re.fullmatch(r"images_\S{64}\n", made.stdout)
    assert made.stderr == ""
    assert "shown once" in start("token", "create", "b", DATABASE_URL=database).stderr

    again = start("-q", "token", "create", "a", DATABASE_URL=database)
    assert again.returncode == 3
    assert again.stderr.startswith('error: a token named "a" exists.\nhint: ')


def on_terminal(*arguments: str, **variables: str) -> str:
    """Return what a command prints to a terminal."""
    master, terminal = pty.openpty()
    process = subprocess.Popen(
        [BIN / "images", *arguments], cwd=ROOT, env=environment(**{"TERM": "xterm"} | variables), stdout=terminal
    )
    os.close(terminal)
    shown = b""
    try:
        while chunk := os.read(master, 65536):
            shown += chunk
    except OSError:  # Linux's end of a terminal
        os.close(master)
    process.wait()
    return shown.decode()


def test_verdicts_are_colored_on_a_terminal_only(empty_database: str) -> None:
    status = ("schema", "status")
    colored = "\033[33mpending\033[0m"

    assert colored in on_terminal(*status, DATABASE_URL=empty_database)
    assert "\033" not in on_terminal(*status, DATABASE_URL=empty_database, NO_COLOR="1")
    assert "\033" not in on_terminal(*status, DATABASE_URL=empty_database, TERM="dumb")
    assert "\033" not in start(*status, DATABASE_URL=empty_database).stdout
    assert colored in start(*status, DATABASE_URL=empty_database, FORCE_COLOR="1").stdout
    assert "\033" not in start(*status, "--format", "json", DATABASE_URL=empty_database, FORCE_COLOR="1").stdout


def test_only_verdicts_are_colored() -> None:
    plain = "title: safe words\n0001_apply_unsafe_things is here\npending changes are applied"
    text = "applied  0001_x\nx.sql:1: rule (unsafe): why\n    care: why\ndrift: none, the schema"

    assert color_verdicts(plain).count("\033") == 2  # the first word of a line only
    assert re.sub(r"\033\[\d+m", "", color_verdicts(text)) == text
    assert color_verdicts(text).count("\033") == 8


def test_a_new_migration_is_two_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    create = new_migration.create
    monkeypatch.setattr(new_migration, "create", lambda message: create(message, tmp_path))

    assert run(["schema", "new", "Index images title"]) == 0

    files = capsys.readouterr().out.splitlines()
    assert [Path(file).name for file in files] == [
        "0001_index_images_title.sql",
        "0001_index_images_title.rollback.sql",
    ]
    assert sorted(map(str, tmp_path.iterdir())) == sorted(files)
    assert run(["schema", "new", "?!"]) == 2
