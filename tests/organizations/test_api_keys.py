"""API keys over HTTP: listed, made, used, expired and revoked; nobody locks themselves out."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select, update

from dialtone.organizations import keys
from dialtone.organizations.api_keys import KeyUses
from dialtone.organizations.tables import ApiKey
from dialtone.platform.db import iso, now
from dialtone.server import create_app
from dialtone.settings import Settings
from tests.conftest import API_KEY, client_of

KEYS = "/api/v1/api-keys"
SOON = "2999-01-31T10:30:00+01:00"


async def make(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await client.post(KEYS, json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()["api_key"]
    return made


async def listed(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    answer = await client.get(KEYS)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["api_keys"]
    return found


async def status_of(app: FastAPI, key: str) -> tuple[int, str | None]:
    async with client_of(app, key) as client:
        answer = await client.get(KEYS)
    return answer.status_code, answer.json().get("code")


async def test_a_new_key_is_shown_once_and_works(app: FastAPI, client: httpx.AsyncClient) -> None:
    made = await make(client, name="the shop", expires_at=SOON)
    key = made.pop("key")
    assert key.startswith("fl_live_")
    assert made == {
        "id": made["id"],
        "name": "the shop",
        "prefix": key[:12],
        "created_at": made["created_at"],
        "expires_at": "2999-01-31T09:30:00.000Z",
        "last_used_at": None,
        "revoked_at": None,
        "from_settings": False,
        "current": False,
    }
    newest, first = await listed(client)
    assert newest == made
    assert (first["from_settings"], first["current"]) == (True, True)
    async with client_of(app, key) as holder:
        assert [each["current"] for each in await listed(holder)] == [True, False]
    assert key not in (await client.get(KEYS)).text


async def test_nothing_has_to_be_given_and_unknown_fields_are_named(client: httpx.AsyncClient) -> None:
    made = await make(client)
    assert (made["name"], made["expires_at"]) == (None, None)
    answer = await client.post(KEYS, json={"name": None, "scope": "all"})
    assert (answer.status_code, answer.headers["X-Ignored-Fields"]) == (201, "scope")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"name": ""}, "name: must have at least 1 characters"),
        ({"name": "x" * 201}, "name: must have at most 200 characters (got 201 characters)"),
        ({"name": 7}, "name: must be a string (got 7)"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at: must be in the future"),
        ({"expires_at": "2999-01-01T00:00:00"}, "expires_at: must be a time in ISO 8601 with its zone"),
        ({"expires_at": "0001-01-01T00:00:00+23:00"}, "expires_at: must be in the future"),
        ({"expires_at": "soon"}, "expires_at: must be a time in ISO 8601 with its zone"),
        ({"expires_at": 4102444800}, "expires_at: must be a time in ISO 8601 such as"),
    ],
)
async def test_fields_that_break_rules_are_named(client: httpx.AsyncClient, body: dict[str, Any], words: str) -> None:
    answer = await client.post(KEYS, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert answer.json()["details"][0].startswith(words)


async def test_a_revoked_key_stops_at_once_and_says_why(app: FastAPI, client: httpx.AsyncClient) -> None:
    made = await make(client)
    assert (await status_of(app, made["key"]))[0] == 200
    for _ in range(2):  # what is revoked may be revoked again
        answer = await client.delete(f"{KEYS}/{made['id']}")
        assert (answer.status_code, answer.json()) == (200, {"success": True})
        assert await status_of(app, made["key"]) == (401, "api_key_revoked")
    newest = (await listed(client))[0]
    assert (newest["id"], newest["revoked_at"] is None) == (made["id"], False)


async def test_an_expired_key_says_why(app: FastAPI, client: httpx.AsyncClient) -> None:
    made = await make(client, expires_at=SOON)
    past = now() - timedelta(seconds=1)
    async with app.state.parts.database.write() as session:
        await session.execute(update(ApiKey).where(ApiKey.id == made["id"]).values(expires_at=past))
    async with client_of(app, made["key"]) as holder:
        answer = await holder.get(KEYS)
    assert (answer.status_code, answer.json()["code"]) == (401, "api_key_expired")
    assert iso(past) in answer.json()["message"]
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_another_organizations_key_is_an_unknown_one(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    made = await make(client)
    foreign = await other_client.delete(f"{KEYS}/{made['id']}")
    unknown = await other_client.delete(f"{KEYS}/3b3e2f0e-6a2b-4f6c-9a39-3b6c0f6f0d11")
    nonsense = await other_client.delete(f"{KEYS}/nonsense")
    assert foreign.status_code == unknown.status_code == nonsense.status_code == 404
    assert foreign.content == unknown.content == nonsense.content
    assert [each["id"] for each in await listed(other_client)] != [made["id"]]
    assert len(await listed(other_client)) == 1


async def test_the_key_of_the_settings_is_not_revoked_here(client: httpx.AsyncClient) -> None:
    await make(client)
    first = (await listed(client))[-1]
    answer = await client.delete(f"{KEYS}/{first['id']}")
    assert (answer.status_code, answer.json()["code"]) == (409, "api_key_from_settings")
    assert "DIALTONE_API_KEY" in answer.json()["message"]


async def test_the_last_key_that_works_is_not_revoked(app: FastAPI, other_client: httpx.AsyncClient) -> None:
    (own,) = await listed(other_client)
    last = await other_client.delete(f"{KEYS}/{own['id']}")
    assert (last.status_code, last.json()["code"]) == (409, "last_api_key")
    further = await make(other_client)
    assert (await other_client.delete(f"{KEYS}/{own['id']}")).status_code == 200
    assert (await other_client.get(KEYS)).json()["code"] == "api_key_revoked"
    async with client_of(app, further["key"]) as client:
        assert (await client.delete(f"{KEYS}/{further['id']}")).status_code == 409


async def test_keys_revoked_at_the_same_time_leave_one(app: FastAPI, other_client: httpx.AsyncClient) -> None:
    for _ in range(5):
        await make(other_client)
    ids = [each["id"] for each in await listed(other_client)]
    own = next(each["id"] for each in await listed(other_client) if each["current"])
    ids.remove(own)
    ids.append(own)  # so that the asking key goes last, if it goes
    answers = await asyncio.gather(*(other_client.delete(f"{KEYS}/{each}") for each in ids))
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) <= {200, 401, 409}
    async with app.state.parts.database.read() as session:
        organization = select(ApiKey.organization_id).where(ApiKey.id == own).scalar_subquery()
        usable = select(func.count()).where(ApiKey.organization_id == organization, ApiKey.revoked_at.is_(None))
        left = await session.scalar(usable)
    assert left == 6 - statuses.count(200)
    assert left >= 1


async def test_an_organization_has_a_bounded_number_of_keys(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "MAX_KEYS", 4)
    monkeypatch.setattr(keys, "MAX_ENDED_KEYS", 2)
    answers = await asyncio.gather(*(client.post(KEYS, json={}) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [409] * 3
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert refused.json()["code"] == "too_many_api_keys"
    for _ in range(5):
        newest = next(each for each in await listed(client) if each["revoked_at"] is None)
        assert (await client.delete(f"{KEYS}/{newest['id']}")).status_code == 200
        await make(client)
    found = await listed(client)
    assert len([each for each in found if each["revoked_at"] is None]) == 4
    assert len(found) <= 4 + 2 + 1


async def test_the_last_use_is_written_when_the_server_stops_and_never_moves_back(settings: Settings) -> None:
    before = now()
    app = create_app(settings)
    async with app.router.lifespan_context(app), client_of(app, API_KEY) as client:
        assert (await listed(client))[0]["last_used_at"] is None
    app = create_app(settings)
    async with app.router.lifespan_context(app), client_of(app, API_KEY) as client:
        used = datetime.fromisoformat((await listed(client))[0]["last_used_at"])
        assert before <= used <= datetime.now(UTC)
        late = KeyUses(app.state.parts.database, clock=lambda: 0.0)
        late.note((await listed(client))[0]["id"])
        await late.write()
        assert datetime.fromisoformat((await listed(client))[0]["last_used_at"]) == used
        await app.state.parts.key_uses.write()
        assert datetime.fromisoformat((await listed(client))[0]["last_used_at"]) > used
