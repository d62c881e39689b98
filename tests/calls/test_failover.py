"""Calls that go out by another trunk where one fails, and never twice to whoever was reached."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from dialtone.calls.tables import Call
from dialtone.lines.outbound import DialError
from dialtone.platform.db import new_id
from dialtone.settings import Settings
from dialtone.trunks.keep_alives import KeepAlives
from dialtone.trunks.tables import Trunk
from tests.calls.conftest import FakeLine, House, open_house
from tests.calls.dialing import NUMBER, Exchange, FakeDialer, make_number, make_trunk

NO_ANSWER = "The trunk did not answer (408 Request Timeout)."


def trouble() -> DialError:
    return DialError("unreachable", NO_ANSWER, route_failed=True, status=408)


async def exchange_of(house: House, *trunks: dict[str, Any], own: int | None = None) -> tuple[Exchange, list[str]]:
    """A house with these trunks, `own` being the number's, and their ids."""
    dialer = FakeDialer()
    house.room.dialers.append(dialer)
    ids = [await make_trunk(house, name=f"Trunk {index}", **fields) for index, fields in enumerate(trunks)]
    number = await make_number(house, **({} if own is None else {"transfer_trunk_id": ids[own]}))
    return Exchange(house, dialer, number, ids[0]), ids


async def events_of(house: House, trunk_id: str) -> list[dict[str, Any]]:
    async with house.client() as client:
        events: list[dict[str, Any]] = (await client.get(f"/api/v1/sip-trunks/{trunk_id}/events")).json()["events"]
    return events


async def test_the_next_trunk_carries_a_call_where_one_fails(calls_house: House) -> None:
    first = {"priority": 1, "outbound_number": "+31201111111", "country_code": "31", "outbound_format": "national"}
    first |= {"auth_username": "pbx", "outbound_from": "account"}
    exchange, ids = await exchange_of(calls_house, {}, first, {})
    call_id = await exchange.place()
    attempt = await exchange.dialer.attempt()
    trunk = attempt.request.trunk
    assert (trunk.id, trunk.caller_number, trunk.numbering.outbound_format) == (ids[1], "+31201111111", "national")
    assert (trunk.username, trunk.from_account) == ("pbx", True)
    assert attempt.request.patience_seconds is not None
    attempt.fail(trouble())
    second = await exchange.dialer.attempt()  # of equals the newest
    assert (second.request.trunk.id, second.request.caller_number) == (ids[2], NUMBER)
    assert not second.request.trunk.from_account
    second.fail(trouble())
    last = await exchange.dialer.attempt()
    assert (last.request.trunk.id, last.request.patience_seconds) == (ids[0], None)
    assert last.request.ring_seconds <= attempt.request.ring_seconds
    running = await exchange.answered(last, FakeLine())
    running.end("user_hangup")
    await exchange.over()
    record = await calls_house.get(call_id)
    assert (record["status"], record["end_reason"]) == ("ended", "user_hangup")
    assert record["notes"][0] == f"The trunk Trunk 1 failed, and the next was tried: {NO_ANSWER}"
    [event] = await events_of(calls_house, ids[1])
    assert (event["kind"], event["status"], event["reason"]) == ("outbound", 408, NO_ANSWER)
    assert (event["called"], event["call_id"]) == (None, call_id)
    assert await events_of(calls_house, ids[0]) == []


async def test_the_numbers_own_trunk_comes_first(house: House) -> None:
    exchange, ids = await exchange_of(house, {}, {"priority": 1}, own=0)
    await exchange.place()
    for expected in ids:
        attempt = await exchange.dialer.attempt()
        assert attempt.request.trunk.id == expected
        attempt.fail(trouble())
    await exchange.over()


async def test_a_trunk_that_is_known_to_be_silent_is_tried_last(calls_house: House) -> None:
    exchange, ids = await exchange_of(calls_house, {}, {"priority": 1}, {"priority": 2}, own=0)
    keep_alives, node = KeepAlives(calls_house.database), new_id()
    for trunk in await keep_alives.renew(node):
        if trunk.id in ids[:2]:
            assert await keep_alives.note(node, trunk, answers=False)
    await exchange.place()
    for expected in (ids[2], ids[0], ids[1]):
        attempt = await exchange.dialer.attempt()
        assert attempt.request.trunk.id == expected
        attempt.fail(trouble())
    await exchange.over()


@pytest.mark.parametrize("reason", ["busy", "no_answer", "declined", "unreachable"])
async def test_whoever_was_reached_is_not_called_again(house: House, reason: Any) -> None:
    exchange, ids = await exchange_of(house, {}, {})
    call_id = await exchange.place()
    (await exchange.dialer.attempt()).fail(DialError(reason, "Words."))
    await exchange.over()
    assert exchange.dialer.attempts.empty()
    assert (await house.get(call_id))["end_reason"] == reason
    assert await events_of(house, ids[1]) == []


async def test_after_the_first_ring_no_other_trunk_is_tried(house: House) -> None:
    exchange, ids = await exchange_of(house, {}, {})
    call_id = await exchange.place()
    attempt = await exchange.dialer.attempt()
    attempt.ring()
    attempt.fail(trouble())
    await exchange.over()
    assert exchange.dialer.attempts.empty()
    record = await house.get(call_id)
    assert (record["end_reason"], record["error"]) == ("unreachable", NO_ANSWER)
    assert len(await events_of(house, ids[1])) == 1


async def test_a_full_trunk_is_passed_over_and_free_again_after_its_call(calls_house: House) -> None:
    limits = {"max_channels": 1, "max_calls_per_second": 1000}
    exchange, ids = await exchange_of(calls_house, limits, own=0)
    running = await exchange.answered((await _placed(exchange)), FakeLine())
    refused = await exchange.place()
    await exchange_until_failed(calls_house, refused)
    record = await calls_house.get(refused)
    assert (record["status"], record["end_reason"]) == ("failed", "unreachable")
    assert record["error"] == "All channels of the trunk are in use: it carries 1 call at a time."
    [event] = await events_of(calls_house, ids[0])
    assert (event["kind"], event["status"]) == ("outbound", None)
    spare = await make_trunk(calls_house)
    attempt = await _placed(exchange)
    assert attempt.request.trunk.id == spare
    attempt.fail(DialError("busy", "Busy."))
    running.end("user_hangup")
    await exchange.over()
    await calls_house.room.flush()
    attempt = await _placed(exchange)
    assert attempt.request.trunk.id == ids[0]
    attempt.fail(DialError("busy", "Busy."))
    await exchange.over()


async def _placed(exchange: Exchange) -> Any:
    await exchange.place()
    return await exchange.dialer.attempt()


async def exchange_until_failed(house: House, call_id: str) -> None:
    while (await house.get(call_id))["status"] != "failed":
        pass


async def test_a_trunk_that_allows_no_call_just_now_is_passed_over(house: House) -> None:
    exchange, ids = await exchange_of(house, {"max_calls_per_second": 0.01}, {}, own=0)
    for expected in ids:
        attempt = await _placed(exchange)
        assert attempt.request.trunk.id == expected
        attempt.fail(DialError("busy", "Busy."))
        await exchange.over()
    [event] = await events_of(house, ids[0])
    assert event["reason"] == "The trunk takes no more calls at the moment: it allows 0.01 a second."


async def test_a_crash_leaves_no_channel_taken(settings: Settings) -> None:
    async with open_house(settings) as house:
        exchange, _ = await exchange_of(house, {"max_channels": 1})
        await _placed(exchange)
        await house.room.flush()
        # As if killed: nothing of what follows is written.
        house.room._writer._transaction = _lost  # type: ignore[method-assign,assignment]
        for task in list(house.room.live._running):  # type: ignore[union-attr]
            task.cancel()
        await exchange.over()
        house.room._writer._waiting.clear()
        async with house.database.write() as session:  # the cancelled attempt has given its channel back
            call_id = await session.scalar(select(Call.id))
            trunk = (await session.execute(select(Trunk.id, Trunk.organization_id))).one()
            await house.room.channels.take(session, [(trunk.organization_id, trunk.id, str(call_id))])
    async with open_house(settings) as house:
        dialer = FakeDialer()
        house.room.dialers.append(dialer)
        attempt = await _placed(Exchange(house, dialer, exchange.number_id, exchange.trunk_id))
        assert attempt.request.trunk.id == exchange.trunk_id
        attempt.fail(DialError("busy", "Busy."))
        assert house.room.live is not None
        await asyncio.wait(house.room.live._running, timeout=5)


async def _lost(batch: Any) -> None:
    """Writes nothing."""
