"""How a process is connected to its database: engines for transactions, and one for single queries.

A SQLite transaction that is to write takes the one write lock at its beginning: one that turned from reading to writing
could fail at once where another writer came between (https://sqlite.org/isolation.html).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import monotonic, sleep
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from dialtone.platform import sqlite_driver

WRITE_AHEAD_TRIES = 200
WRITE_AHEAD_PAUSE = 0.02
"""Seconds between two tries; only a database that is being made makes anybody wait."""
SQLITE_BUSY_MILLISECONDS = 10_000
"""How long a SQLite writer waits for another process's."""
SQLITE_READERS = 4
"""Connections that read from SQLite, each with its thread: one long list must not hold up everybody."""
POSTGRESQL_CONNECTIONS = 10
"""Of each engine. All are kept: making one costs as much as dozens of statements."""
POOL_TIMEOUT_SECONDS = 10
CONNECT_TIMEOUT_SECONDS = 5
PING_AFTER_SECONDS = 1.0
"""A connection that was idle for longer is asked whether it still lives; asking at every use would double the way."""

_SINGLE = "dialtone_single_query"
_IDLE_SINCE = "dialtone_idle_since"


@dataclass(frozen=True, slots=True)
class Engines:
    writing: AsyncEngine
    """For transactions that write."""
    reading: AsyncEngine
    """For transactions that only read."""
    single_query: AsyncEngine
    """For single queries: without BEGIN and ROLLBACK, each of which would be a way to the database and back."""
    single_write: AsyncEngine
    """For single statements that write, likewise: each is a transaction of its own."""
    in_loop: Engine | None = None
    """SQLite's, for single queries that find a few rows by their keys: answered where they are asked, they take 50 us,
    and changing threads takes 150. It never waits for a lock.
    """

    async def dispose(self) -> None:
        for engine in {self.writing, self.reading, self.single_query, self.single_write}:
            await engine.dispose()
        if self.in_loop is not None:
            self.in_loop.dispose()


def connect(url: URL, serialize: Callable[[Any], str], *, foreign_keys: bool = True) -> Engines:
    """`serialize` writes JSON; `foreign_keys` says whether SQLite minds them, PostgreSQL always does. Opens nothing."""
    if url.get_backend_name() != "sqlite":
        transactions = _postgresql(url, serialize)
        single = _postgresql(url, serialize, isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True)
        return Engines(transactions, transactions, single, single)
    # SQLite has one writer at a time.
    writing = _sqlite(url, serialize, "BEGIN IMMEDIATE", connections=1, foreign_keys=foreign_keys)
    reading = _sqlite(url, serialize, "BEGIN", connections=SQLITE_READERS, foreign_keys=foreign_keys)
    single_query, single_write = (engine.execution_options(**{_SINGLE: True}) for engine in (reading, writing))
    return Engines(writing, reading, single_query, single_write, _sqlite_in_loop(url))


def _postgresql(url: URL, serialize: Callable[[Any], str], **options: Any) -> AsyncEngine:
    # hide_parameters: an error must not carry row contents into the log.
    engine = create_async_engine(
        url,
        hide_parameters=True,
        json_serializer=serialize,
        pool_size=POSTGRESQL_CONNECTIONS,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_SECONDS,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_SECONDS},
        **options,
    )
    event.listen(engine.sync_engine, "checkin", _note_idle)
    event.listen(engine.sync_engine, "checkout", _check_idle)
    return engine


def _note_idle(_connection: Any, record: ConnectionPoolEntry) -> None:
    record.info[_IDLE_SINCE] = monotonic()


def _check_idle(connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
    now = monotonic()
    if now - record.info.get(_IDLE_SINCE, now) < PING_AFTER_SECONDS:
        return
    try:
        connection.cursor().execute("SELECT 1")
        connection.rollback()
    except Exception as problem:
        raise InvalidatePoolError from problem  # what the pool takes as "connect anew"


def _sqlite(
    url: URL, serialize: Callable[[Any], str], begin: str, *, connections: int, foreign_keys: bool
) -> AsyncEngine:
    engine = create_async_engine(
        url,
        module=sqlite_driver.Module(),
        hide_parameters=True,
        json_serializer=serialize,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_SECONDS,
    )
    event.listen(engine.sync_engine, "connect", _configure_sqlite)
    if foreign_keys:
        event.listen(engine.sync_engine, "connect", _mind_foreign_keys)
    event.listen(engine.sync_engine, "begin", partial(_begin_sqlite, begin))
    return engine


def _sqlite_in_loop(url: URL) -> Engine:
    return create_engine(
        url.set(drivername="sqlite"),
        hide_parameters=True,
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        pool_size=1,
        max_overflow=0,
        connect_args={"timeout": 0},
    )


def _configure_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_MILLISECONDS}")
    _write_ahead(cursor)
    cursor.execute("PRAGMA synchronous=NORMAL")
    # What is deleted is overwritten: it must not be found in the file. 4 us of CPU a row.
    cursor.execute("PRAGMA secure_delete=ON")


def _write_ahead(cursor: Any) -> None:
    """Turn the write-ahead log on. SQLite does not wait for a lock here, whatever the busy timeout says: servers that
    make a new database at the same time get in each other's way for a moment.
    """
    for tries_left in range(WRITE_AHEAD_TRIES - 1, -1, -1):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except Exception as problem:
            if not tries_left or "locked" not in str(problem):
                raise
            sleep(WRITE_AHEAD_PAUSE)


def _mind_foreign_keys(connection: Any, _record: Any) -> None:
    connection.cursor().execute("PRAGMA foreign_keys=ON")


def _begin_sqlite(statement: str, connection: Connection) -> None:
    if not connection.get_execution_options().get(_SINGLE):
        driver: Any = connection.connection.dbapi_connection
        driver.begin(statement)
