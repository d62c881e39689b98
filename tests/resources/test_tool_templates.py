"""Tool templates: the config that each type needs, the name of a function, secrets, and older ways to write them."""

import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from dialtone.platform.db import parse_id
from dialtone.templates.tool_configs import MAX_CONFIG_BYTES
from tests.resources.requests import MASK, TOOL_TEMPLATES, changed, create, details, ignored, read

FUNCTION: dict[str, Any] = {
    "url": "https://x.example/f",
    "server": {"url": "https://y.example"},
    "async": True,
    "message": "One moment.",
    "name": "look-up",
    "description": "Looks up",
    "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}},
}
REST: dict[str, Any] = {
    "name": "order",
    "url": "https://x.example/orders/{{n}}",
    "method": "PUT",
    "query": {"source": "phone"},
    "body": {"n": "{{n}}", "caller": "{{caller_number}}"},
    "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}},
}
DESTINATIONS = [{"type": "number", "number": "+31201234567", "description": "Desk", "message": "Wait.", "mode": "warm"}]


@pytest.mark.parametrize(
    ("tool_type", "config"),
    [
        ("function", FUNCTION),
        ("function", {"name": "f"}),
        ("function", REST),
        ("end_call", {}),
        ("send_dtmf", {}),
        ("transfer_call", {"destinations": DESTINATIONS}),
    ],
)
async def test_each_type_has_its_config(client: httpx.AsyncClient, tool_type: str, config: dict[str, Any]) -> None:
    made = await create(client, TOOL_TEMPLATES, name="Any name", tool_type=tool_type, tool_config=config)
    assert (made["tool_type"], made["tool_config"]) == (tool_type, config)
    assert set(made) == {
        *("id", "org_id", "name", "description", "tool_type", "tool_config", "created_at", "updated_at")
    }
    path = f"{TOOL_TEMPLATES}/{made['id']}"
    assert await changed(client, path, **made) == made
    assert await read(client, path) == made


NAME_RULE = "must begin with a letter or _, go on with letters, digits, _ or -, and have at most 64 characters"


@pytest.mark.parametrize(
    ("tool_type", "config", "problem"),
    [
        ("function", {}, f'name: {NAME_RULE} (got "Any name"), or tool_config.name must be given'),
        ("function", {"name": None}, f'name: {NAME_RULE} (got "Any name"), or tool_config.name must be given'),
        ("function", {"name": "1st"}, f'tool_config.name: {NAME_RULE} (got "1st")'),
        ("function", {"name": "f" * 65}, f"tool_config.name: {NAME_RULE} (got "),
        ("function", {"name": "f", "url": "ftp://x"}, "tool_config.url: must be an http:// or https:// address"),
        ("function", {"name": "f", "async": 1}, "tool_config.async: must be true or false (got 1)"),
        ("function", {"name": "f", "description": ""}, "tool_config.description: must have at least 1 characters"),
        ("function", {"name": "f", "parameters": []}, "tool_config.parameters: must be an object"),
        ("function", {"name": "f", "parameters": {"type": "array"}}, "tool_config.parameters.type: must be object"),
        (
            "function",
            {"name": "f", "parameters": {"properties": {"a": {"type": "strin"}}}},
            "tool_config.parameters.properties.a.type: is not valid JSON Schema",
        ),
        (
            "function",
            {"name": "f", "parameters": {"description": "x" * MAX_CONFIG_BYTES}},
            f"tool_config: must have at most {MAX_CONFIG_BYTES} bytes of JSON",
        ),
        ("function", {"name": "f", "server": {"secret": MASK}}, "tool_config.server.secret: is the mask of a secret"),
        ("function", {"name": "f", "headers": {"X-Key": MASK}}, "tool_config.headers.X-Key: is the mask of a secret"),
        ("function", {"name": "f", "headers": {"Host": "x"}}, "tool_config.headers: must not hold Host"),
        ("function", {**REST, "method": None}, "tool_config.query: needs method"),
        ("function", {**REST, "parameters": {}}, "tool_config.url: must hold only placeholders of the tool's"),
        ("transfer_call", {}, "tool_config.destinations: is required"),
        ("transfer_call", {"destinations": []}, "tool_config.destinations: must have at least 1 items"),
        (
            "transfer_call",
            {"destinations": [{"number": "020", "description": "d"}]},
            "tool_config.destinations[0].number: must be a number in E.164 form",
        ),
        ("mcp", {}, "tool_type: must be one of"),
        ("function", None, "tool_config: must be an object"),
    ],
)
async def test_rules(client: httpx.AsyncClient, tool_type: str, config: Any, problem: str) -> None:
    body = {"name": "Any name", "tool_type": tool_type, "tool_config": config}
    assert details(await client.post(TOOL_TEMPLATES, json=body))[0].startswith(problem)


async def test_a_function_without_a_name_has_the_templates(client: httpx.AsyncClient) -> None:
    made = await create(client, TOOL_TEMPLATES, name="look_up", tool_type="function", tool_config={})
    path = f"{TOOL_TEMPLATES}/{made['id']}"
    assert details(await client.patch(path, json={"name": "Look it up"}))[0].startswith("name: must begin")
    named = await changed(client, path, name="Look it up", tool_config={"name": "look_up"})
    assert details(await client.patch(path, json={"tool_config": {}}))[0].startswith("name: must begin")
    assert await read(client, path) == named


async def test_a_config_is_replaced_whole_and_fits_the_type(client: httpx.AsyncClient) -> None:
    made = await create(client, TOOL_TEMPLATES, name="look_up", tool_type="function", tool_config=FUNCTION)
    path = f"{TOOL_TEMPLATES}/{made['id']}"
    assert (await changed(client, path, tool_config={"url": "https://z.example"}))["tool_config"] == {
        "url": "https://z.example"
    }
    assert details(await client.patch(path, json={"tool_type": "transfer_call"})) == [
        "tool_config.destinations: is required"
    ]
    transfer = {"tool_type": "transfer_call", "tool_config": {"destinations": DESTINATIONS}}
    assert (await changed(client, path, **transfer))["tool_config"] == transfer["tool_config"]
    answer = await client.patch(path, json={"tool_config": {"destinations": DESTINATIONS, "url": "https://x.example"}})
    assert ignored(answer) == {"tool_config.url"}
    assert (await changed(client, path, tool_type="end_call"))["tool_config"] == {}
    assert (await changed(client, path, tool_type="function"))["tool_config"] == {}


async def test_a_secret_is_stored_encrypted_shown_masked_and_kept(client: httpx.AsyncClient, app: FastAPI) -> None:
    config = {"server": {"url": "https://x.example", "secret": "tool-secret-value"}}
    answer = await client.post(TOOL_TEMPLATES, json={"name": "f", "tool_type": "function", "tool_config": config})
    made = answer.json()["tool_template"]
    path = f"{TOOL_TEMPLATES}/{made['id']}"
    assert made["tool_config"] == {"server": {"url": "https://x.example", "secret": MASK}}
    assert "secret-value" not in answer.text + (await client.get(TOOL_TEMPLATES)).text
    before = await _config(app, made["id"])
    assert "secret-value" not in str(before)
    assert (await changed(client, path, tool_config=config))["updated_at"] == made["updated_at"]
    assert await _config(app, made["id"]) == before
    moved = {"server": {"url": "https://new.example", "secret": MASK}}
    assert (await changed(client, path, tool_config=moved))["tool_config"] == moved
    assert await _secret(app, made["id"]) == "tool-secret-value"
    assert (await changed(client, path, tool_config={"server": {"secret": None}}))["tool_config"] == {
        "server": {"secret": None}
    }
    assert details(await client.patch(path, json={"tool_config": moved}))[0].startswith("tool_config.server.secret: ")


async def test_values_of_headers_are_secrets_each_kept_by_its_name(client: httpx.AsyncClient, app: FastAPI) -> None:
    config = {"url": "https://x.example", "headers": {"Authorization": "one-secret-value", "X-Key": "two-secret-value"}}
    made = await create(client, TOOL_TEMPLATES, name="f", tool_type="function", tool_config=config)
    path = f"{TOOL_TEMPLATES}/{made['id']}"
    assert made["tool_config"]["headers"] == {"Authorization": MASK, "X-Key": MASK}
    before = await _config(app, made["id"])
    assert "secret-value" not in str(before)
    assert (await changed(client, path, tool_config=made["tool_config"]))["updated_at"] == made["updated_at"]
    assert await _config(app, made["id"]) == before
    fewer = {"url": "https://y.example", "headers": {"x-key": MASK, "X-New": "three-secret-value"}}
    assert (await changed(client, path, tool_config=fewer))["tool_config"]["headers"] == {"x-key": MASK, "X-New": MASK}
    stored = (await _config(app, made["id"]))["headers"]
    assert {name: app.state.parts.secrets.decrypt(value) for name, value in stored.items()} == {
        "x-key": "two-secret-value",
        "X-New": "three-secret-value",
    }
    moved = await changed(client, path, url="https://z.example")
    assert (moved["tool_config"]["url"], moved["tool_config"]["headers"]) == (
        "https://z.example",
        fewer["headers"] | {"X-New": MASK},
    )
    lost = {**fewer, "headers": {"Authorization": MASK}}
    assert details(await client.patch(path, json={"tool_config": lost}))[0].startswith(
        "tool_config.headers.Authorization: "
    )


async def test_templates_written_by_older_names(client: httpx.AsyncClient, app: FastAPI) -> None:
    parameters = {"type": "object"}
    flat = {"name": "f", "type": "function", "url": "https://x.example", "async": True, "parameters": parameters}
    made = await create(client, TOOL_TEMPLATES, **flat, description="Does it")
    assert (made["tool_type"], made["description"]) == ("function", "Does it")
    assert made["tool_config"] == {"url": "https://x.example", "async": True, "parameters": parameters}
    path = f"{TOOL_TEMPLATES}/{made['id']}"
    assert (await changed(client, path, url="https://y.example"))["tool_config"] == {
        **made["tool_config"],
        "url": "https://y.example",
    }
    assert (await create(client, TOOL_TEMPLATES, name="Bye", type="end_call", tool_config={}))["tool_config"] == {}
    definition = {"name": "g", "description": "Does it", "parameters": parameters}
    nested = {"function_definition": definition, "server_url": "https://x.example", "server_secret": "s3cret"}
    made = await create(client, TOOL_TEMPLATES, name="Any name", **nested, **{"async": False})
    assert made["tool_config"] == {
        **definition,
        "async": False,
        "server": {"url": "https://x.example", "secret": MASK},
    }
    path = f"{TOOL_TEMPLATES}/{made['id']}"
    moved = await changed(client, path, server_url="https://y.example")
    assert moved["tool_config"]["server"] == {"url": "https://y.example", "secret": MASK}
    assert await _secret(app, made["id"]) == "s3cret"
    refused = await client.patch(path, json={"parameters": {"type": "strin"}})
    assert details(refused)[0].startswith("parameters: must be a JSON Schema whose type is object")


async def test_todays_names_win_over_older_ones(client: httpx.AsyncClient) -> None:
    body = {"name": "f", "tool_type": "end_call", "tool_config": {}, "type": "function", "url": "https://x.example"}
    answer = await client.post(TOOL_TEMPLATES, json=body)
    assert (answer.json()["tool_template"]["tool_type"], ignored(answer)) == ("end_call", {"type", "url"})


async def _config(app: FastAPI, template_id: str) -> dict[str, Any]:
    """The config as it is stored."""
    async with app.state.parts.database.read() as session:
        rows = (await session.execute(text("SELECT id, tool_config FROM tool_templates"))).all()
    [config] = [config for row_id, config in rows if parse_id(str(row_id)) == template_id]
    return dict(json.loads(config) if isinstance(config, str) else config)


async def _secret(app: FastAPI, template_id: str) -> str:
    stored = (await _config(app, template_id))["server"]["secret"]
    return str(app.state.parts.secrets.decrypt(stored))
