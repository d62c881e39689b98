"""The JSON messages of the WebSocket line, both ways, as docs/web-calls.md describes them."""

import json
from dataclasses import dataclass
from typing import Any

import orjson

from dialtone.lines.base import (
    AssistantHeard,
    AssistantText,
    LineEvent,
    SpeechStarted,
    ToolAnswered,
    ToolUsed,
    Transcript,
    Trouble,
    TurnMeasured,
)
from dialtone.media.audio import AudioFormat

DTMF_DIGITS = frozenset("0123456789*#ABCD")
MARK_NAME_CHARACTERS = 128


class BadMessageError(ValueError):
    """A client's message can't be understood. `str()` tells its author what to change."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Dtmf:
    digit: str


@dataclass(frozen=True, slots=True)
class Mark:
    name: str


@dataclass(frozen=True, slots=True)
class HangUp:
    pass


@dataclass(frozen=True, slots=True)
class Ping:
    pass


ClientMessage = Dtmf | Mark | HangUp | Ping


def parse(text: str) -> ClientMessage:
    """Read a client's JSON message. Raises `BadMessageError`."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise BadMessageError("invalid_json", "A text message must be one JSON object.") from None
    if not isinstance(message, dict):
        raise BadMessageError("invalid_json", f"A text message must be a JSON object (got {type(message).__name__}).")
    match message.get("type"):
        case "dtmf":
            digit = str(message.get("digit", "")).upper()
            if digit not in DTMF_DIGITS:
                raise BadMessageError("invalid_dtmf", f"digit: must be one of 0-9 * # A-D (got {_quoted(digit)}).")
            return Dtmf(digit)
        case "mark":
            return Mark(_mark_name(message.get("name")))
        case "hang_up":
            return HangUp()
        case "ping":
            return Ping()
        case other:
            known = "dtmf, mark, hang_up, ping"
            raise BadMessageError("unknown_type", f"type: must be one of {known} (got {_quoted(other)}).")


def _mark_name(name: Any) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= MARK_NAME_CHARACTERS:
        raise BadMessageError("invalid_mark", f"name: must be a text of 1 to {MARK_NAME_CHARACTERS} characters.")
    return name


def _quoted(value: Any) -> str:
    return json.dumps(value)[:40]


def _encode(kind: str, **fields: Any) -> bytes:
    message = {"type": kind, **fields}
    try:
        return orjson.dumps(message)
    except TypeError:  # a lone surrogate in a text, which only an escape can carry
        return json.dumps(message).encode()


def ready(call_id: str, audio: AudioFormat) -> bytes:
    """The call was admitted; audio flows from now on."""
    return _encode(
        "ready",
        call_id=call_id,
        audio={"encoding": audio.encoding, "sample_rate": audio.sample_rate, "frame_ms": 20},
    )


def error(code: str, message: str, *, fatal: bool) -> bytes:
    """Something is wrong; a `fatal` error is followed by `end` and the closing of the socket."""
    return _encode("error", code=code, message=message, fatal=fatal)


def end(end_reason: str) -> bytes:
    """The call is over; the last message of all."""
    return _encode("end", end_reason=end_reason)


def mark(name: str) -> bytes:
    """To be sent back once everything before it was played."""
    return _encode("mark", name=name)


CLEAR = _encode("clear")
PONG = _encode("pong")


def event(happened: LineEvent) -> bytes:
    """What happens in the conversation, as the client sees it."""
    match happened:
        case SpeechStarted(started):
            return _encode("speech_started" if started else "speech_stopped")
        case Transcript(text, final):
            return _encode("transcript", text=text, final=final)
        case AssistantText(text):
            return _encode("assistant_text", text=text)
        case AssistantHeard(text, interrupted):
            return _encode("assistant_heard", text=text, interrupted=interrupted)
        case ToolUsed(name):
            return _encode("tool_used", name=name)
        case ToolAnswered(name, failed):
            return _encode("tool_answered", name=name, failed=failed)
        case TurnMeasured(latency):
            return _encode("latency", latency=latency)
        case Trouble(message):
            return error("trouble", message, fatal=False)
