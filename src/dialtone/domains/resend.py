"""A client of Resend's API: sending domains (https://resend.com/docs/api-reference/domains), and mail from them.

Its errors are in https://resend.com/docs/api-reference/errors; they are told here as the API tells its own.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dialtone.platform.errors import ApiError
from dialtone.platform.guarded_http import GuardedHttp, GuardedRequestError, GuardedResponse
from dialtone.platform.strict_json import InvalidJsonError, parse

REQUEST_SECONDS = 10.0
OPERATION_SECONDS = 25.0
"""All requests for one of ours, their waiting included."""
RATE_LIMIT_TRIES = 3
MAX_WAIT_SECONDS = 2.0
"""Resend takes a few requests a second; a longer wait is the client's."""
MAX_RESPONSE_BYTES = 512 * 1024
PAGE = 100
MAX_PAGES = 10
MAX_RECORDS = 50
MAX_TEXT = 4096

_BAD_KEY = frozenset(
    {"missing_api_key", "invalid_api_key", "restricted_api_key", "suspended_api_key", "invalid_permission"}
)


class ResendUnavailableError(ApiError):
    """Resend gave no usable answer: whether it did what was asked is not known."""


class ResendRefusedError(ApiError):
    """Resend did not do what was asked."""


class DomainTakenError(ResendRefusedError):
    """Somebody has this domain at Resend already, in this account or another."""


class DomainGoneError(ResendRefusedError):
    """There is no such domain in this account."""


@dataclass(frozen=True, slots=True)
class ResendDomain:
    """A domain as Resend tells it."""

    id: str
    name: str
    status: str
    region: str
    created_at: datetime | None
    records: list[dict[str, Any]] | None
    """None in lists."""


class Resend:
    """One operation's requests with one key. All methods raise `ResendUnavailableError` and `ResendRefusedError`."""

    def __init__(self, http: GuardedHttp, base_url: str, key: str, *, own: bool) -> None:
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._key = key
        self.own = own
        """The account is the organization's own, not the deployment's."""
        self._deadline = asyncio.get_running_loop().time() + OPERATION_SECONDS

    async def create(self, name: str, region: str) -> ResendDomain:
        """Raises `DomainTakenError`."""
        return _domain(await self._request("POST", "/domains", {"name": name, "region": region}))

    async def get(self, domain_id: str) -> ResendDomain:
        """Raises `DomainGoneError`."""
        return _domain(await self._request("GET", f"/domains/{domain_id}"))

    async def verify(self, domain_id: str) -> None:
        """Have Resend look the records up again, which goes on after it answered. Raises `DomainGoneError`."""
        await self._request("POST", f"/domains/{domain_id}/verify")

    async def delete(self, domain_id: str) -> None:
        """Raises `DomainGoneError`."""
        await self._request("DELETE", f"/domains/{domain_id}")

    async def send(self, sender: str, to: str, subject: str, text: str, html: str, *, key: str) -> None:
        """Send a mail (https://resend.com/docs/api-reference/emails/send-email). Of several with one `key` within a
        day, Resend sends one.
        """
        body = {"from": sender, "to": [to], "subject": subject, "text": text, "html": html}
        await self._request("POST", "/emails", body, {"Idempotency-Key": key})

    async def list_all(self) -> list[ResendDomain]:
        """The account's domains, at most `PAGE * MAX_PAGES`."""
        found: list[ResendDomain] = []
        for _ in range(MAX_PAGES):
            after = f"&after={found[-1].id}" if found else ""
            page = await self._request("GET", f"/domains?limit={PAGE}{after}")
            data = page.get("data")
            if not isinstance(data, list) or not all(isinstance(each, dict) for each in data):
                raise _nonsense()
            found += [_domain(each) for each in data[:PAGE]]
            if page.get("has_more") is not True or not data:
                break
        return found

    async def _request(
        self, method: str, path: str, body: dict[str, Any] | None = None, more_headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        for tries_left in range(RATE_LIMIT_TRIES - 1, -1, -1):
            response = await self._send(method, path, body, more_headers or {})
            if response.status != 429 or not tries_left:
                break
            await asyncio.sleep(min(_retry_after(response.headers), MAX_WAIT_SECONDS))
        if response.status >= 500:
            status = 503 if response.status == 503 else 502
            raise _unavailable(status, f"Resend failed (HTTP {response.status}); try again.")
        try:
            document = parse(response.body)
        except InvalidJsonError:
            raise _nonsense() from None
        if not isinstance(document, dict):
            raise _nonsense()
        if not 200 <= response.status < 300:
            raise self._refusal(response, document)
        return document

    async def _send(
        self, method: str, path: str, body: dict[str, Any] | None, more_headers: Mapping[str, str]
    ) -> GuardedResponse:
        seconds = min(REQUEST_SECONDS, self._deadline - asyncio.get_running_loop().time())
        if seconds <= 0:
            raise _unavailable(504, f"Resend did not do it within {OPERATION_SECONDS:g} s; try again.")
        headers = {"Authorization": f"Bearer {self._key}", "User-Agent": "dialtone", **more_headers}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            return await self._http.request(
                method,
                self._base_url + path,
                headers=headers,
                body=None if body is None else json.dumps(body).encode(),
                total_seconds=seconds,
                max_response_bytes=MAX_RESPONSE_BYTES,
            )
        except GuardedRequestError as error:
            status = 504 if isinstance(error.__cause__, TimeoutError) else 502
            raise _unavailable(status, f"Resend could not be asked: {error}.") from error

    def _refusal(self, response: GuardedResponse, document: dict[str, Any]) -> ResendRefusedError:
        status, name = response.status, document.get("name")
        words = str(document.get("message") or f"HTTP {status}")[:300].replace(self._key, "...")
        if name in _BAD_KEY or status == 401:
            return self._bad_key(words)
        if status == 429 or name == "resource_locked":
            seconds = str(max(1, round(_retry_after(response.headers))))
            message = f"Resend takes no more requests now: {words}"
            return ResendRefusedError(503, "resend_busy", "Resend is busy", message, headers={"Retry-After": seconds})
        if status == 404:
            return DomainGoneError(404, "not_found", "Not found", "Resend has no such domain in this account.")
        if status == 409 or "registered already" in words or "already exists" in words:
            return DomainTakenError(409, "domain_taken", "Domain taken", f"Resend says: {words}")
        return ResendRefusedError(400, "resend_refused", "Refused by Resend", f"Resend says: {words}")

    def _bad_key(self, words: str) -> ResendRefusedError:
        if self.own:
            advice = "Store another key with full access: POST /byok with provider resend."
            return ResendRefusedError(409, "resend_key_refused", "Resend key refused", f"Resend says: {words} {advice}")
        advice = "Whoever runs this deployment must set RESEND_API_KEY to a key with full access."
        return ResendRefusedError(502, "resend_key_refused", "Resend key refused", f"Resend says: {words} {advice}")


def _unavailable(status: int, message: str) -> ResendUnavailableError:
    return ResendUnavailableError(status, "resend_unavailable", "Resend is not available", message)


def _nonsense() -> ResendUnavailableError:
    return _unavailable(502, "Resend's answer could not be understood; try again.")


def _retry_after(headers: Mapping[str, str]) -> float:
    try:
        return max(0.0, float(headers.get("retry-after", "1")))
    except ValueError:
        return 1.0


def _domain(document: dict[str, Any]) -> ResendDomain:
    records = document.get("records")
    known = [each for each in records if isinstance(each, dict)][:MAX_RECORDS] if isinstance(records, list) else None
    return ResendDomain(
        id=_text(document, "id", 64),
        name=_text(document, "name", 253),
        status=_text(document, "status", 32),
        region=_text(document, "region", 32),
        created_at=_moment(document.get("created_at")),
        records=None if known is None else [_record(each) for each in known],
    )


def _text(document: dict[str, Any], name: str, limit: int) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= limit:
        raise _nonsense()
    return value


def _record(document: dict[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = {
        name: str(document.get(name) or "")[:MAX_TEXT] for name in ("record", "name", "type", "ttl", "status", "value")
    }
    priority = document.get("priority")
    if isinstance(priority, int) and not isinstance(priority, bool):
        record["priority"] = priority
    return record


def _moment(text: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
