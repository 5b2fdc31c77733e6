"""Scratch database: an own database to try migrations on, with rows, dropped when the work is done."""

import fcntl
import os
import re
import shutil
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Composable, Identifier
from psycopg.types.numeric import Int8

from app.embedded_postgres import Server, connectable
from app.errors import CannotConnectError, CommandError
from app.migrations.connection import Connection, run, run_text
from app.progress import Progress
from app.project import current
from app.review.measure import MeasuredRun
from app.schema.files import read_own
from app.settings import ROOT, ReviewSettings
from app.text import one_line

# For measurements: no durability, and no background work.
OPTIONS = "-c fsync=off -c autovacuum=off -c max_wal_size=16GB -c shared_buffers=256MB"
# A role may have time limits for its services. They are not for a review.
NO_TIMEOUTS = "-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0"
CHUNKS = 20  # statements that fill a table, for the progress
LATEST = 18  # the embedded PostgreSQL, unless another one is chosen


class Database:
    """Scratch database, with the session of the review, and copies of it.

    If it keeps, its filled state stays on the server as a template for the next review. `kind` is a part of the
    template's name.
    """

    def __init__(self, admin: Connection, url: str, *, keeps: bool = False, kind: str = "kept") -> None:
        self.url = url
        self.connection = connect(url)
        self._admin, self._keeps, self._kind = admin, keeps, kind
        self._name = str(conninfo_to_dict(url)["dbname"])

    @contextmanager
    def copied(self) -> Iterator[str]:
        """Yield the URL of a copy, and drop it. The review has a new session afterwards."""
        name = f"{self._name}_trial"
        with _new_roles_dropped(self._admin) if self._keeps else nullcontext():
            self._copy(self._name, name)
            try:
                yield make_conninfo("", **conninfo_to_dict(self.url) | {"dbname": name})
            finally:
                self._drop(name)

    @contextmanager
    def beside(self) -> Iterator["Database"]:
        """Yield a second database, which is empty, on the same server, and drop it."""
        name = f"{self._name}_few"
        self._create(name, "template0")
        try:
            url = make_conninfo("", **conninfo_to_dict(self.url) | {"dbname": name})
            few = Database(self._admin, url, keeps=self._keeps, kind="few")
            try:
                yield few
            finally:
                few.connection.close()
        finally:
            self._drop(name)

    def become(self, other: "Database") -> None:
        """Become a copy of another database on the same server."""
        self.connection.close()
        try:
            self._drop(self._name)
            other._copy(other._name, self._name)
        finally:
            self.connection = connect(self.url)

    def restore(self, key: str) -> bool:
        """Become a copy of the kept database of this key. Return whether there is one."""
        if not self._keeps or self._kept(key) not in self._databases():
            return False
        self.connection.close()
        self._drop(self._name)
        try:
            self._create(self._name, self._kept(key))
        except psycopg.Error:  # a review was killed while it dropped it
            self._drop(self._kept(key))
            self._create(self._name, "template0")
            return False
        finally:
            self.connection = connect(self.url)
        return True

    def keep(self, key: str) -> None:
        """Keep a copy for the next review under this key, and drop those of other keys."""
        if not self._keeps:
            return
        for name in self._databases():
            if name.startswith(self._kept("")):
                self._drop(name)
        self._copy(self._name, self._kept(key))

    def _kept(self, key: str) -> str:
        return f"{current().name}_review_{self._kind}_{key}"

    def _databases(self) -> list[str]:
        return [name for (name,) in self._admin.execute("SELECT datname FROM pg_database")]

    def _copy(self, source: str, target: str) -> None:
        """Copy a database, in which no session may be meanwhile."""
        self.connection.close()
        try:
            self._create(target, source)
        finally:
            self.connection = connect(self.url)

    def _create(self, name: str, template: str) -> None:
        _create(self._admin, name, SQL("TEMPLATE {} ENCODING 'UTF8' STRATEGY file_copy").format(Identifier(template)))

    def _drop(self, name: str) -> None:
        self._admin.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))


@contextmanager
def scratch(settings: ReviewSettings, version: int = LATEST) -> Iterator[Database]:
    """Create an empty database, yield it, and drop it. The roles of the project exist meanwhile.

    It is on the server of REVIEW_DATABASE_URL, or on an embedded server that only reviews use. Raises CommandError if
    the database cannot be created.
    """
    if settings.review_database_url is not None:
        with _on(connectable(settings.review_database_url), keeps=False) as database:
            yield database
        return
    with _data(version) as (data, keeps):
        server = _start(data, version)
        try:
            with _on(server.url(), keeps=keeps) as database:
                yield database
        finally:
            server.release()


@contextmanager
def _data(version: int) -> Iterator[tuple[Path, bool]]:
    """Yield the data folder of an embedded server, and whether it stays for the next review.

    Only one review at a time uses the one that stays, because the work of another review would count as its own. A
    second review has a folder that is removed afterwards.
    """
    kept = ROOT / ".data" / f"review-{version}"
    with ExitStack() as stack:
        try:
            kept.parent.mkdir(exist_ok=True)
            lock = stack.enter_context(kept.with_name(f"{kept.name}.lock").open("a"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_free = True
        except OSError:  # or the folder is read-only
            is_free = False
        if is_free:
            yield kept, True
        else:
            prefix = f"{current().name}-review-"
            folder = Path(stack.enter_context(TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True)))
            folder.chmod(0o755)
            yield folder / "postgres", False


def _start(data: Path, version: int) -> Server:
    """Start a server. Data that may be damaged are made again: the server has no fsync."""
    server = Server(data, version, OPTIONS)
    if (data / "postmaster.pid").exists() and not server.running():  # it was not shut down
        shutil.rmtree(data)
    try:
        server.start()
    except CommandError:
        server.release()
        if not data.exists():
            raise
        shutil.rmtree(data)
        server.start()
    return server


@contextmanager
def _on(url: str, *, keeps: bool) -> Iterator[Database]:
    name = f"{current().name}_review_{os.getpid()}"
    try:
        admin = psycopg.connect(url, autocommit=True, application_name=f"{current().name}-review", options=NO_TIMEOUTS)
    except psycopg.OperationalError as error:
        place = conninfo_to_dict(url)
        host, port = place.get("host"), place.get("port")
        raise CannotConnectError(str(host) if host else None, port, "REVIEW_DATABASE_URL", error) from error
    with admin, _roles(admin, current().roles, stay=keeps), _new_roles_dropped(admin) if keeps else nullcontext():
        if keeps:
            _drop_left(admin)
        try:
            _create(admin, name, SQL("TEMPLATE template0 ENCODING 'UTF8'"))
        except psycopg.Error as error:
            raise CommandError(f"the scratch database cannot be created: {one_line(str(error))}.") from error
        try:
            database = Database(admin, make_conninfo("", **conninfo_to_dict(url) | {"dbname": name}), keeps=keeps)
            try:
                yield database
            finally:
                database.connection.close()
        finally:
            admin.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))


def _create(admin: Connection, name: str, how: Composable) -> None:
    """Create a database. If a signal interrupts that, drop it: PostgreSQL may have been faster than the signal."""
    try:
        admin.execute(SQL("CREATE DATABASE {} {}").format(Identifier(name), how))
    except KeyboardInterrupt:
        admin.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))
        raise


def _drop_left(admin: Connection) -> None:
    """Drop the scratch databases of reviews that were killed. No other review uses this server."""
    pattern = re.compile(rf"{re.escape(current().name)}_review_\d+(_few)?(_trial)?")
    for (name,) in admin.execute("SELECT datname FROM pg_database").fetchall():
        if pattern.fullmatch(name):
            admin.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))


@contextmanager
def _roles(admin: Connection, names: Sequence[str], *, stay: bool) -> Iterator[None]:
    """Create the roles of the project that the server does not have, so that the migrations grant them rights.

    Unless they stay, drop them at the end, when the scratch database has been dropped. If another review uses them too,
    they stay. If the reviewer may not create roles, there are none.
    """
    made = []
    for name in names:
        with suppress(
            psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation, psycopg.errors.InsufficientPrivilege
        ):
            admin.execute(SQL("CREATE ROLE {}").format(Identifier(name)))
            made.append(name)
    try:
        yield
    finally:
        for name in made if not stay else ():
            with suppress(psycopg.errors.DependentObjectsStillExist, psycopg.errors.UndefinedObject):
                admin.execute(SQL("DROP ROLE {}").format(Identifier(name)))


@contextmanager
def _new_roles_dropped(admin: Connection) -> Iterator[None]:
    """Drop the roles that a migration has created, because a server that is kept would keep them."""
    query = "SELECT rolname FROM pg_roles"
    known = set(admin.execute(query))
    try:
        yield
    finally:
        for (name,) in set(admin.execute(query)) - known:
            with suppress(psycopg.Error):  # a database has objects of it
                admin.execute(SQL("DROP ROLE {}").format(Identifier(name)))


def connect(url: str) -> Connection:
    """Connect to a scratch database, without time limits.

    There are no parallel workers, because PostgreSQL does not count their reads in the session. psycopg prepares no
    statement by itself, because a prepared statement would fail after a change of the schema.
    """
    options = f"{NO_TIMEOUTS} -c max_parallel_workers_per_gather=0 -c max_parallel_maintenance_workers=0"
    return psycopg.connect(
        url, autocommit=True, prepare_threshold=None, application_name=f"{current().name}-review", options=options
    )


def fill(connection: Connection, rows: int, known: Container[str] = (), *, is_shown: bool = True) -> None:
    """Fill each empty table that has a file sql/review/fill_TABLE.sql, and analyze it.

    While the table has the columns of fill_TABLE.NNNN.sql, which fits up to the migration NNNN, that file fills it.
    The tables in `known` are left as they are: a migration may have emptied them. The numbers are of type bigint.
    psycopg would send a small one as smallint, in which an expression of the file overflows.
    """
    files = {path.stem.removeprefix("fill_"): path for path in (current().sql / "review").glob("fill_*.sql")}
    for name in _in_order(connection, [name for name in files if name not in known and "." not in name]):
        path, table = files[name], Identifier(name)
        try:
            first_row = connection.execute(SQL("SELECT FROM {} LIMIT 1").format(table)).fetchall()
        except psycopg.errors.UndefinedTable:
            continue
        if first_row:
            continue
        sql = fitting(connection, path)
        bounds = [rows * chunk // CHUNKS for chunk in range(CHUNKS + 1)]
        run(connection, "begin_fill", "review")
        is_hidden = not is_shown
        with Progress("rows", rows, is_scaled=True, is_bar_hidden=is_hidden, is_line_hidden=is_hidden) as progress:
            for first, last in pairwise(bounds):
                run_text(connection, sql, first=Int8(first + 1), last=Int8(last))
                progress.advance(last - first, f"fill {name}")
        run(connection, "end_fill", "review")
        connection.execute(SQL("VACUUM (FREEZE, ANALYZE) {}").format(table))


def _in_order(connection: Connection, names: list[str]) -> list[str]:
    """Return the tables in the order in which their rows fit: those that a foreign key refers to come first.

    If the keys are a circle, it begins with the first name.
    """
    left = {name: set(others) for name, others in run(connection, "find_references", "review", names=names)}
    order: list[str] = []
    while left:
        free = [name for name, others in left.items() if others.isdisjoint(left)]
        needed = [name for name in left if any(name in others for others in left.values())]
        order.append((free or needed)[0])
        del left[order[-1]]
    return order


def vacuum(connection: Connection, done: MeasuredRun | None = None, also: Iterable[str] = ()) -> None:
    """Vacuum and analyze the tables that have changed, as autovacuum would: by `done` and `also`, or by all before."""
    names: set[str] | None = None
    if done:
        names = {name for step in done.steps for name in (*step.rewritten, *step.changed, *step.added)}
        names |= {lock.table for step in done.steps if step.built for lock in step.locks}
        names = {done.renamed.get(name, name) for name in names} | {*also}
    run(connection, "flush_counters", "review")
    for (name,) in run(connection, "find_stale_tables", "review", names=sorted(names) if names is not None else None):
        connection.execute(f"VACUUM (ANALYZE) {name}".encode())


def fitting(connection: Connection, path: Path) -> str:
    """Return the SQL of fill_TABLE.sql, or of the newest fill_TABLE.NNNN.sql that fits the columns of the table."""
    older = [read_own(each) for each in sorted(path.parent.glob(f"{path.stem}.*.sql"))]
    newest = read_own(path)
    return next((text for text in (newest, *reversed(older)) if _fits(connection, text)), newest)


def _fits(connection: Connection, sql: str) -> bool:
    """Return whether the table has all columns of the statement. Its range is empty here, so it inserts nothing."""
    try:
        run_text(connection, sql, first=Int8(1), last=Int8(0))
    except psycopg.errors.UndefinedColumn:
        return False
    return True
