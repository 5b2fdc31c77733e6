"""`make soak`, shortened: two workers under load through all that an operator and a machine do to them."""

import asyncio
from pathlib import Path

from tests.soak.play import QUICK, SHORT, play
from tests.soak.report import as_text
from tests.support.exhaustive import EXHAUSTIVE


def test_nothing_fails_and_no_acknowledged_write_is_lost(memory: Path, tmp_path: Path) -> None:
    folder = memory / "soak"
    folder.mkdir()

    report = asyncio.run(play(QUICK if EXHAUSTIVE else SHORT, tmp_path, folder))

    print(as_text(report))
    assert report.failed == {}
    assert report.lost == []
    assert report.tracebacks == 0
    assert report.acknowledged > (100 if EXHAUSTIVE else 20)
    assert {absence.of for absence in report.absences} == {"schema", "PostgreSQL"}
