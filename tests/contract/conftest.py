"""One server for all conformance tests on each database; each test is an organization of its own."""

import inspect
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr

from dialtone.settings import Settings
from tests.calls.conftest import House, open_house
from tests.calls.dialing import FakeDialer
from tests.conftest import BOTH_DATABASES, empty_database
from tests.contract.vendor_client import VendorClient
from tests.fakes.resend import FakeResend

HERE = Path(__file__).parent
RESEND_KEY = "re_own"


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
    """Resend, with nothing in the organization's account."""
    resend_server.reset(RESEND_KEY)
    return resend_server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def house(
    database_url: str | None,
    resend_server: FakeResend,
    tmp_path_factory: pytest.TempPathFactory,
    _no_settings_from_outside: None,
) -> AsyncIterator[House]:
    """A server that can place calls, and whose calls the test holds."""
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("data"),
        database_url=database_url,
        api_key=SecretStr("fl_test_of_the_contract"),
        resend_base_url=resend_server.url,
        byok_to_base_urls=True,
    )
    async with open_house(settings) as opened:
        opened.room.dialers.append(FakeDialer())
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def own_house(house: House) -> House:
    """The server, asked by an organization of the test's own."""
    _, house.key = await house.organizations.create("One")
    return house


@pytest_asyncio.fixture(loop_scope="session")
async def http(house: House) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(house.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://dialtone.test") as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def vendor(own_house: House, http: httpx.AsyncClient) -> VendorClient:
    """The vendor's client library, with the key of that organization."""
    return VendorClient(http, own_house.key)
