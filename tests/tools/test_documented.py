"""The examples of docs/tools.md: each tool can be saved, and sends what the page says."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from dialtone.assistants.tools import check_tools
from dialtone.platform.guarded_http import GuardedHttp
from dialtone.providers.base import ToolCall
from dialtone.tools.envelope import CallContext
from dialtone.tools.toolbox import Toolbox
from tests.platform_http.servers import http_server

PAGE = (Path(__file__).parents[2] / "docs" / "tools.md").read_text()
TOOLS: list[dict[str, Any]] = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
ARGUMENTS = re.findall(r"The model's arguments `(.*?)`", PAGE)
REQUESTS = re.findall(r"```http\n(.*?)```", PAGE, re.DOTALL)
VALUES = {"caller_number": "+31612345678", "variables.tier": "gold"}


def test_every_tool_can_be_saved() -> None:
    assert len(TOOLS) == 3
    for tool in TOOLS:
        assert check_tools([tool], "tools") == ([tool], [], [])


@pytest.mark.parametrize("number", [0, 1])
async def test_every_rest_api_is_sent_what_the_page_says(number: int) -> None:
    tool = [tool for tool in TOOLS if "method" in tool][number]
    head, _, body = REQUESTS[number].partition("\n\n")
    first, *headers = head.strip().splitlines()
    method, url = first.split(" ")
    received: list[tuple[web.Request, bytes]] = []

    async def handler(request: web.Request) -> web.Response:
        received.append((request, await request.read()))
        return web.json_response({})

    async with http_server(handler) as host, GuardedHttp(allow_private_addresses=True) as http:
        place = re.compile("https://[^/]*")
        here = {**tool, "url": place.sub(f"http://{host}", tool["url"])}
        toolbox = Toolbox.from_stored([here], CallContext("call-1", "web_call", {}), http, values=lambda: VALUES)
        assert not (await toolbox.run(ToolCall("c1", tool["name"], ARGUMENTS[number]))).failed
    [(request, sent)] = received
    assert (request.method, request.raw_path) == (method, place.sub("", url))
    assert {f"{name}: {request.headers[name]}" for name in [line.partition(":")[0] for line in headers]} == set(headers)
    assert (json.loads(sent) if sent else None) == (json.loads(body) if body else None)
