"""Whose trunk is at which address, as the API's trunks say."""

import logging
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from dialtone.server import Parts
from dialtone.sip.dns import Pointer, Service
from dialtone.sip.errors import TransportError
from dialtone.telephony.directory import TrunkDirectory
from dialtone.telephony.networks import NetworkTable, network


@dataclass
class Names:
    """A DNS of a few names."""

    hosts: dict[str, list[str]] = field(default_factory=dict)
    servers: dict[str, list[Service]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def addresses(self, host: str) -> list[str]:
        self.asked.append(host)
        if host not in self.hosts:
            raise TransportError("no such name")
        return self.hosts[host]

    async def services(self, name: str) -> list[Service]:
        return self.servers.get(name, [])

    async def pointers(self, name: str) -> list[Pointer]:
        return []


async def make(client: httpx.AsyncClient, **fields: Any) -> str:
    body = {"name": "Main", "provider": "p", **fields}
    made = await client.post("/api/v1/sip-trunks", json=body)
    assert made.status_code == 201, made.text
    return str(made.json()["trunk"]["id"])


@pytest.fixture
def names() -> Names:
    servers = {"_sip._udp.carrier.example": [Service(1, 1, 5060, "edge.carrier.example")]}
    hosts = {"edge.carrier.example": ["198.51.100.7"], "plain.example.com": ["203.0.113.9", "2001:db8::9"]}
    return Names(hosts, servers)


@pytest.fixture
def directory(app: FastAPI, names: Names) -> TrunkDirectory:
    parts: Parts = app.state.parts
    return TrunkDirectory(parts.database, parts.trunks, names)


async def ids_at(directory: TrunkDirectory, source: str) -> list[str]:
    return [trunk.id for trunk in await directory.at(source)]


async def test_addresses_names_and_networks(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, directory: TrunkDirectory, names: Names
) -> None:
    by_address = await make(client, address="192.0.2.1:5070")
    by_service = await make(client, address="carrier.example")
    by_name = await make(client, address="plain.example.com:5060")
    by_network = await make(other_client, address="lost.example.com", inbound_addresses=["192.0.2.0/28"])
    await make(client, address="192.0.2.2", is_active=False)
    assert set(await ids_at(directory, "192.0.2.1")) == {by_address, by_network}
    assert await ids_at(directory, "192.0.2.2") == [by_network]
    assert await ids_at(directory, "198.51.100.7") == [by_service]
    assert await ids_at(directory, "2001:db8::9") == [by_name]
    assert names.asked.count("edge.carrier.example") == 1  # remembered


async def test_an_organizations_trunks_with_their_passwords(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, directory: TrunkDirectory
) -> None:
    trunk_id = await make(client, address="192.0.2.1", auth_username="pbx", auth_password="s3cret")
    await make(other_client, address="192.0.2.1", auth_username="pbx", auth_password="another")
    organization_id = (await client.get(f"/api/v1/sip-trunks/{trunk_id}")).json()["trunk"]["org_id"]
    [trunk] = await directory.of(organization_id)
    assert (trunk.id, trunk.auth_username, trunk.has_password, trunk.password()) == (trunk_id, "pbx", True, "s3cret")
    assert "s3cret" not in repr(trunk)


async def test_transfers_go_by_a_chosen_trunk_or_the_first_that_is_active(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, directory: TrunkDirectory
) -> None:
    second = await make(client, address="192.0.2.1", priority=2)
    first = await make(client, address="192.0.2.2", priority=1)
    idle = await make(client, address="192.0.2.3", is_active=False)
    foreign = await make(other_client, address="192.0.2.4")
    organization_id = (await client.get(f"/api/v1/sip-trunks/{first}")).json()["trunk"]["org_id"]
    chosen = {trunk_id: await directory.first(organization_id, trunk_id) for trunk_id in (None, second, idle, foreign)}
    assert {asked: trunk and trunk.id for asked, trunk in chosen.items()} == {
        None: first,
        second: second,
        idle: None,
        foreign: None,
    }


async def test_changes_and_deletions_are_seen(
    client: httpx.AsyncClient, directory: TrunkDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = await make(client, address="192.0.2.1", inbound_addresses=["198.18.7.0/24"])
    gone = await make(client, address="192.0.2.3")
    assert set(await ids_at(directory, "192.0.2.1")) == {moved}
    whole = TrunkDirectory._read_all
    read_whole: list[TrunkDirectory] = []

    async def read_all(self: TrunkDirectory) -> None:
        read_whole.append(self)
        await whole(self)

    monkeypatch.setattr(TrunkDirectory, "_read_all", read_all)

    async def at(source: str) -> list[str]:
        directory._read_at = float("-inf")
        return await ids_at(directory, source)

    await client.patch(f"/api/v1/sip-trunks/{moved}", json={"address": "192.0.2.2"})
    new = await make(client, address="192.0.2.4")
    assert (await at("192.0.2.1"), await at("192.0.2.2"), await at("192.0.2.4")) == ([], [moved], [new])
    await client.patch(f"/api/v1/sip-trunks/{moved}", json={"is_active": False})
    assert (await at("192.0.2.2"), await at("198.18.7.9")) == ([], [])
    assert read_whole == []  # what did not change was not read again
    await client.delete(f"/api/v1/sip-trunks/{gone}")
    assert (await at("192.0.2.3"), len(read_whole)) == ([], 1)
    assert await directory.get([gone, new]) == await directory.at("192.0.2.4")


async def test_a_change_in_the_same_process_counts_at_once(
    client: httpx.AsyncClient, app: FastAPI, directory: TrunkDirectory
) -> None:
    parts: Parts = app.state.parts
    parts.trunks.on_change.append(directory.forget)
    trunk_id = await make(client, address="192.0.2.1")
    path = f"/api/v1/sip-trunks/{trunk_id}"
    assert await ids_at(directory, "192.0.2.1") == [trunk_id]
    for is_active in (False, True):
        assert (await client.patch(path, json={"is_active": is_active})).status_code == 200
        assert await ids_at(directory, "192.0.2.1") == [trunk_id] * is_active
    await client.delete(path)
    assert await ids_at(directory, "192.0.2.1") == []


async def test_a_name_that_is_not_found_is_logged_when_that_begins_and_ends(
    client: httpx.AsyncClient, directory: TrunkDirectory, names: Names, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "dialtone.telephony.directory")
    trunk_id = await make(client, address="lost.example.com:5060")

    async def look_up() -> list[str]:
        directory._names.clear()
        directory.forget()
        return await ids_at(directory, "192.0.2.77")

    for _ in range(3):
        assert await look_up() == []
    names.hosts["lost.example.com"] = ["192.0.2.77"]
    for _ in range(2):
        assert await look_up() == [trunk_id]
    del names.hosts["lost.example.com"]
    await look_up()
    assert [(each.levelname, "found again" in each.message) for each in caplog.records] == [
        ("WARNING", False),
        ("INFO", True),
        ("WARNING", False),
    ]


def test_the_widest_network_and_the_smallest() -> None:
    table = NetworkTable()
    table.put("a", [network("192.0.2.0/24"), network("2001:db8::/32")])
    table.put("b", [network("192.0.2.7"), network("10.0.0.0/8")])
    assert (table.at("192.0.2.7"), table.at("192.0.2.8"), table.at("2001:db8::1")) == ({"a", "b"}, {"a"}, {"a"})
    assert (table.at("10.1.2.3"), table.at("192.0.3.1")) == (set(), set())
    table.put("a", [network("192.0.3.0/24")])
    table.remove("b")
    table.remove("unknown")
    assert (table.at("192.0.2.7"), table.at("192.0.3.1")) == (set(), {"a"})
    table.put("c", [network("10.0.0.0/8"), network("2001:db8::/31"), network("198.18.0.0/16")])
    assert (table.at("10.1.2.3"), table.at("2001:db8::1")) == (set(), set())  # too wide, and stored of old
    assert table.at("198.18.255.1") == {"c"}
