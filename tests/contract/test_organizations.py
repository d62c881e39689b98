"""`organizations.*` of the vendor's library, and the older `GET /account` (spec section 6.15)."""

import httpx
import pytest

from tests.contract.vendor_client import VendorClient, VendorError

FIELDS = {
    "id",
    "name",
    "minutes_balance",
    "monthly_usage_minutes",
    "active_numbers",
    "active_agents",
    "active_calls",
    "has_local_models_access",
    "parent_org_id",
}


async def test_all_operations(vendor: VendorClient, http: httpx.AsyncClient) -> None:
    own = await vendor.get("/organizations")
    assert own.keys() >= FIELDS
    assert "children" not in own
    assert (await vendor.get("/organizations", include_children="false")).keys() == own.keys()
    below = await vendor.create("/organizations", {"name": "Below", "parent_org_id": own["id"]})
    assert below.keys() == {"id", "name", "parent_org_id", "api_key", "created_at"}
    assert below["parent_org_id"] == own["id"]
    assert below["api_key"].startswith("fl_")
    listed = await vendor.get("/organizations", include_children="true")
    assert [child.keys() for child in listed["children"]] == [{"id", "name", "created_at"}]
    assert (await VendorClient(http, below["api_key"]).get("/organizations"))["id"] == below["id"]
    periods = {"content_retention_days": 30, "metadata_retention_days": 730}
    assert (await vendor.update("/organizations", periods)).items() >= periods.items()


@pytest.mark.parametrize(
    "periods",
    [
        {"content_retention_days": 30},
        {"content_retention_days": 365, "metadata_retention_days": 30},
        {"content_retention_days": 31, "metadata_retention_days": 730},
        {"content_retention_days": 730, "metadata_retention_days": 730},
    ],
)
async def test_retention_has_rules(vendor: VendorClient, periods: dict[str, int]) -> None:
    with pytest.raises(VendorError) as refused:
        await vendor.update("/organizations", periods)
    assert refused.value.status == 400
    assert refused.value.body["details"]


async def test_a_top_level_organization_is_the_operators_to_make(vendor: VendorClient) -> None:
    with pytest.raises(VendorError) as refused:
        await vendor.create("/organizations", {"name": "Mine"})
    assert (refused.value.status, refused.value.body["error"]) == (403, "Forbidden")


async def test_the_older_account(vendor: VendorClient) -> None:
    account = await vendor.get("/account")
    assert account.keys() >= FIELDS | {"email", "company_name"}
    assert account["id"] == (await vendor.get("/organizations"))["id"]
