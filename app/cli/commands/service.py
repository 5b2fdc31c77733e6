"""Commands of the service and its settings: `images dev`, `wait`, `settings`, `psql` and `completion`."""

import os

import click
from click.shell_completion import get_completion_class

from app.cli.commands.classes import Command, PassingCommand, Seconds, format_option


@click.command(cls=Command, warns=False, examples="images dev\nUVICORN_PORT=8001 images dev")
def dev() -> int:
    """Run the service with an embedded PostgreSQL.

    Starts PostgreSQL if DATABASE_URL is embedded:DIR, applies the migrations, and serves until Ctrl-C. `make run` calls
    this. The data stays. The exit code is the one of the service.
    """
    from app.cli.dev import dev

    return dev()


@click.command(cls=Command, examples="images wait --timeout 5\nimages wait --migrate")
@click.option("--migrate", is_flag=True, help="Run `yoyo apply` afterwards (skipped if MIGRATE=false).")
@click.option(
    "--timeout",
    type=Seconds(min=0),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Fail if PostgreSQL or the object store does not answer in this time.",
)
def wait(migrate: bool, timeout: float) -> None:
    """Check the settings, and wait until all servers answer.

    The servers are PostgreSQL and the object store. A container starts with this command, so that a wrong setting shows
    once and not in each worker. An error that waiting cannot fix, such as a wrong password, ends the command at once.
    """
    import asyncio

    from app.cli.wait import wait_for_database
    from app.setting_sources import WARNED
    from app.settings import read_settings

    asyncio.run(wait_for_database(timeout, is_start=migrate))
    if migrate and read_settings().migrate:
        os.execvpe("yoyo", ["yoyo", "apply"], os.environ | {WARNED: "1"})  # noqa: S606, S607


@click.command(
    cls=Command,
    warns=False,
    params=[format_option("text", "json")],
    examples="images settings\nimages settings --format json",
)
def settings(format: str) -> None:
    """Show every setting, its value and its source.

    Passwords and other secrets are masked. Unknown names in .env are listed with the nearest known name.
    """
    from app.cli.settings import show

    show(format)


@click.command(
    cls=PassingCommand,
    common=False,
    examples="images psql\n"
    "images psql -c 'SELECT count(*) FROM images'\n"
    "images psql --owner -f sql/inspect/blocking.sql",
    exit_codes={
        0: "psql's own: done",
        1: "psql's own: fatal error, such as a file that does not exist",
        2: "wrong settings; psql's own: the connection failed",
        3: "psql is not installed; psql's own: an error in a script, with ON_ERROR_STOP",
    },
)
@click.option("--owner", is_flag=True, help="Connect with MIGRATION_DATABASE_URL, as the owner of the schema.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGS]...")
def psql(owner: bool, arguments: tuple[str, ...]) -> int:
    """Run psql on the database of the settings.

    ARGS are psql's own. The connection comes from DATABASE_URL and goes to psql in environment variables, so that no
    password is in the list of processes. With embedded:DIR the server runs while psql does.
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
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script for completion in a shell."""
    script = get_completion_class(shell)
    assert script is not None
    print(script(context.find_root().command, {}, "images", "_IMAGES_COMPLETE").source())
