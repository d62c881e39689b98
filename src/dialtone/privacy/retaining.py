"""Deletes what organizations want kept no longer: every night, the oldest calls first, a few in each transaction.

A mark of each organization tells how far it has come, so that no call is looked at twice, and a killed process goes on
where it was. What could not be done in one night, because the server was down, is done when it is up again.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Literal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.audit import service as audit
from dialtone.calls.paging import Position
from dialtone.jobs.jobs import Job, Jobs
from dialtone.organizations.retention import periods_of, with_periods
from dialtone.platform.db import Database, iso, now
from dialtone.platform.tenancy import owned_by
from dialtone.privacy.batches import repeat
from dialtone.privacy.forgetting import CallTraces
from dialtone.privacy.tables import RetentionMark

RETAIN = "retention"
"""The kind of the nightly job, which defers one of the next kind for each organization."""
RETAIN_ONE = "retention-of"
CALLS_AT_ONCE = 50

_Kind = Literal["content", "metadata"]
_Forget = Callable[[AsyncSession, str, Sequence[str]], Awaitable[Counter[str]]]


class Retention:
    """`begin_night` and `delete_old` are the handlers of the jobs."""

    def __init__(self, database: Database, jobs: Jobs, traces: CallTraces, clock: Callable[[], datetime] = now) -> None:
        self._database = database
        self._jobs = jobs
        self._traces = traces
        self._clock = clock

    async def begin_night(self, job: Job) -> None:
        async with self._database.write() as session:
            for organization_id in await with_periods(session):
                payload = {"organization_id": organization_id}
                await self._jobs.defer(session, RETAIN_ONE, payload, once=f"{RETAIN_ONE} {organization_id}")

    async def delete_old(self, job: Job) -> None:
        owner = job.payload["organization_id"]
        async with self._database.read() as session:
            periods = await periods_of(session, owner)
        if periods is None:
            return
        await self._delete(owner, "content", periods.content, self._traces.forget_content)
        await self._delete(owner, "metadata", periods.metadata, self._traces.forget_metadata)
        await self._database.drop_deleted()

    async def _delete(self, owner: str, kind: _Kind, period: timedelta, forget: _Forget) -> None:
        before = self._clock() - period
        await repeat(partial(self._delete_some, owner, kind, before, forget))
        async with self._database.write() as session:
            mark = await self._mark(session, owner, kind)
            if mark is not None and mark.counts:
                details = {"calls_before": iso(before), "days": period.days, **mark.counts}
                audit.write(session, owner, RETAIN, f"retention.{kind}_deleted", details)
                mark.counts = {}

    async def _delete_some(self, owner: str, kind: _Kind, before: datetime, forget: _Forget) -> bool:
        """Of the next few calls. Is there more?"""
        async with self._database.write() as session:
            mark = await self._mark(session, owner, kind)
            after = None if mark is None else Position(mark.created_at, mark.call_id)
            calls = await self._traces.calls.older_than(session, owner, before, after, CALLS_AT_ONCE)
            if not calls:
                return False
            deleted = await forget(session, owner, [call.id for call in calls])
            if mark is None:
                mark = RetentionMark(organization_id=owner, kind=kind, counts={})
                session.add(mark)
            mark.created_at, mark.call_id = calls[-1].created_at, calls[-1].id
            mark.counts = dict(Counter(mark.counts) + deleted + Counter(calls=len(calls)))
        return len(calls) == CALLS_AT_ONCE

    async def _mark(self, session: AsyncSession, owner: str, kind: _Kind) -> RetentionMark | None:
        of_kind = owned_by(RetentionMark, owner), RetentionMark.kind == kind
        found: RetentionMark | None = await session.scalar(select(RetentionMark).where(*of_kind).with_for_update())
        return found
