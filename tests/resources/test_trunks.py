"""SIP trunks: addresses, passwords that are never shown, and the ways in which older clients write trunks."""

import logging
import uuid
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from dialtone.trunks.service import Trunks
from dialtone.trunks.uses import DialingTrunk
from tests.resources.requests import MASK, TRUNK, TRUNKS, changed, create, details, ignored, read


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("SIP.Example.com.", "sip.example.com"),
        ("sip.example.com:5070", "sip.example.com:5070"),
        ("pbx", "pbx"),
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:65535", "192.0.2.1:65535"),
        ("2001:DB8:0::1", "[2001:db8::1]"),
        ("[2001:db8::1]", "[2001:db8::1]"),
        ("[2001:db8::1]:5061", "[2001:db8::1]:5061"),
    ],
)
async def test_addresses_have_one_form(client: httpx.AsyncClient, written: str, stored: str) -> None:
    made = await create(client, TRUNKS, **{**TRUNK, "address": written})
    assert made["address"] == stored
    assert (await changed(client, f"{TRUNKS}/{made['id']}", address=stored)) == made


async def test_bad_addresses_are_refused(client: httpx.AsyncClient, subtests: pytest.Subtests) -> None:
    for address in (
        *("", " ", "a b", "sip:example.com", "user@example.com", "example.com/x", "-a.example", "a_b", "é.example"),
        *("example.com:", "example.com:0", "example.com:65536", "example.com:5060x", "a:1:2", "x" * 64),
        *("192.0.2", "192.0.2.256", "127.1", "0300.0.2.1", "192.0.2.1.5"),
        *("[2001:db8::1", "[2001:db8::1]5060", "[192.0.2.1]", "fe80::1%eth0", "[fe80::1%25eth0]:5060", "a." * 200),
    ):
        with subtests.test(address=address):
            found = details(await client.post(TRUNKS, json={**TRUNK, "address": address}))
            assert found[0].startswith("address: must ")


async def test_the_object_is_complete_and_answers_by_both_names(client: httpx.AsyncClient) -> None:
    answer = await client.post(TRUNKS, json={**TRUNK, "auth_username": "user123", "auth_password": "pass"})
    made = answer.json()["trunk"]
    assert answer.json() == {"trunk": made, "sip_trunk": made}
    assert {name: made[name] for name in TRUNK} == TRUNK
    assert (made["transport"], made["is_active"], made["auth_username"]) == ("udp", True, "user123")
    assert set(made) == {
        *("id", "org_id", "name", "provider", "address", "transport", "auth_username", "is_active"),
        *("inbound_addresses", "outbound_number", "created_at", "updated_at"),
        *("register", "register_expires", "registration", "priority", "max_channels", "max_calls_per_second"),
        *("country_code", "national_prefix", "international_prefix", "outbound_format", "outbound_from"),
        *("keep_alive", "reachable"),
    }
    assert uuid.UUID(made["org_id"])


GUIDE: dict[str, Any] = {"name": "Guide", "host": "sip.example.com", "port": 5070, "username": "u", "password": "p4ss"}
FIRST_SDK: dict[str, Any] = {
    "name": "SDK",
    "inbound_addresses": ["192.0.2.1", "198.51.100.9/24", "2001:DB8::/32"],
    "outbound_address": "sip.example.com:5070",
    "outbound_number": "+31 20 123 4567",
}


async def test_trunks_written_by_older_names(client: httpx.AsyncClient, app: FastAPI) -> None:
    guide = await create(client, TRUNKS, **GUIDE)
    assert (guide["address"], guide["auth_username"], guide["provider"]) == ("sip.example.com:5070", "u", None)
    assert await _password(app, guide) == "p4ss"
    first_sdk = await create(client, TRUNKS, **FIRST_SDK)
    assert first_sdk["address"] == "sip.example.com:5070"
    assert first_sdk["inbound_addresses"] == ["192.0.2.1", "198.51.100.0/24", "2001:db8::/32"]
    assert first_sdk["outbound_number"] == "+31201234567"
    plain = await create(client, TRUNKS, name="x", host="2001:db8::1")
    assert plain["address"] == "[2001:db8::1]"
    assert (await changed(client, f"{TRUNKS}/{plain['id']}", port=5080))["address"] == "[2001:db8::1]:5080"
    assert (await changed(client, f"{TRUNKS}/{plain['id']}", host="new.example"))["address"] == "new.example"
    assert (await changed(client, f"{TRUNKS}/{plain['id']}", username=None))["auth_username"] is None


async def test_todays_names_win_over_older_ones(client: httpx.AsyncClient) -> None:
    answer = await client.post(TRUNKS, json={**TRUNK, **GUIDE, "outbound_address": "x.example", "auth_username": "new"})
    assert answer.status_code == 201, answer.text
    assert (answer.json()["trunk"]["address"], answer.json()["trunk"]["auth_username"]) == (TRUNK["address"], "new")
    assert ignored(answer) == {"host", "port", "outbound_address", "username"}


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"address": "sip.example.com"}, "provider: is required"),
        ({"address": "sip.example.com", "provider": None}, "provider: is required"),
        ({"provider": "p"}, "address: is required"),
        ({"provider": "p", "outbound_address": None}, "address: is required"),
        ({"port": 5060}, "host: is required beside port"),
        ({"host": "a.example:1", "port": 2}, "port: must equal the port in host, which is 1 (got 2)"),
        ({"host": "a.example", "port": 65536}, "port: must be between 1 and 65535 (got 65536)"),
        ({"host": "a.example", "port": True}, "port: must be a whole number (got true)"),
        ({**TRUNK, "transport": "ws"}, "transport: must be one of 'udp', 'tcp' or 'tls' (got \"ws\")"),
        ({**TRUNK, "inbound_addresses": ["192.0.2.1", "example.com"]}, "inbound_addresses[1]: must be an IP address"),
        ({**TRUNK, "inbound_addresses": ["fe80::1%eth0"]}, "inbound_addresses[0]: must be an IP address"),
        ({**TRUNK, "inbound_addresses": ["192.0.2.1"] * 51}, "inbound_addresses: must have at most 50 items"),
        ({**TRUNK, "outbound_number": "12"}, "outbound_number: must be a number with its country code"),
        ({**TRUNK, "auth_username": "a\r\nVia: x"}, "auth_username: must not hold control characters"),
        ({**TRUNK, "auth_password": ""}, "auth_password: must have at least 1 characters"),
        ({**TRUNK, "auth_password": MASK}, "auth_password: is the mask of a secret, and none is stored"),
        ({**TRUNK, "provider": "x" * 101}, "provider: must have at most 100 characters"),
    ],
)
async def test_rules(client: httpx.AsyncClient, fields: dict[str, Any], problem: str) -> None:
    assert details(await client.post(TRUNKS, json={"name": "x", **fields}))[0].startswith(problem)


@pytest.mark.parametrize("wide", ["0.0.0.0/0", "10.0.0.0/15", "::/0", "2001:db8::/31"])
async def test_a_network_that_would_let_strangers_in_is_refused(client: httpx.AsyncClient, wide: str) -> None:
    answer = await client.post(TRUNKS, json={**TRUNK, "inbound_addresses": ["192.0.2.0/16", wide]})
    assert details(answer) == [
        "inbound_addresses[1]: must be an IP address or a network like 192.0.2.0/24, none wider than /16 (IPv6: /32), "
        f'which would let strangers in (got "{wide}")'
    ]


async def test_a_password_is_stored_encrypted_and_never_shown(
    client: httpx.AsyncClient, app: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = await client.post(TRUNKS, json={**TRUNK, "auth_username": "u", "auth_password": "very-secret"})
    made = answer.json()["trunk"]
    path = f"{TRUNKS}/{made['id']}"
    refused = await client.patch(path, json={"auth_password": "very-secret" * 50})
    shown = [answer.text, (await client.get(path)).text, (await client.get(TRUNKS)).text, refused.text, caplog.text]
    assert not any("very-secret" in text for text in shown)
    async with app.state.parts.database.read() as session:
        assert "very-secret" not in str((await session.execute(text("SELECT * FROM sip_trunks"))).all())
    assert await _password(app, made) == "very-secret"
    for unchanged in ({"auth_password": MASK}, {"password": "very-secret"}, {"name": made["name"]}):
        assert (await changed(client, path, **unchanged))["updated_at"] == made["updated_at"]
        assert await _password(app, made) == "very-secret"
    await changed(client, path, auth_password="another")
    assert await _password(app, made) == "another"
    await changed(client, path, auth_username=None, auth_password=None)
    assert await _password(app, made) is None


async def test_the_newest_active_trunk_places_calls(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, app: FastAPI, organization_id: str
) -> None:
    foreign = await create(other_client, TRUNKS, **TRUNK)
    assert await _chosen(app, organization_id) is None
    tls = await create(client, TRUNKS, **{**TRUNK, "address": "[2001:db8::1]", "transport": "tls"})
    found = await _chosen(app, organization_id)
    assert found is not None
    assert (found.id, found.host, found.port, found.transport) == (tls["id"], "2001:db8::1", None, "tls")
    await changed(client, f"{TRUNKS}/{tls['id']}", is_active=False)
    for trunk_id in (None, tls["id"], foreign["id"], "nonsense"):
        assert await _chosen(app, organization_id, trunk_id) is None
    udp = await create(client, TRUNKS, **TRUNK, auth_username="u", auth_password="dial-secret")
    for trunk_id in (None, udp["id"]):
        found = await _chosen(app, organization_id, trunk_id)
        assert found is not None
        assert (found.id, found.host, found.port, found.password()) == (
            *(udp["id"], "sip.example.com", None),
            "dial-secret",
        )
        assert "secret" not in repr(found)
    assert await read(client, f"{TRUNKS}/{udp['id']}") == udp


async def _chosen(app: FastAPI, organization_id: str, trunk_id: str | None = None) -> DialingTrunk | None:
    trunks: Trunks = app.state.parts.trunks
    found = await trunks.all_for_dialing(organization_id)
    return next((trunk for trunk in found if trunk_id in (None, trunk.id)), None)


async def _password(app: FastAPI, trunk: dict[str, Any]) -> str | None:
    found = await _chosen(app, trunk["org_id"], trunk["id"])
    assert found is not None
    return found.password()
