"""ElevenLabs streaming text-to-speech: one WebSocket for a call, one context for an utterance."""

import asyncio
import hashlib
import itertools
import json
from collections.abc import Mapping
from typing import Any

from dialtone.media.audio import PCM_16K, AudioFormat
from dialtone.providers.base import ProviderError
from dialtone.providers.refusal import quote
from dialtone.providers.tts.elevenlabs_utterance import ElevenLabsUtterance
from dialtone.providers.tts.elevenlabs_wire import (
    FORMATS,
    DialogueWire,
    SpeechWire,
    Wire,
    model_of,
    parse,
    speaks_dialogue,
)
from dialtone.providers.websocket import WebSocket, connect, websocket_url

_NAME = "elevenlabs"

_KEEP_ALIVE_SECONDS = 8.0
"""Half of the shortest silence ElevenLabs allows, with something to spare."""
_SETTLED_SECONDS = 5.0
"""A connection that lived this long is reopened at once when it is closed; another only when it is needed."""

_SOUND_FIELDS = (
    "voice_id",
    "language",
    "stability",
    "similarity_boost",
    "style",
    "speed",
    "use_speaker_boost",
    "apply_text_normalization",
)


class ElevenLabs:
    """One assistant's `tts_config` with provider elevenlabs.

    `no_retention` turns off ElevenLabs' request history. `audio_timeout` is the longest wait for audio, in seconds.
    `speed` and the other settings are pulled to the nearest value ElevenLabs takes (speed: 0.7 to 1.2).
    """

    name = _NAME

    def __init__(
        self,
        config: Mapping[str, Any],
        *,
        key: str,
        base_url: str = "https://api.elevenlabs.io",
        no_retention: bool = False,
        audio_timeout: float = 10.0,
    ) -> None:
        self._key = key
        self._audio_timeout = audio_timeout
        self._model = model_of(config)
        wire = DialogueWire if speaks_dialogue(self._model) else SpeechWire
        self._wire: Wire = wire(config, websocket_url(base_url), no_retention)
        sound = {name: config.get(name) for name in _SOUND_FIELDS}
        # Who reached ElevenLabs where, too: a voice may be open to one account alone.
        made = json.dumps([sound, key, base_url], sort_keys=True, default=str)
        digest = hashlib.sha256(made.encode()).hexdigest()[:32]
        self.cache_key = f"{_NAME}:{self._model}:{digest}"

    def output_format(self, line: AudioFormat) -> AudioFormat:
        """The line's own where ElevenLabs lists it, else 16 kHz PCM."""
        return line if line in FORMATS else PCM_16K

    async def open(self, audio: AudioFormat) -> "ElevenLabsSession":
        """Connect. Raises `ProviderError`."""
        if audio not in FORMATS:
            raise ProviderError(_NAME, f"no audio as {audio.encoding} at {audio.sample_rate} Hz", retryable=False)
        session = ElevenLabsSession(self._wire, audio, self._key, self._audio_timeout)
        await session.connect()
        return session


class ElevenLabsSession:
    """One call's connection; implements `SpeechSession`."""

    def __init__(self, wire: Wire, audio: AudioFormat, key: str, audio_timeout: float) -> None:
        self._wire = wire
        self._audio = audio
        self._key = key
        self._audio_timeout = audio_timeout
        self._socket: WebSocket | None = None
        self._connected_at = 0.0
        self._connecting: asyncio.Task[None] | None = None
        self._utterances: dict[str, ElevenLabsUtterance] = {}
        self._numbers = itertools.count(1)
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def connect(self) -> None:
        """Open the connection and send what waits for it. Raises `ProviderError`."""
        socket = await connect(
            _NAME,
            self._wire.url(self._audio),
            {"xi-api-key": self._key},
            self._on_text,
            self._on_closed,
            secret=self._key,
        )
        if self._closed:
            await socket.close()
            return
        if not socket.is_open:
            raise ProviderError(_NAME, "the connection was closed as soon as it was open")
        self._socket = socket
        loop = asyncio.get_running_loop()
        self._connected_at = loop.time()
        if self._wire.idle_context is not None:
            socket.send_text(self._wire.begin(self._wire.idle_context))
        for utterance in list(self._utterances.values()):
            for message in utterance.unheard or ():
                socket.send_text(message)
        self._stop_timer()
        self._timer = loop.call_later(_KEEP_ALIVE_SECONDS, self._keep_alive)

    def speak(self) -> ElevenLabsUtterance:
        """Begin an utterance. Utterances are independent; two may overlap."""
        context = f"u{next(self._numbers)}"
        utterance = ElevenLabsUtterance(
            context, self._wire, self._audio, self._transmit, self._on_ended, self._audio_timeout
        )
        if self._closed:
            utterance.cancel()
        else:
            self._utterances[context] = utterance
            self._reconnect()
        return utterance

    async def close(self) -> None:
        """Idempotent, never raises; open utterances end."""
        self._closed = True
        self._stop_timer()
        socket, self._socket = self._socket, None
        for utterance in list(self._utterances.values()):
            utterance.cancel()
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait([self._connecting])
        if socket is not None:
            socket.send_text('{"close_socket":true}')
            await socket.close()

    def _transmit(self, messages: list[str]) -> None:
        if self._socket is None:
            return
        for message in messages:
            self._socket.send_text(message)

    def _reconnect(self) -> None:
        if self._closed or self._socket is not None or self._connecting is not None:
            return
        self._connecting = asyncio.get_running_loop().create_task(self._connect_again())
        self._connecting.add_done_callback(self._reconnected)

    async def _connect_again(self) -> None:
        try:
            await self.connect()
        except ProviderError as error:
            for utterance in list(self._utterances.values()):
                utterance.fail(error)

    def _reconnected(self, _: asyncio.Task[None]) -> None:
        self._connecting = None

    def _keep_alive(self) -> None:
        if self._socket is None:
            return
        contexts = [each.context for each in self._utterances.values() if each.is_open]
        if self._wire.idle_context is not None:
            contexts.append(self._wire.idle_context)
        self._transmit([self._wire.keep_alive(context) for context in contexts])
        self._timer = asyncio.get_running_loop().call_later(_KEEP_ALIVE_SECONDS, self._keep_alive)

    def _on_ended(self, utterance: ElevenLabsUtterance) -> None:
        self._utterances.pop(utterance.context, None)

    def _on_text(self, data: bytes) -> None:
        message = parse(data)
        if message is None or (message.context is None and message.error is None):
            return
        concerned = list(self._utterances.values())
        if message.context is not None:
            concerned = [each for each in concerned if each.context == message.context]
        for utterance in concerned:
            if message.error is None:
                utterance.received(message)
            else:
                said = quote(message.error, self._key)
                utterance.fail(ProviderError(_NAME, "the speech failed", said=said, retryable=message.retryable))

    def _on_closed(self, code: int, reason: str) -> None:
        settled = asyncio.get_running_loop().time() - self._connected_at >= _SETTLED_SECONDS
        self._socket = None
        self._stop_timer()
        said = quote(reason, self._key)
        error = ProviderError(_NAME, f"the connection was closed with code {code}", said=said)
        waiting = [each.connection_lost(error) for each in list(self._utterances.values())]
        if any(waiting) or settled:
            self._reconnect()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
