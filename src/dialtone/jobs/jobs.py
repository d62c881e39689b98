"""Durable work: deferred in the transaction of the change it belongs to, tried again until it is done."""

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, time, timedelta
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.jobs.announcements import listen
from dialtone.jobs.attempts import Kind
from dialtone.jobs.base import FailedJob, GiveUp, Handler, Job, RetryLater
from dialtone.jobs.heartbeat import Heartbeat
from dialtone.jobs.runner import Runner
from dialtone.jobs.schedule import Every, EveryDay, Schedule
from dialtone.jobs.store import JobStore, NewJob
from dialtone.jobs.tables import MAX_KEY, MAX_KIND
from dialtone.platform.db import Database, new_id, now

__all__ = ["FailedJob", "GiveUp", "Handler", "Job", "Jobs", "RetryLater"]

logger = logging.getLogger(__name__)

MAX_PAYLOAD_CHARACTERS = 4096
KEEP_FAILED = timedelta(days=30)
FORGET_FAILED = "jobs.forget_failed"
FORGET_AT = time(3, 20)
POLL_SECONDS = 5.0
"""How often to look for work unasked where other processes announce theirs: an announcement can get lost."""
POLL_ALONE_SECONDS = 60.0

_DEFERRED = "dialtone_jobs_deferred"


class Jobs:
    """The durable work of a deployment. A job runs at least once: a handler must bear being run again."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = now) -> None:
        self._database = database
        self._clock = clock
        self._kinds: dict[str, Kind] = {}
        self._schedules: dict[str, Schedule] = {}
        worker = new_id()
        self._worker = worker
        self._store = JobStore(worker, is_sqlite=database.is_sqlite)
        poll_seconds = POLL_ALONE_SECONDS if database.is_sqlite else POLL_SECONDS
        self._runner = Runner(database, self._store, self._kinds, self._schedules, clock, poll_seconds)
        self._heartbeat = Heartbeat(database, self._store, self._kinds, clock)
        self._open = AsyncExitStack()
        self._started = False
        self.handle(FORGET_FAILED, self._forget_failed, at_once=1)
        self.every_day(FORGET_FAILED, FORGET_AT)

    def handle(
        self, kind: str, handler: Handler, *, at_once: int = 10, seconds: float = 300.0, attempts: int = 10
    ) -> None:
        """Say, before the start, who does the jobs of a kind, and how many `at_once` in this process.

        An attempt that takes longer than `seconds` is cancelled and counts as failed. A job whose attempt fails by
        anything but `RetryLater` is tried again after a growing pause, until it had `attempts`; then it ends failed.
        `RetryLater` is bounded by the handler itself, which sees `job.attempt`; its bound should lie below `attempts`,
        since a job whose process dies again and again ends there too. Raises `ValueError` for a second handler.
        """
        if kind in self._kinds or not 0 < len(kind) <= MAX_KIND:
            raise ValueError(f"jobs of kind {kind!r} have a handler already, or its name is too long")
        self._kinds[kind] = Kind(handler, at_once, seconds, attempts)

    async def defer(
        self,
        session: AsyncSession,
        kind: str,
        payload: Mapping[str, Any],
        *,
        at: datetime | None = None,
        order: str | None = None,
        once: str | None = None,
    ) -> None:
        """Write a job down in the session's transaction: it runs when that is committed, not before `at`.

        Jobs with the same `order` run one after another, in the order in which they were deferred, also across
        retries. With `once` nothing is written where a job with this key waits already. Raises `ValueError` for a
        payload or key too long, or a payload that is not JSON.
        """
        await self._defer(session, kind, [NewJob(payload, at or self._clock(), order, once)])

    async def defer_once(self, session: AsyncSession, kind: str, payloads: Mapping[str, Mapping[str, Any]]) -> None:
        """The same for several jobs of a kind, by their keys for `once`."""
        if payloads:
            due_at = self._clock()
            jobs = [NewJob(payload, due_at, once=once) for once, payload in payloads.items()]
            await self._defer(session, kind, jobs)

    async def _defer(self, session: AsyncSession, kind: str, jobs: Sequence[NewJob]) -> None:
        for job in jobs:
            if len(json.dumps(job.payload, allow_nan=False)) > MAX_PAYLOAD_CHARACTERS:
                raise ValueError(
                    f"a job's payload may have {MAX_PAYLOAD_CHARACTERS} characters of JSON: ids, no content"
                )
            if not 0 < len(kind) <= MAX_KIND or any(len(key) > MAX_KEY for key in (job.order, job.once) if key):
                raise ValueError(f"a job's kind may have {MAX_KIND} characters, its keys {MAX_KEY}")
        await self._store.add(session, kind, jobs)
        deferred: set[str] | None = session.info.get(_DEFERRED)
        if deferred is None:
            deferred = session.info[_DEFERRED] = set()
            event.listen(session.sync_session, "after_commit", self._wake_for_deferred)
        if kind not in deferred:
            deferred.add(kind)
            await self._store.announce(session, kind)

    def every(self, kind: str, seconds: int) -> None:
        """Run jobs of a kind, without payload, every so many seconds; once per deployment, not per process. Moments
        that pass while none can run, or one runs still, are made up for by one run. Call it before the start. Raises
        `ValueError`.
        """
        if seconds < 1:
            raise ValueError("a period has at least a second")
        self._schedules[kind] = Every(seconds)

    def every_day(self, kind: str, at: time) -> None:
        """The same, at a time of the day in UTC."""
        self._schedules[kind] = EveryDay(at)

    async def start(self) -> None:
        """Begin to work. The database must be migrated, and every kind have its handler.

        Raises `ValueError` for a kind that repeats itself and has no handler, `sqlalchemy.exc.SQLAlchemyError`.
        """
        if without := self._schedules.keys() - self._kinds.keys():
            raise ValueError(f"no handler for jobs of kind {', '.join(sorted(without))}")
        if self._database.is_sqlite:
            await self._heartbeat.start_alone()
        else:
            await self._heartbeat.beat()
            self._open.push_async_callback(self._leave)
        async with self._database.write() as session:
            for kind, schedule in self._schedules.items():
                await self._store.add_repeated(session, kind, schedule.after(self._clock()))
        self._started = True
        self._runner.start()
        if not self._database.is_sqlite:
            self._keep(self._heartbeat.keep_beating(self._runner.wake))
            self._keep(listen(self._database, self._worker, self._runner.wake))

    async def stop(self, seconds: float = 0.0) -> None:
        """Begin nothing more, give running jobs `seconds` to end; the others run again elsewhere or at the next start.

        Idempotent.
        """
        if self._started:
            self._started = False
            await self._runner.stop(seconds)
        await self._open.aclose()

    def wake(self) -> None:
        """Look for work now, whatever the clock said before."""
        self._runner.wake(None)

    async def failed(self, limit: int = 100) -> list[FailedJob]:
        """What ended failed in the last days, newest first."""
        async with self._database.read() as session:
            return await self._store.failed(session, limit)

    def _wake_for_deferred(self, session: Any) -> None:
        for kind in session.info.pop(_DEFERRED, ()):
            self._runner.wake(kind)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._open.push_async_callback(end)

    async def _leave(self) -> None:
        try:
            await self._heartbeat.leave()
        except (SQLAlchemyError, OSError) as problem:
            logger.warning("the database can't be told that this process leaves (%s)", type(problem).__name__)

    async def _forget_failed(self, job: Job) -> None:
        async with self._database.write() as session:
            await self._store.forget_failed(session, self._clock() - KEEP_FAILED)
