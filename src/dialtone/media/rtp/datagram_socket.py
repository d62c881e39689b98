"""A UDP socket that is emptied at each tick of the media clock, instead of waking the event loop for every packet.

When a packet arrived is then for the kernel to say: Linux stamps each one (`SO_TIMESTAMPNS`), untouched by how late the
loop is. Elsewhere the moment of reading stands for it.
"""

import socket
import struct
import sys
import time
from typing import Protocol

Address = tuple[str, int]
Datagram = tuple[bytes, Address, float]
"""Content, source, and when it arrived, in seconds of the event loop."""

RECEIVE_BUFFER_BYTES = 32768
"""Of the kernel: about 80 packets of speech, so that a flood neither keeps memory nor puts old packets before new
ones."""
SERVICE_CLASS = 46 << 2
"""Expedited forwarding (RFC 3246): routers that heed it let speech go first."""
MAX_AGE_SECONDS = 10.0
MAX_STALE_SECONDS = 0.25
"""uvloop's time is that of the loop's turn, in whole milliseconds; a packet's jitter is a matter of less. So the clock
behind it is asked, unless the loop is further from that: then it counts a time of its own.
"""

_STAMPED = sys.platform == "linux" and struct.calcsize("l") == 8
_SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("ll")
_ANCILLARY_BYTES = socket.CMSG_SPACE(_TIMESPEC.size)


class Datagrams(Protocol):
    """What a session needs of a socket."""

    @property
    def address(self) -> Address:
        """Where it is bound."""

    def receive(self, now: float) -> Datagram | None:
        """The next datagram that came until now, `loop.time()`; None if there is none. Raises nothing."""

    def send(self, data: bytes, destination: Address) -> bool:
        """Send, or drop where that is not possible at once (False)."""

    def close(self) -> None:
        """Idempotent."""


class DatagramSocket:
    """A bound, unconnected UDP socket."""

    def __init__(self, sock: socket.socket, buffer: bytearray) -> None:
        """`buffer` is where datagrams arrive, of more than `MAX_PACKET_BYTES`; sockets of one event loop share it."""
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, SERVICE_CLASS)
        else:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, SERVICE_CLASS)
        if _STAMPED:
            sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket = sock
        self._address: Address = sock.getsockname()[:2]
        self._buffers = (buffer,)
        self._view = memoryview(buffer)
        self._receive = sock.recvmsg_into
        self._send = sock.sendto

    @property
    def address(self) -> Address:
        """See `Datagrams.address`."""
        return self._address

    def receive(self, now: float) -> Datagram | None:
        """See `Datagrams.receive`. One that is longer than any packet comes cut, too long still to be taken for one."""
        try:
            # Into a buffer that is there: memory for the longest packet would be made, and cut, for every short one.
            size, ancillary, _, source = self._receive(self._buffers, _ANCILLARY_BYTES)
        except OSError:  # nothing there, or what an earlier packet of ours met on its way (ICMP)
            return None
        data = bytes(self._view[:size])
        if ancillary and len(ancillary[0][2]) == _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2])
            age = time.time() - seconds - nanoseconds * 1e-9  # the clock of those stamps
            if 0 < age < MAX_AGE_SECONDS:  # else that clock was set meanwhile
                moment = time.monotonic()
                return data, source[:2], (moment if 0 < moment - now < MAX_STALE_SECONDS else now) - age
        return data, source[:2], now

    def send(self, data: bytes, destination: Address) -> bool:
        """See `Datagrams.send`."""
        try:
            self._send(data, destination)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """See `Datagrams.close`."""
        self._socket.close()
