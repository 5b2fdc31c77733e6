"""Declarations of the `images` commands: arguments, options, help. The work is imported when a command runs."""

import click

from app.cli.commands.backfill_capture import backfill_group
from app.cli.commands.classes import Group, common_options
from app.cli.commands.database import database
from app.cli.commands.images import export, import_
from app.cli.commands.objects import objects
from app.cli.commands.phases import backfill, contract
from app.cli.commands.schema import schema
from app.cli.commands.service import completion, dev, psql, settings, wait
from app.cli.commands.token import token


@click.group(
    cls=Group,
    name="images",
    params=common_options(),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    invoke_without_command=True,
    no_args_is_help=True,
    epilog="Settings come from the environment, from .env, and from files in /run/secrets. `images settings` shows"
    " them. `images COMMAND --help` shows examples and exit codes. `images --verbose --version` also prints the"
    " versions of the libraries.",
)
@click.option("--version", is_flag=True, help="Print the version.")
@click.pass_context
def images(context: click.Context, version: bool) -> None:
    """Run and maintain the image catalogue."""
    if version:
        from app.cli.version import print_version

        print_version()
        context.exit()
    if context.invoked_subcommand is None:
        raise click.UsageError("no command given.", context)


for command in (
    dev,
    wait,
    settings,
    psql,
    import_,
    export,
    backfill_group,
    token,
    objects,
    database,
    schema,
    completion,
):
    images.add_command(command)
for command in (backfill, contract):
    schema.add_command(command)
