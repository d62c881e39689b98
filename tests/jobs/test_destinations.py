"""Requests to other people's servers: bounded for each, and none to those that are down."""

import asyncio
from contextlib import AsyncExitStack, suppress

import pytest

from dialtone.jobs.base import GiveUp, RetryLater
from dialtone.jobs.destinations import FAILURES_TO_OPEN, FIRST_OPEN_SECONDS, LONGEST_OPEN_SECONDS, Destinations


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def destinations(clock: Clock) -> Destinations:
    return Destinations(each=3, unproven=5, clock=clock)


async def succeed(destinations: Destinations, name: str) -> None:
    async with destinations.slot(name):
        pass


async def fail(destinations: Destinations, name: str, problem: BaseException | None = None) -> None:
    with suppress(OSError, RuntimeError, asyncio.CancelledError):
        async with destinations.slot(name):
            raise problem or OSError


async def wait_of(destinations: Destinations, name: str) -> float:
    """How long a request has to wait; 0 where it may begin."""
    with pytest.raises((GiveUp, RetryLater)) as raised:
        async with destinations.slot(name):
            raise GiveUp  # an answer
    if isinstance(raised.value, GiveUp):
        return 0.0
    assert isinstance(raised.value, RetryLater)
    assert not raised.value.counted
    return raised.value.seconds


async def test_a_destination_has_few_requests_at_once(destinations: Destinations) -> None:
    async with AsyncExitStack() as held:
        for _ in range(3):
            await held.enter_async_context(destinations.slot("slow"))
        assert await wait_of(destinations, "slow") > 0
        assert await wait_of(destinations, "other") == 0
    assert await wait_of(destinations, "slow") == 0


async def test_those_who_are_refused_come_back_one_after_another(destinations: Destinations, clock: Clock) -> None:
    for _ in range(30):
        async with destinations.slot("slow"):
            clock.now += 6.0
    async with AsyncExitStack() as held:
        for _ in range(3):
            await held.enter_async_context(destinations.slot("slow"))
        waits = [await wait_of(destinations, "slow") for _ in range(10)]
    assert 1.8 < waits[0] < 3  # requests of six seconds in three places: one place every two seconds
    assert 18 < waits[-1] < 26


@pytest.mark.parametrize("problem", [OSError(), RetryLater(1, "answered 503"), asyncio.CancelledError()])
async def test_a_destination_that_fails_gets_nothing_for_a_while(
    destinations: Destinations, clock: Clock, problem: BaseException
) -> None:
    for _ in range(FAILURES_TO_OPEN):
        assert await wait_of(destinations, "other") == 0
        with suppress(RetryLater):
            await fail(destinations, "down", problem)
    assert await wait_of(destinations, "down") >= FIRST_OPEN_SECONDS
    assert await wait_of(destinations, "other") == 0
    clock.now += FIRST_OPEN_SECONDS
    assert await wait_of(destinations, "down") == 0
    assert await wait_of(destinations, "down") == 0


async def test_one_request_finds_out_whether_it_lives(destinations: Destinations, clock: Clock) -> None:
    for _ in range(FAILURES_TO_OPEN):
        await fail(destinations, "down")
    clock.now += FIRST_OPEN_SECONDS
    async with destinations.slot("down"):
        assert await wait_of(destinations, "down") > 0
    assert await wait_of(destinations, "down") == 0


async def test_the_pause_grows_up_to_a_limit(destinations: Destinations, clock: Clock) -> None:
    for _ in range(FAILURES_TO_OPEN):
        await fail(destinations, "down")
    waited = []
    for _ in range(12):
        began, failed = clock.now, False
        while not failed:
            try:
                await fail(destinations, "down")
                failed = True
            except RetryLater:
                clock.now += 1.0
        waited.append(clock.now - began)
    assert waited[:3] == [FIRST_OPEN_SECONDS, 2 * FIRST_OPEN_SECONDS, 4 * FIRST_OPEN_SECONDS]
    assert waited[-1] == LONGEST_OPEN_SECONDS


async def test_failures_side_by_side_count_as_one_outage(destinations: Destinations, clock: Clock) -> None:
    await fail_together(destinations, "down", 3)
    await fail_together(destinations, "down", 3)
    assert FIRST_OPEN_SECONDS <= await wait_of(destinations, "down") < 2 * FIRST_OPEN_SECONDS


async def fail_together(destinations: Destinations, name: str, count: int) -> None:
    everybody = asyncio.Barrier(count)

    async def one() -> None:
        with suppress(OSError):
            async with destinations.slot(name):
                await everybody.wait()
                raise OSError

    await asyncio.gather(*(one() for _ in range(count)))


async def test_a_final_answer_is_an_answer(destinations: Destinations) -> None:
    for _ in range(2 * FAILURES_TO_OPEN):
        assert await wait_of(destinations, "picky") == 0


async def test_black_holes_leave_places_to_those_that_answer(destinations: Destinations) -> None:
    await succeed(destinations, "good")
    async with AsyncExitStack() as held:
        admitted = 0
        for hole in range(100):
            with suppress(RetryLater):
                await held.enter_async_context(destinations.slot(f"hole {hole}"))
                admitted += 1
        assert admitted == 5
        assert await wait_of(destinations, "good") == 0
        await fail(destinations, "good")
        assert await wait_of(destinations, "good") > 0  # it has to prove itself again
    assert await wait_of(destinations, "good") == 0


async def test_destinations_long_unused_are_forgotten(
    destinations: Destinations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dialtone.jobs.destinations.MAX_KNOWN", 3)
    for name in "abcdeab":
        for _ in range(FAILURES_TO_OPEN):
            await fail(destinations, name)
    assert await wait_of(destinations, "b") > 0
    assert await wait_of(destinations, "c") == 0
