"""`analysisTemplates.*` of the vendor's library, and the list in both of its shapes (spec sections 3 and 6.7)."""

from tests.contract.vendor_client import VendorClient

FIELDS = {"id", "org_id", "name", "description", "system_prompt", "user_prompt", "schema", "created_at", "updated_at"}
TEMPLATE = {
    "name": "Outcome",
    "description": "What came of it",
    "system_prompt": "Be exact.",
    "user_prompt": "{transcript} {summary} {duration} {caller_number}",
    "schema": {"type": "object", "properties": {"outcome": {"type": "string"}}},
}
OLDER = {
    "name": "Outcome",
    "messages": [
        {"role": "system", "content": "Be exact: {{schema}}"},
        {"role": "user", "content": "{{transcript}}"},
    ],
    "min_messages_threshold": 3,
    "schema": TEMPLATE["schema"],
}


async def test_all_operations(vendor: VendorClient) -> None:
    made = (await vendor.create("/analysis-templates", TEMPLATE))["analysis_template"]
    assert made.keys() >= FIELDS
    assert {name: made[name] for name in TEMPLATE} == TEMPLATE
    path = f"/analysis-templates/{made['id']}"
    assert (await vendor.get(path))["analysis_template"] == made
    changed = (await vendor.update(path, {"name": "Result", "description": None}))["analysis_template"]
    assert (changed["name"], changed["description"], changed["schema"]) == ("Result", None, TEMPLATE["schema"])
    listed = await vendor.get("/analysis-templates")
    assert listed["analysis_templates"] == listed["data"] == [changed]
    assert (listed["total"], listed["offset"]) == (1, 0)
    assert await vendor.delete(path) == {"success": True}


async def test_older_clients_are_understood(vendor: VendorClient) -> None:
    made = (await vendor.create("/analysis-templates", OLDER))["analysis_template"]
    assert made["schema"] == TEMPLATE["schema"]
    assert "Be exact" in made["system_prompt"]
    assert "{transcript}" in made["user_prompt"]
