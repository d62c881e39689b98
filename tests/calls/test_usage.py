"""Usage: a log of each call that has a duration, and exact sums of the whole period."""

from dataclasses import replace
from datetime import timedelta

import httpx
from fastapi import FastAPI
from sqlalchemy import update

from dialtone.calls.tables import Call
from dialtone.platform.db import iso, new_id, now
from tests.calls.conftest import House
from tests.calls.stored_calls import BEGIN, Stored, first_organization, get, spread, store


async def test_a_log_has_the_newer_and_the_older_fields(app: FastAPI, client: httpx.AsyncClient) -> None:
    assistant_id = new_id()
    call = Stored(
        new_id(), await first_organization(app), BEGIN, assistant_id=assistant_id, assistant_name="Ada", byok_llm=True
    )
    call = replace(call, cost_millionths=31_200)
    await store(app.state.parts.database, [call])
    assert await get(client, "/api/v1/usage") == {
        "logs": [
            {
                "id": call.id,
                "duration_sec": 84,
                "call_type": "phone",
                "byok_stt": False,
                "byok_llm": True,
                "byok_tts": False,
                "phone_number": None,
                "assistant_id": assistant_id,
                "agent_id": assistant_id,
                "assistant_name": "Ada",
                "agent_name": "Ada",
                "business_name": None,
                "minutes_used": 2,
                "cost": 0.0312,
                "created_at": "2025-03-01T00:00:00.000Z",
            }
        ],
        "pagination": {"total": 1, "limit": 100, "offset": 0},
        "summary": {
            "total_calls": 1,
            "total_duration_seconds": 84,
            "total_duration_minutes": 1.4,
            "total_minutes_used": 2,
            "total_cost": 0.0312,
            "currency": "USD",
        },
    }


async def test_the_summary_is_of_the_whole_period_and_the_logs_of_one_page(
    app: FastAPI, client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    stored = spread(await first_organization(app), 2500, seed=6)
    await store(app.state.parts.database, stored)
    for start, end in [(0, 5), (1, 3), (0.3, 0.8), (1.25, 3.75), (2, 2.5), (1.5, 4), (4, 1)]:
        since, until = BEGIN + timedelta(days=start), BEGIN + timedelta(days=end)
        timed = [call for call in stored if call.duration_seconds is not None and since <= call.created_at <= until]
        seconds = [call.duration_seconds or 0 for call in timed]
        offset = len(timed) - 3 if len(timed) > 3 else 0
        answer = await get(client, "/api/v1/usage", start_date=iso(since), end_date=iso(until), limit=2, offset=offset)
        assert [log["id"] for log in answer["logs"]] == [call.id for call in timed[offset : offset + 2]]
        assert answer["pagination"] == {"total": len(timed), "limit": 2, "offset": offset}
        assert answer["summary"] == {
            "total_calls": len(timed),
            "total_duration_seconds": sum(seconds),
            "total_duration_minutes": round(sum(seconds) / 60, 2),
            "total_minutes_used": sum(-(-one // 60) for one in seconds),
            "total_cost": sum(call.cost_millionths or 0 for call in timed) / 1_000_000,
            "currency": "USD",
        }
    assert (await get(other_client, "/api/v1/usage"))["summary"]["total_calls"] == 0


async def test_calls_appear_in_the_usage_when_they_end(calls_house: House) -> None:
    call_id, running, _ = await calls_house.begin()
    await calls_house.room.flush()
    listing = calls_house.room.listing
    async with calls_house.client() as client:
        before = await get(client, "/api/v1/usage")
        organization_id = await first_organization(calls_house.app)
        assert await listing.active_calls(organization_id) == 1
        running.end("user_hangup")
        await calls_house.room.stop(1.0)
        after = await get(client, "/api/v1/usage")
    assert before["logs"] == []
    assert [(log["id"], log["duration_sec"], log["call_type"]) for log in after["logs"]] == [(call_id, 7, "web")]
    assert await listing.active_calls(organization_id) == 0
    assert await listing.monthly_usage_minutes(organization_id) == 0.12
    async with calls_house.database.write() as session:
        last_month = now().replace(day=1) - timedelta(days=1)
        await session.execute(update(Call).where(Call.id == call_id).values(created_at=last_month))
    assert await listing.monthly_usage_minutes(organization_id) == 0
