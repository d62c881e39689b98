"""`assistants.list`, `create`, `get`, `update` and `delete` of the vendor's library (spec sections 4 and 6.1).

Fields, defaults and ranges are proven in `tests/assistants`; here is how they travel.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract.vendor_client import VendorClient, VendorError

REFERENCE: dict[str, Any] = json.loads((Path(__file__).parent.parent / "assistants" / "reference.json").read_text())
MASK = "********"


async def test_all_operations(vendor: VendorClient) -> None:
    assert await vendor.get("/assistants") == {"assistants": []}
    made = (await vendor.create("/assistants", {"name": "Ada"}))["assistant"]
    path = f"/assistants/{made['id']}"
    assert await vendor.get(path) == {"assistant": made}
    changed = (await vendor.update(path, {"first_message": "Hello."}))["assistant"]
    assert changed == {**made, "first_message": "Hello.", "updated_at": changed["updated_at"]}
    assert await vendor.get("/assistants") == {"assistants": [changed]}
    assert await vendor.delete(path) == {"success": True}
    with pytest.raises(VendorError) as gone:
        await vendor.get(path)
    assert gone.value.status == 404


async def test_the_reference_pages_object_comes_back_unchanged(vendor: VendorClient) -> None:
    made = (await vendor.create("/assistants", {"name": "Ada"}))["assistant"]
    path = f"/assistants/{made['id']}"
    changed = (await vendor.update(path, REFERENCE))["assistant"]
    own = {"id": made["id"], "webhook_secret": MASK, "created_at": made["created_at"]}
    assert {name: changed[name] for name in REFERENCE} == {**REFERENCE, **own, "updated_at": changed["updated_at"]}
    assert await vendor.update(path, changed) == {"assistant": changed}


async def test_a_change_of_nothing_changes_nothing(vendor: VendorClient) -> None:
    """The reference page's own request: `PATCH` with `{}`."""
    made = (await vendor.create("/assistants", {"name": "Ada", "business_name": "Acme"}))["assistant"]
    assert await vendor.update(f"/assistants/{made['id']}", {}) == {"assistant": made}


async def test_null_clears_and_absent_leaves(vendor: VendorClient) -> None:
    given = {"name": "Ada", "business_name": "Acme", "first_message": "Hello.", "notification_emails": ["a@acme.com"]}
    made = (await vendor.create("/assistants", given))["assistant"]
    after = (await vendor.update(f"/assistants/{made['id']}", {"business_name": None}))["assistant"]
    assert after["business_name"] is None
    assert (after["first_message"], after["notification_emails"]) == ("Hello.", ["a@acme.com"])


async def test_agents_are_assistants(vendor: VendorClient) -> None:
    made = (await vendor.create("/agents", {"name": "Ada"}))["assistant"]
    path = f"/agents/{made['id']}"
    assert await vendor.get(path) == await vendor.get(f"/assistants/{made['id']}")
    assert await vendor.get("/agents") == await vendor.get("/assistants")
    assert (await vendor.update(path, {"name": "Eve"}))["assistant"]["name"] == "Eve"
    assert await vendor.delete(path) == {"success": True}
    assert await vendor.get("/assistants") == {"assistants": []}
