"""A call whose model calls tools wrongly in every way: it is told so, and the record and the events show it."""

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from dialtone.client.conversation_view import ConversationView
from dialtone.client.web_call import CallEvent
from dialtone.platform.crypto import MASK
from tests.fakes.openai_chat import Call, FakeOpenAIChat, Reply
from tests.platform_http.servers import http_server
from tests.whole.house import calling, whole_house
from tests.whole.test_whole_calls import QUESTION, SPEAKS_AT, ears

KEY = "key-of-the-calendar-5f2a"
PARAMETERS = {"type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"]}


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest) -> str | None:
    if request.param == "sqlite":
        return None
    url: str = request.getfixturevalue("postgresql_url")
    return url


class ToolEvents(ConversationView):
    """Keeps what was told of tools."""

    def take(self, event: CallEvent) -> dict[str, Any] | None:
        if event.type.startswith("tool_"):
            self.transcript.append({"role": event.type, "text": "", **event.fields})
        return super().take(event)


async def calendar(request: web.Request) -> web.Response:
    """Tells what it was sent, as careless servers do."""
    body = {
        "day": request.path.rpartition("/")[2],
        "sent": dict(request.headers),
        "caller": request.query.get("caller"),
    }
    return web.json_response(body, status=503 if "Sunday" in request.path else 200)


def asks_for(name: str, arguments: str) -> Reply:
    return Reply("", [Call(name, arguments)])


def _calendar_tool(host: str) -> dict[str, Any]:
    return {
        "name": "calendar",
        "description": "Tells whether a day is free.",
        "parameters": PARAMETERS,
        "method": "GET",
        "url": f"http://{host}/days/{{{{day}}}}",
        "headers": {"Authorization": f"Bearer {KEY}"},
    }


async def test_wrong_calls_of_tools_are_told_to_the_model_and_seen_in_record_and_events(
    tmp_path: Path, database_url: str | None
) -> None:
    chat = FakeOpenAIChat(
        [
            asks_for("weather", '{"city": "Utrecht"}'),
            asks_for("calendar", '{"day": '),
            asks_for("calendar", '{"day": 5}'),
            asks_for("calendar", '{"day": "Sunday"}'),
            asks_for("calendar", '{"day": "Tuesday"}'),
            asks_for("calendar", '{"day": "Tuesday"}'),
            Reply("I can't tell. Goodbye."),
        ]
    )
    async with http_server(calendar) as host, whole_house(tmp_path, ears(), chat, database_url=database_url) as house:
        llm = {"provider": "openai", "model": "gpt-4.1", "tools": [_calendar_tool(host)]}
        assistant = await house.create(
            first_message="Hello, this is Ada.", llm_config=llm, speech_config={"end_call_phrases": ["goodbye"]}
        )
        async with calling(house, assistant, SPEAKS_AT) as caller:
            caller.view = ToolEvents()
            await caller.until_over()
        record = await house.ended(caller.call.call_id)

    assert KEY not in json.dumps(record)
    assert [message["content"] for message in record["messages"] if message["role"] == "user"] == [QUESTION]
    weather, broken, unfit, failed, first, second = _uses(record)
    assert weather["arguments"] == {"city": "Utrecht"}
    assert weather["error"] == "Error: there is no tool named 'weather'. Available: calendar."
    assert broken["arguments"] == '{"day": '
    assert broken["error"].startswith("Error: the arguments of calendar were refused: they are not valid JSON")
    assert unfit["arguments"] == {"day": 5}
    assert unfit["error"].startswith("Error: the arguments of calendar were refused: day: 5 is not of type")
    assert failed["error"].startswith("Error: calendar failed: its server answered with status 503")
    assert MASK in failed["error"]
    assert first == second
    assert json.loads(first["result"])["sent"]["Authorization"] == MASK
    assert record["messages"][-1] == {"role": "assistant", "content": "I can't tell. Goodbye."}
    assert record["notes"] == [
        "the model called a tool that does not exist",
        "the model's arguments of tool calendar were refused: they are not valid JSON",
        "the model's arguments of tool calendar were refused: they do not fit its parameters",
        "tool calendar failed: its server answered with status 503",
        "the model used tools 6 times for one answer, and had to answer without",
    ]
    used = [line for line in caller.view.transcript if line["role"] == "tool_used"]
    answered = [line for line in caller.view.transcript if line["role"] == "tool_answered"]
    assert [line["name"] for line in used] == ["weather", *["calendar"] * 5]
    assert [line["failed"] for line in answered] == [True] * 4 + [False] * 2
    last = chat.requests[6].body
    assert "tools" not in last
    calls = [call for message in last["messages"] for call in message.get("tool_calls", ())]
    assert [call["function"]["arguments"] for call in calls][:3] == ['{"city": "Utrecht"}', "{}", '{"day": 5}']


def _uses(record: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(message["content"]) for message in record["messages"] if message["role"] == "tool"]
