"""A fake of Resend's API of sending domains, https://api.resend.com/domains, and of sending from them.

From Resend's reference pages "Create Domain", "Retrieve Domain", "Verify Domain", "List Domains", "Delete Domain",
"Errors", "Send Email", "Idempotency Keys", and from "Managing Domains" for the statuses.
"""

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from tests.fakes.server import FakeServer, drop

REGIONS = ("us-east-1", "eu-west-1", "sa-east-1", "ap-northeast-1")


@dataclass
class Fault:
    """What happens to one request instead of an answer.

    `done` True: the request has its effect first. `status` None cuts the connection; `stall` never answers; `text` is
    sent instead of a JSON error.
    """

    method: str
    status: int | None = None
    name: str = "application_error"
    message: str = "An unexpected error occurred."
    headers: Mapping[str, str] = field(default_factory=dict)
    done: bool = False
    stall: bool = False
    text: str | None = None


class FakeResend(FakeServer):
    """Has one account per key in `accounts`. `faults`: each befalls the next request with its method."""

    def __init__(self, *keys: str) -> None:
        super().__init__()
        self.reset(*keys)

    def reset(self, *keys: str) -> None:
        """Have empty accounts with these keys, and no memory of requests."""
        self.accounts: dict[str, dict[str, dict[str, Any]]] = {key: {} for key in keys}
        """Domains by id, by key."""
        self.send_only_keys: set[str] = set()
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        """Method and path."""
        self.bodies: list[Any] = []
        self.mails: dict[str, dict[str, Any]] = {}
        """By their idempotency keys."""

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/domains", self._answer),
            web.get("/domains", self._answer),
            web.get("/domains/{id}", self._answer),
            web.post("/domains/{id}/verify", self._answer),
            web.delete("/domains/{id}", self._answer),
            web.post("/emails", self._answer),
        ]

    def names(self, key: str) -> list[str]:
        return [domain["name"] for domain in self.accounts[key].values()]

    def put(self, key: str, name: str, *, created_at: datetime | None = None, **fields: Any) -> dict[str, Any]:
        """Have a domain in an account, as if it had been made there by hand."""
        domain = {
            "id": str(uuid.uuid4()),
            "name": name,
            "status": "not_started",
            "created_at": (created_at or datetime.now(UTC)).strftime("%Y-%m-%d %H:%M:%S.%f+00"),
            "region": "us-east-1",
            "open_tracking": False,
            "click_tracking": False,
            "capabilities": {"sending": "enabled", "receiving": "disabled"},
            "records": _records(),
            **fields,
        }
        self.accounts[key][domain["id"]] = domain
        return domain

    def verified(self, domain_id: str) -> None:
        """Let Resend find every record of a domain."""
        for domains in self.accounts.values():
            if domain := domains.get(domain_id):
                domain["status"] = "verified"
                for record in domain["records"]:
                    record["status"] = "verified"

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else None
        self.requests.append(f"{request.method} {request.path_qs}")
        self.bodies.append(body)
        self.seen()
        fault = next((fault for fault in self.faults if fault.method == request.method), None)
        if fault is not None:
            self.faults.remove(fault)
            if fault.done:
                self._serve(request, body)
            return await _befall(request, fault)
        return self._serve(request, body)

    def _serve(self, request: web.Request, body: Any) -> web.StreamResponse:
        key = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if request.path == "/emails":
            return self._take_mail(key, request.headers.get("Idempotency-Key", ""), body)
        if key in self.send_only_keys:
            return _error(401, "restricted_api_key", "This API key is restricted to only send emails.")
        if key not in self.accounts:
            return _error(403, "invalid_api_key", "API key is invalid.")
        if "id" not in request.match_info:
            return self._create(key, body) if request.method == "POST" else self._list(key, request)
        domain = self.accounts[key].get(request.match_info["id"])
        if domain is None:
            return _error(404, "not_found", "Domain not found")
        if request.method == "GET":
            return web.json_response({"object": "domain", **domain})
        if request.method == "DELETE":
            del self.accounts[key][domain["id"]]
            return web.json_response({"object": "domain", "id": domain["id"], "deleted": True})
        domain["status"] = "pending"
        for record in domain["records"]:
            record["status"] = "pending"
        return web.json_response({"object": "domain", "id": domain["id"]})

    def _take_mail(self, key: str, once: str, body: dict[str, Any]) -> web.StreamResponse:
        """From "Send Email": only from a verified domain of the account; of one idempotency key, once."""
        verified = [each["name"] for each in self.accounts.get(key, {}).values() if each["status"] == "verified"]
        if body["from"].rpartition("@")[2] not in verified:
            return _error(403, "validation_error", "The domain is not verified.")
        self.mails.setdefault(once, body)
        return web.json_response({"id": str(uuid.uuid5(uuid.NAMESPACE_URL, once))})

    def _create(self, key: str, body: dict[str, Any]) -> web.StreamResponse:
        name, region = body["name"], body.get("region", "us-east-1")
        if region not in REGIONS:
            return _error(422, "invalid_region", "Region must be one of the following.")
        if any(name in self.names(each) for each in self.accounts):
            return _error(403, "validation_error", f"The {name} domain has been registered already.")
        if name.endswith(".invalid"):
            return _error(400, "validation_error", "The `name` field must be a valid domain.")
        return web.json_response(self.put(key, name, region=region), status=201)

    def _list(self, key: str, request: web.Request) -> web.StreamResponse:
        domains = [
            {name: value for name, value in domain.items() if name != "records"}
            for domain in self.accounts[key].values()
        ]
        if after := request.query.get("after"):
            domains = domains[[domain["id"] for domain in domains].index(after) + 1 :]
        limit = int(request.query.get("limit", "1000000"))
        return web.json_response({"object": "list", "has_more": len(domains) > limit, "data": domains[:limit]})


async def _befall(request: web.Request, fault: Fault) -> web.StreamResponse:
    if fault.stall:
        await asyncio.Event().wait()
    if fault.text is not None:
        return web.Response(text=fault.text, status=fault.status or 200)
    if fault.status is None:
        drop(request)
        return web.Response()
    return _error(fault.status, fault.name, fault.message, fault.headers)


def _error(status: int, name: str, message: str, headers: Mapping[str, str] | None = None) -> web.StreamResponse:
    return web.json_response({"statusCode": status, "name": name, "message": message}, status=status, headers=headers)


def _records() -> list[dict[str, Any]]:
    common = {"ttl": "Auto", "status": "not_started"}
    mx = {"record": "SPF", "name": "send", "type": "MX", "value": "feedback-smtp.eu-west-1.amazonses.com"}
    return [
        {**mx, "priority": 10, **common},
        {"record": "SPF", "name": "send", "type": "TXT", "value": "v=spf1 include:amazonses.com ~all", **common},
        {
            "record": "DKIM",
            "name": "resend._domainkey",
            "type": "TXT",
            "value": "p=MIGfMA0GCSqGSIb3DQEBAQUAA4",
            **common,
        },
    ]
