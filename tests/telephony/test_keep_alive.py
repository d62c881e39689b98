"""Which process asks which trunks' servers, and what it makes of what they say."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import update

from dialtone.platform.db import new_id, now
from dialtone.server import Parts
from dialtone.sip.events import PeerChanged
from dialtone.telephony.keep_alive import KeepAlive
from dialtone.trunks.keep_alives import FORGOTTEN_SECONDS, LOST_SECONDS, KeepAlives
from dialtone.trunks.tables import TrunkKeepAlive
from tests.resources.requests import TRUNK, TRUNKS, changed, create, read
from tests.sip.stage import Phone, phone
from tests.sip.wire import Wire, wire


async def not_renewed_for(parts: Parts, trunk_id: str, seconds: float) -> None:
    of_trunk = update(TrunkKeepAlive).where(TrunkKeepAlive.trunk_id == trunk_id)
    async with parts.database.write() as session:
        await session.execute(of_trunk.values(renewed_at=now() - timedelta(seconds=seconds)))


async def test_one_process_asks_a_trunk_until_it_is_lost(client: httpx.AsyncClient, app: FastAPI) -> None:
    parts: Parts = app.state.parts
    keep_alives = KeepAlives(parts.database)
    trunk_id = (await create(client, TRUNKS, **TRUNK))["id"]
    path = f"{TRUNKS}/{trunk_id}"

    async def asked_by(node: str) -> list[bool | None]:
        return [trunk.answers for trunk in await keep_alives.renew(node) if trunk.id == trunk_id]

    node, other = new_id(), new_id()
    both = await asyncio.gather(asked_by(node), asked_by(other))
    assert sorted(both) == [[], [None]]
    if both[1]:
        node, other = other, node
    [trunk] = [trunk for trunk in await keep_alives.renew(node) if trunk.id == trunk_id]
    assert trunk.server == ("sip.example.com", None, "udp")
    assert not await keep_alives.note(other, trunk, answers=False)  # not its own to say
    assert not await keep_alives.note(node, trunk, answers=True)  # nothing was known
    assert (await read(client, path))["reachable"] is True
    assert await keep_alives.note(node, trunk, answers=False)
    assert not await keep_alives.note(node, trunk, answers=False)
    assert (await read(client, path))["reachable"] is False
    await not_renewed_for(parts, trunk_id, LOST_SECONDS + 5)
    assert (await asked_by(other), await asked_by(node)) == ([False], [])
    await not_renewed_for(parts, trunk_id, FORGOTTEN_SECONDS + 5)
    assert (await read(client, path))["reachable"] is None
    assert await asked_by(other) == [False]
    await keep_alives.release(other)
    assert await asked_by(node) == [False]
    assert (await changed(client, path, address="elsewhere.example.com"))["reachable"] is None
    assert await asked_by(node) == [None]
    for change in ({"is_active": False}, {"is_active": True, "keep_alive": False}):
        await changed(client, path, **change)
        assert await asked_by(node) == []


@asynccontextmanager
async def asking(parts: Parts, alice: Phone) -> AsyncIterator[KeepAlive]:
    keep_alives = KeepAlives(parts.database)
    made = KeepAlive(alice.agent, lambda transport: transport == "udp", keep_alives, parts.trunk_events, new_id(), 0.05)
    alice.react = lambda event: made.take(event) if isinstance(event, PeerChanged) else None
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def test_a_server_is_asked_once_for_all_its_trunks(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, app: FastAPI
) -> None:
    parts: Parts = app.state.parts
    async with wire() as server, wire() as another, phone() as alice:
        here = {**TRUNK, "address": f"127.0.0.1:{server.port}"}
        ours = await create(client, TRUNKS, **here)
        theirs = await create(other_client, TRUNKS, **here)
        unspoken = await create(client, TRUNKS, **here, transport="tcp")
        async with asking(parts, alice) as keep_alive:
            asked = await answer(server, alice, 503)
            await until_events(client, ours, 1)
            [event] = await until_events(other_client, theirs, 1)
            assert (event["kind"], event["status"]) == ("keep_alive", 503)
            again = await answer(server, alice, 200)
            assert (again.call_id, again.uri_text) == (asked.call_id, f"sip:127.0.0.1:{server.port};transport=udp")
            await until_events(client, ours, 2)
            late = await create(client, TRUNKS, **here)
            await keep_alive.look()  # what another trunk's asking told
            assert (await read(client, f"{TRUNKS}/{late['id']}"))["reachable"] is True
            for trunk, who in ((ours, client), (late, client), (theirs, other_client)):
                await changed(who, f"{TRUNKS}/{trunk['id']}", address=f"127.0.0.1:{another.port}")
            await keep_alive.look()
            asked_so_far = len(server.messages)
            await answer(another, alice, 408)
            *_, newest = reversed(await until_events(other_client, theirs, 3))
            words = "The trunk's server, or what is behind it, is out of service (408 Request Timeout)."
            assert newest["reason"] == f"{words} Calls go out by other trunks first."
        assert len(server.messages) == asked_so_far
        assert (await read(client, f"{TRUNKS}/{unspoken['id']}"))["reachable"] is None


async def answer(server: Wire, alice: Phone, status: int) -> Any:
    asked = await server.request("OPTIONS")
    server.send(server.answer(asked, status, "server"), alice)
    return asked


async def until_events(client: httpx.AsyncClient, trunk: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Newest first."""
    events: list[dict[str, Any]] = []
    async with asyncio.timeout(5):
        while len(events) < count:
            events = (await client.get(f"{TRUNKS}/{trunk['id']}/events")).json()["events"]
    return events
