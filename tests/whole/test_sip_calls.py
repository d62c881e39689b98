"""Telephone calls through everything: SIP, RTP, HTTP, engine, vendors' wire protocols, records, webhooks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dialtone.sip.events import Account, Ended, OfferAnswered, ReferReceived
from tests.fakes.deepgram import FakeDeepgram, final
from tests.fakes.openai_chat import Call, FakeOpenAIChat, Reply
from tests.fakes.webhook_receiver import WebhookReceiver
from tests.whole.handset import Handset, NotTakenError, handset, sip_uri
from tests.whole.house import SPEECH_SECONDS, WholeHouse, whole_house

NUMBER, CALLER, DESK = "+31201234567", "+31612345678", "+31207654321"
GREETING, QUESTION, ANSWER = "Hello, this is Ada.", "I would like to book a table", "At eight a table is free."
SIP = {
    "sip_listen": "udp://127.0.0.1:0,tcp://127.0.0.1:0",
    "rtp_ports": "34000-34999",
    "sip_keep_alive_seconds": 0,  # the far ends of tests say what the test is about
}
BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest) -> str | None:
    return None if request.param == "sqlite" else str(request.getfixturevalue("migrated_url"))


def on_both(name: str, on_sqlite: str, on_postgresql: str) -> pytest.MarkDecorator:
    """Both databases, and both values of an argument that has nothing to do with them: each once."""
    cases = [("sqlite", on_sqlite), pytest.param("postgresql", on_postgresql, marks=pytest.mark.postgresql)]
    return pytest.mark.parametrize(("database_url", name), cases, indirect=["database_url"])


@asynccontextmanager
async def telephone_house(
    tmp_path: Path, database_url: str | None = None, chat: FakeOpenAIChat | None = None, **settings: Any
) -> AsyncIterator[WholeHouse]:
    """A house with a telephone. The first thing that its callers say in their calls is the question."""
    ears = FakeDeepgram([(3.0 + SPEECH_SECONDS, final(QUESTION, 3.0, 2.8 + SPEECH_SECONDS))])
    async with whole_house(tmp_path, ears, chat, database_url=database_url, **{**SIP, **settings}) as house:
        yield house


async def post(house: WholeHouse, path: str, body: dict[str, Any], status: int = 201) -> dict[str, Any]:
    async with house.http.post(f"{house.url}/api/v1/{path}", json=body) as answered:
        assert answered.status == status, await answered.text()
        document: dict[str, Any] = await answered.json()
        return document


async def make_trunk(house: WholeHouse, address: str = "127.0.0.1", **fields: Any) -> None:
    await post(house, "sip-trunks", {"name": "Carrier", "provider": "other", "address": address, **fields})


async def make_number(house: WholeHouse, **assistant: Any) -> None:
    assistant_id = await house.create(first_message=GREETING, **assistant)
    await post(house, "numbers", {"phone_number": NUMBER, "assistant_id": assistant_id})


async def only_call(house: WholeHouse) -> dict[str, Any]:
    """The record of the one call that there was, once nothing of it is live."""
    live = house.parts.calls.live
    assert live is not None
    if live._running:
        await asyncio.wait(live._running, timeout=20)
    await house.parts.calls.flush()
    async with house.http.get(f"{house.url}/api/v1/calls") as answered:
        [call] = (await answered.json())["calls"]
    return await house.record(call["id"])


async def refused(phone: Handset, target: str, **more: Any) -> Ended:
    """Call somebody who does not take the call."""
    with pytest.raises(NotTakenError) as refusal:
        await phone.dial(target, **more)
    return refusal.value.ended


@on_both("codec", "PCMU", "PCMA")
async def test_a_caller_talks_with_the_assistant_and_hangs_up(
    tmp_path: Path, database_url: str | None, codec: str, caplog: pytest.LogCaptureFixture
) -> None:
    chat = FakeOpenAIChat([Reply(ANSWER)])
    async with (
        telephone_house(tmp_path, database_url, chat) as house,
        WebhookReceiver() as receiver,
        handset(codec) as phone,
    ):
        await make_trunk(house)
        await make_number(house, webhook_url=receiver.url)
        await phone.dial(sip_uri(house, NUMBER))
        await phone.until_quiet()
        phone.forget()
        phone.speak()
        await phone.until_heard(0.8)
        phone.hang_up()
        record = await only_call(house)
        *_, report = await receiver.until(4)
    assert (record["status"], record["direction"], record["end_reason"]) == ("ended", "inbound", "user_hangup")
    assert (record["caller_phone"], record["assistant_phone"]) == (CALLER, NUMBER)
    assert [(line["role"], line["content"]) for line in record["messages"][:2]] == [
        ("assistant", GREETING),
        ("user", QUESTION),
    ]
    assert record["messages"][2]["role"] == "assistant"
    assert record["recording_url"] is not None
    [note] = record["notes"]
    assert note.startswith(f"audio: {codec}, ")
    assert "0.0 % lost" in note
    assert [received.event for received in receiver.received] == [
        "assistant-request",
        "status-update",
        "status-update",
        "end-of-call-report",
    ]
    assert report.message["customer"] == {"number": CALLER}
    assert report.message["call"]["type"] == "inbound_phone_call"
    for private in (CALLER, QUESTION):
        assert private not in caplog.text


async def test_strangers_hear_nothing_and_others_are_told_why(tmp_path: Path) -> None:
    async with telephone_house(tmp_path) as house, handset() as phone:
        await make_trunk(house, "192.0.2.7")
        await make_number(house)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.5):
                await phone.dial(sip_uri(house, NUMBER))
        assert phone.phone.events == []
        whence = f"127.0.0.1 port {phone.phone.agent.listening_on()[0][1][1]} (udp)"
        [event] = await events_of_trunk(house)  # of several INVITEs, and of all that follow in a minute
    assert (event["kind"], event["status"], event["called"]) == ("inbound", 408, NUMBER)
    assert event["reason"].startswith(f"A call came from {whence}, which is none of the trunk's addresses")


async def test_a_number_that_nobody_has_is_not_found_and_the_trunks_owner_told(
    tmp_path: Path, database_url: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    async with telephone_house(tmp_path, database_url) as house, handset() as phone:
        await make_trunk(house)
        await make_number(house, gdpr_mode=True)
        async with house.http.get(f"{house.url}/api/v1/numbers") as listed:
            number = (await listed.json())["numbers"][0]["id"]
        async with house.http.patch(f"{house.url}/api/v1/numbers/{number}", json={"is_active": False}) as changed:
            assert changed.status == 200
        told = []
        for dialled in (DESK, "0207654321", NUMBER):
            assert (await refused(phone, sip_uri(house, dialled))).status == 404
            told.append((await events_of_trunk(house))[0])
    unknown, national, inactive = told
    assert (unknown["status"], unknown["called"]) == (404, DESK)
    assert "add it (POST /numbers)" in unknown["reason"]
    assert (national["status"], national["called"]) == (404, None)
    assert "no country_code" in national["reason"]
    assert national["reason"].endswith(" Dialled: 0207654321")
    assert "0207654321" not in caplog.text
    assert (inactive["status"], inactive["called"]) == (404, "+31*******67")
    assert "is not active" in inactive["reason"]


async def test_a_trunk_reaches_its_own_organizations_numbers_only(tmp_path: Path) -> None:
    async with telephone_house(tmp_path) as house, handset() as phone:
        await make_trunk(house)
        below = await post(house, "organizations", {"name": "Below"})
        key = {"Authorization": f"Bearer {below['api_key']}"}
        body = {"phone_number": DESK}
        async with house.http.post(f"{house.url}/api/v1/numbers", json=body, headers=key) as made:
            assert made.status == 201
        assert (await refused(phone, sip_uri(house, DESK))).status == 403
        [event] = await events_of_trunk(house)
    assert (event["status"], event["called"]) == (403, None)


async def events_of_trunk(house: WholeHouse) -> list[dict[str, Any]]:
    async with house.http.get(f"{house.url}/api/v1/sip-trunks") as answered:
        trunk_id = (await answered.json())["trunks"][0]["id"]
    async with asyncio.timeout(5):
        while house.parts.telephony._arrivals._tasks:  # type: ignore[union-attr]
            await asyncio.wait(house.parts.telephony._arrivals._tasks)  # type: ignore[union-attr]
    async with house.http.get(f"{house.url}/api/v1/sip-trunks/{trunk_id}/events") as answered:
        events: list[dict[str, Any]] = (await answered.json())["events"]
    return events


async def test_a_trunk_without_an_address_logs_in(tmp_path: Path) -> None:
    async with telephone_house(tmp_path) as house, handset() as phone, handset() as liar:
        await make_trunk(house, "192.0.2.7", auth_username="pbx", auth_password="s3cret of the pbx")
        await make_number(house)
        wrong = await refused(liar, sip_uri(house, NUMBER), account=Account("pbx", "guessed"))
        assert wrong.status == 401
        [event] = await events_of_trunk(house)
        assert (event["status"], event["called"]) == (401, None)
        source = f"127.0.0.1 port {liar.phone.agent.listening_on()[0][1][1]}"
        assert event["reason"] == f"Somebody at {source} used the trunk's user name with a wrong password."
        await phone.dial(sip_uri(house, NUMBER), account=Account("pbx", "s3cret of the pbx"))
        await phone.until_heard(0.5)
        phone.hang_up()
        assert (await only_call(house))["end_reason"] == "user_hangup"


async def test_a_caller_consents_by_a_key_before_anything_is_kept(tmp_path: Path, database_url: str | None) -> None:
    consent = {"enabled": True, "message": "Press one to be recorded."}
    async with telephone_house(tmp_path, database_url) as house, handset() as phone:
        await make_trunk(house)
        await make_number(house, recording_consent=consent)
        await phone.dial(sip_uri(house, NUMBER), diversion=f"sip:{DESK}@carrier.example")
        await phone.until_heard(0.8)
        before = await only_call_now(house)
        phone.forget()
        phone.press("1")
        await phone.until_heard(0.8)
        phone.hang_up()
        record = await only_call(house)
    assert (before["caller_phone"], before["recording_url"], before["messages"]) == (None, None, [])
    assert record["caller_phone"] == CALLER
    assert before["forwarded_from"] == []
    assert record["forwarded_from"] == [{"number": DESK, "reason": "unknown"}]
    assert record["recording_url"] is not None
    assert record["notes"][0] == "the caller agreed to be recorded"


async def test_the_assistant_presses_keys_and_is_pressed_some(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    chat = FakeOpenAIChat([Reply("", [Call("send_dtmf", '{"digits": "27w#"}')])])
    async with telephone_house(tmp_path, chat=chat) as house, handset() as phone:
        await make_trunk(house)
        llm = {"provider": "openai", "model": "gpt-4.1", "tools": [{"type": "send_dtmf"}]}
        await make_number(house, llm_config=llm, speech_config={"keypad": {"terminator": "*"}})
        await phone.dial(sip_uri(house, NUMBER))
        await phone.until_heard(0.2)
        phone.press("409*")
        await phone.until(lambda: phone.keys == ["2", "7", "#"])
        phone.hang_up()
        record = await only_call(house)
    lines = [(line["role"], line["content"]) for line in record["messages"]]
    pressed = '{"tool": "send_dtmf", "arguments": {"digits": "27w#"}, "result": "The keys were pressed."}'
    assert lines[1:3] == [("user", "(pressed 4 0 9)"), ("tool", pressed)]
    assert "27w#" not in caplog.text
    assert "4 0 9" not in caplog.text


async def only_call_now(house: WholeHouse) -> dict[str, Any]:
    await house.parts.calls.flush()
    async with house.http.get(f"{house.url}/api/v1/calls") as answered:
        [call] = (await answered.json())["calls"]
    return await house.record(call["id"])


async def test_in_gdpr_mode_numbers_are_masked(tmp_path: Path) -> None:
    async with telephone_house(tmp_path) as house, handset() as phone:
        await make_trunk(house, "192.0.2.7", inbound_addresses=["127.0.0.0/24"])
        await make_number(house, gdpr_mode=True)
        await phone.dial(sip_uri(house, NUMBER), diversion=f"sip:{DESK}@carrier.example")
        await phone.until_heard(0.5)
        phone.hang_up()
        record = await only_call(house)
    assert (record["caller_phone"], record["assistant_phone"]) == ("+31*******78", "+31*******67")
    assert record["forwarded_from"] == [{"number": f"+31*******{DESK[-2:]}", "reason": "unknown"}]
    assert (record["messages"], record["recording_url"]) == ([], None)


async def test_a_held_and_moved_call_goes_on(tmp_path: Path) -> None:
    chat = FakeOpenAIChat([Reply(ANSWER)])
    async with telephone_house(tmp_path, chat=chat) as house, handset() as phone:
        await make_trunk(house)
        await make_number(house)
        await phone.dial(sip_uri(house, NUMBER))
        await phone.until_quiet()
        phone.hold()
        await phone.phone.eventually(OfferAnswered)
        phone.phone.agent.resume(phone.call)
        await phone.phone.eventually(OfferAnswered)
        phone.move()
        phone.moved((await phone.phone.eventually(OfferAnswered)).description)
        phone.forget()
        phone.speak()
        await phone.until_heard(0.8)
        phone.hang_up()
        record = await only_call(house)
    assert [line["role"] for line in record["messages"]] == ["assistant", "user", "assistant"]


@on_both("transport", "tcp", "udp")
async def test_a_call_is_placed_and_held(tmp_path: Path, database_url: str | None, transport: str) -> None:
    chat = FakeOpenAIChat([Reply(ANSWER)])
    async with telephone_house(tmp_path, database_url, chat) as house, handset() as phone:
        port = next(address[1] for kind, address in phone.phone.agent.listening_on() if kind == transport)
        await make_trunk(house, f"127.0.0.1:{port}", transport=transport)
        await make_number(house)
        call_id = await place(house)
        invitation = await phone.pick_up()
        await phone.until_quiet()
        phone.forget()
        phone.speak()
        await phone.until_heard(0.8)
        await post(house, f"calls/{call_id}/control", {"type": "end-call"}, 200)
        assert (await phone.ended()).by == "them"
        record = await only_call(house)
    assert (invitation.called.number, invitation.caller.number) == (CALLER, NUMBER)
    assert invitation.asserted is not None
    assert (record["status"], record["direction"], record["end_reason"]) == ("ended", "outbound", "api_end_call")
    assert [(line["role"], line["content"]) for line in record["messages"][:2]] == [
        ("assistant", GREETING),
        ("user", QUESTION),
    ]


async def place(house: WholeHouse) -> str:
    async with house.http.get(f"{house.url}/api/v1/assistants") as answered:
        assistant_id = (await answered.json())["assistants"][0]["id"]
    body = {"destination": CALLER, "assistant_id": assistant_id}
    return str((await post(house, "calls/outbound", body, 200))["call_id"])


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        (486, "busy", "The line is busy (486 Busy Here)."),
        (480, "no_answer", "Nobody answered (480 Temporarily Unavailable)."),
        (603, "declined", "The call was declined (603 Decline)."),
        (404, "unreachable", "The destination can't be reached (404 Not Found)."),
    ],
)
async def test_a_call_that_nobody_takes_says_why(tmp_path: Path, status: int, reason: str, words: str) -> None:
    async with telephone_house(tmp_path) as house, handset() as phone:
        port = phone.phone.agent.listening_on()[0][1][1]
        await make_trunk(house, f"127.0.0.1:{port}")
        await make_number(house)
        await place(house)
        await phone.ringing()
        await until_status(house, "ringing")
        phone.phone.agent.reject(phone.call, status)
        record = await only_call(house)
    assert (record["status"], record["end_reason"], record["error"]) == ("failed", reason, words)


async def until_status(house: WholeHouse, status: str) -> None:
    async with asyncio.timeout(5):
        while (await only_call_now(house))["status"] != status:
            pass


async def test_a_stopping_server_stops_the_ringing(tmp_path: Path) -> None:
    async with handset() as phone:
        async with telephone_house(tmp_path) as house:
            port = phone.phone.agent.listening_on()[0][1][1]
            await make_trunk(house, f"127.0.0.1:{port}")
            await make_number(house)
            await place(house)
            await phone.ringing()
        assert (await phone.ended()).by == "cancelled"


async def test_the_caller_is_handed_over(tmp_path: Path) -> None:
    async with telephone_house(tmp_path) as house, handset() as phone:
        await make_trunk(house)
        await make_number(house)
        await phone.dial(sip_uri(house, NUMBER))
        await phone.until_heard(0.5)
        call_id = (await only_call_now(house))["id"]
        await post(house, f"calls/{call_id}/control", {"type": "transfer", "destination": DESK}, 200)
        refer = await phone.phone.eventually(ReferReceived)
        assert refer.target == f"sip:{DESK}@127.0.0.1"
        phone.phone.agent.accept_refer(phone.call)
        phone.phone.agent.notify_refer(phone.call, 180)
        phone.phone.agent.notify_refer(phone.call, 200)
        assert (await phone.ended()).by == "them"
        record = await only_call(house)
    assert (record["status"], record["end_reason"]) == ("transferred", "transferred")


async def test_a_transfer_to_somebody_busy_keeps_the_caller(tmp_path: Path) -> None:
    chat = FakeOpenAIChat([Reply("Nobody is at the desk, I am sorry.")])
    async with telephone_house(tmp_path, chat=chat) as house, handset() as phone:
        await make_trunk(house)
        await make_number(house)
        await phone.dial(sip_uri(house, NUMBER))
        await phone.until_heard(0.5)
        call_id = (await only_call_now(house))["id"]
        await post(house, f"calls/{call_id}/control", {"type": "transfer", "destination": DESK}, 200)
        await phone.phone.eventually(ReferReceived)
        phone.forget()
        phone.phone.agent.accept_refer(phone.call)
        phone.phone.agent.notify_refer(phone.call, 486)
        await phone.until_heard(1.0)
        phone.hang_up()
        record = await only_call(house)
    assert record["notes"][0] == "a transfer failed: the other side answered 486 Busy Here"
    assert (record["status"], record["end_reason"]) == ("ended", "user_hangup")


async def test_without_the_setting_there_is_no_telephone(tmp_path: Path) -> None:
    async with whole_house(tmp_path) as house:
        assert house.parts.telephony.listening_on() == []
        assert house.parts.calls.dialers == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"sip_listen": "127.0.0.1:5060"}, "DIALTONE_SIP_LISTEN"),
        ({"sip_listen": "udp://example.com:5060"}, "IP address"),
        ({"sip_listen": "tls://127.0.0.1:5061"}, "DIALTONE_SIP_TLS_CERTIFICATE"),
        ({"sip_listen": "udp://127.0.0.1", "rtp_ports": "many"}, "DIALTONE_RTP_PORTS"),
        ({"sip_listen": "udp://127.0.0.1", "sip_public_address": "example.com"}, "DIALTONE_SIP_PUBLIC_ADDRESS"),
    ],
)
async def test_settings_that_cannot_work_are_refused_in_words(
    tmp_path: Path, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        async with whole_house(tmp_path, **settings):
            pass
