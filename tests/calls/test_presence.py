"""Nodes that share a PostgreSQL: the calls of one that is lost are ended by another, and nobody else's."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select, update

from dialtone.calls.presence import LOST_SECONDS
from dialtone.calls.tables import Call, CallNode
from dialtone.settings import Settings
from tests.calls.conftest import House, open_house
from tests.calls.test_minutes import CALL_SECONDS, begin, end, minutes


@pytest.fixture
async def nodes(tmp_path: Path, migrated_url: str) -> AsyncIterator[tuple[House, House]]:
    """Two nodes of one deployment, neither of which looks after the other by itself."""
    first, second = (
        Settings(
            data_dir=tmp_path / name,
            database_url=migrated_url,
            api_key=SecretStr("fl_test_of_two_nodes"),
            secret_key=SecretStr("0123456789abcdef" * 4),
        )
        for name in ("first", "second")
    )
    async with open_house(first) as one, open_house(second) as other:
        for house in (one, other):
            assert house.room._presence is not None
            await house.room._presence.stop()
        yield one, other


async def unseen_for(house: House, seconds: float, node: str) -> None:
    async with house.database.write() as session:
        past = func.now() - timedelta(seconds=seconds)
        await session.execute(update(CallNode).where(CallNode.id == node).values(seen_at=past))


async def beat(house: House) -> None:
    assert house.room._presence is not None
    await house.room._presence.beat()


async def call_of(house: House, call_id: str) -> Call:
    async with house.database.read() as session:
        call = await session.get(Call, call_id)
    assert call is not None
    return call


async def test_calls_of_a_lost_node_are_ended_once(nodes: tuple[House, House]) -> None:
    one, other = nodes
    async with one.client() as client, other.client() as other_client:
        call_id, running = await begin(one, client)
        staying, running_elsewhere = await begin(other, other_client)
        for house in nodes:
            await house.room.flush()
        node = (await call_of(one, call_id)).node
        await unseen_for(one, LOST_SECONDS / 2, node)
        await beat(other)
        assert (await call_of(one, call_id)).status == "in-progress"
        await unseen_for(one, LOST_SECONDS + 1, node)
        await beat(other)
        left = await call_of(one, call_id)
        assert (left.status, left.end_reason) == ("ended", "server_shutdown")
        assert left.error is not None
        assert (await call_of(other, staying)).status == "in-progress"
        spent = await minutes(client)
        await end(one, running)  # it was not dead after all
        await beat(one)
        await end(other, running_elsewhere)
        again = await call_of(one, call_id)
        assert (again.status, again.end_reason, again.duration_seconds) == (
            left.status,
            left.end_reason,
            left.duration_seconds,
        )
        assert await minutes(client) == pytest.approx(spent - CALL_SECONDS / 60, abs=0.01)


async def test_nodes_of_an_earlier_version_show_nothing_and_keep_their_calls(nodes: tuple[House, House]) -> None:
    one, other = nodes
    async with one.client() as client:
        call_id, running = await begin(one, client)
        await one.room.flush()
        async with one.database.write() as session:
            for node in await session.scalars(select(CallNode)):
                await session.delete(node)
        await beat(other)
        assert (await call_of(one, call_id)).status == "in-progress"
        await end(one, running)


async def test_a_node_that_is_long_gone_is_forgotten(nodes: tuple[House, House]) -> None:
    one, other = nodes
    await beat(one)
    async with one.database.read() as session:
        known = set(await session.scalars(select(CallNode.id)))
    assert len(known) == 2
    gone = (known - {other.room.calls._node}).pop()
    await unseen_for(one, 100_000, gone)
    await beat(other)
    async with one.database.read() as session:
        assert set(await session.scalars(select(CallNode.id))) == known - {gone}
