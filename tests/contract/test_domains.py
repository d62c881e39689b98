"""`domains.*` of the vendor's library (spec section 6.14)."""

from tests.contract.conftest import RESEND_KEY
from tests.contract.vendor_client import VendorClient
from tests.fakes.resend import FakeResend

FIELDS = {
    "id",
    "org_id",
    "domain_name",
    "resend_domain_id",
    "status",
    "region",
    "records",
    "created_at",
    "updated_at",
    "verified_at",
}


async def test_all_operations(vendor: VendorClient, resend: FakeResend) -> None:
    await vendor.create("/byok", {"provider": "resend", "api_key": RESEND_KEY}, status=200)
    assert await vendor.get("/domains") == {"domain": None}
    made = (await vendor.create("/domains", {"domain_name": "mail.example.com"}))["domain"]
    assert made.keys() == FIELDS
    assert (made["domain_name"], made["region"], made["verified_at"]) == ("mail.example.com", "eu-west-1", None)
    assert {"record", "name", "type", "ttl", "status", "value"} <= made["records"][0].keys()
    assert await vendor.get("/domains") == {"domain": made}
    assert (await vendor.create("/domains/verify", None, status=200))["domain"]["id"] == made["id"]
    assert (await vendor.create("/domains/refresh", {}, status=200))["domain"]["id"] == made["id"]
    other = resend.put(RESEND_KEY, "other.example.com")
    listed = await vendor.get("/domains/sync")
    assert listed["selected_domain_id"] == made["resend_domain_id"]
    assert {each["name"] for each in listed["domains"]} == {"mail.example.com", "other.example.com"}
    assert listed["domains"][0].keys() == {"id", "name", "status", "region"}
    synced = await vendor.create("/domains/sync", {"resendDomainId": other["id"]}, status=200)
    assert synced["message"] == "Domain synced successfully from Resend"
    assert synced["domain"]["domain_name"] == "other.example.com"
    assert await vendor.delete("/domains") == {"success": True}
    assert await vendor.get("/domains") == {"domain": None}
