"""ElevenLabs Scribe, for recordings.

Source: ElevenLabs' API reference page "Create transcript" (POST /v1/speech-to-text), with `use_multi_channel`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp

from dialtone.providers.base import ProviderError, Spoken
from dialtone.providers.stt.recorded import opened, upload

PAUSE_SECONDS = 1.0
"""A silence between two words that begins a new stretch of speech."""


class ElevenLabsRecorded:
    """A `postcall_stt` block with provider elevenlabs."""

    name = "elevenlabs"

    def __init__(
        self, http: aiohttp.ClientSession, config: Mapping[str, Any], *, key: str, base_url: str, no_retention: bool
    ) -> None:
        self._http = http
        self._key = key
        self._config = config
        self._url = f"{base_url.rstrip('/')}/v1/speech-to-text" + ("?enable_logging=false" if no_retention else "")

    async def transcribe(self, recording: Path) -> list[Spoken]:
        """See `RecordedSpeechToText`."""
        form = aiohttp.FormData()
        form.add_field("model_id", str(self._config["model"]))
        form.add_field("use_multi_channel", "true")
        form.add_field("timestamps_granularity", "word")
        form.add_field("tag_audio_events", "false")
        language = self._config.get("language")
        if language and language != "multi":
            form.add_field("language_code", str(language))
        form.add_field("file", await opened(recording), filename="call.wav", content_type="audio/wav")
        headers = {"xi-api-key": self._key} if self._key else {}
        answer = await upload(self._http, self.name, self._url, self._key, headers, form)
        try:
            channels = answer.get("transcripts", [answer])
            spoken = [one for channel in channels for one in _stretches(channel)]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ProviderError(self.name, "the answer is no transcript") from None
        return sorted((one for one in spoken if one.text), key=lambda one: one.start)


def _stretches(channel: Mapping[str, Any]) -> Iterator[Spoken]:
    index = int(channel.get("channel_index") or 0)
    text, start, end = "", 0.0, 0.0
    for word in channel["words"]:
        if word.get("type") == "audio_event" or word.get("start") is None:
            continue
        if text and float(word["start"]) - end > PAUSE_SECONDS:
            yield Spoken(index, start, text.strip())
            text = ""
        if not text:
            start = float(word["start"])
        text += str(word["text"])
        end = float(word.get("end") or word["start"])
    yield Spoken(index, start, text.strip())
