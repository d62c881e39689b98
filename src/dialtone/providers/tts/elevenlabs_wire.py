"""The two multi-context WebSocket protocols of ElevenLabs as messages and addresses.

Flash, Turbo and Multilingual models speak over Text to Speech; v3 and v4 models only over Text to Dialogue. Sources:
ElevenLabs' API reference pages "Multi-Context WebSocket" (text-to-speech) and "WebSocket" (text-to-dialogue), and
its guide "Multi-Context Websocket".
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import orjson

from dialtone.media.audio import AudioFormat

FORMATS: Mapping[AudioFormat, str] = {
    AudioFormat("mulaw", 8000): "ulaw_8000",
    AudioFormat("pcm_s16le", 8000): "pcm_8000",
    AudioFormat("pcm_s16le", 16000): "pcm_16000",
    AudioFormat("pcm_s16le", 22050): "pcm_22050",
    AudioFormat("pcm_s16le", 24000): "pcm_24000",
    AudioFormat("pcm_s16le", 44100): "pcm_44100",
}
"""What `output_format` lists, of the formats a line may have."""

_INACTIVITY_SECONDS = "180"
"""The longest ElevenLabs keeps an unused context or connection."""

_PASSING = ("too_many", "rate_limit", "busy", "timeout", "internal")

_UNIT_SETTINGS = ("stability", "similarity_boost", "style")
_SPEED = (0.7, 1.2)
"""What ElevenLabs takes as speed; the contract allows more."""


class Wire(Protocol):
    """One of the two protocols, for one voice and model."""

    idle_context: str | None
    """A context to hold open so that keep-alives for the connection have a name to go by."""

    def url(self, audio: AudioFormat) -> str: ...

    def begin(self, context: str) -> str:
        """The message that opens a context."""

    def text(self, context: str, text: str) -> list[str]:
        """Have `text` spoken without waiting for more of it."""

    def keep_alive(self, context: str) -> str: ...


class SpeechWire:
    """Text to Speech."""

    idle_context: str | None = None

    def __init__(self, config: Mapping[str, Any], base_url: str, no_retention: bool) -> None:
        model = model_of(config)
        voice = quote(str(config.get("voice_id") or ""), safe="")
        self._url = f"{base_url}/v1/text-to-speech/{voice}/multi-stream-input?"
        self._settings = voice_settings(config)
        # Multilingual v2 refuses a language; the audio is asked for without waiting since whole sentences are sent.
        language = None if model.startswith("eleven_multilingual") else language_of(config)
        self._query = _query(config, model, language, no_retention)
        self._query += [("inactivity_timeout", _INACTIVITY_SECONDS), ("auto_mode", "true")]

    def url(self, audio: AudioFormat) -> str:
        return self._url + urlencode([*self._query, ("output_format", FORMATS[audio])])

    def begin(self, context: str) -> str:
        message: dict[str, Any] = {"text": " ", "context_id": context}
        if self._settings:
            message["voice_settings"] = self._settings
        return json.dumps(message)

    def text(self, context: str, text: str) -> list[str]:
        return [json.dumps({"text": text, "context_id": context, "flush": True})]

    def keep_alive(self, context: str) -> str:
        return json.dumps({"text": "", "context_id": context})


class DialogueWire:
    """Text to Dialogue. A connection without a message for 20 seconds is closed."""

    idle_context: str | None = "idle"

    def __init__(self, config: Mapping[str, Any], base_url: str, no_retention: bool) -> None:
        self._voice = str(config.get("voice_id") or "")
        self._url = f"{base_url}/v1/text-to-dialogue/multi-stream-input?"
        self._settings = voice_settings(config)
        self._query = _query(config, model_of(config), language_of(config), no_retention)

    def url(self, audio: AudioFormat) -> str:
        return self._url + urlencode([*self._query, ("output_format", FORMATS[audio])])

    def begin(self, context: str) -> str:
        message: dict[str, Any] = {"context_id": context, "voices": [self._voice]}
        if self._settings:
            message["voice_settings"] = self._settings
        return json.dumps(message)

    def text(self, context: str, text: str) -> list[str]:
        inputs = [{"text": text, "voice_id": self._voice}]
        return [
            json.dumps({"context_id": context, "inputs": inputs}),
            json.dumps({"context_id": context, "flush": True}),
        ]

    def keep_alive(self, context: str) -> str:
        return json.dumps({"context_id": context, "keep_alive": True})


def close_context(context: str) -> str:
    """Ends a context; what was flushed before is still spoken."""
    return json.dumps({"context_id": context, "close_context": True})


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message of the vendor."""

    context: str | None
    audio: bytes = b""
    characters: str | None = None
    """The text the audio speaks, as it was sent; None where the message has no alignment."""
    final: bool = False
    error: str | None = None
    """The vendor's words for a failure."""
    retryable: bool = True


def parse(data: bytes) -> Incoming | None:
    """None for what is not understood. The field names are camel case in one protocol, snake case in the other."""
    try:
        message = orjson.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict):
        return None
    context = message.get("contextId", message.get("context_id"))
    context = context if isinstance(context, str) else None
    if message.get("error"):
        said = str(message.get("message") or message["error"])
        return Incoming(context, error=said, retryable=_is_passing(message))
    return Incoming(
        context,
        audio=_audio(message.get("audio")),
        characters=_characters(message.get("alignment")),
        final=message.get("isFinal", message.get("is_final")) is True,
    )


def _is_passing(message: dict[str, Any]) -> bool:
    """Whether a failure may be gone at the next try, by its close code (RFC 6455) and identifier."""
    identifier = str(message["error"]).lower()
    return message.get("code") in (1011, 1012, 1013) or any(word in identifier for word in _PASSING)


def _characters(alignment: object) -> str | None:
    characters = alignment.get("chars") if isinstance(alignment, dict) else None
    if not isinstance(characters, list) or not all(isinstance(each, str) for each in characters):
        return None
    return "".join(characters)


def _audio(value: object) -> bytes:
    if not isinstance(value, str):
        return b""
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return b""


def model_of(config: Mapping[str, Any]) -> str:
    return str(config.get("model") or "eleven_flash_v2_5")


def speaks_dialogue(model: str) -> bool:
    """v3 and v4 models honour only `stability` and `apply_text_normalization`."""
    return model.startswith(("eleven_v3", "eleven_v4"))


def language_of(config: Mapping[str, Any]) -> str | None:
    """ISO 639-1, or None where the vendor should hear it from the text."""
    language = str(config.get("language") or "").partition("-")[0].lower()
    return language if language not in ("", "multi") else None


def voice_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that were given and that the model honours, each pulled to the nearest value ElevenLabs takes."""
    settings: dict[str, Any] = {}
    dialogue = speaks_dialogue(model_of(config))
    for name in ("stability",) if dialogue else _UNIT_SETTINGS:
        if _is_number(config.get(name)):
            settings[name] = min(max(config[name], 0.0), 1.0)
    if dialogue:
        return settings
    if _is_number(config.get("speed")):
        settings["speed"] = min(max(config["speed"], _SPEED[0]), _SPEED[1])
    if isinstance(config.get("use_speaker_boost"), bool):
        settings["use_speaker_boost"] = config["use_speaker_boost"]
    return settings


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _query(config: Mapping[str, Any], model: str, language: str | None, no_retention: bool) -> list[tuple[str, str]]:
    """What both protocols take. `apply_language_text_normalization` exists only on the HTTP endpoints."""
    query = [("model_id", model), ("sync_alignment", "true")]
    if language is not None:
        query.append(("language_code", language))
    if config.get("apply_text_normalization") in ("auto", "on", "off"):
        query.append(("apply_text_normalization", config["apply_text_normalization"]))
    if no_retention:
        query.append(("enable_logging", "false"))
    return query
