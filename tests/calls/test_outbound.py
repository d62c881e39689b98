"""Outbound calls: who may be called, what is missing, and how an attempt goes on."""

import asyncio
import uuid
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select, update

from dialtone.calls.masking import masked
from dialtone.calls.tables import Call
from dialtone.calls.ways_out import NO_DIALER, NO_NUMBER, NO_TRUNK, TRUNK_NOT_ACTIVE
from dialtone.lines.outbound import DialError
from dialtone.settings import Settings
from tests.calls.conftest import TRANSIENT, FakeLine, House, open_house
from tests.calls.dialing import DESTINATION, NUMBER, FakeDialer, exchange_of, make_number, make_trunk


async def calls_of(house: House) -> int:
    async with house.database.read() as session:
        return await session.scalar(select(func.count()).select_from(Call)) or 0


async def test_a_call_is_placed_rings_is_answered_and_ends(calls_house: House) -> None:
    exchange = await exchange_of(calls_house)
    answer = await exchange.post(metadata={"order": 7}, variables={"first_name": "Ada"})
    assert answer.status_code == 200
    call_id = answer.json()["call_id"]
    assert answer.json() == {"success": True, "call_id": call_id, "status": "dialing", "room_name": call_id}
    attempt = await exchange.dialer.attempt()
    assert (attempt.request.call_id, attempt.request.destination) == (call_id, DESTINATION)
    assert attempt.request.caller_number == NUMBER
    trunk = attempt.request.trunk
    assert (trunk.id, trunk.host, trunk.port) == (exchange.trunk_id, "sip.carrier.example", None)
    assert (trunk.transport, trunk.username, trunk.password) == ("udp", "u", "p4ssw0rd")
    assert "p4ssw0rd" not in repr(trunk)
    call = await calls_house.get(call_id)
    assert (call["status"], call["direction"], call["started_at"]) == ("connecting", "outbound", None)
    assert (call["caller_phone"], call["assistant_phone"]) == (DESTINATION, NUMBER)
    assert (call["number_id"], call["metadata"]) == (exchange.number_id, {"order": 7})
    attempt.ring()
    assert (await calls_house.get(call_id))["status"] == "ringing"

    line = FakeLine()
    running = await exchange.answered(attempt, line)
    assert (await calls_house.get(call_id))["status"] == "in-progress"
    plan = running.plan
    assert (plan.call_id, plan.direction, plan.variables) == (call_id, "outbound", {"first_name": "Ada"})
    assert (plan.caller_number, plan.assistant_number) == (DESTINATION, NUMBER)
    assert plan.recording_path is not None
    running.end("user_hangup")
    await exchange.over()
    call = await calls_house.get(call_id)
    assert (call["status"], call["end_reason"]) == ("ended", "user_hangup")
    assert line.closed == ["user_hangup"]


async def test_a_transferred_call_has_a_status_of_its_own(house: House) -> None:
    exchange = await exchange_of(house)
    call_id = await exchange.place()
    running = await exchange.answered(await exchange.dialer.attempt(), FakeLine())
    running.end("transferred")
    await exchange.over()
    call = await house.get(call_id)
    assert (call["status"], call["end_reason"]) == ("transferred", "transferred")


@pytest.mark.parametrize(
    ("body", "assistant", "opening"),
    [
        ({"first_message": "Asked for."}, {"speech_config": {"first_message_outbound": "Outbound."}}, "Asked for."),
        ({"first_message": ""}, {"speech_config": {"first_message_outbound": "Outbound."}}, ""),
        ({}, {"speech_config": {"first_message_outbound": "Outbound."}}, "Outbound."),
        ({}, {}, "Hello {{first_name}}."),
    ],
)
async def test_the_opening(house: House, body: dict[str, Any], assistant: dict[str, Any], opening: str) -> None:
    exchange = await exchange_of(house)
    await exchange.place(assistant={**TRANSIENT, **assistant}, **body)
    running = await exchange.answered(await exchange.dialer.attempt(), FakeLine())
    assert running.plan.first_message == opening


@pytest.mark.parametrize("reason", ["busy", "no_answer", "declined", "unreachable"])
async def test_nobody_answers(calls_house: House, reason: Any) -> None:
    exchange = await exchange_of(calls_house)
    call_id = await exchange.place()
    (await exchange.dialer.attempt()).fail(DialError(reason, "486 Busy Here"))
    await exchange.over()
    call = await calls_house.get(call_id)
    assert (call["status"], call["end_reason"], call["error"]) == ("failed", reason, "486 Busy Here")
    assert call["ended_at"] is not None
    assert (call["started_at"], call["duration_seconds"], call["messages"]) == (None, None, [])


async def test_a_dialer_that_breaks_fails_the_call(house: House, caplog: pytest.LogCaptureFixture) -> None:
    exchange = await exchange_of(house)
    call_id = await exchange.place()
    (await exchange.dialer.attempt()).fail(RuntimeError("no such thing"))
    await exchange.over()
    call = await house.get(call_id)
    assert (call["status"], call["end_reason"]) == ("failed", "error")
    assert "no such thing" not in call["error"]
    assert DESTINATION not in caplog.text


async def test_a_stopping_server_gives_up_what_rings(house: House) -> None:
    exchange = await exchange_of(house)
    call_id = await exchange.place()
    attempt = await exchange.dialer.attempt()
    attempt.ring()
    await house.room.stop()
    assert attempt.given_up.is_set()
    async with house.database.read() as session:
        call = await session.get(Call, call_id)
    assert call is not None
    assert (call.status, call.end_reason) == ("failed", "server_shutdown")
    assert (await exchange.post()).status_code == 503


async def test_calls_left_ringing_by_a_crash_are_ended_at_the_next_start(settings: Settings) -> None:
    async with open_house(settings) as house:
        exchange = await exchange_of(house)
        ringing, dialing = await exchange.place(), await exchange.place()
        await house.room.flush()
        async with house.database.write() as session:
            await session.execute(update(Call).where(Call.id == ringing).values(status="ringing"))
        for _ in range(2):
            await exchange.dialer.attempt()
        # As if killed: nothing of it is written.
        house.room._writer._transaction = _lost  # type: ignore[method-assign,assignment]
        for task in list(house.room.live._running):  # type: ignore[union-attr]
            task.cancel()
        await exchange.over()
        house.room._writer._waiting.clear()
    async with open_house(settings) as house:
        for call_id in (ringing, dialing):
            call = await house.get(call_id)
            assert (call["status"], call["end_reason"]) == ("failed", "server_shutdown")
            assert call["error"] == "The server stopped before anybody answered."


async def _lost(batch: Any) -> None:
    """Writes nothing."""


async def test_two_who_want_the_last_place_at_the_same_time(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", api_key=SecretStr("fl_test_of_the_calls_room"), max_calls=1)
    async with open_house(settings) as house:
        exchange = await exchange_of(house)
        answers = await asyncio.gather(exchange.post(), exchange.post())
        assert sorted(answer.status_code for answer in answers) == [200, 503]
        [refused] = [answer for answer in answers if answer.status_code == 503]
        assert refused.json()["code"] == "at_capacity"
        assert refused.headers["Retry-After"] == "5"
        assert await calls_of(house) == 1
        (await exchange.dialer.attempt()).fail(DialError("busy", "486 Busy Here"))
        await exchange.over()
        assert (await exchange.post()).status_code == 200, "a place is free again"


# What is missing


async def test_what_is_missing_is_named_and_no_call_is_made(calls_house: House) -> None:
    async def missing() -> list[str]:
        async with calls_house.client() as client:
            body = {"destination": DESTINATION, "assistant": TRANSIENT}
            answer = await client.post("/api/v1/calls/outbound", json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "no_outbound_line")
        details: list[str] = answer.json()["details"]
        return details

    assert await missing() == [NO_NUMBER, NO_TRUNK]
    number = await make_number(calls_house)
    assert await missing() == [NO_TRUNK]
    await make_trunk(calls_house, transport="tls")
    assert await missing() == [NO_DIALER]
    assert "DIALTONE_SIP_LISTEN" in NO_DIALER
    calls_house.room.dialers.append(FakeDialer())
    assert await missing() == [NO_DIALER], "the dialer there is cannot use the trunk there is"
    sleeping = await make_trunk(calls_house, is_active=False)
    async with calls_house.client() as client:
        linked = await client.patch(f"/api/v1/numbers/{number}", json={"transfer_trunk_id": sleeping})
    assert linked.status_code == 200
    assert await missing() == [TRUNK_NOT_ACTIVE]
    assert await calls_of(calls_house) == 0


async def test_minutes_are_asked_for_where_calls_are_billed(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", api_key=SecretStr("fl_test_of_the_calls_room"), billing=True)
    async with open_house(settings) as house:
        exchange = await exchange_of(house)
        answer = await exchange.post()
        assert (answer.status_code, answer.json()["code"]) == (402, "insufficient_credits")
        assert answer.json()["balance"] == 0
        assert await calls_of(house) == 0


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"destination": "0612345678"}, 400, "destination: must be a number in E.164 form like +31201234567"),
        ({"destination": "+31"}, 400, "destination: must be a number in E.164 form like +31201234567"),
        ({"destination": "0031 2012"}, 400, "destination: must be a number in E.164 form like +31201234567"),
        ({"destination": "sip:" + "a" * 70}, 400, "destination: must have at most 64 characters"),
        ({"destination": 31612345678}, 400, "destination: must be a string (got 31612345678)"),
        ({"destination": None}, 400, "destination: must be a string (got null)"),
        ({"number_id": str(uuid.uuid4())}, 400, "number_id: must be the id of one of your numbers"),
        ({"assistant_id": str(uuid.uuid4())}, 404, "assistant_id: must be the id of one of your assistants"),
        ({"assistant": {"name": "Ada"}}, 400, "assistant.llm_config: is required"),
        ({"assistant": TRANSIENT, "assistant_id": "x"}, 400, "assistant can't be combined with"),
        ({"assistant": {**TRANSIENT, "is_active": False}}, 409, "is_active"),
        ({"first_message": "a" * 5001}, 400, "first_message: must have at most 5000 characters (got 5001 characters)"),
        ({"metadata": {"x": "y" * 20_000}}, 400, "metadata: must be at most 16384 bytes"),
    ],
)
async def test_wrong_requests_are_told_what_is_wrong(
    house: House, body: dict[str, Any], status: int, words: str
) -> None:
    exchange = await exchange_of(house)
    answer = await exchange.post(**body)
    assert answer.status_code == status, answer.text
    assert words in answer.text
    assert await calls_of(house) == 0
    assert exchange.dialer.attempts.empty()


async def test_a_number_as_people_write_it_a_sip_uri_and_fields_without_effect(house: House) -> None:
    exchange = await exchange_of(house)
    for written, dialled in (("+31 (0)6 2373-1537", DESTINATION), ("sip:ada@pbx.example", "sip:ada@pbx.example")):
        answer = await exchange.post(destination=written, colour="red", number_id=exchange.number_id)
        assert answer.status_code == 200
        assert answer.headers["X-Ignored-Fields"] == "colour"
        assert (await exchange.dialer.attempt()).request.destination == dialled


async def test_another_organizations_number_is_as_unknown_as_no_number(calls_house: House) -> None:
    exchange = await exchange_of(calls_house)
    _, key = await calls_house.organizations.create("Another")
    body = {"destination": DESTINATION, "assistant": TRANSIENT, "number_id": exchange.number_id}
    async with calls_house.client(key) as client:
        foreign = await client.post("/api/v1/calls/outbound", json=body)
        unknown = await client.post("/api/v1/calls/outbound", json={**body, "number_id": str(uuid.uuid4())})
        without = await client.post("/api/v1/calls/outbound", json={**body, "number_id": None})
    assert foreign.status_code == unknown.status_code == 400
    assert foreign.json()["details"][0].split(" (got")[0] == unknown.json()["details"][0].split(" (got")[0]
    assert without.json()["details"] == [NO_NUMBER, NO_TRUNK]


async def test_gdpr_mode_masks_numbers_and_records_nothing(calls_house: House) -> None:
    exchange = await exchange_of(calls_house)
    call_id = await exchange.place(assistant={**TRANSIENT, "gdpr_mode": True})
    attempt = await exchange.dialer.attempt()
    assert attempt.request.destination == DESTINATION
    running = await exchange.answered(attempt, FakeLine())
    assert (running.plan.recording_path, running.plan.keep_content) == (None, False)
    call = await calls_house.get(call_id)
    assert (call["caller_phone"], call["assistant_phone"]) == ("+31*******37", "+31*******67")


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+31623731537", "+31*******37"),
        ("+14155550123", "+1********23"),
        ("+352621123456", "+352*******56"),
        ("+3112", "+3112"),
        ("+31", "+31"),
        ("SIP:ada@pbx.example", "sip:***"),
    ],
)
def test_masked_numbers(number: str, shown: str) -> None:
    assert masked(number) == shown
