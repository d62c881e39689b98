"""Writes what happens in live calls to the database, behind the event loop's back.

A call's journal puts its work on one queue; one task does it, that of many calls in a transaction, and what is the same
for several of them in one go. A database that is away delays the writing, never the calls. All of it can be repeated
without harm, so a batch whose fate is unknown is simply tried again.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Executable
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.platform.db import Database

logger = logging.getLogger(__name__)

BATCH = 200
"""Entries in one transaction."""
GATHER_SECONDS = 0.2
"""How long the first entry waits for others to share its transaction: what a killed process loses at most."""
MOST_WAITING = 50_000
"""Entries kept while the database is away; beyond it content is lost, the calls' ends are not."""
FIRST_RETRY_SECONDS = 0.1
LAST_RETRY_SECONDS = 5.0

Steps = Callable[[AsyncSession, Sequence[Any]], Awaitable[None]]
"""What takes more than a statement, for one call or several, within the same transaction."""
Work = tuple[Executable | Steps, Any]
"""What to do, which is the same for all calls, and with what: for a statement, its values."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Work of one call, in order, that takes effect together or not at all."""

    call_id: str
    work: tuple[Work, ...]


_AWAY = (OperationalError, InterfaceError, PoolTimeoutError, OSError, TimeoutError)


class CallWriter:
    """The one writer of a process. `start` and `close` on the event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[Entry] = deque()
        self._lost = 0
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._written = asyncio.Event()
        self._written.set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def put(self, call_id: str, *work: Work, must: bool = False) -> None:
        """Queue an entry. `must`: it is kept however long the queue is. Returns at once."""
        if len(self._waiting) >= MOST_WAITING and not must:
            self._lost += 1
            return
        self._waiting.append(Entry(call_id, work))
        self._written.clear()
        self._wake.set()

    async def flush(self) -> None:
        """Write everything that was put, now, and wait until that is done."""
        self._hurry.set()
        await self._written.wait()
        self._hurry.clear()

    async def close(self, seconds: float) -> None:
        """Write what is left, for at most `seconds`, and stop."""
        if self._task is None:
            return
        try:
            async with asyncio.timeout(seconds):
                await self.flush()
        except TimeoutError:
            logger.error("the database was away at the end: %d entries of calls are lost", len(self._waiting))
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GATHER_SECONDS):
                    await self._hurry.wait()
            while self._waiting:
                batch = [self._waiting[index] for index in range(min(BATCH, len(self._waiting)))]
                await self._write(batch)
                for _ in batch:
                    self._waiting.popleft()
            self._written.set()
            if self._lost:
                logger.error("the database was away too long: %d entries of calls are lost", self._lost)
                self._lost = 0

    async def _write(self, batch: Sequence[Entry]) -> None:
        delay = FIRST_RETRY_SECONDS
        while True:
            try:
                await self._transaction(batch)
                return
            except Exception as problem:
                if not _away(problem):
                    await self._write_singly(batch, problem)
                    return
                logger.warning("the database is away (%s); retrying in %.1f s", type(problem).__name__, delay)
            await asyncio.sleep(delay)
            delay = min(2 * delay, LAST_RETRY_SECONDS)

    async def _write_singly(self, batch: Sequence[Entry], problem: Exception) -> None:
        """One entry of the batch can't be written; the others must not suffer for it."""
        if len(batch) == 1:
            logger.error("call %s: an entry can't be stored (%s)", batch[0].call_id, type(problem).__name__)
            return
        for entry in batch:
            await self._write([entry])

    async def _transaction(self, batch: Sequence[Entry]) -> None:
        async with self._database.write() as session:
            await write(session, batch)


async def write(session: AsyncSession, batch: Sequence[Entry]) -> None:
    """Do all of it in the session's transaction."""
    connection = await session.connection()
    for what, given in _together(batch):
        if isinstance(what, Executable):
            await connection.execute(what, given)
        else:
            await what(session, given)


def _together(batch: Sequence[Entry]) -> Iterator[tuple[Executable | Steps, list[Any]]]:
    """The same work of several calls together, each call's own in its order."""
    left: dict[str, deque[Work]] = {}
    for entry in batch:
        left.setdefault(entry.call_id, deque()).extend(entry.work)
    while left := {call_id: work for call_id, work in left.items() if work}:
        what = next(iter(left.values()))[0][0]
        given = []
        for work in left.values():
            while work and work[0][0] == what:
                given.append(work.popleft()[1])
        yield what, given


def _away(problem: Exception) -> bool:
    return isinstance(problem, _AWAY) or (isinstance(problem, DBAPIError) and problem.connection_invalidated)
