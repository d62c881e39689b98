"""Nodes that ask each other through one PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from dialtone.platform.db import Database, new_id
from dialtone.platform.node_bus import Data, NodeBus, NodeUnreachableError
from dialtone.settings import Settings

pytestmark = pytest.mark.postgresql


@asynccontextmanager
async def node(postgresql_url: str, answer: Callable[[Data], Data]) -> AsyncIterator[tuple[str, NodeBus]]:
    settings = Settings(data_dir=Path("unused"), database_url=postgresql_url, secret_key=SecretStr("s" * 32))
    database, name = Database(settings), new_id()
    bus = NodeBus(database, name, answer)
    await bus.start()
    try:
        yield name, bus
    finally:
        await bus.stop()
        await database.close()


def echo(question: Data) -> Data:
    return {"heard": question}


async def test_nodes_answer_each_other(postgresql_url: str) -> None:
    async with node(postgresql_url, echo) as (_, first), node(postgresql_url, echo) as (second_name, _):
        asked = [first.ask(second_name, {"number": number}) for number in range(20)]
        assert await asyncio.gather(*asked) == [{"heard": {"number": number}} for number in range(20)]


@pytest.mark.parametrize("question", ["a" * 7000, "é" * 5000, "🕑\x00 \\ \" ' \n" * 4000])
async def test_long_messages_arrive_whole(postgresql_url: str, question: str) -> None:
    async with node(postgresql_url, echo) as (_, first), node(postgresql_url, echo) as (second_name, _):
        assert await first.ask(second_name, {"text": question}) == {"heard": {"text": question}}


async def test_a_message_without_bounds_is_refused(postgresql_url: str) -> None:
    async with node(postgresql_url, echo) as (_, first), node(postgresql_url, echo) as (second_name, _):
        with pytest.raises(ValueError, match="499200 characters"):
            await first.ask(second_name, {"text": "a" * 600_000})


async def test_a_node_that_is_gone_is_not_waited_for(postgresql_url: str) -> None:
    async with node(postgresql_url, echo) as (_, first):
        with pytest.raises(NodeUnreachableError, match="did not answer"):
            await first.ask(new_id(), {}, seconds=0.2)


async def test_a_question_that_fails_or_is_no_message_harms_no_other(
    postgresql_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(question: Data) -> Data:
        return {"double": question["number"] * 2}

    async with node(postgresql_url, echo) as (_, first), node(postgresql_url, answer) as (second_name, _):
        with psycopg.connect(postgresql_url, autocommit=True) as outsider:
            channel = f"dialtone_node_{second_name.replace('-', '')}"
            outsider.execute("SELECT pg_notify(%s, %s)", (channel, "nonsense"))
        with pytest.raises(NodeUnreachableError):
            await first.ask(second_name, {"secret": "words of a caller"}, seconds=0.5)
        assert await first.ask(second_name, {"number": 2}) == {"double": 4}
    assert "words of a caller" not in caplog.text


async def test_a_lost_connection_is_made_again(postgresql_url: str) -> None:
    async with node(postgresql_url, echo) as (_, first), node(postgresql_url, echo) as (second_name, _):
        with psycopg.connect(postgresql_url, autocommit=True) as outsider:
            cut = outsider.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
            ).fetchall()
        assert len(cut) == 2
        async with asyncio.timeout(10):
            while True:
                try:
                    assert await first.ask(second_name, {"n": 1}, seconds=0.5) == {"heard": {"n": 1}}
                    break
                except NodeUnreachableError:
                    continue
