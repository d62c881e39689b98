"""SQLite beside the event loop: a thread to each connection, and one change of threads to each statement.

SQLAlchemy's own asynchronous driver, aiosqlite, changes threads for every single step: cursor, execute, fetch, close,
and the same again for BEGIN and ROLLBACK. At ten changes for one row, they cost more than all the rest of a request.
"""

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import Any

from sqlalchemy.dialects.sqlite.aiosqlite import AsyncAdapt_aiosqlite_dbapi
from sqlalchemy.engine import AdaptedConnection
from sqlalchemy.util import await_only

Work = Callable[[], Any]
_Job = tuple[Work, "asyncio.Future[Any]"]


class Module(AsyncAdapt_aiosqlite_dbapi):
    """What SQLAlchemy takes for the driver's module: `create_async_engine(url, module=Module())`."""

    def __init__(self) -> None:
        super().__init__(sqlite3, sqlite3)
        self.has_stop = True  # `SqliteConnection.terminate`

    def connect(self, *arguments: Any, **options: Any) -> Any:
        worker = _Worker()
        try:
            opened = await_only(worker.do(lambda: sqlite3.connect(*arguments, **{**options, "isolation_level": None})))
        except BaseException:
            worker.end()
            raise
        return SqliteConnection(opened, worker)


class _Worker:
    """A thread that does one job after the other, for the event loop that runs now."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        # A daemon: a process that ends without closing its connections must not wait for them.
        threading.Thread(target=self._run, name="sqlite", daemon=True).start()

    def do(self, work: Work) -> "asyncio.Future[Any]":
        """Queue a job. Its answer is the future's; a job whose future is cancelled is done all the same."""
        answer = self._loop.create_future()
        self._jobs.put((work, answer))
        return answer

    def end(self) -> None:
        """Do what is queued, then end the thread."""
        self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, answer = job
            try:
                result, error = work(), None
            except BaseException as raised:
                result, error = None, raised
            try:
                self._loop.call_soon_threadsafe(_settle, answer, result, error)
            except RuntimeError:
                return  # the loop is closed, and nobody waits


def _settle(answer: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    if answer.done():
        return
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(result)


class SqliteCursor:
    """The result of one statement, fetched whole. A cursor of PEP 249 (https://peps.python.org/pep-0249)."""

    arraysize = 1

    def __init__(self, connection: "SqliteConnection") -> None:
        self._connection = connection
        self._rows: deque[Any] = deque()
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> "SqliteCursor":
        return self._fetch(lambda connection: connection.execute(statement, parameters))

    def executemany(self, statement: str, parameters: Sequence[Sequence[Any]]) -> "SqliteCursor":
        return self._fetch(lambda connection: connection.executemany(statement, parameters))

    def _fetch(self, execute: Callable[[sqlite3.Connection], sqlite3.Cursor]) -> "SqliteCursor":
        def work(connection: sqlite3.Connection) -> tuple[Any, ...]:
            cursor = execute(connection)
            rows = cursor.fetchall() if cursor.description else ()
            return cursor.description, cursor.rowcount, cursor.lastrowid, rows

        self.description, self.rowcount, self.lastrowid, rows = self._connection.run(work)
        self._rows = deque(rows)
        return self

    def fetchone(self) -> Any:
        return self._rows.popleft() if self._rows else None

    def fetchmany(self, size: int | None = None) -> list[Any]:
        return [self._rows.popleft() for _ in range(min(size or self.arraysize, len(self._rows)))]

    def fetchall(self) -> list[Any]:
        rows = list(self._rows)
        self._rows.clear()
        return rows

    def __iter__(self) -> Iterator[Any]:
        while self._rows:
            yield self._rows.popleft()

    def close(self) -> None:
        self._rows.clear()

    async def _async_soft_close(self) -> None:
        """SQLAlchemy's way to free the server's cursor and keep the rows; there is none to free."""


class SqliteStream(SqliteCursor):
    """The result of one statement, fetched in pieces: what SQLAlchemy calls a server-side cursor. Between two pieces
    the event loop does other things.
    """

    _cursor: sqlite3.Cursor

    def _fetch(self, execute: Callable[[sqlite3.Connection], sqlite3.Cursor]) -> "SqliteCursor":
        self._cursor = self._connection.run(execute)
        self.description = self._cursor.description
        return self

    def fetchone(self) -> Any:
        return self._connection.run(lambda _connection: self._cursor.fetchone())

    def fetchmany(self, size: int | None = None) -> list[Any]:
        rows: list[Any] = self._connection.run(lambda _connection: self._cursor.fetchmany(size or self.arraysize))
        return rows

    def fetchall(self) -> list[Any]:
        rows: list[Any] = self._connection.run(lambda _connection: self._cursor.fetchall())
        return rows

    def __iter__(self) -> Iterator[Any]:
        while (row := self.fetchone()) is not None:
            yield row

    def close(self) -> None:
        self._connection.run(lambda _connection: self._cursor.close())


class SqliteConnection(AdaptedConnection):
    """A connection of PEP 249 whose methods wait without blocking the event loop, from within SQLAlchemy's greenlets.

    Always in the driver's autocommit mode: transactions begin where `begin` says so.
    """

    isolation_level = None

    def __init__(self, opened: sqlite3.Connection, worker: _Worker) -> None:
        self._connection: Any = opened
        self._worker = worker
        self._beginning: str | None = None
        self._in_transaction = False

    def begin(self, statement: str) -> None:
        """Begin a transaction with `statement`, in one go with the transaction's first statement."""
        self._beginning = statement

    def run(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        """What `work` returns, done in the connection's thread."""
        connection, beginning = self._connection, self._beginning
        if beginning is None:
            return await_only(self._worker.do(lambda: work(connection)))

        def begin_and_work() -> Any:
            connection.execute(beginning)
            return work(connection)

        self._beginning, self._in_transaction = None, True
        return await_only(self._worker.do(begin_and_work))

    def cursor(self, server_side: bool = False) -> SqliteCursor:
        return SqliteStream(self) if server_side else SqliteCursor(self)

    def commit(self) -> None:
        self._end(sqlite3.Connection.commit)

    def rollback(self) -> None:
        self._end(sqlite3.Connection.rollback)

    def _end(self, work: Callable[[sqlite3.Connection], None]) -> None:
        # What counts is what was sent, not what SQLite says: the task that sent it may have been cancelled meanwhile.
        # A commit that fails, by a deferred constraint or a full disk, leaves its transaction to be rolled back.
        self._beginning = None
        if self._in_transaction:
            self.run(work)
            self._in_transaction = False

    def create_function(self, *arguments: Any, **options: Any) -> None:
        self.run(lambda connection: connection.create_function(*arguments, **options))

    def close(self) -> None:
        try:
            self.run(sqlite3.Connection.close)
        finally:
            self._worker.end()

    def terminate(self) -> None:
        """Close without waiting, where nobody can wait: what is queued is still done."""
        self._worker.do(self._connection.close)
        self._worker.end()
