"""Durable work: deferred in the transaction of the change it belongs to, tried again until it is done."""

from collections.abc import Mapping
from datetime import datetime, time
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.jobs.base import GiveUp, Handler, Job, RetryLater

__all__ = ["GiveUp", "Handler", "Job", "Jobs", "RetryLater"]


class Jobs(Protocol):
    """The durable work of a deployment. A job runs at least once: a handler must bear being run again."""

    def handle(
        self, kind: str, handler: Handler, *, at_once: int = 10, seconds: float = 300.0, attempts: int = 10
    ) -> None:
        """Say, before the start, who does the jobs of a kind, and how many `at_once` in this process.

        An attempt that takes longer than `seconds` is cancelled and counts as failed. A job whose attempt fails by
        anything but `RetryLater` is tried again after a growing pause, until it had `attempts`; then it ends failed.
        `RetryLater` is bounded by the handler itself, which sees `job.attempt`.
        """

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
        retries. With `once` nothing is written where a job with this key waits already.
        """

    def every(self, kind: str, seconds: int) -> None:
        """Run jobs of a kind, without payload, again and again; once per deployment, not per process."""

    def every_day(self, kind: str, at: time) -> None:
        """The same, at a time of the day in UTC."""

    async def start(self) -> None:
        """Begin to work. The database must be migrated, and every kind have its handler."""

    async def stop(self, seconds: float = 0.0) -> None:
        """Begin nothing more, give running jobs `seconds` to end; the others run again elsewhere or at the next start.

        Idempotent.
        """
