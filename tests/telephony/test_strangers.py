"""What a trunk's owner is told of callers who were not let in."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from dialtone.server import Parts
from dialtone.sip.admission import Challenge, RequestFacts, Silence
from dialtone.telephony import strangers
from dialtone.telephony.admission import REALM, Doorkeeper
from dialtone.telephony.directory import TrunkDirectory
from dialtone.telephony.strangers import Strangers
from tests.resources.requests import free_number
from tests.telephony.test_directory import Names, make
from tests.telephony.test_meant import register

LOGIN = {"auth_username": "pbx", "auth_password": "s3cret of the pbx"}


def asks(number: str, source: str = "198.51.100.9", user: str | None = None, method: str = "INVITE") -> RequestFacts:
    uri, realm = f"sip:{number}@192.0.2.9", None if user is None else REALM
    return RequestFacts(method, source, 5060, "udp", uri, uri, user, realm)


class Door:
    """A doorkeeper, and what it leaves to be done later."""

    def __init__(self, parts: Parts) -> None:
        self.later: list[asyncio.Task[None]] = []
        directory = TrunkDirectory(parts.database, parts.trunks, Names())
        told = Strangers(parts.trunk_events, self._own)
        self.keeper = Doorkeeper(parts.numbers, directory, told, lambda user: None)

    def _own(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        self.later.append(asyncio.get_running_loop().create_task(work))
        return self.later[-1]

    async def settled(self) -> None:
        await asyncio.gather(*self.later, return_exceptions=True)


@pytest.fixture
async def door(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> Door:
    monkeypatch.setattr(strangers, "LOGIN_SECONDS", 0.05)
    monkeypatch.setattr(strangers, "MAX_ASKED", 3)
    return Door(app.state.parts)


async def told(client: httpx.AsyncClient, trunk: str) -> list[tuple[int, str, str]]:
    answer = await client.get(f"/api/v1/sip-trunks/{trunk}/events")
    return [(event["status"], event["called"], event["reason"]) for event in answer.json()["events"]]


async def test_a_caller_who_does_not_log_in_is_told_of_once_a_minute(client: httpx.AsyncClient, door: Door) -> None:
    number = await register(client, free_number())
    trunk = await make(client, address="192.0.2.1", **LOGIN)
    other = await make(client, address="192.0.2.2")
    for _ in range(2):
        callers = [door.keeper.admit(asks(number, f"198.51.100.{host}")) for host in range(10)]
        assert all(isinstance(answer, Challenge) for answer in await asyncio.gather(*callers))
        assert len(door.later) == 3
        await door.settled()
    for each in (trunk, other):
        [(status, called, reason)] = await told(client, each)
        assert (status, called) == (401, number)
        assert "port 5060 (udp), which is none of the trunk's addresses, and did not log in" in reason
        assert "add the address to inbound_addresses" in reason
        assert "auth_username" in reason


async def test_a_caller_who_logs_in_leaves_no_event(client: httpx.AsyncClient, door: Door) -> None:
    number = await register(client, free_number())
    trunk = await make(client, address="192.0.2.1", **LOGIN)
    await door.keeper.admit(asks(number))
    answer = await door.keeper.admit(asks(number, user="pbx"))
    assert isinstance(answer, Challenge)
    assert answer.password == LOGIN["auth_password"]
    await door.settled()
    assert await told(client, trunk) == []


async def test_another_user_name_than_the_trunks_is_told_of(client: httpx.AsyncClient, door: Door) -> None:
    number = await register(client, free_number())
    trunk = await make(client, address="192.0.2.1", **LOGIN)
    for _ in range(3):
        await door.keeper.admit(asks(number))
        await door.keeper.admit(asks(number, user="mallory"))
    await door.settled()
    [(status, called, reason)] = await told(client, trunk)
    assert (status, called) == (401, number)
    assert "198.51.100.9 port 5060 (udp) and logged in with another user name" in reason
    assert "mallory" not in reason


async def test_numbers_that_nobody_has_and_other_requests_leave_nothing(client: httpx.AsyncClient, door: Door) -> None:
    number = await register(client, free_number())
    trunk = await make(client, address="192.0.2.1", **LOGIN)
    assert isinstance(await door.keeper.admit(asks(free_number())), Silence)
    assert isinstance(await door.keeper.admit(asks(number, method="OPTIONS")), Challenge)
    assert isinstance(await door.keeper.admit(asks(number, user="mallory", method="REGISTER")), Challenge)
    await door.settled()
    assert door.later == []
    assert await told(client, trunk) == []
