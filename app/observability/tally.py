"""Tallies: counters and histograms in plain numbers, which are published to prometheus-client once a second."""

from bisect import bisect_left
from collections import defaultdict

import prometheus_client
from prometheus_client import Counter

from app.observability.multiprocess import registry

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds


class Histogram(prometheus_client.Histogram):
    """Histogram of prometheus-client to which many observations can be added at once."""

    def add(self, counts: list[float], seconds: float) -> None:
        """Add a number of observations to each bucket, and their total."""
        for bucket, number in zip(self._buckets, counts, strict=True):
            if number:
                bucket.inc(number)
        self._sum.inc(seconds)


class Durations:
    """Histogram of seconds, by labels. Not thread-safe."""

    def __init__(self, name: str, documentation: str, *labels: str) -> None:
        self._histogram = Histogram(name, documentation, labels, buckets=BUCKETS, registry=registry)
        # By labels: the number of observations in each bucket, and then the total in seconds.
        self._counts: dict[tuple[object, ...], list[float]] = defaultdict(lambda: [0.0] * (len(BUCKETS) + 2))

    def observe(self, seconds: float, labels: tuple[object, ...] = ()) -> None:
        """Count one duration."""
        counts = self._counts[labels]
        counts[bisect_left(BUCKETS, seconds)] += 1
        counts[-1] += seconds

    def publish(self) -> None:
        """Add the numbers to prometheus-client's and start again from zero."""
        for labels, (*counts, seconds) in self._counts.items():
            self._histogram.labels(*labels).add(counts, seconds)
        self._counts.clear()


class Count:
    """Counter, by labels. Not thread-safe."""

    def __init__(self, name: str, documentation: str, *labels: str) -> None:
        self._counter = Counter(name, documentation, labels, registry=registry)
        self._counts: dict[tuple[object, ...], float] = defaultdict(float)

    def add(self, number: float, labels: tuple[object, ...] = ()) -> None:
        """Add a number."""
        self._counts[labels] += number

    def publish(self) -> None:
        """Add the numbers to prometheus-client's and start again from zero."""
        for labels, number in self._counts.items():
            (self._counter.labels(*labels) if labels else self._counter).inc(number)
        self._counts.clear()
