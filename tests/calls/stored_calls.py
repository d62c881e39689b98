"""Many calls put straight into the database, as if they had been held long ago."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import insert, select

from dialtone.calls.tables import Call
from dialtone.organizations.tables import Organization
from dialtone.platform.db import Database, new_id

BEGIN = datetime(2025, 3, 1, tzinfo=UTC)
"""The calls of `spread` are made from here on."""


@dataclass(frozen=True)
class Stored:
    """What a test knows of a call that it stored."""

    id: str
    organization_id: str
    created_at: datetime
    status: str = "ended"
    direction: str = "inbound"
    duration_seconds: int | None = 84
    assistant_id: str | None = None
    number_id: str | None = None
    assistant_name: str | None = None
    byok_llm: bool = False
    cost_millionths: int | None = None

    def row(self) -> dict[str, Any]:
        return {**vars(self), "node": NODE, "notes": [], "updated_at": self.created_at}


NODE = new_id()


async def store(database: Database, calls: Sequence[Stored]) -> None:
    async with database.write() as session:
        for start in range(0, len(calls), 1000):
            await session.execute(insert(Call), [call.row() for call in calls[start : start + 1000]])


async def first_organization(app: FastAPI) -> str:
    """The id of the organization that `client` belongs to."""
    async with app.state.parts.database.read() as session:
        found: str = (await session.scalars(select(Organization.id).order_by(Organization.created_at))).first()
    return found


def spread(organization_id: str, count: int, seed: int, days: int = 5) -> list[Stored]:
    """Calls of all kinds over some days, the newest first. Some are made at the same moment, some at midnight."""
    chance = random.Random(seed)
    assistants, numbers = [new_id() for _ in range(3)], [new_id() for _ in range(3)]
    moments = [BEGIN + timedelta(milliseconds=chance.randrange(days * 86_400_000)) for _ in range(count // 2)]
    moments += [BEGIN + timedelta(days=chance.randrange(days)) for _ in range(10)]
    calls = []
    for _ in range(count):
        status = chance.choice(["ended", "ended", "failed", "in-progress"])
        call = Stored(new_id(), organization_id, chance.choice(moments), status, chance.choice(["inbound", "web"]))
        duration = chance.choice([0, 1, 60, 61, 3600]) if status == "ended" else None
        call = replace(call, duration_seconds=duration, assistant_id=chance.choice(assistants))
        cost = None if duration is None else chance.choice([None, 1, 31_200])
        calls.append(replace(call, number_id=chance.choice(numbers), cost_millionths=cost))
    return newest_first(calls)


def newest_first(calls: Sequence[Stored]) -> list[Stored]:
    return sorted(calls, key=lambda call: (call.created_at, call.id), reverse=True)


async def get(client: httpx.AsyncClient, path: str = "/api/v1/calls", **parameters: Any) -> dict[str, Any]:
    answer = await client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document
