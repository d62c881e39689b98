"""One caller on a WebSocket: raw audio in binary messages, everything else in small JSON messages.

Audio takes the straight way: a binary frame calls `LineHandler.on_audio`, `send_audio` writes to the socket. No
queue and no task lies between, so a frame costs a few microseconds each way.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from dialtone.lines.base import Line, LineEvent, LineHandler, TransferError
from dialtone.lines.websocket import messages
from dialtone.lines.websocket.limits import Limits
from dialtone.lines.websocket.pace import Pace
from dialtone.media.audio import AudioFormat

_BINARY = WSMsgType.BINARY
_TEXT = WSMsgType.TEXT
_CONTINUATION = WSMsgType.CONTINUATION
_CLOSE = WSMsgType.CLOSE

CLOSE_NORMAL = 1000
CLOSE_BAD_MESSAGES = 4400
CLOSE_NOT_ADMITTED = 4401
CLOSE_GONE = 4408
CLOSE_TOO_FAST = 4429
CLOSE_NOT_READING = 4430
CLOSE_BUSY = 4503

_EARLY_MESSAGES = 32
_CLOSE_REASON_BYTES = 123
"""RFC 6455 section 5.5: a control frame holds at most 125 bytes, two of them the code."""


class WebSocketLine(WSListener):
    """A `Line` over one WebSocket. `on_open` is called once the socket is open, before any frame."""

    def __init__(self, audio: AudioFormat, limits: Limits, on_open: Callable[["WebSocketLine"], None]) -> None:
        self._audio = audio
        self._limits = limits
        self._on_open = on_open
        self._loop = asyncio.get_running_loop()
        self._transport: WSTransport | None = None
        self._handler: LineHandler | None = None
        self._early_audio: deque[bytes] = deque()
        self._early_bytes = 0
        self._early_messages: list[messages.ClientMessage] = []
        self._closed_early: tuple[str, bool] | None = None
        self._told = False
        """The owner knows that the line is closed, or closed it himself."""
        self._ended = False
        """Nothing more goes to the client: the close frame is sent, or the socket is gone."""
        self._disconnected = asyncio.Event()
        self._pace = Pace(audio, limits, self._loop.time)
        self._odd_mask = audio.sample_bytes - 1
        self._largest_audio = int(audio.bytes_per_second * limits.audio_frame_seconds)
        self._fragments = bytearray()
        self._fragments_type: WSMsgType | None = None
        self._bad_messages = 0
        self._heard_anything = True
        self._silent_checks = 0
        self._timers: dict[str, asyncio.TimerHandle] = {}

    # What the owner calls

    @property
    def audio(self) -> AudioFormat:
        return self._audio

    @property
    def can_transfer(self) -> bool:
        return False

    @property
    def can_send_dtmf(self) -> bool:
        return False

    def attach(self, handler: LineHandler) -> None:
        """See `Line.attach`. A line that was closed meanwhile tells so on the loop's next turn."""
        early_audio, self._early_audio = self._early_audio, deque()
        early_messages, self._early_messages = self._early_messages, []
        self._handler = handler
        for audio in early_audio:
            handler.on_audio(audio)
        for message in early_messages:
            self._take(message)
        if self._closed_early is not None:
            reason, failed = self._closed_early
            self._handler = None
            self._loop.call_soon(
                lambda: None if self._closed_early is None else handler.on_closed(reason, failed=failed)
            )

    def send_audio(self, frame: bytes) -> None:
        """See `Line.send_audio`."""
        if (transport := self._transport) is not None:
            transport.send(_BINARY, frame)

    def send_mark(self, name: str) -> None:
        """See `Line.send_mark`."""
        self.send_text(messages.mark(name))

    def send_dtmf(self, key: str) -> None:
        """See `Line.send_dtmf`. A browser has nobody to press keys for."""

    def clear_audio(self) -> None:
        """See `Line.clear_audio`."""
        self.send_text(messages.CLEAR)

    def publish(self, event: LineEvent) -> None:
        """See `Line.publish`."""
        self.send_text(messages.event(event))

    async def transfer(self, destination: str) -> None:
        """See `Line.transfer`. Nobody else can be reached through a client's socket."""
        raise TransferError("a web call has nobody who could hand it over", refused=True)

    async def connect(self, other: Line) -> None:
        """See `Line.connect`."""
        raise TransferError("a web call has nobody who could hand it over", refused=True)

    async def close(self, end_reason: str) -> None:
        """See `Line.close`. Returns when the socket is gone, at the latest after `Limits.closing_seconds`."""
        self._told = True
        self._handler = None
        self._closed_early = None
        self._end(end_reason, CLOSE_NORMAL, end_reason)
        await self._disconnected.wait()

    # What the door calls

    def send_text(self, text: bytes) -> None:
        """Send a JSON message; without effect once the line has ended."""
        if (transport := self._transport) is not None:
            transport.send(_TEXT, text)

    def fail(self, code: str, message: str, close_code: int, *, end_reason: str = "error") -> None:
        """End the line from our side, in words for both ends."""
        if self._ended:
            return
        self.send_text(messages.error(code, message, fatal=True))
        self._end(end_reason, close_code, message)
        self._closed(message, failed=True)

    async def wait_disconnected(self) -> None:
        """Until the socket is gone."""
        await self._disconnected.wait()

    # What the socket calls

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        high = int(self._audio.bytes_per_second * self._limits.stalled_buffer_seconds)
        transport.underlying_transport.set_write_buffer_limits(high=high)
        self._watch()
        self._on_open(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self._heard_anything = True
        if self._ended:
            if frame.msg_type == _CLOSE:
                transport.disconnect()
        elif frame.msg_type == _BINARY and frame.fin:
            self._take_audio(frame.get_payload_as_bytes())
        elif frame.msg_type == _TEXT and frame.fin:
            self._take_text(frame.get_payload_as_bytes())
        elif frame.msg_type == _CLOSE:
            self._peer_closed(transport)
        elif frame.msg_type in (_BINARY, _TEXT, _CONTINUATION):
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
            self._closed(_why_closed(transport) or "The client's connection was lost.", failed=True)

    def pause_writing(self) -> None:
        self._after("stalled", self._limits.stalled_seconds, self._not_reading)

    def resume_writing(self) -> None:
        if timer := self._timers.pop("stalled", None):
            timer.cancel()

    # Audio and messages of the client

    def _take_audio(self, audio: bytes) -> None:
        size = len(audio)
        if size & self._odd_mask or size > self._largest_audio:
            self._refuse_audio(size)
        elif not self._pace.take(size):
            ahead = f"{self._limits.ahead_seconds:g}"
            self.fail(
                "audio_too_fast",
                f"Audio must arrive at the pace of speech: more than {ahead} s ahead of real time.",
                CLOSE_TOO_FAST,
            )
        elif (handler := self._handler) is not None:
            handler.on_audio(audio)
        elif not self._told:
            self._keep_early(audio)

    def _refuse_audio(self, size: int) -> None:
        if size > self._largest_audio:
            seconds = f"{self._limits.audio_frame_seconds:g}"
            self._bad(
                "audio_too_long",
                f"A binary message may hold at most {seconds} s of audio, {self._largest_audio} bytes (got {size}).",
            )
        else:
            self._bad("odd_audio", f"pcm_s16le needs whole samples of two bytes (got {size} bytes).")

    def _keep_early(self, audio: bytes) -> None:
        self._early_audio.append(audio)
        self._early_bytes += len(audio)
        most = int(self._audio.bytes_per_second * self._limits.early_audio_seconds)
        while self._early_bytes > most and len(self._early_audio) > 1:
            self._early_bytes -= len(self._early_audio.popleft())

    def _take_text(self, payload: bytes) -> None:
        if not self._pace.take_text():
            most = self._limits.texts_per_second
            self.fail("too_many_messages", f"At most {most} text messages a second are taken.", CLOSE_TOO_FAST)
            return
        if len(payload) > self._limits.text_bytes:
            self._bad(
                "text_too_long",
                f"A text message may hold at most {self._limits.text_bytes} bytes (got {len(payload)}).",
            )
            return
        try:
            self._take(messages.parse(payload.decode()))
        except UnicodeDecodeError:
            self._bad("invalid_json", "A text message must be UTF-8.")
        except messages.BadMessageError as problem:
            self._bad(problem.code, str(problem))

    def _take(self, message: messages.ClientMessage) -> None:
        handler = self._handler
        if isinstance(message, messages.Ping):
            self.send_text(messages.PONG)
        elif isinstance(message, messages.HangUp):
            self._hang_up()
        elif handler is None:
            if len(self._early_messages) < _EARLY_MESSAGES:
                self._early_messages.append(message)
        elif isinstance(message, messages.Dtmf):
            handler.on_dtmf(message.digit)
        else:
            handler.on_mark(message.name)

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
            if kind == _BINARY:
                self._take_audio(payload)
            else:
                self._take_text(payload)

    def _bad(self, code: str, message: str) -> None:
        self._bad_messages += 1
        if self._bad_messages > self._limits.bad_messages:
            self.fail(code, f"Too many bad messages, the last: {message}", CLOSE_BAD_MESSAGES)
        else:
            self.send_text(messages.error(code, message, fatal=False))

    # The end

    def _hang_up(self) -> None:
        """The owner ends the call and then closes the line, which sends `end`; a slow owner is not waited for."""
        self._after("hang_up", self._limits.hang_up_seconds, self._end, "user_hangup", CLOSE_NORMAL, "user_hangup")
        self._closed("The caller hung up.", failed=False)

    def _peer_closed(self, transport: WSTransport) -> None:
        self._ended = True
        broke_protocol = _why_closed(transport)
        transport.send_close(WSCloseCode.OK)
        transport.disconnect()
        self._after("closing", self._limits.closing_seconds, transport.disconnect, False)
        self._closed(broke_protocol or "The caller hung up.", failed=broke_protocol is not None)

    def _not_reading(self) -> None:
        seconds = f"{self._limits.stalled_seconds:g}"
        self.fail("client_not_reading", f"The client has not read its audio for {seconds} s.", CLOSE_NOT_READING)

    def _watch(self) -> None:
        """Three times in the idle time: was anything heard since? If not, ask with a ping (RFC 6455 section 5.5.2)."""
        self._silent_checks = 0 if self._heard_anything else self._silent_checks + 1
        self._heard_anything = False
        if self._silent_checks == 3:
            seconds = f"{self._limits.idle_seconds:g}"
            self.fail("client_gone", f"Nothing was heard from the client for {seconds} s.", CLOSE_GONE)
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
        """Send `end` and the close frame; whoever does not finish the handshake in time is cut off."""
        transport = self._transport
        if self._ended or transport is None:
            return
        self._ended = True
        self.send_text(messages.end(end_reason))
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
    """The reason in words where picows itself has closed the socket, because the client broke the protocol."""
    handshake = transport.close_handshake
    return None if handshake is None or handshake.sent is None else handshake.sent.reason
