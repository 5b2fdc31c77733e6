"""Silent server: PostgreSQL that is frozen, or whose network path is dead, does not answer a statement.

The kernel of its host may still accept connections and acknowledge packets, so keepalives do not notice it. A proxy can
lose one connection, and keep the others.
"""

import logging
from collections.abc import Callable, Generator
from time import monotonic
from typing import Any, Literal, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.errors import ConnectionTimeout
from psycopg.rows import TupleRow
from psycopg.waiting import Ready, Wait

from app.errors import CommandError, place_of

Result = TypeVar("Result")
# "silent": a second connection gets no answer. "lost": the session waits for a statement that this connection has sent.
# "replicating": its commit waits for a synchronous standby.
Health = Literal["working", "replicating", "silent", "lost"]

LIMIT = 15.0  # seconds without a byte from the server. Longer than the time-outs of limit_reading.sql
PROBE_TIMEOUT = 10  # seconds for a second connection
CANCELLING = ("query cancellation", "query not terminated")  # how psycopg's warnings about Ctrl+C begin
HINT = (
    "look at its host: the processes of PostgreSQL may be stopped, its disk may hang, or the network to it may be cut. "
    "Then run the command again"
)


class ListeningConnection(psycopg.Connection[TupleRow]):
    """Connection whose statements raise CommandError if PostgreSQL is silent for LIMIT.

    PostgreSQL may work on a statement for longer. Then a second connection asks whether it answers at all, and whether
    the session of this one is working.
    """

    is_limited = False  # whether PostgreSQL has time-outs for each statement, so that no second connection is needed
    is_patient = False  # whether it waits for a silent server: the migrator writes, and an operator may interrupt it
    tell: Callable[[str], None] | None = None  # for messages of a patient one

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        logging.getLogger("psycopg").addFilter(_is_wanted)

    def wait(self, gen: PQGen[Result], *args: Any, **kwargs: Any) -> Result:
        """Wait as psycopg does. If Ctrl+C or SIGTERM ends the wait, and the statement cannot be cancelled, say so."""
        try:
            return super().wait(self._listen(gen), *args, **kwargs)
        except KeyboardInterrupt:
            if self.closed and self.tell:
                self.tell(
                    "PostgreSQL did not confirm that the statement was cancelled, so it may still run. "
                    "The connection was closed"
                )
            raise

    def _listen(self, gen: PQGen[Result]) -> Generator[Wait, Ready | int, Result]:
        """Pass on what libpq waits for. psycopg resumes this ten times a second, also if nothing has happened."""
        heard = asked = monotonic()
        is_lost = False
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready != Ready.NONE:
                    heard = asked = monotonic()
                    is_lost = False
                elif is_lost:  # the answer did not come while a second connection asked
                    self._fail(monotonic() - heard)
                elif monotonic() - asked >= LIMIT:
                    health = "silent" if self.is_limited else self._ask_another()
                    is_lost = health == "lost"
                    if health == "silent":
                        self._wait_or_fail(monotonic() - heard)
                    elif health == "replicating" and self.tell:
                        self.tell(
                            f"PostgreSQL has waited for a synchronous standby for {monotonic() - heard:.0f} s. "
                            "The setting synchronous_standby_names names it"
                        )
                    asked = monotonic()
                wanted = gen.send(ready)
        except StopIteration as end:
            result: Result = end.value
            return result

    def _ask_another(self) -> Health:
        """Ask the same server with a second connection. An error is an answer, too."""
        from app.migrations.connection import run

        info = self.info
        place: dict[str, Any] = {"host": info.host, "hostaddr": info.hostaddr, "port": info.port}
        own: dict[str, Any] = {"password": info.password or None, "connect_timeout": PROBE_TIMEOUT}
        try:
            with ListeningConnection.connect(info.dsn, autocommit=True, **place | own) as probe:
                probe.is_limited = True
                row = run(probe, "find_session_state", process=info.backend_pid).fetchone()
        except (ConnectionTimeout, CommandError):
            return "silent"
        except psycopg.Error:
            return "working"
        state, is_replicating = row or (None, False)
        if is_replicating:
            return "replicating"
        return "lost" if state and state.startswith("idle") else "working"

    def _wait_or_fail(self, seconds: float) -> None:
        if not self.is_patient:
            self._fail(seconds)
        if self.tell:
            place = place_of(self.info.host, self.info.port)
            self.tell(
                f"PostgreSQL at {place} has not answered for {seconds:.0f} s. A migrator that writes waits for it"
            )

    def _fail(self, seconds: float) -> None:
        error = unanswered(self.info, seconds)
        self.close()  # otherwise a ROLLBACK would wait, too
        raise error


def unanswered(info: psycopg.ConnectionInfo, seconds: float) -> CommandError:
    """Return the error of a connection to this place whose statement has no answer."""
    place = place_of(info.host, info.port)
    return CommandError(
        f"PostgreSQL at {place} accepted the connection, but has not answered for {seconds:.0f} s.", HINT
    )


def _is_wanted(record: logging.LogRecord) -> bool:
    """Return whether a line of psycopg is for the operator. `wait` says the others in its own words."""
    return not str(record.msg).startswith(CANCELLING)
