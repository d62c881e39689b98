"""Speech-to-text by pocketsphinx: nothing to download, English, demo quality; good with expected phrases."""

import importlib.util
from collections.abc import Mapping
from typing import Any

from dialtone.providers.base import ProviderError
from dialtone.providers.local.listening import LocalSpeechToText
from dialtone.providers.local.pool import WorkerPool
from dialtone.providers.local.pools import shared_pool

NAME = "local pocketsphinx"
MODULE = "dialtone.providers.local.children.sphinx"
STREAMS_PER_WORKER = 12
"""A stream takes about a tenth of a core while its caller speaks, and nothing while they listen."""
MAX_KEYTERMS = 100
MAX_KEYTERM_CHARACTERS = 100


def expected_phrases(config: Mapping[str, Any]) -> list[str]:
    """`keyterms` of an `stt_config`. Raises `ProviderError` for too many or too long ones."""
    keyterms = [keyterm.strip() for keyterm in config.get("keyterms") or () if keyterm.strip()]
    if len(keyterms) > MAX_KEYTERMS:
        raise ProviderError(NAME, f"keyterms must be at most {MAX_KEYTERMS} (got {len(keyterms)})", retryable=False)
    longest = max(map(len, keyterms), default=0)
    if longest > MAX_KEYTERM_CHARACTERS:
        limit = f"each of keyterms must have at most {MAX_KEYTERM_CHARACTERS} characters (got {longest})"
        raise ProviderError(NAME, limit, retryable=False)
    return keyterms


def sphinx_speech_to_text(config: Mapping[str, Any]) -> LocalSpeechToText:
    """Raises `ProviderError` without the package, or for a language other than English."""
    if importlib.util.find_spec("pocketsphinx") is None:
        raise ProviderError(NAME, "is not installed: pip install 'dialtone[local]'", retryable=False)
    language = (config.get("language") or "en").lower()
    if language != "multi" and language.split("-")[0] != "en":
        raise ProviderError(NAME, f"hears English only (language is {language!r})", retryable=False)
    return LocalSpeechToText(
        NAME,
        lambda: shared_pool((MODULE,), lambda: WorkerPool(NAME, MODULE, channels_per_worker=STREAMS_PER_WORKER)),
        {"keyterms": expected_phrases(config)},
    )
