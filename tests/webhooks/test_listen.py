import asyncio
import json
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from dialtone.platform.webhook_signing import webhook_headers
from dialtone.webhooks.listen import listen, verdict

SECRET = "whsec of a developer"
BODY = '{"message":{"type":"status-update","assistant":{"name":"Zoë"}}}'.encode()


def headers(secret: str | None, timestamp: float | None = None) -> dict[str, str]:
    moment = int(time.time() if timestamp is None else timestamp)
    return dict(webhook_headers("status-update", BODY, webhook_id="w-1", timestamp=moment, secret=secret))


class Screen:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.first: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def tell(self, line: str) -> None:
        self.lines.append(line)
        if not self.first.done():
            self.first.set_result(line)


@pytest.fixture
async def screen() -> AsyncIterator[Screen]:
    """A listener is running; its first line names its address."""
    screen = Screen()
    task = asyncio.create_task(listen(0, SECRET, screen.tell))
    try:
        await screen.first
        yield screen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_signed_event_is_shown_and_answered(screen: Screen) -> None:
    url = screen.lines[0].split()[2]
    async with aiohttp.ClientSession() as http:
        async with http.post(f"{url}any/path", data=BODY, headers=headers(SECRET)) as answer:
            assert (answer.status, await answer.json()) == (200, {})
        assert screen.lines[1:] == [
            "status-update  w-1  signature good",
            json.dumps(json.loads(BODY), indent=2, ensure_ascii=False),
        ]
        async with http.post(url, data=b"\xff", headers=headers(None)) as answer:
            assert (answer.status, await answer.json()) == (401, {"error": "NOT SIGNED"})
        assert screen.lines[3:] == ["status-update  w-1  NOT SIGNED", "\\xff"]


def test_what_is_said_of_a_signature() -> None:
    now = time.time()
    assert verdict(SECRET, headers(SECRET), BODY, now) == "signature good"
    assert verdict(SECRET, headers("another"), BODY, now) == "WRONG SIGNATURE"
    assert verdict(SECRET, headers(SECRET), BODY + b" ", now) == "WRONG SIGNATURE"
    assert verdict(SECRET, headers(SECRET, now - 301), BODY, now).startswith("TOO OLD OR TOO NEW")
    assert verdict(SECRET, headers(SECRET, now + 302), BODY, now).startswith("TOO OLD OR TOO NEW")
    assert verdict(SECRET, {**headers(SECRET), "X-Webhook-Timestamp": "yesterday"}, BODY, now) == "NO TIMESTAMP"
    assert verdict(SECRET, {**headers(SECRET), "X-Webhook-Signature": "sha256=ä"}, BODY, now) == "WRONG SIGNATURE"
    assert verdict(None, headers(SECRET), BODY, now) == "signed; give --secret to check it"
    assert verdict(None, headers(None), BODY, now) == "not signed"
