"""Accounts at carriers: settings that have forms and effects, and secrets among them."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import select

from dialtone.byok.carriers import ENTRIES
from dialtone.byok.tables import ProviderKey
from dialtone.lines.carriers.catalog import make_carriers
from dialtone.platform.carriers import CARRIERS, CarrierAccount
from dialtone.platform.crypto import MASK
from dialtone.platform.guarded_http import GuardedHttp
from dialtone.server import create_app
from dialtone.settings import Settings
from tests.conftest import client_of

PROJECT = "0c5ac9a2-5b0b-4f0e-9d3c-3b6c0f6f0d11"
SIGNALWIRE = {"space": "example", "project_id": PROJECT, "signing_key": "PSK_of_the_project"}


async def save(client: httpx.AsyncClient, provider: str, **config: Any) -> httpx.Response:
    return await client.post("/api/v1/byok/config", json={"provider": provider, "config": config})


async def store(client: httpx.AsyncClient, provider: str, key: str) -> None:
    assert (await client.post("/api/v1/byok", json={"provider": provider, "api_key": key})).status_code == 200


async def account(app: FastAPI, client: httpx.AsyncClient, carrier: str) -> CarrierAccount | None:
    owner = (await client.get("/api/v1/organizations")).json()["id"]
    async with app.state.parts.database.read() as session:
        found: CarrierAccount | None = await app.state.parts.byok.carrier_account(session, owner, carrier)
        return found


async def test_an_account_is_whole_when_all_its_settings_are_there(
    app: FastAPI, client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    assert await account(app, client, "signalwire") is None
    await store(client, "signalwire", "PT-token")
    saved = await save(client, "signalwire", space="example", project_id=PROJECT)
    assert "X-Ignored-Fields" not in saved.headers
    assert await account(app, client, "signalwire") is None
    shown = (await save(client, "signalwire", signing_key="PSK_of_the_project")).json()
    assert shown == {"byok_config": {"signalwire": {**SIGNALWIRE, "signing_key": MASK}}}
    found = await account(app, client, "signalwire")
    assert found is not None
    assert (found.key, dict(found.settings)) == ("PT-token", SIGNALWIRE)
    assert found.base_url == "https://example.signalwire.com"
    for secret in ("PT-token", SIGNALWIRE["signing_key"]):
        assert secret not in repr(found)
    assert await account(app, other_client, "signalwire") is None


async def test_a_secret_setting_is_encrypted_and_kept_where_its_mask_comes_back(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    async def stored() -> ProviderKey:
        async with app.state.parts.database.read() as session:
            row: ProviderKey = await session.scalar(select(ProviderKey))
            return row

    await store(client, "signalwire", "PT-token")
    without = await save(client, "signalwire", signing_key=MASK)
    assert without.status_code == 400
    assert without.json()["details"][0].startswith("config.signing_key: is the mask of a secret")
    await save(client, "signalwire", **SIGNALWIRE)
    before = await stored()
    assert "PSK" not in str(vars(before))
    read_back = (await save(client, "signalwire")).json()["byok_config"]["signalwire"]
    await save(client, "signalwire", **read_back)
    assert (await stored()).secret_config == before.secret_config
    await save(client, "signalwire", signing_key=None)
    assert (await stored()).secret_config == {}
    assert await account(app, client, "signalwire") is None


@pytest.mark.parametrize(
    ("provider", "config", "problem"),
    [
        ("twilio", {"account_sid": "AC1"}, 'config.account_sid: must be AC and 32 hexadecimal digits (got "AC1")'),
        ("twilio", {"account_sid": 7}, "config.account_sid: must be AC and 32 hexadecimal digits (got 7)"),
        ("signalwire", {"space": "a.b"}, 'config.space: must be the name before .signalwire.com (got "a.b")'),
        ("signalwire", {"project_id": "x"}, 'config.project_id: must be a UUID (got "x")'),
        (
            "signalwire",
            {"signing_key": "a secret"},
            "config.signing_key: must be 8 to 256 ASCII characters without spaces",
        ),
        ("twilio", {"base_url": "https://twilio.example.com"}, "config.base_url: must be an https address"),
    ],
)
async def test_settings_that_break_rules(
    client: httpx.AsyncClient, provider: str, config: dict[str, Any], problem: str
) -> None:
    await store(client, provider, "token")
    answer = await save(client, provider, **config)
    assert answer.status_code == 400
    assert answer.json()["details"][0].startswith(problem)
    assert "a secret" not in answer.text


async def test_a_region_of_twilio_is_reached_at_its_own_address(app: FastAPI, client: httpx.AsyncClient) -> None:
    await store(client, "twilio", "token")
    region = "https://api.dublin.ie1.twilio.com"
    await save(client, "twilio", account_sid="AC" + "0" * 32, base_url=region + "/")
    found = await account(app, client, "twilio")
    assert found is not None
    assert found.base_url == region


def test_every_carrier_is_known_everywhere() -> None:
    assert set(CARRIERS) == ENTRIES.keys() == make_carriers(GuardedHttp(allow_private_addresses=False)).keys()


async def test_a_number_says_where_its_carrier_is_to_send_calls(settings: Settings) -> None:
    known = settings.model_copy(
        update={"public_url": "https://voice.example.com/", "api_key": SecretStr("fl_of_a_known_server")}
    )
    app = create_app(known)
    async with app.router.lifespan_context(app), client_of(app, "fl_of_a_known_server") as client:
        body = {"phone_number": "+31201234567", "carrier": "twilio"}
        made = (await client.post("/api/v1/numbers", json=body)).json()["number"]
        assert made["carrier_url"] == "https://voice.example.com/carriers/twilio/voice"
        path = f"/api/v1/numbers/{made['id']}"
        back = await client.patch(path, json=made)
        assert ("X-Ignored-Fields" in back.headers, back.json()["number"]["carrier"]) == (False, "twilio")
        cleared = (await client.patch(path, json={"carrier": None})).json()["number"]
        assert (cleared["carrier"], cleared["carrier_url"]) == (None, None)
        refused = await client.patch(path, json={"carrier": "nobody"})
        assert refused.json()["details"][0].startswith("carrier: must be one of 'twilio'")
