"""Why a trunk's callers were turned away: the newest, of one organization."""

import httpx
from fastapi import FastAPI

from dialtone.server import Parts
from dialtone.trunks.events import MAX_EVENTS, TrunkEvents

TRUNK = {"name": "Main", "provider": "p", "address": "sip.example.com"}


async def test_the_newest_are_kept(app: FastAPI, client: httpx.AsyncClient) -> None:
    parts: Parts = app.state.parts
    trunk = (await client.post("/api/v1/sip-trunks", json=TRUNK)).json()["trunk"]
    for number in range(MAX_EVENTS + 5):
        await parts.trunk_events.note(trunk["org_id"], trunk["id"], 404, f"Reason {number}.", None)
    events = await _events(client, trunk["id"])
    assert [event["reason"] for event in events] == [f"Reason {n}." for n in range(MAX_EVENTS + 4, 4, -1)]
    assert (await client.delete(f"/api/v1/sip-trunks/{trunk['id']}")).status_code == 200
    await parts.trunk_events.note(trunk["org_id"], trunk["id"], 404, "Too late.", None)
    assert (await client.get(f"/api/v1/sip-trunks/{trunk['id']}/events")).status_code == 404


async def _events(client: httpx.AsyncClient, trunk_id: str) -> list[dict[str, str]]:
    answer = await client.get(f"/api/v1/sip-trunks/{trunk_id}/events")
    assert answer.status_code == 200
    events: list[dict[str, str]] = answer.json()["events"]
    return events


async def test_the_same_within_a_second_is_written_down_once(app: FastAPI, client: httpx.AsyncClient) -> None:
    parts: Parts = app.state.parts
    trunk = (await client.post("/api/v1/sip-trunks", json=TRUNK)).json()["trunk"]
    moments = iter((100.0, 100.4, 100.9, 100.9, 101.1))
    events = TrunkEvents(parts.database, lambda: next(moments))
    busy, unknown = (486, "All channels are in use."), (404, "Nobody registered the number.")
    for status, reason in (busy, busy, busy, unknown, busy):
        await events.note(trunk["org_id"], trunk["id"], status, reason, None)
    assert [event["status"] for event in await _events(client, trunk["id"])] == [486, 404, 486]
