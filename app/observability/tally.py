"""app.observability.tally: to be described."""

from bisect import bisect_left
from collections import defaultdict

import prometheus_client
from prometheus_client import Counter

from app.observability.multiprocess import registry

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds


class Histogram(prometheus_client.Histogram):
    """prometheus-client's, to which many observations can be added at once."""

    def add(self, counts: list[float], seconds: float) -> None:
        for bucket, number in zip(self._buckets, counts, strict=True):
            if number:
                bucket.inc(number)
        self._sum.inc(seconds)


class Durations:
    """A histogram of seconds, by labels; for one thread."""

    def __init__(self, name: str, documentation: str, *labels: str) -> None:
        self._histogram = Histogram(name, documentation, labels, buckets=BUCKETS, registry=registry)
        # For each, how many fell into each bucket, and after these the seconds in all.
        self._counts: dict[tuple[object, ...], list[float]] = defaultdict(lambda: [0.0] * (len(BUCKETS) + 2))

    def observe(self, seconds: float, labels: tuple[object, ...] = ()) -> None:
        counts = self._counts[labels]
        counts[bisect_left(BUCKETS, seconds)] += 1
        counts[-1] += seconds

    def hand_on(self) -> None:
        for labels, (*counts, seconds) in self._counts.items():
            self._histogram.labels(*labels).add(counts, seconds)
        self._counts.clear()


class Count:
    """A counter, by labels; for one thread."""

    def __init__(self, name: str, documentation: str, *labels: str) -> None:
        self._counter = Counter(name, documentation, labels, registry=registry)
        self._counts: dict[tuple[object, ...], float] = defaultdict(float)

    def add(self, number: float, labels: tuple[object, ...] = ()) -> None:
        self._counts[labels] += number

    def hand_on(self) -> None:
        for labels, number in self._counts.items():
            (self._counter.labels(*labels) if labels else self._counter).inc(number)
        self._counts.clear()
