"""`calls.*` of the vendor's library, and web calls (spec sections 6.3, 6.4 and 6.18)."""

from typing import Any

import pytest

from tests.calls.conftest import TRANSIENT, House
from tests.calls.stored_calls import Stored, spread, store
from tests.contract.test_sip_trunks import NEWEST as TRUNK
from tests.contract.vendor_client import API, VendorClient, VendorError, one
from tests.resources.requests import free_number

DESTINATION = "+31623731537"
FIELDS = {
    "id",
    "caller_phone",
    "assistant_phone",
    "status",
    "direction",
    "end_reason",
    "error",
    "started_at",
    "ended_at",
    "duration_seconds",
    "summary",
    "analysis_result",
    "messages",
    "room_name",
    "recording_url",
    "agent_id",
    "number_id",
    "agent_name",
    "business_name",
    "phone_number",
    "created_at",
    "updated_at",
}
"""Of the library's newest types."""
OLDER_FIELDS = {"agent_phone", "assistant_name", "assistant_id"}
"""Of the guide pages."""


async def _organization_id(house: House) -> str:
    identity = await house.app.state.parts.authenticator.identify(house.key)
    return str(identity.organization_id)


async def _can_place_calls(vendor: VendorClient) -> str:
    """A number with a trunk: its id."""
    trunk = (await vendor.create("/sip-trunks", TRUNK))["trunk"]
    body = {"phone_number": free_number(), "transfer_trunk_id": trunk["id"]}
    return str((await vendor.create("/numbers", body))["number"]["id"])


async def test_a_call_is_a_bare_object(own_house: House, vendor: VendorClient) -> None:
    call_id, running, _ = await own_house.begin()
    running.journal.message("assistant", "Hello.")
    await own_house.room.flush()
    call = await vendor.get(one("/calls", call_id))
    assert call.keys() >= FIELDS | OLDER_FIELDS
    assert (call["id"], call["status"], call["direction"]) == (call_id, "in-progress", "web")
    assert (call["caller_phone"], call["assistant_phone"]) == (None, None)
    assert call["messages"] == [{"role": "assistant", "content": "Hello."}]
    listed = await vendor.get("/calls")
    assert listed["pagination"] == {"total": 1, "limit": 100, "offset": 0}
    assert [each["id"] for each in listed["calls"]] == [call_id]


async def test_all_calls_are_walked_in_pages(own_house: House, vendor: VendorClient) -> None:
    calls = spread(await _organization_id(own_house), 250, seed=7)
    await store(own_house.database, calls)
    walked = [call["id"] async for call in vendor.list_all("/calls", "calls")]
    assert walked == [call.id for call in calls]
    ended = [call["id"] async for call in vendor.list_all("/calls", "calls", status="ended")]
    assert ended == [call.id for call in calls if call.status == "ended"]


async def test_a_filter_takes_any_status_and_the_contracts_dates(own_house: House, vendor: VendorClient) -> None:
    organization_id = await _organization_id(own_house)
    calls = spread(organization_id, 20, seed=8)
    await store(own_house.database, calls)
    middle = calls[10].created_at
    for status in ("connecting", "in-progress", "ended", "failed", "anything"):
        found = await vendor.get("/calls", status=status)
        assert found["pagination"]["total"] == sum(call.status == status for call in calls)
    since = await vendor.get("/calls", start_date=middle.isoformat().replace("+00:00", "Z"))
    assert {each["id"] for each in since["calls"]} == {call.id for call in calls if call.created_at >= middle}


@pytest.mark.parametrize(
    "names",
    [("assistant_id", "assistant", "assistant_override"), ("agent_id", "agent", "agent_config")],
    ids=["today's names", "older names"],
)
async def test_an_outbound_call_in_its_three_modes(vendor: VendorClient, names: tuple[str, str, str]) -> None:
    reference, transient, override = names
    number_id = await _can_place_calls(vendor)
    assistant_id = (await vendor.create("/assistants", {"name": "Ada"}))["assistant"]["id"]
    modes: list[dict[str, Any]] = [
        {reference: assistant_id},
        {reference: assistant_id, override: {"first_message": "Hi."}},
        {transient: TRANSIENT},
    ]
    for mode in modes:
        body = {"destination": DESTINATION, "number_id": number_id, **mode}
        placed = await vendor.create("/calls/outbound", body, status=200)
        assert placed.keys() >= {"success", "call_id", "status"}
        assert (placed["success"], placed["status"]) == (True, "dialing")
        call = await vendor.get(one("/calls", placed["call_id"]))
        assert (call["direction"], call["caller_phone"], call["number_id"]) == ("outbound", DESTINATION, number_id)
        assert call["agent_id"] == call["assistant_id"] == mode.get(reference)


@pytest.mark.parametrize(
    "command",
    [
        {"type": "inject-context", "content": "The taxi is here.", "trigger_response": False},
        {"type": "say", "content": "One moment.", "end_after": False},
        {"type": "transfer", "destination": "+31201234567", "message": "I connect you."},
        {"type": "end-call", "message": "Goodbye."},
        {"type": "end-call"},
    ],
    ids=lambda command: "-".join(command),
)
async def test_each_command(own_house: House, vendor: VendorClient, command: dict[str, Any]) -> None:
    call_id, _, _ = await own_house.begin()
    await own_house.room.flush()
    document = await vendor.create(one("/calls", call_id) + "/control", command, status=200)
    assert document == {"success": True, "message": "Command sent successfully"}
    assert own_house.engine.commands[-1][0] == call_id


async def test_a_call_that_is_over_takes_no_command(own_house: House, vendor: VendorClient) -> None:
    over = Stored(
        "0d3f7f8e-5a55-4a53-9a5a-0c6f3b1f7a11", await _organization_id(own_house), spread("x", 1, 1)[0].created_at
    )
    await store(own_house.database, [over])
    with pytest.raises(VendorError) as refused:
        await vendor.create(f"/calls/{over.id}/control", {"type": "end-call"}, status=200)
    assert refused.value.status == 400


async def test_web_calls_at_both_addresses(own_house: House, vendor: VendorClient) -> None:
    made = await vendor.create("/web-calls", {"assistant": TRANSIENT})
    assert made.keys() >= {"token", "server_url"}
    async with own_house.client() as client:
        answer = await client.post(f"{API.removeprefix('/api')}/web-calls", json={"assistant": TRANSIENT})
    assert answer.status_code == 201
    assert answer.json().keys() == made.keys()
