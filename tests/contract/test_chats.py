"""Chats, which the vendor's library has no methods for (spec section 6.16)."""

from typing import Any

import pytest

from tests.contract.vendor_client import VendorClient, VendorError

FIELDS = {"id", "agent_id", "contact_id", "channel", "role", "content", "metadata", "created_at"}


def message(content: str, role: str = "user") -> dict[str, Any]:
    return {"contact_id": "+31201234567", "channel": "whatsapp", "role": role, "content": content}


async def test_all_operations(vendor: VendorClient) -> None:
    assistant_id = (await vendor.create("/assistants", {"name": "Ada"}))["assistant"]["id"]
    first = await vendor.create("/chats", {**message("Hello?"), "agent_id": assistant_id, "metadata": {"n": 1}})
    second = await vendor.create("/chats", message("Good day.", "assistant"))
    assert first.keys() >= FIELDS
    assert (first["agent_id"], first["metadata"], second["agent_id"]) == (assistant_id, {"n": 1}, None)
    listed = await vendor.get("/chats", contact_id="+31201234567", channel="whatsapp")
    assert listed["messages"] == [second, first]
    assert listed["pagination"] == {"total": 2, "limit": 100, "offset": 0}
    of_assistant = await vendor.get("/chats", contact_id="+31201234567", agent_id=assistant_id)
    assert of_assistant["messages"] == [first]
    context = await vendor.get("/chats/context", contact_id="+31201234567")
    assert context.keys() >= {"contact_id", "agent_id", "messages", "formatted"}
    assert [each["id"] for each in context["messages"]] == [first["id"], second["id"]]
    assert context["formatted"] == "USER: Hello?\nASSISTANT: Good day."
    assert await vendor.delete(f"/chats/{first['id']}") == {"success": True}
    assert (await vendor.get("/chats", contact_id="+31201234567"))["messages"] == [second]


@pytest.mark.parametrize(("path", "limit"), [("/chats", 501), ("/chats/context", 201)])
async def test_pages_have_the_contracts_bounds(vendor: VendorClient, path: str, limit: int) -> None:
    await vendor.get(path, contact_id="x", limit=limit - 1)
    for query in ({"contact_id": "x", "limit": limit}, {"limit": 1}):
        with pytest.raises(VendorError) as refused:
            await vendor.get(path, **query)
        assert refused.value.status == 400
