"""Connections to both databases: cut, cancelled, busy; and JSON on its way out."""

import asyncio
import json
import sqlite3

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import bindparam, select, text
from sqlalchemy.exc import OperationalError

from dialtone.organizations.tables import Organization
from dialtone.platform import engines
from dialtone.platform.db import Database
from dialtone.platform.json_text import to_json
from dialtone.settings import Settings

ASSISTANTS = "/api/v1/assistants"
SLOW = {
    True: text(
        "WITH RECURSIVE count(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < 3000000) "
        "SELECT max(n) FROM count"
    ),
    False: text("SELECT pg_sleep(0.5)"),
}
"""Takes about half a second; the key says whether on SQLite."""
NAMES = select(Organization.name).where(Organization.name == bindparam("name"))


@pytest.mark.parametrize("database_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
async def test_idle_connections_that_were_cut_are_made_anew(
    client: httpx.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "PING_AFTER_SECONDS", 0.0)
    made = (await client.post(ASSISTANTS, json={"name": "A"})).json()["assistant"]
    path = f"{ASSISTANTS}/{made['id']}"
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname"
    for method in ("GET", "PATCH", "GET"):
        async with app.state.parts.database.write() as session:
            await session.execute(text(f"{others} = current_database()"))
        answer = await client.request(method, path, json={"name": "B"} if method == "PATCH" else None)
        assert answer.status_code == 200, answer.text


async def test_a_cancelled_writer_leaves_nothing_behind(app: FastAPI) -> None:
    database: Database = app.state.parts.database
    written = asyncio.Event()

    async def write() -> None:
        async with database.write() as session:
            await session.execute(text("UPDATE organizations SET name = 'half'"))
            written.set()
            await session.execute(SLOW[database.is_sqlite])

    writer = asyncio.create_task(write())
    await written.wait()
    await asyncio.sleep(0)
    writer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writer
    async with database.write() as session:
        await session.execute(text("UPDATE organizations SET name = 'whole' WHERE name <> 'half'"))
    assert len(await database.look_up(NAMES, {"name": "whole"})) == 1


async def test_readers_wait_neither_for_a_writer_nor_for_a_slow_reader(app: FastAPI) -> None:
    database: Database = app.state.parts.database

    async def read_slowly() -> None:
        async with database.read() as session:
            await session.execute(SLOW[database.is_sqlite])

    slow = asyncio.create_task(read_slowly())
    async with database.write() as session:
        await session.execute(text("UPDATE organizations SET name = 'new'"))
        assert await database.look_up(NAMES, {"name": "new"}) == []
    assert await database.look_up(NAMES, {"name": "new"}) == [{"name": "new"}]
    assert not slow.done()
    await slow


async def test_what_is_read_in_one_session_fits_together_on_sqlite(app: FastAPI) -> None:
    database: Database = app.state.parts.database
    names = text("SELECT name FROM organizations")
    async with database.read() as session:
        before = await session.scalar(names)
        async with database.write() as writing:
            await writing.execute(text("UPDATE organizations SET name = 'new'"))
        # PostgreSQL's sessions read what was committed before each statement.
        assert await session.scalar(names) == (before if database.is_sqlite else "new")


async def test_a_long_list_is_read_in_pieces(app: FastAPI) -> None:
    database: Database = app.state.parts.database
    numbers = "WITH RECURSIVE count(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < 95) SELECT n FROM count"
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    others = asyncio.create_task(count_turns())
    seen = []
    async with database.read() as session:
        async for row in await session.stream(text(numbers), execution_options={"yield_per": 10}):
            if row.n % 10 == 1:
                seen.append(turns)
    others.cancel()
    assert len(seen) == 10
    assert len(set(seen)) == 10, "the event loop did nothing else between two pieces"


async def test_a_statement_that_fails_says_so_and_the_connection_goes_on(app: FastAPI) -> None:
    database: Database = app.state.parts.database
    for _ in range(engines.POSTGRESQL_CONNECTIONS + 1):
        with pytest.raises(Exception, match="no_such_table") as raised:
            await database.look_up(select(text("1")).select_from(text("no_such_table")), {})
        assert isinstance(raised.value, OperationalError) is database.is_sqlite
    assert await database.look_up(NAMES, {"name": "nobody"}) == []


async def test_numbers_of_any_size_come_back_as_they_were_sent(client: httpx.AsyncClient) -> None:
    schema = {"type": "integer", "maximum": 2**70, "minimum": -(2**63), "multipleOf": 1e-7}
    plan = {"structured_data_plan": {"schema": schema}}
    answer = await client.post(ASSISTANTS, json={"name": "A", "analysis_plan": plan})
    assert answer.status_code == 201, answer.text
    read = (await client.get(ASSISTANTS)).json()["assistants"][0]
    for shown in (answer.json()["assistant"], read):
        assert shown["analysis_plan"]["structured_data_plan"]["schema"] == schema


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_look_up_waits_for_a_locked_database_beside_the_event_loop(settings: Settings) -> None:
    database = Database(settings)
    other = sqlite3.connect(str(database.url.database), isolation_level=None)
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("INSERT INTO organizations (id, name, created_at) VALUES ('0', 'Late', '2026-01-01')")
    asking = asyncio.ensure_future(database.look_up(NAMES, {"name": "Late"}))
    for _ in range(20):
        await asyncio.sleep(0.005)
    assert not asking.done()
    other.close()
    assert await asking == [{"name": "Late"}]
    await database.close()


def test_json_is_compact_and_exact() -> None:
    value = {"text": "é \u2028 \U0001f642", "numbers": [2**70, 1e300, -0.0, 1 / 3, 0], "none": None, "yes": True}
    assert json.loads(to_json(value)) == value
    assert b" " not in to_json({"a": [1, 2], "b": {}})
    with pytest.raises(TypeError):
        to_json({"when": object()})
