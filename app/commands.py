"""The `images` command. An error is one line on stderr and exit status 1."""

import argparse
import asyncio
import atexit
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

import asyncpg
import psycopg
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import ObjectStore
from psycopg.conninfo import conninfo_to_dict
from yoyo.connections import get_backend

from app.database import ELSEWHERE, PoolerError, asyncpg_urls, connect, refuse_pooler
from app.embedded import connectable
from app.migrations.connection import one_line
from app.migrations.schema import dump
from app.migrations.status import WRONG, as_json, as_text, read_status
from app.settings import ROOT, fail, read_settings
from app.store import open_store, reach, reason

POLL = 0.2  # seconds between two attempts to connect
PATIENCE = 5.0  # seconds between two lines that say we wait
STORING = ("wait", "import", "objects")  # commands that use the object store


def main() -> None:
    try:
        run()
        end = SystemExit()
    except SystemExit as exit:
        end = exit
    if sys.argv[1:2] and sys.argv[1] in STORING:
        leave(end)
    raise end


def leave(end: SystemExit) -> NoReturn:
    """End the process as SystemExit would, less the interpreter's own end: there a thread of obstore's that has an
    answer to hand over aborts the process, as it did one in four after an error of the store."""
    status = end.code or 0
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
    except OSError:
        status = 120  # as Python has it
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else 1)


def run() -> None:
    parser = argparse.ArgumentParser(prog="images", description="The image catalogue's own commands.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("dev", help="what `make run` calls: an embedded PostgreSQL, migrations, the service")
    wait = commands.add_parser("wait", help="check the settings, then wait until PostgreSQL answers")
    wait.add_argument("--migrate", action="store_true", help="then become `yoyo apply`, unless MIGRATE=false")
    wait.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="give up after (default: 60)")
    folders = commands.add_parser("import", help="the images of files and folders; run again, it goes on")
    folders.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a file, or a folder with all in it")
    folders.add_argument("--tag", action="append", default=[], help="for each new image; may be repeated")
    export = commands.add_parser("export", help="the records of images as NDJSON, newest first")
    export.add_argument("--tag", action="append", default=[], help="images with this tag; may be repeated")
    export.add_argument("--content-type", metavar="TYPE", help="images of this media type")
    export.add_argument("--q", metavar="WORDS", help="images with these words: as in the list's q")
    export.add_argument("--created-after", metavar="TIME", help="images stored later: 2026-01-31T12:00:00Z")
    export.add_argument("--created-before", metavar="TIME", help="images stored earlier")
    export.add_argument("--compress", choices=["gzip", "zstd"])
    export.add_argument("-o", "--output", type=Path, metavar="FILE", help="not there before it is complete")
    token = commands.add_parser("token", help="who may call the API").add_subparsers(dest="about", required=True)
    create = token.add_parser("create", help="a new bearer token, shown once")
    create.add_argument("name", help="whose it is")
    create.add_argument("--scope", choices=["read", "write", "admin"], default="read", help="(default: read)")
    tokens = token.add_parser("list", help="all tokens, revoked ones too, with their last use")
    tokens.add_argument("--format", choices=["text", "json"], default="text")
    token.add_parser("revoke", help="it allows nothing any more").add_argument("name")
    objects = commands.add_parser("objects", help="about the object store").add_subparsers(dest="about", required=True)
    lost = objects.add_parser("check", help="images without bytes, and bytes without an image")
    lost.add_argument(
        "--grace",
        type=seconds,
        default=86_400.0,
        metavar="SECONDS",
        help="what is younger may be of an upload or an import that has not ended (default: 86400, a day)",
    )
    lost.add_argument("--remove-orphans", action="store_true", help="remove the bytes that no image has")
    lost.add_argument("--format", choices=["text", "json"], default="text")
    keep = objects.add_parser("keep", help="run a command, a backup, while no DELETE removes bytes")
    keep.add_argument("run", nargs=argparse.REMAINDER, metavar="COMMAND")
    schema = commands.add_parser("schema", help="about the database's schema").add_subparsers(
        dest="about", required=True
    )
    status = schema.add_parser("status", help="each migration, who is at work, and drift of the live schema")
    status.add_argument("--format", choices=["text", "json"], default="text")
    check = schema.add_parser("check", help="what is unsafe in sql/, told without a database")
    check.add_argument("--format", choices=["text", "json"], default="text")
    accept = schema.add_parser("accept", help="go by the file of a migration that was edited after it was applied")
    accept.add_argument("migration", help="its id: NNNN_verb_object")
    schema.add_parser("dump", help="the live schema as the text of sql/schema.sql")
    review = schema.add_parser("review", help="try migrations on a scratch database, and measure what they do")
    review.add_argument("migrations", nargs="*", metavar="MIGRATION", help="ids or files; the pending ones if none")
    review.add_argument("--rows", type=int, default=200_000, metavar="N", help="in each table (default: 200000)")
    review.add_argument("--format", choices=["text", "markdown", "html", "json"], default="text")
    arguments = parser.parse_args()
    try:
        if arguments.command == "dev":
            sys.exit(dev())
        if arguments.command == "wait":
            asyncio.run(wait_for_database(arguments.timeout))
            if arguments.migrate and read_settings().migrate:
                os.execvp("yoyo", ["yoyo", "apply"])  # noqa: S606, S607
        elif arguments.command == "import":
            sys.exit(import_images(arguments.paths, arguments.tag))
        elif arguments.command == "export":
            sys.exit(export_images(arguments))
        elif arguments.command == "token":
            manage_tokens(arguments)
        elif arguments.command == "objects" and arguments.about == "keep":
            sys.exit(keep_objects(arguments.run))
        elif arguments.command == "objects":
            sys.exit(check_objects(arguments.grace, arguments.remove_orphans, arguments.format))
        elif arguments.about == "status":
            sys.exit(show_status(arguments.format))
        elif arguments.about == "review":
            sys.exit(show_review(arguments.migrations, arguments.rows, arguments.format))
        elif arguments.about == "check":
            sys.exit(check_files(arguments.format))
        elif arguments.about == "accept":
            with get_backend("settings:") as backend, backend.lock():
                backend.accept(arguments.migration)
        else:
            dump_schema()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def dev() -> int:
    """Run the entrypoint, as a container would, and keep the embedded server until it has ended."""
    connectable(read_settings().database_url)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    with subprocess.Popen([ROOT / "entrypoint.sh"], env=environment) as service:
        # Ctrl-C reaches the service as it reaches us; a SIGTERM to us alone is passed on.
        signal.signal(signal.SIGTERM, lambda *_: service.terminate())
        while True:
            try:
                status = service.wait()
                return status if status >= 0 else 128 - status  # ended by a signal, as a shell says it
            except KeyboardInterrupt:
                continue


def import_images(paths: list[Path], tags: list[str]) -> int:
    from app.folders import import_folders  # with the whole application, which no other command needs

    return import_folders(paths, tags)


def export_images(arguments: argparse.Namespace) -> int:
    from app import extract
    from app.models import Filters

    filters = {name: getattr(arguments, name) for name in Filters.model_fields}
    return extract.export_images(filters, arguments.compress, arguments.output)


def manage_tokens(arguments: argparse.Namespace) -> None:
    from app import keyring  # with the whole application

    if arguments.about == "create":
        keyring.create(arguments.name, arguments.scope)
    elif arguments.about == "revoke":
        keyring.revoke(arguments.name)
    else:
        keyring.show(arguments.format)


def check_objects(grace: float, remove: bool, format: str) -> int:
    from app import objects  # with the whole application

    return objects.check_objects(grace, remove, format)


def keep_objects(command: list[str]) -> int:
    from app import keeping

    return keeping.keep_objects(command)


def seconds(text: str) -> float:
    """For argparse: a number of seconds, of a century at most."""
    number = float(text)
    if not 0 <= number <= 3_155_760_000:
        raise ValueError(text)
    return number


def show_status(format: str) -> int:
    """Print the status. Returns 0: up to date, 1: migrations are to be applied, 2: wrong, or not to be read at all."""
    try:
        status = read_status(read_settings())
    except SystemExit:
        return WRONG
    try:
        print(as_json(status) if format == "json" else as_text(status), flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python would try once more at its end
        print(f"images schema status: the output cannot be written: {error.strerror}", file=sys.stderr)
        return WRONG
    return status.exit_status


def check_files(format: str) -> int:
    """Print what is unsafe in sql/. Returns 0: nothing, 1: something, 2: it could not be looked at."""
    from app.review import check  # with pglast, which no other command needs so early

    return check.main(format)


def dump_schema() -> None:
    """Print the schema of the migrator's database."""
    try:
        print(dump(connectable(read_settings().migrator_url)), end="")
    except subprocess.CalledProcessError as error:
        fail(f"images schema dump: {one_line(error.stderr)}")
    except psycopg.Error as error:
        fail(f"images schema dump: {one_line(str(error))}")


async def wait_for_database(timeout: float) -> None:  # noqa: ASYNC109
    """Check the settings; return once the migrator can connect. What waiting cannot mend ends the command at once."""
    settings = read_settings()
    # A wrong setting shows here, once, and not in each worker again and again.
    store = open_store(settings.storage_url, signing=settings.content_redirect > 0)
    await _wait_for_store(store, timeout)
    migrator = settings.migrator_url if settings.migrate else settings.database_url
    # A set, since most often it is one URL for both.
    database_url = connectable(settings.database_url)
    for url in {connectable(migrator), database_url}:
        await _wait_for(url, timeout, direct=url == database_url and settings.database_pooler == "none")


async def _wait_for_store(store: ObjectStore, timeout: float) -> None:  # noqa: ASYNC109
    started = said = time.monotonic()
    while True:
        try:
            return await reach(store)
        except (PermissionDeniedError, UnauthenticatedError) as error:
            fail(f"images wait: the object store refuses: {reason(error)}")
        except (BaseError, OSError) as error:
            now = time.monotonic()
            if now - started > timeout:
                fail(f"images wait: the object store does not answer after {timeout:g} s: {reason(error)}")
            if now - said >= PATIENCE:
                print(f"waiting for the object store, {now - started:.0f} s so far: {reason(error)}", flush=True)
                said = now
        await asyncio.sleep(POLL)


async def _wait_for(url: str, timeout: float, direct: bool) -> None:  # noqa: ASYNC109
    parsed = conninfo_to_dict(url)
    place = f"{parsed.get('host', 'localhost')}:{parsed.get('port', 5432)}"
    started = said = time.monotonic()
    while True:
        try:
            connection, _ = await connect(asyncpg_urls(url), timeout)
            if direct:
                await refuse_pooler(connection, timeout)
            return await connection.close()
        except PoolerError as error:
            fail(f"images wait: {error}")
        except ELSEWHERE as error:
            now = time.monotonic()
            if now - started > timeout:
                fail(f"images wait: no PostgreSQL at {place} after {timeout:g} s: {error or type(error).__name__}")
            if now - said >= PATIENCE:
                print(f"waiting for PostgreSQL at {place}, {now - started:.0f} s so far", flush=True)
                said = now
        except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError, OverflowError) as error:
            fail(f"images wait: PostgreSQL at {place} refuses: {error}")
        await asyncio.sleep(POLL)


def show_review(names: list[str], rows: int, format: str) -> int:
    """Review the named migrations, or the pending ones. Returns 0: safe, or with care; 1: not safe; 2: not reviewed."""
    try:
        from app.review.command import review  # the libraries that it needs are for development
    except ModuleNotFoundError as error:
        print(f"images schema review: {error.name} is not installed: make .venv/development", file=sys.stderr)
        return WRONG
    try:
        return review(names, rows, format)
    except SystemExit:
        return WRONG
