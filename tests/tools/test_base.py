from typing import Any

import pytest

from dialtone.tools.base import Destination, ToolConfigError, normalise

PARAMETERS = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}


def test_flat_webhook_tool() -> None:
    tool = normalise(
        {
            "name": "lookup_contact",
            "description": "Finds a contact",
            "parameters": PARAMETERS,
            "url": "https://a.example/first",
            "server": {"url": "https://b.example/second", "secret": "s3"},
            "async": True,
            "message": "One moment",
            "async_response": "older spelling",
        }
    )
    assert (tool.kind, tool.name, tool.description) == ("webhook", "lookup_contact", "Finds a contact")
    assert tool.parameters == PARAMETERS
    assert (tool.url, tool.secret) == ("https://a.example/first", "s3")
    assert (tool.is_async, tool.message) == (True, "One moment")


def test_least_webhook_tool_takes_no_arguments_and_is_waited_for() -> None:
    tool = normalise({"name": "ping", "description": "Pings"})
    assert tool.parameters == {"type": "object", "properties": {}}
    assert (tool.url, tool.secret, tool.is_async, tool.message) == (None, None, False, None)


def test_server_url_and_older_spelling_of_message() -> None:
    tool = normalise({"name": "a", "server": {"url": "https://b.example"}, "async_response": "Done soon"})
    assert (tool.url, tool.message) == ("https://b.example", "Done soon")


def test_nested_shape() -> None:
    tool = normalise(
        {
            "type": "function",
            "function": {"name": "book", "description": "Books", "parameters": PARAMETERS},
            "server": {"url": "https://b.example", "secret": "k"},
            "async": True,
        }
    )
    assert (tool.kind, tool.name, tool.description, tool.parameters) == ("webhook", "book", "Books", PARAMETERS)
    assert (tool.url, tool.secret, tool.is_async) == ("https://b.example", "k", True)


@pytest.mark.parametrize("written", ["end_call", "endCall"])
def test_end_call(written: str) -> None:
    tool = normalise({"type": written})
    assert (tool.kind, tool.name) == ("end_call", "end_call")
    assert tool.description
    assert list(tool.parameters["properties"]) == ["reason"]
    assert "required" not in tool.parameters


@pytest.mark.parametrize("written", ["send_dtmf", "sendDtmf"])
def test_send_dtmf(written: str) -> None:
    tool = normalise({"type": written})
    assert (tool.kind, tool.name, tool.parameters["required"]) == ("send_dtmf", "send_dtmf", ["digits"])
    assert tool.description


@pytest.mark.parametrize("written", ["transfer_call", "transferCall"])
def test_transfer_call(written: str) -> None:
    tool = normalise(
        {
            "type": written,
            "destinations": [
                {"type": "number", "number": "+31201234567", "description": "Sales", "message": "To sales"},
                {"type": "number", "number": "sip:help@pbx.example", "description": "Help", "mode": "warm"},
            ],
        }
    )
    assert (tool.kind, tool.name) == ("transfer_call", "transfer_call")
    assert tool.destinations == (
        Destination("+31201234567", "Sales", "To sales"),
        Destination("sip:help@pbx.example", "Help", None, "warm"),
    )
    assert tool.parameters["properties"]["destination"]["enum"] == ["+31201234567", "sip:help@pbx.example"]
    assert "+31201234567: Sales" in tool.description


def test_mcp() -> None:
    tool = normalise({"type": "mcp", "mcp_server_id": "m1", "allowed_tools": ["a", "b"]})
    assert (tool.kind, tool.mcp_server_id, tool.allowed_tools, tool.required) == ("mcp", "m1", ("a", "b"), True)
    assert not normalise({"type": "mcp", "mcp_server_id": "m1", "allowed_tools": [], "required": False}).required


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        ({"type": "phone"}, "type: must be one of function, end_call, transfer_call, send_dtmf, mcp (got 'phone')"),
        ({"type": ["mcp"]}, "type: must be one of"),
        ({"description": "x"}, "name: is required"),
        ({"name": 5}, "name: must be a string (got int)"),
        ({"name": "has space"}, "name: must start with a letter"),
        ({"name": "a" * 65}, "name: must start with a letter"),
        ({"type": "function", "function": {"name": "1a"}}, "function.name: must start with a letter"),
        ({"type": "function", "function": []}, "function: must be an object (got list)"),
        ({"name": "a", "parameters": "x"}, "parameters: must be an object (got str)"),
        ({"name": "a", "parameters": {"type": "string"}}, "parameters.type: must be object (got 'string')"),
        ({"name": "a", "server": "x"}, "server: must be an object"),
        ({"name": "a", "server": {"secret": 1}}, "server.secret: must be a string"),
        ({"name": "a", "async": "yes"}, "async: must be true or false (got 'yes')"),
        ({"type": "transfer_call"}, "destinations: is required"),
        ({"type": "transfer_call", "destinations": {}}, "destinations: must be a list"),
        ({"type": "transfer_call", "destinations": []}, "destinations: must have at least one entry"),
        ({"type": "transfer_call", "destinations": ["+3120"]}, "destinations[0]: must be an object (got str)"),
        (
            {"type": "transfer_call", "destinations": [{"number": "0201234567"}]},
            "destinations[0].number: must be a number in E.164 form such as +31201234567, or a SIP URI",
        ),
        (
            {"type": "transfer_call", "destinations": [{"number": "+31201234567", "mode": "hot"}]},
            "destinations[0].mode: must be blind, bridge or warm (got 'hot')",
        ),
        ({"type": "mcp", "allowed_tools": []}, "mcp_server_id: is required"),
        ({"type": "mcp", "mcp_server_id": "m"}, "allowed_tools: is required"),
        (
            {"type": "mcp", "mcp_server_id": "m", "allowed_tools": ["a"] * 26},
            "allowed_tools: must have at most 25 entries (got 26)",
        ),
        ({"type": "mcp", "mcp_server_id": "m", "allowed_tools": [1]}, "allowed_tools: must be a list of strings"),
    ],
)
def test_bad_tools_name_field_rule_and_value(stored: dict[str, Any], words: str) -> None:
    with pytest.raises(ToolConfigError) as refusal:
        normalise(stored)
    assert str(refusal.value).startswith(words)
