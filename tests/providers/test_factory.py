"""From config blocks to vendors, and what the vendors share."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dialtone.media.audio import MULAW_8K
from dialtone.providers.base import ProviderError
from dialtone.providers.factory import Vendors, language_model, open_vendors, speech_to_text, text_to_speech
from dialtone.settings import Settings
from tests.fakes.deepgram import FakeDeepgram
from tests.fakes.openai_chat import FakeOpenAIChat
from tests.providers.contracts import TURN, Heard, no_task_is_left

__all__ = ["no_task_is_left"]

DEEPGRAM = {"provider": "deepgram", "model": "nova-3", "language": "multi"}


@pytest.fixture
async def vendors(tmp_path: Path) -> AsyncIterator[Vendors]:
    settings = Settings(
        data_dir=tmp_path,
        openai_api_key="sk-1",  # type: ignore[arg-type]
        xai_api_key="xai-1",  # type: ignore[arg-type]
        mistral_api_key="mi-1",  # type: ignore[arg-type]
        deepgram_api_key="dg-1",  # type: ignore[arg-type]
        elevenlabs_api_key="xi-1",  # type: ignore[arg-type]
    )
    async with open_vendors(settings) as opened:
        yield opened


async def test_settings_become_keys_and_addresses(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path,
        openai_api_key="sk-1",  # type: ignore[arg-type]
        deepgram_api_key="",  # type: ignore[arg-type]
        openai_base_url="http://localhost:11434/v1/",
    )
    async with open_vendors(settings) as vendors:
        assert vendors.keys == {"openai": "sk-1"}
        assert vendors.base_urls["openai"] == "http://localhost:11434/v1"
        assert vendors.base_urls["deepgram"] == "https://api.deepgram.com"
        assert vendors.data_dir == tmp_path
        assert vendors.http.timeout.total is None
    assert vendors.http.closed


async def test_each_provider_is_built(vendors: Vendors) -> None:
    assert speech_to_text(DEEPGRAM, vendors).name == "deepgram"
    for provider in ("openai", "xai", "mistral"):
        assert language_model({"provider": provider, "model": "m"}, vendors).name == provider
    for provider in ("elevenlabs", "11labs"):
        assert text_to_speech({"provider": provider, "voice_id": "v"}, vendors).name == "elevenlabs"


@pytest.mark.parametrize(
    ("build", "config"),
    [
        (speech_to_text, {"provider": "gladia", "model": "solaria-1"}),
        (speech_to_text, {"provider": "openai", "model": "m"}),
        (language_model, {"provider": "google", "model": "gemini-3.5-flash"}),
        (text_to_speech, {"provider": "inworld", "voice_id": "v"}),
        (text_to_speech, {"provider": "deepgram", "voice_id": "v"}),
    ],
)
async def test_other_providers_are_refused_in_words(vendors: Vendors, build: Callable[..., Any], config: Any) -> None:
    with pytest.raises(ProviderError, match=rf"{config['provider']}: .*not available in this deployment") as caught:
        build(config, vendors)
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("build", "config", "variable"),
    [
        (speech_to_text, DEEPGRAM, "DEEPGRAM_API_KEY"),
        (language_model, {"provider": "xai", "model": "grok-4.3"}, "XAI_API_KEY"),
        (text_to_speech, {"provider": "11labs", "voice_id": "v"}, "ELEVENLABS_API_KEY"),
    ],
)
async def test_a_missing_key_names_its_variable(
    vendors: Vendors, build: Callable[..., Any], config: Any, variable: str
) -> None:
    with pytest.raises(ProviderError, match=variable) as caught:
        build(config, replace(vendors, keys={}))
    assert not caught.value.retryable


async def test_a_server_of_ones_own_needs_no_key(vendors: Vendors) -> None:
    async with FakeOpenAIChat() as fake:
        own = replace(vendors, keys={}, base_urls={"openai": fake.url})
        config = {"provider": "openai", "model": "llama", "temperature": 0.3, "max_completion_tokens": 50}
        async for _ in language_model(config, own).reply(TURN, ()):
            pass
        body = fake.requests[0].body
        assert (body["model"], body["temperature"], body["max_tokens"]) == ("llama", 0.3, 50)


async def test_privacy_reaches_the_vendor(vendors: Vendors) -> None:
    async with FakeDeepgram() as fake:
        private = replace(vendors, base_urls={"deepgram": fake.url}, no_retention=True)
        stream = await speech_to_text(DEEPGRAM, private).open(MULAW_8K, Heard().on_event, Heard().on_lost)
        await stream.close()
        assert fake.connections[0].query["mip_opt_out"] == "true"
        assert fake.connections[0].headers["Authorization"] == "Token dg-1"
