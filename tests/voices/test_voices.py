"""The list of local voices: what is listed can be spoken with."""

import importlib.util
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest

from dialtone.media.audio import PCM_8K
from dialtone.providers import local
from dialtone.providers.factory import Vendors, text_to_speech
from dialtone.settings import Settings
from tests.conftest import API_KEY
from tests.providers.local.test_sherpa import place

needs_sherpa = pytest.mark.skipif(importlib.util.find_spec("sherpa_onnx") is None, reason="needs sherpa-onnx")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Voices do not depend on the database. Each becomes an assistant here: more requests than a key has a minute."""
    return Settings(data_dir=tmp_path / "data", api_key=API_KEY, rate_limit=0)


@pytest.fixture
async def vendors(settings: Settings) -> AsyncIterator[Vendors]:
    async with aiohttp.ClientSession() as http:
        yield Vendors(http, {}, {}, settings.data_dir)
    await local.close_local()


async def listed(client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    answer = await client.get("/api/v1/voices")
    assert answer.status_code == 200
    voices = answer.json()["voices"]
    by_id = {voice["id"]: voice for voice in voices}
    assert len(by_id) == len(voices)
    return by_id


async def test_voices_need_a_key(anonymous: httpx.AsyncClient) -> None:
    assert (await anonymous.get("/api/v1/voices")).status_code == 401


async def test_voices_are_many_and_described_in_two_languages(client: httpx.AsyncClient) -> None:
    voices = await listed(client)
    installed = [voice for voice in voices.values() if voice["installed"]]
    assert len(installed) >= 90
    assert len({voice["language"].partition("-")[0] for voice in installed}) >= 35
    assert voices["nl"] == {
        "id": "nl",
        "name": "Dutch",
        "language": "nl",
        "description": {
            "en": "Dutch. Spoken by espeak-ng, plainly a robot.",
            "nl": "Nederlands. Gesproken door espeak-ng, hoorbaar een robot.",
        },
        "installed": True,
    }
    assert voices["en-gb"]["name"] == "English (Great Britain)"
    assert await listed(client) == voices


async def test_an_assistant_can_speak_with_every_installed_voice(client: httpx.AsyncClient, vendors: Vendors) -> None:
    for voice_id, voice in (await listed(client)).items():
        config = {"provider": "local", "voice_id": voice_id}
        created = await client.post("/api/v1/assistants", json={"name": "A", "tts_config": config})
        assert created.status_code == 201, created.text
        if voice["installed"]:
            # Opening asks the synthesiser whether it has the voice.
            session = await text_to_speech(created.json()["assistant"]["tts_config"], vendors).open(PCM_8K)
            await session.close()


async def test_voices_to_be_fetched_say_how(client: httpx.AsyncClient) -> None:
    voice = (await listed(client))["tts-en"]
    assert voice["installed"] is False
    assert "dialtone models pull tts-en" in voice["description"]["en"]
    assert "dialtone models pull tts-en" in voice["description"]["nl"]


@needs_sherpa
async def test_a_pulled_voice_stands_before_the_robots_of_its_language(
    client: httpx.AsyncClient, vendors: Vendors, settings: Settings
) -> None:
    assert {"de", "en-us"} <= (await listed(client)).keys()
    place(settings.data_dir, "tts-de")
    voices = await listed(client)
    assert voices["tts-de"]["installed"] is True
    assert "pull" not in voices["tts-de"]["description"]["en"]
    assert "de" not in voices
    assert "en-us" in voices
    for voice_id in ("tts-de", "de"):
        config = {"provider": "local", "model": "auto", "voice_id": voice_id}
        assert text_to_speech(config, vendors).name == "local sherpa-onnx"


def test_the_server_loads_no_speech_library_for_the_list(tmp_path: Path) -> None:
    program = f"""
import asyncio, pathlib, sys
from dialtone.voices.service import Voices
voices = asyncio.run(Voices(pathlib.Path({str(tmp_path)!r})).list_all())
print(len(voices), sorted({{"espeakng_loader", "sherpa_onnx", "pocketsphinx"}} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    count, loaded = done.stdout.split(maxsplit=1)
    assert int(count) > 90
    assert loaded.strip() == "[]"
