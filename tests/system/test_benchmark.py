"""The benchmark: its figures in the documentation, its load, and the runs that it keeps."""

import json
import re
import subprocess
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any, cast

import pytest

from app.settings import ROOT
from benchmarks import report
from benchmarks.load import Connection, Cpu, Figures, Load
from benchmarks.results import Results, targets
from benchmarks.servers import FASTAPI, FASTIFY, US, bare
from benchmarks.works import BEFORE, CONTENT, GET, NEWEST, PATCH, THUMBNAILS, UPLOAD

RATIO = r"([\d.]+) \(([\d.]+) to ([\d.]+)\)"
ROW = re.compile(rf"^\| ([^|]+) \| {RATIO} \| {RATIO} \|$", re.MULTILINE)
BARE = ", without token and log"
WORKERS = {"two workers": ", 2 workers", "four workers": ", 4 workers"}
WORKS = {
    "get by id": GET,
    "newest 50": NEWEST,
    "50 before a random time": BEFORE,
    "change a title": PATCH,
    "upload": UPLOAD,
    "upload a photo of 350 KB": UPLOAD,
    "first thumbnail of a photo": THUMBNAILS,
    "download 350 KB": CONTENT,
}


def test_each_ratio_of_the_page_is_the_worst_of_the_kept_runs() -> None:
    page = (ROOT / "docs" / "explanation" / "performance.md").read_text(encoding="utf-8")
    runs = [json.loads(path.read_text()) for path in (ROOT / "benchmarks" / "results").glob("*.json")]
    rows = ROW.findall(page)

    assert len(rows) >= 8
    wrong = []
    for name, *shown in rows:
        is_bare = name.endswith(BARE)
        work = WORKS[name.removesuffix(BARE).partition(",")[0]]
        work += WORKERS.get(name.rpartition(", ")[2], "")
        for who, words in ((FASTAPI, shown[:3]), (FASTIFY, shown[3:])):
            us, them = (bare(each) if is_bare else each for each in (US, who))
            all_ratios = [_ratios(run, work, us, them) for run in runs]
            ratios = [each for each in all_ratios if each]
            expected = min(map(median, ratios)), min(map(min, ratios)), max(map(max, ratios))
            compared = zip(words, expected, strict=True)
            wrong += [(name, who, word, value) for word, value in compared if not _is(word, value)]
    assert wrong == []


def _ratios(results: dict[str, Any], work: str, us: str, who: str) -> list[float]:
    rates = {
        each["who"]: [run["requests"] / run["seconds"] for run in each["rounds"]]
        for each in results["works"]
        if each["work"] == work
    }
    return [ours / theirs for ours, theirs in zip(rates.get(us, []), rates.get(who, []), strict=True)]


def _is(word: str, value: float) -> bool:
    """Return whether the word is the rounded value."""
    unit = 10 ** -len(word.partition(".")[2])
    return bool(abs(float(word) - value) <= unit * 0.501)


class Sink:
    """A load that notes what each connection does."""

    def __init__(self, expected: bytes) -> None:
        self.requests = iter([(b"GET / HTTP/1.1\r\n\r\n", expected)] * 3)
        self.status = b"http/1.1 200"
        self.answers = 0
        self.failures: list[str] = []

    def answered(self, _: float) -> bool:
        self.answers += 1
        return True

    def fail(self, why: str) -> None:
        self.failures.append(why)


@pytest.mark.parametrize("size", [1, 7, 20, 1000])
def test_an_answer_may_arrive_in_pieces(size: int) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n" + b"a" * 55 + b"image"
    load = Sink(b"image")
    connection = Connection(cast(Load, load))
    connection.connection_made(cast(Any, SimpleNamespace(write=lambda _: None)))

    for _ in range(2):
        for first in range(0, len(answer), size):
            connection.data_received(answer[first : first + size])

    assert (load.answers, load.failures) == (2, [])


def test_an_answer_without_the_expected_image_is_a_failure() -> None:
    load = Sink(b"image")
    connection = Connection(cast(Load, load))
    connection.connection_made(cast(Any, SimpleNamespace(write=lambda _: None)))

    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n" + b"a" * 10)
    connection.data_received(b"b" * 10)

    assert load.answers == 0
    assert len(load.failures) == 1


def _results(seconds: float = 1.0) -> Results:
    results = Results(1000)
    for who, requests in ((US, 300), (FASTIFY, 100)):
        cpu = Cpu(server=0.5, postgres=0.2, load=0.1, busy=1.0, idle=0.9, stolen=0.1)
        results.runs[GET, who] = [Figures(requests * number, seconds, [0.01, 0.02], cpu) for number in (1, 2)]
    return results


@pytest.mark.parametrize(("whole", "kept"), [(True, 1), (False, 0)])
def test_only_whole_runs_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool, kept: int) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.setattr(report, "HERE", tmp_path)
    monkeypatch.setattr(report, "DATA", tmp_path / "data")
    monkeypatch.setattr(report, "versions", lambda: "versions")
    monkeypatch.setattr(report, "code", lambda: "commit 1234567")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: None)  # the plot

    report.report(_results(), whole=whole)

    assert len([*(tmp_path / "results").glob("*.json")]) == kept
    assert len([*(tmp_path / "data" / "results").glob("*.json")]) == 1 - kept


def test_the_report_has_the_load_and_the_others() -> None:
    results = _results()
    run: dict[str, Any] = {"date": "2026-01-01", "code": "commit 1234567"}
    run |= {"targets": [target._asdict() | {"met": target.met} for target in targets(results)]}
    earlier = run | {"date": "2025-01-01", "targets": []}

    text = report.as_markdown(results, [earlier, run])

    assert "| 222 µs" in text  # of the load of Fastify: 0.2 s for 300 requests is 667 µs, of ours 222 µs
    assert "Others took 15% of the CPU" in text
    assert "commit 1234567" in text
    assert re.search(r"get by id: rate, to Fastify \+ postgres.js +\| not measured +\| 3.00 \(3.00 to 3.00\)", text)
