"""Counting calls, and finding the place of an offset, without walking over them: from the counters of `CallCount`.

A range of time is half open, `since` included and `until` not. Its whole UTC days are read off the counters, the rest
(parts of a day at its two ends) off the calls themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, func, select, text, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.calls.tables import Call, CallCount
from dialtone.platform.tenancy import owned_by

DAY = timedelta(days=1)
MERGE_ROWS = 10_000
"""Counter rows merged in one transaction."""
MERGE_LOCK = 7_302_114_690_252
"""Key of the PostgreSQL advisory lock held while counters are merged."""


@dataclass(frozen=True, slots=True)
class Counted:
    """One thing that can be counted: the counter that holds it, and which calls are among it."""

    counter: Any
    calls: tuple[ColumnElement[bool], ...] = ()


CALLS = Counted(CallCount.calls)
TIMED_CALLS = Counted(CallCount.timed_calls, (Call.duration_seconds.is_not(None),))


@dataclass(frozen=True, slots=True)
class Usage:
    """What the calls that have a duration come to."""

    calls: int
    duration_seconds: int
    minutes: int
    """Each call rounded up."""
    cost_millionths: int


@dataclass(frozen=True, slots=True)
class Range:
    """An organization's calls of a time and perhaps a status."""

    organization_id: str
    since: datetime | None = None
    until: datetime | None = None
    status: str | None = None

    @property
    def first_day(self) -> date | None:
        """The first whole day, if the range has a beginning."""
        if self.since is None:
            return None
        day = self.since.date()
        return day if self.since == midnight(day) else day + DAY

    @property
    def end_day(self) -> date | None:
        """The day after the last whole one, if the range has an end."""
        return None if self.until is None else self.until.date()

    def newest_part(self) -> tuple[datetime, datetime] | None:
        """The part of a day that the range ends with, if it does not end at midnight."""
        if self.until is None or self.until == midnight(self.until.date()):
            return None
        begin = midnight(self.until.date())
        return (begin if self.since is None else max(begin, self.since), self.until)

    def oldest_part(self) -> tuple[datetime, datetime] | None:
        """The part of a day that the range begins with, if it does not begin at midnight or lie within a day."""
        if self.since is None or self.first_day is None or self.since == midnight(self.first_day):
            return None
        within_a_day = self.end_day is not None and self.end_day < self.first_day
        return None if within_a_day else (self.since, midnight(self.first_day))

    def parts(self) -> list[tuple[datetime, datetime]]:
        """The parts of days at the two ends."""
        return [part for part in (self.newest_part(), self.oldest_part()) if part is not None]

    def counters(self, *columns: Any) -> Select[Any]:
        """A query over the counters of the whole days."""
        query = select(*columns).where(owned_by(CallCount, self.organization_id))
        if self.first_day is not None:
            query = query.where(CallCount.day >= self.first_day)
        if self.end_day is not None:
            query = query.where(CallCount.day < self.end_day)
        return query if self.status is None else query.where(CallCount.status == self.status)

    def calls(self, since: datetime, until: datetime, *columns: Any) -> Select[Any]:
        """A query over the calls themselves between two moments."""
        query = select(*columns).where(
            owned_by(Call, self.organization_id), Call.created_at >= since, Call.created_at < until
        )
        return query if self.status is None else query.where(Call.status == self.status)


def midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


async def count(session: AsyncSession, chosen: Range, counted: Counted) -> int:
    """How many calls there are."""
    whole_days = chosen.counters(func.sum(counted.counter).label("calls"))
    figures = _together([whole_days, *(_part_count(chosen, part, counted) for part in chosen.parts())])
    return int(await session.scalar(select(func.sum(figures.c.calls))) or 0)


async def usage(session: AsyncSession, chosen: Range) -> Usage:
    """What the calls that have a duration come to."""
    sums = [
        func.sum(column).label(column.key)
        for column in (
            CallCount.timed_calls,
            CallCount.duration_seconds,
            CallCount.minutes,
            CallCount.cost_millionths,
        )
    ]
    figures = _together([chosen.counters(*sums), *(_part_usage(chosen, part) for part in chosen.parts())])
    row = (await session.execute(select(*(func.sum(column) for column in figures.c)))).one()
    return Usage(*(int(figure or 0) for figure in row))


async def seek(session: AsyncSession, chosen: Range, counted: Counted, offset: int) -> tuple[datetime | None, int]:
    """Where the offset into a list, the newest first, comes to lie: the list from this moment on backwards (None is its
    beginning), and how many of its calls are left to skip, which are no more than a day's.
    """
    until = chosen.until
    newest = chosen.newest_part()
    if newest is not None:
        calls = await session.scalar(_part_count(chosen, newest, counted)) or 0
        if offset < calls:
            return until, offset
        until, offset = newest[0], offset - calls
    of_day = func.sum(counted.counter)
    days = (
        chosen.counters(CallCount.day, (func.sum(of_day).over(order_by=CallCount.day.desc()) - of_day).label("newer"))
        .group_by(CallCount.day)
        .subquery()
    )
    reached = select(days).where(days.c.newer <= offset).order_by(days.c.day).limit(1)
    place = (await session.execute(reached)).one_or_none()
    if place is None:
        return until, offset
    return midnight(place.day + DAY), offset - int(place.newer)


def _together(queries: Sequence[Select[Any]]) -> Subquery:
    return union_all(*queries).subquery() if len(queries) > 1 else queries[0].subquery()


def _part_count(chosen: Range, part: tuple[datetime, datetime], counted: Counted) -> Select[Any]:
    return chosen.calls(*part, func.count().label("calls")).where(*counted.calls)


def _part_usage(chosen: Range, part: tuple[datetime, datetime]) -> Select[Any]:
    seconds = Call.duration_seconds
    figures: Sequence[Any] = (
        func.count(seconds),
        func.sum(seconds),
        func.sum((seconds + 59) // 60),
        func.sum(Call.cost_millionths),
    )
    return chosen.calls(*part, *figures).where(*TIMED_CALLS.calls)


async def merge(session: AsyncSession) -> None:
    """Fold rows of days gone by into connection 0. For PostgreSQL, whose connections count in rows of their own."""
    if not await session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": MERGE_LOCK}):
        return
    await session.execute(_MERGE, {"today": datetime.now(UTC).date(), "rows": MERGE_ROWS})


# Rows that a writer holds are left for the next time: waiting for it here, while it waits for a row that is being
# merged, would be a deadlock.
_MERGE = text("""
    WITH merged AS (
        DELETE FROM call_counts WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM call_counts WHERE connection <> 0 AND day < :today LIMIT :rows FOR UPDATE SKIP LOCKED
        )) RETURNING *
    )
    INSERT INTO call_counts (
        organization_id, day, status, connection, calls, timed_calls, duration_seconds, minutes, cost_millionths
    )
    SELECT organization_id, day, status, 0, SUM(calls), SUM(timed_calls), SUM(duration_seconds), SUM(minutes),
        SUM(cost_millionths)
    FROM merged GROUP BY organization_id, day, status
    ON CONFLICT (organization_id, day, status, connection) DO UPDATE SET
        calls = call_counts.calls + excluded.calls,
        timed_calls = call_counts.timed_calls + excluded.timed_calls,
        duration_seconds = call_counts.duration_seconds + excluded.duration_seconds,
        minutes = call_counts.minutes + excluded.minutes,
        cost_millionths = call_counts.cost_millionths + excluded.cost_millionths
""")
