"""A telephone company in small: places calls by SIP over one UDP socket, and carries their audio by RTP.

Written from RFC 3261 and RFC 3550, independent of the code under measurement, and cheap enough to be no bottleneck.
"""

import asyncio
import re
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import cast

from benchmarks.script import FRAME_SAMPLES

CALLER = "+31612345678"
T1_SECONDS = 0.5
INVITES = 5
"""How often an unanswered INVITE is sent: for 15 s."""
PCMU = 0
RTP_HEADER = struct.Struct("!BBHII")
RTP_VERSION = 0x80
RTCP_TYPES = range(192, 224)
"""RFC 5761 section 4. Our ports are any, and beside one may be another call's: its RTCP comes there."""
SILENCE = b"\xff" * FRAME_SAMPLES
MAX_PACKET_BYTES = 2048
RECEIVE_BUFFER_BYTES = 4 * 2**20
COPIED = (b"via", b"from", b"to", b"call-id", b"cseq")
"""What an answer takes from its request (RFC 3261 section 8.2.6.2)."""

_SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("ll")
_ANCILLARY_BYTES = socket.CMSG_SPACE(_TIMESPEC.size)
_MEDIA = re.compile(rb"^m=audio (\d+) ", re.MULTILINE)
_CONTACT = re.compile(rb"^(?:contact|m)[ \t]*:[^<\r\n]*<([^>\r\n]+)>", re.MULTILINE | re.IGNORECASE)

Address = tuple[str, int]


@dataclass(slots=True)
class Packets:
    """What came by RTP, in order of arrival."""

    timestamps: list[int] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)
    """Monotonic seconds, as the kernel stamped them."""


class Audio:
    """One call's RTP socket. `on_voice` is told when a packet arrived that is not silence.

    It is emptied whenever the call sends, after the kernel has stamped what came: a process woken for each packet would
    cost the server, which sends it, time that no network asks of it.
    """

    def __init__(self, host: str, on_voice: Callable[[float], None]) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.bind((host, 0))
        self._on_voice = on_voice
        self._number = 0
        self._source = self.port << 16
        self.packets = Packets()

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def send(self, payload: bytes, destination: Address) -> None:
        """The next 20 ms."""
        self.take()
        number = self._number
        header = RTP_HEADER.pack(RTP_VERSION, PCMU, number & 0xFFFF, number * FRAME_SAMPLES, self._source)
        self._number = number + 1
        self._socket.sendto(header + payload, destination)

    def take(self) -> None:
        """What has come."""
        with suppress(BlockingIOError):
            while True:
                data, ancillary, _, _ = self._socket.recvmsg(MAX_PACKET_BYTES, _ANCILLARY_BYTES)
                if data[1] not in RTCP_TYPES:
                    self._note(data, ancillary)

    def _note(self, data: bytes, ancillary: list[tuple[int, int, bytes]]) -> None:
        seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2])
        arrival = time.monotonic() - (time.time() - seconds - nanoseconds * 1e-9)
        self.packets.timestamps.append(RTP_HEADER.unpack_from(data)[3])
        self.packets.arrivals.append(arrival)
        if data[RTP_HEADER.size :] != SILENCE:
            self._on_voice(arrival)

    def close(self) -> None:
        self._socket.close()


class Call:
    """One call that we place."""

    def __init__(self, trunk: "Trunk", name: str, audio_port: int) -> None:
        self._trunk = trunk
        self._audio_port = audio_port
        self._to = b""
        self._heard_of = False
        self._target = trunk.target
        self.name = name
        self.invited_at = 0.0
        self.answered_at: float | None = None
        self.status = 0
        """The final answer; 0 while there is none."""
        self.media: Address | None = None
        """Where the server wants the audio."""
        self.settled = asyncio.Event()
        """There is a final answer."""
        self.over = asyncio.Event()
        """Refused, or hung up by either side."""

    def invite(self, times: int = INVITES) -> None:
        """Place the call; an INVITE that is not answered is sent so many times."""
        self.invited_at = time.monotonic()
        self._send_invite(times)

    def hang_up(self) -> None:
        if self.status == 200 and not self.over.is_set():
            self._send_bye()

    def _send_invite(self, left: int, wait: float = T1_SECONDS) -> None:
        if self._heard_of:
            return
        self._trunk.send(self._request("INVITE", 1, self._trunk.offer(self._audio_port)))
        if left > 1:
            self._trunk.later(wait, self._send_invite, left - 1, 2 * wait)

    def _send_bye(self, left: int = INVITES, wait: float = T1_SECONDS) -> None:
        if self.over.is_set():
            return
        self._trunk.send(self._request("BYE", 2))
        if left > 1:
            self._trunk.later(wait, self._send_bye, left - 1, 2 * wait)

    def answered(self, method: bytes, status: int, message: bytes, to: bytes) -> None:
        """A response came, at once or again."""
        if method == b"BYE":
            self.over.set()
            return
        self._heard_of = True
        if status < 200:
            return
        self._to = to
        if not self.status:
            self.status, self.answered_at = status, time.monotonic()
            self._note(message)
            self.settled.set()
        self._trunk.send(self._request("ACK", 1))
        if status >= 300:
            self.over.set()

    def _note(self, message: bytes) -> None:
        if self.status != 200:
            return
        contact, media = _CONTACT.search(message), _MEDIA.search(message)
        assert contact is not None
        assert media is not None
        self._target = contact[1].decode()
        self.media = self._trunk.server[0], int(media[1])

    def _request(self, method: str, number: int, body: bytes = b"") -> bytes:
        # The ACK of a refusal belongs to the INVITE's transaction, and so has its branch (RFC 3261 section 17.1.1.3).
        branch = f"{self.name}-{number}{'-ack' if method == 'ACK' and self.status == 200 else ''}"
        return self._trunk.request(method, self._target, (self.name, branch, self._to, number), body)


class Trunk(asyncio.DatagramProtocol):
    """All calls from one address to one number. Make it by `Trunk.open`."""

    def __init__(self, host: str, server: Address, number: str) -> None:
        self.server = server
        self.target = f"sip:{number}@{server[0]}:{server[1]}"
        self._host = host
        self._transport: asyncio.DatagramTransport | None = None
        self._port = 0
        self._calls: dict[bytes, Call] = {}
        self._count = 0
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def open(cls, host: str, server: Address, number: str) -> "Trunk":
        trunk = cls(host, server, number)
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        sock.bind((host, 0))
        await trunk._loop.create_datagram_endpoint(lambda: trunk, sock=sock)
        return trunk

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # uvloop's is one without inheriting from it
        self._port = transport.get_extra_info("sockname")[1]

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def call(self, audio_port: int) -> Call:
        """A call that is not placed yet."""
        self._count += 1
        name = f"{self._port}-{self._count}"
        made = self._calls[name.encode()] = Call(self, name, audio_port)
        return made

    def forget(self, call: Call) -> None:
        self._calls.pop(call.name.encode(), None)

    def send(self, message: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(message, self.server)

    def later(self, seconds: float, action: Callable[[int, float], None], left: int, wait: float) -> None:
        self._loop.call_later(seconds, action, left, wait)

    def offer(self, port: int) -> bytes:
        return (
            f"v=0\r\no=- 1 1 IN IP4 {self._host}\r\ns=-\r\nc=IN IP4 {self._host}\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
            "a=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
        ).encode()

    def request(self, method: str, target: str, dialog: tuple[str, str, bytes, int], body: bytes) -> bytes:
        """`dialog`: call, branch, the To that came back, and the sequence number."""
        name, branch, to, number = dialog
        here = f"{self._host}:{self._port}"
        head = (
            f"{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{branch};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:{CALLER}@{here}>;tag={name}\r\n"
            f"To: {to.decode() or f'<{self.target}>'}\r\nCall-ID: {name}\r\nCSeq: {number} {method}\r\n"
            f"Contact: <sip:carrier@{here}>\r\n"
        )
        if body:
            head += "Content-Type: application/sdp\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def datagram_received(self, data: bytes, addr: Address) -> None:
        lines = data.split(b"\r\n\r\n", 1)[0].split(b"\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        call = self._calls.get(headers.get(b"call-id", b""))
        if call is None:
            return
        if lines[0].startswith(b"SIP/2.0 "):
            method = headers[b"cseq"].split()[1]
            call.answered(method, int(lines[0].split()[1]), data, headers[b"to"])
            return
        copied = [
            line for line in lines if line.split(b":")[0].lower() in (b"via", b"from", b"to", b"call-id", b"cseq")
        ]
        self.send(b"\r\n".join([b"SIP/2.0 200 OK", *copied, b"Content-Length: 0", b"", b""]))
        if lines[0].startswith(b"BYE "):
            call.over.set()
