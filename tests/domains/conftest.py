"""One server for all tests of domains on each database, with a fake Resend; each test is an organization of its own."""

import inspect
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from pydantic import SecretStr

from dialtone.server import create_app
from dialtone.settings import Settings
from tests.conftest import BOTH_DATABASES, client_of, empty_database
from tests.fakes.resend import FakeResend

HERE = Path(__file__).parent
DEPLOYMENT, OWN = "re_deployment", "re_own"
DOMAINS = "/api/v1/domains"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents and inspect.iscoroutinefunction(getattr(item, "obj", None)):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session", params=BOTH_DATABASES)
def database_url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    if request.param == "sqlite":
        yield None
        return
    with empty_database(request.getfixturevalue("postgresql_server")) as url:
        yield url


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def resend_server() -> AsyncIterator[FakeResend]:
    async with FakeResend() as fake:
        yield fake


@pytest.fixture
def resend(resend_server: FakeResend) -> FakeResend:
    """Resend with nothing in its accounts."""
    resend_server.reset(DEPLOYMENT, OWN)
    return resend_server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def app(
    database_url: str | None,
    resend_server: FakeResend,
    tmp_path_factory: pytest.TempPathFactory,
    _no_settings_from_outside: None,
) -> AsyncIterator[FastAPI]:
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("data"),
        database_url=database_url,
        resend_api_key=SecretStr(DEPLOYMENT),
        resend_base_url=resend_server.url,
        byok_to_base_urls=True,
    )
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app


@pytest_asyncio.fixture(loop_scope="session")
async def client(app: FastAPI, resend: FakeResend) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an organization of the test's own."""
    async with client_of(app, (await app.state.parts.organizations.create("One"))[1]) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def other_client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a second organization."""
    async with client_of(app, (await app.state.parts.organizations.create("Another"))[1]) as client:
        yield client


async def store_own_key(client: httpx.AsyncClient, key: str = OWN) -> None:
    answer = await client.post("/api/v1/byok", json={"provider": "resend", "api_key": key})
    assert answer.status_code == 200, answer.text


async def add(client: httpx.AsyncClient, name: str = "mail.example.com") -> dict[str, object]:
    answer = await client.post(DOMAINS, json={"domain_name": name})
    assert answer.status_code == 201, answer.text
    domain: dict[str, object] = answer.json()["domain"]
    return domain
