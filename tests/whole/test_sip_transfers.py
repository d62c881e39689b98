"""Callers handed over by a second line, through everything: SIP, RTP, HTTP, engine, vendors, records."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np

from dialtone.media.audio import MULAW_8K
from dialtone.media.convert import decode, encode
from dialtone.sip.events import Ended, Event, Identity, IncomingCall, OutgoingCall, ReferReceived
from tests.fakes.deepgram import FakeDeepgram, final
from tests.fakes.openai_chat import Call, FakeOpenAIChat, Reply
from tests.whole.handset import Handset, handset, sip_uri
from tests.whole.house import WholeHouse, calling, whole_house
from tests.whole.test_sip_calls import DESK, NUMBER, SIP, make_trunk, only_call, only_call_now, post

CALLER_HZ, DESK_HZ = 600, 1000
SUMMARY = "Tom calls."


@asynccontextmanager
async def two_telephones(
    tmp_path: Path, *replies: Reply, ears: FakeDeepgram | None = None, **settings: Any
) -> AsyncIterator[tuple[WholeHouse, Handset, Handset]]:
    """A house, a caller, and a desk at the end of its trunk; the assistant says nothing of its own accord."""
    chat = FakeOpenAIChat(list(replies))
    async with (
        handset() as phone,
        handset() as desk,
        whole_house(tmp_path, ears or FakeDeepgram(), chat, **SIP, **settings) as house,
    ):
        port = desk.phone.agent.listening_on()[0][1][1]
        await make_trunk(house, f"127.0.0.1:{port}")
        destination = {"number": DESK, "description": "The desk", "message": "Wait.", "mode": "warm"}
        tool = {"type": "transfer_call", "destinations": [destination]}
        assistant_id = await house.create(
            first_message="", llm_config={"provider": "openai", "model": "gpt-4.1", "tools": [tool]}
        )
        await post(house, "numbers", {"phone_number": NUMBER, "assistant_id": assistant_id})
        yield house, phone, desk


async def hand_over(house: WholeHouse, **command: Any) -> None:
    call_id = (await only_call_now(house))["id"]
    await post(house, f"calls/{call_id}/control", {"type": "transfer", "destination": DESK, **command}, 200)


def hum(phone: Handset, hz: int) -> None:
    """Sound a tone for as long as any test takes."""
    times = np.arange(20 * 8000) / 8000
    phone._speech = encode((6000 * np.sin(2 * np.pi * hz * times)).astype(np.int16), MULAW_8K)


async def until_hums(phone: Handset, hz: int) -> None:
    """Wait until half a second of that tone was heard, and nothing else in it."""

    def hears() -> bool:
        if len(phone.heard) < 4000:
            return False
        samples = decode(bytes(phone.heard[-4000:]), MULAW_8K).astype(float)
        spectrum = np.abs(np.fft.rfft(samples)) ** 2
        nearest = round(hz * len(samples) / 8000)
        return bool(spectrum[nearest - 1 : nearest + 2].sum() > 0.9 * max(spectrum.sum(), 1e9))

    await phone.until(hears)


async def both_hear(phone: Handset, desk: Handset) -> None:
    hum(phone, CALLER_HZ)
    hum(desk, DESK_HZ)
    await until_hums(phone, DESK_HZ)
    await until_hums(desk, CALLER_HZ)


async def test_where_refer_is_refused_both_are_joined_through_the_server(tmp_path: Path) -> None:
    async with two_telephones(tmp_path, recording=True) as (house, phone, desk):
        await phone.dial(sip_uri(house, NUMBER))
        await hand_over(house)
        await phone.phone.eventually(ReferReceived)
        phone.phone.agent.reject_refer(phone.call, 405)
        invitation = await desk.ringing()
        await until_hums(phone, 425)
        desk.take(invitation)
        await both_hear(phone, desk)
        phone.press("5")
        await desk.until(lambda: desk.keys == ["5"])
        desk.press("8")
        await phone.until(lambda: phone.keys == ["8"])
        desk.hang_up()
        assert (await phone.ended()).by == "them"
        record = await only_call(house)
    assert invitation.caller.number == NUMBER
    assert (record["status"], record["end_reason"], record["error"]) == ("transferred", "transferred", None)
    assert record["recording_url"] is not None
    [why, of_desk, of_caller] = record["notes"]
    assert why == "the caller is connected through this server: the other side answered 405 Method Not Allowed"
    assert of_desk.startswith("second leg: audio: PCMU, ")
    assert of_caller.startswith("audio: PCMU, ")


async def test_a_busy_desk_and_a_caller_who_does_not_wait(tmp_path: Path) -> None:
    async with two_telephones(tmp_path, Reply("They are busy.")) as (house, phone, desk):
        await phone.dial(sip_uri(house, NUMBER))
        await hand_over(house, mode="bridge")
        await desk.ringing()
        desk.phone.agent.reject(desk.call, 486)
        await desk.ended()
        await until_said(house, "They are busy.")
        await hand_over(house, mode="bridge")
        await desk.ringing()
        phone.hang_up()
        assert (await desk.ended()).by == "cancelled"
        record = await only_call(house)
    assert record["notes"][0] == "a transfer failed: The line is busy (486 Busy Here)"
    assert (record["status"], record["end_reason"]) == ("ended", "user_hangup")
    told = house.chat.requests[0].body["messages"][-1]["content"]
    assert "The line is busy (486 Busy Here)" in told


async def until_said(house: WholeHouse, text: str) -> None:
    async with asyncio.timeout(10):
        while text not in [message["content"] for message in (await only_call_now(house))["messages"]]:
            pass


async def test_the_desk_takes_the_call_by_a_key_and_the_trunk_connects_both(tmp_path: Path) -> None:
    ears = FakeDeepgram(lambda number: [(0.7, final("The desk please", 0.1, 0.6))] if number == 0 else [])
    tool = Reply("", [Call("transfer_call", f'{{"destination": "{DESK}"}}')])
    async with two_telephones(tmp_path, tool, Reply(SUMMARY), ears=ears) as (house, phone, desk):
        await phone.dial(sip_uri(house, NUMBER))
        await desk.pick_up()
        await desk.until_heard(0.5)
        desk.press("1")
        refer = await phone.phone.eventually(ReferReceived)
        assert refer.replaces is not None
        # The caller's telephone calls the desk's, in place of our call to it.
        replaced = desk.call
        phone.phone.agent.accept_refer(phone.call)
        offer = phone._negotiation.offer()
        phone.phone.agent.invite(
            OutgoingCall(refer.target, Identity("sip:tom@x.example"), offer, replaces=refer.replaces)
        )
        invitation = await desk.phone.eventually(IncomingCall)
        assert invitation.replaces == replaced
        desk.phone.agent.answer(invitation.call, desk._negotiation.answer(invitation.offer or "")[0])
        phone.phone.agent.notify_refer(phone.call, 200)
        ended = await until_ended(phone, phone.call)
        record = await only_call(house)
    assert ended.by == "them"
    assert (record["status"], record["end_reason"], record["error"]) == ("transferred", "transferred", None)
    assert record["messages"][-1]["content"] == "Wait."
    assert SUMMARY not in str([*record["messages"], *record["notes"]])


async def until_ended(phone: Handset, call: str) -> Ended:
    while not (isinstance(event := await phone.phone.expect(Event), Ended) and event.call == call):
        pass
    return event


async def test_the_desk_says_yes_and_hands_the_caller_to_a_colleague(tmp_path: Path) -> None:
    """The trunk connects nobody itself, so both stay joined here."""
    ears = FakeDeepgram(lambda number: [(2.5, final("Yes, please.", 1.9, 2.4))] if number == 1 else [])
    async with handset() as colleague, two_telephones(tmp_path, Reply(SUMMARY), ears=ears) as (house, phone, desk):
        await phone.dial(sip_uri(house, NUMBER))
        await hand_over(house, mode="warm", message="Wait.")
        await desk.pick_up()
        refer = await phone.phone.eventually(ReferReceived)
        assert refer.replaces is not None
        phone.phone.agent.reject_refer(phone.call, 405)
        await both_hear(phone, desk)
        dialog = desk.phone.agent._session(desk.call).dialog
        assert dialog is not None
        await colleague.dial(sip_uri(house, NUMBER), replaces=dialog.replaces)
        assert (await desk.ended()).by == "them"
        await both_hear(phone, colleague)
        phone.hang_up()
        assert (await colleague.ended()).by == "them"
        record = await only_call(house)
    assert record["end_reason"] == "transferred"
    spoken = [message.get("text", "") for talk in house.elevenlabs.connections for message in talk.messages]
    assert SUMMARY in "".join(spoken)


async def test_a_web_caller_reaches_a_telephone_and_a_stopping_server_ends_both(tmp_path: Path) -> None:
    async with two_telephones(tmp_path) as (house, _phone, desk):
        async with house.http.get(f"{house.url}/api/v1/assistants") as answered:
            assistant_id = (await answered.json())["assistants"][0]["id"]
        async with calling(house, assistant_id, 0.0) as caller:
            await until_in_progress(house)
            await hand_over(house)
            await desk.pick_up()
            await desk.until_heard(0.5)
            house.parts.calls.live.refuse()
            house.parts.calls.live.end_all()
            await caller.until_over()
            assert (await desk.ended()).by == "them"
        record = await only_call(house)
    assert record["notes"][0].startswith("the caller is connected through this server: a web call")
    assert record["end_reason"] == "server_shutdown"


async def until_in_progress(house: WholeHouse) -> None:
    async with asyncio.timeout(5):
        while (await only_call_now(house))["status"] != "in-progress":
            pass
