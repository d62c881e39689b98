"""What is older than an organization's periods goes at night; what is younger, and the calls themselves, stay."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text, update

from dialtone.calls.tables import Call
from dialtone.platform.db import new_id, now
from tests.calls.conftest import TRANSIENT
from tests.calls.stored_calls import Stored, first_organization, store
from tests.fakes.openai_chat import Reply
from tests.privacy.conftest import CALLER, SUMMARY, WORDS, Practice

DATA = '{"fruit": "pomegranate"}'
PLAN = {
    "structured_data_plan": {
        "enabled": True,
        "schema": {"type": "object", "properties": {"fruit": {"type": "string"}}},
    }
}


async def _analysed(practice: Practice, **fields: Any) -> str:
    practice.replies[:] = [Reply(SUMMARY), Reply(DATA)]
    return await practice.call(analysis_plan=PLAN, **fields)


async def test_content_goes_first_and_metadata_later(practice: Practice) -> None:
    call_id = await _analysed(practice)
    await practice.settled("webhook")
    whole = await practice.record(call_id)
    assert (whole["summary"], whole["analysis_result"]) == (SUMMARY, {"fruit": "pomegranate"})
    assert whole["recording_url"] is not None
    assert len(practice.recordings()) == 1
    await practice.retain(30, 90)

    await practice.nights(29.5)
    assert await _without_addresses(practice, call_id) == {**whole, "recording_url": "", "updated_at": ""}

    await practice.nights(1)
    emptied = await practice.record(call_id)
    gone = {"summary": None, "analysis_result": None, "messages": [], "recording_url": None, "notes": []}
    assert {**emptied, "updated_at": ""} == {**whole, **gone, "updated_at": ""}
    assert emptied["caller_phone"] == CALLER
    assert practice.recordings() == []
    rows = await practice.rows()
    assert WORDS not in str({**rows, "calls": {}})
    assert [row["body"] for row in rows["webhook_deliveries"].values()] == [None] * 3
    deliveries = (await practice.request("GET", "/webhook-deliveries"))["webhook_deliveries"]
    assert {each["status"] for each in deliveries} == {"delivered"}
    replay = f"/webhook-deliveries/{deliveries[0]['id']}/replay"
    assert (await practice.request("POST", replay, 409))["code"] == "delivery_content_deleted"

    await practice.nights(60)
    bare = await practice.record(call_id)
    gone = {"caller_phone": None, "metadata": None, "latency": []}
    assert {**bare, "updated_at": ""} == {**emptied, **gone, "updated_at": ""}
    rows = await practice.rows()
    assert (rows["webhook_deliveries"], rows["call_turns"]) == ({}, {})
    assert CALLER not in str(rows)
    assert WORDS not in str(rows)
    usage = await practice.request("GET", "/usage")
    assert usage["summary"]["total_calls"] == 1, "calls are still counted"


async def _without_addresses(practice: Practice, call_id: str) -> dict[str, Any]:
    """A call as it is shown, without what differs at every look."""
    return {**await practice.record(call_id), "recording_url": "", "updated_at": ""}


async def test_the_audit_log_tells_what_went_and_nothing_else(practice: Practice) -> None:
    await practice.call()
    await practice.retain(30, 30)
    await practice.nights(31)
    metadata, content, changed = await practice.audit_log()
    assert (changed["action"], changed["actor"]) == ("retention.changed", practice.house.key[:12])
    assert changed["details"] == {"content_retention_days": 30, "metadata_retention_days": 30}
    assert (content["action"], content["actor"]) == ("retention.content_deleted", "retention")
    counts = {"calls": 1, "messages": 2, "recordings": 1, "webhook_deliveries": 3}
    assert content["details"].items() >= {"days": 30, **counts}.items()
    assert metadata["action"] == "retention.metadata_deleted"
    assert metadata["details"].items() >= {"days": 30, "calls": 1, "webhook_deliveries": 3}.items()
    await practice.nights(1)
    assert len(await practice.audit_log()) == 3, "a night in which nothing went is not worth a line"


async def test_without_periods_everything_stays(practice: Practice) -> None:
    call_id = await practice.call()
    whole = await _without_addresses(practice, call_id)
    await practice.nights(10_000)
    assert await _without_addresses(practice, call_id) == whole
    assert len(practice.recordings()) == 1


async def test_other_organizations_and_younger_calls_are_left_alone(practice: Practice) -> None:
    _, key = await practice.house.organizations.create("Another")
    other = await practice.request(
        "POST", "/web-calls", 201, key, json={"assistant": TRANSIENT, "metadata": {"fruit": WORDS}}
    )
    old, young = await practice.call(), await practice.call()
    await _make_older(practice, timedelta(days=31), old)
    await practice.retain(30, 30)
    await practice.nights(1)
    assert (await practice.record(old))["caller_phone"] is None
    assert (await practice.record(young))["caller_phone"] == CALLER
    assert (await practice.record(young))["messages"] != []
    assert (await practice.record(other["call_id"], key))["metadata"] == {"fruit": WORDS}


async def _make_older(practice: Practice, age: timedelta, call_id: str) -> None:
    async with practice.house.database.write() as session:
        await session.execute(update(Call).where(Call.id == call_id).values(created_at=now() - age))


async def test_what_waits_is_given_up_when_its_call_is_too_old(practice: Practice) -> None:
    """A call whose report nobody could write, and one whose webhook is sent once more after a month."""
    replayed, unreported = await practice.call(), await practice.call()
    await practice.settled("webhook")
    async with practice.house.database.write() as session:
        await session.execute(text("UPDATE webhook_deliveries SET status = 'waiting', tried_from = created_at"))
        await session.execute(
            text(
                "INSERT INTO kept_calls (call_id, organization_id, kept) SELECT id, organization_id, 'v2:x' FROM calls"
            )
        )
    await practice.retain(30, 365)
    await practice.nights(31)
    rows = await practice.rows()
    assert rows["kept_calls"] == {}
    assert {(row["status"], row["body"], row["next_try_at"]) for row in rows["webhook_deliveries"].values()} == {
        ("failed", None, None)
    }
    assert {(await practice.record(each))["caller_phone"] for each in (replayed, unreported)} == {CALLER}


@pytest.mark.parametrize("calls", [1, 50, 101])
async def test_calls_of_one_moment_are_all_found_in_batches(practice: Practice, calls: int) -> None:
    organization, made = await first_organization(practice.house.app), now() - timedelta(days=40)
    await store(practice.house.database, [Stored(new_id(), organization, made) for _ in range(calls)])
    async with practice.house.database.write() as session:
        await session.execute(update(Call).values(caller_phone=CALLER))
    await practice.retain(30, 30)
    await practice.nights(1)
    rows = await practice.rows()
    assert {row["caller_phone"] for row in rows["calls"].values()} == {None}
    lines = {line["action"]: line["details"] for line in await practice.audit_log()}
    assert lines["retention.content_deleted"]["calls"] == lines["retention.metadata_deleted"]["calls"] == calls
