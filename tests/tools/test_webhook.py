import asyncio
import hashlib
import hmac
import json
import re
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from dialtone.platform.guarded_http import GuardedHttp
from dialtone.tools.answers import MAX_RESULT_BYTES, NO_RESULT, ToolFailedError
from dialtone.tools.base import Tool
from dialtone.tools.envelope import CallContext
from dialtone.tools.webhook import call_webhook
from tests.platform_http.servers import http_server, raw_server

NOW = 1_765_627_200.123
CONTEXT = CallContext(
    call_id="call-1",
    call_type="inbound_phone_call",
    assistant={"id": "a-1", "name": "Ana", "metadata": {"tier": 2}},
    phone_number_id="n-1",
    phone_number="+31201234567",
    phone_number_name="Main",
    customer_number="+31612345678",
)
TOOL = Tool("webhook", "lookup", "Looks something up")


@pytest.fixture
async def http() -> AsyncIterator[GuardedHttp]:
    async with GuardedHttp(allow_private_addresses=True) as client:
        yield client


async def ask(http: GuardedHttp, body: bytes | str, status: int = 200, content_type: str = "application/json") -> str:
    """The result of a tool whose server answers so, CALL standing for the id of the call."""

    async def handler(request: web.Request) -> web.Response:
        payload = body.encode() if isinstance(body, str) else body
        return web.Response(status=status, body=payload, content_type=content_type)

    async with http_server(handler) as host:
        return await call_webhook(replace(TOOL, url=f"http://{host}/tool"), "call_7", {}, CONTEXT, http)


class Received:
    """A server that keeps what it got."""

    def __init__(self) -> None:
        self.requests: list[tuple[web.Request, bytes]] = []

    async def __call__(self, request: web.Request) -> web.Response:
        self.requests.append((request, await request.read()))
        return web.json_response({"result": "ok"})

    @property
    def only(self) -> tuple[web.Request, bytes]:
        (request,) = self.requests
        return request


async def test_request_is_the_contracts(http: GuardedHttp) -> None:
    received = Received()
    arguments = {"query": "Zoë", "half": "\ud800"}
    async with http_server(received) as host:
        tool = replace(TOOL, url=f"http://{host}/contacts?x=1")
        assert await call_webhook(tool, "call_7", arguments, CONTEXT, http, clock=lambda: NOW) == "ok"
    request, body = received.only
    assert (request.method, request.path_qs) == ("POST", "/contacts?x=1")
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["User-Agent"] == "HMS-Sovereign/1.0"
    assert request.headers["X-Webhook-Event"] == "tool-calls"
    assert request.headers["X-Webhook-Timestamp"] == "1765627200"
    assert uuid.UUID(request.headers["X-Webhook-Id"])
    assert "X-Webhook-Signature" not in request.headers
    assert json.loads(body) == {
        "message": {
            "type": "tool-calls",
            "timestamp": "2025-12-13T12:00:00.123Z",
            "call": {"id": "call-1", "type": "inbound_phone_call", "status": "in-progress"},
            "phone_number": {"id": "n-1", "number": "+31201234567", "name": "Main"},
            "customer": {"number": "+31612345678"},
            "assistant": {"id": "a-1", "name": "Ana", "metadata": {"tier": 2}},
            "tool_call_list": [
                {"id": "call_7", "type": "function", "function": {"name": "lookup", "arguments": arguments}}
            ],
        }
    }


async def test_numbers_are_null_on_web_calls(http: GuardedHttp) -> None:
    received = Received()
    async with http_server(received) as host:
        context = CallContext("call-2", "web_call", {})
        await call_webhook(replace(TOOL, url=f"http://{host}/"), "c", {}, context, http)
    message = json.loads(received.only[1])["message"]
    assert message["phone_number"] == {"id": None, "number": None, "name": None}
    assert message["customer"] == {"number": None}


def verified(request: web.Request, body: bytes, secret: str) -> bool:
    """As a receiver would check it, by the contract's text alone."""
    timestamp = request.headers["X-Webhook-Timestamp"]
    match = re.fullmatch(r"sha256=([0-9a-f]{64})", request.headers["X-Webhook-Signature"])
    assert match
    mac = hmac.HMAC(bytes(secret, "utf-8"), digestmod=hashlib.sha256)
    mac.update(bytes(f"{timestamp}.", "ascii"))
    mac.update(body)
    return mac.hexdigest() == match[1]


@pytest.mark.parametrize(
    ("tool_secret", "webhook_secret", "signed_with"), [("té", "w", "té"), (None, "w", "w"), ("té", None, "té")]
)
async def test_signature(
    http: GuardedHttp, tool_secret: str | None, webhook_secret: str | None, signed_with: str
) -> None:
    received = Received()
    async with http_server(received) as host:
        tool = replace(TOOL, url=f"http://{host}/", secret=tool_secret)
        await call_webhook(tool, "c", {"a": 1}, replace(CONTEXT, webhook_secret=webhook_secret), http)
    request, body = received.only
    assert verified(request, body, signed_with)
    assert not verified(request, body + b" ", signed_with)
    assert not verified(request, body, "other")


async def test_tool_without_url_goes_to_the_assistants_webhook(http: GuardedHttp) -> None:
    received = Received()
    async with http_server(received) as host:
        context = replace(CONTEXT, webhook_url=f"http://{host}/assistant")
        assert await call_webhook(TOOL, "c", {}, context, http) == "ok"
        with_event = replace(context, webhook_events=("tool-calls",))
        assert await call_webhook(TOOL, "c", {}, with_event, http) == "ok"
        with pytest.raises(ToolFailedError, match="no address"):
            await call_webhook(TOOL, "c", {}, replace(context, webhook_events=("status-update",)), http)
    assert [request.path for request, _ in received.requests] == ["/assistant"] * 2
    with pytest.raises(ToolFailedError, match="no address"):
        await call_webhook(TOOL, "c", {}, CONTEXT, http)


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        ({"results": [{"tool_call_id": "x", "result": "no"}, {"tool_call_id": "call_7", "result": "yes"}]}, "yes"),
        ({"results": [{"tool_call_id": "call_7", "result": {"a": [1, "é"]}}]}, '{"a":[1,"é"]}'),
        ({"result": "plain words"}, "plain words"),
        ({"result": {"a": None}}, '{"a":null}'),
        ({"result": False}, "false"),
        ({"result": None}, NO_RESULT),
        ({"result": "fine", "error": None}, "fine"),
        ({"slots": ["10:00"]}, '{"slots":["10:00"]}'),
        ({"results": ["10:00"]}, '{"results":["10:00"]}'),
        (["a", 1], '["a",1]'),
        ("text", "text"),
        (42, "42"),
        ({}, "{}"),
    ],
)
async def test_reply_forms(http: GuardedHttp, answer: Any, result: str) -> None:
    assert await ask(http, json.dumps(answer)) == result


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"error": "no such contact"}, "no such contact"),
        ({"error": {"code": 4}}, '{"code":4}'),
        ({"results": [{"tool_call_id": "call_7", "error": "full"}]}, "full"),
        ({"results": [{"tool_call_id": "other", "result": "x"}]}, "holds no result for this call"),
    ],
)
async def test_error_replies(http: GuardedHttp, answer: Any, words: str) -> None:
    with pytest.raises(ToolFailedError) as failure:
        await ask(http, json.dumps(answer))
    assert words in str(failure.value)


async def test_empty_plain_and_broken_answers(http: GuardedHttp) -> None:
    assert await ask(http, "", status=204) == NO_RESULT
    assert await ask(http, "Started", content_type="text/plain") == "Started"
    for broken in ('{"result": ', b"\xff\xfe\xfa", "<html>Oops</html>"):
        with pytest.raises(ToolFailedError, match=r"not valid JSON|is no text"):
            await ask(http, broken)
    with pytest.raises(ToolFailedError, match="nested too deeply"):
        await ask(http, "[" * 100_000 + "]" * 100_000)


@pytest.mark.parametrize("status", [301, 400, 404, 429, 500])
async def test_other_statuses_are_failures(http: GuardedHttp, status: int) -> None:
    with pytest.raises(ToolFailedError, match=f"status {status}$"):
        await ask(http, "<html>Oops</html>", status=status, content_type="text/html")
    with pytest.raises(ToolFailedError, match=f"status {status}: Jan is unknown$") as failure:
        await ask(http, '{"error": "Jan is unknown"}', status=status)
    assert "Jan" not in failure.value.summary


async def test_long_result_is_cut_with_a_note(http: GuardedHttp) -> None:
    whole = "é" * (MAX_RESULT_BYTES // 2)
    assert await ask(http, json.dumps({"result": whole})) == whole
    cut = await ask(http, json.dumps({"result": "x" + whole}))
    assert cut == f"x{whole[:-1]}\n[cut here: the whole result has {MAX_RESULT_BYTES + 1} bytes]"


async def test_result_is_always_encodable(http: GuardedHttp) -> None:
    assert await ask(http, '{"result": "half \\ud83d"}') == "half ?"


async def test_huge_answer_is_refused(http: GuardedHttp) -> None:
    with pytest.raises(ToolFailedError, match="more than 262144 bytes"):
        await ask(http, b"x" * 300_000)


async def test_black_hole_costs_the_limit_only(http: GuardedHttp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dialtone.tools.webhook.TIMEOUT_SECONDS", 0.1)
    async with raw_server(None) as host:
        with pytest.raises(ToolFailedError, match=r"no complete answer within 0\.1 s"):
            await call_webhook(replace(TOOL, url=f"http://{host}/"), "c", {}, CONTEXT, http)


async def test_private_address_is_refused() -> None:
    async with GuardedHttp(allow_private_addresses=False) as guarded:
        with pytest.raises(ToolFailedError, match="non-public address"):
            await call_webhook(replace(TOOL, url="http://127.0.0.1:1/"), "c", {}, CONTEXT, guarded)


async def test_waiting_can_be_cancelled(http: GuardedHttp) -> None:
    arrived = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        arrived.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with http_server(handler) as host:
        task = asyncio.create_task(call_webhook(replace(TOOL, url=f"http://{host}/"), "c", {}, CONTEXT, http))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
