"""nginx in front of the service, with the file that docs/how-to/operate/put-nginx-in-front.md tells you to copy."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import psycopg
import pytest

from app.catalogue import tokens
from app.settings import ROOT
from tests.conftest import free_port
from tests.support.pictures import picture
from tests.support.serving import serving
from tests.support.waiting import wait_until

PROGRAM = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
MAIN = """
{user}
daemon off;
pid {folder}/pid;
error_log {folder}/log;
events {{}}
http {{
    access_log off;
    {temporary}
    include {folder}/images.conf;
}}
"""
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
HOST = "Host: images.example\r\n"


class Proxied:
    """A worker behind nginx, and a client of both ports of nginx."""

    def __init__(self, worker: int, tls: int, plain: int, client: httpx.Client, trust: ssl.SSLContext) -> None:
        self.worker = worker
        self.trust = trust
        self.tls = tls
        self.plain = plain
        self.client = client

    def memory(self) -> int:
        """Return the resident memory of the worker in KiB."""
        status = Path(f"/proc/{self.worker}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0])

    def connection(self) -> socket.socket:
        """Open a TLS connection to nginx."""
        return self.trust.wrap_socket(socket.create_connection(("127.0.0.1", self.tls)))


@pytest.fixture
def proxied(database: str, tmp_path: Path) -> Iterator[Proxied]:
    token = tokens.make()
    with psycopg.connect(database, autocommit=True) as connection:
        row = [token.id, token.sha256]
        connection.execute("INSERT INTO tokens (id, name, scope, sha256) VALUES (%s, 'proxied', 'admin', %s)", row)
    service = free_port()
    with ExitStack() as stack:
        worker = stack.enter_context(serving(database, service, tmp_path / "objects", AUTH="token"))
        proxied = stack.enter_context(_proxy(tmp_path, service))
        proxied.worker = worker.pid
        proxied.client.headers["Authorization"] = f"Bearer {token.text}"
        wait_until(lambda: proxied.client.get("/healthz").is_success)
        yield proxied


@contextmanager
def _proxy(folder: Path, *services: int) -> Iterator[Proxied]:
    """Run nginx in front of these ports."""
    if PROGRAM is None or not shutil.which("openssl"):
        pytest.skip("nginx or openssl is not installed: apt-get install nginx-light openssl")
    tls, plain = free_port(), free_port()
    _configure(folder, services, tls, plain)
    with ExitStack() as stack:
        proxy = subprocess.Popen([PROGRAM, "-p", folder, "-c", folder / "nginx.conf"])
        stack.callback(proxy.wait)
        stack.callback(proxy.terminate)
        trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trust.load_verify_locations(folder / "images.pem")
        trust.check_hostname = False
        base = f"https://127.0.0.1:{tls}"
        # The tests give each client of httpx the same context, without certificates: tests/conftest.py.
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr("httpx._transports.default.create_ssl_context", lambda **_: trust)
        client = stack.enter_context(httpx.Client(base_url=base, headers={"Host": "images.example"}, timeout=30))
        wait_until(lambda: proxy.poll() is not None or _answers(client))
        assert proxy.poll() is None, (folder / "log").read_text()
        yield Proxied(proxy.pid, tls, plain, client, trust)


def _configure(folder: Path, services: tuple[int, ...], tls: int, plain: int) -> None:
    """Write the file of deploy/ with other ports, another certificate, and what Debian has around it."""
    made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=images.example"
    command = [*made.split(), "-keyout", f"{folder}/images.key", "-out", f"{folder}/images.pem"]
    subprocess.run(command, check=True, capture_output=True)
    text = (ROOT / "deploy/nginx.conf").read_text()
    for old, new in {
        "    server 127.0.0.1:8000 max_fails=0;": "\n".join(
            f"server 127.0.0.1:{port} max_fails=0;" for port in services
        ),
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "listen 443 ssl;": f"listen 127.0.0.1:{tls} ssl;",
        "/etc/ssl/certs/": f"{folder}/",
        "/etc/ssl/private/": f"{folder}/",
    }.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "images.conf").write_text(text)
    temporary = "\n".join(f"{name}_temp_path {folder}/{name};" for name in TEMPORARY)
    user = "" if os.getuid() else "user root;"
    (folder / "nginx.conf").write_text(MAIN.format(user=user, folder=folder, temporary=temporary))


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/metrics").status_code == 404
    except httpx.TransportError:
        return False


def test_nginx_passes_what_the_service_accepts_and_hides_the_rest(proxied: Proxied) -> None:
    client = proxied.client
    tags = ["ä" * 90 + str(number) for number in range(49)]
    other = client.post("/v1/images", files={"file": picture(seed=1)}, data={"tags": tags})

    stored = client.post("/v1/images", files={"file": picture()}, data={"tags": tags})
    content = client.get(f"/v1/images/{stored.json()['id']}/content")
    largest = client.post("/v1/images", files={"file": bytes(50 * 1024**2)})
    long_link = client.get("/v1/images", params={"tag": tags, "limit": 1})
    export = client.get("/v1/images/export")
    metrics = client.get("/metrics")
    plain = httpx.get(f"http://127.0.0.1:{proxied.plain}/v1/images", headers=client.headers)

    assert other.status_code == stored.status_code == 201, stored.text
    assert (content.status_code, content.content) == (200, picture())
    assert content.headers["Strict-Transport-Security"].startswith("max-age=")
    assert (largest.status_code, largest.headers["Content-Type"]) == (415, "application/problem+json")
    assert long_link.status_code == 200, long_link.text
    assert len(long_link.headers["Link"]) > 20_000
    assert len(export.text.splitlines()) == 2
    assert metrics.status_code == 404
    assert plain.status_code == 403


def test_slow_pipelined_and_endless_requests_stay_at_nginx(proxied: Proxied) -> None:
    authorization = f"Authorization: {proxied.client.headers['Authorization']}\r\n"
    slow = (
        f"POST /v1/images HTTP/1.1\r\n{HOST}{authorization}Content-Type: image/png\r\nContent-Length: 9999999\r\n\r\n"
    )
    pipelined = f"GET /v1/images HTTP/1.1\r\n{HOST}{authorization}\r\n" * 200
    trailers = f"POST /v1/images HTTP/1.1\r\n{HOST}{authorization}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
    proxied.client.get("/v1/images")
    before = proxied.memory()

    slowest, sent = 0.0, 0
    with ExitStack() as stack:
        for request in [slow + "a" * 900_000] * 50 + [pipelined] * 20 + [trailers + "X: a\r\n" * 20_000] * 20:
            connection = stack.enter_context(proxied.connection())
            connection.settimeout(1)
            with suppress(OSError):  # nginx closed the connection, or does not read
                connection.sendall(request.encode())
                sent += 1
            began = time.monotonic()
            assert proxied.client.get("/healthz").is_success
            slowest = max(slowest, time.monotonic() - began)

    assert proxied.memory() - before < 10 * 1024
    assert slowest < 1
    assert sent >= 50  # at least the slow uploads


class Instance(BaseHTTPRequestHandler):
    """An instance that reads each request, and answers with its status, or closes the connection."""

    status: int | None
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.close_connection = True
        if self.status:
            self.send_response(self.status)
            self.send_header("Content-Length", "0")
            self.send_header("Connection", "close")
            self.end_headers()

    do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Write nothing."""


def test_no_request_fails_while_one_instance_starts_and_another_one_ends(tmp_path: Path) -> None:
    with ExitStack() as stack:
        ports = [free_port()]  # nothing listens there
        for status in (503, None, 200):
            handler = type("Handler", (Instance,), {"status": status})
            server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), handler))
            stack.callback(server.shutdown)
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
            ports.append(server.server_port)
        client = stack.enter_context(_proxy(tmp_path, *ports)).client

        calls = [
            ("GET", ""),
            ("POST", ""),
            ("PATCH", "/1"),
            ("DELETE", "/1"),
            ("GET", "/1/content"),
            ("GET", "/export"),
        ]
        answers = [
            (method, path, client.request(method, f"/v1/images{path}").status_code)
            for method, path in calls
            for _ in ports
        ]

    assert {status for *_, status in answers} == {200}, answers


def test_only_ciphers_with_forward_secrecy_are_accepted(tmp_path: Path) -> None:
    with _proxy(tmp_path, free_port()) as proxied:
        accepted = []
        for cipher in ("AES128-SHA", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-GCM-SHA256"):
            context = ssl.create_default_context(cafile=tmp_path / "images.pem")
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(f"{cipher}:@SECLEVEL=0")
            with suppress(ssl.SSLError), socket.create_connection(("127.0.0.1", proxied.tls)) as connection:
                context.wrap_socket(connection, server_hostname="images.example").close()
                accepted.append(cipher)

    assert accepted == ["ECDHE-ECDSA-AES128-GCM-SHA256"]
