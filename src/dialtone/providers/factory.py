"""From an assistant's config block to a configured vendor. Vendors are imported only when one is used."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp

from dialtone.providers.addresses import BASE_URLS
from dialtone.providers.base import LanguageModel, ProviderError, RecordedSpeechToText, SpeechToText, TextToSpeech
from dialtone.providers.websocket import tls_context
from dialtone.settings import Settings

_ALIASES = {"11labs": "elevenlabs"}
_CHAT_PROVIDERS = ("openai", "xai", "mistral")


@dataclass(frozen=True, slots=True)
class OwnKey:
    """A key that an organization brought itself."""

    key: str = field(repr=False)
    base_url: str | None
    """Where it may be sent, without a trailing slash; None: to the deployment's address of the vendor."""


@dataclass(frozen=True, slots=True)
class Vendors:
    """What the vendors' clients share in one process, with the keys of one organization."""

    http: aiohttp.ClientSession
    keys: Mapping[str, str] = field(repr=False)
    """API key by provider id; a provider that needs none (a local server) is absent."""
    base_urls: Mapping[str, str]
    """Base URL by provider id, without a trailing slash."""
    data_dir: Path
    """Pulled models are under `data_dir / "models"`."""
    no_retention: bool = False
    """Tell the vendors to keep nothing of the calls, where they can be told."""

    def with_own_keys(self, own: Mapping[str, OwnKey]) -> "Vendors":
        """With an organization's own keys before the deployment's. Each goes to its own address only: the
        deployment's may be another company's, which must not get to see a customer's key, nor a customer's address
        the deployment's key.
        """
        keys = {provider: one.key for provider, one in own.items()}
        addresses = {provider: one.base_url for provider, one in own.items() if one.base_url is not None}
        return replace(self, keys={**self.keys, **keys}, base_urls={**self.base_urls, **addresses})


@asynccontextmanager
async def open_vendors(settings: Settings) -> AsyncIterator[Vendors]:
    """The deployment's own vendors, open while the block runs.

    The session has no total timeout (replies stream for as long as they take) and no limit on connections: how many
    calls there are is limited where calls are taken.
    """
    tls_context()  # made here, before there are calls it would hold up
    connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=300, keepalive_timeout=60)
    timeout = aiohttp.ClientTimeout(total=None, connect=5, sock_connect=5)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as http:
        keys = {}
        base_urls = {}
        for provider in BASE_URLS:
            key = getattr(settings, f"{provider}_api_key")
            if key is not None and key.get_secret_value():
                keys[provider] = key.get_secret_value()
            base_urls[provider] = getattr(settings, f"{provider}_base_url").rstrip("/")
        yield Vendors(http=http, keys=keys, base_urls=base_urls, data_dir=settings.data_dir)


def speech_to_text(config: Mapping[str, Any], vendors: Vendors) -> SpeechToText:
    """The vendor of an `stt_config` block. Raises `ProviderError` where it can't be used here."""
    provider = _provider(config)
    if provider == "local":
        from dialtone.providers import local

        return local.speech_to_text(config, vendors)
    if provider == "deepgram":
        from dialtone.providers.stt.deepgram import Deepgram

        key, base_url = _access(provider, vendors)
        return Deepgram(config, key=key, base_url=base_url, no_retention=vendors.no_retention)
    raise _unavailable(provider, "speech-to-text by this provider is")


def language_model(config: Mapping[str, Any], vendors: Vendors, *, first_token_seconds: float = 15.0) -> LanguageModel:
    """The vendor of an `llm_config` block. Raises `ProviderError` where it can't be used here."""
    provider = _provider(config)
    if provider == "local":
        from dialtone.providers import local

        return local.language_model(config, vendors)
    if provider in _CHAT_PROVIDERS:
        from dialtone.providers.llm.openai_chat import OpenAIChat

        key, base_url = _access(provider, vendors)
        return OpenAIChat(
            vendors.http,
            name=provider,
            base_url=base_url,
            model=str(config["model"]),
            key=key,
            temperature=config.get("temperature"),
            max_tokens=config.get("max_completion_tokens"),
            first_token_timeout=first_token_seconds,
        )
    raise _unavailable(provider, "language models of this provider are")


def text_to_speech(config: Mapping[str, Any], vendors: Vendors) -> TextToSpeech:
    """The vendor of a `tts_config` block. Raises `ProviderError` where it can't be used here."""
    provider = _provider(config)
    if provider == "local":
        from dialtone.providers import local

        return local.text_to_speech(config, vendors)
    if provider == "elevenlabs":
        from dialtone.providers.tts.elevenlabs import ElevenLabs

        key, base_url = _access(provider, vendors)
        return ElevenLabs(config, key=key, base_url=base_url, no_retention=vendors.no_retention)
    raise _unavailable(provider, "text-to-speech by this provider is")


def recorded_speech_to_text(config: Mapping[str, Any], vendors: Vendors) -> RecordedSpeechToText:
    """The vendor of a `postcall_stt` block. Raises `ProviderError` where it can't be used here."""
    provider = _provider(config)
    if provider == "deepgram":
        from dialtone.providers.stt.deepgram_recorded import DeepgramRecorded

        key, base_url = _access(provider, vendors)
        return DeepgramRecorded(vendors.http, config, key=key, base_url=base_url, no_retention=vendors.no_retention)
    if provider == "elevenlabs":
        from dialtone.providers.stt.elevenlabs_recorded import ElevenLabsRecorded

        key, base_url = _access(provider, vendors)
        return ElevenLabsRecorded(vendors.http, config, key=key, base_url=base_url, no_retention=vendors.no_retention)
    raise _unavailable(provider, "transcription of recordings by this provider is")


def _provider(config: Mapping[str, Any]) -> str:
    provider = str(config["provider"])
    return _ALIASES.get(provider, provider)


def _access(provider: str, vendors: Vendors) -> tuple[str, str]:
    """Key and base URL. A server at another address than the vendor's own may need no key."""
    base_url = vendors.base_urls.get(provider) or BASE_URLS[provider]
    key = vendors.keys.get(provider, "")
    if not key and base_url.rstrip("/") == BASE_URLS[provider]:
        variable = f"{provider.upper()}_API_KEY"
        raise ProviderError(
            provider, f"no API key: set the environment variable {variable}, or bring your own", retryable=False
        )
    return key, base_url


def _unavailable(provider: str, what: str) -> ProviderError:
    return ProviderError(provider, f"{what} not available in this deployment", retryable=False)
