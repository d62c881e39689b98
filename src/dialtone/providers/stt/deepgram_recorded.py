"""Deepgram's transcription of recordings.

Source: Deepgram's pages "Getting Started" (pre-recorded audio), "Multichannel", "Utterances" and "Model Improvement
Partnership Program".
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp

from dialtone.providers.base import ProviderError, Spoken
from dialtone.providers.stt.recorded import opened, upload


class DeepgramRecorded:
    """A `postcall_stt` block with provider deepgram."""

    name = "deepgram"

    def __init__(
        self, http: aiohttp.ClientSession, config: Mapping[str, Any], *, key: str, base_url: str, no_retention: bool
    ) -> None:
        self._http = http
        self._key = key
        query = {"model": config["model"], "multichannel": "true", "utterances": "true", "smart_format": "true"}
        if config.get("language"):
            query["language"] = config["language"]
        if no_retention:
            query["mip_opt_out"] = "true"
        self._url = f"{base_url.rstrip('/')}/v1/listen?{urlencode(query)}"

    async def transcribe(self, recording: Path) -> list[Spoken]:
        """See `RecordedSpeechToText`."""
        headers = {"Content-Type": "audio/wav"}
        if self._key:
            headers["Authorization"] = f"Token {self._key}"
        answer = await upload(self._http, self.name, self._url, self._key, headers, await opened(recording))
        try:
            spoken = [
                Spoken(int(one["channel"]), float(one["start"]), str(one["transcript"]).strip())
                for one in answer["results"]["utterances"]
            ]
        except (KeyError, TypeError, ValueError):
            raise ProviderError(self.name, "the answer is no transcript") from None
        return sorted((one for one in spoken if one.text), key=lambda one: one.start)
