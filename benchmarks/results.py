"""Results of the benchmark, and their targets."""

from dataclasses import dataclass, field
from itertools import product
from statistics import median, quantiles
from typing import NamedTuple

from benchmarks.contents import NGINX, S3_ALONE
from benchmarks.filters import DEEP, FIRST, WITH_TARGET
from benchmarks.load import Figures
from benchmarks.servers import FASTAPI, FASTIFY, PGBENCH, PSQL, STARLETTE, US, bare
from benchmarks.works import BEFORE, CONTENT, GET, NEWEST, PATCH, S3_CONTENT, THUMBNAILS, UPLOAD

MIB = 1024 * 1024


@dataclass
class Results:
    """The measurements. All times are in seconds."""

    rows: int
    runs: dict[tuple[str, str], list[Figures]] = field(default_factory=dict)  # by work and server
    pages: dict[str, list[float]] = field(default_factory=dict)  # latencies, by request
    imports: dict[str, list[float]] = field(default_factory=dict)
    exports: dict[str, list[float]] = field(default_factory=dict)
    # Bytes after the works, by server: of its process, and of those that it started.
    memory: dict[str, tuple[int, int]] = field(default_factory=dict)
    starts: dict[str, tuple[float, float]] = field(default_factory=dict)  # to the first answer, and of that request

    def add(self, work: str, who: str, figures: Figures, round: str) -> None:
        self.runs.setdefault((work, who), []).append(figures)
        print(f"{round}  {work}: {who} {figures.rate:,.0f}/s", flush=True)

    def rate(self, work: str, who: str) -> float | None:
        """Return the median of the rounds, in requests per second."""
        return _median([figures.rate for figures in self.runs.get((work, who), [])])

    def latencies(self, work: str, who: str) -> list[float]:
        """Return the latencies of all rounds, in seconds."""
        return [latency for figures in self.runs.get((work, who), []) for latency in figures.latencies]


class Target(NamedTuple):
    what: str
    bound: float | None  # None if it is only for information
    measured: float | None  # None if it was not measured
    at_most: bool = False
    unit: str = ""
    spread: tuple[float, float] | None = None  # the lowest and the highest ratio of the rounds

    @property
    def met(self) -> bool | None:
        if self.measured is None or self.bound is None:
            return None
        return self.measured <= self.bound if self.at_most else self.measured >= self.bound


def targets(results: Results) -> list[Target]:
    """Return the targets. A ratio of rates is the median of the ratios of the rounds."""

    def rate(work: str, who: str, bound: float | None = None, us: str = US) -> Target:
        pairs = zip(results.runs.get((work, us), []), results.runs.get((work, who), []), strict=False)
        ratios = [ours.rate / theirs.rate for ours, theirs in pairs]
        return Target(f"{work}: rate, to {who}", bound, _median(ratios), spread=_spread(ratios))

    def tail(work: str, who: str, bound: float) -> Target:
        ours, theirs = (percentile(results.latencies(work, server), 99) for server in (US, who))
        return Target(f"{work}: p99 of {who}, to ours", bound, _ratio(theirs, ours))

    def copy(work: str, seconds: dict[str, list[float]], bound: float) -> Target:
        pairs = zip(seconds.get(US, []), seconds.get(PSQL, []), strict=True)
        ratios = [psql / ours for ours, psql in pairs]
        return Target(f"{work}: rate, to {PSQL}", bound, _median(ratios), spread=_spread(ratios))

    def page(words: str, share: int) -> float:
        """Return a percentile of a page's latencies, as a multiple of that of the first page."""
        ratio = _ratio(percentile(results.pages[words], share), percentile(results.pages[FIRST], share))
        return ratio or 0.0

    filters = [words for words in results.pages if words in WITH_TARGET]
    worst = {share: max(filters, key=lambda words: page(words, share), default=None) for share in (50, 99)}
    return [
        rate(GET, FASTAPI, 10),
        rate(GET, FASTIFY, 1.3),
        rate(GET, STARLETTE, 0.55),
        rate(GET, bare(FASTIFY), 1.1, us=bare(US)),
        rate(NEWEST, FASTAPI, 9),
        rate(NEWEST, FASTIFY, 1.6),
        rate(NEWEST, PGBENCH, 0.5),
        rate(PATCH, FASTAPI, 6),
        rate(PATCH, FASTIFY, 1.15),
        rate(UPLOAD, FASTAPI, 2),
        rate(UPLOAD, FASTIFY, 1.7),
        *(tail(work, who, 1) for work in (GET, NEWEST, PATCH, UPLOAD) for who in (FASTAPI, FASTIFY)),
        copy("import", results.imports, 0.8),
        copy("export", results.exports, 1),
        Target(f"{DEEP}: median, to the first", 1.5, page(DEEP, 50) if results.pages else None, at_most=True),
        *(
            Target(
                f"any filter: {name}, to the first page ({words})",
                3,
                page(words, share) if words else None,
                at_most=True,
            )
            for share, name, words in ((50, "median", worst[50]), (99, "p99", worst[99]))
        ),
        Target("memory of a worker afterwards", 80, results.memory.get(US, (0, 0))[0] / MIB, at_most=True, unit=" MiB"),
        *(rate(work, who) for work, who in product((BEFORE, THUMBNAILS, CONTENT), (FASTAPI, FASTIFY))),
        rate(CONTENT, NGINX),
        rate(S3_CONTENT, S3_ALONE),
        *(
            rate(work, bare(who), us=bare(US))
            for work, who in product((GET, NEWEST, BEFORE, PATCH, UPLOAD), (FASTAPI, FASTIFY))
            if (work, who) != (GET, FASTIFY)
        ),
        rate(GET, bare(STARLETTE), us=bare(US)),
    ]


def percentile(values: list[float], share: int) -> float | None:
    """Return a percentile from 1 to 99, or None if there are fewer than two values."""
    return quantiles(values, n=100, method="inclusive")[share - 1] if len(values) > 1 else None


def _median(values: list[float]) -> float | None:
    return median(values) if values else None


def _spread(values: list[float]) -> tuple[float, float] | None:
    return (min(values), max(values)) if values else None


def _ratio(one: float | None, other: float | None) -> float | None:
    return one / other if one and other else None
