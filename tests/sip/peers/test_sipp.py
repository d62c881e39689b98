"""Many calls with sipp, the telephone companies' own test program, at both ends: signalling without audio."""

import asyncio
import socket
from pathlib import Path

import pytest

from dialtone.sip.events import (
    Account,
    Answered,
    Cause,
    Ended,
    Event,
    IncomingCall,
    OfferReceived,
    Ringing,
)
from dialtone.sip.offer_answer import LocalAudio, answer_offer
from tests.sip.peers.programs import SCENARIOS, finished, program, real_phone, running
from tests.sip.stage import AUDIO, OFFER, Phone, order
from tests.sip.test_admission import ask_for_password

CALLS = 50
MEDIA = LocalAudio("127.0.0.1", 40000)


def free_port() -> int:
    """A port that is free for UDP and TCP, and so is the next one, which baresip takes for TLS."""
    while True:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
            socket.socket() as tcp,
            socket.socket() as tls,
        ):
            udp.bind(("127.0.0.1", 0))
            port = int(udp.getsockname()[1])
            try:
                tcp.bind(("127.0.0.1", port))
                tls.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


def port_of(made: Phone) -> int:
    return made.agent.listening_on()[0][1][1]


def answer_everything(made: Phone) -> None:
    """Let a phone take every call and every offer by itself."""

    def react(event: Event) -> None:
        if isinstance(event, IncomingCall):
            made.agent.ring(event.call)
            made.agent.answer(event.call, answer_offer(event.offer or OFFER, MEDIA, AUDIO)[0])
        elif isinstance(event, OfferReceived):
            made.agent.answer_offer(event.call, answer_offer(event.description or OFFER, MEDIA, AUDIO)[0])

    made.react = react


def ends(made: Phone) -> list[str]:
    return [event.by for event in made.events if isinstance(event, Ended)]


@pytest.mark.parametrize(("transport", "flag"), [("udp", "u1"), ("tcp", "t1")])
@pytest.mark.parametrize("scenario", [("-sn", "uac"), ("-sf", str(SCENARIOS / "caller_holds.xml"))])
async def test_sipp_calls_us(transport: str, flag: str, scenario: tuple[str, str], tmp_path: Path) -> None:
    sipp = program("sipp")
    async with real_phone(transports=(transport,)) as bob:
        answer_everything(bob)
        command = [sipp, f"127.0.0.1:{port_of(bob)}", *scenario, "-t", flag, "-i", "127.0.0.1", "-nostdin"]
        command += [
            "-m",
            str(CALLS),
            "-r",
            "40",
            "-d",
            "100",
            "-p",
            str(free_port()),
            "-timeout",
            "40",
            "-timeout_error",
        ]
        async with running(*command, folder=tmp_path) as process:
            await finished(process)
        assert ends(bob) == ["them"] * CALLS
        assert bob.agent.calls == 0


async def test_sipp_logs_in_and_gives_up(tmp_path: Path) -> None:
    sipp = program("sipp")
    async with real_phone(admit=ask_for_password) as bob:

        def ring(event: Event) -> None:
            if isinstance(event, IncomingCall):
                bob.agent.ring(event.call)

        bob.react = ring
        command = [sipp, f"127.0.0.1:{port_of(bob)}", "-sf", str(SCENARIOS / "caller_logs_in.xml"), "-i", "127.0.0.1"]
        command += ["-nostdin", "-m", "10", "-r", "20", "-p", str(free_port()), "-timeout", "40", "-timeout_error"]
        async with running(*command, folder=tmp_path) as process:
            await finished(process)
        assert ends(bob) == ["cancelled"] * 10


async def test_we_call_sipp_with_a_password_and_a_reliable_answer(tmp_path: Path) -> None:
    sipp = program("sipp")
    port = free_port()
    command = [sipp, "-sf", str(SCENARIOS / "called_with_prack.xml"), "-i", "127.0.0.1", "-p", str(port)]
    command += ["-m", "5", "-nostdin", "-timeout", "40", "-timeout_error"]
    async with real_phone() as alice, running(*command, folder=tmp_path) as process:
        await asyncio.sleep(0.5)
        for _ in range(5):
            alice.agent.invite(order(f"sip:bob@127.0.0.1:{port}", account=Account("alice", "secret")))
            ringing = await alice.expect(Ringing)
            assert (ringing.status, ringing.wants_answer) == (183, False)
            assert (await alice.expect(Answered)).description == ringing.description
            ended = await alice.expect(Ended)
            assert (ended.by, ended.cause) == ("them", Cause("Q.850", 16, "Normal call clearing"))
        await finished(process)
