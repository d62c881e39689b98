"""Tools that are plain REST APIs: what is sent over a real socket, and what the model gets."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from dialtone.platform.addresses import check_url
from dialtone.platform.crypto import MASK
from dialtone.platform.guarded_http import GuardedHttp
from dialtone.providers.base import ToolCall
from dialtone.tools.answers import MAX_RESULT_BYTES, NO_RESULT, ToolFailedError
from dialtone.tools.base import Tool
from dialtone.tools.envelope import CallContext
from dialtone.tools.rest import rest_request
from dialtone.tools.toolbox import Toolbox, ToolOutcome
from tests.platform_http.servers import http_server

CONTEXT = CallContext("call-1", "inbound_phone_call", {}, webhook_secret="webhook secret")
VALUES = {"call_id": "call-1", "caller_number": "+31612345678", "variables.tier": "gold"}


@pytest.fixture
async def http() -> AsyncIterator[GuardedHttp]:
    async with GuardedHttp(allow_private_addresses=True) as client:
        yield client


class Api:
    """Keeps what it got, and answers `answer`."""

    def __init__(self, answer: bytes | str = "{}", status: int = 200, content_type: str = "application/json") -> None:
        self.answer = answer.encode() if isinstance(answer, str) else answer
        self.status = status
        self.content_type = content_type
        self.requests: list[tuple[web.Request, bytes]] = []

    async def __call__(self, request: web.Request) -> web.Response:
        self.requests.append((request, await request.read()))
        return web.Response(body=self.answer, status=self.status, headers={"Content-Type": self.content_type})

    async def asked(self, http: GuardedHttp, path: str, arguments: dict[str, Any], **tool: Any) -> ToolOutcome:
        """The outcome of the tool that is `tool`, with this API's address before `path`."""
        async with http_server(self) as host:
            stored = {"name": "api", "url": f"http://{host}{path}", **tool}
            toolbox = Toolbox.from_stored([stored], CONTEXT, http, values=lambda: VALUES)
            return await toolbox.run(ToolCall("c1", "api", json.dumps(arguments)))

    @property
    def only(self) -> tuple[web.Request, bytes]:
        (request,) = self.requests
        return request


async def test_a_get_without_mapping_puts_arguments_into_the_query(http: GuardedHttp) -> None:
    api = Api('{"free": true}')
    arguments = {"day": "Tuesday & more", "party": 4, "vip": True, "tags": ["a", "b"], "none": None, "deep": {"x": 1}}
    outcome = await api.asked(http, "/tables?room=1", arguments, method="GET")
    assert (outcome.result, outcome.failed) == ('{"free":true}', False)
    request, body = api.only
    assert (request.method, request.path, body) == ("GET", "/tables", b"")
    assert [*request.query.items()] == [
        *(("room", "1"), ("day", "Tuesday & more"), ("party", "4"), ("vip", "true")),
        *(("tags", "a"), ("tags", "b"), ("deep", '{"x":1}')),
    ]
    assert "Content-Type" not in request.headers
    assert not [name for name in request.headers if name.lower().startswith("x-webhook")]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_other_methods_send_arguments_as_json(http: GuardedHttp, method: str) -> None:
    api = Api()
    await api.asked(http, "/orders/{{id}}", {"id": 7, "name": "Zoë", "none": None}, method=method)
    request, body = api.only
    assert (request.method, request.raw_path, request.headers["Content-Type"]) == (
        method,
        "/orders/7",
        "application/json",
    )
    assert json.loads(body) == {"name": "Zoë", "none": None}


async def test_a_delete_has_no_body(http: GuardedHttp) -> None:
    api = Api("", status=204)
    outcome = await api.asked(http, "/orders/{{id}}", {"id": 7, "why": "late"}, method="DELETE")
    assert outcome.result == NO_RESULT
    request, body = api.only
    assert (request.method, request.path_qs, body) == ("DELETE", "/orders/7?why=late", b"")


async def test_a_mapping_says_all_that_is_sent(http: GuardedHttp) -> None:
    api = Api()
    await api.asked(
        http,
        "/book/{{variables.tier}}",
        {"day": "Tuesday", "party": 4, "secretly": "not sent"},
        method="POST",
        query={"source": "phone", "call": "{{call_id}}", "note": "{{note}}", "page": 2},
        body={
            "guests": "{{party}}",
            "when": {"day": "{{day}}"},
            "phone": "{{caller_number}}",
            "our_number": "{{assistant_number}}",
            "title": "Table for {{party}} on {{day}}",
        },
    )
    request, body = api.only
    assert request.path == "/book/gold"
    assert dict(request.query) == {"source": "phone", "call": "call-1", "page": "2"}
    assert json.loads(body) == {
        "guests": 4,
        "when": {"day": "Tuesday"},
        "phone": "+31612345678",
        "title": "Table for 4 on Tuesday",
    }


async def test_the_model_cannot_say_what_only_the_call_knows(http: GuardedHttp) -> None:
    """Neither by an argument of that name, nor where the call does not know it."""
    api = Api()
    arguments = {"caller_number": "+19995550100", "assistant_number": "+19995550101", "variables.tier": "none"}
    body = {name: f"{{{{{name}}}}}" for name in arguments}
    await api.asked(http, "/", arguments, method="POST", body=body)
    assert json.loads(api.only[1]) == {"caller_number": "+31612345678", "variables.tier": "gold"}


@pytest.mark.parametrize(
    "value",
    ["a/b", "a b+c&d=e%2Fé#f?g", "https://evil.example/", "@evil.example", "\\evil", "x..y", "...", "\ud800", "a\tb"],
)
async def test_a_value_in_the_path_is_one_segment_whatever_it_holds(http: GuardedHttp, value: str) -> None:
    api = Api()
    outcome = await api.asked(http, "/orders/{{id}}/lines?x=1", {"id": value}, method="GET")
    assert not outcome.failed
    request, _ = api.only
    assert request.headers["Host"].startswith("127.0.0.1")
    raw = request.raw_path.partition("?")[0].split("/")
    assert (len(raw), raw[1], raw[3]) == (4, "orders", "lines")
    assert dict(request.query) == {"x": "1"}
    assert unquote(raw[2]) == value.encode(errors="replace").decode()


@given(st.text(alphabet=st.characters() | st.sampled_from("/\\.%?#@:{} "), max_size=150))
def test_no_value_changes_what_is_asked(value: str) -> None:
    """The address as the HTTP client reads it."""
    tool = Tool("webhook", "api", "", url="https://api.example/orders/{{id}}.json/lines?x=1", method="PUT")
    try:
        request = rest_request(tool, {"id": value}, {})
    except ToolFailedError:
        assert value == "" or {".", ".."} & set(re.split(r"[/\\]", f"{value}.json"))
        return
    url = check_url(request.url, allow_private_addresses=False)
    assert (url.scheme, url.host, url.port, url.raw_query_string) == ("https", "api.example", 443, "x=1")
    _, orders, segment, lines = url.raw_path.split("/")
    assert (orders, unquote(segment), lines) == ("orders", f"{_encodable(value)}.json", "lines")


def _encodable(value: str) -> str:
    return value.encode(errors="replace").decode()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("..", "must not be a step"),
        (".", "must not be a step"),
        ("../admin", "must not be a step"),
        ("a\\..\\b", "must not be a step"),
        ("", "needs id"),
        (None, "needs id"),
        ({"a": 1}, "as a text or a number"),
    ],
)
async def test_a_value_that_would_lead_elsewhere_is_not_sent(http: GuardedHttp, value: Any, words: str) -> None:
    api = Api()
    outcome = await api.asked(http, "/orders/{{id}}", {"id": value}, method="GET")
    assert outcome.failed
    assert words in outcome.result
    assert api.requests == []


async def test_dots_around_a_placeholder_are_no_step_either(http: GuardedHttp) -> None:
    api = Api()
    assert (await api.asked(http, "/orders/.{{id}}", {"id": "."}, method="GET")).failed
    assert api.requests == []


@pytest.mark.parametrize(
    ("answer", "content_type", "result"),
    [
        ('{"result": "kept", "error": null}', "application/json", '{"result":"kept","error":null}'),
        ('{"results": [{"tool_call_id": "x"}]}', "application/json", '{"results":[{"tool_call_id":"x"}]}'),
        ('"a text"', "application/json", "a text"),
        ("<p>Open</p>", "text/html", "<p>Open</p>"),
        ("caf\xe9".encode("latin-1"), "text/plain; charset=ISO-8859-1", "café"),
        ("[" * 50_000, "application/json", None),
        ("", "text/plain", NO_RESULT),
    ],
)
async def test_the_answer_is_its_body(
    http: GuardedHttp, answer: bytes | str, content_type: str, result: str | None
) -> None:
    outcome = await Api(answer, content_type=content_type).asked(http, "/", {}, method="GET")
    assert not outcome.failed
    assert outcome.result == result or (result is None and len(outcome.result) < MAX_RESULT_BYTES + 100)


async def test_failures_are_words_for_the_model(http: GuardedHttp) -> None:
    outcome = await Api('{"detail": "closed on Monday"}', status=409).asked(http, "/", {}, method="POST")
    assert outcome.failed
    assert outcome.result == ('Error: api failed: its server answered with status 409: {"detail": "closed on Monday"}')
    assert "status 302" in (await Api(status=302).asked(http, "/", {}, method="GET")).result
    assert (await Api(b"\xff\xfe\xfa", status=500).asked(http, "/", {}, method="GET")).result.endswith("status 500")
    assert "no text" in (await Api(b"\x89PNG\xff", content_type="image/png").asked(http, "/", {}, method="GET")).result


@pytest.mark.parametrize("rest", [True, False])
async def test_own_headers_are_sent_and_win(http: GuardedHttp, rest: bool) -> None:
    api = Api()
    headers = {"Authorization": "Bearer abc", "user-agent": "Mine/1.0", "X-Tenant": "7"}
    await api.asked(http, "/", {}, headers=headers, **({"method": "POST"} if rest else {}))
    request, _ = api.only
    assert {name: request.headers.getall(name) for name in headers} == {
        "Authorization": ["Bearer abc"],
        "user-agent": ["Mine/1.0"],
        "X-Tenant": ["7"],
    }
    assert request.headers["Content-Type"] == "application/json"
    assert ("X-Webhook-Event" in request.headers) is not rest


async def test_only_a_secret_of_its_own_signs(http: GuardedHttp) -> None:
    for secret in (None, "s3cret"):
        for method in ("GET", "POST"):
            api = Api()
            await api.asked(http, "/", {"a": 1}, method=method, server={"secret": secret})
            request, body = api.only
            if secret is None:
                assert "X-Webhook-Signature" not in request.headers
                continue
            signed = request.headers["X-Webhook-Timestamp"].encode() + b"." + body
            expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
            assert request.headers["X-Webhook-Signature"] == f"sha256={expected}"


@pytest.mark.parametrize("rest", [True, False])
@pytest.mark.parametrize("status", [200, 500])
async def test_a_server_that_tells_what_it_was_sent_gives_no_key_away(
    http: GuardedHttp, rest: bool, status: int
) -> None:
    basic = base64.b64encode(b"desk?~:a?long?~password").decode()
    headers = {"Authorization": f"Basic {basic}", "X-Api-Key": 'key"with\\quotes', "X-City": "Amsterdam"}
    assert "/" in basic

    async def echo(request: web.Request) -> web.Response:
        once = json.dumps(dict(request.headers))
        twice = json.dumps({"error" if status == 500 else "result": f"{basic} {once} {json.dumps(once)}"})
        return web.Response(text=twice.replace("/", "\\/"), status=status, content_type="application/json")

    async with http_server(echo) as host:
        stored = {"name": "api", "url": f"http://{host}/", "headers": headers, **({"method": "GET"} if rest else {})}
        outcome = await Toolbox.from_stored([stored], CONTEXT, http).run(ToolCall("c1", "api", "{}"))
    assert outcome.failed is (status == 500)
    plain = outcome.result.replace("\\", "")
    assert [secret for secret in (basic, "withquotes") if secret in plain] == []
    assert MASK in plain
    assert "Amsterdam" in plain


async def test_a_row_of_backslashes_takes_no_time(http: GuardedHttp) -> None:
    api = Api("\\" * 250_000, content_type="text/plain")
    outcome = await api.asked(http, "/", {}, method="GET", headers={"X-Key": "\\\\a\\b\\\\\\"})
    assert not outcome.failed


async def test_an_async_tool_can_be_a_rest_api(http: GuardedHttp) -> None:
    arrived = asyncio.Event()

    async def handler(_request: web.Request) -> web.Response:
        arrived.set()
        return web.Response(status=201)

    async with http_server(handler) as host:
        stored = {"name": "note", "url": f"http://{host}/", "method": "PUT", "async": True, "message": "Noted."}
        toolbox = Toolbox.from_stored([stored], CONTEXT, http)
        assert (await toolbox.run(ToolCall("c1", "note", "{}"))).result == "Noted."
        await arrived.wait()
        await toolbox.close()


async def test_private_addresses_are_refused_here_too() -> None:
    async with GuardedHttp(allow_private_addresses=False) as guarded:
        stored = {"name": "api", "url": "http://127.0.0.1:1/{{x}}", "method": "GET"}
        outcome = await Toolbox.from_stored([stored], CONTEXT, guarded).run(ToolCall("c", "api", '{"x": "a"}'))
    assert outcome.failed
    assert "non-public address" in outcome.result


async def test_a_stored_tool_that_cannot_be_a_rest_api_is_left_out(http: GuardedHttp) -> None:
    stored: list[dict[str, Any]] = [
        {"name": "a", "method": "GET"},
        {"name": "b", "method": "HEAD", "url": "https://x.example"},
        {"name": "c", "url": "https://x.example", "headers": {"X": 5}},
    ]
    toolbox = Toolbox.from_stored(stored, CONTEXT, http)
    assert toolbox.specs() == []
    assert [note.partition(": ")[2].partition(":")[0] for note in toolbox.notes] == ["url", "method", "headers"]
