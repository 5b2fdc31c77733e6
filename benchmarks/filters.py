"""Pages of the list for one client: the first, a deep one, and the first of each filter, each pair, and some three."""

import json
from itertools import chain, combinations, cycle, product
from urllib.parse import urlencode

from benchmarks.database import Database
from benchmarks.load import load
from benchmarks.servers import Server
from benchmarks.works import head

FIRST, DEEP = "first page", "page at nine tenths of the depth"

Filter = tuple[str, list[tuple[str, str]]]  # its name in the report, and its query parameters

TAGS: list[Filter] = [
    ("common tag", [("tag", "street")]),
    ("tag of 2 in 100", [("tag", "city-7")]),
    ("rare tag", [("tag", "eclipse")]),
    ("absent tag", [("tag", "none")]),
    ("tag of the oldest", [("tag", "archive")]),
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
ANOTHER_TAG: list[Filter] = [("another common tag", [("tag", "night")])]


def _combined(*kinds: list[Filter]) -> list[Filter]:
    """Return each combination of one filter from each kind."""
    return [
        (", ".join(words for words, _ in chosen), [*chain.from_iterable(parameters for _, parameters in chosen)])
        for chosen in product(*kinds)
    ]


KINDS = [TAGS, TYPES, WINDOW, WORDS]
SINGLE = [*chain.from_iterable(KINDS)]
PAIRS = [*chain.from_iterable(_combined(*pair) for pair in [*combinations(KINDS, 2), (TAGS, ANOTHER_TAG)])]
# Some combinations of three are slower (sql/queries/list_images_by_terms.sql). The report shows them without a target.
THREE = [*chain.from_iterable(_combined(TAGS, ANOTHER_TAG, third) for third in (TYPES, WINDOW, WORDS))]
WITH_TARGET = {words for words, _ in SINGLE + PAIRS}


def pages(server: Server, database: Database, rounds: int, seconds: float) -> dict[str, list[float]]:
    """Return latencies in seconds, by request. They take turns, so other load on the machine disturbs all of them."""
    asked = [(FIRST, []), (DEEP, [("cursor", _deep(server, database))]), *SINGLE, *PAIRS, *THREE]
    latencies: dict[str, list[float]] = {words: [] for words, _ in asked}
    for _ in range(rounds):
        for words, parameters in asked:
            request = head("GET", f"/v1/images?{urlencode(parameters)}", server.token)
            figures = load(server.port, cycle([(request, b'"images"')]), connections=1, warm_up=0, seconds=seconds)
            latencies[words] += figures.latencies or [seconds]  # no request ended: the latency is at least this time
    return latencies


def _deep(server: Server, database: Database) -> str:
    """Return the cursor of the page that follows nine tenths of the images, as the service returns it."""
    nth = "SELECT created_at FROM images ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET %s"
    [(moment,)] = database.execute(nth, database.rows * 9 // 10)
    before = urlencode({"created_before": moment.isoformat(), "limit": 1})
    return str(json.loads(server.request("GET", f"/v1/images?{before}")[1])["next"])
