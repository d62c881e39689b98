"""Calls placed through a trunk: where its server is found, how it wants numbers, and whose fault a failure is."""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dialtone.lines.outbound import DialError, DialRequest, OutboundTrunk
from dialtone.lines.sip.dialer import SipDialer, failure_of
from dialtone.lines.sip.line import SipLine
from dialtone.lines.sip.phone import SipPhone
from dialtone.media.clock import MediaClock
from dialtone.media.rtp.packet import build
from dialtone.media.rtp.ports import PortPool
from dialtone.platform.numbering import Numbering
from dialtone.sip.dns import Service
from dialtone.sip.endpoint import Options
from dialtone.sip.events import Cause, Ended, IncomingCall
from dialtone.sip.framing import StreamFramer
from dialtone.sip.message import Request
from dialtone.sip.offer_answer import AudioOptions, LocalAudio, answer_offer, apply_answer, make_offer
from dialtone.sip.sdp import parse_sdp
from dialtone.sip.transports import Listener, TransportOptions
from tests.lines.sip.test_line import Owner
from tests.sip.certificates import make_certificate
from tests.sip.stage import accept_all, phone, run
from tests.sip.test_network import Names
from tests.sip.wire import wire

PCMU = AudioOptions(("PCMU",), "off")
PCMA = AudioOptions(("PCMA",), "off")


@asynccontextmanager
async def dialer(
    names: Names, tls_client: ssl.SSLContext | None = None, hosts: tuple[str, ...] = ("127.0.0.1",)
) -> AsyncIterator[SipDialer]:
    listeners = tuple(Listener("udp", host, 0) for host in hosts)
    transports = TransportOptions(listeners, tls_client=tls_client)
    options = Options(transports, resolver=names)
    near = SipPhone(options, PortPool(37000, 37099), MediaClock(), accept_all, lambda phone, call: None)
    await near.open()
    yield SipDialer(near)
    await near.close()


def request(trunk: OutboundTrunk, **more: float) -> DialRequest:
    return DialRequest("call", "+31612345678", "+31201234567", trunk, **more)  # type: ignore[arg-type]


def test_a_trunk_that_knows_its_customers_by_the_account_sees_it_in_from() -> None:
    async def scenario() -> None:
        async with dialer(Names()) as near, wire() as far:
            trunk = OutboundTrunk(
                "t", "127.0.0.1", far.port, "udp", "pbx 7", "secret", "+31207654321", from_account=True
            )
            dialing = asyncio.create_task(near.dial(request(trunk), lambda: None))
            invite = await far.request("INVITE")
            number = f"<sip:+31207654321@127.0.0.1:{far.port}>"
            assert (invite.get("from") or "").startswith(f"<sip:pbx%207@127.0.0.1:{far.port}>;tag=")
            assert (invite.get("p-asserted-identity"), invite.get("p-preferred-identity")) == (number, number)
            assert invite.via.port is not None
            far.send(far.answer(invite, 486, "far"), invite.via.port)
            with pytest.raises(DialError):
                await dialing

    run(scenario())


def test_a_server_without_a_port_is_found_by_its_records_and_called_as_it_wants() -> None:
    async def scenario() -> None:
        names = Names()
        async with dialer(names) as near, phone() as far:
            port = far.agent.listening_on()[0][1][1]
            names.srv["_sip._udp.carrier.example"] = [Service(1, 1, port, "127.0.0.1")]
            numbering = Numbering("31", outbound_format="national")
            trunk = OutboundTrunk("t", "carrier.example", None, "udp", None, None, "+31207654321", numbering)
            dialing = asyncio.create_task(near.dial(request(trunk), lambda: None))
            call = await far.expect(IncomingCall)
            assert call.request_uri == "sip:0612345678@carrier.example;transport=udp"
            assert call.caller.uri == "sip:0207654321@carrier.example"
            assert call.asserted is not None
            assert call.asserted.uri == call.caller.uri
            far.agent.reject(call.call, 486)
            with pytest.raises(DialError) as failure:
                await dialing
            assert (failure.value.reason, failure.value.route_failed) == ("busy", False)

    run(scenario())


def test_a_silent_trunk_is_given_up_early_where_there_is_another() -> None:
    async def scenario() -> None:
        async with dialer(Names()) as near, wire() as silent:
            loop = asyncio.get_running_loop()
            trunk = OutboundTrunk("t", "127.0.0.1", silent.port, "udp", None, None)
            started = loop.time()
            with pytest.raises(DialError) as failure:
                await near.dial(request(trunk, patience_seconds=5.0), lambda: None)
            assert (failure.value.route_failed, failure.value.status) == (True, None)
            silent_one = f"127.0.0.1 (udp 127.0.0.1 port {silent.port})"
            assert str(failure.value) == f"The trunk was not reached: {silent_one} did not answer."
            assert loop.time() - started == pytest.approx(5, abs=0.2)

    run(scenario())


@pytest.mark.parametrize("hosts", [("127.0.0.1",), ("::1", "127.0.0.1")])
def test_what_a_server_is_told_is_of_the_family_of_addresses_that_it_is_reached_over(hosts: tuple[str, ...]) -> None:
    """Nobody answers at its IPv6 address."""

    async def scenario() -> None:
        names = Names()
        names.hosts["carrier.example"] = ["::1", "127.0.0.1"]
        async with dialer(names, hosts=hosts) as near, wire() as far:
            trunk = OutboundTrunk("t", "carrier.example", far.port, "udp", None, None)
            dialing = asyncio.create_task(near.dial(request(trunk, patience_seconds=5.0), lambda: None))
            invite = await far.request("INVITE")
            described = parse_sdp(invite.body.decode())
            assert described.address_of(described.media[0]) == "127.0.0.1"
            assert (invite.via.host, invite.contacts[0].uri.host) == ("127.0.0.1", "127.0.0.1")
            assert invite.via.port is not None
            far.send(far.answer(invite, 486, "far"), invite.via.port)
            with pytest.raises(DialError) as failure:
                await dialing
            assert failure.value.reason == "busy"

    run(scenario())


def test_a_line_is_with_the_server_that_answered_not_with_one_before_it() -> None:
    async def scenario() -> None:
        names = Names()
        async with dialer(names) as near, wire() as far:
            names.srv["_sip._udp.carrier.example"] = [
                Service(1, 1, far.port, "127.0.0.2"),
                Service(2, 1, far.port, "127.0.0.1"),
            ]
            trunk = OutboundTrunk("t", "carrier.example", None, "udp", None, None)
            dialing = asyncio.create_task(near.dial(request(trunk, patience_seconds=5.0), lambda: None))
            invite = await far.request("INVITE")
            answer = answer_offer(invite.body.decode(), LocalAudio("127.0.0.1", 44000), PCMU)[0]
            assert invite.via.port is not None
            far.send(far.answer(invite, 200, "far", answer), invite.via.port)
            line = await dialing
            assert isinstance(line, SipLine)
            assert line.is_with("127.0.0.1")
            assert not line.is_with("127.0.0.2")
            await line.close("assistant_hangup")

    run(scenario())


def test_whoever_is_called_may_move_its_audio_while_it_rings() -> None:
    async def scenario() -> None:
        async with dialer(Names()) as near, wire() as far:
            trunk = OutboundTrunk("t", "127.0.0.1", far.port, "udp", None, None)
            dialing = asyncio.create_task(near.dial(request(trunk), lambda: None))
            invite = await far.request("INVITE")
            port = invite.via.port
            assert port is not None
            answer = answer_offer(invite.body.decode(), LocalAudio("127.0.0.1", 44000), PCMU)[0]
            far.send(far.answer(invite, 183, "far", answer, require="100rel", rseq="1"), port)
            far.send(far.answer(await far.request("PRACK"), 200), port)

            within = {
                "from_": f"{invite.lines('to')[0]};tag=far",
                "to": invite.lines("from")[0],
                "call_id": invite.call_id,
            }
            offer = make_offer(LocalAudio("127.0.0.2", 44010), PCMA, answer)
            far.send(far.new("UPDATE", body=offer, **within), port)
            agreed = apply_answer(offer, (await far.response(200)).body.decode(), PCMA)
            assert (agreed.codec, agreed.remote_port) == ("PCMA", parse_sdp(invite.body.decode()).media[0].port)
            nonsense = offer.replace("PCMA", "L16").replace(" 8 ", " 96 ").replace(":8 ", ":96 ")
            far.send(far.new("UPDATE", number=2, body=nonsense, **within), port)
            await far.response(488)

            far.send(far.answer(invite, 200, "far"), port)
            line = await dialing
            assert isinstance(line, SipLine)
            assert line.codec == "PCMA"
            assert line.ticked._parameters.remote == ("127.0.0.2", 44010)
            await line.close("assistant_hangup")

    run(scenario())


def test_a_far_end_that_hangs_up_with_its_answer_ends_the_call() -> None:
    async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (invite,) = StreamFramer().feed(await reader.read(65536))
        assert isinstance(invite, Request)
        response = invite.response(200, to_tag="far")
        response.set("contact", "<sip:far@127.0.0.1;transport=tcp>")
        response.set("content-type", "application/sdp")
        response.body = answer_offer(invite.body.decode(), LocalAudio("127.0.0.1", 44000), PCMU)[0].encode()
        fields = {
            "via": ["SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKbye"],
            "from": response.lines("to"),
            "to": response.lines("from"),
            "call-id": [response.call_id],
            "cseq": ["1 BYE"],
        }
        writer.write(response.to_bytes() + Request("BYE", invite.contacts[0].uri, fields).to_bytes())
        await reader.read()
        writer.close()

    async def scenario() -> None:
        server = await asyncio.start_server(answers, "127.0.0.1", 0)
        async with dialer(Names()) as near:
            trunk = OutboundTrunk("t", "127.0.0.1", server.sockets[0].getsockname()[1], "tcp", None, None)
            line = await near.dial(request(trunk), lambda: None)
            owner = Owner()
            line.attach(owner)
            await asyncio.sleep(0.1)
            assert owner.closed == [("The far end hung up.", False)]
            await line.close("assistant_hangup")
        server.close()

    run(scenario())


def test_over_tls_encryption_is_demanded_and_wished_for_where_that_is_refused(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(certificate)
    trusted = ssl.create_default_context(cafile=str(certificate))

    async def scenario() -> None:
        async with (
            dialer(Names(), tls_client=trusted) as near,
            phone(transports=("tls",), certificate=served) as far,
        ):
            trunk = OutboundTrunk("t", "127.0.0.1", far.agent.listening_on()[0][1][1], "tls", None, None)
            rung: list[int] = []
            dialing = asyncio.create_task(near.dial(request(trunk), lambda: rung.append(1)))
            for protocol in ("RTP/SAVP", "RTP/AVP"):
                call = await far.eventually(IncomingCall)
                assert f" {protocol} " in (call.offer or "")
                assert "a=crypto:" in (call.offer or "")
                far.agent.reject(call.call, 488)
            with pytest.raises(DialError) as failure:
                await dialing
            assert (failure.value.reason, failure.value.status) == ("unreachable", 488)
            again = asyncio.create_task(near.dial(request(trunk), lambda: rung.append(2)))
            call = await far.eventually(IncomingCall)
            far.agent.ring(call.call)
            far.agent.reject(call.call, 488)
            with pytest.raises(DialError):
                await again
            assert rung == [2]

    run(scenario())


def test_the_ringing_that_came_as_audio_is_neither_heard_nor_a_loss() -> None:
    async def scenario() -> None:
        async with dialer(Names()) as near, phone() as far:
            trunk = OutboundTrunk("t", "127.0.0.1", far.agent.listening_on()[0][1][1], "udp", None, None)
            dialing = asyncio.create_task(near.dial(request(trunk), lambda: None))
            call = await far.expect(IncomingCall)
            port = parse_sdp(call.offer or "").media[0].port

            def send(sequence: int) -> None:
                packet = build(0, sequence, 160 * sequence, 7, bytes(160))
                sock.sendto(packet, ("127.0.0.1", port))

            answer, _ = answer_offer(call.offer or "", LocalAudio(*sock.getsockname()), PCMU)
            far.agent.ring(call.call, answer, 183)
            for sequence in range(60):
                send(sequence)
            sock.sendto(b"a report", ("127.0.0.1", port + 1))
            await asyncio.sleep(6)
            far.agent.answer(call.call, answer)
            line = await dialing
            owner = Owner()
            line.attach(owner)
            for sequence in range(300, 330):
                send(sequence)
                await asyncio.sleep(0.02)
            await asyncio.sleep(1)
            assert isinstance(line, SipLine)
            statistics = line.ticked.statistics
            assert (statistics.packets_received, statistics.packets_lost, statistics.packets_malformed) == (30, 0, 0)
            await line.close("assistant_hangup")

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        run(scenario())


def test_audio_goes_to_the_phone_that_answered_not_to_one_that_was_heard_before() -> None:
    async def scenario() -> None:
        async with dialer(Names()) as near, wire() as far:
            trunk = OutboundTrunk("t", "127.0.0.1", far.port, "udp", None, None)
            dialing = asyncio.create_task(near.dial(request(trunk), lambda: None))
            invite = await far.request("INVITE")
            offer, port = invite.body.decode(), invite.via.port
            assert port is not None
            announced = answer_offer(offer, LocalAudio("127.0.0.1", 44000), PCMU)[0]
            answer = answer_offer(offer, LocalAudio("127.0.0.2", 44010), PCMA)[0]
            far.send(far.answer(invite, 183, "announcement", announced, require="100rel", rseq="1"), port)
            far.send(far.answer(await far.request("PRACK"), 200), port)
            far.send(far.answer(invite, 200, "callee", answer), port)
            line = await dialing
            assert isinstance(line, SipLine)
            assert line.codec == "PCMA"
            await line.close("assistant_hangup")

    run(scenario())


def test_a_trunk_that_nobody_knows_is_no_way_out() -> None:
    async def scenario() -> None:
        async with dialer(Names()) as near:
            trunk = OutboundTrunk("t", "nowhere.example", None, "udp", None, None)
            with pytest.raises(DialError, match=r"the address of nowhere\.example is not found\.$") as failure:
                await near.dial(request(trunk), lambda: None)
            assert failure.value.route_failed

    run(scenario())


@pytest.mark.parametrize(
    ("status", "cause", "reason", "route_failed"),
    [
        (401, None, "unreachable", True),
        (407, None, "unreachable", True),
        (500, None, "unreachable", True),
        (503, None, "unreachable", True),
        (503, 34, "unreachable", True),  # no circuit available
        (503, 17, "busy", False),
        (500, 1, "unreachable", False),  # no such number
        (403, None, "declined", False),
        (404, None, "unreachable", False),
        (480, None, "no_answer", False),
        (486, None, "busy", False),
        (603, None, "declined", False),
    ],
)
def test_whose_fault_it_is(status: int, cause: int | None, reason: str, route_failed: bool) -> None:
    ended = Ended("call", "refused", status, "", None if cause is None else Cause("Q.850", cause))
    told = failure_of(ended, logs_in=True)
    assert (told.reason, told.route_failed) == (reason, route_failed)


@pytest.mark.parametrize(
    ("username", "password", "words"),
    [
        ("user", "wrong", "The trunk refused this server's login (401 Unauthorized)."),
        ("user", None, "asks for a login, and the trunk lacks auth_username or auth_password (401 Unauthorized)."),
        (None, None, "asks for a login, and the trunk lacks auth_username or auth_password (401 Unauthorized)."),
    ],
)
def test_a_login_that_is_wrong_is_told_from_one_that_is_missing(
    username: str | None, password: str | None, words: str
) -> None:
    async def scenario() -> None:
        async with dialer(Names()) as near, wire() as far:
            trunk = OutboundTrunk("t", "127.0.0.1", far.port, "udp", username, password)
            dialing = asyncio.create_task(near.dial(request(trunk), lambda: None))
            for _ in range(2 if password else 1):
                invite = await far.request("INVITE")
                challenge = 'Digest realm="far", nonce="n"'
                assert invite.via.port is not None
                far.send(far.answer(invite, 401, "far", www_authenticate=challenge), invite.via.port)
                await far.request("ACK")
            with pytest.raises(DialError, match=re.escape(words)) as failure:
                await dialing
            assert (failure.value.route_failed, failure.value.status) == (True, 401)

    run(scenario())
