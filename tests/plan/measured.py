"""Measured times of all shipped migrations: `python -m tests.plan.measured` measures them again on one machine.

It writes sql/review/measured.json, as `images schema review --save` does for the migrations that it reviews. It takes
about two minutes with 200,000 rows, on a quiet machine.
"""

import argparse
from collections.abc import Iterator

from app.migrations.connection import Connection, run
from app.review import scratch
from app.review.measure import MeasuredRun, measure
from app.review.measured_times import save
from app.review.review import Reviewed
from app.schema.headers import rollback_of, transactional
from app.settings import read_review_settings
from tests.schema.test_migrations import FILES, FOLDER


def measure_all(connection: Connection, rows: int) -> Iterator[Reviewed]:
    """Apply all migrations, and then roll back all: a rollback finds what later ones have left."""
    run(connection, "make_history", "review")
    run(connection, "create_ledger")
    run(connection, "create_checks")
    for operation, paths in (("apply", FILES), ("rollback", FILES[::-1])):
        for path in paths:
            if operation == "apply":
                scratch.fill(connection, rows)
            scratch.vacuum(connection)
            tables = {name: number for name, number, *_ in run(connection, "read_relations")}
            file = path if operation == "apply" else path.with_suffix(".rollback.sql")
            done = measure(connection, file, transactional(path))
            if done.error:
                raise RuntimeError(f"{file.name}: {done.error}")
            print(f"{file.name}: {done.milliseconds:.0f} ms", flush=True)
            if operation == "apply":
                yield Reviewed(path.stem, path, rollback_of(path), tables, done)
            else:
                nothing = MeasuredRun(transactional(path), is_idle=True)
                yield Reviewed(path.stem, path, rollback_of(path), tables, nothing, done)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.plan.measured", description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="images in the table (default: %(default)s)")
    arguments = parser.parse_args()
    with scratch.scratch(read_review_settings()) as database:
        done = list(measure_all(database.connection, arguments.rows))
        version = str(database.connection.info.parameter_status("server_version"))
    print(f"saved the times to {save(FOLDER.parent, done, version)}")


if __name__ == "__main__":
    main()
