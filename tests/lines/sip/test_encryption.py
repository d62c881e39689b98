"""Keys for SRTP in calls that come in: when they are offered, and that they stay."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dialtone.lines.sip.incoming import IncomingSipCall
from dialtone.lines.sip.phone import SipPhone
from dialtone.lines.sip.server import SipServer
from dialtone.media.clock import MediaClock
from dialtone.media.rtp.ports import PortPool
from dialtone.sip.endpoint import Options
from dialtone.sip.events import Answered, IncomingCall, OfferAnswered
from dialtone.sip.flow import Transport
from dialtone.sip.offer_answer import AudioOptions, LocalAudio, answer_offer, make_offer
from dialtone.sip.sdp import parse_sdp
from dialtone.sip.transports import Listener, TransportOptions
from tests.sip.certificates import make_certificate
from tests.sip.stage import Phone, accept_all, order, phone, run

SERVER = SipServer("desk.example.com", 5060)
THEIRS = LocalAudio("127.0.0.1", 10000)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@asynccontextmanager
async def called(
    transport: Transport, certificate: Path, offer: str | None
) -> AsyncIterator[tuple[IncomingSipCall, Phone, str]]:
    """A call that rings here."""
    served, trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context(cafile=str(certificate))
    served.load_cert_chain(certificate)
    arrived: asyncio.Queue[IncomingSipCall] = asyncio.Queue()

    def on_call(near: SipPhone, invitation: IncomingCall) -> None:
        arrived.put_nowait(IncomingSipCall(near, invitation))

    options = Options(TransportOptions((Listener(transport, "127.0.0.1", 0, served),)))
    near = SipPhone(options, PortPool(36100, 36119), MediaClock(), accept_all, on_call)
    await near.open()
    async with phone(transports=(transport,), certificate=served, tls_client=trusted) as far:
        target = f"sip:bob@127.0.0.1:{near.listening_on()[0][1][1]};transport={transport}"
        call = far.agent.invite(order(target, offer))
        coming = await arrived.get()
        coming.prepare()
        yield coming, far, call
        await near.close()


def protection(description: str | None) -> tuple[str, list[str]]:
    audio = parse_sdp(description or "").media[0]
    return audio.protocol, audio.all("crypto")


@pytest.mark.parametrize(("transport", "has_keys"), [("udp", False), ("tcp", False), ("tls", True)])
def test_who_wants_an_offer_gets_keys_only_where_nobody_can_read_them(
    transport: Transport, has_keys: bool, certificate: Path
) -> None:
    async def scenario() -> None:
        async with called(transport, certificate, None) as (coming, far, call):
            answering = asyncio.ensure_future(coming.answer(SERVER))
            offer = (await far.eventually(Answered)).description
            protocol, keys = protection(offer)
            assert (protocol, bool(keys)) == ("RTP/AVP", has_keys)
            answer, agreed = answer_offer(offer or "", THEIRS, AudioOptions())
            assert (agreed.receive_key is not None) == has_keys
            far.agent.answer_offer(call, answer)
            line = await answering
            assert line.ticked.statistics.encrypted == has_keys
            await line.close("assistant_hangup")

    run(scenario())


def test_a_call_with_keys_keeps_them_while_it_is_held_and_resumed(certificate: Path) -> None:
    async def scenario() -> None:
        async with called("tls", certificate, make_offer(THEIRS, AudioOptions(srtp="required"))) as (coming, far, call):
            line = await coming.answer(SERVER)
            agreed = protection((await far.eventually(Answered)).description)
            assert (agreed[0], len(agreed[1])) == ("RTP/SAVP", 1)
            for command in (far.agent.hold, far.agent.resume):
                command(call)
                assert protection((await far.eventually(OfferAnswered)).description) == agreed
            await line.close("assistant_hangup")

    run(scenario())
