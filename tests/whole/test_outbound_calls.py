"""Outbound calls and their control through everything: HTTP, dialing, engine, vendors' wire protocols, records."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dialtone.lines.outbound import DialError
from tests.fakes.deepgram import FakeDeepgram
from tests.fakes.openai_chat import Call, FakeOpenAIChat, Reply
from tests.whole.house import WholeHouse, whole_house
from tests.whole.telephone import Exchange

DESTINATION = "+31623731537"
DESK = "+31207654321"


@asynccontextmanager
async def exchange_house(
    tmp_path: Path,
    exchange: Exchange,
    chat: FakeOpenAIChat | None = None,
    database_url: str | None = None,
    **settings: Any,
) -> AsyncIterator[WholeHouse]:
    """A whole house that can place calls through `exchange`."""
    async with whole_house(tmp_path, FakeDeepgram(), chat, database_url=database_url, **settings) as house:
        house.parts.calls.dialers.append(exchange)
        trunk = {"name": "Carrier", "provider": "other", "address": "sip.carrier.example"}
        for path, body in (("numbers", {"phone_number": "+31201234567"}), ("sip-trunks", trunk)):
            async with house.http.post(f"{house.url}/api/v1/{path}", json=body) as made:
                assert made.status == 201, await made.text()
        yield house


async def post(house: WholeHouse, path: str, body: dict[str, Any]) -> dict[str, Any]:
    async with house.http.post(f"{house.url}/api/v1/{path}", json=body) as answered:
        assert answered.status == 200, await answered.text()
        document: dict[str, Any] = await answered.json()
        return document


async def place(house: WholeHouse, **assistant: Any) -> str:
    assistant_id = await house.create(**assistant)
    body = {"destination": DESTINATION, "assistant_id": assistant_id, "variables": {"first_name": "Tom"}}
    return str((await post(house, "calls/outbound", body))["call_id"])


async def record_of(house: WholeHouse, call_id: str) -> dict[str, Any]:
    """The call's record, once the call is over for the server too."""
    live = house.parts.calls.live
    assert live is not None
    if live._running:
        await asyncio.wait(live._running, timeout=20)
    return await house.record(call_id)


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
async def test_a_call_is_placed_commanded_and_ended(
    tmp_path: Path, database: str, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    database_url = None if database == "sqlite" else str(request.getfixturevalue("postgresql_url"))
    exchange = Exchange()
    person = exchange.telephone
    chat = FakeOpenAIChat([Reply("Your taxi waits outside.")])
    async with exchange_house(tmp_path, exchange, chat, database_url) as house:
        call_id = await place(
            house, first_message="No.", speech_config={"first_message_outbound": "Hello {{first_name}}."}
        )
        await person.until_heard("Hello Tom.")
        say = {"type": "say", "content": "One moment please.", "end_after": False}
        assert await post(house, f"calls/{call_id}/control", say) == {
            "success": True,
            "message": "Command sent successfully",
        }
        await person.until_heard("One moment please.")
        context = {"type": "inject-context", "content": "The taxi is here.", "trigger_response": True}
        await post(house, f"calls/{call_id}/control", context)
        await person.until_heard("Your taxi waits outside.")
        await post(house, f"calls/{call_id}/control", {"type": "end-call", "message": "Goodbye Tom."})
        assert await person.until_closed() == "api_end_call"
        record = await record_of(house, call_id)
    assert [(line["role"], line["content"]) for line in record["messages"]] == [
        ("assistant", "Hello Tom."),
        ("assistant", "One moment please."),
        ("system", "The taxi is here."),
        ("assistant", "Your taxi waits outside."),
        ("assistant", "Goodbye Tom."),
    ]
    assert (record["status"], record["direction"], record["end_reason"]) == ("ended", "outbound", "api_end_call")
    assert (record["caller_phone"], record["assistant_phone"]) == (DESTINATION, "+31201234567")
    assert person.frames > 100
    for private in (DESTINATION, "One moment please.", "The taxi is here."):
        assert private not in caplog.text


async def test_the_assistants_tool_hands_the_caller_over(tmp_path: Path) -> None:
    exchange = Exchange()
    chat = FakeOpenAIChat([Reply("", [Call("transfer_call", f'{{"destination": "{DESK}"}}')])])
    destination = {"type": "number", "number": DESK, "description": "the desk", "message": "I connect you now."}
    tools = [{"type": "transfer_call", "destinations": [destination]}]
    async with exchange_house(tmp_path, exchange, chat) as house:
        llm = {"provider": "openai", "model": "gpt-4.1", "tools": tools}
        call_id = await place(house, first_message="Hello.", llm_config=llm)
        context = {"type": "inject-context", "content": "Transfer the caller.", "trigger_response": True}
        await exchange.telephone.until_heard("Hello.")
        await post(house, f"calls/{call_id}/control", context)
        assert await exchange.telephone.until_closed() == "transferred"
        record = await record_of(house, call_id)
    assert exchange.telephone.transferred_to == DESK
    assert (record["status"], record["end_reason"]) == ("transferred", "transferred")
    assert record["messages"][-1] == {"role": "assistant", "content": "I connect you now."}


async def test_a_transfer_that_is_refused_keeps_the_caller(tmp_path: Path) -> None:
    exchange = Exchange()
    exchange.telephone.refuses_transfer = "the other side answered 603 Decline"
    chat = FakeOpenAIChat([Reply("Nobody is there, I am sorry.")])
    async with exchange_house(tmp_path, exchange, chat) as house:
        call_id = await place(house, first_message="Hello.")
        await exchange.telephone.until_heard("Hello.")
        await post(house, f"calls/{call_id}/control", {"type": "transfer", "destination": DESK})
        await exchange.telephone.until_heard("Nobody is there, I am sorry.")
        exchange.telephone.hang_up()
        assert await exchange.telephone.until_closed() == "user_hangup"
        record = await record_of(house, call_id)
    assert record["notes"] == ["a transfer failed: the other side answered 603 Decline"]
    assert (record["status"], record["end_reason"]) == ("ended", "user_hangup")


async def test_a_busy_line_fails_the_call_in_words(tmp_path: Path) -> None:
    exchange = Exchange(problem=DialError("busy", "The line is busy (486)."))
    async with exchange_house(tmp_path, exchange) as house:
        call_id = await place(house)
        record = await record_of(house, call_id)
    assert (record["status"], record["end_reason"], record["error"]) == ("failed", "busy", "The line is busy (486).")


async def test_a_stopping_server_ends_an_outbound_call_in_order(tmp_path: Path) -> None:
    exchange = Exchange()
    async with exchange_house(tmp_path, exchange) as house:
        await place(house, first_message="Hello.")
        await exchange.telephone.until_heard("Hello.")
    assert exchange.telephone.closed_with == "server_shutdown"
