"""Bytes of photos: each server is sent its own, makes thumbnails of them, and sends them back.

The limits are nginx with a folder of photos, and the S3 server of the tests without this service in front of it.
"""

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import psutil
from obstore import sign
from obstore.store import S3Store

from benchmarks.database import Database
from benchmarks.load import Cpu, Figures
from benchmarks.servers import ENTRYPOINT, HERE, STORAGE, US, Server, cpu, free_port, server
from benchmarks.works import form, make_photo
from tests.support.s3 import BUCKET, S3

NGINX, S3_ALONE = "nginx", "the S3 server alone"
PHOTOS = 40
SIDE = 640  # pixels of a thumbnail
CONNECTIONS = 6  # as a browser opens

serial = count(10**9)  # so that each photo is a new one


class Photos(NamedTuple):
    """Photos of one server."""

    server: Server
    paths: list[str]


def upload(server: Server, photos: int = PHOTOS) -> list[str]:
    """Upload new photos, and return their IDs."""
    photo = make_photo()
    answers = [server.request("POST", "/v1/images", *form(photo, next(serial))) for _ in range(photos)]
    if failed := [answer for answer in answers if answer[0] != 201]:
        raise RuntimeError(f"{server.name} answers an upload with {failed[0]}")
    return [json.loads(body)["id"] for _, body in answers]


def contents_of(server: Server) -> Photos:
    return Photos(server, [f"/v1/images/{id}/content" for id in upload(server)])


def thumbnails(server: Server, database: Database) -> Figures:
    """Ask for the first thumbnails of new photos."""
    return ask(server, [f"/v1/images/{id}/thumbnail?size={SIDE}" for id in upload(server)], database)


def ask(server: Server, paths: list[str], database: Database) -> Figures:
    """Ask for each path once, six at a time, as a browser does for a wall of pictures."""

    def ask_one(path: str) -> float:
        asked = perf_counter()
        status, body = server.request("GET", path)
        if status != 200 or not body:
            raise RuntimeError(f"{server.name} answers {path} with {status} {body[:200]!r}")
        return perf_counter() - asked

    before, begun = used(server, database), perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        latencies = [*pool.map(ask_one, paths)]
    seconds = perf_counter() - begun
    return Figures(len(paths), seconds, latencies, used(server, database).since(before))


def used(server: Server, database: Database) -> Cpu:
    return Cpu.now(cpu(server.process), cpu(database.process))


@contextmanager
def nginx() -> Iterator[dict[str, Photos]]:
    """Start nginx for a folder of photos. Yield nothing if it is not installed."""
    if shutil.which("nginx") is None:
        print(f"skip {NGINX}: it is not installed")
        yield {}
        return
    folder, port, photo = STORAGE / NGINX, free_port(), make_photo()
    folder.mkdir()
    names = [f"{number}.jpg" for number in range(PHOTOS)]
    for name in names:
        (folder / name).write_bytes(photo)
    file = (HERE / "limits" / "nginx.conf").read_text().replace("{port}", f"{port}").replace("{folder}", f"{folder}")
    (folder / "nginx.conf").write_text(file)
    command: list[str | Path] = ["nginx", "-p", folder, "-c", folder / "nginx.conf", "-e", "error.log"]
    with server(NGINX, command, {}, port=port, path="/0.jpg") as started:
        yield {NGINX: Photos(started, [f"/{name}" for name in names])}


@contextmanager
def on_s3(database: Database) -> Iterator[dict[str, Photos]]:
    """Start an S3 server, and this service with a database of its own on it."""
    database.execute("DROP DATABASE IF EXISTS bench_s3 WITH (FORCE)")
    database.execute("CREATE DATABASE bench_s3")
    url = database.url.replace("@/bench?", "@/bench_s3?")
    with ExitStack() as stack:
        port = free_port()
        store = S3(port)
        store.start()
        stack.callback(store.kill)
        variables = {"DATABASE_URL": url, "STORAGE_URL": f"s3://{BUCKET}", "AUTH": "none", **store.variables}
        service = stack.enter_context(server(US, [ENTRYPOINT], variables, path="/v1/images"))
        photos = contents_of(service)
        keys = store.variables["AWS_ACCESS_KEY_ID"], store.variables["AWS_SECRET_ACCESS_KEY"]
        bucket = S3Store(
            BUCKET,
            endpoint=store.url,
            access_key_id=keys[0],
            secret_access_key=keys[1],
            client_options={"allow_http": True},
        )
        urls = sign(bucket, "GET", store.keys(""), timedelta(hours=1))
        alone = Server(S3_ALONE, port, "", psutil.Process(store.pid))
        yield {US: photos, S3_ALONE: Photos(alone, [url.removeprefix(store.url) for url in urls])}
