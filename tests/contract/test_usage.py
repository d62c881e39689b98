"""`usage.list` and `listAll` of the vendor's library (spec section 6.13)."""

from tests.calls.conftest import House
from tests.calls.stored_calls import spread, store
from tests.contract.vendor_client import VendorClient

LOG = {
    "id",
    "duration_sec",
    "call_type",
    "byok_stt",
    "byok_llm",
    "byok_tts",
    "phone_number",
    "agent_name",
    "business_name",
    "created_at",
    "cost",
    "minutes_used",
}
SUMMARY = {"total_calls", "total_duration_seconds", "total_duration_minutes", "total_cost"}


async def test_all_usage_is_walked_in_pages(own_house: House, vendor: VendorClient) -> None:
    identity = await own_house.app.state.parts.authenticator.identify(own_house.key)
    calls = spread(identity.organization_id, 250, seed=9)
    await store(own_house.database, calls)
    timed = [call for call in calls if call.duration_seconds is not None]
    logs = [log async for log in vendor.list_all("/usage", "logs")]
    assert [log["id"] for log in logs] == [call.id for call in timed]
    assert all(log.keys() >= LOG for log in logs)
    assert {log["call_type"] for log in logs} == {"phone", "web"}
    document = await vendor.get("/usage", limit=1)
    assert document.keys() == {"logs", "pagination", "summary"}
    assert document["summary"].keys() >= SUMMARY
    assert document["summary"]["total_calls"] == len(timed)
    assert document["summary"]["total_duration_seconds"] == sum(log["duration_sec"] for log in logs)


async def test_84_seconds_are_two_minutes(own_house: House, vendor: VendorClient) -> None:
    """The older documents' example."""
    identity = await own_house.app.state.parts.authenticator.identify(own_house.key)
    call = next(call for call in spread(identity.organization_id, 20, seed=9) if call.duration_seconds is not None)
    await store(own_house.database, [type(call)(call.id, identity.organization_id, call.created_at)])
    log = (await vendor.get("/usage"))["logs"][0]
    assert (log["duration_sec"], log["minutes_used"]) == (84, 2)
