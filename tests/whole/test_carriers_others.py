"""Calls over the media streams of Telnyx, Plivo and Vonage through everything, and where they differ."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.fakes.deepgram import final, interim
from tests.fakes.openai_chat import FakeOpenAIChat, Reply
from tests.fakes.webhook_receiver import WebhookReceiver
from tests.whole.carriers import (
    ANSWER,
    CALLER,
    DESK,
    NUMBER,
    QUESTION,
    all_calls,
    carrier_house,
    make_number,
    only_call,
    place,
    post,
)
from tests.whole.house import WholeHouse
from tests.whole.other_carriers import SIDES, Side, TelnyxSide, speech

SPOKEN = 1.2
"""Seconds."""
AT_ONCE = [(0.6, interim("I would")), (0.2 + SPOKEN, final(QUESTION, 0.2, SPOKEN))]
"""Callers who speak as soon as they are answered."""


@asynccontextmanager
async def account_at(side: Side, tmp_path: Path, **settings: Any) -> AsyncIterator[WholeHouse]:
    """A house with an account at a carrier, and a number there."""
    async with side.server, carrier_house(tmp_path, side.base_urls, **settings) as house:
        await side.open_account(house)
        yield house


@pytest.fixture(params=SIDES, ids=[side.name for side in SIDES])
def side(request: pytest.FixtureRequest) -> Side:
    made: Side = request.param()
    return made


async def test_calls_that_come_in(tmp_path: Path, side: Side, caplog: pytest.LogCaptureFixture) -> None:
    chat = FakeOpenAIChat([Reply(ANSWER), Reply("Five it is.")])
    closed = web.json_response({"error": "We are closed."})
    async with (
        WebhookReceiver(answers=[lambda _: closed]) as receiver,
        account_at(side, tmp_path, chat=chat, script=AT_ONCE) as house,
    ):
        number = await make_number(house, side.name, webhook_url=receiver.url)
        assert number["carrier_url"] == side.voice(house)
        assert set(await side.forge(house)) == {403}
        assert await all_calls(house) == []
        away = await side.ring(house)
        await away.until(lambda: away.over)
        assert await side.ask_again(house, away) == 200
        rejected = await only_call(house)
        call = await side.ring(house)
        await interrupted_by(call, chat)
        await settled(house)
        record = await house.record((await all_calls(house))[0]["id"])
        assert len(await all_calls(house)) == 2
    assert (away.said, away.streamed.is_set()) == (["We are closed."], False)
    assert (rejected["status"], rejected["end_reason"]) == ("rejected", "rejected")
    assert (record["status"], record["direction"], record["end_reason"]) == ("ended", "inbound", "user_hangup")
    assert (record["caller_phone"], record["assistant_phone"]) == (CALLER, NUMBER)
    said = [line["content"] for line in record["messages"] if line["role"] == "user"]
    assert said[0] == QUESTION
    assert "5" in said[1]
    for private in (CALLER, QUESTION, *side.secrets):
        assert private not in caplog.text


async def interrupted_by(call: Any, chat: FakeOpenAIChat) -> None:
    """The caller speaks over the greeting, hears the answer, presses keys, and hangs up when they were heeded."""
    await call.until(call.streamed.is_set)
    call.speak(speech(call, SPOKEN))
    await call.until(lambda: call.cleared > 0)
    call.forget()
    await call.until_heard(0.3)
    await call.press("5#")
    await chat.wait_until(lambda: len(chat.requests) == 2)
    await call.hang_up()


async def test_calls_that_go_out(tmp_path: Path, side: Side, caplog: pytest.LogCaptureFixture) -> None:
    ended = {}
    async with account_at(side, tmp_path) as house:
        await make_number(house, side.name)
        for reason, cause in side.causes.items():
            side.fake.outcome = cause
            ended[reason] = await over(house, await placed(house))
        side.refuse()
        refused = await over(house, await placed(house))
        side.fake.outcome = None
        side.fake.calls.clear()
        record, answered, dialled = await handed_over(house, side)
        side.fake.answers = False
        side.fake.calls.clear()
        await placed(house)
        ringing = await side.placed()
    assert ringing.over
    for reason, failed in ended.items():
        assert (failed["status"], failed["end_reason"]) == ("failed", reason)
    assert (refused["status"], refused["end_reason"]) == ("failed", "unreachable")
    assert f"{type(side.fake).__name__.removeprefix('Fake')} refused the call (HTTP 4" in refused["error"]
    assert (record["status"], record["direction"], record["end_reason"]) == ("transferred", "outbound", "transferred")
    assert (record["caller_phone"], record["assistant_phone"]) == (CALLER, NUMBER)
    assert dialled == [DESK if side.name == "telnyx" else DESK.removeprefix("+")]
    assert not answered.over
    for private in (CALLER, *side.secrets):
        assert private not in caplog.text + str(refused["error"])


async def handed_over(house: WholeHouse, side: Side) -> tuple[dict[str, Any], Any, list[str]]:
    """A call that is answered, greeted and transferred: its record, the far end, and whom the carrier connected."""
    call_id = await placed(house)
    call = await side.placed()
    await call.until_heard(0.3)
    await post(house, f"calls/{call_id}/control", {"type": "transfer", "destination": DESK}, 200)
    record = await over(house, call_id)
    return record, call, await side.dialled(call)


async def placed(house: WholeHouse) -> str:
    return str((await place(house))["call_id"])


async def over(house: WholeHouse, call_id: str) -> dict[str, Any]:
    """The call's record, once no call is live."""
    await settled(house)
    return await house.record(call_id)


async def settled(house: WholeHouse) -> None:
    live = house.parts.calls.live
    assert live is not None
    if live._running:
        await asyncio.wait(live._running, timeout=15)


async def test_telnyx_says_why_it_does_not_answer_and_leaves_nobody_in_silence(tmp_path: Path) -> None:
    side = TelnyxSide()
    async with account_at(side, tmp_path) as house:
        await make_number(house, side.name)
        side.fake.refuse["answer"] = (401, "10009", "Authentication failed")
        waiting = await side.ring(house)
        unanswered = await only_call(house)
        await waiting.until(lambda: waiting.over)
        call = await side.ring(house)
        await call.until_heard(0.3)
        side.fake.outcome = "user_busy"
        call_id = (await all_calls(house))[0]["id"]
        await post(house, f"calls/{call_id}/control", {"type": "transfer", "destination": DESK}, 200)
        await call.until(lambda: call.over)
    assert (unanswered["status"], unanswered["end_reason"]) == ("failed", "error")
    assert unanswered["error"] == (
        "Telnyx refused the command answer (HTTP 401, error 10009): the account's login was refused."
    )
