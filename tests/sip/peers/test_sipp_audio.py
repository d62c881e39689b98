"""Calls with sipp in which it gives our tone back."""

import asyncio
from pathlib import Path
from typing import cast

import pytest

from dialtone.sip.events import Confirmed, Ended, IncomingCall, OfferReceived
from tests.sip.peers.programs import SCENARIOS, finished, program, running, until_listening
from tests.sip.peers.test_sipp import free_port
from tests.sip.peers.tone_phone import tone_phone
from tests.sip.peers.tones import OURS, seconds_of

PACKETS = 20
"""0.4 seconds."""
SOON = 0.01
"""The part of 90 seconds after which we refresh a session."""


class Echo(asyncio.DatagramProtocol):
    """Where sipp has the audio sent to."""

    def __init__(self) -> None:
        self.packets = 0
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self._transport is not None
        self.packets += 1
        self._transport.sendto(data, addr)


async def test_sipp_echoes_refreshes_the_session_and_moves_its_audio(tmp_path: Path) -> None:
    sipp, port, media = program("sipp"), free_port(), free_port()
    loop = asyncio.get_running_loop()
    transport, echo = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    async with tone_phone("PCMU", transports=("udp",)) as bob:
        there = bob.phone.uri().partition("@")[2]
        command = [sipp, there, "-sf", str(SCENARIOS / "caller_moves.xml"), "-i", "127.0.0.1", "-p", str(port)]
        command += ["-mp", str(media // 2 * 2), "-rtp_echo", "-key", "other_port"]
        command += [str(transport.get_extra_info("sockname")[1]), "-m", "1", "-nostdin", "-timeout", "20"]
        async with running(*command, "-timeout_error", folder=tmp_path) as process:
            line = bob.line()
            line.answer(await bob.phone.expect(IncomingCall))
            await bob.phone.expect(Confirmed)
            await line.until_heard(OURS)
            line.answer_offer(await bob.phone.expect(OfferReceived))
            line.forget()
            await line.until_heard(OURS)
            assert echo.packets >= PACKETS
            assert (await bob.phone.expect(Ended)).by == "them"
            await finished(process)
    transport.close()


@pytest.mark.parametrize(("transport", "flag"), [("udp", "u1"), ("tcp", "t1")])
async def test_we_call_sipp_which_echoes(transport: str, flag: str, tmp_path: Path) -> None:
    sipp, port, media = program("sipp"), free_port(), free_port()
    command = [sipp, "-sn", "uas", "-t", flag, "-i", "127.0.0.1", "-p", str(port), "-mp", str(media // 2 * 2)]
    async with running(*command, "-rtp_echo", "-nostdin", folder=tmp_path), tone_phone("PCMU") as alice:
        if transport == "tcp":
            await until_listening(port)
        line = await alice.dial(f"sip:bob@127.0.0.1:{port};transport={transport}")
        await line.until_heard(OURS)
        line.hang_up()


async def test_we_refresh_the_session_by_re_invites_while_sipp_echoes(tmp_path: Path) -> None:
    sipp, port, media = program("sipp"), free_port(), free_port()
    command = [sipp, "-sf", str(SCENARIOS / "called_and_refreshed.xml"), "-i", "127.0.0.1", "-p", str(port)]
    command += ["-mp", str(media // 2 * 2), "-rtp_echo", "-m", "1", "-nostdin", "-timeout", "20", "-timeout_error"]
    async with (
        running(*command, folder=tmp_path) as process,
        tone_phone("PCMU", refresh_share=SOON) as alice,
    ):
        line = await alice.dial(f"sip:bob@127.0.0.1:{port}")
        assert (await alice.phone.eventually(Ended)).by == "them"
        rate = line.session.audio.sample_rate
        heard = line.samples()
        assert seconds_of(OURS, heard, rate) >= 2.0
        assert seconds_of(OURS, heard[-rate // 2 :], rate) >= 0.4, "after the second refresh"
        await finished(process)
