"""Pages of the list for one client: the first, a deep one, and the first of each filter and of each pair of filters."""

import json
from itertools import chain, combinations, cycle, product
from urllib.parse import urlencode

from benchmarks.database import Database
from benchmarks.load import load
from benchmarks.servers import Server
from benchmarks.works import head

FIRST, DEEP = "first page", "page at nine tenths of the depth"

Filter = tuple[str, list[tuple[str, str]]]  # its words, its query parameters

TAGS: list[Filter] = [
    ("common tag", [("tag", "street")]),
    ("tag of 2 in 100", [("tag", "city-7")]),
    ("rare tag", [("tag", "eclipse")]),
    ("absent tag", [("tag", "none")]),
    ("tag of the oldest", [("tag", "archive")]),
    ("two tags", [("tag", "street"), ("tag", "night")]),
]
TYPES: list[Filter] = [
    ("common type", [("content_type", "image/jpeg")]),
    ("rare type", [("content_type", "image/avif")]),
    ("type of the oldest", [("content_type", "image/tiff")]),
    ("absent type", [("content_type", "image/gif")]),
]
WINDOW: list[Filter] = [
    ("window", [("created_after", "2020-02-01T00:00:00Z"), ("created_before", "2020-02-11T00:00:00Z")]),
]
WORDS: list[Filter] = [("common word", [("q", "harbour")]), ("rare word", [("q", "eclipse")])]


def pages(server: Server, database: Database, rounds: int, seconds: float) -> dict[str, list[float]]:
    """Latencies in seconds, by what is asked for, in turns so that what disturbs the machine disturbs all."""
    kinds = [TAGS, TYPES, WINDOW, WORDS]
    pairs = chain.from_iterable(product(one, other) for one, other in combinations(kinds, 2))
    filters = [*chain.from_iterable(kinds), *((f"{a[0]}, {b[0]}", a[1] + b[1]) for a, b in pairs)]
    asked: list[Filter] = [(FIRST, []), (DEEP, [("cursor", _deep(server, database))]), *filters]
    latencies: dict[str, list[float]] = {words: [] for words, _ in asked}
    for _ in range(rounds):
        for words, parameters in asked:
            request = head("GET", f"/v1/images?{urlencode(parameters)}")
            figures = load(server.port, cycle([(request, b'"images"')]), connections=1, warm_up=0, seconds=seconds)
            latencies[words] += figures.latencies
    return latencies


def _deep(server: Server, database: Database) -> str:
    """The cursor after nine tenths of the images, as the service gives it."""
    nth = "SELECT created_at FROM images ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET %s"
    [(moment,)] = database.execute(nth, database.rows * 9 // 10)
    before = urlencode({"created_before": moment.isoformat(), "limit": 1})
    return str(json.loads(server.request("GET", f"/v1/images?{before}")[1])["next"])
