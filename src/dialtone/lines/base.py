"""What a conversation asks of a line, and what a line tells a conversation.

A line is one caller's connection: a WebSocket, a SIP call with its RTP, a carrier's media stream; WebRTC would be one
more implementation of the same Protocol. A line knows nothing of assistants, a conversation nothing of sockets.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

from dialtone.media.audio import AudioFormat
from dialtone.media.clock import ClockMember

Speaker = Literal["user", "assistant"]


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The caller began (or stopped) to speak, as the voice activity detector hears it."""

    started: bool


@dataclass(frozen=True, slots=True)
class Transcript:
    """What the caller said so far in this utterance (`final` False) or a finished piece of it (True)."""

    text: str
    final: bool


@dataclass(frozen=True, slots=True)
class AssistantText:
    """A sentence the assistant begins to speak now."""

    text: str


@dataclass(frozen=True, slots=True)
class AssistantHeard:
    """What of the assistant's last reply was really heard, once it ended or was interrupted."""

    text: str
    interrupted: bool


@dataclass(frozen=True, slots=True)
class ToolUsed:
    """The assistant called a tool."""

    name: str


@dataclass(frozen=True, slots=True)
class ToolAnswered:
    """A tool that was called has given its result, or a reason why there is none."""

    name: str
    failed: bool


@dataclass(frozen=True, slots=True)
class TurnMeasured:
    """Where the time of one turn went, in milliseconds: end of the caller's speech to the first audio out."""

    latency: dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something went wrong that the far end should know, in words."""

    message: str


LineEvent = (
    SpeechStarted | Transcript | AssistantText | AssistantHeard | ToolUsed | ToolAnswered | TurnMeasured | Trouble
)
"""What a line shows its far end beside the audio. Lines that cannot carry an event ignore it."""


class LineHandler(Protocol):
    """What the owner of a line implements. All methods are called on the event loop and must not block."""

    def on_audio(self, audio: bytes) -> None:
        """Audio of the caller in the line's format, whole samples, of any length, in order."""

    def on_dtmf(self, digit: str) -> None:
        """One of 0-9 * # A-D."""

    def on_mark(self, name: str) -> None:
        """The far end has played everything up to the mark `name`."""

    def on_note(self, text: str) -> None:
        """Something an operator should know of how the line fared; holds nothing of what was said. Also while the line
        is being closed.
        """

    def on_replaced(self) -> None:
        """Somebody else is at the far end from now on."""

    def on_closed(self, reason: str, *, failed: bool) -> None:
        """The far end hung up (`failed` False) or the line broke. Called once, never after `close`."""


class TransferError(Exception):
    """The caller could not be handed over and is still on the line. `str()` says why, in words that name nobody: it
    is kept with the call. `refused` tells that the line or its far end does no such thing, so that nobody was called.
    """

    def __init__(self, words: str, *, refused: bool = False) -> None:
        super().__init__(words)
        self.refused = refused


class Line(Protocol):
    """One caller's connection, already open."""

    @property
    def audio(self) -> AudioFormat:
        """Format of the audio in both directions."""

    @property
    def can_transfer(self) -> bool:
        """Whether this kind of line can hand its caller over at all."""

    @property
    def can_send_dtmf(self) -> bool:
        """Whether this kind of line has keys that its far end can be sent at all."""

    @property
    def ticked(self) -> ClockMember | None:
        """What of the line the media clock ticks by itself, if anything: who feeds the line should be ticked right
        before it, or its audio changes its rhythm with the first word.
        """

    def attach(self, handler: LineHandler) -> None:
        """Start delivering to `handler`; audio that came earlier is delivered first, up to one second of it."""

    def send_audio(self, frame: bytes) -> None:
        """Send one 20 ms frame; the media clock calls this in real time."""

    def send_mark(self, name: str) -> None:
        """Ask the far end to say when it has played everything sent so far."""

    def send_dtmf(self, key: str) -> None:
        """Press one of 0-9 * # A-D, in place of the audio of the next 200 ms at most. Never raises; nothing comes of it
        where the far end takes no audio just now, or the line can't.
        """

    def clear_audio(self) -> None:
        """Have the far end drop audio it has received and not played yet."""

    def publish(self, event: LineEvent) -> None:
        """Show an event to the far end."""

    async def transfer(self, destination: str) -> None:
        """Hand the caller over to an E.164 number or a SIP URI; returns once they are in other hands.

        Raises `TransferError`, in bounded time, where that fails. A caller who leaves because the transfer succeeded
        is not reported by `on_closed`; one who hangs up before is. Cancelling gives the attempt up.
        """

    async def connect(self, other: "Line") -> None:
        """Have the caller and the far end of `other`, a line of ours too, go on without us; as `transfer` otherwise."""

    async def close(self, end_reason: str) -> None:
        """Hang up, telling the far end why. Idempotent, never raises."""
