"""Transcribing recordings at Deepgram and ElevenLabs: what is sent, what is understood, what goes wrong in words."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dialtone.providers import factory
from dialtone.providers.base import ProviderError, Spoken
from dialtone.providers.factory import Vendors, open_vendors
from dialtone.settings import Settings
from tests.fakes.recorded_speech import FakeRecordedSpeech

DEEPGRAM = {"provider": "deepgram", "model": "nova-3", "language": "multi"}
SCRIBE = {"provider": "elevenlabs", "model": "scribe_v2", "language": "nl"}
AUDIO = b"RIFF" + bytes(300_000)
SPOKEN = [
    Spoken(1, 0.2, "Good evening."),
    Spoken(0, 2.5, "A table please."),
    Spoken(0, 6.0, "For four."),
    Spoken(1, 8.0, "Certainly."),
]


@pytest.fixture
async def recording(tmp_path: Path) -> Path:
    path = tmp_path / "call.wav"
    await asyncio.to_thread(path.write_bytes, AUDIO)
    return path


@asynccontextmanager
async def vendors_of(fake: FakeRecordedSpeech, tmp_path: Path) -> AsyncIterator[Vendors]:
    settings = Settings(
        data_dir=tmp_path,
        deepgram_base_url=fake.url,
        elevenlabs_base_url=fake.url,
        deepgram_api_key="dg-secret",
        elevenlabs_api_key="el-secret",
    )
    async with open_vendors(settings) as vendors:
        yield vendors


@pytest.mark.parametrize("config", [DEEPGRAM, SCRIBE], ids=lambda config: config["provider"])
async def test_both_channels_come_back_in_order(config: dict[str, Any], recording: Path, tmp_path: Path) -> None:
    async with FakeRecordedSpeech(SPOKEN) as fake, vendors_of(fake, tmp_path) as vendors:
        assert await factory.recorded_speech_to_text(config, vendors).transcribe(recording) == SPOKEN
        strict = replace(vendors, no_retention=True)
        assert await factory.recorded_speech_to_text(config, strict).transcribe(recording) == SPOKEN
    open_call, private_call = fake.uploads
    assert open_call.audio == private_call.audio == AUDIO
    if config is DEEPGRAM:
        assert open_call.fields == {
            "model": "nova-3", "multichannel": "true", "utterances": "true", "smart_format": "true", "language": "multi"
        }  # fmt: skip
        assert open_call.headers["Authorization"] == "Token dg-secret"
        assert private_call.fields["mip_opt_out"] == "true"
    else:
        assert open_call.fields["model_id"] == "scribe_v2"
        assert open_call.fields["language_code"] == "nl"
        assert open_call.fields["use_multi_channel"] == "true"
        assert open_call.headers["xi-api-key"] == "el-secret"
        assert "enable_logging" not in open_call.fields
        assert private_call.fields["enable_logging"] == "false"


@pytest.mark.parametrize("config", [DEEPGRAM, SCRIBE], ids=lambda config: config["provider"])
@pytest.mark.parametrize(
    ("status", "body", "words", "retryable"),
    [
        (401, "{}", "key was refused", False),
        (400, '{"err_msg": "bad audio"}', "bad audio", False),
        (503, "", "HTTP 503", True),
        (200, "no JSON", "no transcript", True),
        (200, '{"transcripts": 7, "results": []}', "no transcript", True),
        (None, "", "no connection", True),
    ],
)
async def test_what_goes_wrong_is_told(
    config: dict[str, Any], status: int | None, body: str, words: str, retryable: bool, recording: Path, tmp_path: Path
) -> None:
    async with FakeRecordedSpeech(SPOKEN, status=status, body=body) as fake, vendors_of(fake, tmp_path) as vendors:
        with pytest.raises(ProviderError, match=words) as failed:
            await factory.recorded_speech_to_text(config, vendors).transcribe(recording)
    assert failed.value.retryable == retryable
    assert "secret" not in str(failed.value)


async def test_others_and_those_without_a_key_are_refused(tmp_path: Path) -> None:
    async with open_vendors(Settings(data_dir=tmp_path)) as vendors:
        with pytest.raises(ProviderError, match="no API key"):
            factory.recorded_speech_to_text(DEEPGRAM, vendors)
        with pytest.raises(ProviderError, match="not available"):
            factory.recorded_speech_to_text({"provider": "gladia", "model": "x"}, vendors)
