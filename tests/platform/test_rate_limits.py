"""How often something may be done, counted in memory and in a shared PostgreSQL alike."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from dialtone.platform.db import Database
from dialtone.platform.rate_limits import UNLIMITED, Allowance, RateLimits, RateLimitsInMemory, SharedRateLimits
from dialtone.settings import Settings

START = 1_000_000.25


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


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
async def another_node(database: Database, clock: Clock) -> AsyncIterator[Callable[[], RateLimits]]:
    """Makes what counts in a further process of the deployment; SQLite's has only one."""
    alone = RateLimitsInMemory(clock)
    made: list[RateLimits] = [alone]

    def make() -> RateLimits:
        if database.is_sqlite:
            return alone
        made.append(SharedRateLimits(database.single_connection(), clock))
        return made[-1]

    yield make
    for limits in made:
        await limits.close()


@pytest.fixture
def limits(another_node: Callable[[], RateLimits]) -> RateLimits:
    return another_node()


async def test_takes_count_down_and_end_at_the_limit(limits: RateLimits) -> None:
    taken = [await limits.take("a", 3) for _ in range(5)]
    assert [take.remaining for take in taken] == [2, 1, 0, 0, 0]
    assert [take.allowed for take in taken] == [True, True, True, False, False]
    assert {(take.limit, take.reset) for take in taken} == {(3, math.ceil(START + 60))}
    assert [take.retry_after for take in taken] == [0, 0, 0, 60, 60]
    assert (await limits.take("b", 3)).remaining == 2


async def test_a_window_ends_to_the_moment_and_refused_takes_do_not_count_in_the_next(
    limits: RateLimits, clock: Clock
) -> None:
    for _ in range(4):
        await limits.take("a", 2)
    clock.now = START + 59.5
    last = await limits.take("a", 2)
    assert (last.allowed, last.retry_after) == (False, 1)
    clock.now = math.nextafter(START + 60, 0)
    assert not (await limits.take("a", 2)).allowed
    clock.now = START + 60
    taken = [await limits.take("a", 2) for _ in range(3)]
    assert [take.allowed for take in taken] == [True, True, False]
    assert taken[0].reset == math.ceil(START + 120)


async def test_a_window_may_have_another_length(limits: RateLimits, clock: Clock) -> None:
    assert (await limits.take("a", 1, seconds=5)).allowed
    clock.now += 4.9
    assert (await limits.take("a", 1, seconds=5)).retry_after == 1
    clock.now += 0.1
    assert (await limits.take("a", 1, seconds=5)).allowed


async def test_nodes_together_let_no_more_through_than_the_limit(another_node: Callable[[], RateLimits]) -> None:
    nodes = [another_node() for _ in range(3)]

    async def take(number: int) -> list[Allowance]:
        return [await nodes[number % 3].take("busy", 100) for _ in range(10)]

    taken = [each for some in await asyncio.gather(*(take(number) for number in range(40))) for each in some]
    assert sum(each.allowed for each in taken) == 100
    assert sorted(each.remaining for each in taken if each.allowed) == list(range(100))


async def test_nodes_that_change_windows_at_the_same_time_let_one_window_through(
    another_node: Callable[[], RateLimits], clock: Clock
) -> None:
    nodes = [another_node() for _ in range(3)]
    for _ in range(30):
        await nodes[0].take("busy", 20)
    clock.now += 60
    taken = await asyncio.gather(*(nodes[number % 3].take("busy", 20) for number in range(90)))
    assert sum(each.allowed for each in taken) == 20


async def test_many_buckets_at_the_same_time_do_not_get_in_each_others_way(
    another_node: Callable[[], RateLimits],
) -> None:
    nodes = [another_node() for _ in range(2)]
    names = [f"bucket {number}" for number in range(30)]
    takes = [nodes[turn % 2].take(name, 5) for turn in range(10) for name in names[:: 1 if turn % 3 else -1]]
    assert sum(each.allowed for each in await asyncio.gather(*takes)) == 30 * 5


async def test_no_limit_is_a_large_number(limits: RateLimits) -> None:
    taken = await limits.take("a", 0)
    assert (taken.allowed, taken.limit, taken.remaining) == (True, UNLIMITED, UNLIMITED)


@pytest.mark.parametrize("database_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
async def test_windows_that_are_over_are_swept_and_refusals_cost_no_statement(
    limits: RateLimits, database: Database, clock: Clock
) -> None:
    async def rows() -> dict[str, int]:
        async with database.read() as session:
            found = await session.execute(text("SELECT bucket, used FROM rate_limits"))
            return {row.bucket: row.used for row in found}

    for number in range(50):
        await limits.take(f"old {number}", 1)
    for _ in range(20):
        await limits.take("empty", 3)
    assert (await rows())["empty"] == 4
    clock.now += 61
    await limits.take("new", 1)
    assert list(await rows()) == ["new"]


@pytest.mark.parametrize("database_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
async def test_a_connection_that_has_gone_is_replaced(limits: RateLimits, database: Database) -> None:
    assert (await limits.take("a", 5)).remaining == 4
    async with database.write() as session:
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname"
        await session.execute(text(f"{others} = current_database()"))
    assert (await limits.take("a", 5)).remaining == 3


@pytest.mark.parametrize("database_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
async def test_the_databases_own_clock_counts(database: Database) -> None:
    limits = SharedRateLimits(database.single_connection())
    async with database.read() as session:
        now = float(await session.scalar(text("SELECT extract(epoch FROM now())")) or 0)
    assert now + 59 < (await limits.take("a", 5)).reset < now + 70
    await limits.close()


@pytest.mark.parametrize("database_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
async def test_the_counts_are_not_written_ahead(database: Database) -> None:
    async with database.read() as session:
        kept = await session.scalar(text("SELECT relpersistence FROM pg_class WHERE relname = 'rate_limits'"))
    assert kept in ("u", b"u")


def test_off_and_zero_are_no_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DIALTONE_RATE_LIMIT")
    assert (Settings(data_dir=tmp_path).rate_limit, Settings(data_dir=tmp_path).control_rate_limit) == (100, 10)
    for given in ("off", "OFF", "0"):
        monkeypatch.setenv("DIALTONE_RATE_LIMIT", given)
        assert Settings().rate_limit == 0
    monkeypatch.setenv("DIALTONE_RATE_LIMIT", "-1")
    with pytest.raises(ValueError, match="rate_limit"):
        Settings()
