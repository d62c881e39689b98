"""Durable work without the rest of the server, on both databases."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from dialtone.jobs.jobs import Job, Jobs
from dialtone.platform.db import Database, now
from dialtone.settings import Settings

PATIENCE_SECONDS = 20.0


class Clock:
    """The time by which jobs are due."""

    def __init__(self) -> None:
        self.moment = now()

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


class Handled:
    """A handler that notes each job, then does what `then` says. `begun` and `ended` can be waited for."""

    def __init__(self, then: Callable[[Job], Awaitable[None]] | None = None) -> None:
        self.jobs: list[Job] = []
        self.ended = 0
        self.at_once = 0
        self.most_at_once = 0
        self._then = then
        self._changed = asyncio.Condition()

    async def __call__(self, job: Job) -> None:
        self.jobs.append(job)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self._tell()
            if self._then is not None:
                await self._then(job)
        finally:
            self.at_once -= 1
            self.ended += 1
            await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    @property
    def payloads(self) -> list[Any]:
        return [job.payload.get("n") for job in self.jobs]

    async def wait_for(self, *, begun: int = 0, ended: int = 0) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS), self._changed:
            await self._changed.wait_for(lambda: len(self.jobs) >= begun and self.ended >= ended)


MakeJobs = Callable[..., Jobs]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    database = Database(settings)
    await database.migrate()
    yield database
    await database.close()


@pytest.fixture
async def make_jobs(database: Database) -> AsyncIterator[MakeJobs]:
    """The jobs of one more process (though in the test's own), stopped at the end."""
    made: list[Jobs] = []

    def make(*clock: Callable[[], datetime]) -> Jobs:
        made.append(Jobs(database, *clock))
        return made[-1]

    yield make
    for jobs in made:
        await jobs.stop()


async def defer(database: Database, jobs: Jobs, kind: str, *numbers: int, **options: Any) -> None:
    """Each in a transaction of its own."""
    for number in numbers or (0,):
        async with database.write() as session:
            await jobs.defer(session, kind, {"n": number}, **options)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until the database shows it."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await condition():  # noqa: ASYNC110 - a change of the database tells nobody here
            await asyncio.sleep(0.01)
