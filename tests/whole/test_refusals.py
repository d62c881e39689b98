"""Callers who are turned away hear why before the call is refused, so that nobody pays for an answer."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from dialtone.sip.events import Ended, Identity, OutgoingCall, Ringing
from dialtone.telephony import announcing
from tests.platform_http.servers import http_server
from tests.whole.handset import handset, sip_uri
from tests.whole.house import WholeHouse
from tests.whole.test_sip_calls import NUMBER, make_number, make_trunk, only_call, refused, telephone_house

WORDS = "We are closed."
LONG = f"{WORDS} This goes on and on and on. " * 20


async def test_the_words_of_the_assistant_request_are_spoken_and_the_call_declined(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = WORDS

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"error": words})

    async with http_server(answer) as host, telephone_house(tmp_path) as house:
        await make_trunk(house)
        await make_number(house, webhook_url=f"http://{host}/", webhook_events=["assistant-request"])
        async with handset() as phone:
            assert (await refused(phone, sip_uri(house, NUMBER))).status == 603
            record = await only_call(house)
            assert (phone.provisional, phone.loud_seconds() > 0.4) == ([180, 183], True)
        await who_describes_no_audio_gets_the_status_alone(house)
        words = LONG
        await a_caller_who_gives_up_ends_the_words(house)
        monkeypatch.setattr(announcing, "ANNOUNCEMENT_SECONDS", 0.8)
        async with handset() as phone:
            assert (await refused(phone, sip_uri(house, NUMBER))).status == 603
            assert phone.loud_seconds() < 0.9
        monkeypatch.setattr(announcing, "MAX_ANNOUNCEMENTS", 0)
        async with handset() as phone:
            assert (await refused(phone, sip_uri(house, NUMBER))).status == 603
            assert phone.provisional == [180]
        assert house.parts.telephony._phone._ports.free == 500  # type: ignore[union-attr]
    assert (record["status"], record["end_reason"], record["started_at"]) == ("rejected", "rejected", None)
    assert WORDS not in caplog.text


async def who_describes_no_audio_gets_the_status_alone(house: WholeHouse) -> None:
    async with handset() as phone:
        order = OutgoingCall(sip_uri(house, NUMBER), Identity("sip:+31612345678@carrier.example"), None)
        phone.phone.agent.invite(order)
        assert (await phone.phone.expect(Ringing)).status == 180
        assert (await phone.phone.expect(Ended)).status == 603


async def a_caller_who_gives_up_ends_the_words(house: WholeHouse) -> None:
    async with handset() as phone:
        dialling = asyncio.ensure_future(phone.dial(sip_uri(house, NUMBER)))
        await phone.until_heard(0.2)
        phone.hang_up()
        await asyncio.gather(dialling, return_exceptions=True)
        arrivals = house.parts.telephony._arrivals
        assert arrivals is not None
        async with asyncio.timeout(3):
            await asyncio.gather(*arrivals._tasks)


async def test_without_minutes_callers_hear_that_nobody_can_take_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcing, "ANNOUNCEMENT_SECONDS", 1.5)
    async with telephone_house(tmp_path, billing=True) as house, handset() as phone:
        await make_trunk(house)
        await make_number(house)
        assert (await refused(phone, sip_uri(house, NUMBER))).status == 480
        record = await only_call(house)
        assert house.elevenlabs.connections == []
    assert phone.loud_seconds() > 0.3
    assert (record["status"], record["end_reason"]) == ("rejected", "insufficient_credits")
    assert record["caller_phone"] == "+31*******78"


@pytest.mark.parametrize(("language", "said"), [("nl-NL", "Het spijt ons"), (None, "We are sorry"), ("xx", "We are")])
def test_the_number_is_excused_in_its_assistants_language(language: str | None, said: str) -> None:
    assert announcing.unavailable(language).startswith(said)
