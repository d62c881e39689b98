"""Channels and calls per second of trunks, and who registers them: exact, whoever counts."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import delete, insert, select, update

from dialtone.calls.ending import End
from dialtone.calls.tables import Call
from dialtone.platform.db import new_id, now
from dialtone.server import Parts
from dialtone.trunks.channels import Channels, NoChannelError
from dialtone.trunks.registrations import LOST_SECONDS, NOBODY, Registrations
from dialtone.trunks.tables import Trunk, TrunkChannel, TrunkRegistration
from tests.resources.requests import TRUNK, TRUNKS, changed, create, details, read

LOGIN = {"auth_username": "user123", "auth_password": "pass"}


async def calls(app: FastAPI, organization_id: str, count: int) -> list[str]:
    """Records of calls that are being placed."""
    parts: Parts = app.state.parts
    ids = [new_id() for _ in range(count)]
    row = {"organization_id": organization_id, "node": new_id(), "status": "connecting", "direction": "outbound"}
    async with parts.database.write() as session:
        for call_id in ids:
            await session.execute(insert(Call).values(id=call_id, notes=[], **row))
    return ids


async def taken(attempts: list[Awaitable[Any]]) -> int:
    """How many of those who want a channel at the same time get one; the others hear that they can't."""
    results = await asyncio.gather(*attempts, return_exceptions=True)
    refused = [result for result in results if isinstance(result, BaseException)]
    assert all(isinstance(problem, NoChannelError) for problem in refused), refused
    return len(results) - len(refused)


async def test_no_more_than_the_channels_are_taken_by_any_number_at_once(
    client: httpx.AsyncClient, app: FastAPI, organization_id: str
) -> None:
    parts: Parts = app.state.parts
    channels = Channels(parts.database)
    trunk = await create(client, TRUNKS, **TRUNK, max_channels=3)
    ids = await calls(app, organization_id, 8)
    assert await taken([channels.take_for_dialing(organization_id, trunk["id"], call_id) for call_id in ids]) == 3
    with pytest.raises(NoChannelError, match="it carries 3 calls at a time"):
        await channels.check(organization_id, trunk["id"], 3)
    async with parts.database.read() as session:
        [holder, *_] = await session.scalars(
            select(TrunkChannel.call_id).where(TrunkChannel.organization_id == organization_id)
        )
    async with parts.database.write() as session:
        await session.execute(update(Call).where(Call.id == holder).values(status="ended", ended_at=now()))
        await parts.calls.endings.ended(session, [End(organization_id, holder)])
    one, other = await calls(app, organization_id, 2)
    channel = await channels.take_for_dialing(organization_id, trunk["id"], one)
    await channels.release(organization_id, channel)
    await channels.take_for_dialing(organization_id, trunk["id"], other)
    assert await taken([channels.take_for_dialing(organization_id, trunk["id"], one)]) == 0
    async with parts.database.write() as session:
        await session.execute(delete(Call).where(Call.organization_id == organization_id))
    await channels.check(organization_id, trunk["id"], 1)  # all are free where the calls are gone


async def test_calls_take_turns(client: httpx.AsyncClient, app: FastAPI, organization_id: str) -> None:
    channels = Channels(app.state.parts.database)
    trunk = await create(client, TRUNKS, **TRUNK, max_calls_per_second=0.5)
    first, second, third, *_ = await calls(app, organization_id, 4)
    assert (await channels.take_for_dialing(organization_id, trunk["id"], first)).wait_seconds == 0
    assert 0 < (await channels.take_for_dialing(organization_id, trunk["id"], second)).wait_seconds <= 2
    with pytest.raises(NoChannelError, match=r"it allows 0\.5 a second"):
        await channels.take_for_dialing(organization_id, trunk["id"], third)
    async with app.state.parts.database.read() as session:
        mine = select(TrunkChannel.call_id).where(TrunkChannel.trunk_id == trunk["id"])
        assert set(await session.scalars(mine)) == {first, second}


async def test_another_organizations_trunk_has_no_channels(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, app: FastAPI, organization_id: str
) -> None:
    foreign = await create(other_client, TRUNKS, **TRUNK)
    [call_id] = await calls(app, organization_id, 1)
    assert (
        await taken([Channels(app.state.parts.database).take_for_dialing(organization_id, foreign["id"], call_id)]) == 0
    )


async def test_one_process_registers_a_trunk_until_it_is_lost(client: httpx.AsyncClient, app: FastAPI) -> None:
    parts: Parts = app.state.parts
    registrations = Registrations(parts.database, parts.secrets)
    made = await create(client, TRUNKS, **TRUNK, **LOGIN, register=True)
    assert made["registration"]["state"] == "pending"
    node, other = new_id(), new_id()

    async def registered_by(each: str) -> list[str]:
        return [trunk.id for trunk in await registrations.renew(each) if trunk.id == made["id"]]

    both = await asyncio.gather(registered_by(node), registered_by(other))
    assert sorted(both) == [[], [made["id"]]]
    if both[1]:
        node, other = other, node
    assert (await registered_by(other), await registered_by(node)) == ([], [made["id"]])
    [trunk] = [trunk for trunk in await registrations.renew(node) if trunk.id == made["id"]]
    assert (trunk.password(), trunk.register_expires) == ("pass", 600)
    assert await registrations.note(node, trunk, "registered", 200, "Registered at the provider.")
    shown = (await read(client, f"{TRUNKS}/{made['id']}"))["registration"]
    assert (shown["state"], shown["status"], shown["reason"]) == ("registered", 200, "Registered at the provider.")
    async with parts.database.write() as session:
        past = now() - timedelta(seconds=LOST_SECONDS + 5)
        of_trunk = update(TrunkRegistration).where(TrunkRegistration.trunk_id == made["id"])
        await session.execute(of_trunk.values(renewed_at=past))
    assert (await registered_by(other), await registered_by(node)) == ([made["id"]], [])
    assert not await registrations.note(node, trunk, "failing", 408, "Too late.")
    [after] = [trunk for trunk in await registrations.renew(other) if trunk.id == made["id"]]
    assert after.contact == trunk.contact
    await registrations.release(other)
    shown = (await read(client, f"{TRUNKS}/{made['id']}"))["registration"]
    assert (shown["state"], shown["reason"]) == ("pending", NOBODY)
    assert await registered_by(node) == [made["id"]]
    for change in ({"is_active": False}, {"is_active": True, "register": False}):
        assert (await changed(client, f"{TRUNKS}/{made['id']}", **change))["registration"] is None
        assert await registered_by(node) == []


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"register": True}, "register: needs auth_username and auth_password"),
        ({"register": True, "auth_username": "u"}, "register: needs auth_username and auth_password"),
        ({"auth_password": "p"}, "auth_username: is required beside auth_password"),
        ({"username": "", "password": "p"}, "auth_username: is required beside auth_password"),
        ({"register": None}, "register: must be true or false"),
        ({"register_expires": 59}, "register_expires: must be between 60 and 86400 (got 59)"),
        ({"outbound_format": "national"}, 'outbound_format: needs country_code to be national (got "national")'),
        ({"outbound_from": "account"}, 'outbound_from: needs auth_username to be account (got "account")'),
        ({"outbound_from": "other"}, "outbound_from: must be one of"),
        ({"outbound_format": "other"}, "outbound_format: must be one of"),
        ({"country_code": "+31"}, "country_code: must be a country's calling code of 1 to 3 digits"),
        ({"country_code": "0"}, "country_code: must be a country's calling code of 1 to 3 digits"),
        ({"national_prefix": "00"}, 'international_prefix: must differ from national_prefix (got "00")'),
        ({"national_prefix": "abc"}, "national_prefix: must be at most 5 digits"),
        ({"international_prefix": ""}, "international_prefix: must be 1 to 5 digits"),
        ({"max_channels": 0}, "max_channels: must be between 1 and 10000 (got 0)"),
        ({"max_calls_per_second": 0}, "max_calls_per_second: must be between 0.01 and 1000 (got 0)"),
        ({"priority": 1001}, "priority: must be between 0 and 1000 (got 1001)"),
    ],
)
async def test_rules(client: httpx.AsyncClient, fields: dict[str, Any], problem: str) -> None:
    assert details(await client.post(TRUNKS, json={**TRUNK, **fields}))[0].startswith(problem)


async def test_a_password_is_nobodys_without_a_user_name(client: httpx.AsyncClient, app: FastAPI) -> None:
    made = await create(client, TRUNKS, **TRUNK, **LOGIN)
    path = f"{TRUNKS}/{made['id']}"
    for change in ({"auth_username": None}, {"username": ""}):
        assert details(await client.patch(path, json=change)) == ["auth_username: is required beside auth_password"]
    async with app.state.parts.database.write() as session:  # as an older version let it be
        await session.execute(update(Trunk).where(Trunk.id == made["id"]).values(auth_username=None))
    await changed(client, path, is_active=False)
    await changed(client, path, auth_username=None, auth_password=None)


async def test_settings_are_checked_together_when_one_changes(client: httpx.AsyncClient) -> None:
    more = {"country_code": "31", "outbound_format": "national", "register": True, "max_calls_per_second": 1.5}
    made = await create(client, TRUNKS, **TRUNK, **LOGIN, **more)
    assert {name: made[name] for name in more} == more
    path = f"{TRUNKS}/{made['id']}"
    assert (await changed(client, path, **made)) == made
    for change, problem in (
        ({"country_code": None}, "outbound_format: needs country_code"),
        ({"auth_password": None}, "register: needs auth_username and auth_password"),
    ):
        assert details(await client.patch(path, json=change))[0].startswith(problem)
