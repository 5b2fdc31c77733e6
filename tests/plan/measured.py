"""Measured times of all shipped migrations: `python -m tests.plan.measured` measures them again on one machine.

It writes sql/review/measured.json, as `images schema review --save` does for the migrations that it reviews. It takes
about ten minutes with 200,000 rows.
"""

import argparse

from app.migrations.connection import Connection, run
from app.review import scratch
from app.review.measure import execute_file, measure
from app.review.measured_times import save
from app.review.review import Reviewed
from app.schema.headers import rollback_of, transactional
from app.settings import read_review_settings
from tests.schema.test_migrations import FILES, FOLDER


def measure_all(connection: Connection, rows: int) -> list[Reviewed]:
    """Apply each migration, roll it back, and apply it again."""
    done = []
    for name in ("make_history", "create_ledger", "create_checks"):
        run(connection, name, *(["review"] if name == "make_history" else []))
    for path in FILES:
        scratch.fill(connection, rows)
        scratch.vacuum(connection)
        tables = {name: number for name, number, *_ in run(connection, "read_relations")}
        is_whole = transactional(path)
        reviewed = Reviewed(path.stem, path, rollback_of(path), tables, measure(connection, path, is_whole))
        rollback = path.with_suffix(".rollback.sql")
        if rollback.exists():
            scratch.vacuum(connection)
            reviewed.down = measure(connection, rollback, is_whole)
            execute_file(connection, path, is_whole)
        for each in filter(None, (reviewed.up, reviewed.down)):
            if each.error:
                raise RuntimeError(f"{path.stem}: {each.error}")
        done.append(reviewed)
        back = f", back in {reviewed.down.milliseconds:.0f} ms" if reviewed.down else ""
        print(f"{path.stem}: {reviewed.up.milliseconds:.0f} ms{back}", flush=True)
    return done


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.plan.measured", description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="images in the table (default: %(default)s)")
    arguments = parser.parse_args()
    with scratch.scratch(read_review_settings()) as database:
        done = measure_all(database.connection, arguments.rows)
        version = str(database.connection.info.parameter_status("server_version"))
    print(f"saved the times to {save(FOLDER.parent, done, version)}")


if __name__ == "__main__":
    main()
