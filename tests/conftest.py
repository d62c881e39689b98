"""A whole server in the test's own process, on SQLite and, where one is at hand, on PostgreSQL."""

import asyncio
import os
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import fastapi.dependencies.models
import httpx
import psycopg
import pytest
from fastapi import FastAPI

from dialtone.platform.db import Database
from dialtone.server import create_app
from dialtone.settings import Settings

API_KEY = "fl_test_of_the_first_organization"

SQLITE_FILE = "dialtone.db"
"""The embedded database, in the data directory."""

BOTH_DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


SLOW = ("whole", "privacy", "fuzz", "upgrades", "sip")
"""Folders whose tests take longest, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests begin first, lest one core end with them while the others have nothing left to do."""
    places = {f"tests/{folder}": place for place, folder in enumerate(SLOW)}

    def place(item: pytest.Item) -> int:
        return places.get("/".join(item.nodeid.split("/")[:2]), len(SLOW))

    items.sort(key=place)


@pytest.fixture(autouse=True, scope="session")
def _no_settings_from_outside() -> Iterator[None]:
    """Tests must not depend on the keys and settings of whoever runs them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            vendor = name.endswith(("_API_KEY", "_BASE_URL"))
            if vendor or (name.startswith("DIALTONE_") and name != "DIALTONE_TEST_POSTGRESQL_URL"):
                patch.delenv(name)
        patch.setenv("DIALTONE_RATE_LIMIT", "off")  # tests ask more often than a minute allows
        yield


@pytest.fixture(autouse=True)
def _servers_are_forgotten() -> Iterator[None]:
    """FastAPI remembers endpoints for ever, and each of ours its whole server: hundreds of them fill the memory."""
    yield
    for remembered in vars(fastapi.dependencies.models).values():
        if hasattr(remembered, "cache_clear"):
            remembered.cache_clear()


@pytest.fixture(scope="session")
def postgresql_server() -> str:
    """URL of a PostgreSQL in which databases may be made. Skips where there is none."""
    url = os.environ.get("DIALTONE_TEST_POSTGRESQL_URL")
    if not url:
        pytest.skip("needs DIALTONE_TEST_POSTGRESQL_URL")
    return url


@contextmanager
def empty_database(postgresql_server: str, template: str = "template1") -> Iterator[str]:
    """URL of a PostgreSQL database, empty unless there is something in its template, dropped afterwards."""
    name = f"dialtone_test_{uuid.uuid4().hex}"
    with psycopg.connect(postgresql_server, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')  # type: ignore[call-overload]
        try:
            yield urlunsplit(urlsplit(postgresql_server)._replace(path=f"/{name}"))
        finally:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')  # type: ignore[call-overload]


@pytest.fixture
def postgresql_url(postgresql_server: str) -> Iterator[str]:
    """URL of an empty database of the test's own."""
    with empty_database(postgresql_server) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory, _no_settings_from_outside: None) -> Path:
    """A SQLite database with the newest schema and nothing in it. Copying it is faster than migrating anew."""
    data_dir = tmp_path_factory.mktemp("migrated")
    _migrate(Settings(data_dir=data_dir))
    return data_dir / SQLITE_FILE


@pytest.fixture(scope="session")
def migrated_template(
    postgresql_server: str, tmp_path_factory: pytest.TempPathFactory, _no_settings_from_outside: None
) -> Iterator[str]:
    """The name of a PostgreSQL database like `migrated_file`."""
    with empty_database(postgresql_server) as url:
        _migrate(Settings(data_dir=tmp_path_factory.mktemp("migrated"), database_url=url))
        yield urlsplit(url).path.removeprefix("/")


def _migrate(settings: Settings) -> None:
    async def upgrade() -> None:
        database = Database(settings)
        await database.migrate()
        await database.close()

    loop = asyncio.new_event_loop()
    loop.run_until_complete(upgrade())
    loop.close()


@pytest.fixture
def migrated_url(postgresql_server: str, migrated_template: str) -> Iterator[str]:
    """URL of a database of the test's own, with the newest schema and nothing in it."""
    with empty_database(postgresql_server, migrated_template) as url:
        yield url


@pytest.fixture(params=BOTH_DATABASES)
def database_url(request: pytest.FixtureRequest) -> str | None:
    """The setting for the database under test: None is SQLite in the data directory."""
    return None if request.param == "sqlite" else str(request.getfixturevalue("migrated_url"))


@pytest.fixture(params=BOTH_DATABASES)
def empty_database_url(request: pytest.FixtureRequest) -> str | None:
    """Like `database_url`, for tests of how a schema comes about."""
    return None if request.param == "sqlite" else str(request.getfixturevalue("postgresql_url"))


@pytest.fixture
def settings(tmp_path: Path, database_url: str | None, migrated_file: Path) -> Settings:
    data_dir = tmp_path / "data"
    if database_url is None:
        data_dir.mkdir()
        shutil.copyfile(migrated_file, data_dir / SQLITE_FILE)
    return Settings(data_dir=data_dir, database_url=database_url, api_key=API_KEY)


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    """The server, started."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
def api_key() -> str:
    return API_KEY


@pytest.fixture
async def anonymous(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a key."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://dialtone.test") as client:
        yield client


def client_of(app: FastAPI, key: str) -> httpx.AsyncClient:
    """A client that shows this key."""
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://dialtone.test", headers=headers)


@pytest.fixture
async def client(app: FastAPI, api_key: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the first organization."""
    async with client_of(app, api_key) as client:
        yield client


@pytest.fixture
async def other_client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a second organization."""
    _, key = await app.state.parts.organizations.create("Another")
    async with client_of(app, key) as client:
        yield client
