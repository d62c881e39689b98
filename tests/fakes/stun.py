"""A STUN server (RFC 5389) that sees addresses and ports as it is told to."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Address

COOKIE = 0x2112A442


class FakeStun(asyncio.DatagramProtocol):
    def __init__(self, address: str | None, port_offset: int) -> None:
        self.seen_as = address
        """In place of the real address; None: that."""
        self._port_offset = port_offset
        self._transport: asyncio.DatagramTransport | None = None
        self.address = ""
        """Host and port."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self.address = "{}:{}".format(*transport.get_extra_info("sockname")[:2])

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        host, port = self.seen_as or addr[0], addr[1] + self._port_offset
        value = struct.pack("!BBHI", 0, 1, port ^ COOKIE >> 16, int(IPv4Address(host)) ^ COOKIE)
        assert self._transport is not None
        head = struct.pack("!HHI", 0x0101, 12, COOKIE) + data[8:20]
        self._transport.sendto(head + struct.pack("!HH", 0x0020, 8) + value, addr)


@asynccontextmanager
async def fake_stun(address: str | None = None, port_offset: int = 0) -> AsyncIterator[FakeStun]:
    """`address`: which it sees in place of the real one; `port_offset`: by how much it sees ports changed."""
    loop = asyncio.get_running_loop()
    transport, made = await loop.create_datagram_endpoint(
        lambda: FakeStun(address, port_offset), local_addr=("127.0.0.1", 0)
    )
    try:
        yield made
    finally:
        transport.close()
