"""One caller on a carrier's media stream: the same line for all carriers."""

import logging
from functools import lru_cache
from typing import Protocol

from picows import WSTransport

from dialtone.lines.base import Line, LineEvent, TransferError
from dialtone.lines.carriers.base import (
    BadStreamMessageError,
    CarrierError,
    Heard,
    Played,
    Pressed,
    Started,
    Stopped,
    Stream,
)
from dialtone.lines.websocket.limits import Limits
from dialtone.lines.websocket.pace import Pace
from dialtone.lines.websocket.socket_line import (
    BINARY,
    CLOSE_BAD_MESSAGES,
    CLOSE_NOT_ADMITTED,
    CLOSE_TOO_FAST,
    TEXT,
    SocketLine,
)
from dialtone.media.audio import FRAME_SECONDS, AudioFormat
from dialtone.media.convert import encode, silence
from dialtone.media.rtp.dtmf_tones import tone

logger = logging.getLogger(__name__)

LIMITS = Limits(text_bytes=64 * 1024)
"""A text may hold two seconds of audio in base64."""
START_SECONDS = 5.0
"""How long a stream may take to say which call it is of."""
KEY_FRAMES = 5
"""A key's tone lasts for 100 ms, the pause behind it as long."""


class Owner(Protocol):
    """The call that a stream is of."""

    def started(self, line: "StreamLine", call: str) -> bool:
        """The stream says that it is of `call`, the carrier's id. Is it?"""

    def left(self) -> None:
        """The socket is gone, or was never used."""

    def hang_up(self) -> None:
        """We end the call."""

    async def hand_over(self, destination: str) -> None:
        """Have the carrier hand the caller over, in bounded time. Raises `CarrierError`."""


class StreamLine(SocketLine):
    """A `Line` over the WebSocket of a media stream."""

    far_end = "carrier"

    def __init__(self, stream: Stream, owner: Owner) -> None:
        super().__init__(stream.audio, LIMITS)
        self._stream = stream
        self._owner = owner
        self._pace = Pace(stream.audio, LIMITS, self._loop.time)
        self._is_started = False
        self._is_transferring = False
        self._left_meanwhile: tuple[str, bool] | None = None
        """How the stream ended during a transfer: who was handed over leaves it as who hangs up does."""
        self._is_gone = False
        """The call is over, or in other hands."""
        self._keys_until = 0.0
        """Until then the far end hears keys, by `loop.time()`."""
        self._bad_messages = 0

    # What the owner calls

    @property
    def can_transfer(self) -> bool:
        return True

    @property
    def can_send_dtmf(self) -> bool:
        return True

    def send_audio(self, frame: bytes) -> None:
        """See `Line.send_audio`."""
        if self._keys_until and self._loop.time() < self._keys_until:
            return
        self._send_media(frame)

    def send_mark(self, name: str) -> None:
        """See `Line.send_mark`."""
        self._send_text(self._stream.mark(name))

    def send_dtmf(self, key: str) -> None:
        """See `Line.send_dtmf`. As a tone: a media stream carries nothing else, and telephone networks keep tones."""
        for frame in key_frames(key, self._audio):
            self._send_media(frame)
        self._keys_until = max(self._loop.time(), self._keys_until) + 2 * KEY_FRAMES * FRAME_SECONDS

    def clear_audio(self) -> None:
        """See `Line.clear_audio`."""
        self._send_text(self._stream.clear())

    def publish(self, event: LineEvent) -> None:
        """See `Line.publish`. A telephone shows nothing."""

    async def transfer(self, destination: str) -> None:
        """See `Line.transfer`: blind, by the carrier."""
        self._is_transferring = True
        try:
            await self._owner.hand_over(destination)
            self._is_gone = True
        except CarrierError as problem:
            raise TransferError("the caller hung up" if self._left_meanwhile else str(problem)) from None
        finally:
            self._is_transferring = False
            if self._left_meanwhile is not None and not self._is_gone:
                reason, failed = self._left_meanwhile
                super()._closed(reason, failed=failed)

    async def connect(self, other: Line) -> None:
        """See `Line.connect`."""
        raise TransferError("a carrier's media stream can't be joined with another line", refused=True)

    async def close(self, end_reason: str) -> None:
        """See `Line.close`."""
        if not self._is_gone:
            self._is_gone = True
            self._owner.hang_up()
        await super().close(end_reason)

    # Messages of the carrier

    def _opened(self) -> None:
        self._after("start", START_SECONDS, self._never_started)

    def _never_started(self) -> None:
        seconds = f"{START_SECONDS:g}"
        self.fail("not_started", f"The stream did not say within {seconds} s which call it is of.", CLOSE_NOT_ADMITTED)

    def _take_binary(self, payload: bytes) -> None:
        self._read(payload, binary=True)

    def _take_text(self, payload: bytes) -> None:
        if len(payload) > LIMITS.text_bytes:
            self._bad("text_too_long", f"A text message may hold at most {LIMITS.text_bytes} bytes.")
        else:
            self._read(payload, binary=False)

    def _read(self, payload: bytes, *, binary: bool) -> None:
        try:
            event = self._stream.read(payload, binary=binary)
        except BadStreamMessageError as problem:
            self._bad("bad_message", str(problem))
            return
        if isinstance(event, Heard):
            self._take_audio(event.audio)
        elif not self._pace.take_text():
            self.fail("too_many_messages", "The carrier sends too many messages.", CLOSE_TOO_FAST)
        elif isinstance(event, Started):
            self._start(event.call)
        elif self._is_started and event is not None:
            self._take_event(event)

    def _take_audio(self, audio: bytes) -> None:
        if not self._is_started:
            return
        if len(audio) % self._audio.sample_bytes:
            self._bad("odd_audio", "Audio came in parts of samples.")
        elif not self._pace.take(len(audio)):
            ahead = f"{LIMITS.ahead_seconds:g}"
            self.fail("audio_too_fast", f"Audio came more than {ahead} s ahead of real time.", CLOSE_TOO_FAST)
        else:
            self._hear(audio)

    def _start(self, call: str) -> None:
        if self._is_started:
            self._bad("started_twice", "The stream began twice.")
            return
        self._timers.pop("start").cancel()
        self._is_started = self._owner.started(self, call)
        if not self._is_started:
            self.fail("wrong_call", "The stream is of another call.", CLOSE_NOT_ADMITTED)

    def _take_event(self, event: Pressed | Played | Stopped) -> None:
        match event:
            case Pressed(key):
                self._tell(lambda handler: handler.on_dtmf(key))
            case Played(name):
                self._tell(lambda handler: handler.on_mark(name))
            case Stopped():
                self._closed("The far end hung up.", failed=False)

    def _bad(self, code: str, message: str) -> None:
        self._bad_messages += 1
        if self._bad_messages > LIMITS.bad_messages:
            self.fail(code, f"Too many bad messages came from the carrier, the last: {message}", CLOSE_BAD_MESSAGES)

    def _send_media(self, frame: bytes) -> None:
        if (transport := self._transport) is not None:
            transport.send(BINARY if self._stream.sends_binary else TEXT, self._stream.media(frame))

    def _send_text(self, text: bytes | None) -> None:
        if text is not None and (transport := self._transport) is not None:
            transport.send(TEXT, text)

    # The end

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        super().on_ws_disconnected(transport)
        self._owner.left()

    def _closed(self, reason: str, *, failed: bool) -> None:
        """The far end is gone, or went where it was handed over to."""
        if self._is_transferring:
            self._left_meanwhile = self._left_meanwhile or (reason, failed)
            return
        self._is_gone = self._is_gone or not failed
        super()._closed(reason, failed=failed)

    def fail(self, code: str, message: str, close_code: int, *, end_reason: str = "error") -> None:
        """See `SocketLine.fail`."""
        if self._ended:
            return
        logger.warning("a media stream is closed: %s", message)
        self._end(end_reason, close_code, message)
        self._closed(message, failed=True)


@lru_cache(maxsize=64)
def key_frames(key: str, audio: AudioFormat) -> tuple[bytes, ...]:
    """A key's tone and the pause behind it, in frames of 20 ms."""
    size = audio.sample_rate // 50
    sound = encode(tone(key, 0, KEY_FRAMES * size, audio.sample_rate), audio)
    whole = sound + silence(audio, len(sound))
    return tuple(whole[start : start + audio.frame_bytes] for start in range(0, len(whole), audio.frame_bytes))
