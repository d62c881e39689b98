"""Whose key goes where, in a deployment with keys and addresses of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from dialtone.providers import catalog
from dialtone.providers.addresses import BASE_URLS
from dialtone.providers.factory import OwnKey, Vendors
from dialtone.settings import Settings


@pytest.fixture
async def deployment(tmp_path: Path) -> AsyncIterator[Vendors]:
    async with aiohttp.ClientSession() as http:
        yield Vendors(
            http=http,
            keys={"openai": "deployment-openai", "deepgram": "deployment-deepgram"},
            base_urls={**BASE_URLS, "openai": "https://gateway.example/v1"},
            data_dir=tmp_path,
        )


async def test_own_keys_come_first_and_go_to_their_own_addresses(deployment: Vendors) -> None:
    own = {
        "openai": OwnKey("own-openai", BASE_URLS["openai"]),
        "elevenlabs": OwnKey("own-elevenlabs", "https://api.eu.residency.elevenlabs.io"),
    }
    vendors = deployment.with_own_keys(own)
    assert vendors.keys == {
        "openai": "own-openai",
        "elevenlabs": "own-elevenlabs",
        "deepgram": "deployment-deepgram",
    }
    assert vendors.base_urls["openai"] == "https://api.openai.com/v1"
    assert vendors.base_urls["elevenlabs"] == "https://api.eu.residency.elevenlabs.io"
    assert vendors.base_urls["deepgram"] == "https://api.deepgram.com"
    assert deployment.keys["openai"] == "deployment-openai"
    assert deployment.base_urls["openai"] == "https://gateway.example/v1"


async def test_an_own_key_without_an_address_follows_the_deployment(deployment: Vendors) -> None:
    vendors = deployment.with_own_keys({"openai": OwnKey("own-openai", None)})
    assert (vendors.keys["openai"], vendors.base_urls["openai"]) == ("own-openai", "https://gateway.example/v1")
    assert "own-openai" not in repr(vendors)


def test_the_default_addresses_are_the_vendors() -> None:
    for provider, url in BASE_URLS.items():
        assert Settings.model_fields[f"{provider}_base_url"].default == url


def test_which_keys_a_block_uses() -> None:
    def uses(block: str, config: dict[str, str] | None, *vendors: str) -> bool:
        return catalog.uses_key_of(block, config, vendors)  # type: ignore[arg-type]

    assert uses("stt", {"provider": "deepgram", "model": "nova-3"}, "openai", "deepgram")
    assert not uses("stt", {"provider": "deepgram", "model": "nova-3"}, "openai")
    assert uses("tts", {"provider": "11labs"}, "elevenlabs")
    assert uses("llm", {"provider": "openai_live", "model": "gpt-live-1"}, "openai")
    assert uses("tts", {"provider": "google", "model": "chirp-3-hd"}, "google_vertex")
    assert not uses("tts", {"provider": "google", "model": "chirp-3-hd"}, "google")
    assert not uses("llm", {"provider": "local", "model": "demo"}, "openai")
    assert not uses("stt", None, "deepgram")
