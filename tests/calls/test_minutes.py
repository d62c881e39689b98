"""Calls use up the minutes of the organization that pays for them: each call once, whatever happens."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from dialtone.calls import writer
from dialtone.calls.tables import Call
from dialtone.media.audio import PCM_16K
from dialtone.organizations.organization_commands import change_balance
from dialtone.platform.db import now
from dialtone.settings import Settings
from tests.calls.conftest import TRANSIENT, FakeLine, House, RunningCall, open_house

CALL_SECONDS = 7
"""What the engine of these tests says that each of its calls lasted."""


async def minutes(client: httpx.AsyncClient) -> float:
    return float((await client.get("/api/v1/organizations")).json()["minutes_balance"])


async def begin(house: House, client: httpx.AsyncClient) -> tuple[str, RunningCall]:
    """A call of the client's organization that runs."""
    created = (await client.post("/api/v1/web-calls", json={"assistant": TRANSIENT})).json()
    admission = await house.room._claim(created["token"], PCM_16K)
    admission.start(FakeLine())  # type: ignore[union-attr]
    await asyncio.sleep(0)
    return created["call_id"], house.engine.calls[-1]


async def end(house: House, running: RunningCall) -> None:
    running.end("user_hangup")
    await asyncio.wait(house.room.live._running)  # type: ignore[union-attr]
    await house.room.flush()


async def test_a_call_below_uses_the_minutes_of_the_top(calls_house: House) -> None:
    async with calls_house.client() as top:
        parent = (await top.get("/api/v1/organizations")).json()["id"]
        for name in ("Below", "Further below"):
            made = await top.post("/api/v1/organizations", json={"name": name, "parent_org_id": parent})
            parent = made.json()["id"]
        await change_balance(calls_house.database, "Default", 10)
        async with calls_house.client(made.json()["api_key"]) as below:
            assert await minutes(below) == 10
            _, running = await begin(calls_house, below)
            await end(calls_house, running)
            assert await minutes(below) == await minutes(top) == round(10 - CALL_SECONDS / 60, 2)
            assert (await below.get("/api/v1/organizations")).json()["monthly_usage_minutes"] > 0
        assert (await top.get("/api/v1/organizations")).json()["monthly_usage_minutes"] == 0


async def test_an_end_that_is_written_twice_costs_once(calls_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "FIRST_RETRY_SECONDS", 0.01)
    really = calls_house.room._writer._transaction
    lost = 0

    async def answer_is_lost(batch: Any) -> None:
        nonlocal lost
        await really(batch)
        if lost < 3:
            lost += 1
            raise OperationalError("COMMIT", None, ConnectionResetError())

    async with calls_house.client() as client:
        _, running = await begin(calls_house, client)
        await calls_house.room.flush()
        monkeypatch.setattr(calls_house.room._writer, "_transaction", answer_is_lost)
        await end(calls_house, running)
        assert lost == 3
        assert await minutes(client) == round(-CALL_SECONDS / 60, 2)


async def test_a_call_that_a_killed_server_left_open_costs_what_it_lasted(calls_house: House) -> None:
    async with calls_house.client() as client:
        call_id, running = await begin(calls_house, client)
        await calls_house.room.flush()
        async with calls_house.database.write() as session:
            moment = now()
            times = {"started_at": moment - timedelta(seconds=90), "updated_at": moment}
            await session.execute(update(Call).where(Call.id == call_id).values(**times))
        for _ in range(2):
            await calls_house.room.calls.end_left_open(lambda _: None)
            assert await minutes(client) == -1.5
        await end(calls_house, running)
        assert await minutes(client) == -1.5


async def test_where_calls_are_billed_there_are_none_without_minutes(settings: Settings) -> None:
    async with open_house(settings.model_copy(update={"billing": True})) as house, house.client() as client:
        requests = {
            "/api/v1/web-calls": {"assistant": TRANSIENT},
            "/api/v1/calls/outbound": {"assistant": TRANSIENT, "destination": "+31201234567"},
        }
        for path, body in requests.items():
            answer = await client.post(path, json=body)
            assert answer.status_code == 402, answer.text
            told = answer.json()
            assert (told["error"], told["code"], told["balance"]) == ("Insufficient credits", "insufficient_credits", 0)
            assert told["message"]
        assert (await client.get("/api/v1/calls")).json()["calls"] == []
        await change_balance(house.database, "Default", 0.01)
        assert (await client.post("/api/v1/web-calls", json={"assistant": TRANSIENT})).status_code == 201
        assert (await client.post("/api/v1/calls/outbound", json=requests["/api/v1/calls/outbound"])).status_code == 409
