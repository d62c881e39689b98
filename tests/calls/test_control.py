"""Commands for live calls over HTTP: what is taken, what is refused, and calls that live in another node."""

import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import SecretStr
from sqlalchemy import update

from dialtone.calls.tables import Call
from dialtone.conversation.control import Command, CommandError, EndCall, InjectContext, Say, SendDtmf, Transfer
from dialtone.settings import Settings
from tests.calls.conftest import House, open_house

SENT = {"success": True, "message": "Command sent successfully"}
SAY = {"type": "say", "content": "One moment.", "end_after": False}


async def control(house: House, call_id: str, body: Any, key: str | None = None) -> Any:
    async with house.client(key) as client:
        return await client.post(f"/api/v1/calls/{call_id}/control", json=body)


@pytest.mark.parametrize(
    ("body", "command"),
    [
        (SAY, Say("One moment.", end_after=False)),
        ({**SAY, "end_after": True}, Say("One moment.", end_after=True)),
        (
            {"type": "inject-context", "content": "It rains.", "trigger_response": True},
            InjectContext("It rains.", trigger_response=True),
        ),
        ({"type": "end-call"}, EndCall(None)),
        ({"type": "end-call", "message": "Bye."}, EndCall("Bye.")),
        ({"type": "transfer", "destination": "+31 20 1234567"}, Transfer("+31201234567")),
        (
            {"type": "transfer", "destination": "sip:desk@pbx.example", "message": "I connect you.", "mode": "warm"},
            Transfer("sip:desk@pbx.example", "I connect you.", "warm"),
        ),
        ({"type": "send-dtmf", "digits": "1w*2,#"}, SendDtmf("1w*2,#")),
    ],
)
async def test_a_command_reaches_the_call(calls_house: House, body: Any, command: Command) -> None:
    call_id, _, _ = await calls_house.begin()
    answer = await control(calls_house, call_id, body)
    assert (answer.status_code, answer.json()) == (200, SENT)
    assert calls_house.engine.commands == [(call_id, command)]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({}, "type: is required"),
        ({"type": "sing"}, 'type: must be one of inject-context, say, end-call, transfer, send-dtmf (got "sing")'),
        ({"type": ["say"]}, "type: must be one of inject-context, say, end-call, transfer, send-dtmf (got a list)"),
        ({"type": "say"}, "content: is required"),
        ({"type": "say", "content": "Hi"}, "end_after: is required"),
        ({**SAY, "end_after": "yes"}, 'end_after: must be true or false (got "yes")'),
        ({**SAY, "content": " \n"}, 'content: must not be blank (got " \\n")'),
        ({**SAY, "content": "a" * 5001}, "content: must have at most 5000 characters (got 5001 characters)"),
        ({"type": "inject-context", "content": "x"}, "trigger_response: is required"),
        ({"type": "transfer"}, "destination: is required"),
        (
            {"type": "transfer", "destination": "112"},
            'destination: must be a number in E.164 form like +31201234567, or a SIP URI (got "112")',
        ),
        ({"type": "send-dtmf"}, "digits: is required"),
        (
            {"type": "send-dtmf", "digits": "1 2"},
            'digits: must have only the keys 0-9 * # A-D and the pauses w W and , (got "1 2")',
        ),
        ({"type": "end-call", "message": 7}, "message: must be a string (got 7)"),
    ],
)
async def test_a_wrong_command_is_told_what_is_wrong(house: House, body: Any, problem: str) -> None:
    call_id, _, _ = await house.begin()
    answer = await control(house, call_id, body)
    assert answer.status_code == 400
    assert problem in answer.json()["details"]
    assert house.engine.commands == []


async def test_fields_without_effect_are_named(house: House) -> None:
    call_id, _, _ = await house.begin()
    answer = await control(house, call_id, {**SAY, "voice": "loud"})
    assert answer.status_code == 200
    assert answer.headers["X-Ignored-Fields"] == "voice"


async def test_a_call_that_is_not_in_progress_takes_no_command(calls_house: House) -> None:
    created = await calls_house.create()
    waiting = await control(calls_house, created["call_id"], SAY)
    call_id, running, _ = await calls_house.begin()
    running.end("user_hangup")
    over = await control(calls_house, call_id, SAY)
    for answer in (waiting, over):
        assert (answer.status_code, answer.json()["code"]) == (400, "call_not_in_progress")


async def test_what_a_call_cannot_do_is_told_in_words(house: House) -> None:
    def refuse(call_id: str, command: Command) -> None:
        raise CommandError("transfer_not_possible", "This call's line can't be transferred.")

    house.engine.command = refuse  # type: ignore[method-assign]
    call_id, _, _ = await house.begin()
    answer = await control(house, call_id, {"type": "transfer", "destination": "+31201234567"})
    assert answer.status_code == 400
    assert answer.json() == {
        "error": "Command refused",
        "code": "transfer_not_possible",
        "message": "This call's line can't be transferred.",
    }


async def test_unknown_calls_and_those_of_others_are_answered_alike(calls_house: House) -> None:
    call_id, _, _ = await calls_house.begin()
    _, key = await calls_house.organizations.create("Another")
    foreign = await control(calls_house, call_id, SAY, key)
    unknown = await control(calls_house, str(uuid.uuid4()), SAY, key)
    odd = await control(calls_house, quote("call-outbound-_+3161", safe=""), SAY, key)
    assert foreign.status_code == unknown.status_code == odd.status_code == 404
    assert foreign.json() == unknown.json() == odd.json()
    assert calls_house.engine.commands == []


async def test_ten_commands_a_minute_for_one_call(calls_house: House) -> None:
    call_id, _, _ = await calls_house.begin()
    other_id, _, _ = await calls_house.begin()
    statuses = [(await control(calls_house, call_id, SAY)).status_code for _ in range(10)]
    assert statuses == [200] * 10
    refused = await control(calls_house, call_id, SAY)
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limit_exceeded")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert len(calls_house.engine.commands) == 10
    assert (await control(calls_house, other_id, SAY)).status_code == 200
    _, key = await calls_house.organizations.create("Another")
    assert (await control(calls_house, other_id, SAY, key)).status_code == 404, "others use up nothing"


# Two nodes


@asynccontextmanager
async def two_nodes(tmp_path: Path, postgresql_url: str) -> AsyncIterator[tuple[House, House]]:
    async with AsyncExitStack() as stack:
        houses = []
        for name in ("first", "second"):
            settings = Settings(
                data_dir=tmp_path / name,
                database_url=postgresql_url,
                api_key=SecretStr("fl_test_of_the_calls_room"),
                secret_key=SecretStr("a secret key that both nodes share"),
            )
            houses.append(await stack.enter_async_context(open_house(settings)))
        yield houses[0], houses[1]


@pytest.mark.postgresql
async def test_a_call_is_controlled_through_another_node(tmp_path: Path, postgresql_url: str) -> None:
    long = "A very long text that is told to the model. é🕑 " * 100
    async with two_nodes(tmp_path, postgresql_url) as (first, second):
        call_id, running, _ = await first.begin()
        await first.room.flush()
        for body in (SAY, {"type": "inject-context", "content": long, "trigger_response": False}):
            answer = await control(second, call_id, body)
            assert (answer.status_code, answer.json()) == (200, SENT), answer.text
        assert [command for _, command in first.engine.commands] == [
            Say("One moment.", end_after=False),
            InjectContext(long, trigger_response=False),
        ]
        assert second.engine.commands == []
        running.end("user_hangup")
        late = await control(second, call_id, SAY)
        assert (late.status_code, late.json()["code"]) == (400, "call_not_in_progress")


@pytest.mark.postgresql
async def test_a_node_that_is_gone_is_told_in_words(
    tmp_path: Path, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two_nodes(tmp_path, postgresql_url) as (first, second):
        call_id, _, _ = await first.begin()
        await first.room.flush()
        async with first.database.write() as session:
            await session.execute(update(Call).values(node=str(uuid.uuid4())))
        bus = second.room._bus
        assert bus is not None
        asking = bus.ask
        monkeypatch.setattr(bus, "ask", lambda node, question: asking(node, question, seconds=0.2))
        answer = await control(second, call_id, SAY)
        assert (answer.status_code, answer.json()["code"]) == (503, "node_unreachable")
