"""Which number a call is for, and by whose trunk it came."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from dialtone.server import Parts
from dialtone.sip.events import Identity, IncomingCall
from dialtone.telephony.admission import Doorkeeper, Meant
from dialtone.telephony.directory import TrunkDirectory
from dialtone.telephony.strangers import Strangers
from tests.resources.requests import free_number
from tests.telephony.test_directory import Names, make

HOME = "192.0.2.1"


def call(
    request_uri: str, to: str = "sip:user123@example.com", tag: str = "", party: str | None = None
) -> IncomingCall:
    return IncomingCall(
        call="c",
        tag=tag,
        source=HOME,
        transport="udp",
        caller=Identity("sip:x@example.com"),
        called=Identity(to),
        request_uri=request_uri,
        asserted=None,
        diversions=(),
        offer=None,
        replaces=None,
        referred_by=None,
        max_forwards=70,
        called_party=None if party is None else Identity(party),
    )


@pytest.fixture
async def doorkeeper(app: FastAPI) -> Doorkeeper:
    parts: Parts = app.state.parts
    directory = TrunkDirectory(parts.database, parts.trunks, Names())
    strangers = Strangers(parts.trunk_events, asyncio.get_running_loop().create_task)
    return Doorkeeper(parts.numbers, directory, strangers, lambda user: None)


async def register(client: httpx.AsyncClient, number: str) -> str:
    made = await client.post("/api/v1/numbers", json={"phone_number": number})
    assert made.status_code == 201, made.text
    return number


def found(meant: Meant) -> tuple[Any, ...]:
    return (meant.trunk and meant.trunk.id, meant.number and meant.number.phone_number, meant.called, meant.is_foreign)


async def test_each_trunk_reads_numbers_its_own_way(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, doorkeeper: Doorkeeper
) -> None:
    number = await register(client, free_number())  # of the Netherlands
    national = f"0{number.removeprefix('+31')}"
    await make(other_client, address=HOME)
    await make(client, address=HOME, country_code="49")
    dutch = await make(client, address=HOME, country_code="31")
    assert found(await doorkeeper.meant(call(f"sip:{national}@192.0.2.9"))) == (dutch, number, number, False)
    unknown = await doorkeeper.meant(call("sip:0207777777@192.0.2.9"))
    assert found(unknown) == (None, None, None, False)  # whose it would be, nobody can tell


async def test_a_registered_trunk_is_told_who_was_called(client: httpx.AsyncClient, doorkeeper: Doorkeeper) -> None:
    first, second, third = [await register(client, free_number()) for _ in range(3)]
    trunk = await make(client, address="198.51.100.1", outbound_number=third)
    asked = "sip:c0ntact@192.0.2.9"
    for to, party, number in (
        (f"sip:{first}@example.com", f"sip:{second}@example.com", second),
        (f"sip:{first}@example.com", None, first),
        ("sip:user123@example.com", None, third),
        ("sip:user123@example.com", "nonsense", third),
    ):
        meant = await doorkeeper.meant(call(asked, to, trunk, party))
        assert found(meant) == (trunk, number, number, False)


async def test_another_organizations_number_is_not_shown(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, doorkeeper: Doorkeeper
) -> None:
    number = await register(other_client, free_number())
    trunk = await make(client, address="198.51.100.1")
    assert found(await doorkeeper.meant(call(f"sip:{number}@192.0.2.9", tag=trunk))) == (trunk, None, None, True)
    assert found(await doorkeeper.meant(call("sip:+31200000000@192.0.2.9", tag=trunk)))[2] == "+31200000000"
