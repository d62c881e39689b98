"""What the clients for recordings share: one upload, one answer."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import aiohttp
import orjson

from dialtone.providers.base import ProviderError
from dialtone.providers.refusal import refusal

TRANSCRIBE_SECONDS = 600.0
"""For the upload and the vendor's work."""
MOST_RESPONSE_BYTES = 32 * 1024 * 1024


async def opened(recording: Path) -> BinaryIO:
    """The file, for an upload that reads and closes it. Raises `OSError`."""
    return await asyncio.to_thread(recording.open, "rb")


async def upload(
    http: aiohttp.ClientSession, provider: str, url: str, key: str, headers: Mapping[str, str], data: Any
) -> dict[str, Any]:
    """The vendor's JSON answer to `data`. Raises `ProviderError`."""
    try:
        async with (
            asyncio.timeout(TRANSCRIBE_SECONDS),
            http.post(url, data=data, headers=headers, allow_redirects=False) as response,
        ):
            body = await response.content.read(MOST_RESPONSE_BYTES + 1)
            while len(body) <= MOST_RESPONSE_BYTES and (more := await response.content.read(MOST_RESPONSE_BYTES)):
                body += more
    except TimeoutError as error:
        raise ProviderError(provider, f"no transcript within {TRANSCRIBE_SECONDS:g} seconds") from error
    except (aiohttp.ClientError, OSError) as error:
        raise ProviderError(provider, f"no connection ({type(error).__name__})") from error
    if response.status != 200:
        raise refusal(provider, response.status, body, key)
    if len(body) > MOST_RESPONSE_BYTES:
        raise ProviderError(provider, "the transcript is too long", retryable=False)
    try:
        document = await asyncio.to_thread(orjson.loads, body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ProviderError(provider, "the answer is no transcript")
    return document
