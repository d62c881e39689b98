"""Own keys over HTTP: stored, replaced, removed, never shown; and what they change for assistants."""

from typing import Any, get_args

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from dialtone.byok.schemas import Vendor
from dialtone.byok.service import MAX_CONFIG_BYTES, MAX_PLAIN_KEY
from dialtone.byok.tables import ProviderKey
from dialtone.providers.addresses import DOCUMENTATION, DOMAINS
from dialtone.providers.catalog import PROVIDERS
from dialtone.providers.catalog_data import BYOK_PROVIDERS
from dialtone.providers.factory import OwnKey
from dialtone.server import create_app
from dialtone.settings import Settings

BYOK = "/api/v1/byok"
CONFIG = "/api/v1/byok/config"
NONE = {f"{provider}_secret_id": None for provider in BYOK_PROVIDERS}


async def keys(client: httpx.AsyncClient) -> dict[str, str | None]:
    answer = await client.get(BYOK)
    assert answer.status_code == 200
    assert answer.json().keys() == {"byok_keys"}
    found: dict[str, str | None] = answer.json()["byok_keys"]
    return found


async def store(client: httpx.AsyncClient, provider: str, key: str = "sk-of-our-own") -> dict[str, str | None]:
    answer = await client.post(BYOK, json={"provider": provider, "api_key": key})
    assert answer.status_code == 200, answer.text
    assert answer.json()["success"] is True
    assert key not in answer.text
    found: dict[str, str | None] = answer.json()["byok_keys"]
    return found


async def remove(client: httpx.AsyncClient, provider: str) -> httpx.Response:
    return await client.request("DELETE", BYOK, json={"provider": provider})


async def organization_of(client: httpx.AsyncClient) -> str:
    return str((await client.get("/api/v1/organizations")).json()["id"])


async def test_a_key_is_stored_replaced_and_removed(
    app: FastAPI, client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    byok, ours = app.state.parts.byok, await organization_of(client)
    assert await keys(client) == NONE
    stored = await store(client, "openai")
    assert stored["openai_secret_id"]
    assert stored == {**NONE, "openai_secret_id": stored["openai_secret_id"]} == await keys(client)
    assert await byok.key(ours, "openai") == "sk-of-our-own"
    assert await store(client, "openai", "  sk-another\n") == stored
    assert await byok.key(ours, "openai") == "sk-another"
    assert await keys(other_client) == NONE
    assert (await remove(other_client, "openai")).status_code == 200
    assert await keys(client) == stored
    for _ in range(2):
        answer = await remove(client, "openai")
        assert (answer.status_code, answer.json()) == (200, {"success": True, "byok_keys": NONE})
    assert await byok.key(ours, "openai") is None


async def test_a_key_is_encrypted_where_it_is_stored(app: FastAPI, client: httpx.AsyncClient) -> None:
    await store(client, "deepgram", "dg-secret")
    async with app.state.parts.database.read() as session:
        row = await session.scalar(select(ProviderKey))
    assert "dg-secret" not in str(vars(row))
    assert app.state.parts.secrets.decrypt(row.secret) == "dg-secret"
    assert "dg-secret" not in repr(OwnKey("dg-secret", None))


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"api_key": "k"}, "provider: is required"),
        ({"provider": "openai"}, "api_key: is required"),
        ({"provider": "openai", "api_key": ""}, "api_key: must have at least 1 characters (got 0 characters)"),
        ({"provider": "openai", "api_key": 5551234}, "api_key: must be a string"),
        ({"provider": "openai", "api_key": " \n"}, f"api_key: must be at most {MAX_PLAIN_KEY} ASCII characters"),
        ({"provider": "openai", "api_key": "sk one"}, f"api_key: must be at most {MAX_PLAIN_KEY} ASCII characters"),
        ({"provider": "openai", "api_key": "sk-\u00e9"}, f"api_key: must be at most {MAX_PLAIN_KEY} ASCII characters"),
        ({"provider": "openai", "api_key": "x" * (MAX_PLAIN_KEY + 1)}, "api_key: must be at most"),
        ({"provider": "google_vertex", "api_key": "{\u0007}"}, "api_key: must be ASCII text without control"),
        ({"provider": "anthropic", "api_key": "k"}, "provider: must be one of 'deepgram', 'openai'"),
    ],
)
async def test_a_key_that_breaks_a_rule(client: httpx.AsyncClient, body: dict[str, Any], problem: str) -> None:
    answer = await client.post(BYOK, json=body)
    assert answer.status_code == 400
    assert answer.json()["details"][0].startswith(problem)
    assert str(body.get("api_key") or "none given") not in answer.text
    assert await keys(client) == NONE


async def test_every_vendor_takes_a_key(client: httpx.AsyncClient) -> None:
    account = '{\n  "type": "service_account",\n  "private_key": "%s"\n}' % ("A" * 4000)
    for provider in BYOK_PROVIDERS:
        await store(client, provider, account if provider == "google_vertex" else f"key-of-{provider}")
    assert None not in (await keys(client)).values()


async def test_settings_are_merged_and_go_with_the_key(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    async def save(provider: str, **config: Any) -> httpx.Response:
        return await client.post(CONFIG, json={"provider": provider, "config": config})

    missing = await save("elevenlabs", colour="red")
    assert (missing.status_code, missing.json()["code"]) == (409, "provider_key_missing")
    for provider in ("elevenlabs", "deepgram"):
        await store(client, provider)
    saved = await save("elevenlabs", colour="red", base_url="https://api.eu.residency.elevenlabs.io")
    assert saved.status_code == 200
    assert saved.headers["X-Ignored-Fields"] == "config.colour"
    await save("elevenlabs", colour=None, size={"large": True})
    await store(client, "elevenlabs", "sk-newer")
    merged = (await save("deepgram", base_url="https://api.eu.deepgram.com/")).json()
    assert merged == {
        "byok_config": {
            "deepgram": {"base_url": "https://api.eu.deepgram.com/"},
            "elevenlabs": {"base_url": "https://api.eu.residency.elevenlabs.io", "size": {"large": True}},
        }
    }
    await store(other_client, "elevenlabs")
    other = await other_client.post(CONFIG, json={"provider": "elevenlabs", "config": {}})
    assert other.json() == {"byok_config": {}}
    await remove(client, "elevenlabs")
    await store(client, "elevenlabs")
    assert (await save("elevenlabs")).json()["byok_config"].keys() == {"deepgram"}


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/v1",
        "https://api.openai.com.evil.example",
        "https://evilopenai.com",
        "http://api.openai.com/v1",
        "https://api.openai.com:8443/v1",
        "https://user:pass@api.openai.com/v1",
        "https://api.openai.com/v1?to=evil",
        "https://127.0.0.1/v1",
        "https://169.254.169.254/openai.com",
        "file:///etc/passwd",
        "api.openai.com",
        7,
    ],
)
async def test_a_key_is_sent_to_nobody_but_its_vendor(client: httpx.AsyncClient, url: Any) -> None:
    await store(client, "openai")
    answer = await client.post(CONFIG, json={"provider": "openai", "config": {"base_url": url}})
    assert answer.status_code == 400, answer.text
    assert answer.json()["details"][0].startswith("config.base_url: must ")
    assert "pass@" not in answer.text


async def test_settings_have_a_size(client: httpx.AsyncClient) -> None:
    await store(client, "openai")
    many = {str(number): number for number in range(51)}
    assert (await client.post(CONFIG, json={"provider": "openai", "config": many})).status_code == 400
    large = await client.post(CONFIG, json={"provider": "openai", "config": {"a": "x" * MAX_CONFIG_BYTES}})
    assert large.json()["details"] == [
        f"config: must have at most {MAX_CONFIG_BYTES} bytes of JSON (got {MAX_CONFIG_BYTES + 9})"
    ]


async def test_the_catalogue_of_older_clients(client: httpx.AsyncClient) -> None:
    entries = (await client.get(CONFIG)).json()
    assert {entry["id"] for entry in entries} == set(BYOK_PROVIDERS)
    assert {entry["category"] for entry in entries} == {"stt", "llm", "realtime", "tts", "telephony", "email"}
    deepgram = next(entry for entry in entries if entry["id"] == "deepgram")
    assert deepgram == {
        "id": "deepgram",
        "name": "Deepgram",
        "category": "stt",
        "docsUrl": "https://developers.deepgram.com/docs",
        "models": [
            {"id": "nova-3", "name": "nova-3", "default": True},
            {"id": "nova-3-general", "name": "nova-3-general", "default": False},
        ],
    }
    chirp = next(entry for entry in entries if (entry["id"], entry["category"]) == ("google_vertex", "tts"))
    assert [model["id"] for model in chirp["models"]] == ["chirp-3-hd"]


def test_every_vendor_is_known_everywhere() -> None:
    assert get_args(Vendor) == BYOK_PROVIDERS
    assert set(BYOK_PROVIDERS) == DOMAINS.keys() == DOCUMENTATION.keys()
    secrets = {secret for providers in PROVIDERS.values() for one in providers for secret in one.secrets}
    assert secrets <= NONE.keys()


async def test_own_keys_decide_what_an_assistant_is_made_of(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    async def made(of: httpx.AsyncClient) -> tuple[str, str, str]:
        assistant = (await of.post("/api/v1/assistants", json={"name": "Ada"})).json()["assistant"]
        return tuple(assistant[name]["provider"] for name in ("stt_config", "llm_config", "tts_config"))  # type: ignore[return-value]

    for provider in ("deepgram", "elevenlabs", "openai"):
        await store(client, provider)
    assert await made(client) == ("deepgram", "openai", "elevenlabs")
    assert await made(other_client) == ("local", "local", "local")
    await remove(client, "openai")
    assert await made(client) == ("deepgram", "local", "elevenlabs")


async def test_models_of_a_deployments_own_server_are_not_the_vendors(settings: Settings) -> None:
    llama = {"name": "Ada", "llm_config": {"provider": "openai", "model": "llama3"}}
    for to_base_urls, expected in ((False, 400), (True, 201)):
        update = {"openai_base_url": "http://127.0.0.1:11434/v1", "byok_to_base_urls": to_base_urls}
        app = create_app(settings.model_copy(update=update))
        async with app.router.lifespan_context(app):
            key = (await app.state.parts.organizations.create("One"))[1]
            transport = httpx.ASGITransport(app)
            headers = {"Authorization": f"Bearer {key}"}
            async with httpx.AsyncClient(
                transport=transport, base_url="http://dialtone.test", headers=headers
            ) as client:
                assert (await client.post("/api/v1/assistants", json=llama)).status_code == 201
                await store(client, "openai")
                assert (await client.post("/api/v1/assistants", json=llama)).status_code == expected
