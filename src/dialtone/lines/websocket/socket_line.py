"""What every line over a WebSocket has in common: the socket's life, and an owner who may come later than the audio.

Audio takes the straight way: a frame calls `LineHandler.on_audio`, `send_audio` writes to the socket. No queue and no
task lies between, so a frame costs a few microseconds each way.
"""

import asyncio
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from typing import cast

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from dialtone.lines.base import LineHandler
from dialtone.lines.websocket.limits import Limits
from dialtone.media.audio import AudioFormat

BINARY = WSMsgType.BINARY
TEXT = WSMsgType.TEXT
_CONTINUATION = WSMsgType.CONTINUATION
_CLOSE = WSMsgType.CLOSE

CLOSE_NORMAL = 1000
CLOSE_BAD_MESSAGES = 4400
CLOSE_NOT_ADMITTED = 4401
CLOSE_GONE = 4408
CLOSE_TOO_FAST = 4429
CLOSE_NOT_READING = 4430
CLOSE_BUSY = 4503

_EARLY_EVENTS = 32
_CLOSE_REASON_BYTES = 123
"""RFC 6455 section 5.5: a control frame holds at most 125 bytes, two of them the code."""


class SocketLine(WSListener):
    """A subclass knows what the messages mean."""

    far_end = "client"
    """Who is at the other end, in words for the call's record."""

    def __init__(self, audio: AudioFormat, limits: Limits) -> None:
        self._audio = audio
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._transport: WSTransport | None = None
        self._handler: LineHandler | None = None
        self._early_audio: deque[bytes] = deque()
        self._early_bytes = 0
        self._early_events: list[Callable[[LineHandler], None]] = []
        self._closed_early: tuple[str, bool] | None = None
        self._told = False
        """The owner knows that the line is closed, or closed it himself."""
        self._ended = False
        """Nothing more goes to the far end: the close frame is sent, or the socket is gone."""
        self._disconnected = asyncio.Event()
        self._fragments = bytearray()
        self._fragments_type: WSMsgType | None = None
        self._heard_anything = True
        self._silent_checks = 0
        self._timers: dict[str, asyncio.TimerHandle] = {}

    # What a subclass says

    @abstractmethod
    def _opened(self) -> None:
        """The socket is open; no frame came yet."""

    @abstractmethod
    def _take_binary(self, payload: bytes) -> None: ...

    @abstractmethod
    def _take_text(self, payload: bytes) -> None: ...

    @abstractmethod
    def _bad(self, code: str, message: str) -> None:
        """A message that breaks a rule; the line may go on."""

    @abstractmethod
    def fail(self, code: str, message: str, close_code: int, *, end_reason: str = "error") -> None:
        """End the line from our side, in words for both ends."""

    def _last_word(self, end_reason: str) -> None:
        """Send what goes before the close frame."""

    # What the owner calls

    @property
    def audio(self) -> AudioFormat:
        return self._audio

    @property
    def ticked(self) -> None:
        """Audio arrives when it does."""

    def attach(self, handler: LineHandler) -> None:
        """See `Line.attach`. A line that was closed meanwhile tells so on the loop's next turn."""
        early_audio, self._early_audio = self._early_audio, deque()
        early_events, self._early_events = self._early_events, []
        self._handler = handler
        for audio in early_audio:
            handler.on_audio(audio)
        for tell in early_events:
            tell(handler)
        if self._closed_early is not None:
            reason, failed = self._closed_early
            self._handler = None
            self._loop.call_soon(
                lambda: None if self._closed_early is None else handler.on_closed(reason, failed=failed)
            )

    async def close(self, end_reason: str) -> None:
        """See `Line.close`. Returns when the socket is gone, at the latest after `Limits.closing_seconds`."""
        self._told = True
        self._handler = None
        self._closed_early = None
        self._end(end_reason, CLOSE_NORMAL, end_reason)
        await self._disconnected.wait()

    async def wait_disconnected(self) -> None:
        """Until the socket is gone."""
        await self._disconnected.wait()

    # What the socket calls

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        high = int(self._audio.bytes_per_second * self._limits.stalled_buffer_seconds)
        transport.underlying_transport.set_write_buffer_limits(high=high)
        self._watch()
        self._opened()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self._heard_anything = True
        if self._ended:
            if frame.msg_type == _CLOSE:
                transport.disconnect()
        elif frame.msg_type == BINARY and frame.fin:
            self._take_binary(frame.get_payload_as_bytes())
        elif frame.msg_type == TEXT and frame.fin:
            self._take_text(frame.get_payload_as_bytes())
        elif frame.msg_type == _CLOSE:
            self._peer_closed(transport)
        elif frame.msg_type in (BINARY, TEXT, _CONTINUATION):
            self._take_fragment(frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        ended = self._ended
        self._ended = True
        self._transport = None
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._disconnected.set()
        if not ended:
            self._closed(_why_closed(transport) or f"The {self.far_end}'s connection was lost.", failed=True)

    def pause_writing(self) -> None:
        self._after("stalled", self._limits.stalled_seconds, self._not_reading)

    def resume_writing(self) -> None:
        if timer := self._timers.pop("stalled", None):
            timer.cancel()

    def _take_fragment(self, frame: WSFrame) -> None:
        """RFC 6455 section 5.4: a message in pieces. Browsers send small messages whole, so this is rare."""
        if frame.msg_type != _CONTINUATION:
            self._fragments_type = frame.msg_type
            self._fragments.clear()
        if self._fragments_type is None:
            self._bad("unexpected_continuation", "A continuation frame came without a message to continue.")
            return
        self._fragments += frame.get_payload_as_memoryview()
        if len(self._fragments) > self._limits.frame_bytes:
            self.fail(
                "message_too_big", f"A message may hold at most {self._limits.frame_bytes} bytes.", CLOSE_BAD_MESSAGES
            )
        elif frame.fin:
            kind, payload = self._fragments_type, bytes(self._fragments)
            self._fragments_type = None
            self._fragments.clear()
            if kind == BINARY:
                self._take_binary(payload)
            else:
                self._take_text(payload)

    # For the owner, or for whoever will be

    def _hear(self, audio: bytes) -> None:
        """Audio of the far end."""
        if (handler := self._handler) is not None:
            handler.on_audio(audio)
        elif not self._told:
            self._keep_early(audio)

    def _keep_early(self, audio: bytes) -> None:
        self._early_audio.append(audio)
        self._early_bytes += len(audio)
        most = int(self._audio.bytes_per_second * self._limits.early_audio_seconds)
        while self._early_bytes > most and len(self._early_audio) > 1:
            self._early_bytes -= len(self._early_audio.popleft())

    def _tell(self, tell: Callable[[LineHandler], None]) -> None:
        """What the far end did beside speaking."""
        if self._handler is not None:
            tell(self._handler)
        elif len(self._early_events) < _EARLY_EVENTS:
            self._early_events.append(tell)

    # The end

    def _peer_closed(self, transport: WSTransport) -> None:
        self._ended = True
        broke_protocol = _why_closed(transport)
        transport.send_close(WSCloseCode.OK)
        transport.disconnect()
        self._after("closing", self._limits.closing_seconds, transport.disconnect, False)
        self._closed(broke_protocol or "The caller hung up.", failed=broke_protocol is not None)

    def _not_reading(self) -> None:
        seconds = f"{self._limits.stalled_seconds:g}"
        self.fail(
            "client_not_reading", f"The {self.far_end} has not read its audio for {seconds} s.", CLOSE_NOT_READING
        )

    def _watch(self) -> None:
        """Three times in the idle time: was anything heard since? If not, ask with a ping (RFC 6455 section 5.5.2)."""
        self._silent_checks = 0 if self._heard_anything else self._silent_checks + 1
        self._heard_anything = False
        if self._silent_checks == 3:
            seconds = f"{self._limits.idle_seconds:g}"
            self.fail("client_gone", f"Nothing was heard from the {self.far_end} for {seconds} s.", CLOSE_GONE)
            return
        if self._silent_checks and self._transport is not None:
            self._transport.send_ping()
        self._after("watch", self._limits.idle_seconds / 3, self._watch)

    def _closed(self, reason: str, *, failed: bool) -> None:
        """Tell the owner, once; an owner who attaches later is told then."""
        if self._told:
            return
        self._told = True
        handler, self._handler = self._handler, None
        if handler is None:
            self._closed_early = (reason, failed)
        else:
            handler.on_closed(reason, failed=failed)

    def _end(self, end_reason: str, close_code: int, reason: str) -> None:
        """Send the last word and the close frame; whoever does not finish the handshake in time is cut off."""
        transport = self._transport
        if self._ended or transport is None:
            return
        self._ended = True
        self._last_word(end_reason)
        transport.send_close(
            cast(WSCloseCode, close_code), reason.encode()[:_CLOSE_REASON_BYTES].decode(errors="ignore")
        )
        self._after("closing", self._limits.closing_seconds, transport.disconnect, False)

    def _after(self, name: str, seconds: float, callback: Callable[..., None], *args: object) -> None:
        """Run `callback` later, unless the socket is gone or the timer `name` is set anew by then."""
        if timer := self._timers.get(name):
            timer.cancel()
        self._timers[name] = self._loop.call_later(seconds, callback, *args)


def _why_closed(transport: WSTransport) -> str | None:
    """The reason in words where picows itself has closed the socket, because the far end broke the protocol."""
    handshake = transport.close_handshake
    return None if handshake is None or handshake.sent is None else handshake.sent.reason
