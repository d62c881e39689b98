"""How many calls a trunk carries at a time, and how many may be begun in a second.

Both are counted in the database, so that all processes count together. A channel belongs to a call and goes when the
call's end is written, whoever writes it: a killed process leaves none taken.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import Select, Table, bindparam, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.platform.db import Database, new_id, now
from dialtone.platform.tenancy import OWNER, owned_by, update_owned
from dialtone.trunks.tables import Trunk, TrunkChannel

PACE_SECONDS = 3.0
"""How long a call may wait for its turn."""

_channels, _trunks = cast(Table, TrunkChannel.__table__), cast(Table, Trunk.__table__)
_TAKE = insert(_channels)
_TAKEN: Select[Any] = select(func.count().label("taken")).where(
    owned_by(_channels.c, OWNER), _channels.c.trunk_id == bindparam("trunk")
)
_LIMITS: Select[Any] = select(
    *(_trunks.c[name] for name in ("max_channels", "max_calls_per_second", "next_call_at"))
).where(owned_by(_trunks.c, OWNER), _trunks.c.id == bindparam("trunk"))
_LIMITS_HELD = _LIMITS.with_for_update(key_share=True)
_FREE = delete(_channels).where(owned_by(_channels.c, OWNER), _channels.c.call_id == bindparam("call"))


class NoChannelError(Exception):
    """The trunk takes no further call now. `str()` says why, in words that name nobody."""


@dataclass(frozen=True, slots=True)
class Channel:
    id: str
    wait_seconds: float = 0.0
    """How long to wait before the call may be begun."""


@dataclass(frozen=True, slots=True)
class _Limits:
    max_channels: int | None
    max_calls_per_second: float | None
    next_call_at: datetime | None

    @property
    def any(self) -> bool:
        return self.max_channels is not None or self.max_calls_per_second is not None


class Channels:
    """`organization_id` and `trunk_id` are canonical: they come from a trunk that was looked up."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, session: AsyncSession, calls: Sequence[tuple[str, str, str]]) -> None:
        """A channel for each call that comes in, by the ids of organization, trunk and call, in the transaction that
        writes the calls down. Raises `NoChannelError` where there are not enough of them.
        """
        by_trunk: dict[tuple[str, str], dict[str, str]] = {}
        for organization_id, trunk_id, call_id in calls:
            by_trunk.setdefault((organization_id, trunk_id), {})[new_id()] = call_id
        for (organization_id, trunk_id), channels in by_trunk.items():
            await self._take(session, organization_id, trunk_id, channels)

    async def take_for_dialing(self, organization_id: str, trunk_id: str, call_id: str) -> Channel:
        """A channel for a call that goes out, and when its turn is. Raises `NoChannelError`."""
        channel_id = new_id()
        async with self._database.write() as session:
            limits = await self._take(session, organization_id, trunk_id, {channel_id: call_id})
            if limits.max_calls_per_second is None:
                return Channel(channel_id)
            wait = await self._turn(
                session, organization_id, trunk_id, limits.max_calls_per_second, limits.next_call_at
            )
            return Channel(channel_id, wait)

    async def check(self, organization_id: str, trunk_id: str, max_channels: int | None) -> None:
        """Look whether a channel is free, without taking it. Raises `NoChannelError`."""
        if max_channels is not None:
            of_trunk = {OWNER.key: organization_id, "trunk": trunk_id}
            _check((await self._database.look_up(_TAKEN, of_trunk))[0]["taken"], 1, max_channels)

    async def release(self, organization_id: str, channel: Channel) -> None:
        """The channel's call did not get through."""
        ours = owned_by(TrunkChannel, organization_id), TrunkChannel.id == channel.id
        async with self._database.write() as session:
            await session.execute(delete(TrunkChannel).where(*ours))

    async def end(self, session: AsyncSession, calls: Sequence[tuple[str, str]]) -> None:
        """These calls, each named by its organization's id and its own, are over: their channels are free."""
        told = [{OWNER.key: organization_id, "call": call_id} for organization_id, call_id in calls]
        await session.execute(_FREE, told)

    async def _take(
        self, session: AsyncSession, organization_id: str, trunk_id: str, channels: Mapping[str, str]
    ) -> _Limits:
        """`channels`: the calls that they are for, by their ids."""
        limits = await _limits(session, _LIMITS, organization_id, trunk_id)
        if limits.any:
            # Held until the transaction ends, so that all who want a channel count in turn.
            limits = await _limits(session, _LIMITS_HELD, organization_id, trunk_id)
        if limits.max_channels is not None:
            taken = await session.scalar(_TAKEN, {OWNER.key: organization_id, "trunk": trunk_id})
            _check(taken or 0, len(channels), limits.max_channels)
        of_trunk = {"organization_id": organization_id, "trunk_id": trunk_id}
        rows = [{**of_trunk, "id": channel_id, "call_id": call_id} for channel_id, call_id in channels.items()]
        await session.execute(_TAKE, rows)
        return limits

    async def _turn(
        self, session: AsyncSession, organization_id: str, trunk_id: str, rate: float, next_call_at: datetime | None
    ) -> float:
        """Seconds until the call's turn, which is then nobody else's."""
        at = now() if self._database.is_sqlite else (await session.execute(select(func.clock_timestamp()))).scalar_one()
        turn = at if next_call_at is None else max(at, next_call_at)
        wait = (turn - at).total_seconds()
        if wait > PACE_SECONDS:
            raise NoChannelError(f"The trunk takes no more calls at the moment: it allows {rate:g} a second.")
        following = update_owned(Trunk, organization_id, trunk_id)
        await session.execute(following.values(next_call_at=turn + timedelta(seconds=1 / rate)))
        return wait


async def _limits(session: AsyncSession, of_trunk: Select[Any], organization_id: str, trunk_id: str) -> _Limits:
    """Raises `NoChannelError` where the trunk is gone."""
    found = (await session.execute(of_trunk, {OWNER.key: organization_id, "trunk": trunk_id})).first()
    if found is None:
        raise NoChannelError("The trunk was deleted.")
    return _Limits(*found)


def _check(taken: int, wanted: int, max_channels: int) -> None:
    """Raises `NoChannelError`."""
    if taken + wanted > max_channels:
        calls = "1 call" if max_channels == 1 else f"{max_channels} calls"
        raise NoChannelError(f"All channels of the trunk are in use: it carries {calls} at a time.")
