"""`byok.*` of the vendor's library, with its DELETE that has a body (spec section 6.11)."""

import pytest

from dialtone.platform.carriers import CARRIERS
from tests.contract.vendor_client import VendorClient, VendorError

PROVIDERS = {
    "deepgram",
    "openai",
    "elevenlabs",
    "inworld",
    "resend",
    "xai",
    "gladia",
    "mistral",
    "google",
    "google_vertex",
    *CARRIERS,  # ours
}
NONE = {f"{provider}_secret_id": None for provider in PROVIDERS}


async def test_all_operations(vendor: VendorClient) -> None:
    assert await vendor.get("/byok") == {"byok_keys": NONE}
    with pytest.raises(VendorError) as refused:
        await vendor.create("/byok/config", {"provider": "openai", "config": {"region": "eu"}}, status=200)
    assert refused.value.status == 409, "a key comes first"
    stored = await vendor.create("/byok", {"provider": "openai", "api_key": "sk-own"}, status=200)
    assert stored["success"] is True
    assert {name for name, key_id in stored["byok_keys"].items() if key_id is not None} == {"openai_secret_id"}
    assert "sk-own" not in str(stored)
    assert await vendor.get("/byok") == {"byok_keys": stored["byok_keys"]}
    replaced = await vendor.create("/byok", {"provider": "openai", "api_key": "sk-newer"}, status=200)
    assert replaced == stored
    config = await vendor.create("/byok/config", {"provider": "openai", "config": {"region": "eu"}}, status=200)
    assert config["byok_config"] == {"openai": {"region": "eu"}}
    merged = await vendor.create("/byok/config", {"provider": "openai", "config": {"tier": 2}}, status=200)
    assert merged["byok_config"] == {"openai": {"region": "eu", "tier": 2}}
    assert await vendor.delete("/byok", {"provider": "openai"}) == {"success": True, "byok_keys": NONE}


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
async def test_every_vendor_can_be_brought(vendor: VendorClient, provider: str) -> None:
    stored = await vendor.create("/byok", {"provider": provider, "api_key": "own-key"}, status=200)
    assert stored["byok_keys"][f"{provider}_secret_id"] is not None


async def test_the_catalogue_of_library_1_0_1(vendor: VendorClient) -> None:
    document = await vendor.get("/byok/config")
    listed = document if isinstance(document, list) else next(iter(document.values()))
    assert {"id", "name", "category", "docsUrl", "models"} <= listed[0].keys()
