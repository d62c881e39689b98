"""Somebody who can be called for a caller: a second leg whose far end does what the test says, in virtual time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from dialtone.lines.base import Line, LineEvent, LineHandler, TransferError
from dialtone.lines.outbound import DialError
from dialtone.media.audio import MULAW_8K, AudioFormat

DESK = "+31207654321"
OWN_TIME = 1000.0
"""What somebody at the desk says at second 5 after the answer stands in the script at `OWN_TIME` + 5."""
VOICE = b"\x20" * 156


@dataclass
class Desk:
    """Both the `SecondLegs` of a call and the line to whoever answers."""

    rings: float = 2.0
    problem: DialError | None = None
    presses: Sequence[tuple[float, str]] = ()
    """Seconds since the answer, and keys."""
    hangs_up_at: float | None = None
    audio: AudioFormat = MULAW_8K
    possible: bool = True
    can_transfer: bool = False
    can_send_dtmf: bool = True
    ticked: None = None
    dialled: list[tuple[float, str]] = field(default_factory=list)
    given_up: bool = False
    """Before anybody answered."""
    answered_at: float | None = None
    closed_at: float | None = None
    sent: list[bytes] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    handler: LineHandler | None = None

    @asynccontextmanager
    async def reach(self, destination: str, on_note: Callable[[str], None]) -> AsyncIterator[Line]:
        loop = asyncio.get_running_loop()
        self.dialled.append((loop.time(), destination))
        try:
            await asyncio.sleep(self.rings)
        except asyncio.CancelledError:
            self.given_up = True
            raise
        if self.problem is not None:
            raise self.problem
        self.answered_at = loop.time()
        person = loop.create_task(self._live())
        try:
            yield self
        finally:
            await self.close("")
            person.cancel()
            await asyncio.gather(person, return_exceptions=True)

    # The line

    def attach(self, handler: LineHandler) -> None:
        self.handler = handler

    def send_audio(self, frame: bytes) -> None:
        assert len(frame) == self.audio.frame_bytes
        assert self.closed_at is None
        self.sent.append(frame)

    def send_mark(self, name: str) -> None:
        """Nobody listens."""

    def send_dtmf(self, key: str) -> None:
        self.keys.append(key)

    def clear_audio(self) -> None:
        """Nothing waits."""

    def publish(self, event: LineEvent) -> None:
        """Nobody sees it."""

    async def transfer(self, destination: str) -> None:
        raise TransferError("nobody does this", refused=True)

    async def connect(self, other: Line) -> None:
        raise TransferError("nobody does this", refused=True)

    async def close(self, end_reason: str) -> None:
        if self.closed_at is None:
            self.closed_at = asyncio.get_running_loop().time()
            if self.handler is not None:
                self.handler.on_note("audio: of the desk")
            self.handler = None

    # The person

    async def _live(self) -> None:
        loop = asyncio.get_running_loop()
        start, position = loop.time(), 0
        for at, key in self.presses:
            loop.call_at(start + at, self._tell, lambda handler, key=key: handler.on_dtmf(key))
        while self.hangs_up_at is None or position < self.hangs_up_at * 8000:
            await asyncio.sleep(start + (position + 160) / 8000 - loop.time())
            frame = (round(OWN_TIME * 8000) + position).to_bytes(4, "big") + VOICE
            self._tell(lambda handler, frame=frame: handler.on_audio(frame))
            position += 160
        self._tell(lambda handler: handler.on_closed("The far end hung up.", failed=False))

    def _tell(self, what: Callable[[LineHandler], None]) -> None:
        if self.handler is not None:
            what(self.handler)
