"""Deepgram streaming speech-to-text.

Source: Deepgram's pages "Live Audio" (the /v1/listen reference), "Audio Keep Alive", "Utterance End", "Endpointing",
"Keyterm Prompting" and "STT Troubleshooting WebSocket, NET, and DATA Errors".
"""

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import orjson

from dialtone.media.audio import AudioFormat
from dialtone.providers.base import Final, Interim, ProviderError, TranscriptEvent, UtteranceEnd
from dialtone.providers.refusal import quote
from dialtone.providers.websocket import WebSocket, connect, websocket_url

_NAME = "deepgram"

_SEND_SECONDS = 0.080
"""Audio is sent in pieces of at least this length: a quarter of the system calls of single 20 ms frames, for 30 ms more
delay on average. Deepgram's documentation advises 20 to 250 ms."""
_BACKLOG_SECONDS = 10.0
"""Audio kept while the socket takes no more; a stream further behind than this is lost."""
_KEEP_ALIVE_SECONDS = 4.0
"""Deepgram closes a stream that was silent for 10 seconds; a silence is noticed after at most twice this time."""
_KEYTERM_TOKENS = 500
"""Deepgram's limit on all keyterms of a request together; a request above it is refused whole."""

_KEEP_ALIVE = '{"type":"KeepAlive"}'
_CLOSE_STREAM = '{"type":"CloseStream"}'


class Deepgram:
    """One assistant's `stt_config` with provider deepgram.

    `no_retention` keeps the audio out of Deepgram's model improvement program.
    """

    name = _NAME

    def __init__(
        self,
        config: Mapping[str, Any],
        *,
        key: str,
        base_url: str = "https://api.deepgram.com",
        no_retention: bool = False,
    ) -> None:
        self._key = key
        self._url = websocket_url(base_url) + "/v1/listen?"
        self._parameters = _parameters(config)
        if no_retention:
            self._parameters.append(("mip_opt_out", "true"))

    def input_format(self, line: AudioFormat) -> AudioFormat:
        """The line's own: Deepgram takes mu-law and 16-bit PCM at any rate."""
        return line

    async def open(
        self,
        audio: AudioFormat,
        on_event: Callable[[TranscriptEvent], None],
        on_lost: Callable[[ProviderError], None],
    ) -> "DeepgramStream":
        """Connect. Raises `ProviderError`."""
        encoding = "mulaw" if audio.encoding == "mulaw" else "linear16"
        query = [*self._parameters, ("encoding", encoding), ("sample_rate", str(audio.sample_rate))]
        stream = DeepgramStream(audio, on_event, on_lost)
        socket = await connect(
            _NAME,
            self._url + urlencode(query),
            {"Authorization": f"Token {self._key}"},
            stream.on_text,
            stream.on_closed,
            secret=self._key,
        )
        stream.start(socket)
        return stream


class DeepgramStream:
    """One call's open stream; implements `TranscriptStream`."""

    def __init__(
        self,
        audio: AudioFormat,
        on_event: Callable[[TranscriptEvent], None],
        on_lost: Callable[[ProviderError], None],
    ) -> None:
        self._on_event = on_event
        self._on_lost: Callable[[ProviderError], None] | None = on_lost
        self._socket: WebSocket | None = None
        self._failure: ProviderError | None = None
        self._buffer = bytearray()
        self._send_bytes = int(audio.bytes_per_second * _SEND_SECONDS)
        self._backlog_bytes = int(audio.bytes_per_second * _BACKLOG_SECONDS)
        self._sent = False
        self._timer: asyncio.TimerHandle | None = None
        self._interim_shown = False
        self._utterance_has_words = False

    def start(self, socket: WebSocket) -> None:
        """Take over the open connection. Raises `ProviderError` where it was closed in the meantime."""
        if self._failure is not None:
            socket.abort()
            raise self._failure
        self._socket = socket
        socket.on_writable = self._flush
        self._timer = asyncio.get_running_loop().call_later(_KEEP_ALIVE_SECONDS, self._keep_alive)

    def send(self, audio: bytes) -> None:
        """Queue audio in the agreed format. Never blocks, never raises; a lost stream swallows it."""
        socket = self._socket
        if socket is None:
            return
        buffer = self._buffer
        buffer += audio
        if len(buffer) < self._send_bytes:
            return
        if socket.writable:
            socket.send_binary(buffer)
            buffer.clear()
            self._sent = True
        elif len(buffer) > self._backlog_bytes:
            self._lose(ProviderError(_NAME, f"took no audio for more than {_BACKLOG_SECONDS:g} seconds"))

    async def close(self) -> None:
        """End the stream. Idempotent, never raises; no callback comes afterwards."""
        self._on_lost = None
        socket = self._release()
        if socket is not None:
            socket.send_text(_CLOSE_STREAM)
            await socket.close()

    def _flush(self) -> None:
        if self._socket is not None and self._buffer:
            self._socket.send_binary(self._buffer)
            self._buffer.clear()
            self._sent = True

    def _keep_alive(self) -> None:
        socket = self._socket
        if socket is None:
            return
        if not self._sent and socket.writable:
            self._flush()
            if not self._sent:
                socket.send_text(_KEEP_ALIVE)
        self._sent = False
        self._timer = asyncio.get_running_loop().call_later(_KEEP_ALIVE_SECONDS, self._keep_alive)

    def _release(self) -> WebSocket | None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._buffer.clear()
        socket, self._socket = self._socket, None
        return socket

    def _lose(self, error: ProviderError) -> None:
        socket = self._release()
        self._failure = error
        on_lost, self._on_lost = self._on_lost, None
        if socket is not None:
            socket.abort()
            if on_lost is not None:
                on_lost(error)

    def on_closed(self, code: int, reason: str) -> None:
        """The connection ended without our doing."""
        self._lose(_closure(code, reason))

    def on_text(self, data: bytes) -> None:
        """One message of Deepgram; what is not understood is ignored."""
        if self._on_lost is None:
            return
        try:
            message = orjson.loads(data)
        except (ValueError, RecursionError):
            return
        if not isinstance(message, dict):
            return
        match message.get("type"):
            case "Results":
                self._results(message)
            case "UtteranceEnd":
                self._utterance_has_words = False
                self._on_event(UtteranceEnd())
            case "Error":
                said = message.get("description") or message.get("message") or "no reason given"
                self._lose(ProviderError(_NAME, "the stream failed", said=quote(str(said))))

    def _results(self, message: dict[str, Any]) -> None:
        alternative = _first_alternative(message)
        if alternative is None:
            return
        text = alternative["transcript"].strip()
        if message.get("is_final") is not True:
            if text or self._interim_shown:
                self._interim_shown = bool(text)
                self._on_event(Interim(text))
            return
        speech_final = message.get("speech_final") is True
        retracts = self._interim_shown
        ends_utterance = speech_final and self._utterance_has_words
        self._interim_shown = False
        self._utterance_has_words = not speech_final and (self._utterance_has_words or bool(text))
        if text or retracts or ends_utterance:
            self._on_event(_final(message, alternative, text, speech_final))


def _final(message: dict[str, Any], alternative: dict[str, Any], text: str, speech_final: bool) -> Final:
    start = _seconds(message.get("start")) or 0.0
    end = start + (_seconds(message.get("duration")) or 0.0)
    words = alternative.get("words")
    if isinstance(words, list) and words and isinstance(words[-1], dict):
        end = _seconds(words[-1].get("end")) or end
    languages = alternative.get("languages")
    language = languages[0] if isinstance(languages, list) and languages and isinstance(languages[0], str) else None
    return Final(text, start, max(start, end), speech_final, language)


def _first_alternative(message: dict[str, Any]) -> dict[str, Any] | None:
    channel = message.get("channel")
    alternatives = channel.get("alternatives") if isinstance(channel, dict) else None
    if not isinstance(alternatives, list) or not alternatives or not isinstance(alternatives[0], dict):
        return None
    first: dict[str, Any] = alternatives[0]
    return first if isinstance(first.get("transcript"), str) else None


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None


def _closure(code: int, reason: str) -> ProviderError:
    """Deepgram's close codes, from "STT Troubleshooting WebSocket, NET, and DATA Errors"."""
    if "DATA-0000" in reason:
        return ProviderError(_NAME, "the audio could not be decoded (DATA-0000)", retryable=False)
    if "NET-0001" in reason:
        return ProviderError(_NAME, "no audio reached the service in time (NET-0001)")
    return ProviderError(_NAME, f"the connection was closed with code {code}", said=quote(reason))


def _parameters(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The query of /v1/listen for an `stt_config`, without what depends on the audio."""
    model = str(config.get("model") or "nova-3")
    query = [
        ("model", model),
        ("language", str(config.get("language") or "multi")),
        ("channels", "1"),
        ("interim_results", "true"),
        ("punctuate", "true"),
    ]
    for name in ("smart_format", "numerals", "filler_words"):
        if isinstance(config.get(name), bool):
            query.append((name, _boolean(config[name])))
    query.append(("no_delay", _boolean(config.get("no_delay") is not False)))
    endpointing = _endpointing(config.get("endpointing"))
    if endpointing is not None:
        query.append(("endpointing", endpointing))
    utterance_end = _seconds(config.get("utterance_end_ms"))
    if utterance_end:
        query.append(("utterance_end_ms", str(int(utterance_end))))
    if model.startswith("nova-3"):
        query.extend(("keyterm", term) for term in _keyterms(config.get("keyterms")))
    return query


def _endpointing(value: object) -> str | None:
    """Milliseconds, or `false` for off (0 or False). A fraction of a second is another vendor's field of this name."""
    if value is False:
        return "false"
    milliseconds = _seconds(value)
    if milliseconds is None or 0 < milliseconds < 1:
        return None
    return str(int(milliseconds)) if milliseconds else "false"


def _keyterms(value: object) -> list[str]:
    """As many of the terms as fit Deepgram's limit, counted carefully: a token is a word or four characters."""
    terms: list[str] = []
    tokens = 0
    for item in value if isinstance(value, list | tuple) else ():
        term = item.strip() if isinstance(item, str) else ""
        if not term or term in terms:
            continue
        tokens += max(len(term.split()), math.ceil(len(term) / 4))
        if tokens > _KEYTERM_TOKENS:
            break
        terms.append(term)
    return terms


def _boolean(value: bool) -> str:
    return "true" if value else "false"
