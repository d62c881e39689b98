"""From an assistant's config block to a configured vendor. Vendors are imported only when one is used."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from dialtone.providers.base import LanguageModel, ProviderError, SpeechToText, TextToSpeech


@dataclass(frozen=True, slots=True)
class Vendors:
    """What the vendors' clients share in one process, with the keys of one organization."""

    http: aiohttp.ClientSession
    keys: Mapping[str, str]
    """API key by provider id; a provider that needs none (a local server) is absent."""
    base_urls: Mapping[str, str]
    """Base URL by provider id, without a trailing slash."""
    data_dir: Path
    """Pulled models are under `data_dir / "models"`."""


def speech_to_text(config: Mapping[str, Any], vendors: Vendors) -> SpeechToText:
    """The vendor of an `stt_config` block. Raises `ProviderError` where it can't be used here."""
    provider = config["provider"]
    raise ProviderError(provider, "speech-to-text by this provider is not available", retryable=False)


def language_model(config: Mapping[str, Any], vendors: Vendors) -> LanguageModel:
    """The vendor of an `llm_config` block. Raises `ProviderError` where it can't be used here."""
    provider = config["provider"]
    raise ProviderError(provider, "language models of this provider are not available", retryable=False)


def text_to_speech(config: Mapping[str, Any], vendors: Vendors) -> TextToSpeech:
    """The vendor of a `tts_config` block. Raises `ProviderError` where it can't be used here."""
    provider = config["provider"]
    raise ProviderError(provider, "text-to-speech by this provider is not available", retryable=False)
