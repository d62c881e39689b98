"""One web caller on a WebSocket: raw audio in binary messages, everything else in small JSON messages."""

from collections.abc import Callable

from dialtone.lines.base import Line, LineEvent, TransferError
from dialtone.lines.websocket import messages
from dialtone.lines.websocket.limits import Limits
from dialtone.lines.websocket.pace import Pace
from dialtone.lines.websocket.socket_line import (
    BINARY,
    CLOSE_BAD_MESSAGES,
    CLOSE_NORMAL,
    CLOSE_TOO_FAST,
    TEXT,
    SocketLine,
)
from dialtone.media.audio import AudioFormat


class WebSocketLine(SocketLine):
    """A `Line` over one WebSocket. `on_open` is called once the socket is open, before any frame."""

    def __init__(self, audio: AudioFormat, limits: Limits, on_open: Callable[["WebSocketLine"], None]) -> None:
        super().__init__(audio, limits)
        self._on_open = on_open
        self._pace = Pace(audio, limits, self._loop.time)
        self._odd_mask = audio.sample_bytes - 1
        self._largest_audio = int(audio.bytes_per_second * limits.audio_frame_seconds)
        self._bad_messages = 0

    # What the owner calls

    @property
    def can_transfer(self) -> bool:
        return False

    @property
    def can_send_dtmf(self) -> bool:
        return False

    def send_audio(self, frame: bytes) -> None:
        """See `Line.send_audio`."""
        if (transport := self._transport) is not None:
            transport.send(BINARY, frame)

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

    # What the door calls

    def send_text(self, text: bytes) -> None:
        """Send a JSON message; without effect once the line has ended."""
        if (transport := self._transport) is not None:
            transport.send(TEXT, text)

    def fail(self, code: str, message: str, close_code: int, *, end_reason: str = "error") -> None:
        """See `SocketLine.fail`."""
        if self._ended:
            return
        self.send_text(messages.error(code, message, fatal=True))
        self._end(end_reason, close_code, message)
        self._closed(message, failed=True)

    # Audio and messages of the client

    def _opened(self) -> None:
        self._on_open(self)

    def _take_binary(self, payload: bytes) -> None:
        size = len(payload)
        if size & self._odd_mask or size > self._largest_audio:
            self._refuse_audio(size)
        elif not self._pace.take(size):
            ahead = f"{self._limits.ahead_seconds:g}"
            self.fail(
                "audio_too_fast",
                f"Audio must arrive at the pace of speech: more than {ahead} s ahead of real time.",
                CLOSE_TOO_FAST,
            )
        else:
            self._hear(payload)

    def _refuse_audio(self, size: int) -> None:
        if size > self._largest_audio:
            seconds = f"{self._limits.audio_frame_seconds:g}"
            self._bad(
                "audio_too_long",
                f"A binary message may hold at most {seconds} s of audio, {self._largest_audio} bytes (got {size}).",
            )
        else:
            self._bad("odd_audio", f"pcm_s16le needs whole samples of two bytes (got {size} bytes).")

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
        match message:
            case messages.Ping():
                self.send_text(messages.PONG)
            case messages.HangUp():
                self._hang_up()
            case messages.Dtmf(digit):
                self._tell(lambda handler: handler.on_dtmf(digit))
            case messages.Mark(name):
                self._tell(lambda handler: handler.on_mark(name))

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

    def _last_word(self, end_reason: str) -> None:
        self.send_text(messages.end(end_reason))
