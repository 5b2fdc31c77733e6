"""Options of the yoyo command, as docs/reference/yoyo-options.md says: each does what its help says, or is rejected."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import psycopg
import pytest
from yoyo.scripts.main import make_argparser

from app.errors import UsageError
from app.migrations.order import find_id
from app.schema.headers import directives
from app.settings import ROOT
from tests.conftest import BIN, environment, yoyo_on

TABLE = (ROOT / "docs" / "reference" / "yoyo-options.md").read_text()
COUNT = len([path for path in (ROOT / "sql" / "migrations").glob("*.sql") if ".rollback" not in path.name])

# Command lines that change nothing, on a migrated database: the exit code, and the words of stderr or stdout.
# `yoyo init` returns 1 from main(), and the helper of the tests drops that.
UNCHANGED = {
    "apply": (0, "nothing to apply"),
    "apply -b -v -v": (0, "nothing to apply"),
    "apply -1 0001": (2, "error: -1 0001 is not supported: yoyo would apply all pending migrations.\nhint: apply one"),
    "apply --one 0001": (2, "error: -1 0001 is not supported"),
    "apply -1": (2, "yoyo: error: unrecognized arguments|yoyo apply: error: argument -1/--one"),
    "apply -a": (2, "error: --all has no effect in `yoyo apply`"),
    "develop --all": (2, "error: --all has no effect in `yoyo develop`"),
    "apply -f": (2, "error: --force is not supported"),
    "rollback -f -r 0037": (2, "error: --force is not supported"),
    "mark --force": (2, "error: --force has no effect in `yoyo mark`"),
    "unmark -f -m 0037": (2, "error: --force has no effect in `yoyo unmark`"),
    "apply -r nothing": (2, "error: 'nothing' doesn't match any revisions.\nhint: list the migrations: yoyo list"),
    "apply -r 003": (2, "error: 003 could be any of these migrations: 0030_.*\nhint: write more of the ID"),
    "apply -r 3": (0, "nothing to apply"),
    "unmark -r 3": (1, "error: nothing was unmarked: this would unmark [0-9]+ migrations, from .* down to 0003_"),
    "rollback -r 9999": (2, "error: '9999' doesn't match any revisions."),
    "rollback -r nothing": (2, "error: 'nothing' doesn't match any revisions."),
    "unmark -r 0003": (1, "error: nothing was unmarked: this would unmark [0-9]+ migrations, from "),
    "unmark": (1, "error: nothing was unmarked: this would unmark [0-9]+ migrations, from "),
    "unmark -m 0003": (1, "error: 0004_validate_images_checks is applied and needs 0003_"),
    "reapply": (1, "error: nothing was rolled back: this would reapply [0-9]+ migrations, from .*\nhint: reapply the"),
    "reapply -r 0003": (1, "error: nothing was rolled back: this would reapply [0-9]+ migrations, from "),
    "mark": (0, "marked nothing"),
    "mark --all": (0, "marked nothing"),
    "mark -r 0003": (0, "marked nothing"),
    "list": (0, "A +0001_create_images"),
    "list -m 0003": (0, "0003_turn"),
    "list -m (": (2, "error: -m takes a regular expression"),
    "list -m '[[:x:]]'": (0, ""),  # Python would warn about it
    "apply -m '[[:x:]]'": (2, "error: no migration found"),
    "apply -m nothing": (2, "error: no migration found"),
    "apply 0003": (2, "error: there is no folder 0003.\nhint: .* yoyo apply -r 0003"),
    "rollback 0003_turn": (2, "error: there is no folder 0003_turn.\nhint: .* yoyo rollback -r 0003_turn"),
    "rollback -r ''": (2, "error: -r must not be empty."),
    "rollback -r ' '": (2, "error: -r must not be empty."),
    "unmark -m ''": (2, "error: -m must not be empty."),
    "apply -r ''": (2, "error: -r must not be empty."),
    "apply -1 ''": (2, "error: -1 must not be empty."),
    "develop -r ''": (2, "error: -r must not be empty."),
    "mark --revision=": (2, "error: -r must not be empty."),
    "list -r 0003": (2, "error: -r has no effect in `yoyo list`.\nhint: yoyo list -m 0003"),
    "list --migration-table foo": (2, "error: --migration-table foo is not supported"),
    "apply --migration-table foo": (2, "error: --migration-table foo is not supported"),
    "develop -n 0": (2, "error: -n must be 1 or more, not 0."),
    "develop -n -1": (2, "error: -n must be 1 or more, not -1."),
    "break-lock": (0, "the lock is free"),
    "init sql/migrations": (1, "Existing configuration file found"),
    "list --no-config-file": (2, "yoyo: error: Please specify"),
}


def test_the_table_has_each_option_of_yoyo() -> None:
    _, _, subparsers = make_argparser()
    options = {
        option
        for parser in subparsers.choices.values()
        for action in parser._actions
        for option in action.option_strings
        if option not in {"-h", "--help", "--match", "--message", "--revision"}
    }

    missing = {option for option in options if not re.search(rf"`{option}[` ]", TABLE)}

    assert missing == set()


def test_without_the_files_of_the_migrations_the_release_is_incomplete(empty_database: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "yoyo.ini", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)

    done = subprocess.run(
        [BIN / "yoyo", "apply"],
        cwd=tmp_path,
        env=environment(DATABASE_URL=empty_database),
        capture_output=True,
        text=True,
    )

    assert done.returncode == 2
    assert re.fullmatch(
        "error: there is no folder .*sql/migrations.\n"
        "hint: the files of this release are incomplete: deploy it again\n",
        done.stderr,
    ), done.stderr


def test_these_change_nothing(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for line, (exit_code, words) in UNCHANGED.items():
            done = yoyo_on(database, *shlex.split(line))

            said = done.stdout + done.stderr
            assert (done.returncode, bool(re.search(words, said))) == (exit_code, True), (line, said[-400:])
            assert "Traceback" not in said, line
            assert "Warning" not in said, line
            state = "SELECT count(*), to_regclass('foo') IS NULL FROM _yoyo_migration"
            assert connection.execute(state).fetchone() == (COUNT, True), line
    assert not [*(ROOT / "sql" / "migrations").glob("*.py")]


def migrations(phase: str) -> list[str]:
    files = sorted(path for path in (ROOT / "sql" / "migrations").glob("*.sql") if ".rollback" not in path.name)
    return [path.stem for path in files if directives(path).get("phase", "expand") == phase]


def test_these_do_what_they_say(empty_database: str) -> None:
    names = migrations("expand")
    last, count = names[-1], len(names)
    steps = [
        (f"apply -r {last}", count, f"applied {last} in "),
        (f"rollback -r {last}", count - 1, f"rolled back {last} in "),
        ("apply -r 0001", count - 1, "nothing to apply"),
        (f"apply -r {last[:4]}", count, f"applied {last} in "),
        ("rollback", count - 1, f"rolled back {last} in "),
        ("develop", count, f"applied {last} in "),
        (f"reapply -m {last}", count, f"rolled back {last} in .*\n.*applied {last} in "),
        (f"unmark -m {last}", count - 1, f"unmarked {last}\nundo: yoyo mark -r {last}"),
        (f"mark -r {last}", count, f"marked {last}"),
        ("unmark --all", 0, "unmarked "),
        ("mark -m 000[12]", 2, "marked 0001_create_images, 0002_"),
        ("mark --all", COUNT, "marked 0003_"),
    ]
    run_steps(empty_database, steps)


def test_reapply_and_develop_apply_again_what_they_rolled_back_and_apply_leaves_contract_out(database: str) -> None:
    last, newest = migrations("contract")[-1], max(migrations("contract") + migrations("expand"))
    steps = [
        (f"reapply -m {last}", COUNT, f"rolled back {last} in .*\n.*applied {last} in "),
        ("develop", COUNT, f"rolled back {newest} in .*\n.*applied {newest} in "),
        (f"rollback -m {last}", COUNT - 1, f"rolled back {last} in "),
        ("apply", COUNT - 1, f"{last} waits for the command: images schema contract"),
    ]
    run_steps(database, steps)


def test_an_apply_that_only_finds_what_waits_writes_nothing(empty_database: str) -> None:
    """Each later start then works on a database that may only be read, until an operator runs the command."""
    assert yoyo_on(empty_database, "apply", "-r", migrations("expand")[-1]).returncode == 0

    done = yoyo_on(f"{empty_database}&options=-c%20default_transaction_read_only%3Don", "apply")

    assert (done.returncode, done.stdout.count(" waits for "), done.stderr) == (0, len(migrations("contract")), "")


def run_steps(url: str, steps: list[tuple[str, int, str]]) -> None:
    """Run each command line, and compare the number of applied migrations, and the words of its output."""
    with psycopg.connect(url, autocommit=True) as connection:
        for line, count, words in steps:
            done = yoyo_on(url, *shlex.split(line))

            said = done.stdout + done.stderr
            assert (done.returncode, bool(re.search(words, said))) == (0, True), (line, said[-400:])
            assert connection.execute("SELECT count(*) FROM _yoyo_migration").fetchone() == (count,), line


@pytest.mark.parametrize("option", ["-p", "--prompt-password"])
def test_a_password_is_not_asked_for_the_settings(database: str, option: str) -> None:

    done = subprocess.run(
        [BIN / "yoyo", "list", option],
        cwd=ROOT,
        env=environment(DATABASE_URL=database, PYTHONWARNINGS="ignore"),
        input="secret\n",
        capture_output=True,
        text=True,
        start_new_session=True,  # otherwise the question goes to the terminal
    )

    assert done.returncode == 2, done.stderr
    assert "error: -p is not supported, because no URL is on the command line.\nhint: " in done.stderr
    assert "secret" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "id"),
    [
        ("0084_fill_words", "0084_fill_words"),
        ("84", "0084_fill_words"),
        ("0084", "0084_fill_words"),
        ("fill_words", "0084_fill_words"),
        ("0084_fill_words.sql", "0084_fill_words"),
        ("sql/migrations/0084_fill_words.rollback.sql", "0084_fill_words"),
        ("1", "0001_create_84"),  # not each ID with a 1 in it
        ("0001_create", "0001_create_84"),
        ("9999", "9999"),
        ("nothing.sql", "nothing"),
        ("create", None),
        ("00", None),
    ],
)
def test_a_migration_has_several_names(name: str, id: str | None) -> None:
    known = ["0001_create_84", "0002_create_1", "0084_fill_words"]
    if id is None:
        with pytest.raises(UsageError, match=f"{name} could be any of these migrations: 0001_create_84, 0002_create_1"):
            find_id(name, known)
    else:
        assert find_id(name, known) == id
