"""The `images` command. An error is one line on stderr and exit status 1."""

import argparse
import asyncio
import atexit
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from yoyo.connections import get_backend

from app.cli.dev import dev
from app.cli.schema import check_files, dump_schema, show_review, show_status
from app.cli.wait import wait_for_database
from app.settings import read_settings

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


def import_images(paths: list[Path], tags: list[str]) -> int:
    from app.cli.import_files import import_folders  # with the whole application, which no other command needs

    return import_folders(paths, tags)


def export_images(arguments: argparse.Namespace) -> int:
    from app.catalogue.listing import Filters
    from app.cli import export as cli_export

    filters = {name: getattr(arguments, name) for name in Filters.model_fields}
    return cli_export.export_images(filters, arguments.compress, arguments.output)


def manage_tokens(arguments: argparse.Namespace) -> None:
    from app.cli import tokens as cli_tokens  # with the whole application

    if arguments.about == "create":
        cli_tokens.create(arguments.name, arguments.scope)
    elif arguments.about == "revoke":
        cli_tokens.revoke(arguments.name)
    else:
        cli_tokens.show(arguments.format)


def check_objects(grace: float, remove: bool, format: str) -> int:
    from app.cli import check_objects as cli_check_objects  # with the whole application

    return cli_check_objects.check_objects(grace, remove, format)


def keep_objects(command: list[str]) -> int:
    from app.cli import keep_objects as cli_keep_objects

    return cli_keep_objects.keep_objects(command)


def seconds(text: str) -> float:
    """For argparse: a number of seconds, of a century at most."""
    number = float(text)
    if not 0 <= number <= 3_155_760_000:
        raise ValueError(text)
    return number
