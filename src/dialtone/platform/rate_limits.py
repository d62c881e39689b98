"""How often something may be done: a bucket lets `limit` takes through in each window of `seconds`.

A window begins with the first take and ends on its own; then the bucket is full again. One process counts in memory,
which is where SQLite is used; nodes that share a PostgreSQL count there, by its clock.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Column, Float, Integer, String, Table, TextClause, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from dialtone.platform.batches import Batches
from dialtone.platform.db import Base, Database
from dialtone.platform.errors import ApiError

UNLIMITED = 2**31 - 1
"""What is told where there is no limit: a number that clients can read, and that none will reach."""
SWEEP_SECONDS = 60.0
SWEEP_ROWS = 10_000

Table(
    "rate_limits",
    Base.metadata,
    Column("bucket", String(128), primary_key=True),
    Column("used", Integer, nullable=False),
    Column("ends_at", Float(53), nullable=False),
)
"""Used on PostgreSQL only, where the migration makes it unlogged: a crash may forget a minute's counts."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """The answer to one take."""

    limit: int
    remaining: int
    """Takes left in this window."""
    reset: int
    """When the window ends, in unix seconds."""
    allowed: bool
    retry_after: int = 0
    """Where it was not allowed: seconds until the window ends, at least 1."""

    def headers(self) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset),
        }


def too_many_requests(allowance: Allowance, of_what: str) -> ApiError:
    """The answer to a take that was not allowed; `of_what` goes with the number, as in "commands a minute"."""
    return ApiError(
        429,
        "rate_limit_exceeded",
        "Rate limit exceeded",
        f"The limit is {allowance.limit} {of_what}; try again in {allowance.retry_after} s.",
        headers={"Retry-After": str(allowance.retry_after)},
        extra={"retry_after": allowance.retry_after},
    )


class RateLimits(Protocol):
    async def take(self, bucket: str, limit: int, seconds: int = 60) -> Allowance:
        """Take once from `bucket`, which always goes with the same limit and seconds. A limit of 0 is none.

        A bucket's name has up to 128 characters, and nothing in it that a stranger chose.

        Raises `sqlalchemy.exc.SQLAlchemyError` where the counts are in a database that does not answer.
        """
        ...

    async def close(self) -> None: ...


def rate_limits_of(database: Database) -> RateLimits:
    return RateLimitsInMemory() if database.is_sqlite else SharedRateLimits(database.single_connection())


@dataclass(slots=True)
class _Window:
    used: int
    ends_at: float
    """Unix seconds."""


class RateLimitsInMemory:
    """For a process that is alone."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._windows: dict[str, _Window] = {}
        self._swept = -math.inf

    async def take(self, bucket: str, limit: int, seconds: int = 60) -> Allowance:
        now = self._clock()
        if limit <= 0:
            return _unlimited(now + seconds)
        window = self._windows.get(bucket)
        # A window that ends later than one that begins now is of a clock that was set back since.
        if window is None or not now < window.ends_at <= now + seconds:
            self._sweep(now)
            window = self._windows[bucket] = _Window(0, now + seconds)
        window.used += 1
        return _allowance(limit, window.used, window.ends_at, now)

    async def close(self) -> None:
        self._windows.clear()

    def _sweep(self, now: float) -> None:
        if abs(now - self._swept) < SWEEP_SECONDS:
            return
        self._swept = now
        for bucket in [bucket for bucket, window in self._windows.items() if window.ends_at <= now]:
            del self._windows[bucket]


@dataclass(frozen=True, slots=True)
class _Take:
    bucket: str
    limit: int
    seconds: int


_NOW = "coalesce(CAST(:now AS double precision), extract(epoch FROM statement_timestamp()))"

_COUNT = text(f"""
    INSERT INTO rate_limits AS stored (bucket, used, ends_at)
    SELECT bucket, used, {_NOW} + seconds
    FROM unnest(CAST(:buckets AS text[]), CAST(:used AS integer[]), CAST(:seconds AS integer[]))
        AS asked (bucket, used, seconds)
    ORDER BY bucket
    ON CONFLICT (bucket) DO UPDATE SET
        used = excluded.used + CASE WHEN stored.ends_at > {_NOW} THEN stored.used ELSE 0 END,
        ends_at = CASE WHEN stored.ends_at > {_NOW} THEN stored.ends_at ELSE excluded.ends_at END
    RETURNING bucket, used, ends_at, {_NOW}
""")
"""Always in the order of buckets, so that two nodes never wait for each other's rows crosswise."""

_SWEEP = text(f"""
    DELETE FROM rate_limits WHERE bucket IN (
        SELECT bucket FROM rate_limits WHERE ends_at <= {_NOW} LIMIT :rows FOR UPDATE SKIP LOCKED)
""")


class SharedRateLimits:
    """For nodes that share a PostgreSQL. Takes that come at the same time are counted by one statement."""

    def __init__(self, engine: AsyncEngine, clock: Callable[[], float] | None = None) -> None:
        """`engine` is closed with this. `clock` gives unix seconds; by default the database's clock counts."""
        self._engine = engine
        self._clock = clock
        self._stopwatch = clock or time.monotonic
        self._takes = Batches(self._count)
        self._used_up: dict[str, tuple[float, int]] = {}
        """Buckets known to be empty: until when by `_stopwatch`, and their `reset`. So a flood of refused requests
        costs the database nothing."""
        self._next_sweep = self._stopwatch() + SWEEP_SECONDS

    async def take(self, bucket: str, limit: int, seconds: int = 60) -> Allowance:
        if limit <= 0:
            return _unlimited(time.time() + seconds)
        if (known := self._used_up.get(bucket)) is not None:
            until, reset = known
            left = until - self._stopwatch()
            if left > 0:
                return Allowance(limit, 0, reset, allowed=False, retry_after=math.ceil(left))
            del self._used_up[bucket]
        return await self._takes.ask(_Take(bucket, limit, seconds))

    async def close(self) -> None:
        await self._takes.close()
        await self._engine.dispose()

    async def _count(self, takes: Sequence[_Take]) -> list[Allowance]:
        asked = Counter(take.bucket for take in takes)
        seconds = {take.bucket: take.seconds for take in takes}
        values = {"buckets": list(asked), "used": list(asked.values()), "seconds": [seconds[each] for each in asked]}
        # Those who took of a bucket together are counted on from where it stood before them.
        windows = {row[0]: (row[1] - asked[row[0]], row[2], row[3]) for row in await self._execute(_COUNT, values)}
        allowances = []
        for take in takes:
            used, ends_at, now = windows[take.bucket]
            windows[take.bucket] = (used + 1, ends_at, now)
            allowance = _allowance(take.limit, used + 1, ends_at, now)
            if not allowance.allowed:
                self._used_up[take.bucket] = (self._stopwatch() + ends_at - now, allowance.reset)
            allowances.append(allowance)
        await self._sweep()
        return allowances

    async def _execute(self, statement: TextClause, values: dict[str, Any]) -> list[Any]:
        values["now"] = self._clock() if self._clock is not None else None
        try:
            return await self._execute_once(statement, values)
        except DBAPIError as problem:
            if not problem.connection_invalidated:
                raise
        return await self._execute_once(statement, values)  # the connection was an old one that has gone

    async def _execute_once(self, statement: TextClause, values: dict[str, Any]) -> list[Any]:
        async with self._engine.connect() as connection:
            result = await connection.execute(statement, values)
            return list(result.all()) if result.returns_rows else []

    async def _sweep(self) -> None:
        """Forget windows that are over, once in a while."""
        moment = self._stopwatch()
        if moment < self._next_sweep:
            return
        self._next_sweep = moment + SWEEP_SECONDS
        self._used_up = {bucket: known for bucket, known in self._used_up.items() if known[0] > moment}
        await self._execute(_SWEEP, {"rows": SWEEP_ROWS})


def _allowance(limit: int, used: int, ends_at: float, now: float) -> Allowance:
    allowed = used <= limit
    retry_after = 0 if allowed else max(1, math.ceil(ends_at - now))
    return Allowance(limit, max(0, limit - used), math.ceil(ends_at), allowed, retry_after)


def _unlimited(ends_at: float) -> Allowance:
    return Allowance(UNLIMITED, UNLIMITED, math.ceil(ends_at), allowed=True)
