"""The runbook has an entry for each alert and for each message to an operator, and its commands work.

The test collects these messages from the sources of app/:

- the arguments of CommandError and note(), of logged errors and warnings, and of print to stderr
- everything that the migrator prints
- the exceptions whose text becomes part of such a line
- the details of a 503

app/review/ and `yoyo new` are left out, because docs/how-to/dba describes their messages for authors of migrations.
A message is its literal text: strings, f-strings, the formats of the log. A name is replaced with the text that its
function or its module assigns to it. Messages of PostgreSQL, libpq, the object store, uvicorn, yoyo and click are not
collected.
"""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from app.cli import main
from app.embedded_postgres import Server, binaries
from app.settings import ROOT
from tests.conftest import VERSION, as_role, yoyo_on
from tests.migrations.test_backend import wait_until
from tests.support.data_folders import start_copy
from tests.system.test_backup import other_server as other_server  # a fixture

PAGES = ("index", "alerts", "states", "messages")  # of docs/runbook, in the order in which their commands run
RUNBOOK = "\n".join((ROOT / "docs" / "runbook" / f"{page}.md").read_text() for page in PAGES)
EXCEPTIONS = {"ChildProcessError", "TimeoutError", "unavailable"}
CHECKED = ("settings.py", "store.py")
HINTED = {
    "CommandError",
    "BackfillStoppedError",
    "FinishedElsewhereError",
    "UsageError",
    "WrongStoreError",
    "WrongURLError",
}  # their second argument is a hint
MIN_WORDS = 2  # of a message
OTHERS = [  # messages that are not an argument of such a call, or have too few words
    "error: the command images is not in PATH",
    "503 METHOD PATH: ERROR: REASON",
    "PostgreSQL at PLACE has not answered for N s. A migrator that writes waits for it",
    "PostgreSQL has waited for a synchronous standby for N s. The setting synchronous_standby_names names it",
    "PostgreSQL did not confirm that the statement was cancelled, so it may still run. The connection was closed",
    "image ID: no bytes under KEY",
    "image ID: SIZE bytes under KEY, its row has OTHER",
    "image ID: the bytes under KEY have another SHA-256",
    "KEY: SIZE bytes of no image",
    "KEY: a thumbnail of no image",
    "KEY: SIZE bytes of an interrupted write",
    "N images, N contents, N thumbnails so far",
    "PATH: WHY IT IS REJECTED",
    "N new, N known, N rejected so far",
    "error: FILE: REASON.",
    "NAME waits for the command: COMMAND",
    "NAME: WORK: N of N UNIT, N a second, about N s left",
    "notice: NAME: TEXT",
    "warning: NAME: N more messages are not shown",
    "error: NAME stopped with the rows of TABLE KEY: REASON.",
    "error: NAME stopped with the rows of TABLE from KEY to KEY: REASON.",
    "error: unexpected ERROR: REASON",
    "error: interrupted. Migrations that were applied before stay applied.",
    "hint: see FILE",
    "error: --OPTION WHAT.",
    "error: --tag WHAT.",
    "error: SECRETS_DIR: REASON.",
    "sql/migrations/FILE:LINE: WHAT: ADVICE",
    # Their text is in sql/queries/find_session_fault.sql.
    "error: session_replication_role is replica, so triggers do not run.",
    "error: the trigger NAME of TABLE is disabled.",
    "error: the search_path finds SCHEMA.TABLE before SCHEMA.TABLE.",
]
OF_SYSTEMD = ("systemctl", "journalctl")  # tests have no systemd
PROMOTE = 'psql -c "SELECT pg_promote()"'

Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted((ROOT / "app").rglob("*.py")):
        if "review" not in path.parts and path.name not in {"new_migration.py", "review_migrations.py"}:
            yield path, ast.parse(path.read_text())


def is_message(call: ast.Call, path: Path) -> bool:
    function = ast.unparse(call.func)
    keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    match function:
        case (
            "CommandError"
            | "UsageError"
            | "BackfillStoppedError"
            | "FinishedElsewhereError"
            | "WrongStoreError"
            | "WrongURLError"
            | "logger.error"
            | "logger.warning"
            | "note"
        ):
            return True
        case "super().__init__":
            return path.name == "errors.py"
        case "Reason":
            return path.name == "verdict.py"
        case "print" | "self._progress.message":
            migrator = path.parent.name == "migrations" and path.name != "status.py"
            return keywords.get("file") == "sys.stderr" or migrator or "message" in function
        case "self.report" | "migrator.report" | "self._migrator.report" | "self._tell" | "report":
            return path.parent.name == "migrations"
        case "ValueError":
            return path.name in CHECKED
        case "ProblemError":
            return ast.unparse(call.args[0]) == "503"
        case "Entry":
            return path.name == "history.py"
    return function in EXCEPTIONS


def texts(node: ast.AST, scopes: list[ast.AST]) -> Iterator[str]:
    """Yield the strings in an expression as regular expressions. `scopes` are its function, if any, and its module."""
    match node:
        case ast.Constant(value=str(text)):
            yield ".+".join(re.escape(part) for part in re.split("%[srg]", text))
        case ast.JoinedStr(values=parts):
            yield "".join(re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".+" for part in parts)
        case ast.Name(id=id):
            for other in [child for scope in scopes for child in assigned(scope)]:
                target = other.targets[0] if isinstance(other, ast.Assign) else other.target
                if isinstance(target, ast.Name) and target.id == id and not isinstance(other.value, ast.Call):
                    yield from texts(other.value, []) if other.value else ()
        case ast.keyword(arg="file" | "flush" | "end" | "headers"):
            pass
        case _:
            for child in ast.iter_child_nodes(node):
                yield from texts(child, scopes)


def assigned(scope: ast.AST) -> Iterator[ast.Assign | ast.AugAssign | ast.AnnAssign]:
    children = scope.body if isinstance(scope, ast.Module) else ast.walk(scope)
    return (child for child in children if isinstance(child, ast.Assign | ast.AugAssign | ast.AnnAssign))


@cache
def messages(with_hints: bool = False) -> dict[str, str]:
    """Return each message, as a regular expression, with the file that prints it."""
    found = {}
    for path, module in sources():
        functions = [node for node in ast.walk(module) if isinstance(node, Function)]
        for call in (node for node in ast.walk(module) if isinstance(node, ast.Call) and is_message(node, path)):
            around = [node for node in functions if node.lineno <= call.lineno <= (node.end_lineno or 0)]
            hinted = ast.unparse(call.func) in HINTED
            for argument in call.args[:1] if hinted and not with_hints else [*call.args, *call.keywords]:
                for text in texts(argument, [*around, module]):
                    words = re.findall(r"\w*[a-z]{2,}\w*", text, re.IGNORECASE)
                    if len(words) >= MIN_WORDS and " " in text:
                        found[text.removeprefix(re.escape(" "))] = str(path.relative_to(ROOT))
        if path.name == "rejections.py":
            yielded = [node.value for node in ast.walk(module) if isinstance(node, ast.Yield) and node.value]
            lines = [text for node in yielded for text in texts(node, []) if isinstance(node, ast.JoinedStr)]
            found |= dict.fromkeys(lines, str(path.relative_to(ROOT)))
    return found


def blocks(kind: str) -> list[str]:
    """Return the lines of all code blocks of a kind, without comments at the end of a line."""
    found = re.findall(rf"^```{kind}\n(.*?)^```", RUNBOOK, re.DOTALL | re.MULTILINE)
    return [re.sub(r"\s+# .*", "", line) for block in found for line in block.splitlines()]


def test_each_message_has_an_entry() -> None:
    lines, found = blocks("text"), messages()

    assert len(found) > 70
    missing = [f"{path}: {text}" for text, path in found.items() if not any(re.search(text, line) for line in lines)]
    assert missing == []


def test_each_entry_is_a_message_of_the_code() -> None:
    known = [*messages(with_hints=True), *OTHERS]

    assert [line for line in blocks("text") if not any(re.search(text, line) for text in known)] == []


def test_no_placeholder_looks_like_a_note_of_the_author() -> None:
    assert not re.search(r"\b(?:TODO|FIXME|XXX|TBD)\b", RUNBOOK)


def test_each_alert_has_an_entry() -> None:
    rules = ROOT / "deploy" / "alerts.yaml"
    if not rules.exists():
        pytest.skip("there are no alerts")
    alerts = re.findall(r"^ *- alert: (\w+)$", rules.read_text(), re.MULTILINE)

    assert alerts
    assert sorted(alerts) == sorted(re.findall(r"^## (Images\w+)$", RUNBOOK, re.MULTILINE))


def test_the_index_has_the_words_of_libpq(database: str) -> None:
    """A person sees them in psql, or after --verbose."""
    table = RUNBOOK.partition("## Words of other programs")[2].partition("\n# ")[0]
    words = [".+".join(map(re.escape, each.split("..."))) for each in re.findall(r"`([^`]+)`", table)]
    changes: tuple[dict[str, str], ...] = (
        {"host": "127.0.0.1", "port": "1"},
        {"host": "no-such-host.invalid"},
        {"dbname": "no_such_database"},
        {"user": "no_such_role"},
    )
    for change in changes:
        with pytest.raises(psycopg.OperationalError) as error:
            psycopg.connect(make_conninfo(database, **change))
        assert any(re.search(each, str(error.value)) for each in words), str(error.value)


def psql(command: str, url: str) -> str:
    """Run a psql command of the runbook on a database, assert that it succeeds, and return its output."""
    address = conninfo_to_dict(url)
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=ROOT,
        env={
            "PATH": f"{binaries(VERSION)}{os.pathsep}{os.environ['PATH']}",
            "PSQLRC": os.devnull,
            "PGHOST": str(address["host"]),
            "PGUSER": str(address["user"]),
            "PGDATABASE": str(address["dbname"]),
        },
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, ""), command
    return done.stdout


def test_each_command_works(
    database: str,
    connection: psycopg.Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Each command runs once, in the order of the runbook. The commands of `images` run in this process."""
    connection.execute("SELECT pg_create_physical_replication_slot('left')")
    connection.execute(
        "INSERT INTO tokens (id, name, scope, sha256) VALUES (gen_random_uuid(), 'gallery', 'read', sha256('a'))"
    )
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setenv("STORAGE_URL", f"file:{tmp_path}")
    monkeypatch.setenv("PGHOST", connection.info.host)
    monkeypatch.setenv("PGUSER", connection.info.user)
    names = f"{connection.info.dbname} --owner images_owner --app images_app"
    with closing(psycopg.connect(database)) as session:
        for command in dict.fromkeys(blocks("sh")):
            program, *arguments = command.replace("create NAME", f"create {names}").split()
            if program == ".venv/bin/images":
                assert main.run(arguments) == 0, command + capfd.readouterr().err
            elif program == ".venv/bin/yoyo":
                assert yoyo_on(database, *arguments).returncode == 0, command
            elif program == ".venv/bin/python":
                done = subprocess.run(["sh", "-c", command.replace(".venv/bin/python", sys.executable)], cwd=ROOT)
                assert done.returncode == 0, command
            elif command != PROMOTE and program not in OF_SYSTEMD:
                assert program == "psql", command
                command = command.replace("PROCESS", str(session.info.backend_pid)).replace("SLOT", "left")
                assert psql(command, database)


def test_blocking_sql_shows_the_blocked_and_the_blocking_session(database: str) -> None:
    with closing(psycopg.connect(database)) as holder, closing(psycopg.connect(database)) as waiter:
        held_up, by = waiter.info.backend_pid, holder.info.backend_pid
        holder.execute("LOCK TABLE images")
        waiter.pgconn.send_query(b"-- get_image: one of them\nSELECT FROM images")
        wait_until(lambda: f" {by} " in psql("psql -f sql/inspect/blocking.sql", database))

        assert re.search(
            rf" {held_up} .* images .* {by} .*LOCK TABLE", psql("psql -f sql/inspect/blocking.sql", database)
        )
        assert re.search(r"get_image .* Lock: relation", psql("psql -f sql/inspect/running.sql", database))
        assert re.search(rf" {by} .* idle in transaction", psql("psql -f sql/inspect/transactions.sql", database))


def test_the_service_sees_that_other_roles_have_sessions(database: str, connection: psycopg.Connection) -> None:
    service_role = as_role(database, "images_app")
    owner = connection.info.user

    own = psql("psql -f sql/inspect/connections.sql", service_role)

    assert re.search(rf" {owner} .*\| +\| +\|", own), own  # not 0: this role cannot see it
    for name in ("running", "transactions"):
        assert "<insufficient privilege>" in psql(f"psql -f sql/inspect/{name}.sql", service_role)


def test_each_file_for_psql_is_used_by_the_runbook() -> None:
    names = {path.name for path in (ROOT / "sql" / "inspect").glob("*.sql")} - {
        "schema.sql",
        "statements.sql",
    }  # the code uses these

    assert names == set(re.findall(r"sql/inspect/(\w+\.sql)", RUNBOOK))


def test_a_standby_is_promoted_by_hand(other_server: Server, memory: Path) -> None:
    start_copy(other_server)
    standby = Server(other_server.data.with_name(f"{other_server.data.name}-standby"), VERSION, "-c fsync=off")
    copy: list[str | Path] = [
        *other_server.as_user,
        binaries(VERSION) / "pg_basebackup",
        "--write-recovery-conf",
        "--checkpoint=fast",
    ]
    done = subprocess.run(
        [*copy, "-d", other_server.url(), "-D", standby.data], cwd="/", capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (standby.data / ".s.PGSQL.5432.lock").unlink()  # the copy includes the lock file of the socket
    standby.start()
    try:
        look = "psql -f sql/inspect/replication.sql"
        wait_until(lambda: "streaming" in psql(look, other_server.url()))
        assert "this standby" in psql(look, standby.url())
        assert PROMOTE in blocks("sh")
        psql(PROMOTE, standby.url())

        with psycopg.connect(standby.url()) as promoted:
            assert promoted.execute("SELECT pg_is_in_recovery()").fetchone() == (False,)
    finally:
        standby.release()
