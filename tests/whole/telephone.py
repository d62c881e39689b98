"""A telephone that rings and is picked up: an outbound line without a network, its far end played by the test."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from dialtone.lines.base import AssistantHeard, Line, LineEvent, LineHandler, TransferError
from dialtone.lines.outbound import DialError, DialRequest, Route
from dialtone.media.audio import FRAME_SECONDS, MULAW_8K, AudioFormat
from tests.whole.house import SPEECH


@dataclass
class Telephone:
    """An answered call, seen from both sides: a `Line` for the server, and the person who picked up."""

    audio: AudioFormat = MULAW_8K
    can_transfer: bool = True
    can_send_dtmf: bool = True
    ticked: None = None
    refuses_transfer: str | None = None
    transferred_to: str | None = None
    closed_with: str | None = None
    frames: int = 0
    heard: list[str] = field(default_factory=list)
    """What of the assistant's speech was heard, as the server tells its lines."""
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _handler: LineHandler | None = None
    _speech: bytes = b""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    # The line

    def attach(self, handler: LineHandler) -> None:
        self._handler = handler
        self._spawn(self._talk())

    def send_audio(self, frame: bytes) -> None:
        self.frames += 1

    def send_mark(self, name: str) -> None:
        """Nobody asks for marks."""

    def send_dtmf(self, key: str) -> None:
        """Nobody looks at the keys."""

    def clear_audio(self) -> None:
        """What was sent is played already."""

    def publish(self, event: LineEvent) -> None:
        if isinstance(event, AssistantHeard):
            self.heard.append(event.text)
            self._spawn(self._tell())

    async def transfer(self, destination: str) -> None:
        if self.refuses_transfer is not None:
            raise TransferError(self.refuses_transfer)
        self.transferred_to = destination

    async def connect(self, other: Line) -> None:
        raise TransferError("nobody connects this line with another", refused=True)

    async def close(self, end_reason: str) -> None:
        self.closed_with = self.closed_with or end_reason
        self._handler = None
        await self._tell()

    # The person

    def speak(self) -> None:
        """Say the recorded sentence."""
        self._speech = SPEECH

    def hang_up(self) -> None:
        if self._handler is not None:
            self._handler.on_closed("The far end hung up.", failed=False)

    async def until_heard(self, text: str) -> None:
        async with asyncio.timeout(15), self.changed:
            await self.changed.wait_for(lambda: any(text in heard for heard in self.heard))

    async def until_closed(self) -> str:
        async with asyncio.timeout(20), self.changed:
            await self.changed.wait_for(lambda: self.closed_with is not None)
        assert self.closed_with is not None
        return self.closed_with

    async def _talk(self) -> None:
        loop = asyncio.get_running_loop()
        start, count = loop.time(), 0
        while self._handler is not None:
            frame, self._speech = self._speech[:160], self._speech[160:]
            self._handler.on_audio(frame.ljust(160, b"\xff"))
            count += 1
            await asyncio.sleep(start + count * FRAME_SECONDS - loop.time())

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    def _spawn(self, work: object) -> None:
        task = asyncio.ensure_future(work)  # type: ignore[call-overload]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@dataclass
class Exchange:
    """Dials `telephone`, or fails with `problem`."""

    telephone: Telephone = field(default_factory=Telephone)
    problem: DialError | None = None
    dialled: list[DialRequest] = field(default_factory=list)
    rings_until: Callable[[], Awaitable[None]] | None = None

    def can_dial(self, route: Route) -> bool:
        return True

    async def dial(self, request: DialRequest, on_ringing: Callable[[], None]) -> Telephone:
        self.dialled.append(request)
        on_ringing()
        if self.rings_until is not None:
            await self.rings_until()
        if self.problem is not None:
            raise self.problem
        return self.telephone
