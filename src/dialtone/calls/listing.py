"""Lists of calls and of their usage, as fast for a million calls as for a few."""

from collections.abc import AsyncIterator
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, Select, func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.calls import counts
from dialtone.calls.counts import CALLS, TIMED_CALLS, Counted, Range, Usage
from dialtone.calls.paging import Cursors, Position, Window
from dialtone.calls.status import IN_PROGRESS
from dialtone.calls.tables import Call
from dialtone.platform.crypto import Secrets
from dialtone.platform.db import Database, Id, UtcDateTime
from dialtone.platform.tenancy import owned_by

SEEK_FROM = 1000
"""An offset below this is skipped row by row; a further one starts near its place."""
ROWS_AT_ONCE = 100
"""Rows of usage turned into Python together, so that a long page never holds up live calls."""


@dataclass(frozen=True, slots=True)
class CallFilter:
    status: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Not included."""
    assistant_id: str | None = None
    number_id: str | None = None
    direction: str | None = None

    def has_counters(self) -> bool:
        """Can the calls be counted without looking at each?"""
        return self.assistant_id is None and self.number_id is None and self.direction is None


@dataclass(frozen=True, slots=True)
class Page:
    rows: list[Row[Any]]
    total: int
    next_cursor: str | None


class CallListing:
    """Reads lists. Its methods raise `ApiError` (400) for a cursor that does not fit."""

    def __init__(self, database: Database, secrets: Secrets) -> None:
        self._database = database
        self._cursors = Cursors(secrets)

    async def calls(self, organization_id: str, chosen: CallFilter, window: Window) -> Page:
        """A page of calls, the newest first, as rows of their ids."""
        columns = (Call.created_at, Call.id)
        async with self._database.read() as session:
            return await self._page(session, organization_id, chosen, window, CALLS, columns)

    async def usage(self, organization_id: str, chosen: CallFilter, window: Window) -> tuple[Page, Usage]:
        """A page of the calls that have a duration, the newest first, and what all that were chosen come to."""
        columns = (
            Call.created_at,
            Call.id,
            Call.direction,
            Call.duration_seconds,
            Call.byok_stt,
            Call.byok_llm,
            Call.byok_tts,
            Call.assistant_phone,
            Call.assistant_id,
            Call.assistant_name,
            Call.business_name,
            Call.cost_millionths,
        )
        async with self._database.read() as session:
            page = await self._page(session, organization_id, chosen, window, TIMED_CALLS, columns)
            return page, await counts.usage(session, _range(organization_id, chosen))

    async def monthly_usage_minutes(self, organization_id: str) -> float:
        """What the calls made since the first of this month, 00:00 UTC, lasted."""
        begin = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        async with self._database.read() as session:
            return minutes((await counts.usage(session, Range(organization_id, since=begin))).duration_seconds)

    async def active_calls(self, organization_id: str) -> int:
        """Conversations under way now."""
        active = select(func.count()).where(owned_by(Call, organization_id), Call.status == IN_PROGRESS)
        async with self._database.read() as session:
            return await session.scalar(active) or 0

    async def merge_counters(self) -> None:
        """Keep the counters short; to be called now and then."""
        if not self._database.is_sqlite:
            async with self._database.write() as session:
                await counts.merge(session)

    async def _page(
        self,
        session: AsyncSession,
        organization_id: str,
        chosen: CallFilter,
        window: Window,
        counted: Counted,
        columns: tuple[Any, ...],
    ) -> Page:
        """`columns` begin with those of the order, `Call.created_at` and `Call.id`."""
        cursor_of = (counted.counter.key, organization_id, *astuple(chosen))
        query = _filtered(organization_id, chosen, counted, *columns)
        if chosen.has_counters():
            total = await counts.count(session, _range(organization_id, chosen), counted)
        else:
            total = await session.scalar(_filtered(organization_id, chosen, counted, func.count())) or 0
        if window.cursor is None:
            if window.offset >= total:
                return Page([], total, None)
            query = await _at_offset(session, query, organization_id, chosen, window.offset, counted)
        elif window.cursor:
            query = _behind(query, self._cursors.read(window.cursor, *cursor_of))
        newest_first = query.order_by(Call.created_at.desc(), Call.id.desc())
        rows = await _rows(session, newest_first.limit(window.limit + 1))
        has_more = len(rows) > window.limit
        del rows[window.limit :]
        next_cursor = None
        if has_more and window.cursor is not None:
            next_cursor = self._cursors.write(Position(rows[-1].created_at, rows[-1].id), *cursor_of)
        return Page(rows, total, next_cursor)


def minutes(seconds: int) -> float:
    """As the API shows durations in minutes: to two decimals."""
    return round(seconds / 60, 2)


def _range(organization_id: str, chosen: CallFilter) -> Range:
    return Range(organization_id, chosen.since, chosen.until, chosen.status)


def _filtered(organization_id: str, chosen: CallFilter, counted: Counted, *columns: Any) -> Select[Any]:
    query = select(*columns).where(owned_by(Call, organization_id), *counted.calls)
    for column, wanted in (
        (Call.status, chosen.status),
        (Call.assistant_id, chosen.assistant_id),
        (Call.number_id, chosen.number_id),
        (Call.direction, chosen.direction),
    ):
        if wanted is not None:
            query = query.where(column == wanted)
    if chosen.since is not None:
        query = query.where(Call.created_at >= chosen.since)
    if chosen.until is not None:
        query = query.where(Call.created_at < chosen.until)
    return query


def _behind(query: Select[Any], position: Position) -> Select[Any]:
    place = tuple_(literal(position.created_at, UtcDateTime), literal(position.id, Id))
    return query.where(tuple_(Call.created_at, Call.id) < place)


async def _at_offset(
    session: AsyncSession, query: Select[Any], organization_id: str, chosen: CallFilter, offset: int, counted: Counted
) -> Select[Any]:
    if offset >= SEEK_FROM and chosen.has_counters():
        until, offset = await counts.seek(session, _range(organization_id, chosen), counted, offset)
        if until is not None:
            query = query.where(Call.created_at < until)
    return query.offset(offset)


async def _rows(session: AsyncSession, query: Select[Any]) -> list[Row[Any]]:
    rows: list[Row[Any]] = []
    result = await session.stream(query)
    pieces: AsyncIterator[Any] = result.partitions(ROWS_AT_ONCE)
    async for piece in pieces:
        rows += piece
    return rows
