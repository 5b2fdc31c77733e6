"""Soak test (`make soak`): mixed load during deploys, migrations, crashes and a failover, and a report of failures."""

import argparse
import asyncio
import subprocess
import sys
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path
from typing import NoReturn

from app.settings import ROOT
from app.text import one_line
from tests.conftest import MEMORY
from tests.soak import siege
from tests.soak.play import FULL, QUICK, play
from tests.soak.report import as_text
from tests.soak.stage import edited, later


def main() -> None:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="run for a minute, with fewer rows")
    parser.add_argument(
        "--rows", type=int, metavar="N", help="rows in the table (default: 200000, or 20000 with --quick)"
    )
    parser.add_argument(
        "--hostile", action="store_true", help="run hostile clients beside the honest ones, without any other event"
    )
    parser.add_argument(
        "--old",
        metavar="REVISION",
        help="git revision of an older release: upgrade from it, roll back to it, upgrade again",
    )
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help="folder for the logs and metrics of the instances"
    )
    arguments = parser.parse_args()
    place = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=place) as memory, tempfile.TemporaryDirectory() as temporary:
        Path(memory).chmod(0o755)
        folder = arguments.output or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if arguments.hostile:
            end_with(asyncio.run(siege.besiege(siege.QUICK if arguments.quick else siege.FULL, folder, Path(memory))))
        old = release(arguments.old, Path(temporary, "old")) if arguments.old else None
        size = QUICK if arguments.quick else FULL
        report = asyncio.run(play(size._replace(rows=arguments.rows or size.rows), folder, Path(memory), old))
    print(as_text(report))
    sys.exit(bool(report.failed or report.lost or report.tracebacks))


def end_with(result: siege.Siege) -> NoReturn:
    """Print the result of hostile clients, and exit with 1 if a promise did not hold."""
    print(siege.as_text(result))
    sys.exit(bool(result.faults))


def release(revision: str, folder: Path) -> Path:
    """Extract the files of the revision into the folder. Exit with an error if this revision cannot be upgraded."""
    archive = subprocess.run(["git", "-C", ROOT, "archive", revision], capture_output=True)
    if archive.returncode:
        sys.exit(f"make soak: {one_line(archive.stderr.decode())}")
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")
    if not later(folder):
        sys.exit(f"make soak: OLD={revision} has no pending migration. Name an older revision.")
    if edited(folder):
        sys.exit(f"make soak: OLD={revision} rejects migrations whose comments changed since. Name a newer revision.")
    return folder


main()
