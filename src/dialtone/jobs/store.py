"""Jobs in the database: the same statements on both.

Who takes a row, or wants to know that it stays as it is, locks it and passes over rows that others have locked, so that
processes never wait for each other here. SQLite's writers are alone anyway.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    Insert,
    Integer,
    Row,
    Table,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.jobs.base import FailedJob, Job
from dialtone.jobs.tables import FAILED, MAX_REASON, PARKED, RUNNING, WAITING, StoredJob, Worker
from dialtone.platform.db import now

PARK_BATCH = 200
"""How many rows are looked at together once some of them stand behind others."""
BUSY_PAUSE = timedelta(seconds=0.05)
"""Another process ends or begins a job within that."""
CHANNEL = "dialtone_jobs"

_jobs = cast(Table, StoredJob.__table__)
_workers = cast(Table, Worker.__table__)
# Written out instead of bound: an index over some of the rows serves only a query that names its condition.
_WAITING, _PARKED, _RUNNING, _FAILED = (
    cast(ColumnElement[str], literal_column(f"'{state}'")) for state in (WAITING, PARKED, RUNNING, FAILED)
)
_UNENDED = _jobs.c.state != _FAILED

_GIVEN = _jobs.c.id.in_(bindparam("ids", expanding=True))
_NEXT = (
    select(_jobs)
    .where(_jobs.c.kind == bindparam("kind"), _jobs.c.state == _WAITING)
    .order_by(_jobs.c.due_at, _jobs.c.id)
    .limit(bindparam("most", type_=Integer()))
    .with_for_update(skip_locked=True)
)
_PARK = update(_jobs).where(_GIVEN).values(state=PARKED)
_BEGIN = update(_jobs).where(_GIVEN).values(state=RUNNING, worker=bindparam("taken_by"), attempts=_jobs.c.attempts + 1)
_END = delete(_jobs).where(_GIVEN, _jobs.c.worker == bindparam("holder"), _jobs.c.state == _RUNNING)


@dataclass(frozen=True, slots=True)
class NewJob:
    payload: Mapping[str, Any]
    due_at: datetime
    order: str | None = None
    once: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """A job that this process runs now."""

    job: Job
    order: str | None
    once: str | None


@dataclass(frozen=True, slots=True)
class Ended:
    """How an attempt ended."""

    taken: Taken
    reason: str | None = None
    """None: the job is done."""
    again_at: datetime | None = None
    """None for a job that has failed, or is done."""
    counted: bool = True


@dataclass(frozen=True, slots=True)
class Claim:
    taken: Sequence[Taken]
    look_again_at: datetime | None
    """When the next one is due, as far as is known now."""


class JobStore:
    """What one process does with the rows. All methods work in the caller's transaction."""

    def __init__(self, worker: str, *, is_sqlite: bool) -> None:
        self._worker = worker
        self._is_sqlite = is_sqlite
        self._insert = insert(_jobs)
        self._insert_once = _insert_once(is_sqlite=is_sqlite)

    async def add(self, session: AsyncSession, kind: str, jobs: Sequence[NewJob]) -> None:
        """All of `jobs` have a key, or none."""
        rows = [
            {
                "kind": kind,
                "payload": dict(job.payload),
                "state": WAITING,
                "attempts": 0,
                "due_at": job.due_at,
                "order_key": job.order,
                "once_key": job.once,
                "deferred_at": now(),
            }
            for job in jobs
        ]
        await session.execute(self._insert if jobs[0].once is None else self._insert_once, rows)

    async def add_repeated(self, session: AsyncSession, kind: str, due_at: datetime) -> None:
        """The next job of a kind that repeats itself; one of them waits at a time, and one runs."""
        key = f"every {kind}"
        await self.add(session, kind, [NewJob({}, due_at, order=key, once=key)])

    async def announce(self, session: AsyncSession, kind: str = "") -> None:
        """Let the other processes know of work, once the transaction is committed; without `kind`, of any."""
        if not self._is_sqlite:
            told = {"channel": CHANNEL, "payload": f"{self._worker} {kind}"}
            await session.execute(text("SELECT pg_notify(:channel, :payload)"), told)

    # Taking

    async def claim(self, session: AsyncSession, kind: str, count: int, moment: datetime) -> Claim:
        """Take up to `count` jobs that are due."""
        free: list[Row[Any]] = []
        for limit in (count + 1, max(count + 1, PARK_BATCH)):  # what stands behind others must not hide what is free
            rows = (await session.execute(_NEXT, {"kind": kind, "most": limit})).all()
            due = [row for row in rows if row.due_at <= moment]
            free, parked, busy = await self._sort_out(session, due)
            if parked:
                await session.execute(_PARK, {"ids": parked})
            if len(free) >= count or not parked:
                break
        if taken := free[:count]:
            await session.execute(_BEGIN, {"ids": [row.id for row in taken], "taken_by": self._worker})
        if len(due) == limit or len(free) > count:
            again: datetime | None = moment
        elif busy:
            again = moment + BUSY_PAUSE
        else:
            again = rows[len(due)].due_at if len(due) < len(rows) else None
        return Claim([_taken(row, row.attempts + 1) for row in taken], again)

    async def _sort_out(
        self, session: AsyncSession, rows: Sequence[Row[Any]]
    ) -> tuple[list[Row[Any]], list[int], bool]:
        """The rows that may run, the ids of those that stand behind another job, and whether there are some of which
        that can't be told now, because another process is just about to end or begin the job before them.

        The job before is held while a row is parked for it, so that it can't end unseen in this very moment.
        """
        orders = {row.order_key for row in rows} - {None}
        if not orders:
            return list(rows), [], False
        first = select(func.min(_jobs.c.id)).where(_jobs.c.order_key.in_(orders), _UNENDED).group_by(_jobs.c.order_key)
        query = (
            select(_jobs.c.id, _jobs.c.order_key, _jobs.c.state)
            .where(_jobs.c.order_key.in_(orders), _UNENDED, (_jobs.c.state == _RUNNING) | _jobs.c.id.in_(first))
            .with_for_update(read=True, skip_locked=True)
        )
        held = (await session.execute(query)).all()
        running = {row.order_key for row in held if row.state == RUNNING}
        firsts = {row.id for row in held}
        known = {row.order_key for row in held}
        free = [row for row in rows if row.order_key is None or (row.order_key not in running and row.id in firsts)]
        chosen = {row.id for row in free}
        behind = [row for row in rows if row.id not in chosen]
        parked = [row.id for row in behind if row.order_key in known]
        return free, parked, len(parked) < len(behind)

    # Ending

    async def end(self, session: AsyncSession, ended: Sequence[Ended], moment: datetime) -> set[str]:
        """Write down how attempts of this process ended. Returns the kinds of jobs that may run now in their turn.

        A job that was taken over meanwhile is left to whoever has it.
        """
        again = await self._to_repeat(session, ended)
        repeated = {each.taken.job.id for each in again}
        failed = [each for each in ended if each.reason is not None and each.again_at is None]
        kept = repeated | {each.taken.job.id for each in failed}
        done = [int(each.taken.job.id) for each in ended if each.taken.job.id not in kept]
        if done:
            await session.execute(_END, {"ids": done, "holder": self._worker})
        await self._write(
            session,
            [{"_id": int(each.taken.job.id), "_reason": _short(each.reason)} for each in failed],
            state=FAILED,
            ended_at=moment,
        )
        rows = [
            {
                "_id": int(each.taken.job.id),
                "_reason": _short(each.reason),
                "_due_at": each.again_at,
                "_uncounted": 0 if each.counted else 1,
            }
            for each in again
        ]
        due_at = bindparam("_due_at", type_=_jobs.c.due_at.type)
        attempts = _jobs.c.attempts - bindparam("_uncounted", type_=Integer())
        await self._write(session, rows, state=WAITING, due_at=due_at, attempts=attempts)
        return await self._release(session, {each.taken.order for each in ended} - {None})

    async def _to_repeat(self, session: AsyncSession, ended: Sequence[Ended]) -> list[Ended]:
        """Those to be tried again. One that may wait only once, while another one waits, is done with that."""
        again = [each for each in ended if each.again_at is not None]
        keys = {each.taken.once for each in again} - {None}
        if not keys:
            return again
        waits = select(_jobs.c.once_key).where(_jobs.c.once_key.in_(keys), _jobs.c.state.in_([_WAITING, _PARKED]))
        taken = set(await session.scalars(waits))
        repeated = []
        for each in again:
            if each.taken.once not in taken:
                repeated.append(each)
                taken |= {each.taken.once} - {None}
        return repeated

    async def _write(self, session: AsyncSession, rows: Sequence[Mapping[str, Any]], **values: Any) -> None:
        if rows:
            statement = update(_jobs).where(_jobs.c.id == bindparam("_id"), self._mine())
            statement = statement.values(worker=None, reason=bindparam("_reason"), **values)
            await (await session.connection()).execute(statement, rows)

    async def _release(self, session: AsyncSession, orders: Iterable[str | None]) -> set[str]:
        """Let the first of each order run, now that the one before it has ended."""
        if not orders:
            return set()
        first = select(func.min(_jobs.c.id)).where(_jobs.c.order_key.in_(orders), _UNENDED).group_by(_jobs.c.order_key)
        released = await session.scalars(
            update(_jobs)
            .where(_jobs.c.id.in_(first), _jobs.c.state == _PARKED)
            .values(state=WAITING)
            .returning(_jobs.c.kind)
        )
        return set(released)

    def _mine(self) -> Any:
        return (_jobs.c.worker == self._worker) & (_jobs.c.state == _RUNNING)

    # Failures

    async def failed(self, session: AsyncSession, limit: int) -> list[FailedJob]:
        """Newest first."""
        query = select(_jobs).where(_jobs.c.state == _FAILED).order_by(_jobs.c.ended_at.desc(), _jobs.c.id.desc())
        rows = await session.execute(query.limit(limit))
        return [FailedJob(_taken(row, row.attempts).job, row.reason, row.ended_at) for row in rows.all()]

    async def forget_failed(self, session: AsyncSession, before: datetime) -> None:
        await session.execute(delete(_jobs).where(_jobs.c.state == _FAILED, _jobs.c.ended_at < before))

    # What no process runs

    async def put_back(self, session: AsyncSession, known: Collection[str], moment: datetime) -> set[str]:
        """Let jobs run that this process took without knowing: the answer to its transaction was lost.

        Returns kinds as `end` does.
        """
        unknown = (_jobs.c.worker == self._worker) & _jobs.c.id.not_in([int(each) for each in known])
        taken = await self.take_over(session, unknown)
        ended = [Ended(each, "its begin was not confirmed", moment, counted=False) for each in taken]
        return await self.end(session, ended, moment) | {each.job.kind for each in taken}

    async def take_over_lost(self, session: AsyncSession, seconds: float) -> list[Taken]:
        """Show that this process lives, and make its own what those were running that did not for so long."""
        insert_here: Any = sqlite.insert if self._is_sqlite else postgresql.insert
        seen = insert_here(_workers).values(id=self._worker, seen_at=func.now())
        await session.execute(seen.on_conflict_do_update(index_elements=["id"], set_={"seen_at": func.now()}))
        stale = _workers.c.seen_at < func.now() - timedelta(seconds=seconds)
        await session.execute(delete(_workers).where(stale))
        return await self.take_over(session, _jobs.c.worker.not_in(select(_workers.c.id)))

    async def take_over(self, session: AsyncSession, lost: ColumnElement[bool]) -> list[Taken]:
        """Make jobs that are said to run this process's own."""
        rows = await session.execute(
            update(_jobs).where(_jobs.c.state == _RUNNING, lost).values(worker=self._worker).returning(_jobs)
        )
        return [_taken(row, row.attempts) for row in rows.all()]

    async def leave(self, session: AsyncSession) -> None:
        """Whatever this process still runs is to be taken over at once."""
        await session.execute(delete(_workers).where(_workers.c.id == self._worker))


def _taken(row: Row[Any], attempt: int) -> Taken:
    job = Job(str(row.id), row.kind, cast(Mapping[str, Any], row.payload), attempt)
    return Taken(job, row.order_key, row.once_key)


def _short(reason: str | None) -> str | None:
    return reason[:MAX_REASON] if reason else reason


def _insert_once(*, is_sqlite: bool) -> Insert:
    new: Any = sqlite.insert(_jobs) if is_sqlite else postgresql.insert(_jobs)
    waits = _jobs.c.state.in_([_WAITING, _PARKED])
    # Not "do nothing": the job that waits must be held, or it could run before what is told by this one counts.
    unchanged = {"once_key": new.excluded.once_key}
    statement: Insert = new.on_conflict_do_update(index_elements=["once_key"], index_where=waits, set_=unchanged)
    return statement
