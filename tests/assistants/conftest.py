"""One server for all tests of assistants on each database; each test is an organization of its own."""

import inspect
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from dialtone.server import create_app
from dialtone.settings import Settings
from tests.conftest import BOTH_DATABASES, client_of, empty_database

HERE = Path(__file__).parent


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
async def app(
    database_url: str | None, tmp_path_factory: pytest.TempPathFactory, _no_settings_from_outside: None
) -> AsyncIterator[FastAPI]:
    app = create_app(Settings(data_dir=tmp_path_factory.mktemp("data"), database_url=database_url))
    async with app.router.lifespan_context(app):
        yield app


@pytest_asyncio.fixture(loop_scope="session")
async def api_key(app: FastAPI) -> str:
    """The key of an organization of the test's own."""
    key: str = (await app.state.parts.organizations.create("One"))[1]
    return key


@pytest_asyncio.fixture(loop_scope="session")
async def client(app: FastAPI, api_key: str) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app, api_key) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def other_client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a second organization."""
    async with client_of(app, (await app.state.parts.organizations.create("Another"))[1]) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def organization_id(app: FastAPI, api_key: str) -> str:
    found: str = (await app.state.parts.authenticator.identify(api_key)).organization_id
    return found
