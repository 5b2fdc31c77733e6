"""Commands of the service and its settings: `images dev`, `wait`, `settings`, `psql` and `completion`."""

import os
import sys
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from app.cli.commands.classes import COMPLETION, Command, PassingCommand, Seconds, format_option


@click.command(cls=Command, warns=False, examples="images dev\nUVICORN_PORT=8001 images dev")
def dev() -> int:
    """Run the service with an embedded PostgreSQL.

    If DATABASE_URL is embedded:DIR, the command starts PostgreSQL. Then it applies the migrations, and runs the service
    until you press Ctrl+C. The data in DIR is kept. The exit code is that of the service. `make run` calls this
    command.
    """
    from app.cli.dev import dev

    return dev()


@click.command(cls=Command, has_events=True, examples="images wait --timeout 5\nimages wait --migrate")
@click.option("--migrate", is_flag=True, help="Then run `yoyo apply`, unless MIGRATE is false.")
@click.option(
    "--timeout",
    type=Seconds(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Fail if PostgreSQL or the object store does not answer within this time.",
)
def wait(migrate: bool, timeout: float) -> None:
    """Check the settings, and wait until all servers answer.

    The servers are PostgreSQL and the object store. If waiting cannot fix an error, such as a wrong password, the
    command fails at once. A container runs it first, so that a wrong setting is reported once and not by each worker.
    """
    import asyncio

    from app.cli.wait import report_decoder, wait_for_database
    from app.setting_sources import WARNED
    from app.settings import ROOT, read_settings

    asyncio.run(wait_for_database(timeout, is_start=migrate))
    if migrate:
        report_decoder()
    if migrate and read_settings().migrate:
        os.chdir(ROOT)  # yoyo looks for yoyo.ini in the current folder, which may even be removed
        # yoyo is beside this program, which may run by its path: `.venv/bin/images wait --migrate`.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        os.execvpe("yoyo", ["yoyo", "apply"], os.environ | {WARNED: "1", "PATH": path})  # noqa: S606, S607


@click.command(
    cls=Command,
    warns=False,
    params=[format_option("text", "json")],
    examples="images settings\nimages settings --format json",
)
def settings(format: str) -> None:
    """Show every setting, its value and its source.

    The last lines show the sandbox of the decoder. The command starts a decoder to find out which parts of the sandbox
    this system has. Passwords and other secrets are masked. For an unknown name in .env, the command suggests the
    nearest known name.
    """
    from app.cli.show_settings import show

    show(format)


@click.command(
    cls=PassingCommand,
    common=False,
    examples="images psql\n"
    "images psql -c 'SELECT count(*) FROM images'\n"
    "images psql --owner -f sql/inspect/blocking.sql",
    exit_codes={
        0: "done",
        1: "psql: fatal error, such as a file that does not exist",
        2: "wrong settings, or psql: the connection failed",
        3: "psql is not installed, or psql: an error in a script with ON_ERROR_STOP",
    },
)
@click.option("--owner", is_flag=True, help="Connect with MIGRATION_DATABASE_URL, as the owner of the schema.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGS]...")
def psql(owner: bool, arguments: tuple[str, ...]) -> int:
    """Run psql on the database of the settings.

    The command passes ARGS to psql. It takes the connection from DATABASE_URL and passes it in environment variables,
    so that the list of processes shows no password. If DATABASE_URL is embedded:DIR, PostgreSQL runs until psql exits.
    In the folder of another project, as for `images schema`, the settings are those of that project.
    """
    from app.cli.psql import run_psql

    return run_psql(list(arguments), as_owner=owner)


@click.command(
    cls=Command,
    warns=False,
    examples="images completion bash > ~/.local/share/bash-completion/completions/images\n"
    'eval "$(images completion zsh)"\n'
    "images completion fish > ~/.config/fish/completions/images.fish",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), metavar="SHELL")
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script for a shell: bash, zsh, or fish."""
    script = get_completion_class(shell)
    assert script is not None
    print(script(context.find_root().command, {}, "images", COMPLETION).source())
