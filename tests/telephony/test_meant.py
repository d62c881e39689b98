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
CONTACTS: dict[str, str] = {}
"""Users of registered addresses, and whose trunk's they are."""


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
    return Doorkeeper(parts.numbers, directory, strangers, CONTACTS.get)


async def register(client: httpx.AsyncClient, number: str, **fields: Any) -> str:
    made = await client.post("/api/v1/numbers", json={"phone_number": number, **fields})
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


async def test_why_nobody_has_what_was_called_says_what_to_do(
    client: httpx.AsyncClient, doorkeeper: Doorkeeper, subtests: pytest.Subtests, monkeypatch: pytest.MonkeyPatch
) -> None:
    inactive = await register(client, free_number(), is_active=False)
    plain = await make(client, address="198.51.100.1")
    dutch = await make(client, address="198.51.100.2", country_code="31")
    registered = await make(client, address="198.51.100.3")
    monkeypatch.setitem(CONTACTS, "c0ntact", registered)
    unknown, hint = "add it (POST /numbers)", "set the trunk's country_code"
    for trunk, dialled, number, words in (
        (plain, "+31207777777", "+31207777777", [unknown]),
        (plain, "0031207777777", "+31207777777", [unknown]),
        (plain, "2075551234", "+2075551234", [unknown, hint]),
        (dutch, "0207777777", "+31207777777", [unknown]),
        (plain, inactive, inactive, ["is not active", "is_active", "PATCH /numbers"]),
        (plain, "0207777777", None, ["no country_code", "PATCH /sip-trunks"]),
        (plain, "alice", None, ["did not dial a telephone number", "+31201234567"]),
        (dutch, "112", None, ["did not dial a telephone number"]),
    ):
        with subtests.test(dialled=dialled):
            meant = await doorkeeper.meant(call(f"sip:{dialled}@192.0.2.9", tag=trunk))
            assert found(meant) == (trunk, None, number, False)
            assert meant.dialled == (None if number == inactive else dialled)
            assert all(each in meant.why for each in words)
            assert (hint in meant.why) == (hint in words)
    meant = await doorkeeper.meant(call("sip:c0ntact@192.0.2.9", tag=registered))
    assert found(meant) == (registered, None, None, False)
    assert "outbound_number" in meant.why
    assert meant.dialled == "user123"


async def test_what_was_dialled_is_bounded_and_printable(client: httpx.AsyncClient, doorkeeper: Doorkeeper) -> None:
    trunk = await make(client, address="198.51.100.1")
    meant = await doorkeeper.meant(call(f"sip:%0a{'x' * 200}@192.0.2.9", tag=trunk))
    assert meant.dialled == f"?{'x' * 39}..."
