"""Commands of bearer tokens: `images token create`, `list` and `revoke`."""

import click

from app.cli.commands.classes import Group, format_option


@click.group(cls=Group)
def token() -> None:
    """Create, list and revoke the bearer tokens of API clients."""


@token.command(examples="images token create gallery --scope write\nTOKEN=$(images token create --quiet backup)")
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(["read", "write", "admin"]),
    default="read",
    show_default=True,
    help="Scope of the token. write includes read, and admin includes both.",
)
def create(name: str, scope: str) -> None:
    """Create a token and print it once.

    NAME identifies the client that uses the token. Save the token when it is printed. The command cannot show it again,
    because the database stores only a hash.
    """
    from app.cli import manage_tokens

    manage_tokens.create(name, scope)


@token.command(
    "list", params=[format_option("text", "json")], examples="images token list\nimages token list --format json"
)
def list_(format: str) -> None:
    """List all tokens, including revoked ones, with their last use."""
    from app.cli import manage_tokens

    manage_tokens.show(format)


@token.command(examples="images token revoke gallery")
@click.argument("name")
def revoke(name: str) -> None:
    """Revoke a token. It stops working within 0.5 s."""
    from app.cli import manage_tokens

    manage_tokens.revoke(name)
