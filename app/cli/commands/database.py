"""Command of the database itself: `images database create`."""

import click

from app.cli.commands.classes import Group


@click.group(cls=Group)
def database() -> None:
    """Create the database and its roles."""


@database.command(warns=False, examples="images database create\nPGHOST=db.example images database create shop")
@click.argument("name", default="images")
@click.option("--owner", metavar="ROLE", help="The role that owns the schema. Default: NAME_owner.")
@click.option("--app", metavar="ROLE", help="The role of the service. Default: NAME_app.")
@click.option("--former", metavar="ROLE", help="The owner that has to give up the tables, and loses its rights.")
def create(name: str, owner: str | None, app: str | None, former: str | None) -> None:
    """Create a database and its two roles.

    A database or role that exists is kept. The command connects as psql does: PGHOST, PGPORT, PGUSER, PGPASSFILE. The
    role needs CREATEDB and CREATEROLE, or is a superuser. Several installations in one cluster need different names.
    """
    from app.cli.create_database import create_database

    create_database(name, owner or f"{name}_owner", app or f"{name}_app", former)
