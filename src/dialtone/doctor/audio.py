"""Does audio come back, or will calls be heard on one side only?"""

import asyncio
import contextlib
import ipaddress
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

from dialtone.doctor.finding import Finding, failed, ok, warning
from dialtone.media.rtp.ports import NoPortsError, PortPool
from dialtone.sip.errors import TransportError
from dialtone.sip.flow import SocketAddress
from dialtone.sip.stun import MappedAddressQuery
from dialtone.sip.user_agent import UserAgent

WHAT = "audio"
LOOP_SECONDS = 0.5
PACKETS = 3
_PUBLIC = "DIALTONE_SIP_PUBLIC_ADDRESS"
_FIREWALL = "Let the firewall pass UDP to the ports of DIALTONE_RTP_PORTS."


@dataclass(frozen=True, slots=True)
class Seen:
    """Where the server asks for the audio of calls with somebody."""

    address: str
    warning: Finding | None


def address_for(agent: UserAgent, what: str, host: str) -> Seen | None:
    """For a trunk whose server has this IP address; None where no way leads there."""
    try:
        address = agent.address_for(host)
    except TransportError:
        return None
    if ipaddress.ip_address(address).is_global or not ipaddress.ip_address(host).is_global:
        return Seen(address, None)
    words = f"Audio is asked for at {address}, which {host} can't reach: callers would not be heard."
    return Seen(address, warning(what, words, f"Set {_PUBLIC} to the address that the Internet sees this machine by."))


async def examine(pool: PortPool, bound: str, address: str) -> Finding:
    """Send audio to one of our addresses, as those outside would. `bound`: where it is received."""
    what = f"{WHAT} at {address}"
    packet = b"\x80\x7f" + secrets.token_bytes(10)  # RTP without content, of no codec
    arrived = asyncio.Event()

    def take(data: bytes) -> None:
        if data == packet:
            arrived.set()

    try:
        async with _port(pool, bound) as port:
            port.take = take
            for _ in range(PACKETS):
                port.send(packet, (address, port.number))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOP_SECONDS):
                    await arrived.wait()
    except (NoPortsError, OSError) as problem:
        return failed(what, f"No port for audio can be had: {problem}.", "Choose another range: DIALTONE_RTP_PORTS.")
    if arrived.is_set():
        return ok(what, f"It arrives (UDP port {port.number}).")
    if is_own(address):
        return failed(what, f"It does not arrive at UDP port {port.number}.", _FIREWALL)
    words = f"What is sent to UDP port {port.number} from this machine does not come back."
    fix = f"Many routers don't send back what comes from inside; else: forward DIALTONE_RTP_PORTS to it. {_FIREWALL}"
    return warning(what, words, fix)


async def public_address(
    agent: UserAgent, pool: PortPool, bound: str, server: SocketAddress, patience: float
) -> Finding:
    """Is what we say of our address what a STUN server outside sees? `bound`: where audio is received."""
    what = "public address"
    mapped: SocketAddress | None = None
    try:
        named = agent.address_for(server[0])
        async with _port(pool, bound) as port:
            query = MappedAddressQuery(lambda data: port.send(data, server))
            port.take = query.receive
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    mapped = await query.answer()
    except (TransportError, NoPortsError, OSError) as problem:
        return failed(what, f"The STUN server can't be asked: {problem}.", "See the other findings.")
    if mapped is None:
        words = f"The STUN server {server[0]} port {server[1]} does not answer a port for audio."
        return warning(what, words, f"Compare DIALTONE_SIP_STUN. {_FIREWALL} What goes out over UDP must pass, too.")
    if mapped[0] != named:
        return failed(what, f"{named} is named to others, who see {mapped[0]}.", f"Set {_PUBLIC}={mapped[0]}.")
    if mapped[1] != port.number:
        words = f"{named} is right, but the router changes ports: {port.number} is seen as {mapped[1]}."
        return warning(what, words, "Forward the ports of DIALTONE_RTP_PORTS to this machine, unchanged.")
    return ok(what, f"{named} is what others see, and ports stay as they are.")


class _Port(asyncio.DatagramProtocol):
    """A port for audio."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.take: Callable[[bytes], None] | None = None
        """Gets what comes in."""
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        if self.take is not None:
            self.take(data)

    def send(self, data: bytes, destination: SocketAddress) -> None:
        if self._transport is not None:
            self._transport.sendto(data, destination)


@asynccontextmanager
async def _port(pool: PortPool, bound: str) -> AsyncIterator[_Port]:
    """A free port. Raises `NoPortsError` or `OSError`."""
    free = pool.bind(bound)
    free.close()
    made = asyncio.get_running_loop().create_datagram_endpoint(lambda: _Port(free.port), (bound, free.port))
    transport, port = await made
    try:
        yield port
    finally:
        transport.close()


def is_own(address: str) -> bool:
    """Whether it is this machine's, or all of them."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True
