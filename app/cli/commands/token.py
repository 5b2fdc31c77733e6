"""Commands of bearer tokens: `images token create`, `rotate`, `limit`, `list` and `revoke`."""

from datetime import timedelta

import click

from app.catalogue.tokens import End
from app.cli.commands.classes import Group, format_option
from app.cli.commands.token_options import Expiry, LimitedBytes, Overlap, Rate

LIMIT_OF_UPLOADS = "Bytes of request bodies in a day of UTC, such as 10GiB, or none."
LIMIT_OF_REQUESTS = "Requests a second, such as 50/s, or none."


@click.group(cls=Group)
def token() -> None:
    """Manage the bearer tokens of API clients."""


@token.command(
    examples="images token create gallery --scope write\n"
    "images token create partner --expires 90d --rate 50/s --upload-quota 10GiB\n"
    "TOKEN=$(images token create --quiet backup)"
)
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(["read", "write", "admin"]),
    default="read",
    show_default=True,
    help="Scope of the token. write includes read, and admin includes both.",
)
@click.option(
    "--expires",
    type=Expiry(),
    default="never",
    show_default=True,
    help="When the token stops working: after a time, such as 90d or 12h, at a date such as 2027-01-31, or never.",
)
@click.option("--note", help="Purpose of the token: at most 500 characters.")
@click.option("--rate", type=Rate(), default="none", show_default=True, help=LIMIT_OF_REQUESTS)
@click.option("--upload-quota", type=LimitedBytes(), default="none", show_default=True, help=LIMIT_OF_UPLOADS)
def create(
    name: str,
    scope: str,
    expires: End,
    note: str | None,
    rate: tuple[int | None],
    upload_quota: tuple[int | None],
) -> None:
    """Create a token and print it once.

    NAME identifies the client that uses the token. Save the token when it is printed. The command cannot show it again,
    because the database stores only a hash.
    """
    from app.cli import manage_tokens

    manage_tokens.create(name, scope, end=expires, text=note, rate=rate[0], quota=upload_quota[0])


@token.command(examples="images token rotate gallery --overlap 1d\nimages token rotate gallery --overlap 0")
@click.argument("name")
@click.option(
    "--overlap",
    type=Overlap(),
    default="1d",
    show_default=True,
    help="How long the current secret still works. 0: it stops working within 0.5 s.",
)
@click.option(
    "--expires", type=Expiry(), help="When the new secret stops working.  [default: as long as the current one]"
)
def rotate(name: str, overlap: timedelta, expires: End | None) -> None:
    """Give a token a new secret and print the token once.

    The client has until the end of the overlap to change to the new secret. Name, scope, note and limits stay.
    """
    from app.cli import manage_tokens

    manage_tokens.rotate(name, overlap, expires)


@token.command(examples="images token limit gallery --rate 50/s\nimages token limit gallery --upload-quota none")
@click.argument("name")
@click.option("--rate", type=Rate(), help=LIMIT_OF_REQUESTS)
@click.option("--upload-quota", type=LimitedBytes(), help=LIMIT_OF_UPLOADS)
def limit(name: str, rate: tuple[int | None] | None, upload_quota: tuple[int | None] | None) -> None:
    """Change the limits of a token. A limit that you do not name stays."""
    from app.cli import manage_tokens

    manage_tokens.limit(name, rate, upload_quota)


@token.command(
    "list", params=[format_option("text", "json")], examples="images token list\nimages token list --format json"
)
def list_(format: str) -> None:
    """List all tokens, with their state and last use.

    Expired and revoked tokens stay in the list.
    """
    from app.cli import manage_tokens

    manage_tokens.show(format)


@token.command(examples="images token revoke gallery")
@click.argument("name")
def revoke(name: str) -> None:
    """Revoke a token and its earlier secret. It stops working within 0.5 s."""
    from app.cli import manage_tokens

    manage_tokens.revoke(name)
