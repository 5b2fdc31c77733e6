"""Metrics across workers: the registry, and the files that the workers share in PROMETHEUS_MULTIPROC_DIR."""

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from app.errors import CommandError

registry = CollectorRegistry()

# Bytes of each file of a worker, by its kind. A histogram needs 4 KB for each set of labels.
RESERVED = {"counter": 256 * 1024, "gauge_livesum": 64 * 1024, "histogram": 4 * 1024**2}


def folder() -> Path | None:
    """Return the folder of the workers' files, or None if there is only one worker, which needs no files."""
    path = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return Path(path) if path else None


def reserve(files: Path) -> None:
    """Write zeros to this worker's files, before prometheus-client maps them into memory.

    It would make sparse files. If their volume is full later, the system ends the worker with SIGBUS. Raises
    CommandError if the volume is full now, or if the folder is not writable.
    """
    try:
        files.mkdir(parents=True, exist_ok=True)  # an earlier worker may have removed it
        for kind, length in RESERVED.items():
            with (files / f"{kind}_{os.getpid()}.db").open("wb") as file:
                file.write(bytes(length))
    except OSError as error:
        raise CommandError(
            f"the metrics cannot be written into the folder {files}: {error.strerror}.",
            "each worker needs 5 MiB there. PROMETHEUS_MULTIPROC_DIR names the folder",
        ) from error


def forget_dead_workers() -> None:
    """Remove the gauges of workers that were killed. Their counters stay."""
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
    """Return the totals of all workers by query: `count` is the number of messages, `sum` their seconds."""
    times: defaultdict[str, dict[str, float]] = defaultdict(lambda: {"count": 0, "sum": 0})
    for metric in all_workers().collect():
        if metric.name == QUERY_TIMES:
            for sample in metric.samples:
                if (kind := sample.name.removeprefix(f"{QUERY_TIMES}_")) in {"count", "sum"}:
                    times[sample.labels["query"]][kind] = sample.value
    return times


def all_workers() -> CollectorRegistry:
    """Return the registry with the metrics of all workers."""
    collected = CollectorRegistry()
    if folder() is None:
        collected.register(_OwnMetrics())
    else:
        forget_dead_workers()
        MultiProcessCollector(collected)  # type: ignore[no-untyped-call]
    return collected


class _OwnMetrics(Collector):
    """Collector of this process's metrics, if it is the only worker."""

    def collect(self) -> Iterator[Metric]:
        yield from registry.collect()
