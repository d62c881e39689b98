"""GDPR mode: after calls of all kinds, nothing of what callers said, of their numbers and of what was passed to tools
is in any byte of the data directory, the log at its most talkative, and the database. Without GDPR mode the same search
finds all of it.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from dialtone.client import WebCallClient
from dialtone.media.audio import MULAW_8K
from tests.fakes.deepgram import FakeDeepgram, final, interim
from tests.fakes.elevenlabs import FakeElevenLabs
from tests.fakes.openai_chat import Call, FakeOpenAIChat, Reply
from tests.fakes.webhook_receiver import Received, WebhookReceiver
from tests.whole.house import SPEECH_SECONDS, Caller
from tests.whole.processes import KEY, Served, served
from tests.whole.telephone import Exchange
from tests.whole.test_outbound_calls import exchange_house, post, record_of
from tests.whole.traces import files_of, found_in, tables_of

SPEAKS_AT = 2.0
ENDS_AT = SPEAKS_AT + SPEECH_SECONDS
DIGITS = "7391"
PRESSED = " ".join(DIGITS)
CALLERS = 4
"""One asks for something, one interrupts, one presses keys, and one is in a call when the server is killed."""
INTERRUPTS, PRESSES, IS_CUT_OFF = 1, 2, 3
LONG_GREETING = "This is a long greeting, which nobody listens to for as long as it takes to say all of it. " * 3


def name_of(caller: int) -> str:
    return f"Quillfeather{caller}"


def wish_of(caller: int) -> str:
    return f"quokka-{caller}-plüsch"


def number_of(caller: int) -> str:
    return f"+3162373150{caller}"


def said_by(caller: int) -> str:
    return f"my name is {name_of(caller)} and I have a wish"


def traces_of(caller: int) -> list[str]:
    """What must not be found, or in the other mode must."""
    return [name_of(caller), wish_of(caller), number_of(caller).removeprefix("+")]


def heard(connection: int) -> list[tuple[float, Any]]:
    """What the transcriber hears in its n-th stream."""
    words = said_by(connection)
    return [
        (SPEAKS_AT + 0.6, interim(words[:30], SPEAKS_AT, SPEAKS_AT + 0.6)),
        (ENDS_AT + 0.2, final(words, SPEAKS_AT, ENDS_AT)),
    ]


def reply(body: dict[str, Any]) -> Reply:
    """What the model answers; it repeats what it was told, also where it fails."""
    asked = json.dumps(body["messages"])
    caller = next((caller for caller in range(CALLERS) if name_of(caller) in asked), 0)
    if "You write the record of a phone call" in asked:
        if caller == PRESSES:
            return Reply(status=400, error={"message": f"I can't summarize that {name_of(caller)} has a wish."})
        return Reply(f"{name_of(caller)} wishes for a {wish_of(caller)}.")
    if "Answer with one JSON object" in asked:
        return Reply(json.dumps({"wish": wish_of(caller)}))
    if body["messages"][-1]["role"] == "tool" or PRESSED in asked:
        return Reply(f"It is noted, {name_of(caller)}.")
    return Reply("One moment.", [Call("note", json.dumps({"wish": wish_of(caller)}))])


def answer(received: Received) -> web.Response:
    """A customer's server that can't take reports for now, and repeats whatever it was sent."""
    status = 503 if received.event == "end-of-call-report" else 200
    return web.Response(status=status, body=received.raw, content_type="application/json")


@dataclass
class Town:
    """Vendors and a customer's server, and where the server that uses them keeps its things."""

    data_dir: Path
    database_url: str | None
    deepgram: FakeDeepgram
    chat: FakeOpenAIChat
    elevenlabs: FakeElevenLabs
    receiver: WebhookReceiver
    logs: list[bytes] = field(default_factory=list)
    """Of servers before the present one."""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Served]:
        settings = {
            "log_level": "DEBUG",
            "allow_private_addresses": "true",
            "DEEPGRAM_API_KEY": "dg",
            "DEEPGRAM_BASE_URL": self.deepgram.url,
            "OPENAI_API_KEY": "oa",
            "OPENAI_BASE_URL": self.chat.url,
            "ELEVENLABS_API_KEY": "el",
            "ELEVENLABS_BASE_URL": self.elevenlabs.url,
        }
        server = served(self.data_dir, self.database_url, **settings)
        up = await asyncio.to_thread(server.__enter__)
        try:
            yield up
        finally:
            # Beside the loop, on which the vendors say goodbye.
            await asyncio.to_thread(server.__exit__, None, None, None)
            self.logs.append(up.log.read_bytes())

    def kept(self) -> bytes:
        tables = b"" if self.database_url is None else tables_of(self.database_url)
        return b"\n".join([files_of(self.data_dir), tables, *self.logs])

    def request(self, caller: int, *, gdpr_mode: bool) -> dict[str, Any]:
        """A web call whose assistant is given for it alone, and told of the caller in every way."""
        number, tool_url = number_of(caller), f"{self.receiver.url}/tool"
        schema = {"type": "object", "properties": {"wish": {"type": "string"}}}
        tool = {"type": "function", "name": "note", "description": "Note it.", "parameters": schema, "url": tool_url}
        asked = [{"role": "system", "content": f"The caller is {{{{customer}}}}, that is {number}."}]
        assistant = {
            "name": "Ada",
            "gdpr_mode": gdpr_mode,
            "first_message": LONG_GREETING if caller == INTERRUPTS else f"Hello {number}.",
            "webhook_url": self.receiver.url,
            "metadata": {"customer": number},
            "stt_config": {"provider": "deepgram", "model": "nova-3", "language": "en"},
            "llm_config": {"provider": "openai", "model": "gpt-4.1", "messages": asked, "tools": [tool]},
            "tts_config": {"provider": "elevenlabs", "voice_id": "v", "model": "eleven_flash_v2_5"},
            "analysis_plan": {"structured_data_plan": {"enabled": True, "schema": schema}},
        }
        return {"assistant": assistant, "variables": {"customer": number}, "metadata": {"phone": number}}


@asynccontextmanager
async def town_of(tmp_path: Path, database_url: str | None) -> AsyncIterator[Town]:
    async with AsyncExitStack() as stack:
        deepgram = await stack.enter_async_context(FakeDeepgram(heard))
        chat = await stack.enter_async_context(FakeOpenAIChat(reply))
        elevenlabs = await stack.enter_async_context(FakeElevenLabs())
        receiver = await stack.enter_async_context(WebhookReceiver(answer))
        yield Town(tmp_path / "data", database_url, deepgram, chat, elevenlabs, receiver)


@asynccontextmanager
async def on_the_line(url: str, request: dict[str, Any]) -> AsyncIterator[Caller]:
    async with WebCallClient(url, KEY, MULAW_8K) as call:
        await call.start(request)
        caller = Caller(call, [SPEAKS_AT])
        tasks = [asyncio.create_task(caller.talk()), asyncio.create_task(caller.listen())]
        try:
            yield caller
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def talk(town: Town, server: Served, *, gdpr_mode: bool) -> None:
    """All callers at once; the server is killed while the last one is in a call."""
    async with AsyncExitStack() as stack:
        callers = []
        for number in range(CALLERS):
            line = on_the_line(server.url, town.request(number, gdpr_mode=gdpr_mode))
            callers.append(await stack.enter_async_context(line))
            # One after the other: the transcriber knows callers by the order in which they come.
            await town.deepgram.wait_until(lambda number=number: len(town.deepgram.connections) > number)  # type: ignore[misc]
        for number, caller in enumerate(callers):
            await caller.until(f"It is noted, {name_of(number)}.")
        for digit in DIGITS:
            await callers[PRESSES].call.send_message(type="dtmf", digit=digit)
        await callers[PRESSES].call.send_message(type="dtmf", digit="#")
        await town.chat.wait_until(lambda: any(PRESSED in json.dumps(each.body) for each in town.chat.requests))
        for caller in callers[:IS_CUT_OFF]:
            await caller.call.hang_up()
            await caller.until_over()
        await over(server, CALLERS - 1)
        server.process.kill()


async def over(server: Served, count: int) -> list[dict[str, Any]]:
    """The calls, once so many of them are over and worked on."""
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {KEY}"}) as http, asyncio.timeout(30):
        while True:
            async with http.get(f"{server.url}/api/v1/webhook-deliveries?event=end-of-call-report") as answered:
                reports = (await answered.json())["webhook_deliveries"]
            if len(reports) == count and all(each["attempts"] for each in reports):
                break
            await asyncio.sleep(0.05)
        async with http.get(f"{server.url}/api/v1/calls") as answered:
            calls: list[dict[str, Any]] = (await answered.json())["calls"]
    return calls


GDPR_MODES = [
    pytest.param("sqlite", True, id="GDPR-sqlite"),
    pytest.param("postgresql", True, id="GDPR-postgresql", marks=pytest.mark.postgresql),
    pytest.param("sqlite", False, id="not GDPR"),
]
"""Without GDPR mode all is found, or else the search would prove nothing."""


@pytest.mark.parametrize(("database", "gdpr_mode"), GDPR_MODES)
async def test_what_is_kept_of_calls(
    tmp_path: Path, database: str, gdpr_mode: bool, request: pytest.FixtureRequest
) -> None:
    database_url = None if database == "sqlite" else str(request.getfixturevalue("postgresql_url"))
    async with town_of(tmp_path, database_url) as town:
        async with town.serving() as server:
            await talk(town, server, gdpr_mode=gdpr_mode)
            after_the_kill = town.kept()
        async with town.serving() as server:
            calls = await over(server, CALLERS)
            while_it_runs = town.kept()
        afterwards = town.kept()
        told = b"".join(received.raw for received in town.receiver.received)
    assert len(calls) == CALLERS
    looked_at = {"after the kill": after_the_kill, "while it runs": while_it_runs, "afterwards": afterwards}
    for caller in range(CALLERS):
        wanted = traces_of(caller)
        lost = {name_of(caller)} if gdpr_mode and caller == IS_CUT_OFF else set()  # it was in memory alone
        assert {trace for trace, _ in found_in(told, *wanted)} == {*wanted} - lost, "webhooks carry everything"
        for moment, kept in looked_at.items():
            found = {trace for trace, _ in found_in(kept, *wanted)}
            assert found == (set() if gdpr_mode else {*wanted}), (moment, found_in(kept, *wanted))
    pressed = found_in(afterwards, PRESSED)
    assert bool(pressed) is not gdpr_mode
    assert b" INFO dialtone." in afterwards, "the log was read"
    if gdpr_mode:
        for call in calls:
            content = ("messages", "summary", "analysis_result", "recording_url", "metadata")
            assert [call[name] for name in content] == [[], None, None, None, None]
        assert any("was refused (HTTP 400)" in (call["analysis_error"] or "") for call in calls)
        assert not any((town.data_dir / "recordings").rglob("*.wav"))


NUMBER = "+31623731537"


@pytest.mark.parametrize(("database", "gdpr_mode"), GDPR_MODES)
async def test_what_is_kept_of_numbers(
    tmp_path: Path, database: str, gdpr_mode: bool, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    """A call that is placed, and one that is not answered."""
    caplog.set_level(logging.DEBUG, "dialtone")
    caplog.set_level(logging.INFO, "sqlalchemy")
    database_url = None if database == "sqlite" else str(request.getfixturevalue("postgresql_url"))
    exchange, records = Exchange(), []
    async with WebhookReceiver(answer) as receiver, exchange_house(tmp_path, exchange, None, database_url) as house:
        assistant = await house.create(gdpr_mode=gdpr_mode, first_message="Hello {{name}}.", webhook_url=receiver.url)
        body = {
            "destination": NUMBER,
            "assistant_id": assistant,
            "variables": {"name": name_of(0)},
            "metadata": {"phone": NUMBER},
        }
        call_id = (await post(house, "calls/outbound", body))["call_id"]
        await exchange.telephone.until_heard(f"Hello {name_of(0)}.")
        exchange.telephone.hang_up()
        records.append(await record_of(house, call_id))
        await receiver.until(2)
        tables = b"" if database_url is None else tables_of(database_url)
        kept = files_of(tmp_path) + tables + caplog.text.encode()
    wanted = [NUMBER.removeprefix("+"), name_of(0)]
    assert {trace for trace, _ in found_in(kept, *wanted)} == (set() if gdpr_mode else {*wanted})
    assert records[0]["caller_phone"] == ("+31*******37" if gdpr_mode else NUMBER)
    assert receiver.received[0].message["customer"]["number"] == NUMBER
    assert receiver.received[0].message["assistant"]["metadata"] == {"phone": NUMBER}
