"""Coverage by package: `python -m tests.support.coverage_by_package REPORT`, with the JSON report of coverage."""

import json
import sys
from collections import defaultdict
from pathlib import Path

GOAL = 95.0  # percent of lines and branches


def table(report: dict[str, dict[str, dict[str, dict[str, int]]]]) -> list[tuple[str, int, int]]:
    """Return each package with how many of its lines and branches the tests ran, and how many there are."""
    counts: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for path, file in report["files"].items():
        parts = Path(path).parts
        package = "/".join(parts[:2]) if len(parts) > 2 else "app/*.py"
        summary = file["summary"]
        counts[package][0] += summary["covered_lines"] + summary["covered_branches"]
        counts[package][1] += summary["num_statements"] + summary["num_branches"]
    return [(package, run, total) for package, (run, total) in sorted(counts.items())]


def main() -> None:
    """Print the table."""
    rows = table(json.loads(Path(sys.argv[1]).read_text()))
    for package, run, total in [*rows, ("all", sum(row[1] for row in rows), sum(row[2] for row in rows))]:
        percent = 100 * run / total if total else 100.0
        print(f"{package:<24} {run:>6} of {total:>6}  {percent:5.1f} %{'' if percent >= GOAL else '  below the goal'}")


if __name__ == "__main__":
    main()
