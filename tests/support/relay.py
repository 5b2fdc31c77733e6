"""Commands to be killed, and the relay that stops each of them at a statement of the test's choice."""

import asyncio
import re
import tempfile
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache
from itertools import count
from pathlib import Path
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict

from app.embedded_postgres import Server
from tests.support import forked

SOCKET = ".s.PGSQL.5432"
NUMBER = count(1)
QUERY, PARSE, BIND, SYNC, TERMINATE = b"QPBSX"  # types of messages


async def until(condition: Callable[[], object]) -> None:
    """Wait for a condition while the relay runs. Raise TimeoutError after 60 s."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


# Whether to hold a command, by the statements that have arrived from it.
Stop = Callable[[list[str]], bool]


def never(statements: list[str]) -> bool:
    return False


class Command:
    """A plain command on the database at a libpq URL, in a process of its own.

    `status` is None while it runs, and negative if a signal killed it. A relay adds each statement that arrives to
    `statements`. If `stop` then returns True, the relay never forwards that statement, and the command is `held`.
    """

    def __init__(self, folder: Path, url: str, *arguments: str, stop: Stop = never, program: str = "yoyo") -> None:
        self.output = folder / f"command_{next(NUMBER)}"
        self.stop = stop
        self.statements: list[str] = []
        self.held = False
        # A command that is held is idle in a transaction, which ends after 20 times the limit for locks. The seconds of
        # a batch decide the size of the next one. With the longest limit, each run has the same statements.
        variables = {
            "DATABASE_URL": url,
            "ACCEPT_DATA_LOSS": "0001_create_images",
            "MIGRATION_LOCK_TIMEOUT": "30",
            "BACKFILL_BATCH_SECONDS": "86400",
            "BACKFILL_PAUSE": "0",
        }
        self.process = forked.start(self.output, variables, program, *arguments)

    @property
    def status(self) -> int | None:
        return self.process.exitcode

    @property
    def stdout(self) -> str:
        return self.output.with_suffix(".out").read_text(encoding="utf-8")

    @property
    def stderr(self) -> str:
        """Return its messages, without notices such as "index ... does not exist, skipping"."""
        lines = self.output.with_suffix(".err").read_text(encoding="utf-8").splitlines(keepends=True)
        return "".join(line for line in lines if not line.startswith("notice: "))

    def kill(self) -> None:
        """Kill it with SIGKILL, and wait for its end."""
        self.process.kill()
        self.process.join(30)


class Relay:
    """A socket in front of that of a server. If one end is closed, the relay closes the other one at once."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = f"{conninfo_to_dict(server.url())['host']}/{SOCKET}"
        self.folder = folder
        self.commands: dict[str, Command] = {}
        self.connections = 0

    def start(self, database: str, *arguments: str, stop: Stop = never, program: str = "yoyo") -> Command:
        """Start a command on a database. It must be the only one there."""
        url = f"postgresql://postgres@/{database}?host={quote(str(self.folder), safe='')}"
        self.commands[database] = Command(self.folder, url, *arguments, stop=stop, program=program)
        return self.commands[database]

    async def serve(self, client: StreamReader, to_client: StreamWriter) -> None:
        self.connections += 1
        server, to_server = await asyncio.open_unix_connection(self.server)
        ways = [asyncio.create_task(self._forward(client, to_server)), asyncio.create_task(_copy(server, to_client))]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for writer in (to_client, to_server):
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        self.connections -= 1

    async def _forward(self, client: StreamReader, to_server: StreamWriter) -> None:
        """Forward messages in chunks that end in a Query or a Sync: see "Message Formats" in PostgreSQL's manual."""
        startup = await client.readexactly(4)
        startup += await client.readexactly(int.from_bytes(startup) - 4)
        words = startup[8:].split(b"\0")
        command = self.commands[words[words.index(b"database") + 1].decode()]
        if command.statements:  # the second connection, by which a migrator watches itself
            raise ConnectionRefusedError
        to_server.write(startup)
        buffer = bytearray()
        prepared: dict[bytes, str] = {}
        text = ""
        while received := await client.read(65536):
            buffer += received
            position = end = 0  # `end` is that of the last chunk
            while len(buffer) >= position + 5:
                after = position + 1 + int.from_bytes(buffer[position + 1 : position + 5])
                if len(buffer) < after:
                    break
                kind, body = buffer[position], bytes(buffer[position + 5 : after])
                position = after
                if kind == QUERY:
                    text = body.rstrip(b"\0").decode()
                elif kind == PARSE:
                    name, sql, _ = body.split(b"\0", 2)
                    prepared[name] = sql.decode()  # psycopg prepares a statement in a message of its own: no execution
                elif kind == BIND:
                    text = prepared[body.split(b"\0", 2)[1]]
                if kind in (QUERY, SYNC) and text:
                    command.statements.append(on_one_line(text))
                    text = ""
                    if command.stop(command.statements):
                        to_server.write(buffer[:end])
                        command.held = True
                        await client.read()
                        return
                if kind in (QUERY, SYNC, TERMINATE):
                    end = position
            to_server.write(buffer[:end])
            del buffer[:end]


@cache
def on_one_line(sql: str) -> str:
    """Return a statement without its comments and line breaks. A test sends the same statements many times."""
    return " ".join(re.sub(r"--.*", "", sql).split())


async def _copy(reader: StreamReader, writer: StreamWriter) -> None:
    while chunk := await reader.read(65536):
        writer.write(chunk)


@asynccontextmanager
async def relay_to(server: Server) -> AsyncIterator[Relay]:
    """Yield a relay, and kill the commands that are left at the end."""
    with tempfile.TemporaryDirectory(prefix="relay") as folder:
        relay = Relay(server, Path(folder))
        async with await asyncio.start_unix_server(relay.serve, Path(folder, SOCKET)):
            try:
                yield relay
            finally:
                for command in relay.commands.values():
                    command.kill()
                await until(lambda: relay.connections == 0)
