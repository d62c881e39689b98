"""One call at a carrier: its media stream to the customer's server, and the person on the telephone.

What all carriers' streams have in common: a WebSocket that the carrier opens, the caller's audio in frames of 20 ms,
and audio of the customer's that waits in a queue until it was played, marks in between, which can be cleared.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable

import aiohttp
import numpy as np

from dialtone.media.audio import FRAME_SECONDS, MULAW_8K, AudioFormat
from dialtone.media.convert import decode

LOUD = 500
QUIET_SECONDS = 0.5


class CarrierCall(ABC):
    """A subclass knows the carrier's messages."""

    audio: AudioFormat = MULAW_8K

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._news = asyncio.Event()
        self._speech = b""
        self._waiting: deque[bytes | str] = deque()
        """Audio that is to be played, and names of marks."""
        self.refused_with: int | None = None
        """The status with which the customer's server refused the stream."""
        self.heard = bytearray()
        """What the person heard since the last `forget`, silence included."""
        self.cleared = 0
        self.streamed = asyncio.Event()
        self.stream_over = asyncio.Event()
        """The customer's server closed the stream."""

    # What a carrier's call says and understands

    @abstractmethod
    def greetings(self) -> list[str]:
        """Messages with which a stream begins."""

    @abstractmethod
    def media(self, frame: bytes) -> str | bytes:
        """A frame of the caller's audio."""

    @abstractmethod
    def key(self, digit: str) -> str: ...

    @abstractmethod
    def played(self, mark: str) -> str:
        """Everything before a mark was played."""

    @abstractmethod
    def goodbye(self) -> str | None:
        """The message with which a stream ends."""

    @abstractmethod
    def take(self, message: str | bytes) -> str | None:
        """A message of the customer's server; returns what is answered at once."""

    @abstractmethod
    async def stream_closed(self) -> None:
        """What the carrier does when the customer's server has closed the stream."""

    # The stream

    async def stream(self, url: str) -> None:
        """Open the stream; where the customer's server refuses it there is none."""
        try:
            self._socket = await self._http.ws_connect(url)
        except aiohttp.WSServerHandshakeError as refusal:
            self.refused_with = refusal.status
            self.changed()
            return
        for message in self.greetings():
            await self._socket.send_str(message)
        self._tasks = [asyncio.create_task(self._talk()), asyncio.create_task(self._listen())]
        self.streamed.set()
        self.changed()

    async def end_stream(self) -> None:
        """The call is over, or taken elsewhere."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            if task is not asyncio.current_task():
                task.cancel()
        if self._socket is not None and not self._socket.closed:
            goodbye = self.goodbye()
            if goodbye is not None:
                await self._socket.send_str(goodbye)
            await self._socket.close()

    def play(self, audio: bytes) -> None:
        self._waiting.extend(
            audio[start : start + self.audio.frame_bytes] for start in range(0, len(audio), self.audio.frame_bytes)
        )

    def mark(self, name: str) -> None:
        self._waiting.append(name)

    def clear(self) -> list[str]:
        """Drop what was not played yet; returns the marks in it."""
        marks = [waiting for waiting in self._waiting if isinstance(waiting, str)]
        self._waiting.clear()
        self.cleared += 1
        self.changed()
        return marks

    # The person

    def speak(self, speech: bytes) -> None:
        """Say something, in the stream's format."""
        self._speech = speech

    async def press(self, keys: str) -> None:
        assert self._socket is not None
        for digit in keys:
            await self._socket.send_str(self.key(digit))

    async def send(self, message: str) -> None:
        """Anything at all."""
        assert self._socket is not None
        await self._socket.send_str(message)

    def forget(self) -> None:
        self.heard.clear()

    async def until_heard(self, seconds: float) -> None:
        """Wait until so much was heard that is loud."""
        await self.until(lambda: self.loud_seconds() >= seconds)

    async def until_quiet(self) -> None:
        """Wait until somebody has spoken, and been silent for a while since."""
        newest = int(QUIET_SECONDS * self.audio.bytes_per_second)
        await self.until(lambda: self.loud_seconds() > 0 and self.loud_seconds(newest) == 0)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(15):
            while not condition():
                self._news.clear()
                await self._news.wait()

    def loud_seconds(self, newest: int = 0) -> float:
        """Frames in which somebody speaks, together; of all, or of the `newest` bytes."""
        size = self.audio.sample_rate // 50
        samples = decode(bytes(self.heard[-newest:]), self.audio)
        frames = samples[: len(samples) // size * size].reshape(-1, size)
        return float((np.abs(frames.astype(int)).max(axis=1) > LOUD).sum()) * FRAME_SECONDS

    def changed(self) -> None:
        self._news.set()

    # The media server of the carrier

    async def _talk(self) -> None:
        loop = asyncio.get_running_loop()
        silence = b"\xff" if self.audio.encoding == "mulaw" else b"\0"
        size = self.audio.frame_bytes
        start, count = loop.time(), 0
        while self._socket is not None and not self._socket.closed:
            frame, self._speech = self._speech[:size], self._speech[size:]
            message = self.media(frame.ljust(size, silence))
            try:
                await (
                    self._socket.send_bytes(message) if isinstance(message, bytes) else self._socket.send_str(message)
                )
                await self._play_next(silence * size)
            except ConnectionError:
                return
            count += 1
            await asyncio.sleep(start + count * FRAME_SECONDS - loop.time())

    async def _play_next(self, silence: bytes) -> None:
        """The next 20 ms, and the marks before them."""
        assert self._socket is not None
        frame = silence
        while self._waiting:
            waiting = self._waiting.popleft()
            if isinstance(waiting, bytes):
                frame = waiting
                break
            await self._socket.send_str(self.played(waiting))
        self.heard += frame
        self.changed()

    async def _listen(self) -> None:
        assert self._socket is not None
        async for message in self._socket:
            if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                answer = self.take(message.data)
                if answer is not None:
                    await self._socket.send_str(answer)
                self.changed()
        self.stream_over.set()
        self.changed()
        await self.stream_closed()
