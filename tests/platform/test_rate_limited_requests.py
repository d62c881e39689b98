"""Requests and the limits of their keys, over HTTP: headers on every answer, 429 before anything happens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import text

from dialtone.organizations.key_commands import create_key
from dialtone.server import create_app
from dialtone.settings import Settings
from tests.conftest import API_KEY, client_of

ASSISTANTS = "/api/v1/assistants"
LIMIT = 12


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"rate_limit": LIMIT})


def counted(answer: httpx.Response) -> tuple[int, int]:
    """Limit and remaining, as an answer tells them."""
    reset = int(answer.headers["X-RateLimit-Reset"])
    assert 0 <= reset - datetime.now(UTC).timestamp() <= 62
    return int(answer.headers["X-RateLimit-Limit"]), int(answer.headers["X-RateLimit-Remaining"])


async def test_every_answer_to_a_valid_key_tells_what_is_left(client: httpx.AsyncClient, app: FastAPI) -> None:
    nobody = f"{ASSISTANTS}/3b3e2f0e-6a2b-4f6c-9a39-3b6c0f6f0d11"
    large = b"x" * (app.state.parts.settings.max_body_bytes + 1)
    json = {"Content-Type": "application/json"}
    asked = [
        (200, client.get(ASSISTANTS)),
        (201, client.post(ASSISTANTS, json={"name": "x"})),
        (400, client.post(ASSISTANTS, json={"name": 7})),
        (400, client.post(ASSISTANTS, content=b"{", headers=json)),
        (404, client.get(nobody)),
        (404, client.get("/api/v1/nothing")),
        (405, client.put(ASSISTANTS, json={})),
        (413, client.post(ASSISTANTS, content=large, headers=json)),
        (415, client.post(ASSISTANTS, content=b"{}", headers={"Content-Type": "text/plain"})),
        (200, client.get("/api/v1/calls")),  # a streamed answer
        (409, client.delete(f"/api/v1/api-keys/{await own_key_id(app)}")),
    ]
    for taken, (status, request) in enumerate(asked, start=1):
        answer = await request
        assert answer.status_code == status, answer.text
        assert counted(answer) == (LIMIT, LIMIT - taken)


async def own_key_id(app: FastAPI) -> str:
    async with app.state.parts.database.read() as session:
        return str((await session.execute(text("SELECT id FROM api_keys"))).scalar_one())


async def test_a_crash_is_counted_and_says_so(app: FastAPI, api_key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def crash(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(app.state.parts.assistants, "list_all", crash)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://dialtone.test") as client:
        answer = await client.get(ASSISTANTS, headers={"Authorization": f"Bearer {api_key}"})
    assert answer.status_code == 500
    assert counted(answer) == (LIMIT, LIMIT - 1)


async def test_too_many_requests_are_refused_before_their_body_is_read(client: httpx.AsyncClient) -> None:
    for _ in range(LIMIT):
        assert (await client.get(ASSISTANTS)).status_code == 200
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        read += 1
        yield b"{"

    refused = await client.post(ASSISTANTS, content=body(), headers={"Content-Type": "application/json"})
    assert refused.status_code == 429
    assert counted(refused) == (LIMIT, 0)
    seconds = int(refused.headers["Retry-After"])
    assert 1 <= seconds <= 60
    assert refused.json() == {
        "error": "Rate limit exceeded",
        "code": "rate_limit_exceeded",
        "message": f"The limit is {LIMIT} requests a minute for each API key; try again in {seconds} s.",
        "retry_after": seconds,
    }
    assert read == 0
    assert (await client.get("/api/v1/nothing")).status_code == 429
    health = await client.get("/api/v1/health")
    assert health.status_code == 200
    assert "X-RateLimit-Limit" not in health.headers


async def test_each_key_has_its_own_minute(client: httpx.AsyncClient, other_client: httpx.AsyncClient) -> None:
    second = (await client.post("/api/v1/api-keys", json={})).json()["api_key"]["key"]
    for _ in range(LIMIT):
        await client.get(ASSISTANTS)
    assert (await client.get(ASSISTANTS)).status_code == 429
    assert counted(await other_client.get(ASSISTANTS)) == (LIMIT, LIMIT - 1)
    answer = await client.get(ASSISTANTS, headers={"Authorization": f"Bearer {second}"})
    assert counted(answer) == (LIMIT, LIMIT - 1)


async def test_who_shows_no_valid_key_is_refused_without_counting(
    anonymous: httpx.AsyncClient, client: httpx.AsyncClient
) -> None:
    for _ in range(LIMIT + 3):
        answer = await anonymous.get(ASSISTANTS, headers={"Authorization": "Bearer fl_live_wrong"})
        assert answer.status_code == 401
        assert "X-RateLimit-Limit" not in answer.headers
    assert (await anonymous.get(ASSISTANTS)).status_code == 401
    assert (await anonymous.get("/api/v1/nothing")).status_code == 404
    wrong = {"Authorization": "Bearer fl_live_wrong"}
    assert (await anonymous.get("/api/v1/health", headers=wrong)).status_code == 200
    assert counted(await client.get(ASSISTANTS)) == (LIMIT, LIMIT - 1)


async def test_where_limits_are_off_the_headers_show_large_numbers(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"rate_limit": 0}))
    async with app.router.lifespan_context(app), client_of(app, API_KEY) as client:
        for _ in range(LIMIT + 1):
            answer = await client.get(ASSISTANTS)
            assert answer.status_code == 200
    assert counted(answer) == (2147483647, 2147483647)


@pytest.mark.parametrize("database_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
async def test_two_servers_on_one_database_share_the_limit(settings: Settings, tmp_path: Path) -> None:
    shared = SecretStr("a master key that both servers have")
    async with AsyncExitStack() as stack:
        clients = []
        for name in ("one", "two"):
            app = create_app(settings.model_copy(update={"data_dir": tmp_path / name, "secret_key": shared}))
            await stack.enter_async_context(app.router.lifespan_context(app))
            clients.append(await stack.enter_async_context(client_of(app, API_KEY)))
        answers = await asyncio.gather(*(clients[number % 2].get(ASSISTANTS) for number in range(40)))
    allowed = [answer for answer in answers if answer.status_code == 200]
    assert sorted(int(answer.headers["X-RateLimit-Remaining"]) for answer in allowed) == list(range(LIMIT))
    assert {answer.status_code for answer in answers} == {200, 429}


@pytest.mark.parametrize("database_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
async def test_counts_that_cannot_be_reached_are_a_lost_database(
    client: httpx.AsyncClient, app: FastAPI, postgresql_server: str
) -> None:
    assert (await client.get(ASSISTANTS)).status_code == 200
    name = app.state.parts.database.url.database
    with psycopg.connect(postgresql_server, autocommit=True) as admin:
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
    answer = await client.get(ASSISTANTS)
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert answer.headers["Retry-After"] == "5"


async def test_a_key_given_out_by_the_command_line_works_at_once(app: FastAPI) -> None:
    key = await create_key(app.state.parts.database, None, name="made elsewhere")
    async with client_of(app, key) as client:
        assert counted(await client.get(ASSISTANTS)) == (LIMIT, LIMIT - 1)
