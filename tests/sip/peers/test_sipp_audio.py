"""Calls with sipp in which it gives our tone back."""

import asyncio
from pathlib import Path
from typing import cast

from dialtone.sip.events import Confirmed, Ended, IncomingCall, OfferReceived
from tests.sip.peers.programs import SCENARIOS, finished, program, running
from tests.sip.peers.test_sipp import free_port
from tests.sip.peers.tone_phone import tone_phone
from tests.sip.peers.tones import OURS

PACKETS = 20
"""0.4 seconds."""


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


async def test_we_call_sipp_which_echoes(tmp_path: Path) -> None:
    sipp, port, media = program("sipp"), free_port(), free_port()
    command = [sipp, "-sn", "uas", "-i", "127.0.0.1", "-p", str(port), "-mp", str(media // 2 * 2), "-rtp_echo"]
    async with running(*command, "-nostdin", folder=tmp_path), tone_phone("PCMU") as alice:
        line = await alice.dial(f"sip:bob@127.0.0.1:{port}")
        await line.until_heard(OURS)
        line.hang_up()
