"""What a customer's server is told of a call, from its beginning to its report."""

import asyncio
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from dialtone.conversation.journal import EndReason
from dialtone.lines.outbound import DialError
from tests.calls.conftest import FakeLine
from tests.calls.dialing import DESTINATION, NUMBER, exchange_of
from tests.fakes.webhook_receiver import Received, WebhookReceiver
from tests.webhooks.conftest import SECRET, Desk, everything_is

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def told(received: list[Received]) -> list[tuple[str, str]]:
    return [(one.event, one.message["call"]["status"]) for one in received]


async def test_a_web_call_is_told_from_beginning_to_report(desk: Desk) -> None:
    assistant_id = await desk.assistant()
    call_id, call, _ = await desk.house.begin(assistant_id=assistant_id, assistant_override={"metadata": {"order": 7}})
    call.journal.message("assistant", "Hello.")
    call.journal.message("user", "A table for four, please.")
    call.end("user_hangup")
    received = await desk.receiver.until(3)
    assert told(received) == [
        ("status-update", "in-progress"),
        ("status-update", "ended"),
        ("end-of-call-report", "ended"),
    ]
    assert len({one.id for one in received}) == 3
    for one in received:
        assert one.is_signed_with(SECRET)
        assert not one.is_signed_with("another")
        assert one.headers["User-Agent"] == "HMS-Sovereign/1.0"
        assert one.headers["Content-Type"] == "application/json"
        assert abs(int(one.headers["X-Webhook-Timestamp"]) - datetime.now(UTC).timestamp()) < 60
        message = one.message
        assert ISO.fullmatch(message["timestamp"])
        assert (message["call"]["id"], message["call"]["type"]) == (call_id, "web_call")
        assert message["phone_number"] == {"id": None, "number": None, "name": None}
        assert message["customer"] == {"number": None}
        assert (message["assistant"]["id"], message["assistant"]["metadata"]) == (assistant_id, {"order": 7})
        assert message["assistant"]["webhook_secret"] == "********"
        assert SECRET.encode() not in one.raw
    envelope = {"type", "timestamp", "call", "phone_number", "customer", "assistant"}
    beginning, end, report = (one.message for one in received)
    assert beginning.keys() == envelope
    assert end.keys() == envelope | {"end_reason"}
    assert end["end_reason"] == report["end_reason"] == "user_hangup"
    assert report["duration_seconds"] == 7
    assert isinstance(report["summary"], str)
    assert report["messages"] == [
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "A table for four, please."},
    ]
    assert ISO.fullmatch(report["started_at"])
    assert ISO.fullmatch(report["ended_at"])


async def test_a_call_with_an_error_says_what_failed(desk: Desk) -> None:
    _, call, _ = await desk.house.begin(assistant_id=await desk.assistant())
    call.end("error", "The voice could not be reached.")
    _, end, report = await desk.receiver.until(3)
    assert end.message["call"]["status"] == report.message["call"]["status"] == "ended-with-error"
    assert (end.message["error"], end.message["end_reason"]) == ("The voice could not be reached.", "error")


async def test_only_chosen_events_are_sent(desk: Desk) -> None:
    _, call, _ = await desk.house.begin(assistant_id=await desk.assistant(webhook_events=["end-of-call-report"]))
    call.end("user_hangup")
    await desk.receiver.until(1)
    (delivery,) = await desk.until(everything_is("delivered"))
    assert delivery["event"] == desk.receiver.received[0].event == "end-of-call-report"


async def test_the_accounts_webhook_takes_what_assistants_without_one_have_to_tell(desk: Desk) -> None:
    await desk.settings(webhook_url=f"{desk.receiver.url}/account", webhook_secret="the account's")
    _, call, _ = await desk.house.begin(assistant_id=await desk.assistant(webhook_url=None, webhook_secret=None))
    call.end("user_hangup")
    received = await desk.receiver.until(3)
    assert {one.path for one in received} == {"/hook/account"}
    assert all(one.is_signed_with("the account's") for one in received)
    _, call, _ = await desk.house.begin(assistant_id=await desk.assistant())
    assert call.plan.webhook_url == desk.receiver.url
    call.end("user_hangup")
    own = (await desk.receiver.until(6))[3:]
    assert {one.path for one in own} == {"/hook"}
    assert all(one.is_signed_with(SECRET) for one in own)


async def test_without_a_secret_nothing_is_signed(desk: Desk) -> None:
    await desk.house.begin(assistant_id=await desk.assistant(webhook_secret=None))
    (received,) = await desk.receiver.until(1)
    assert "X-Webhook-Signature" not in received.headers


async def test_a_call_that_has_nowhere_to_tell_tells_nobody(desk: Desk) -> None:
    assistant_id = await desk.assistant(webhook_url=None)
    call_id, call, _ = await desk.house.begin(assistant_id=assistant_id)
    call.end("user_hangup")
    live = desk.house.room.live
    assert live is not None
    await asyncio.wait(live._running, timeout=5)
    assert (await desk.house.get(call_id))["status"] == "ended"
    assert await desk.deliveries() == []


@pytest.mark.parametrize("reason", ["busy", "no_answer"])
async def test_an_outbound_call_that_nobody_answers_is_reported(desk: Desk, reason: EndReason) -> None:
    exchange = await exchange_of(desk.house)
    call_id = await exchange.place(assistant_id=await desk.assistant())
    (await exchange.dialer.attempt()).fail(DialError(reason, "It did not work."))
    end, report = await desk.receiver.until(2)
    assert told([end, report]) == [
        ("status-update", "ended-with-error"),
        ("end-of-call-report", "ended-with-error"),
    ]
    assert (end.message["error"], end.message["end_reason"]) == ("It did not work.", reason)
    assert end.message["call"] == {"id": call_id, "type": "outbound_phone_call", "status": "ended-with-error"}
    numbers = {"id": exchange.number_id, "number": NUMBER, "name": None}
    assert end.message["phone_number"] == report.message["phone_number"] == numbers
    assert report.message["customer"] == {"number": DESTINATION}
    assert (report.message["duration_seconds"], report.message["messages"]) == (0, [])
    assert "started_at" not in report.message


async def test_an_outbound_call_that_is_answered_begins_and_ends(desk: Desk) -> None:
    exchange = await exchange_of(desk.house)
    await exchange.place(assistant_id=await desk.assistant())
    call = await exchange.answered(await exchange.dialer.attempt(), FakeLine())
    assert (call.plan.number_id, call.plan.webhook_url) == (exchange.number_id, desk.receiver.url)
    call.end("transferred")
    received = await desk.receiver.until(3)
    assert [status for _, status in told(received)] == ["in-progress", "ended", "ended"]
    assert received[2].message["end_reason"] == "transferred"


async def test_a_web_call_that_nobody_comes_to_tells_nobody(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    created = await desk.house.create(assistant_id=await desk.assistant())
    monkeypatch.setattr("dialtone.calls.service.UNUSED_SECONDS", -1)
    await desk.house.room.calls.fail_unused()
    assert (await desk.house.get(created["call_id"]))["status"] == "failed"
    assert await desk.deliveries() == []


async def test_calls_that_a_killed_process_held_end_and_report_exactly_once(desk: Desk) -> None:
    exchange = await exchange_of(desk.house)
    assistant_id = await desk.assistant()
    held, call, _ = await desk.house.begin(assistant_id=assistant_id)
    ringing = await exchange.place(assistant_id=assistant_id)
    attempt = await exchange.dialer.attempt()
    await desk.house.room.flush()
    for _ in range(2):  # as the next start would, and the one after it
        await desk.house.room.calls.end_left_open(lambda path: None)
    received = await desk.receiver.until(5)
    call.end("user_hangup")
    attempt.fail(DialError("busy", "Too late."))
    await exchange.over()
    await desk.house.room.flush()
    rows = await desk.until(everything_is(*["delivered"] * 5))
    assert len(rows) == len(desk.receiver.received) == 5
    for call_id, events in ((held, 3), (ringing, 2)):
        of_call = [one for one in received if one.message["call"]["id"] == call_id]
        assert len(of_call) == events
        assert of_call[-1].event == "end-of-call-report"
        assert of_call[-1].message["end_reason"] == "server_shutdown"
        assert (await desk.house.get(call_id))["end_reason"] == "server_shutdown"


async def test_in_gdpr_mode_everything_is_told_and_nothing_kept(desk: Desk) -> None:
    def refuse(_received: Received) -> Any:
        raise ConnectionError

    desk.receiver.answers = [refuse]  # so that the first event waits
    exchange = await exchange_of(desk.house)
    await exchange.place(assistant_id=await desk.assistant(gdpr_mode=True))
    call = await exchange.answered(await exchange.dialer.attempt(), FakeLine())
    call.journal.message("user", "My name is Willemijn.")
    call.end("user_hangup")
    await desk.receiver.until(1)
    await desk.house.room.flush()
    for row in await stored(desk):
        assert "Willemijn" not in row
        assert DESTINATION not in row
    await desk.until(lambda rows: any(row["attempts"] for row in rows))
    desk.pass_time(7)
    *_, report = await desk.receiver.until(4)
    assert report.message["messages"] == [{"role": "user", "content": "My name is Willemijn."}]
    assert report.message["customer"] == {"number": DESTINATION}
    rows = await desk.until(everything_is("delivered", "delivered", "delivered"))
    for row in rows:
        shown = await desk.delivery(row["id"])
        assert (shown["request"]["body"], shown["response_body"]) == (None, None)
    async with desk.house.database.read() as session:
        assert (await session.execute(text("SELECT body, secret FROM webhook_deliveries"))).all() == [(None, None)] * 3
        assert (await session.execute(text("SELECT * FROM kept_calls"))).all() == []


async def stored(desk: Desk) -> list[str]:
    """All rows in which the call's content might be."""
    rows = []
    async with desk.house.database.read() as session:
        for table in ("calls", "call_messages", "webhook_deliveries", "kept_calls"):
            rows += [repr(row) for row in (await session.execute(text(f"SELECT * FROM {table}"))).all()]
    return rows


async def test_a_long_transcript_is_cut_in_the_report(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dialtone.webhooks.events.MAX_MESSAGES_CHARACTERS", 12)
    assistant_id = await desk.assistant(webhook_events=["end-of-call-report"])
    _, call, _ = await desk.house.begin(assistant_id=assistant_id)
    for words in ("Hello.", "Hello!", "And more."):
        call.journal.message("user", words)
    call.end("user_hangup")
    (report,) = await desk.receiver.until(1)
    assert [one["content"] for one in report.message["messages"]] == [
        "Hello.",
        "Hello!",
        "[1 more messages: GET /calls/{id} has them]",
    ]


async def test_a_call_given_whole_is_reported_after_its_assistant_is_nowhere_stored(desk: Desk) -> None:
    """The secret is in no assistant's row."""
    async with WebhookReceiver() as other:
        assistant_id = await desk.assistant()
        _, call, _ = await desk.house.begin(
            assistant_id=assistant_id, assistant_override={"webhook_url": other.url, "webhook_secret": "for one call"}
        )
        async with desk.house.client() as client:
            assert (await client.delete(f"/api/v1/assistants/{assistant_id}")).status_code == 200
        call.end("user_hangup")
        received = await other.until(3)
        assert all(one.is_signed_with("for one call") for one in received)
        assert desk.receiver.received == []
