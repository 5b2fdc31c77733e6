"""Static files: style sheets, scripts and icons from memory, with a digest as ETag, compressed with gzip."""

import gzip
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from anyio import to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.web.conditional import not_modified, validators
from app.web.negotiation import coding
from app.web.security import secure
from app.web.state import State

# The module mimetypes would read files of the system.
MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
COMPRESSED = frozenset({".css", ".html", ".js", ".svg"})
MIN_COMPRESSED_BYTES = 500  # a smaller file is sent as it is


class _File(NamedTuple):
    """A file as it was read: its bytes, the same compressed if that pays, and its validators."""

    stamp: tuple[int, int]  # time of modification in nanoseconds, size
    content: bytes
    compressed: bytes | None
    headers: dict[str, str]


class Files:
    """ASGI application for a Mount that serves the files below a folder. A file is read again if it has changed."""

    def __init__(self, folder: Path) -> None:
        self._paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        self._files: dict[Path, _File] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._answer(Request(scope))
        secure(response)
        await response(scope, receive, send)

    async def _answer(self, request: Request[State]) -> Response:
        if request.method not in {"GET", "HEAD"}:
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        # A Mount appends its own path to root_path.
        path = self._paths.get(request.scope["path"].removeprefix(request.scope["root_path"] + "/"))
        if path is None:
            raise HTTPException(404)
        file = await to_thread.run_sync(self._read, path)
        headers, content = dict(file.headers), file.content
        unchanged = not_modified(request, file.headers)
        if file.compressed is not None:
            headers["Vary"] = "Accept-Encoding"
            if coding(request.headers.get("accept-encoding", ""), ["gzip"]):
                # Each encoding has an ETag of its own. entity_tags() removes the suffix again.
                headers |= {"ETag": headers["ETag"][:-1] + '-gzip"', "Content-Encoding": "gzip"}
                content = file.compressed
        if unchanged:
            return Response(status_code=304, headers=headers)
        headers["Content-Length"] = str(len(content))
        media_type = MEDIA_TYPES.get(path.suffix, "application/octet-stream")
        return Response(None if request.method == "HEAD" else content, 200, headers, media_type)

    def _read(self, path: Path) -> _File:
        """Return the file from memory if it has not changed. Raises HTTPException 404 if it was deleted."""
        try:
            state = path.stat()
            file = self._files.get(path)
            if file is None or file.stamp != (state.st_mtime_ns, state.st_size):
                self._files[path] = file = _load(path)
        except FileNotFoundError:
            raise HTTPException(404) from None
        return file


def _load(path: Path) -> _File:
    """Read and compress a file."""
    state, content = path.stat(), path.read_bytes()
    compressed = None
    if path.suffix in COMPRESSED and len(content) >= MIN_COMPRESSED_BYTES:
        compressed = gzip.compress(content, mtime=0)
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = validators(etag, datetime.fromtimestamp(state.st_mtime, UTC))
    return _File((state.st_mtime_ns, state.st_size), content, compressed, headers)
