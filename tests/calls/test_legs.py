"""Second legs: where they come from, what they take of the server, and why there is none."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import func, select

from dialtone.lines.outbound import DialError
from dialtone.trunks.tables import TrunkChannel
from tests.calls.conftest import FakeLine, House, RunningCall, open_house
from tests.calls.dialing import exchange_of, make_number
from tests.calls.test_live_calls import _sqlite

DESK = "+31207654321"


async def channels_of(house: House) -> int:
    async with house.database.read() as session:
        return await session.scalar(select(func.count()).select_from(TrunkChannel)) or 0


async def held(running: RunningCall, until: asyncio.Event) -> None:
    async with running.legs.reach(DESK, running.journal.note):
        await until.wait()


async def why_not(running: RunningCall) -> str:
    with pytest.raises(DialError) as refusal:
        async with running.legs.reach(DESK, running.journal.note):
            pass
    return str(refusal.value)


async def test_a_leg_takes_a_place_and_a_channel_and_gives_both_back(calls_house: House) -> None:
    house = calls_house
    exchange = await exchange_of(house)
    own = await make_number(house, phone_number="+31207777777")
    call_id = await exchange.place(number_id=own)
    running = await exchange.answered(await exchange.dialer.attempt(), FakeLine())
    over = asyncio.Event()
    leg = asyncio.create_task(held(running, over))
    attempt = await exchange.dialer.attempt()
    assert (attempt.request.call_id, attempt.request.destination) == (call_id, DESK)
    assert attempt.request.caller_number == "+31207777777", "the call's own number"
    assert (house.room.live_calls, await channels_of(house)) == (2, 2)
    attempt.answer(line := FakeLine())
    over.set()
    await leg
    assert line.closed == ["transferred"]
    assert (house.room.live_calls, await channels_of(house)) == (1, 1)
    leg = asyncio.create_task(held(running, asyncio.Event()))
    attempt = await exchange.dialer.attempt()
    leg.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leg
    assert attempt.given_up.is_set()
    assert (house.room.live_calls, await channels_of(house)) == (1, 1)
    running.end("user_hangup")


async def test_why_there_is_no_leg_is_said_in_words(tmp_path: Path) -> None:
    async with open_house(_sqlite(tmp_path, max_calls=2)) as house:
        _, running, _ = await house.begin()
        assert not running.legs.possible
        assert "There is no active number to call from" in await why_not(running)
        exchange = await exchange_of(house)
        assert running.legs.possible
        for problem, words in (
            (DialError("busy", "The line is busy (486 Busy Here)."), "The line is busy (486 Busy Here)."),
            (KeyError("secret"), "The call could not be placed (KeyError)."),
        ):
            leg = asyncio.create_task(why_not(running))
            (await exchange.dialer.attempt()).fail(problem)
            assert await leg == words
        assert house.room.live_calls == 1
        _, second, _ = await house.begin()
        assert "takes 2 calls at a time" in await why_not(running)
        second.end("user_hangup")
        assert house.room.live is not None
        house.room.live.refuse()
        assert "The server is shutting down" in await why_not(running)
        running.end("user_hangup")
