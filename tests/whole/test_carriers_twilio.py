"""Calls over Twilio's and SignalWire's media streams through everything: webhooks, TwiML, streams, engine, records."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from dialtone.carriers.arrivals import Arrivals
from dialtone.carriers.seen import SeenCalls
from dialtone.lines.carriers.base import Incoming
from dialtone.platform.carriers import CarrierAccount
from tests.fakes.deepgram import final, interim
from tests.fakes.openai_chat import FakeOpenAIChat, Reply
from tests.fakes.twilio import FakeSignalWire, FakeTwilio, TwilioCall
from tests.fakes.webhook_receiver import WebhookReceiver
from tests.whole.carriers import (
    ANSWER,
    CALLER,
    DESK,
    NUMBER,
    QUESTION,
    all_calls,
    carrier_house,
    make_account,
    make_number,
    only_call,
    place,
    post,
)
from tests.whole.house import SPEECH, SPEECH_SECONDS, WholeHouse

ACCOUNT, TOKEN = "AC" + "0123456789abcdef" * 2, "auth-token-of-the-account"
PROJECT, API_TOKEN, SIGNING_KEY = "0c5ac9a2-5b0b-4f0e-9d3c-3b6c0f6f0d11", "PT-api-token", "PSK_signing_key"
AT_ONCE = [(0.6, interim("I would")), (0.4 + SPEECH_SECONDS, final(QUESTION, 0.2, 0.2 + SPEECH_SECONDS))]
"""Callers who speak as soon as they are answered."""
BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest) -> str | None:
    return None if request.param == "sqlite" else str(request.getfixturevalue("migrated_url"))


@asynccontextmanager
async def twilio_house(
    tmp_path: Path, database_url: str | None = None, **settings: Any
) -> AsyncIterator[tuple[WholeHouse, FakeTwilio]]:
    """A house with an account at Twilio."""
    async with FakeTwilio(ACCOUNT, TOKEN) as twilio:
        urls = {"twilio_base_url": twilio.url}
        async with carrier_house(tmp_path, urls, database_url, **settings) as house:
            await make_account(house, "twilio", TOKEN, account_sid=ACCOUNT)
            yield house, twilio


async def settled(house: WholeHouse) -> None:
    live = house.parts.calls.live
    assert live is not None
    while live._running:
        await asyncio.wait(live._running, timeout=20)


async def until_heeded(chat: FakeOpenAIChat, call: TwilioCall) -> None:
    """The caller speaks over the greeting, hears the answer, presses keys, and hangs up when they were heeded."""
    call.speak(SPEECH)
    await call.until(lambda: call.cleared > 0)
    call.forget()
    await call.until_heard(0.3)
    await call.press("5#")
    await chat.wait_until(lambda: len(chat.requests) == 2)
    await call.hang_up()


async def test_a_caller_interrupts_asks_presses_keys_and_hangs_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chat = FakeOpenAIChat([Reply(ANSWER), Reply("Five it is.")])
    async with (
        twilio_house(tmp_path, chat=chat, script=AT_ONCE) as (house, twilio),
        WebhookReceiver() as receiver,
    ):
        number = await make_number(house, "twilio", webhook_url=receiver.url)
        assert number["carrier_url"] == f"{house.url}/carriers/twilio/voice"
        call = await twilio.ring(number["carrier_url"], CALLER, NUMBER)
        again = await asyncio.gather(*(twilio.post(number["carrier_url"], call.fields) for _ in range(2)))
        assert {text for _, text in again} == set(call.documents)
        await until_heeded(chat, call)
        record = await only_call(house)
        house.parts.carriers._arrivals._answers.clear()  # as after a while, or in another process
        assert (await twilio.post(number["carrier_url"], call.fields))[1].endswith("<Response><Reject/></Response>")
        assert len(await all_calls(house)) == 1
        told = [received.event for received in await receiver.until(4)]
    assert (record["status"], record["direction"], record["end_reason"]) == ("ended", "inbound", "user_hangup")
    assert (record["caller_phone"], record["assistant_phone"]) == (CALLER, NUMBER)
    said = [line["content"] for line in record["messages"] if line["role"] == "user"]
    assert said[0] == QUESTION
    assert "5" in said[1]
    assert record["recording_url"] is not None
    assert told == ["assistant-request", "status-update", "status-update", "end-of-call-report"]
    assert call.statuses == [200]
    for private in (CALLER, QUESTION, TOKEN):
        assert private not in caplog.text


async def taken_by_two_processes(house: WholeHouse) -> list[bool]:
    """The same request comes to both at once: which of them connect the call?"""
    parts = house.parts
    account = CarrierAccount(await owner_of(house), "twilio", TOKEN, {"account_sid": ACCOUNT}, "")
    both = [
        Arrivals(
            parts.carriers._calls,
            SeenCalls(parts.database),
            parts.numbers,
            parts.calls.inbound,
            parts.calls.calls,
            parts.calls.started,
        )
        for _ in range(2)
    ]
    incoming = Incoming("CA" + "2" * 32, NUMBER, CALLER)
    answers = await asyncio.gather(*(arrivals.take(account, incoming) for arrivals in both))
    call = parts.carriers._calls.of(account, incoming.call)
    assert call is not None
    call.over(None, "")
    await settled(house)
    return sorted(b"<Connect>" in answer.body for answer in answers)


async def owner_of(house: WholeHouse) -> str:
    async with house.http.get(f"{house.url}/api/v1/organizations") as answered:
        return str((await answered.json())["id"])


async def test_signalwire_signs_with_another_key_and_calls_in_and_out(tmp_path: Path) -> None:
    async with (
        FakeSignalWire(PROJECT, API_TOKEN, SIGNING_KEY) as signalwire,
        carrier_house(tmp_path, {"signalwire_base_url": signalwire.url}) as house,
    ):
        await make_account(house, "signalwire", API_TOKEN, space="example", project_id=PROJECT, signing_key=SIGNING_KEY)
        url = (await make_number(house, "signalwire"))["carrier_url"]
        call = await signalwire.ring(url, CALLER, NUMBER)
        await call.until_heard(0.3)
        await call.hang_up()
        await only_call(house)
        signalwire.signing_key = API_TOKEN
        assert (await signalwire.post(url, call.fields))[0] == 403
        signalwire.signing_key = SIGNING_KEY
        signalwire.calls.clear()
        await place(house)
        await signalwire.wait_until(lambda: bool(signalwire.orders))
        [placed] = signalwire.calls.values()
        await placed.until_heard(0.3)
        await placed.hang_up()
        await settled(house)
        assert [call["end_reason"] for call in await all_calls(house)] == ["user_hangup", "user_hangup"]
    assert ' realtime="true"' in call.documents[0]


async def test_what_is_not_genuine_is_refused_without_a_word_why(tmp_path: Path) -> None:
    async with twilio_house(tmp_path) as (house, twilio):
        url = (await make_number(house, "twilio"))["carrier_url"]
        await post(house, "numbers", {"phone_number": DESK})  # at a trunk
        below = await post(house, "organizations", {"name": "Below"})
        key = {"Authorization": f"Bearer {below['api_key']}"}
        foreign = {"phone_number": "+31209999998", "carrier": "twilio"}
        async with house.http.post(f"{house.url}/api/v1/numbers", json=foreign, headers=key) as answered:
            assert answered.status == 201
        call = twilio.call(From=CALLER, To=NUMBER, Direction="inbound", CallStatus="ringing")
        fields = {**call.fields, "CallSid": "CA" + "1" * 32}
        _, document = await twilio.post(url, call.fields)
        stream = document.partition('url="')[2].partition('"')[0]
        token = stream.rpartition("/")[2]
        refused = [
            await twilio.post(url, fields, signature=""),
            await twilio.post(url, fields, signature="bm90IGl0"),
            await twilio.post(url, {**fields, "AccountSid": "AC" + "f" * 32}),
            await twilio.post(url, {**fields, "To": DESK}),
            await twilio.post(url, {**fields, "To": "+31209999999"}),
            await twilio.post(url, {**fields, "To": "+31209999998"}),
            await twilio.post(f"{url}/{token}", {**fields, "To": "+31209999998"}),
            await twilio.post(url, {**fields, "To": "nobody"}),
            await twilio.post(url, {}),
            await twilio.post(url.replace("voice", "unknown"), fields),
            await twilio.post(f"{url.replace('voice', 'status')}/guessed", fields, signature="bm90IGl0"),
            await twilio.post(f"{url.replace('voice', 'status')}/{token}", fields, signature="bm90IGl0"),
        ]
        assert {status for status, _ in refused} == {403}
        assert len({text for _, text in refused}) == 1
        assert (await twilio.post(url, {**fields, "Padding": "x" * 70_000}))[0] == 413
        assert (await twilio.post(url.replace("twilio", "nobody"), fields))[0] == 404
        # The stream opens once, and for its own call.
        guesser = twilio.call()
        await guesser.stream(stream.replace(token, "guessed"))
        liar = twilio.call()
        await liar.stream(stream)
        await asyncio.wait_for(liar.stream_over.wait(), 5)
        await call.stream(stream)
        assert (guesser.refused_with, call.refused_with) == (404, 404)
        record = await only_call(house)
    assert (record["status"], record["end_reason"]) == ("failed", "user_hangup")


async def test_callers_who_are_not_taken_or_leave(tmp_path: Path, database_url: str | None) -> None:
    closed = web.json_response({"error": "We are <closed> & away."})
    async with (
        twilio_house(tmp_path, database_url, max_calls=2) as (house, twilio),
        WebhookReceiver(answers=[lambda _: closed]) as receiver,
    ):
        url = (await make_number(house, "twilio", webhook_url=receiver.url))["carrier_url"]
        await post(house, "numbers", {"phone_number": DESK, "carrier": "twilio"})
        assert (await twilio.ring(url, CALLER, DESK)).rejected == "rejected"  # nobody answers there
        away = await twilio.ring(url, "+266696687", NUMBER)
        assert (away.said, away.rejected) == (["We are <closed> & away."], None)
        house.parts.carriers._arrivals._answers.clear()
        assert (await twilio.post(url, away.fields))[1].endswith("<Response><Reject/></Response>")
        [rejected] = await all_calls(house)
        leaving = twilio.call(From=CALLER, To=NUMBER, Direction="inbound", CallStatus="ringing")
        leaving.status_url = url.replace("voice", "status")
        assert (await twilio.post(url, leaving.fields))[0] == 200
        assert (await all_calls(house))[0]["status"] == "ringing"
        second = twilio.call(From=CALLER, To=NUMBER, Direction="inbound", CallStatus="ringing")
        second.status_url = leaving.status_url
        assert "<Connect>" in (await twilio.post(url, second.fields))[1]
        assert (await twilio.ring(url, CALLER, NUMBER)).rejected == "busy"
        await second.hang_up()
        await leaving.hang_up()
        await settled(house)
        left = (await all_calls(house))[0]
        assert await taken_by_two_processes(house) == [False, True]
        assert len(await all_calls(house)) == 4
    assert (rejected["status"], rejected["end_reason"], rejected["caller_phone"]) == ("rejected", "rejected", None)
    assert (left["status"], left["end_reason"]) == ("failed", "user_hangup")
    assert leaving.statuses == [200]


async def test_no_minutes_no_answer(tmp_path: Path) -> None:
    async with twilio_house(tmp_path, billing=True) as (house, twilio):
        url = (await make_number(house, "twilio"))["carrier_url"]
        call = await twilio.ring(url, CALLER, NUMBER)
        [record] = await all_calls(house)
    assert call.rejected == "rejected"
    assert (record["status"], record["end_reason"]) == ("rejected", "insufficient_credits")
    assert record["caller_phone"] == "+31*******78"


async def test_consent_comes_first_and_gdpr_mode_masks(tmp_path: Path) -> None:
    consent = {"enabled": True, "message": "Press one to be recorded."}
    async with twilio_house(tmp_path) as (house, twilio):
        url = (await make_number(house, "twilio", recording_consent=consent))["carrier_url"]
        await make_number(house, "twilio", DESK, gdpr_mode=True)
        call, masked = await asyncio.gather(twilio.ring(url, CALLER, NUMBER), twilio.ring(url, CALLER, DESK))
        await call.until_heard(0.5)
        before = next(each for each in await all_calls(house) if each["assistant_phone"] == NUMBER)
        call.forget()
        await call.press("1")
        await call.until_heard(0.5)
        await call.hang_up()
        await masked.hang_up()
        await settled(house)
        record = await house.record(before["id"])
        private = next(each for each in await all_calls(house) if each["id"] != before["id"])
    assert (before["caller_phone"], before["recording_url"]) == (None, None)
    assert record["caller_phone"] == CALLER
    assert record["notes"][0] == "the caller agreed to be recorded"
    assert (private["caller_phone"], private["assistant_phone"]) == ("+31*******78", "+31*******21")


async def test_callers_are_handed_over_or_stay(tmp_path: Path) -> None:
    async def transfer(destination: str) -> tuple[TwilioCall, str]:
        call = await twilio.ring(url, CALLER, NUMBER)
        await call.until_heard(0.2)
        call_id = (await all_calls(house))[0]["id"]
        await post(house, f"calls/{call_id}/control", {"type": "transfer", "destination": destination}, 200)
        return call, call_id

    async with twilio_house(tmp_path) as (house, twilio):
        url = (await make_number(house, "twilio"))["carrier_url"]
        for destination in (DESK, "sip:desk@pbx.example.com"):
            call, call_id = await transfer(destination)
            await settled(house)
            await call.until(lambda call=call: call.over)  # type: ignore[misc]
            assert call.dialled == [(destination, None)]
            assert (await house.record(call_id))["end_reason"] == "transferred"
        twilio.refuse = (400, 21218, f"nobody is at {DESK}")
        call, call_id = await transfer(DESK)
        await twilio.wait_until(lambda: twilio.refuse is None)
        await call.hang_up()
        await settled(house)
        record = await house.record(call_id)
    assert "a transfer failed: Twilio refused the transfer (HTTP 400, error 21218)" in record["notes"]
    assert record["end_reason"] == "user_hangup"


FAILURES = [
    (("busy", {"SipResponseCode": "486"}), "busy", "The line is busy (SIP 486)."),
    (("no-answer", {}), "no_answer", "Nobody answered."),
    (("failed", {"SipResponseCode": "404"}), "unreachable", "The destination can't be reached (SIP 404)."),
    (("busy", {"SipResponseCode": "603"}), "declined", "The call was declined (SIP 603)."),
]


async def test_calls_that_go_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def over() -> dict[str, Any]:
        call_id = (await place(house))["call_id"]
        await settled(house)
        return await house.record(call_id)

    async with twilio_house(tmp_path) as (house, twilio):
        await make_number(house, "twilio")
        for outcome, reason, words in FAILURES:
            twilio.outcome = outcome
            record = await over()
            assert (record["status"], record["end_reason"], record["error"]) == ("failed", reason, words)
        twilio.refuse = (400, 21215, f"Account not authorized to call {CALLER}")
        words = "Twilio refused the call (HTTP 400, error 21215): the account may not call this country."
        assert (await over())["error"] == words
        twilio.outcome = None
        twilio.calls.clear()
        call_id = (await place(house))["call_id"]
        await twilio.wait_until(lambda: bool(twilio.calls))
        [call] = twilio.calls.values()
        await call.until_heard(0.3)
        await post(house, f"calls/{call_id}/control", {"type": "end-call"}, 200)
        await settled(house)
        await call.until(lambda: call.over)
        record = await house.record(call_id)
        await make_account(house, "twilio", "a-token-that-is-not-valid", account_sid=ACCOUNT)
        assert (await over())["error"].endswith("(HTTP 401, error 20003): the account's login was refused.")
        async with house.http.delete(f"{house.url}/api/v1/byok", json={"provider": "twilio"}) as removed:
            assert removed.status == 200
        refusal = await place(house, status=409)
    assert refusal["code"] == "no_outbound_line"
    assert refusal["details"][0].startswith("There is no account at twilio: store its key with POST /byok")
    order = twilio.orders[-1]
    assert (order["To"], order["From"], order["Timeout"]) == (CALLER, NUMBER, "45")
    assert order["StatusCallbackEvent"] == "ringing,answered,completed"
    assert (record["status"], record["direction"], record["end_reason"]) == ("ended", "outbound", "api_end_call")
    assert set(call.statuses) == {200}
    for private in (CALLER, TOKEN, "a-token-that-is-not-valid"):
        assert private not in caplog.text


async def test_who_was_called_in_vain_and_answers_after_all_is_hung_up_on(tmp_path: Path) -> None:
    async with twilio_house(tmp_path) as (house, twilio):
        url = (await make_number(house, "twilio"))["carrier_url"]
        twilio.answers = False
        await place(house)
        await twilio.wait_until(lambda: bool(twilio.orders))
        [call] = twilio.calls.values()
        await call.until(lambda: call.statuses == [200])
        await call.hang_up("no-answer")
        await settled(house)
        late = await twilio.post(twilio.orders[-1]["Url"], call.fields)
        restarted = await twilio.post(f"{url.replace('voice', 'answer')}/of-another-process", call.fields)
    assert late == restarted
    assert (late[0], late[1].endswith("<Response><Hangup/></Response>")) == (200, True)


async def test_a_server_that_stops_takes_the_ringing_back_and_ends_calls(tmp_path: Path) -> None:
    async with twilio_house(tmp_path) as (house, twilio):
        url = (await make_number(house, "twilio"))["carrier_url"]
        twilio.answers = False
        call_id = (await place(house))["call_id"]
        await twilio.wait_until(lambda: bool(twilio.orders))
        [ringing] = twilio.calls.values()
        await ringing.until(lambda: ringing.statuses == [200])
        call = await twilio.ring(url, CALLER, NUMBER)
        await call.until_heard(0.3)
        await house.parts.calls.stop()
        await ringing.until(lambda: ringing.over)
        await call.until(lambda: call.over)
        record = await house.record(call_id)
        ended = await only_call_of(house, "inbound")
    assert twilio.changes == [{"Status": "completed"}]
    assert (record["status"], record["end_reason"]) == ("failed", "server_shutdown")
    assert ended["end_reason"] == "server_shutdown"


async def only_call_of(house: WholeHouse, direction: str) -> dict[str, Any]:
    [found] = [call for call in await all_calls(house) if call["direction"] == direction]
    return found
