"""The schema as a whole: sql/schema.sql, which is generated, and where a live database differs from it."""

import os
import re
import subprocess
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from app.embedded_postgres import binaries
from app.errors import fail
from app.migrations.connection import DIRECT, POOLED, Connection, run, statement
from app.schema.drift import THINGS
from app.schema.drift import drift as differences

HEADER = """\
-- The schema after all migrations, as one text. Generated: do not edit, write a migration and then
--     .venv/bin/images schema dump > sql/schema.sql
-- A test holds this file to be what the migrations make.

"""

# What pg_dump says of itself and of the session: its banners, psql's commands, SET and set_config().
NOISE = re.compile(r"^(?:--.*|\\.*|SET .*|SELECT pg_catalog\.set_config.*)\n", re.MULTILINE)


def dump(url: str) -> str:
    """The text for the database at a libpq URL, without yoyo's own tables; one text for every PostgreSQL supported.

    Raises psycopg.Error, and subprocess.CalledProcessError with what pg_dump said in `stderr`.
    """
    parameters = conninfo_to_dict(url)
    password = {"PGPASSWORD": str(parameters.pop("password"))} if "password" in parameters else {}  # not for `ps`
    command: list[str | Path] = [
        binaries(18) / "pg_dump",
        "--schema-only",
        "--no-owner",
        "--no-privileges",
        "--exclude-table=*yoyo*",
        "--exclude-extension=pg_stat_statements",
        make_conninfo("", **parameters),
    ]
    environment = os.environ | password
    with psycopg.connect(url) as connection:
        process, *_ = run(connection, "find_session").fetchone() or (None,)
        if process != connection.info.backend_pid:
            fail(f"images schema dump: {POOLED}, where what pg_dump sets would stay behind: {DIRECT}")
    text = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    with psycopg.connect(url) as connection:
        run(connection, "prepare_reading")
        things = THINGS + "".join(f"-- {line}\n" for line in inspect(connection))
    return HEADER + re.sub(r"\n{3,}", "\n\n", NOISE.sub("", text)).strip().replace("public.", "") + "\n" + things


def inspect(connection: Connection, comments: bool = False) -> list[str]:
    """What the schema of a live database is made of, sorted; `THING: DEFINITION`."""
    lines = connection.execute(statement("schema", "inspect").encode()).fetchall()
    return sorted(line for (line,) in lines if comments or not line.startswith("comment on "))


def drift(connection: Connection) -> list[str]:
    """Each thing of a live database that differs from sql/schema.sql, in words."""
    return differences(inspect(connection))
