"""Calls that come in otherwise than usual: without an offer, to a full or stopping server, given up while they ring."""

import asyncio
from pathlib import Path

from aiohttp import web

from dialtone.sip.events import Ended, Identity, OutgoingCall, Ringing
from tests.platform_http.servers import http_server
from tests.whole.handset import handset, sip_uri
from tests.whole.test_sip_calls import (
    CALLER,
    NUMBER,
    events_of_trunk,
    make_number,
    make_trunk,
    only_call,
    only_call_now,
    refused,
    telephone_house,
)


async def test_a_caller_may_leave_the_offer_to_us(tmp_path: Path) -> None:
    async with telephone_house(tmp_path) as house, handset() as phone:
        await make_trunk(house)
        await make_number(house)
        await phone.dial_without_offer(sip_uri(house, NUMBER))
        await phone.until_heard(0.5)
        phone.hang_up()
        record = await only_call(house)
    assert (record["status"], record["end_reason"]) == ("ended", "user_hangup")


async def test_a_caller_consents_by_a_key_beside_the_audio(tmp_path: Path) -> None:
    consent = {"enabled": True, "message": "Press one to be recorded."}
    async with telephone_house(tmp_path) as house, handset() as phone:
        await make_trunk(house)
        await make_number(house, recording_consent=consent)
        await phone.dial(sip_uri(house, NUMBER))
        await phone.until_heard(0.5)
        phone.phone.agent.send_info(phone.call, "application/dtmf-relay", b"Signal=2\r\nDuration=160\r\n")
        await phone.ended()
        record = await only_call(house)
    assert (record["end_reason"], record["caller_phone"], record["recording_url"]) == ("consent_declined", None, None)


async def test_a_full_server_says_so(tmp_path: Path) -> None:
    async with telephone_house(tmp_path, max_calls=1) as house, handset() as phone, handset() as late:
        await make_trunk(house)
        await make_number(house)
        await phone.dial(sip_uri(house, NUMBER))
        ended = await refused(late, sip_uri(house, NUMBER))
        [event] = await events_of_trunk(house)
        phone.hang_up()
        await only_call(house)
        await late.dial(sip_uri(house, NUMBER))
        late.hang_up()
    assert (ended.status, ended.retry_after, event["status"]) == (503, 5, 503)
    assert event["reason"] == "The server takes 1 call at a time; try again when one has ended."


async def test_a_stopping_server_takes_no_new_calls_and_keeps_the_live_ones(tmp_path: Path) -> None:
    async with telephone_house(tmp_path) as house, handset() as phone, handset() as late:
        await make_trunk(house)
        await make_number(house)
        await phone.dial(sip_uri(house, NUMBER))
        await house.parts.telephony.drain()
        assert (await refused(late, sip_uri(house, NUMBER))).status == 503
        phone.forget()
        await phone.until_heard(0.3)
        phone.hang_up()
        assert (await only_call(house))["end_reason"] == "user_hangup"


async def test_the_server_hangs_up_when_it_stops(tmp_path: Path) -> None:
    async with handset() as phone:
        async with telephone_house(tmp_path) as house:
            await make_trunk(house)
            await make_number(house)
            await phone.dial(sip_uri(house, NUMBER))
        assert (await phone.ended()).by == "them"


async def test_a_caller_who_gives_up_while_it_rings_leaves_no_call(tmp_path: Path) -> None:
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def assistant_request(_: web.BaseRequest) -> web.Response:
        asked.set()
        await may_answer.wait()
        return web.json_response({})

    async with (
        http_server(assistant_request) as server,
        telephone_house(tmp_path) as house,
        handset() as phone,
    ):
        await make_trunk(house)
        await make_number(house, webhook_url=f"http://{server}/")
        order = OutgoingCall(sip_uri(house, NUMBER), Identity(f"sip:{CALLER}@carrier.example"), None)
        phone.call = phone.phone.agent.invite(order)
        await phone.phone.eventually(Ringing)
        await asked.wait()
        phone.hang_up()
        assert (await phone.phone.eventually(Ended)).status == 487
        may_answer.set()
        assert await events_of_trunk(house) == []  # waits for the arrival to be over
        async with house.http.get(f"{house.url}/api/v1/calls") as answered:
            assert (await answered.json())["calls"] == []


async def test_a_withheld_number_stays_withheld(tmp_path: Path) -> None:
    async with telephone_house(tmp_path) as house, handset() as phone:
        await make_trunk(house)
        await make_number(house)
        anonymous = "sip:anonymous@anonymous.invalid"
        await phone.dial(sip_uri(house, NUMBER), anonymous, asserted=f"sip:{CALLER}@carrier.example", privacy=True)
        record = await only_call_now(house)
        phone.hang_up()
        await only_call(house)
    assert record["caller_phone"] is None
