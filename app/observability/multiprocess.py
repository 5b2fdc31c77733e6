"""app.observability.multiprocess: to be described."""

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from app.observability import multiprocess

registry = CollectorRegistry()


def folder() -> Path | None:
    """Where the workers' files are; None where there is but one worker, which needs none."""
    path = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return Path(path) if path else None


def forget_the_dead() -> None:
    """What a killed worker's gauges said is so no more; what it has counted stays."""
    if (files := folder()) is None:
        return
    for file in files.glob("gauge_live*_*.db"):
        pid = file.stem.rpartition("_")[2]
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            with suppress(FileNotFoundError):  # another worker was faster
                mark_process_dead(int(pid))  # type: ignore[no-untyped-call]
        except (PermissionError, ValueError):
            pass


QUERY_TIMES = "images_database_query_duration_seconds"


def query_times() -> dict[str, dict[str, float]]:
    """What the workers have counted of each query, by the name of its file: messages as `count`, seconds as `sum`."""
    times: defaultdict[str, dict[str, float]] = defaultdict(lambda: {"count": 0, "sum": 0})
    for metric in _counted().collect():
        if metric.name == QUERY_TIMES:
            for sample in metric.samples:
                if (what := sample.name.removeprefix(f"{QUERY_TIMES}_")) in {"count", "sum"}:
                    times[sample.labels["query"]][what] = sample.value
    return times


def _counted() -> CollectorRegistry:
    """What all workers have counted."""
    collected = CollectorRegistry()
    if multiprocess.folder() is None:
        collected.register(_Own())
    else:
        multiprocess.forget_the_dead()
        MultiProcessCollector(collected)  # type: ignore[no-untyped-call]
    return collected


class _Own(Collector):
    """What this process has measured, where it is the only one."""

    def collect(self) -> Iterator[Metric]:
        yield from multiprocess.registry.collect()
