"""One caller is forgotten: every trace of theirs in the organization, and nobody else's."""

import uuid

import pytest
from aiohttp import web

from dialtone.platform.forwarding import Forwarding
from tests.fakes.openai_chat import Reply
from tests.privacy.conftest import CALLER, LIKE_CALLER, OTHER, SUMMARY, WORDS, Practice
from tests.whole.traces import found_in, stored_bytes

NOTHING = {"calls": 0, "messages": 0, "recordings": 0, "webhook_deliveries": 0, "emails": 0, "chat_messages": 0}
CHAT = {"contact_id": "web-7", "channel": "web", "role": "user", "content": "Hello."}


async def test_nothing_of_the_caller_is_left_and_everything_of_others(practice: Practice) -> None:
    first, second, other = await practice.call(), await practice.call(), await practice.call(OTHER)
    await practice.settled("webhook")
    kept = await practice.record(other)
    erasure = await practice.erased(" +31 (0)6 2373-1537 ")
    counts = {"calls": 2, "messages": 4, "recordings": 2, "webhook_deliveries": 6}
    assert erasure == {**erasure, "phone_number": "+31*******37", "counts": {**NOTHING, **counts}}
    for call_id in (first, second):
        call = await practice.record(call_id)
        gone = ("caller_phone", "summary", "recording_url", "metadata", "error")
        assert {call[name] for name in gone} == {None}
        assert (call["messages"], call["notes"], call["latency"], call["forwarded_from"]) == ([], [], [], [])
        assert (call["status"], call["duration_seconds"], call["assistant_phone"]) == ("ended", 7, "+31201234567")
    assert {**await practice.record(other), "recording_url": ""} == {**kept, "recording_url": ""}
    assert [path.stem for path in practice.recordings()] == [other]
    assert len((await practice.request("GET", "/webhook-deliveries"))["webhook_deliveries"]) == 3
    assert (await practice.request("GET", "/usage"))["summary"]["total_calls"] == 3
    assert CALLER not in str(await practice.rows())


async def test_no_byte_of_it_is_left_in_the_files(practice: Practice) -> None:
    words = CALLER, OTHER, WORDS, SUMMARY
    settings = practice.house.settings
    await practice.call()
    await practice.call(OTHER)
    await practice.settled("webhook")
    assert {found for found, _ in found_in(stored_bytes(settings), *words)} == {*words}
    await practice.erased()
    assert {found for found, _ in found_in(stored_bytes(settings), *words)} == {OTHER, WORDS, SUMMARY}
    await practice.erased(OTHER)
    assert found_in(stored_bytes(settings), *words) == []


async def test_another_organizations_calls_with_the_same_number_stay(practice: Practice) -> None:
    call_id = await practice.call()
    _, key = await practice.house.organizations.create("Another")
    erasure = await practice.erased(CALLER, key)
    assert erasure["counts"] == NOTHING
    call = await practice.record(call_id)
    assert (call["caller_phone"], call["summary"]) == (CALLER, SUMMARY)
    assert (await practice.request("GET", f"/privacy/erasures/{erasure['id']}", 404))["code"] == "not_found"


@pytest.mark.parametrize("gdpr_mode", [False, True])
async def test_a_caller_who_is_in_a_call_is_not_erased(practice: Practice, gdpr_mode: bool) -> None:
    call_id, running = await practice.live_call(gdpr_mode=gdpr_mode)
    await practice.house.room.flush()
    refused = await practice.request("POST", "/privacy/erase", 409, json={"phone_number": CALLER})
    assert (refused["code"], refused["details"]) == ("calls_not_over", [f"call {call_id}: is not over"])
    assert await practice.audit_log() == []
    assert (await practice.erased(LIKE_CALLER))["counts"] == NOTHING
    await practice.hang_up(running)
    await practice.settled("after-call")
    erased = (await practice.erased())["counts"]
    assert erased["calls"] == (0 if gdpr_mode else 1), "in GDPR mode nothing is left to erase"


def _unavailable(_: object) -> web.Response:
    return web.Response(status=503)


@pytest.mark.parametrize("gdpr_mode", [False, True])
async def test_an_erasure_wins_over_what_waits_to_be_delivered(practice: Practice, gdpr_mode: bool) -> None:
    practice.receiver.answer = _unavailable
    call_id = await practice.call(gdpr_mode=gdpr_mode)
    other = await practice.call(LIKE_CALLER, gdpr_mode=gdpr_mode)
    await practice.receiver.until(2)
    erased = (await practice.erased())["counts"]
    assert (erased["calls"], erased["webhook_deliveries"]) == (1, 3)
    left = (await practice.request("GET", "/webhook-deliveries"))["webhook_deliveries"]
    assert {each["call_id"] for each in left} == {other}
    assert (await practice.record(call_id))["caller_phone"] is None
    practice.receiver.answer, told = lambda _: web.Response(status=200), len(practice.receiver.received)
    practice.pass_time(minutes=5)
    await practice.settled("webhook")
    assert {each.message["call"]["id"] for each in practice.receiver.received[told:]} == {other}


async def test_an_erasure_wins_over_a_report_that_is_not_made_yet(practice: Practice) -> None:
    practice.replies[:] = [Reply(status=503)] * 10
    call_id, running = await practice.live_call()
    await practice.hang_up(running)
    await practice.until(lambda rows: any(job["reason"] for job in rows["jobs"].values()))
    assert (await practice.erased())["counts"]["calls"] == 1
    practice.pass_time(minutes=5)
    await practice.settled("after-call", "webhook")
    assert (await practice.record(call_id))["summary"] is None
    rows = await practice.rows()
    assert (rows["kept_calls"], rows["webhook_deliveries"]) == ({}, {})


async def test_chats_with_the_caller_and_chats_that_name_the_number_go(practice: Practice) -> None:
    gone = [
        {**CHAT, "contact_id": CALLER},
        {**CHAT, "contact_id": "whatsapp:0031623731537"},
        {**CHAT, "content": "Call me: +31 (0)6-2373 1537."},
        {**CHAT, "metadata": {"customer": {"phone": "31623731537"}}},
    ]
    stays = [
        CHAT,
        {**CHAT, "contact_id": LIKE_CALLER},
        {**CHAT, "content": "Order 131623731537 is ready."},
        {**CHAT, "content": "Order 316237315370 is ready."},
    ]
    ids = [(await practice.request("POST", "/chats", 201, json=body))["id"] for body in (*gone, *stays)]
    assert (await practice.erased())["counts"] == {**NOTHING, "chat_messages": 4}
    left = {str(uuid.UUID(str(key))) for (key,) in (await practice.rows())["chat_messages"]}
    assert left == set(ids[4:])
    [total] = (await practice.rows())["chat_totals"].values()
    assert (total["messages"], total["last_position"]) == (4, 8)


async def test_the_audit_log_knows_of_it_without_the_number(practice: Practice) -> None:
    await practice.call()
    erasure = await practice.erased()
    done, requested = await practice.audit_log()
    assert (requested["action"], requested["subject_id"]) == ("erasure.requested", erasure["id"])
    assert (requested["actor"], requested["details"]) == (practice.house.key[:12], {"phone_number": "+31*******37"})
    assert (done["action"], done["actor"], done["subject_id"]) == ("erasure.done", "erasure", erasure["id"])
    assert done["details"] == {"phone_number": "+31*******37", **erasure["counts"]}
    page = await practice.request("GET", "/audit-log?limit=1&offset=1")
    assert (page["audit_log"], page["pagination"]) == ([requested], {"total": 2, "limit": 1, "offset": 1})


@pytest.mark.parametrize("number", ["0623731537", "anonymous", "", None, 31623731537, f"{CALLER};", "+" + "3" * 100])
async def test_what_is_no_number_is_refused_in_words(practice: Practice, number: object) -> None:
    refused = await practice.request("POST", "/privacy/erase", 400, json={"phone_number": number})
    assert refused["details"][0].startswith("phone_number: ")
    assert (await practice.rows())["erasures"] == {}


async def test_an_unknown_number_is_erased_too(practice: Practice) -> None:
    assert (await practice.erased("sip:desk@example.com"))["counts"] == NOTHING
    assert (await practice.erased())["counts"] == NOTHING


@pytest.mark.parametrize("gdpr_mode", [False, True])
async def test_whoever_sent_calls_of_others_on_is_forgotten_in_them(practice: Practice, gdpr_mode: bool) -> None:
    practice.receiver.answer = _unavailable
    told: list[Forwarding] = [{"number": CALLER, "reason": "no-answer"}, {"number": LIKE_CALLER, "reason": "away"}]
    call_id, running = await practice.forwarded_call(told, gdpr_mode=gdpr_mode)
    refused = await practice.request("POST", "/privacy/erase", 409, json={"phone_number": CALLER})
    assert refused["details"] == [f"call {call_id}: is not over"]
    await practice.hang_up(running)
    await practice.settled("after-call")
    kept = await practice.record(call_id)
    erased = (await practice.erased())["counts"]
    assert (erased["calls"], erased["webhook_deliveries"]) == (0, 3)
    left = None if gdpr_mode else LIKE_CALLER  # in GDPR mode both are masked alike
    after = [{"number": None, "reason": "no-answer"}, {"number": left, "reason": "away"}]
    assert await practice.record(call_id) == {
        **kept,
        "forwarded_from": after,
        "recording_url": (await practice.record(call_id))["recording_url"],
        "updated_at": (await practice.record(call_id))["updated_at"],
    }
    assert kept["caller_phone"] == ("+49********67" if gdpr_mode else OTHER)
    assert CALLER not in str(await practice.rows())


async def test_a_report_that_is_not_made_yet_is_made_without_whoever_sent_the_call_on(practice: Practice) -> None:
    practice.replies[:] = [Reply(status=503)] * 10
    told: list[Forwarding] = [{"number": CALLER, "reason": "no-answer"}]
    _, running = await practice.forwarded_call(told)
    await practice.hang_up(running)
    await practice.until(lambda rows: any(job["reason"] for job in rows["jobs"].values()))
    await practice.settled("webhook")
    await practice.erased()
    practice.replies.clear()
    practice.pass_time(minutes=5)
    await practice.settled("after-call", "webhook")
    report = practice.receiver.received[-1].message
    assert report["type"] == "end-of-call-report"
    assert report["call"]["forwarded_from"] == [{"number": None, "reason": "no-answer"}]
    assert (report["summary"], report["customer"]["number"]) == (SUMMARY, OTHER)
