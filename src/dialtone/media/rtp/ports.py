"""Pairs of UDP ports, even for RTP and the odd one above it for RTCP (RFC 3550 section 11), bound when asked for."""

import errno
import random
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from dialtone.media.rtp.datagram_socket import Datagrams, DatagramSocket
from dialtone.media.rtp.packet import MAX_PACKET_BYTES

MAX_TRIES = 200
"""Pairs tried for one call; each costs about 20 us of the event loop's time."""

DATAGRAMS_KEPT = 128
"""More than the kernel keeps of a socket, so that only a flood could leave any."""


class NoPortsError(Exception):
    """No port is left. `str()` says so in words for the operator."""


@dataclass(slots=True)
class MediaPorts:
    """One call's sockets, already bound."""

    rtp: Datagrams
    rtcp: Datagrams
    _give_back: Callable[[], None]

    @property
    def port(self) -> int:
        """What the SDP answer names."""
        return self.rtp.address[1]

    def discard(self, now: float) -> None:
        """Forget what came until now, `loop.time()`. The kernel keeps the oldest packets and drops the newest: what is
        taken of them later would be old sound, and then a gap.
        """
        for one in (self.rtp, self.rtcp):
            for _ in range(DATAGRAMS_KEPT):
                if one.receive(now) is None:
                    break

    def close(self) -> None:
        """Close both and give the ports back. Idempotent."""
        self.rtp.close()
        self.rtcp.close()
        give_back, self._give_back = self._give_back, _nothing
        give_back()


def _nothing() -> None:
    pass


class PortPool:
    """The ports from `lowest` to `highest`, for all calls of a process. The longest unused come first, so that late
    packets of a call that ended do not meet the next one.
    """

    def __init__(self, lowest: int, highest: int) -> None:
        """Raises `ValueError` for a range without a pair."""
        if not 1024 <= lowest < highest <= 65535:
            raise ValueError(f"media ports must be a range from 1024 to 65535 (got {lowest} to {highest})")
        pairs = list(range(lowest + lowest % 2, highest, 2))
        if not pairs:
            raise ValueError(f"the range {lowest} to {highest} holds no even port with the odd one above it")
        self._range = f"{lowest} to {highest}"
        self._total = len(pairs)
        start = random.randrange(len(pairs))  # two processes on one machine should not try the same ones first
        self._free = deque(pairs[start:] + pairs[:start])
        self._buffer = bytearray(MAX_PACKET_BYTES + 1)

    @property
    def free(self) -> int:
        """Pairs that no call of this process has."""
        return len(self._free)

    def taken(self, host: str) -> int:
        """How many of these pairs other programs have now. Raises `OSError` where the address is not this machine's.

        Tries them all, which takes about 0.2 s for 10,000 ports: for whoever examines a deployment.
        """
        count = 0
        for port in list(self._free):
            try:
                for sock in _bind_pair(host, port, self._buffer):
                    sock.close()
            except OSError as error:
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise
                count += 1
        return count

    def bind(self, host: str) -> MediaPorts:
        """Both sockets on a local address, IPv4 or IPv6. Raises `NoPortsError`; `OSError` where the address is not
        this machine's.
        """
        for _ in range(min(MAX_TRIES, len(self._free))):
            port = self._free.popleft()
            try:
                sockets = _bind_pair(host, port, self._buffer)
            except OSError as error:
                self._free.append(port)
                if error.errno in (errno.EADDRINUSE, errno.EACCES):
                    continue
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    raise NoPortsError("this process may not open more sockets; raise its limit (ulimit -n)") from error
                raise
            return MediaPorts(*sockets, partial(self._free.append, port))
        used = self._total - len(self._free)
        raise NoPortsError(
            f"no media port is free in the range {self._range}: {used} of {self._total} pairs belong to live calls"
            + (", others to other programs" if self._free else "")
        )


def _bind_pair(host: str, port: int, buffer: bytearray) -> tuple[DatagramSocket, DatagramSocket]:
    rtp = _bind(host, port, buffer)
    try:
        return rtp, _bind(host, port + 1, buffer)
    except OSError:
        rtp.close()
        raise


def _bind(host: str, port: int, buffer: bytearray) -> DatagramSocket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.bind((host, port))
        return DatagramSocket(sock, buffer)
    except OSError:
        sock.close()
        raise
