"""Both databases: transactions, times, migrations, several processes starting at once."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from importlib import import_module
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from fastapi import FastAPI
from sqlalchemy import Connection, func, inspect, select, text
from sqlalchemy.exc import IntegrityError, StatementError

import dialtone
from dialtone.organizations.tables import ApiKey, Organization
from dialtone.platform.db import Base, Database, new_id
from dialtone.platform.db import database_url as url_of
from dialtone.server import create_app
from dialtone.settings import Settings
from tests.conftest import API_KEY


@pytest.fixture
def settings(tmp_path: Path, empty_database_url: str | None) -> Settings:
    return Settings(data_dir=tmp_path / "data", database_url=empty_database_url, api_key=API_KEY)


async def test_the_migrations_make_the_tables_that_the_code_declares(app: FastAPI) -> None:
    for tables in Path(dialtone.__file__).parent.glob("*/tables.py"):
        import_module(f"dialtone.{tables.parent.name}.tables")

    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))

    async with app.state.parts.database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_servers_may_start_at_the_same_time(settings: Settings) -> None:
    shown: list[str] = []

    async def start() -> None:
        app = create_app(settings.model_copy(update={"api_key": None}))
        async with app.router.lifespan_context(app):
            await app.state.parts.organizations.ensure_key(shown.append)

    await asyncio.gather(*(start() for _ in range(3)))
    assert len(shown) == 1
    database = Database(settings)
    async with database.read() as session:
        assert await session.scalar(select(func.count()).select_from(Organization)) == 1
        assert await session.scalar(select(func.count()).select_from(ApiKey)) == 1
    await database.close()


async def test_times_come_back_in_utc(app: FastAPI) -> None:
    database: Database = app.state.parts.database
    summer = datetime(2026, 7, 1, 12, 30, 15, 123000, tzinfo=timezone(timedelta(hours=2)))
    async with database.write() as session:
        session.add(Organization(id=(key := new_id()), name="x", created_at=summer))
    async with database.read() as session:
        row = await session.get_one(Organization, key)
    assert row.created_at == summer
    assert row.created_at.tzinfo is UTC
    with pytest.raises(StatementError, match="time zone"):
        async with database.write() as session:
            session.add(Organization(name="x", created_at=datetime(2026, 7, 1)))  # noqa: DTZ001


async def test_what_fails_is_rolled_back_and_what_is_only_read_is_not_kept(app: FastAPI) -> None:
    database: Database = app.state.parts.database

    async def fail() -> None:
        async with database.write() as session:
            session.add(Organization(name="half"))
            await session.flush()
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    async with database.read() as session:
        session.add(Organization(name="half"))
        await session.flush()
    async with database.read() as session:
        assert await session.scalar(select(Organization.id).where(Organization.name == "half")) is None


async def test_rows_need_their_organization(app: FastAPI) -> None:
    with pytest.raises(IntegrityError) as raised:
        async with app.state.parts.database.write() as session:
            session.add(ApiKey(organization_id=new_id(), prefix="fl_", hash="very-private"))
    assert "very-private" not in str(raised.value)


async def test_many_writers_wait_for_each_other(app: FastAPI) -> None:
    database: Database = app.state.parts.database

    async def count_up() -> None:
        async with database.write() as session:
            row = await session.scalar(select(Organization).limit(1).with_for_update())
            assert row is not None
            row.name = str(int(row.name) + 1)

    async with database.write() as session:
        await session.execute(text("UPDATE organizations SET name = '0'"))
    await asyncio.gather(*(count_up() for _ in range(20)))
    async with database.read() as session:
        assert await session.scalar(select(Organization.name)) == "20"


async def test_the_database_has_the_tables_after_a_second_start(settings: Settings) -> None:
    for _ in range(2):
        app = create_app(settings)
        async with app.router.lifespan_context(app), app.state.parts.database.engine.connect() as connection:
            tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    assert {"organizations", "api_keys", "assistants", "alembic_version"} <= set(tables)


@pytest.mark.parametrize(
    ("given", "driver"),
    [
        ("sqlite:////tmp/x.db", "sqlite+aiosqlite"),
        ("postgresql://u:p@h/d", "postgresql+psycopg"),
        ("postgres://u:p@h/d", "postgresql+psycopg"),
        ("postgresql+asyncpg://u:p@h/d", "postgresql+psycopg"),
    ],
)
def test_plain_urls_get_the_right_driver(given: str, driver: str) -> None:
    assert url_of(Settings(database_url=given)).drivername == driver


@pytest.mark.parametrize("given", ["mysql://u:hidden@h/d", "u:hidden@nonsense"])
def test_other_databases_are_refused_without_showing_the_password(given: str) -> None:
    with pytest.raises(ValueError, match="DIALTONE_DATABASE_URL") as raised:
        url_of(Settings(database_url=given))
    assert "hidden" not in str(raised.value)
