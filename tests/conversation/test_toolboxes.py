"""What a call gives its tools."""

import json

from aiohttp import web

from dialtone.conversation.plan import CallPlan, SilencePlan
from dialtone.conversation.toolboxes import make_toolbox
from dialtone.platform.guarded_http import GuardedHttp
from dialtone.providers.base import ToolCall
from tests.conversation.stage import Notes
from tests.platform_http.servers import http_server


async def test_a_rest_api_gets_what_the_call_knows() -> None:
    received: list[object] = []

    async def handler(request: web.Request) -> web.Response:
        received.append(await request.json())
        return web.json_response({})

    names = (
        "caller_number",
        "assistant_number",
        "call_id",
        "now",
        "date",
        "variables.tier",
        "variables.call_id",
        "tier",
    )
    async with http_server(handler) as host, GuardedHttp(allow_private_addresses=True) as http:
        tool = {
            "name": "note",
            "url": f"http://{host}/",
            "method": "POST",
            "body": {name: f"{{{{{name}}}}}" for name in names},
        }
        plan = CallPlan(
            "call-1",
            "org-1",
            None,
            {"tools": [tool]},
            None,
            caller_number="+31612345678",
            variables={"tier": "gold", "call_id": "mine"},
        )
        toolbox = make_toolbox(plan, http, Notes(), can_transfer=True, can_send_dtmf=True)
        assert not (await toolbox.run(ToolCall("c", "note", json.dumps({"call_id": "the model's"})))).failed
    [body] = received
    assert isinstance(body, dict)
    assert len(body.pop("now")) > len(body.pop("date")) == len("2026-01-31")
    assert body == {
        "caller_number": "+31612345678",
        "call_id": "call-1",
        "variables.tier": "gold",
        "variables.call_id": "mine",
    }


async def test_an_assistant_that_handles_silence_can_hang_up() -> None:
    async with GuardedHttp(allow_private_addresses=True) as http:
        plan = CallPlan("call-1", "org-1", None, {"tools": []}, None, silence=SilencePlan(enabled=True))
        assert [
            spec.name for spec in make_toolbox(plan, http, Notes(), can_transfer=True, can_send_dtmf=True).specs()
        ] == ["end_call"]
