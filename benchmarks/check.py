"""Check before the measurements: all servers do the same work and give the same answers."""

import json
import sys
from datetime import datetime
from io import BytesIO
from typing import Any

from PIL import Image

from benchmarks.servers import STARLETTE, US, Server, image_id
from benchmarks.works import form, make_photo


def check(servers: dict[str, Server]) -> None:
    """Compare the peers' answers with ours. End the command if they differ."""
    ours, peers = servers[US], [server for name, server in servers.items() if name != US and STARLETTE not in name]
    photo = make_photo()
    path, title = f"/v1/images/{image_id(5)}", b'{"title": "The same for all"}'
    broken = form(photo[: len(photo) // 2], 0)
    for peer in peers:
        _same(peer, ours.request("GET", path), peer.request("GET", path))
        _same(peer, _two_pages(ours), _two_pages(peer))
        before = "/v1/images?created_before=2020-01-02T00:00:00Z"
        _same(peer, _images(ours.request("GET", before)), _images(peer.request("GET", before)))
    for peer in peers:  # last, because a change sets updated_at with microseconds, and Node.js cuts them off
        mine, theirs = (server.request("PATCH", path, title, "application/json") for server in (ours, peer))
        _same(peer, mine, theirs, ignored={"updated_at"})
        if peer.request("POST", "/v1/images", *broken)[0] not in range(400, 500):
            sys.exit(f"make bench: {peer.name} accepts half a photo")
    uploads = [
        server.request("POST", "/v1/images", *form(photo, number)) for number, server in enumerate([ours, *peers])
    ]
    for peer, answer in zip(peers, uploads[1:], strict=True):
        own = {"id", "filename", "sha256", "title", "created_at", "updated_at", "color", "thumbhash", "capture"}
        _same(peer, uploads[0], answer, ignored=own)
    for server, (_, stored) in zip([ours, *peers], uploads, strict=True):
        _check_bytes(server, f"/v1/images/{json.loads(stored)['id']}", len(form(photo, 0)[0]))


def _check_bytes(server: Server, path: str, most: int) -> None:
    """Check that the content is the photo, and that a thumbnail has the same type and size as those of the others."""
    status, content = server.request("GET", f"{path}/content")
    if status != 200 or not content.startswith(b"\xff\xd8") or not most - 1000 < len(content) < most:
        sys.exit(f"make bench: {server.name} answers {path}/content with {status} and {len(content)} bytes")
    status, thumbnail = server.request("GET", f"{path}/thumbnail?size=640")
    with Image.open(BytesIO(thumbnail)) as picture:
        if (status, picture.format, picture.size) != (200, "WEBP", (640, 427)):
            sys.exit(f"make bench: {server.name} makes a thumbnail of {picture.format} {picture.size}")


def _images(answer: tuple[int, bytes]) -> tuple[int, bytes]:
    """Return the status, and the images of a page as JSON, without the cursor, which differs between services."""
    return answer[0], json.dumps(json.loads(answer[1])["images"]).encode()


def _two_pages(server: Server) -> tuple[int, bytes]:
    """Return the status of the second page, and the images of the first two pages as JSON."""
    first = json.loads(server.request("GET", "/v1/images?limit=2")[1])
    status, body = server.request("GET", f"/v1/images?limit=50&cursor={first['next']}")
    return status, json.dumps(first["images"] + json.loads(body)["images"]).encode()


def _same(peer: Server, ours: tuple[int, bytes], theirs: tuple[int, bytes], ignored: set[str] | None = None) -> None:
    one, other = ((status, _comparable(json.loads(body), ignored or set())) for status, body in (ours, theirs))
    if one != other:
        sys.exit(f"make bench: {peer.name} gives another answer than this service:\n{one}\n{other}")


def _comparable(value: Any, ignored: set[str]) -> Any:
    """Return the images without the ignored fields, and with parsed times: servers write the same time differently."""
    if isinstance(value, list):
        return [_comparable(item, ignored) for item in value]
    times = {"created_at", "updated_at"}
    return {
        name: datetime.fromisoformat(item) if name in times else item
        for name, item in value.items()
        if name not in ignored
    }
