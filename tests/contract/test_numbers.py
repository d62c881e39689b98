"""`numbers.*` of the vendor's library (spec section 6.2)."""

import pytest

from tests.contract.vendor_client import VendorClient, VendorError
from tests.resources.requests import free_number

FIELDS = {
    "id",
    "phone_number",
    "agent_id",
    "agent_name",
    "business_name",
    "transfer_trunk_id",
    "transfer_trunk_name",
    "workflow_id",
    "workflow_name",
    "source",
    "is_active",
    "created_at",
    "updated_at",
}
"""Of the library's newest types."""
TRUNK = {"name": "Carrier", "provider": "other", "address": "sip.carrier.example"}


async def test_all_operations(vendor: VendorClient) -> None:
    assert await vendor.get("/numbers") == {"numbers": []}
    number = free_number()
    made = (await vendor.create("/numbers", {"phone_number": number}))["number"]
    assert made.keys() >= FIELDS
    assert (made["phone_number"], made["is_active"], made["agent_id"]) == (number, True, None)
    path = f"/numbers/{made['id']}"
    assert await vendor.get(path) == {"number": made}
    assert await vendor.get("/numbers") == {"numbers": [made]}
    assert (await vendor.update(path, {"is_active": False}))["number"]["is_active"] is False
    with pytest.raises(VendorError) as taken:
        await vendor.create("/numbers", {"phone_number": number})
    assert taken.value.status == 409
    assert await vendor.delete(path) == {"success": True}
    assert await vendor.get("/numbers") == {"numbers": []}


async def test_absent_leaves_attached_and_null_detaches(vendor: VendorClient) -> None:
    assistant = (await vendor.create("/assistants", {"name": "Ada", "business_name": "Acme"}))["assistant"]
    trunk = (await vendor.create("/sip-trunks", TRUNK))["trunk"]
    body = {"phone_number": free_number(), "agent_id": assistant["id"], "transfer_trunk_id": trunk["id"]}
    made = (await vendor.create("/numbers", body))["number"]
    path = f"/numbers/{made['id']}"
    assert (made["assistant_id"], made["agent_name"], made["business_name"]) == (assistant["id"], "Ada", "Acme")
    assert made["transfer_trunk_name"] == "Carrier"
    assert (await vendor.update(path, {"name": "Desk"}))["number"]["agent_id"] == assistant["id"]
    detached = (await vendor.update(path, {"agent_id": None}))["number"]
    assert (detached["agent_id"], detached["assistant_id"], detached["agent_name"]) == (None, None, None)
    assert detached["transfer_trunk_id"] == trunk["id"]
    assert (await vendor.update(path, {"transfer_trunk_id": None}))["number"]["transfer_trunk_id"] is None
    assert (await vendor.update(path, {"workflow_id": None}))["number"]["workflow_id"] is None


async def test_a_deleted_assistant_leaves_its_numbers(vendor: VendorClient) -> None:
    assistant = (await vendor.create("/assistants", {"name": "Ada"}))["assistant"]
    made = await vendor.create("/numbers", {"phone_number": free_number(), "assistant_id": assistant["id"]})
    assert await vendor.delete(f"/assistants/{assistant['id']}") == {"success": True}
    assert (await vendor.get(f"/numbers/{made['number']['id']}"))["number"]["agent_id"] is None
