"""Requests and answers: authentication, time limits, tries, errors."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote as percent_encoded

import httpx

from dialtone_client.errors import ApiError

TIMEOUT_SECONDS = 30.0
RETRIES = 2
LONGEST_WAIT_SECONDS = 30.0
"""The server's `Retry-After` is heeded up to here."""
LONGEST_BACKOFF_SECONDS = 8.0
REPEATABLE = frozenset({"GET", "PUT", "DELETE"})
"""Methods that may be sent again after a failure of which nobody knows whether the server acted on it."""


def quote(segment: str) -> str:
    """One segment of a path."""
    return percent_encoded(segment, safe="")


def retry_after(response: httpx.Response, now: float) -> float | None:
    """Seconds to wait as the server asks, given as a number or as a date (RFC 9110 section 10.2.3)."""
    value = response.headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - now
        except ValueError:
            return None
    return min(max(seconds, 0.0), LONGEST_WAIT_SECONDS)


class _Rules:
    """What is sent, and what an answer means; the same with and without asyncio."""

    def __init__(self, base_url: str, api_key: str, retries: int) -> None:
        self.base_url = base_url.rstrip("/")
        self.headers = {"Authorization": f"Bearer {api_key}", "User-Agent": "dialtone-client-python"}
        self.retries = retries

    def arguments(self, path: str, query: Mapping[str, Any] | None, body: Mapping[str, Any] | None) -> dict[str, Any]:
        given = {key: value for key, value in (query or {}).items() if value is not None}
        arguments: dict[str, Any] = {"url": self.base_url + path, "params": given, "headers": self.headers}
        if body is not None:
            arguments["json"] = dict(body)
        return arguments

    def wait(self, method: str, attempt: int, response: httpx.Response | None) -> float | None:
        """Seconds until the next try; None where there must be none. `response` is None where none came."""
        if attempt >= self.retries:
            return None
        backoff = min(2.0**attempt, LONGEST_BACKOFF_SECONDS)
        if response is not None and response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            # Refused before anything was done, so every method may come again.
            asked = retry_after(response, time.time())
            return backoff if asked is None else asked
        failed = response is None or response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR
        return backoff if failed and method in REPEATABLE else None

    def answer(self, response: httpx.Response) -> Any:
        if response.is_success:
            return response.json() if response.content else None
        try:
            body = response.json()
        except ValueError:
            body = None
        raise ApiError.of(response.status_code, body if isinstance(body, dict) else {}, dict(response.headers))


class Transport:
    """Sends requests one after another."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        retries: int = RETRIES,
        http: httpx.Client | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rules = _Rules(base_url, api_key, retries)
        self._http = http or httpx.Client(timeout=TIMEOUT_SECONDS)
        self._sleep = sleep

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        """The answer's JSON. Raises `ApiError` for a refusal, `httpx.TransportError` where no answer came."""
        arguments = self._rules.arguments(path, query, body)
        attempt = 0
        while True:
            response = None
            try:
                response = self._http.request(method, **arguments)
            except httpx.TransportError:
                if self._rules.wait(method, attempt, None) is None:
                    raise
            seconds = self._rules.wait(method, attempt, response)
            if response is not None and (response.is_success or seconds is None):
                return self._rules.answer(response)
            self._sleep(seconds or 0.0)
            attempt += 1

    def close(self) -> None:
        self._http.close()


class AsyncTransport:
    """Sends requests from asyncio."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        retries: int = RETRIES,
        http: httpx.AsyncClient | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._rules = _Rules(base_url, api_key, retries)
        self._http = http or httpx.AsyncClient(timeout=TIMEOUT_SECONDS)
        self._sleep = sleep

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        """The answer's JSON. Raises `ApiError` for a refusal, `httpx.TransportError` where no answer came."""
        arguments = self._rules.arguments(path, query, body)
        attempt = 0
        while True:
            response = None
            try:
                response = await self._http.request(method, **arguments)
            except httpx.TransportError:
                if self._rules.wait(method, attempt, None) is None:
                    raise
            seconds = self._rules.wait(method, attempt, response)
            if response is not None and (response.is_success or seconds is None):
                return self._rules.answer(response)
            await self._sleep(seconds or 0.0)
            attempt += 1

    async def close(self) -> None:
        await self._http.aclose()
