"""The migrator's connection to PostgreSQL, its statements, and what went wrong in words."""

import psycopg

from app.embedded import connectable
from app.settings import ROOT, Settings, fail


def connect(settings: Settings) -> psycopg.Connection:
    """Connect as MIGRATION_DATABASE_URL says, or DATABASE_URL; or end the command with one line."""
    try:
        return psycopg.connect(
            connectable(settings.migrator_url), autocommit=True, application_name="images-migrations"
        )
    except psycopg.Error as error:
        fail(f"yoyo: cannot connect to PostgreSQL: {one_line(str(error))}")
    except KeyboardInterrupt:
        fail("yoyo: interrupted; nothing was done")


def statement(name: str) -> str:
    """The text of one of sql/migrator/*.sql."""
    return (ROOT / "sql" / "migrator" / f"{name}.sql").read_text(encoding="utf-8")


def one_line(text: str) -> str:
    return " ".join(text.split())


def explained(error: psycopg.Error) -> str:
    """What PostgreSQL said: the message, then each line of its detail, then its hint."""
    if error.diag.message_primary is None:
        # "the connection is closed", to which a clean-up came, says less than what closed it.
        cause = error.__context__
        return explained(cause) if isinstance(cause, psycopg.Error) else one_line(str(error))
    details = (error.diag.message_detail or "").splitlines()
    hint = [error.diag.message_hint] if error.diag.message_hint else []
    return "\n  ".join([error.diag.message_primary, *details, *hint])
