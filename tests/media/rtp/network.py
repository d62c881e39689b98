"""A network that loses, delays, reorders and repeats, as a pure function; and the two ends of it."""

import random
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from dialtone.media.clock import MediaClock
from dialtone.media.rtp.packet import build
from dialtone.media.rtp.parameters import RtpParameters
from dialtone.media.rtp.ports import MediaPorts
from dialtone.media.rtp.session import RtpSession

CALLER = ("192.0.2.10", 4000)
HERE = ("192.0.2.1", 20000)
FRAME = 160


@dataclass(frozen=True)
class Impairment:
    """What happens to packets on their way."""

    loss: float = 0.0
    """Share of packets, each on its own."""
    jitter: float = 0.0
    """Seconds; each packet is late by up to so much, evenly spread. Packets may overtake one another."""
    duplication: float = 0.0
    delay: float = 0.030
    drift: float = 0.0
    """How much faster the sender's clock is, e.g. 100e-6."""
    seed: int = 0


def impair(sent: Iterable[tuple[float, bytes]], impairment: Impairment) -> list[tuple[float, bytes]]:
    """When what arrives, of packets with the times they were sent at."""
    sent = list(sent)
    begin = sent[0][0] if sent else 0.0
    chance = random.Random(impairment.seed)
    arrived = []
    for at, packet in sent:
        lost, copies = chance.random() < impairment.loss, 1 + (chance.random() < impairment.duplication)
        for _ in range(copies):
            late = chance.uniform(0, impairment.jitter)
            if not lost:
                arrived.append((begin + (at - begin) / (1 + impairment.drift) + impairment.delay + late, packet))
    return sorted(arrived, key=lambda one: one[0])


def speech_packets(
    audio: bytes, *, start: float = 1000.0, sequence: int = 65500, timestamp: int = 2**32 - 5000, ssrc: int = 7,
    payload_type: int = 0, size: int = FRAME,
) -> list[tuple[float, bytes]]:  # fmt: skip
    """G.711 audio as packets of `size` bytes, and when each is sent. Both numbers wrap soon, unless told otherwise."""
    packets = []
    for index, at in enumerate(range(0, len(audio) - size + 1, size)):
        packet = build(
            payload_type, (sequence + index) % 65536, (timestamp + at) % 2**32, ssrc, audio[at : at + size],
            marker=index == 0,
        )  # fmt: skip
        packets.append((start + (at + size) / 8000, packet))
    return packets


class FakeSocket:
    """Datagrams that arrive at their times; keeps what was sent."""

    def __init__(self, arriving: Iterable[tuple[float, bytes]] = (), source: tuple[str, int] = CALLER) -> None:
        self.address = HERE
        self.arriving = deque((at, packet, source) for at, packet in arriving)
        self.sent: list[tuple[bytes, tuple[str, int]]] = []
        self.closed = False

    def add(self, packet: bytes, at: float, source: tuple[str, int] = CALLER) -> None:
        self.arriving.append((at, packet, source))

    def receive(self, now: float) -> tuple[bytes, tuple[str, int], float] | None:
        if self.arriving and self.arriving[0][0] <= now:
            at, packet, source = self.arriving.popleft()
            return packet, source, at
        return None

    def send(self, data: bytes, destination: tuple[str, int]) -> bool:
        self.sent.append((data, destination))
        return True

    def close(self) -> None:
        self.closed = True


class Owner:
    """Keeps what a session tells."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.keys: list[str] = []
        self.timeouts = 0
        self.failures: list[Exception] = []

    @property
    def heard(self) -> bytes:
        return b"".join(self.frames)

    def on_audio(self, frame: bytes) -> None:
        self.frames.append(frame)

    def on_dtmf(self, digit: str) -> None:
        self.keys.append(digit)

    def on_media_timeout(self) -> None:
        self.timeouts += 1

    def on_failed(self, error: Exception) -> None:
        self.failures.append(error)


def parameters(**changes: Any) -> RtpParameters:
    """PCMU with keys as events, unless told otherwise."""
    fields: dict[str, Any] = {
        "remote": CALLER, "codec": "PCMU", "payload_type": 0, "received": {0: "PCMU"},
        "received_event": 101, "sent_event": 101,
    }  # fmt: skip
    return RtpParameters(**(fields | changes))


class Timer:
    def __init__(self, time: "Time", at: float, call: Callable[[], None]) -> None:
        self._time, self.at, self.call = time, at, call

    def cancel(self) -> None:
        self._time.timers.remove(self)


class Time:
    """What the media clock asks of an event loop, in a time that only the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[..., None], *args: object) -> Timer:
        self.timers.append(Timer(self, when, lambda: callback(*args)))
        return self.timers[-1]

    def pass_by(self, seconds: float) -> None:
        end = self.now + seconds
        while due := [timer for timer in self.timers if timer.at <= end]:
            timer = min(due, key=lambda one: one.at)
            self.timers.remove(timer)
            self.now = max(self.now, timer.at)
            timer.call()
        self.now = end


class Speaker:
    """Says audio through a session, frame by frame; None is a frame of silence."""

    def __init__(self, session: RtpSession, say: bytes | list[bytes | None]) -> None:
        size = session.audio.frame_bytes
        frames = say if isinstance(say, list) else [say[at : at + size] for at in range(0, len(say) - size + 1, size)]
        self._session, self._frames = session, iter(frames)

    def tick(self, now: float) -> None:
        frame = next(self._frames, None)
        if frame is not None:
            self._session.send_audio(frame)


class End:
    """A session on fake sockets, ticked by hand."""

    def __init__(self, time: Time, agreed: RtpParameters | None = None, **options: Any) -> None:
        self.time = time
        self.rtp, self.rtcp = FakeSocket(), FakeSocket()
        self.given_back = 0
        self.owner = Owner()
        self.clock = MediaClock()
        ports = MediaPorts(self.rtp, self.rtcp, self._give_back)
        self.session = RtpSession(ports, self.clock, agreed or parameters(), **options)
        self.session.start(self.owner)

    def _give_back(self) -> None:
        self.given_back += 1

    def run(self, seconds: float, say: bytes | list[bytes | None] = b"", *, before: RtpSession | None = None) -> None:
        """Let the media clock go on; the assistant says `say`, in the rhythm of `before`."""
        speaker = Speaker(self.session, say)
        if say:
            self.clock.add(speaker, before=before)
        self.time.pass_by(seconds)
        self.clock.remove(speaker)
