"""Audio before the answer, on real sockets and in virtual time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dialtone.lines.inbound import CallerLeftError
from dialtone.lines.sip.incoming import IncomingSipCall
from dialtone.lines.sip.line import SipLine
from dialtone.lines.sip.phone import SipPhone
from dialtone.lines.sip.server import SipServer
from dialtone.media.audio import MULAW_8K
from dialtone.media.clock import MediaClock
from dialtone.media.rtp.ports import PortPool
from dialtone.sip.endpoint import Options
from dialtone.sip.events import Answered, Ended, IncomingCall, OfferAnswered, OfferRefused, Ringing
from dialtone.sip.offer_answer import LocalAudio, make_offer
from dialtone.sip.transports import Listener, TransportOptions
from tests.lines.sip.test_line import Owner
from tests.sip.stage import AUDIO, OFFER, Phone, accept_all, order, phone, run

SERVER = SipServer("desk.example.com", 5060)
SECOND = b"\x10" * 8000


@asynccontextmanager
async def called() -> AsyncIterator[tuple[IncomingSipCall, Phone, str]]:
    """A call that rings here; afterwards all its ports are free again."""
    arrived: asyncio.Queue[IncomingSipCall] = asyncio.Queue()
    ports = PortPool(37000, 37019)

    def on_call(near: SipPhone, invitation: IncomingCall) -> None:
        arrived.put_nowait(IncomingSipCall(near, invitation))

    options = Options(TransportOptions((Listener("udp", "127.0.0.1", 0),)))
    near = SipPhone(options, ports, MediaClock(), accept_all, on_call)
    await near.open()
    async with phone() as far:
        call = far.agent.invite(order(f"sip:bob@127.0.0.1:{near.listening_on()[0][1][1]}"))
        coming = await arrived.get()
        coming.prepare()
        yield coming, far, call
        await near.close()
    assert ports.free == 10


async def heard_early(far: Phone) -> None:
    ringing = await far.expect(Ringing)
    assert ringing.status == 183
    assert ringing.description is not None


def test_the_answered_call_goes_on_with_the_audio_that_flows_already() -> None:
    async def scenario() -> None:
        async with called() as (coming, far, _):
            before = asyncio.get_running_loop().time()
            await coming.play(SECOND)
            assert asyncio.get_running_loop().time() - before == pytest.approx(1.0, abs=0.05)
            await coming.play(SECOND)
            await heard_early(far)
            line = await coming.answer(SERVER)
            await far.expect(Answered)
            owner = Owner()
            line.attach(owner)
            assert line.audio == coming.audio == MULAW_8K
            await asyncio.sleep(1.0)
            assert owner.frames >= 49
            await line.close("assistant_hangup")
            assert int(owner.notes[0].split(" sent")[0].split()[-1]) >= 149  # one stream, from the first early frame on

    run(scenario())


def test_the_caller_may_move_its_audio_before_the_answer() -> None:
    async def scenario() -> None:
        async with called() as (coming, far, call):
            playing = asyncio.ensure_future(coming.play(SECOND))
            await heard_early(far)
            far.agent.offer(call, make_offer(LocalAudio("192.0.2.1", 10010), AUDIO, OFFER))
            await far.expect(OfferAnswered)
            assert not playing.done()
            far.agent.offer(call, OFFER.replace("RTP/AVP", "RTP/SAVP"))
            assert (await far.expect(OfferRefused)).status == 488
            await playing
            line = await coming.answer(SERVER)
            await far.expect(Answered)
            assert isinstance(line, SipLine)
            assert line.ticked._parameters.remote == ("192.0.2.1", 10010)
            await line.close("assistant_hangup")

    run(scenario())


def test_a_call_that_is_refused_after_it_gives_its_ports_back() -> None:
    async def scenario() -> None:
        async with called() as (coming, far, _):
            await coming.play(SECOND)
            await heard_early(far)
            coming.reject(603)
            assert (await far.expect(Ended)).status == 603

    run(scenario())


def test_a_caller_who_leaves_ends_it() -> None:
    async def scenario() -> None:
        async with called() as (coming, far, call):
            asyncio.get_running_loop().call_later(0.4, far.agent.hangup, call)
            before = asyncio.get_running_loop().time()
            await coming.play(SECOND * 10)
            assert asyncio.get_running_loop().time() - before < 1.0
            assert not coming.can_play
            with pytest.raises(CallerLeftError):
                await coming.answer(SERVER)

    run(scenario())


def test_it_rings_until_there_is_something_to_be_heard_or_the_caller_leaves() -> None:
    async def scenario() -> None:
        async with called() as (coming, far, call):
            answering = asyncio.ensure_future(coming.answer(SERVER, asyncio.Event()))
            await asyncio.sleep(5)
            far.agent.hangup(call)
            with pytest.raises(CallerLeftError):
                await answering
        async with called() as (coming, far, _):
            ready = asyncio.Event()
            asyncio.get_running_loop().call_later(2.0, ready.set)
            line = await coming.answer(SERVER, ready)
            await far.expect(Answered)
            await line.close("assistant_hangup")

    run(scenario())
