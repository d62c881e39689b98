import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from dialtone.platform.guarded_http import GuardedHttp
from dialtone.providers.base import ToolCall
from dialtone.tools.base import Destination
from dialtone.tools.envelope import CallContext
from dialtone.tools.toolbox import BACKGROUND_STARTED, MAX_BACKGROUND_CALLS, Toolbox
from tests.platform_http.servers import http_server

CONTEXT = CallContext("call-1", "web_call", {})
PARAMETERS = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
TRANSFER = {
    "type": "transfer_call",
    "destinations": [
        {"type": "number", "number": "+31201234567", "description": "Sales", "message": "I will put you through."},
        {"type": "number", "number": "+31207654321", "description": "Help"},
    ],
}


@pytest.fixture
async def http() -> AsyncIterator[GuardedHttp]:
    async with GuardedHttp(allow_private_addresses=True) as client:
        yield client


class Server:
    """Answers `answer`, once `released`."""

    def __init__(self, answer: Any = None, status: int = 200) -> None:
        self.answer = answer
        self.status = status
        self.arrived: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.released = asyncio.Event()
        self.released.set()

    async def __call__(self, request: web.Request) -> web.Response:
        self.arrived.put_nowait((await request.json())["message"])
        await self.released.wait()
        return web.json_response(self.answer, status=self.status)


async def test_specs_are_what_the_model_is_told(http: GuardedHttp) -> None:
    stored = [
        {"name": "lookup", "description": "Finds", "parameters": PARAMETERS, "url": "https://a.example/"},
        {"type": "endCall"},
        TRANSFER,
    ]
    toolbox = Toolbox.from_stored(stored, CONTEXT, http)
    assert [spec.name for spec in toolbox.specs()] == ["lookup", "end_call", "transfer_call"]
    assert (toolbox.specs()[0].description, toolbox.specs()[0].parameters) == ("Finds", PARAMETERS)
    assert toolbox.notes == []


async def test_unusable_tools_are_left_out_and_noted(http: GuardedHttp) -> None:
    noted: list[str] = []
    stored = [
        {"type": "mcp", "mcp_server_id": "m-1", "allowed_tools": ["a"]},
        {"name": "bad schema"},
        {"name": "odd", "url": "https://a.example/", "parameters": {"properties": 5}},
        {"name": "twice", "url": "https://a.example/"},
        {"name": "twice", "url": "https://b.example/"},
        {"name": "nowhere"},
    ]
    toolbox = Toolbox.from_stored(stored, CONTEXT, http, on_note=noted.append)
    assert [spec.name for spec in toolbox.specs()] == ["twice", "nowhere"]
    assert noted == toolbox.notes
    for words in ("MCP server m-1", "tool 2 is left out: name", "tool odd is left out", "second tool named twice"):
        assert sum(words in note for note in noted) == 1
    assert any("nowhere has no URL" in note for note in noted)
    outcome = await toolbox.run(ToolCall("c", "nowhere", "{}"))
    assert outcome.failed
    assert "no address to call" in outcome.result


async def test_result_of_a_tool(http: GuardedHttp) -> None:
    server = Server({"result": {"name": "Jan"}})
    async with http_server(server) as host:
        stored = {"name": "lookup", "parameters": PARAMETERS, "url": f"http://{host}/", "message": "One moment."}
        toolbox = Toolbox.from_stored([stored], CONTEXT, http)
        assert toolbox.waiting_message("lookup") == "One moment."
        outcome = await toolbox.run(ToolCall("c1", "lookup", '{"query": "Jan"}'))
    assert (outcome.result, outcome.failed, outcome.end_call, outcome.transfer_to) == (
        '{"name":"Jan"}',
        False,
        False,
        None,
    )
    assert server.arrived.get_nowait()["tool_call_list"] == [
        {"id": "c1", "type": "function", "function": {"name": "lookup", "arguments": {"query": "Jan"}}}
    ]


@pytest.mark.parametrize("arguments", ['{"query": 5}', "{}", '{"query"', "[]"])
async def test_wrong_arguments_never_leave(http: GuardedHttp, arguments: str) -> None:
    server = Server()
    async with http_server(server) as host:
        stored = {"name": "lookup", "parameters": PARAMETERS, "url": f"http://{host}/"}
        outcome = await Toolbox.from_stored([stored], CONTEXT, http).run(ToolCall("c1", "lookup", arguments))
    assert outcome.failed
    assert outcome.result.startswith("Error: the arguments of lookup were refused: ")
    assert server.arrived.empty()


async def test_unknown_tool(http: GuardedHttp) -> None:
    toolbox = Toolbox.from_stored([{"type": "end_call"}], CONTEXT, http)
    outcome = await toolbox.run(ToolCall("c1", "weather", "{}"))
    assert outcome.failed
    assert outcome.result == "Error: there is no tool named 'weather'. Available: end_call."
    assert toolbox.waiting_message("weather") is None


async def test_failure_is_words_for_the_model_and_a_note_without_content(http: GuardedHttp) -> None:
    noted: list[str] = []
    async with http_server(Server({"error": "Jan is unknown"}, status=404)) as host:
        toolbox = Toolbox.from_stored([{"name": "find", "url": f"http://{host}/"}], CONTEXT, http, on_note=noted.append)
        outcome = await toolbox.run(ToolCall("c1", "find", ""))
    assert outcome.failed
    assert outcome.result == "Error: find failed: its server answered with status 404: Jan is unknown"
    assert noted == ["tool find failed: its server answered with status 404"]


async def test_end_call(http: GuardedHttp) -> None:
    toolbox = Toolbox.from_stored([{"type": "end_call"}], CONTEXT, http)
    for arguments in ("", '{"reason": "said goodbye"}'):
        outcome = await toolbox.run(ToolCall("c1", "end_call", arguments))
        assert outcome.end_call
        assert not outcome.failed


async def test_transfer(http: GuardedHttp) -> None:
    toolbox = Toolbox.from_stored([TRANSFER], CONTEXT, http)
    outcome = await toolbox.run(ToolCall("c1", "transfer_call", '{"destination": "+31201234567"}'))
    assert outcome.transfer_to == Destination("+31201234567", "Sales", "I will put you through.")
    assert outcome.spoken_first == "I will put you through."
    outcome = await toolbox.run(ToolCall("c2", "transfer_call", '{"destination": "+19995550100"}'))
    assert outcome.failed
    assert outcome.transfer_to is None


async def test_transfer_on_a_line_that_cannot(http: GuardedHttp) -> None:
    toolbox = Toolbox.from_stored([TRANSFER], CONTEXT, http, can_transfer=False)
    outcome = await toolbox.run(ToolCall("c1", "transfer_call", '{"destination": "+31201234567"}'))
    assert (outcome.failed, outcome.transfer_to, outcome.spoken_first) == (True, None, None)
    assert "cannot transfer" in outcome.result


async def test_keys_are_pressed_where_the_line_has_some(http: GuardedHttp) -> None:
    noted: list[str] = []
    toolbox = Toolbox.from_stored([{"type": "sendDtmf"}], CONTEXT, http, on_note=noted.append)
    outcome = await toolbox.run(ToolCall("c1", "send_dtmf", '{"digits": "1w*W,#aD"}'))
    assert (outcome.keys, outcome.failed) == ("1w*W,#aD", False)
    for refused in ("", "1 2", "E", "5" * 65):
        outcome = await toolbox.run(ToolCall("c2", "send_dtmf", json.dumps({"digits": refused})))
        assert (outcome.keys, outcome.failed) == (None, True)
    assert not any("1 2" in note or "555" in note for note in noted)
    toolbox = Toolbox.from_stored([{"type": "send_dtmf"}], CONTEXT, http, can_send_dtmf=False)
    outcome = await toolbox.run(ToolCall("c3", "send_dtmf", '{"digits": "1"}'))
    assert (outcome.keys, outcome.failed) == (None, True)
    assert "no keys" in outcome.result


async def test_async_tool_is_not_waited_for(http: GuardedHttp) -> None:
    server = Server()
    server.released.clear()
    async with http_server(server) as host:
        stored: list[dict[str, Any]] = [
            {"name": "mail", "url": f"http://{host}/", "async": True, "message": "It is on its way."},
            {"name": "quiet", "url": f"http://{host}/", "async": True},
        ]
        toolbox = Toolbox.from_stored(stored, CONTEXT, http)
        assert toolbox.waiting_message("mail") is None
        assert (await toolbox.run(ToolCall("c1", "mail", "{}"))).result == "It is on its way."
        assert (await toolbox.run(ToolCall("c2", "quiet", "{}"))).result == BACKGROUND_STARTED
        sent = {(await server.arrived.get())["tool_call_list"][0]["id"] for _ in range(2)}
        assert sent == {"c1", "c2"}
        server.released.set()
        await toolbox.close()


async def test_close_lets_an_async_tool_arrive_and_ends_a_stuck_one(http: GuardedHttp) -> None:
    server = Server()
    async with http_server(server) as host:
        stored = [{"name": "mail", "url": f"http://{host}/", "async": True}]
        toolbox = Toolbox.from_stored(stored, CONTEXT, http)
        await toolbox.run(ToolCall("c1", "mail", "{}"))
        await toolbox.close()
        assert server.arrived.qsize() == 1
        server.released.clear()
        await toolbox.run(ToolCall("c2", "mail", "{}"))
        before = asyncio.all_tasks()
        await toolbox.close(grace_seconds=0.05)
        assert not any("_finish" in repr(task) for task in asyncio.all_tasks() & before)


async def test_async_failure_is_noted(http: GuardedHttp) -> None:
    noted: asyncio.Queue[str] = asyncio.Queue()
    async with http_server(Server({"message": "Jan"}, status=500)) as host:
        stored = [{"name": "mail", "url": f"http://{host}/", "async": True}]
        toolbox = Toolbox.from_stored(stored, CONTEXT, http, on_note=noted.put_nowait)
        assert not (await toolbox.run(ToolCall("c1", "mail", "{}"))).failed
        assert await noted.get() == "async tool mail failed: its server answered with status 500"
        await toolbox.close()


async def test_async_tools_in_flight_are_bounded(http: GuardedHttp) -> None:
    server = Server()
    server.released.clear()
    async with http_server(server) as host:
        stored = [{"name": "mail", "url": f"http://{host}/", "async": True}]
        toolbox = Toolbox.from_stored(stored, CONTEXT, http)
        calls = [ToolCall(str(number), "mail", json.dumps({})) for number in range(MAX_BACKGROUND_CALLS + 1)]
        outcomes = [await toolbox.run(call) for call in calls]
        server.released.set()
        await toolbox.close()
    assert [outcome.failed for outcome in outcomes] == [False] * MAX_BACKGROUND_CALLS + [True]


async def test_calls_of_one_turn_are_on_the_wire_together_and_a_silent_server_fails_alone(
    http: GuardedHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dialtone.tools.webhook.TIMEOUT_SECONDS", 1.0)
    together = asyncio.Barrier(3)

    async def handler(request: web.Request) -> web.Response:
        await together.wait()  # nobody is answered before all have asked
        if request.path == "/silent":
            await asyncio.Event().wait()
        return web.json_response({"result": request.path})

    async with http_server(handler) as host:
        names = ("silent", "first", "second")
        stored = [{"name": name, "url": f"http://{host}/{name}"} for name in names]
        toolbox = Toolbox.from_stored(stored, CONTEXT, http)
        outcomes = await asyncio.gather(*(toolbox.run(ToolCall("same id", name, "{}")) for name in names))
    assert [outcome.failed for outcome in outcomes] == [True, False, False]
    assert "no complete answer within 1 s" in outcomes[0].result
    assert [outcome.result for outcome in outcomes[1:]] == ["/first", "/second"]


async def test_refused_calls_are_noted_without_what_the_model_wrote(http: GuardedHttp) -> None:
    noted: list[str] = []
    stored = {"name": "lookup", "parameters": PARAMETERS, "url": "https://a.example/"}
    toolbox = Toolbox.from_stored([stored], CONTEXT, http, on_note=noted.append)
    for name, arguments in (("Jan's tool", "{}"), ("lookup", '{"query": 5, "name": "Jan"}'), ("lookup", "Jan")):
        assert (await toolbox.run(ToolCall("c1", name, arguments))).failed
    assert noted == [
        "the model called a tool that does not exist",
        "the model's arguments of tool lookup were refused: they do not fit its parameters",
        "the model's arguments of tool lookup were refused: they are not valid JSON",
    ]
