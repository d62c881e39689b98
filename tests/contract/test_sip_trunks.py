"""`sipTrunks.*` of the vendor's library, the newest and the older ones (spec section 6.5)."""

import pytest

from tests.contract.vendor_client import VendorClient, VendorError

NEWEST = {
    "name": "Carrier",
    "provider": "other",
    "address": "sip.carrier.example",
    "auth_username": "u",
    "auth_password": "p4ssw0rd",
}
GUIDE = {"name": "Carrier", "provider": "other", "host": "sip.carrier.example", "port": 5061, "username": "u"}
SDK_1_0_1 = {
    "name": "Carrier",
    "provider": "other",
    "inbound_addresses": ["192.0.2.1"],
    "outbound_address": "sip.carrier.example",
    "outbound_number": "+31201234567",
}
FIELDS = {
    "id",
    "org_id",
    "name",
    "provider",
    "address",
    "transport",
    "auth_username",
    "is_active",
    "created_at",
    "updated_at",
}


async def test_all_operations(vendor: VendorClient) -> None:
    assert await vendor.get("/sip-trunks") == {"trunks": []}
    made = (await vendor.create("/sip-trunks", NEWEST))["trunk"]
    assert made.keys() >= FIELDS
    assert (made["transport"], made["auth_username"], made["is_active"]) == ("udp", "u", True)
    assert "p4ssw0rd" not in str(made)
    path = f"/sip-trunks/{made['id']}"
    assert (await vendor.get(path))["trunk"] == made
    assert await vendor.get("/sip-trunks") == {"trunks": [made]}
    assert await vendor.delete(path) == {"success": True}
    with pytest.raises(VendorError) as gone:
        await vendor.delete(path)
    assert gone.value.status == 404


@pytest.mark.parametrize("body", [GUIDE, SDK_1_0_1], ids=["guide", "1.0.1"])
async def test_older_clients_are_understood(vendor: VendorClient, body: dict[str, object]) -> None:
    document = await vendor.create("/sip-trunks", body)
    made = document["trunk"]
    assert document.get("sip_trunk", made) == made
    assert made["address"].startswith("sip.carrier.example")
    for name, value in body.items():
        if name in ("inbound_addresses", "outbound_number"):
            assert made[name] == value
