"""Limits that no service can pass: PostgreSQL's programs psql and pgbench with the same rows and statements."""

import os
import re
import subprocess
from pathlib import Path
from time import perf_counter

from app.schema.headers import examples
from app.schema.statements import statement
from benchmarks.database import Database
from benchmarks.load import Figures

SQL = Path(__file__).parents[1] / "sql"


def pgbench(database: Database, query: str, seconds: float) -> Figures:
    """Run a prepared statement of sql/queries/ with 32 clients and the arguments of the first example in its header.

    Each call uses a random image instead of image 1, and a new title instead of the title A.
    """
    text = statement(query)
    example = examples(text)[0][1].replace("'image 1'", "'image ' || :n").replace("'A'", "'A ' || :n")
    text = re.sub("^--.*\n", "", text, flags=re.MULTILINE)
    for number, argument in reversed([*enumerate(example.split(", "), 1)]):
        text = text.replace(f"${number}", argument)
    script = f"\\set n random(1, {database.rows})\n{text}"
    command: list[str | Path] = [
        database.bin / "pgbench",
        "-n",
        "-M",
        "prepared",
        "-c",
        "32",
        "-T",
        f"{seconds:.0f}",
        "-f",
        "/dev/stdin",
    ]
    done = subprocess.run([*command, database.url], input=script, check=True, stdout=subprocess.PIPE, text=True)
    requests = re.findall(r"transactions actually processed: (\d+)", done.stdout)[0]
    rate = re.findall(r"tps = ([\d.]+)", done.stdout)[0]
    return Figures(int(requests), int(requests) / float(rate))


def psql_export(database: Database) -> float:
    """Return the seconds that psql takes to copy what the service exports: its own statement, for all images."""
    query = statement("export_images").rstrip().removesuffix(";")
    settings = {"created_after": "-infinity", "created_before": "infinity", "shows_location": "yes"}
    options = " ".join(f"-c images.{name}={value}" for name, value in settings.items())
    return _psql(database, ["-c", f"COPY (\n{query}\n) TO STDOUT"], Path("/dev/null"), PGOPTIONS=options)


def psql_import(database: Database, rows: Path) -> float:
    """Return the seconds that psql takes to copy the rows, as CSV, into the table of the service."""
    return _psql(database, ["-f", SQL / "import_images.sql"], rows)


def _psql(database: Database, script: list[str | Path], rows: Path, **variables: str) -> float:
    command: list[str | Path] = [
        database.bin / "psql",
        "--no-psqlrc",
        "--quiet",
        "-v",
        "ON_ERROR_STOP=1",
        *script,
        "-d",
        database.url,
    ]
    begun = perf_counter()
    with rows.open() as lines, Path("/dev/null").open("w") as nothing:
        subprocess.run(command, check=True, stdin=lines, stdout=nothing, env=os.environ | variables)
    return perf_counter() - begun
