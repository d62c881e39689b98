"""Fakes of Deepgram's `POST /v1/listen` and ElevenLabs' `POST /v1/speech-to-text`, for recordings.

From Deepgram's pages "Getting Started" (pre-recorded audio), "Multichannel" and "Utterances", and ElevenLabs' API
reference page "Create transcript".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.web_request import FileField

from dialtone.providers.base import Spoken
from tests.fakes.server import FakeServer, drop

WORD_SECONDS = 0.3


@dataclass
class Upload:
    fields: dict[str, str]
    """Of the query and the form."""
    headers: Mapping[str, str]
    audio: bytes


class FakeRecordedSpeech(FakeServer):
    """Hears `spoken` in every recording. `status` None cuts the connection, another than 200, or a `body`, is sent."""

    def __init__(self, spoken: Sequence[Spoken], *, status: int | None = 200, body: str = "") -> None:
        super().__init__()
        self.uploads: list[Upload] = []
        self._spoken = spoken
        self._status = status
        self._body = body

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/v1/listen", self._deepgram), web.post("/v1/speech-to-text", self._elevenlabs)]

    async def _deepgram(self, request: web.Request) -> web.Response:
        assert request.headers["Content-Type"] == "audio/wav"
        self.uploads.append(Upload(dict(request.query), request.headers, await request.read()))
        utterances = [
            {"channel": one.channel, "start": one.start, "end": one.start + 1, "transcript": one.text, "words": []}
            for one in reversed(self._spoken)
        ]
        return self._answer(request, {"metadata": {"channels": 2}, "results": {"utterances": utterances}})

    async def _elevenlabs(self, request: web.Request) -> web.Response:
        form = await request.post()
        file = form["file"]
        assert isinstance(file, FileField)
        fields = {**request.query, **{name: value for name, value in form.items() if isinstance(value, str)}}
        self.uploads.append(Upload(fields, request.headers, file.file.read()))
        transcripts = [
            {"channel_index": channel, "language_code": "nl", "words": self._words(channel)} for channel in (0, 1)
        ]
        return self._answer(request, {"transcription_id": "t", "transcripts": transcripts})

    def _words(self, channel: int) -> list[dict[str, Any]]:
        words: list[dict[str, Any]] = []
        for one in self._spoken:
            if one.channel != channel:
                continue
            for number, text in enumerate(one.text.split(" ")):
                start = one.start + number * WORD_SECONDS
                if number:
                    words.append({"text": " ", "type": "spacing", "start": start, "end": start})
                words.append({"text": text, "type": "word", "start": start, "end": start + WORD_SECONDS})
            words.append({"text": "(laughter)", "type": "audio_event", "start": one.start, "end": one.start + 1})
        return words

    def _answer(self, request: web.Request, document: dict[str, Any]) -> web.Response:
        if self._status is None:
            drop(request)
            return web.Response()
        if self._status != 200 or self._body:
            return web.Response(status=self._status, text=self._body)
        return web.json_response(document)
