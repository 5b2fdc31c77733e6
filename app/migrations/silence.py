"""Silent server: PostgreSQL that is frozen, or whose network path is dead, does not answer a statement.

The kernel of its host may still accept connections and acknowledge packets, so keepalives do not notice it.
"""

from collections.abc import Generator
from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.errors import ConnectionTimeout
from psycopg.rows import TupleRow
from psycopg.waiting import Ready, Wait

from app.errors import CommandError, place_of

Result = TypeVar("Result")

LIMIT = 15.0  # seconds without a byte from the server. Longer than the time-outs of limit_reading.sql
PROBE_TIMEOUT = 10  # seconds for a second connection
HINT = (
    "look at its host: the processes of PostgreSQL may be stopped, its disk may hang, or the network to it may be cut. "
    "Then run the command again"
)


class ListeningConnection(psycopg.Connection[TupleRow]):
    """Connection whose statements raise CommandError if PostgreSQL is silent for LIMIT.

    PostgreSQL may work on a statement for longer. Then a second connection asks whether it answers at all.
    """

    is_limited = False  # whether PostgreSQL has time-outs for each statement, so that no second connection is needed
    is_patient = False  # whether it waits without an end: the migrator writes, and an operator may interrupt it

    def wait(self, gen: PQGen[Result], *args: Any, **kwargs: Any) -> Result:
        return super().wait(self._listen(gen), *args, **kwargs)

    def _listen(self, gen: PQGen[Result]) -> Generator[Wait, Ready | int, Result]:
        """Pass on what libpq waits for. psycopg resumes this ten times a second, also if nothing has happened."""
        heard = asked = monotonic()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready != Ready.NONE:
                    heard = asked = monotonic()
                elif not self.is_patient and monotonic() - asked >= LIMIT:
                    if self.is_limited or not self._answers_another():
                        self._fail(monotonic() - heard)
                    asked = monotonic()
                wanted = gen.send(ready)
        except StopIteration as end:
            result: Result = end.value
            return result

    def _answers_another(self) -> bool:
        """Return whether the same server answers a second connection, if only with an error."""
        info = self.info
        place: dict[str, Any] = {"host": info.host, "hostaddr": info.hostaddr, "port": info.port}
        own: dict[str, Any] = {"password": info.password or None, "connect_timeout": PROBE_TIMEOUT}
        try:
            with ListeningConnection.connect(info.dsn, autocommit=True, **place | own) as probe:
                probe.is_limited = True
                probe.execute("SELECT 1")
        except (ConnectionTimeout, CommandError):
            return False
        except psycopg.Error:
            return True
        return True

    def _fail(self, seconds: float) -> None:
        place = place_of(self.info.host, self.info.port)
        self.close()  # otherwise a ROLLBACK would wait, too
        raise CommandError(
            f"PostgreSQL at {place} accepted the connection, but has not answered for {seconds:.0f} s.", HINT
        )
