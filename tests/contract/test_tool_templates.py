"""`toolTemplates.*` of the vendor's library, the newest and the older shapes (spec section 6.6)."""

from typing import Any

import pytest

from tests.contract.vendor_client import VendorClient

FIELDS = {"id", "org_id", "name", "description", "tool_type", "tool_config", "created_at", "updated_at"}
URL = "https://example.com/hook"
PARAMETERS = {"type": "object", "properties": {"query": {"type": "string"}}}
FUNCTION: dict[str, Any] = {
    "name": "lookup",
    "description": "Looks up",
    "tool_type": "function",
    "tool_config": {"description": "Looks up", "url": URL, "async": True, "parameters": PARAMETERS},
}
TRANSFER = {"type": "number", "number": "+31201234567", "description": "the desk"}


async def test_all_operations(vendor: VendorClient) -> None:
    assert await vendor.get("/tool-templates") == {"tool_templates": []}
    made = (await vendor.create("/tool-templates", FUNCTION))["tool_template"]
    assert made.keys() >= FIELDS
    assert {name: made[name] for name in FUNCTION} == FUNCTION
    path = f"/tool-templates/{made['id']}"
    assert (await vendor.get(path))["tool_template"] == made
    changed = (await vendor.update(path, {"tool_config": {"url": URL}}))["tool_template"]
    assert changed["tool_config"] == {"url": URL}, "a config is replaced whole"
    assert (await vendor.update(path, {"description": None}))["tool_template"]["description"] is None
    assert [each["id"] for each in (await vendor.get("/tool-templates"))["tool_templates"]] == [made["id"]]
    assert await vendor.delete(path) == {"success": True}


@pytest.mark.parametrize(("tool_type", "config"), [("end_call", {}), ("transfer_call", {"destinations": [TRANSFER]})])
async def test_built_in_tools(vendor: VendorClient, tool_type: str, config: dict[str, Any]) -> None:
    body = {"name": "x", "tool_type": tool_type, "tool_config": config}
    assert (await vendor.create("/tool-templates", body))["tool_template"]["tool_config"] == config


@pytest.mark.parametrize(
    "older",
    [
        {"name": "lookup", "type": "function", "url": URL, "async": True, "parameters": PARAMETERS},
        {
            "name": "lookup",
            "function_definition": {"name": "lookup", "description": "Looks up", "parameters": PARAMETERS},
            "server_url": URL,
            "async": True,
        },
    ],
    ids=["guide", "1.0.1"],
)
async def test_older_clients_are_understood(vendor: VendorClient, older: dict[str, Any]) -> None:
    made = (await vendor.create("/tool-templates", older))["tool_template"]
    assert made["tool_type"] == "function"
    config = made["tool_config"]
    assert (config.get("url") or config["server"]["url"]) == URL
    assert (config["async"], config["parameters"]) == (True, PARAMETERS)
