"""A customer's server, which checks the signatures of what it gets by the published scheme alone."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

from tests.platform_http.servers import http_server


@dataclass
class Received:
    headers: dict[str, str]
    raw: bytes
    path: str

    @property
    def id(self) -> str:
        return self.headers["X-Webhook-Id"]

    @property
    def event(self) -> str:
        return self.headers["X-Webhook-Event"]

    @property
    def message(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.raw)["message"]
        return message

    def is_signed_with(self, secret: str) -> bool:
        signed = f"{self.headers['X-Webhook-Timestamp']}.".encode() + self.raw
        expected = "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        return self.headers.get("X-Webhook-Signature") == expected


Answer = Callable[[Received], web.Response]


def acknowledge(_received: Received) -> web.Response:
    return web.json_response({})


@dataclass
class WebhookReceiver:
    """Answers as `answers` say, one after the other, and then with `answer`."""

    answer: Answer = acknowledge
    answers: list[Answer] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    url: str = ""
    _open: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def __aenter__(self) -> Self:
        self.url = f"http://{await self._open.enter_async_context(http_server(self._handle))}/hook"
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._open.aclose()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        received = Received(dict(request.headers), await request.read(), request.path_qs)
        self.received.append(received)
        answer = self.answers.pop(0) if self.answers else self.answer
        async with self.arrived:
            self.arrived.notify_all()
        return answer(received)

    async def until(self, count: int) -> list[Received]:
        """The first `count` requests, once they are here."""
        async with asyncio.timeout(20), self.arrived:
            await self.arrived.wait_for(lambda: len(self.received) >= count)
        return self.received[:count]
