"""A vendor's refusal over HTTP, in words for a call's record."""

import json
from typing import Any

from dialtone.providers.base import ProviderError

_DETAIL_LENGTH = 200
"""Characters of a vendor's own message that are quoted."""

_RETRYABLE = frozenset({408, 409, 425, 429})


def refusal(provider: str, status: int, body: bytes = b"", secret: str = "") -> ProviderError:
    """What HTTP status `status` with `body` means. `secret` never appears in the error.

    A refused key is not quoted at all: vendors repeat a part of the key in that message.
    """
    if status in (401, 403):
        return ProviderError(provider, f"the API key was refused (HTTP {status})", retryable=False)
    if status == 402:
        return ProviderError(provider, "the account has no credit left (HTTP 402)", retryable=False)
    said = vendor_message(body, secret)
    if status == 429:
        return ProviderError(provider, "too many requests at the moment (HTTP 429)", said=said)
    if status >= 500:
        return ProviderError(provider, f"the service has a fault (HTTP {status})", said=said)
    words, retryable = f"the request was refused (HTTP {status})", status in _RETRYABLE
    return ProviderError(provider, words, said=said, retryable=retryable)


def vendor_message(body: bytes, secret: str = "") -> str:
    """The human-readable part of an error body, on one line and shortened; empty where there is none.

    The known shapes: OpenAI `{"error": {"message"}}`, Deepgram `{"err_msg"}`, ElevenLabs `{"detail": {"message"}}`.
    """
    text = body[:8192].decode("utf-8", "replace").strip()
    try:
        text = _find_message(json.loads(text)) or ""
    except (ValueError, RecursionError):
        if text.startswith("<"):
            return ""
    return quote(text, secret)


def quote(text: str, secret: str = "") -> str:
    """`text` of a vendor made fit for an error: one line, shortened, without `secret`."""
    if secret:
        text = text.replace(secret, "***")
    text = " ".join(text.split())
    return text if len(text) <= _DETAIL_LENGTH else text[: _DETAIL_LENGTH - 1] + "…"


def _find_message(value: Any, depth: int = 0) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and depth < 4:
        return _find_message(value[0], depth + 1)
    if isinstance(value, dict) and depth < 4:
        for name in ("message", "err_msg", "msg", "error", "detail", "description", "reason"):
            if value.get(name):
                return _find_message(value[name], depth + 1)
    return None
