"""Metrics of the instances: samples of GET /metrics, one per second, as Prometheus would collect them."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.soak.stage import Stage

EVERY = 1.0  # seconds
REQUESTS = "images_http_request_duration_seconds_count"
GAUGES = (
    "images_database_up",
    "images_migrations_pending",
    "images_workers",
    "images_database_connections_waiting",
)


@dataclass
class Sample:
    """The metrics of one instance at one time."""

    moment: float  # seconds of the event loop's clock
    instance: str
    requests: dict[str, float] = field(
        default_factory=lambda: defaultdict(float)
    )  # since the start, by class of the status, such as 2xx
    gauges: dict[str, float] = field(default_factory=lambda: defaultdict(float))


async def watch(stage: Stage, samples: list[Sample]) -> None:
    """Collect samples until cancelled. Write the last response of each instance to a file beside its log."""
    clock = asyncio.get_running_loop().time
    async with httpx.AsyncClient(timeout=2 * EVERY) as client:
        while True:
            next_one = clock() + EVERY
            for instance in [instance for instance in stage.instances if instance.process.poll() is None]:
                try:
                    answer = await client.get(f"http://127.0.0.1:{instance.port}/metrics")
                except httpx.TransportError:
                    continue
                if answer.status_code == 200:  # an older release may not have /metrics
                    samples.append(read(clock(), instance.name, answer.text))
                    instance.log.with_suffix(".prom").write_text(answer.text)
            await asyncio.sleep(next_one - clock())


def read(moment: float, instance: str, text: str) -> Sample:
    sample = Sample(moment, instance)
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            if one.name == REQUESTS and one.labels["route"].startswith("/v1/"):
                sample.requests[f"{one.labels['status'][0]}xx"] += one.value
            elif one.name in GAUGES:
                sample.gauges[one.name] += one.value
    return sample
