"""The counters of calls equal what is there, whatever is done to the calls and by how many at once."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from alembic import command
from fastapi import FastAPI
from sqlalchemy import Connection, column, delete, func, insert, select, table, update
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.calls import counts
from dialtone.calls.tables import Call, CallCount
from dialtone.organizations.tables import Organization
from dialtone.platform.db import Database, Id, UtcDateTime, new_id, now
from dialtone.platform.migrate import alembic_config, upgrade
from dialtone.settings import Settings
from tests.calls.stored_calls import BEGIN, Stored, first_organization, store

Figures = dict[tuple[str, str, str], tuple[int, int, int, int]]
"""By organization, day and status: calls, calls with a duration, their seconds and minutes."""


async def counted(session: AsyncSession) -> Figures:
    key = (CallCount.organization_id, CallCount.day, CallCount.status)
    sums = (CallCount.calls, CallCount.timed_calls, CallCount.duration_seconds, CallCount.minutes)
    rows = await session.execute(select(*key, *(func.sum(column) for column in sums)).group_by(*key))
    figures = {(row[0], str(row[1]), row[2]): (int(row[3]), int(row[4]), int(row[5]), int(row[6])) for row in rows}
    return {key: figure for key, figure in figures.items() if figure != (0, 0, 0, 0)}


async def there(session: AsyncSession) -> Figures:
    figures: Figures = {}
    columns = (Call.organization_id, Call.created_at, Call.status, Call.duration_seconds)
    for organization_id, created_at, status, seconds in await session.execute(select(*columns)):
        key = (organization_id, created_at.astimezone(UTC).date().isoformat(), status)
        calls, timed, total, minutes = figures.get(key, (0, 0, 0, 0))
        more = (0, 0, 0) if seconds is None else (1, seconds, -(-seconds // 60))
        figures[key] = (calls + 1, timed + more[0], total + more[1], minutes + more[2])
    return figures


async def check(database: Database) -> Figures:
    async with database.read() as session:
        figures = await there(session)
        assert await counted(session) == figures
    return figures


class Writer:
    """Does one random thing after another to calls of its own, some of it in vain."""

    def __init__(self, database: Database, organizations: list[str], seed: int) -> None:
        self._database = database
        self._organizations = organizations
        self._chance = random.Random(seed)
        self._calls: list[str] = []

    async def run(self, transactions: int) -> None:
        for _ in range(transactions):
            before = list(self._calls)
            try:
                async with self._database.write() as session:
                    for _ in range(self._chance.randint(1, 6)):
                        await self._step(session)
                    if self._chance.random() < 0.1:
                        raise LookupError
            except LookupError:
                self._calls = before

    async def _step(self, session: AsyncSession) -> None:
        chance = self._chance
        some = chance.sample(self._calls, min(len(self._calls), chance.randint(1, 5)))
        these = Call.id.in_(some)
        match chance.choice(["insert", "insert", "status", "status", "end", "move", "delete", "note", "owner"]):
            case "insert":
                calls = [self._new() for _ in range(chance.randint(1, 4))]
                await session.execute(insert(Call), [call.row() for call in calls])
                self._calls += [call.id for call in calls]
            case "status":
                await session.execute(update(Call).where(these).values(status=chance.choice(["ringing", "failed"])))
            case "end":
                seconds = chance.choice([0, 1, 60, 61, 14_400, None])
                await session.execute(update(Call).where(these).values(status="ended", duration_seconds=seconds))
            case "move":
                await session.execute(update(Call).where(these).values(created_at=self._moment()))
            case "note":
                await session.execute(update(Call).where(these).values(notes=["changes no figure"]))
            case "owner":
                owner = chance.choice(self._organizations)
                await session.execute(update(Call).where(these).values(organization_id=owner))
            case "delete":
                await session.execute(delete(Call).where(these))
                self._calls = [call for call in self._calls if call not in some]

    def _new(self) -> Stored:
        return Stored(new_id(), self._chance.choice(self._organizations), self._moment(), "connecting", "web", None)

    def _moment(self) -> datetime:
        # Around midnight, when the day in UTC and that of other zones differ.
        return BEGIN + timedelta(days=self._chance.randrange(3), seconds=self._chance.choice([-1, 0, 3600, 86_399]))


@pytest.fixture
async def databases(app: FastAPI, settings: Settings) -> AsyncIterator[list[Database]]:
    """Connections of two nodes."""
    other = Database(settings)
    yield [app.state.parts.database, other]
    await other.close()


@pytest.mark.parametrize("seed", range(3))
async def test_counters_are_exact_after_anything(databases: list[Database], seed: int) -> None:
    async with databases[0].write() as session:
        organizations = [Organization(id=new_id(), name=f"{index}") for index in range(2)]
        session.add_all(organizations)
    ids = [organization.id for organization in organizations]
    writers = [Writer(databases[index % 2], ids, 10 * seed + index) for index in range(6)]

    async def merge_again_and_again() -> None:
        for _ in range(10):
            async with databases[1].write() as session:
                if not databases[1].is_sqlite:
                    await counts.merge(session)

    await asyncio.gather(*(writer.run(25) for writer in writers), merge_again_and_again())
    assert await check(databases[0])


async def test_merging_leaves_one_row_of_a_day_and_status(app: FastAPI, databases: list[Database]) -> None:
    organization_id = await first_organization(app)

    async def one(database: Database, moment: datetime) -> None:
        await store(database, [Stored(new_id(), organization_id, moment)])

    await asyncio.gather(*(one(database, BEGIN) for database in databases * 4))
    await one(databases[0], now())
    await app.state.parts.calls.listing.merge_counters()
    await check(databases[0])
    async with databases[0].read() as session:
        rows = (await session.execute(select(CallCount.day, CallCount.connection, CallCount.calls))).all()
    assert [row for row in rows if row.day == BEGIN.date()] == [(BEGIN.date(), 0, 8)]


async def test_a_deleted_organization_takes_its_counters_along(app: FastAPI) -> None:
    database: Database = app.state.parts.database
    gone, stays = Organization(id=new_id(), name="gone"), await first_organization(app)
    async with database.write() as session:
        session.add(gone)
    await store(database, [Stored(new_id(), owner, BEGIN) for owner in (gone.id, stays) for _ in range(3)])
    async with database.write() as session:
        await session.execute(delete(Organization).where(Organization.id == gone.id))
    figures = await check(database)
    assert {owner for owner, _, _ in figures} == {stays}
    async with database.read() as session:
        assert set((await session.scalars(select(CallCount.organization_id))).all()) == {stays}


async def test_the_migration_counts_the_calls_that_are_there(settings: Settings) -> None:
    database = Database(settings)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    organization_id = new_id()

    def up_to_the_one_before(connection: Connection) -> None:
        command.upgrade(alembic_config(connection), "0005")

    names = ("id", "organization_id", "node", "status", "direction", "notes", "duration_seconds", "created_at")
    calls = table("calls", *(column(name, Call.__table__.c[name].type) for name in (*names, "updated_at")))
    organizations = table("organizations", column("id", Id), column("name"), column("created_at", UtcDateTime))
    async with database.write() as session:
        await (await session.connection()).run_sync(up_to_the_one_before)
        await session.execute(insert(organizations).values(id=organization_id, name="old", created_at=BEGIN))
        for second, duration in enumerate([None, 0, 59, 60, 61]):
            moment = BEGIN - timedelta(seconds=2) + timedelta(seconds=second)
            row = Stored(new_id(), organization_id, moment, duration_seconds=duration).row()
            await session.execute(insert(calls).values({name: row[name] for name in (*names, "updated_at")}))
    async with database.write() as session:
        await (await session.connection()).run_sync(upgrade)
    days = {day: figure for (_, day, _), figure in (await check(database)).items()}
    assert days == {"2025-02-28": (2, 1, 0, 0), "2025-03-01": (3, 3, 180, 4)}
    async with database.read() as session:
        assert set((await session.scalars(select(Call.byok_stt))).all()) == {False}
    await database.close()
