"""What happens while a telephone rings, through everything: vendors are connected, and nothing of it is left behind."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from dialtone.calls.tables import Call as CallRow
from dialtone.conversation.behaviours.apology import apology
from dialtone.lines.outbound import DialError
from dialtone.media.audio import PCM_16K
from tests.fakes.elevenlabs import FakeElevenLabs
from tests.whole.handset import handset, sip_uri
from tests.whole.house import WholeHouse
from tests.whole.telephone import Exchange, Telephone
from tests.whole.test_outbound_calls import exchange_house, place, post, record_of
from tests.whole.test_sip_calls import GREETING as GREETED
from tests.whole.test_sip_calls import NUMBER, make_number, make_trunk, only_call, telephone_house

GREETING = "Hello {{first_name}}."
SAID = "Hello Tom."


async def until_gone(house: WholeHouse) -> None:
    """The vendors see that nobody is connected any more."""
    for vendor in (house.elevenlabs, house.deepgram):
        await vendor.wait_until(lambda vendor=vendor: not vendor.open_connections)  # type: ignore[misc]


def spoken(voice: FakeElevenLabs, text: str) -> int:
    """How often the voice was asked to speak a text."""
    sent = [message.get("text", "") for connection in voice.connections for message in connection.messages]
    return sum(text in one for one in sent)


async def test_an_incoming_call_is_answered_when_its_first_words_are_there(tmp_path: Path) -> None:
    slow = FakeElevenLabs(accept_delay=0.2, first_audio_delay=0.2)
    async with telephone_house(tmp_path, elevenlabs=slow) as house:
        await make_trunk(house)
        await make_number(house)
        async with handset() as phone:
            await phone.dial(sip_uri(house, NUMBER))
            assert (spoken(slow, GREETED), house.deepgram.open_connections) == (1, 1)
            assert phone.provisional == [180]
            await phone.until_heard(0.2)
            phone.hang_up()
            assert (await only_call(house))["end_reason"] == "user_hangup"
            await until_gone(house)
        assert spoken(slow, GREETED) == 1
        await set_early_message(house, EARLY)
        await an_early_message_is_heard_before_the_answer(house)
        await who_describes_no_audio_misses_it(house)


EARLY = "It is free."


async def set_early_message(house: WholeHouse, text: str) -> None:
    async with house.http.get(f"{house.url}/api/v1/assistants") as answered:
        path = f"{house.url}/api/v1/assistants/{(await answered.json())['assistants'][0]['id']}"
    async with house.http.patch(path, json={"speech_config": {"early_message": text}}) as answered:
        assert answered.status == 200


async def an_early_message_is_heard_before_the_answer(house: WholeHouse) -> None:
    async with handset() as phone:
        await phone.dial(sip_uri(house, NUMBER))
        heard = phone.loud_seconds()
        assert (spoken(house.elevenlabs, EARLY), phone.provisional) == (1, [180, 183])
        assert heard >= 0.3
        await phone.until_heard(heard + 0.5)
        phone.hang_up()
        assert not any("early" in note for note in (await newest_call(house))["notes"])


async def who_describes_no_audio_misses_it(house: WholeHouse) -> None:
    async with handset() as phone:
        await phone.dial_without_offer(sip_uri(house, NUMBER))
        await phone.until_heard(0.2)
        phone.hang_up()
        assert (await newest_call(house))["notes"][0].startswith("the early message was not spoken")


async def newest_call(house: WholeHouse) -> dict[str, Any]:
    """Its record, once no call is live."""
    live = house.parts.calls.live
    assert live is not None
    await asyncio.wait(live._running, timeout=20)
    async with house.http.get(f"{house.url}/api/v1/calls") as answered:
        newest = (await answered.json())["calls"][0]
    return await house.record(newest["id"])


async def test_a_caller_who_gives_up_before_the_answer_leaves_nothing_open(tmp_path: Path) -> None:
    silent = FakeElevenLabs(silent=True)
    async with telephone_house(tmp_path, elevenlabs=silent) as house, handset() as phone:
        await make_trunk(house)
        await make_number(house)
        dialling = asyncio.ensure_future(phone.dial(sip_uri(house, NUMBER)))
        await silent.wait_until(lambda: silent.texts == 1)
        phone.hang_up()
        await asyncio.gather(dialling, return_exceptions=True)
        record = await only_call(house)
        await until_gone(house)
    assert (record["status"], record["end_reason"]) == ("failed", "user_hangup")
    assert [(cost["role"], cost["characters"]) for cost in record["costs"]] == [("tts", len(GREETED))]


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
async def test_a_call_that_nobody_answers_tells_what_its_ringing_used(
    tmp_path: Path, database: str, request: pytest.FixtureRequest
) -> None:
    database_url = None if database == "sqlite" else str(request.getfixturevalue("postgresql_url"))
    exchange = Exchange(problem=DialError("no_answer", "Nobody answered."))
    async with exchange_house(tmp_path, exchange, database_url=database_url, byok_to_base_urls=True) as house:
        await post(house, "byok", {"provider": "elevenlabs", "api_key": "el-brought-along"})
        exchange.rings_until = lambda: house.elevenlabs.wait_until(lambda: house.elevenlabs.texts == 1)
        record = await record_of(house, await place(house, first_message=GREETING))
        await until_gone(house)
        async with house.parts.database.read() as session:
            own = (await session.execute(select(CallRow.byok_stt, CallRow.byok_llm, CallRow.byok_tts))).one()
    assert (record["status"], record["end_reason"]) == ("failed", "no_answer")
    assert [(cost["role"], cost["characters"], cost["own_key"]) for cost in record["costs"]] == [
        ("tts", len(SAID), True)
    ]
    assert tuple(own) == (False, False, True)


async def test_whoever_answers_is_greeted_also_in_another_format_than_was_expected(tmp_path: Path) -> None:
    exchange = Exchange()
    async with exchange_house(tmp_path, exchange) as house:
        exchange.rings_until = lambda: house.elevenlabs.wait_until(lambda: house.elevenlabs.texts >= 1)
        for telephone, times in ((Telephone(), 1), (Telephone(PCM_16K), 2)):
            house.elevenlabs.connections.clear()
            house.elevenlabs.texts, exchange.telephone = 0, telephone
            call_id = await place(house, first_message=GREETING)
            await telephone.until_heard(SAID)
            telephone.hang_up()
            record = await record_of(house, call_id)
            await until_gone(house)
            assert spoken(house.elevenlabs, SAID) == times
            assert (record["status"], record["messages"]) == ("ended", [{"role": "assistant", "content": SAID}])
            [characters] = [cost["characters"] for cost in record["costs"] if cost["role"] == "tts"]
            assert characters == times * len(SAID) + len(apology("en"))
