"""Lists of calls: pages anywhere, filters, dates, cursors."""

import random
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from dialtone.calls.listing import SEEK_FROM
from dialtone.platform.db import Database, iso, new_id
from tests.calls.stored_calls import BEGIN, Stored, first_organization, get, newest_first, spread, store

MANY = 3 * SEEK_FROM


def ids(answer: dict[str, Any]) -> list[str]:
    return [call["id"] for call in answer["calls"]]


async def walk(client: httpx.AsyncClient, path: str = "/api/v1/calls", **parameters: Any) -> list[str]:
    """The ids on all pages by cursor."""
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = await get(client, path, cursor=cursor, **parameters)
        found += [one["id"] for one in answer["calls" if path.endswith("calls") else "logs"]]
        cursor = answer["pagination"]["next_cursor"]
    return found


async def test_every_page_is_the_right_one(
    app: FastAPI, client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    database: Database = app.state.parts.database
    own = spread(await first_organization(app), MANY, seed=1)
    await store(database, own)
    chance = random.Random(2)
    moments = [call.created_at for call in own]

    def moment() -> datetime:
        day = timedelta(days=chance.randrange(-1, 7))
        return chance.choice([*chance.sample(moments, 4), BEGIN + day])

    for _ in range(40):
        parameters: dict[str, Any] = {}
        expected = own
        if chance.random() < 0.6:
            start = moment()
            parameters["start_date"], expected = iso(start), [call for call in expected if call.created_at >= start]
        if chance.random() < 0.6:
            end = moment()
            parameters["end_date"], expected = iso(end), [call for call in expected if call.created_at <= end]
        for name in ("status", "direction", "assistant_id", "number_id"):
            if chance.random() < 0.2:
                value = getattr(chance.choice(own), name)
                parameters[name], expected = value, [call for call in expected if getattr(call, name) == value]
        offset = chance.choice([0, 1, len(expected) - 1, len(expected), chance.randrange(MANY), SEEK_FROM + 1])
        offset = max(0, offset)
        answer = await get(client, limit=3, offset=offset, **parameters)
        assert ids(answer) == [call.id for call in expected[offset : offset + 3]], parameters
        assert answer["pagination"] == {"total": len(expected), "limit": 3, "offset": offset}
    assert (await get(other_client, offset=SEEK_FROM))["pagination"]["total"] == 0


async def test_cursors_walk_through_everything_while_new_calls_come_in(app: FastAPI, client: httpx.AsyncClient) -> None:
    database: Database = app.state.parts.database
    organization_id = await first_organization(app)
    stored = spread(organization_id, 47, seed=3)
    await store(database, stored)
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = await get(client, limit=5, cursor=cursor)
        assert answer["pagination"].items() >= {"limit": 5, "offset": 0}.items()
        found += ids(answer)
        cursor = answer["pagination"]["next_cursor"]
        await store(database, [Stored(new_id(), organization_id, BEGIN + timedelta(days=9))])
    assert found == [call.id for call in stored]
    assert answer["pagination"]["total"] == 47 + 9

    failed = [call.id for call in stored if call.status == "failed"]
    assert await walk(client, limit=2, status="failed") == failed
    assert await walk(client, limit=len(failed), status="failed") == failed
    assert await walk(client, status="nothing-has-this") == []
    timed = [call.id for call in stored if call.duration_seconds is not None]
    assert await walk(client, "/api/v1/usage", limit=4, end_date="2025-03-06") == timed


async def test_a_cursor_holds_for_its_own_list_only(
    app: FastAPI, client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    await store(app.state.parts.database, spread(await first_organization(app), 20, seed=4))
    first = await get(client, limit=2, status="ended", cursor="")
    cursor = first["pagination"]["next_cursor"]
    assert ids(await get(client, limit=9, status="ended", cursor=cursor))

    async def refused(client: httpx.AsyncClient, path: str = "/api/v1/calls", **parameters: Any) -> None:
        answer = await client.get(path, params=parameters)
        assert answer.status_code == 400, answer.text
        assert "cursor" in answer.json()["details"][0]

    await refused(client, cursor=cursor)
    await refused(client, status="failed", cursor=cursor)
    await refused(client, "/api/v1/usage", cursor=cursor)
    await refused(other_client, status="ended", cursor=cursor)
    await refused(client, status="ended", cursor=cursor, offset=1)
    for wrong in (
        cursor[:-1],
        cursor[:-2] + "AA",
        "B" + cursor[1:],
        "\n" + cursor,
        cursor * 3,
        "x",
        "é",
        "%00",
        "\x00",
        "=" * 7,
    ):
        await refused(client, status="ended", cursor=wrong)


@pytest.mark.parametrize(
    ("name", "given", "shown"),
    [
        ("start_date", "2025-03-02", "bcd"),
        ("start_date", "20250302", "bcd"),
        ("start_date", "2025-03-02T12:00:00Z", "cd"),
        ("start_date", "2025-03-02t12:00:00.0001z", "d"),
        ("start_date", "2025-03-02T12:00", "cd"),
        ("start_date", "2025-03-02 13:00:00+01:00", "cd"),
        ("start_date", "2025-03-02T13:00:00 01:00", "cd"),
        ("start_date", "2025-03-02T07:00:00-0500", "cd"),
        ("start_date", "0001-01-01T00:00:00+14:00", "abcd"),
        ("start_date", "9999-12-31", ""),
        ("end_date", "2025-03-02", "abc"),
        ("end_date", "2025-03-01", "a"),
        ("end_date", "2025-03-02T00:00:00.000Z", "ab"),
        ("end_date", "2025-03-02 12:00:00", "abc"),
        ("end_date", "2025-03-02T11:59:59.999Z", "ab"),
        ("end_date", "9999-12-31T23:59:59-12:00", "abcd"),
        ("end_date", "1970-01-01", ""),
    ],
)
async def test_dates_are_taken_as_people_write_them(
    house_of_four: httpx.AsyncClient, name: str, given: str, shown: str
) -> None:
    answer = await get(house_of_four, **{name: given})
    assert "".join(sorted(call["assistant_name"] for call in answer["calls"])) == shown
    assert answer["pagination"]["total"] == len(shown)
    usage = await get(house_of_four, "/api/v1/usage", **{name: given})
    assert usage["summary"]["total_calls"] == usage["pagination"]["total"] == len(shown)


@pytest.fixture
async def house_of_four(app: FastAPI, client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client with four calls: a and b around a midnight, c at the noon after it, d a day later."""
    moments = [BEGIN, BEGIN + timedelta(days=1), BEGIN + timedelta(days=1.5), BEGIN + timedelta(days=2.5)]
    organization_id = await first_organization(app)
    calls = [
        Stored(new_id(), organization_id, moment, assistant_name=name)
        for name, moment in zip("abcd", moments, strict=True)
    ]
    await store(app.state.parts.database, newest_first(calls))
    return client


@pytest.mark.parametrize(
    ("parameters", "detail"),
    [
        ({"start_date": "yesterday"}, 'start_date: must be a date like 2026-01-31 or an ISO 8601 date-time (got "yest'),
        ({"start_date": ""}, "start_date: must be a date"),
        ({"end_date": "2025-13-01"}, "end_date: must be a date"),
        ({"end_date": "\x00"}, "end_date: must be a date"),
        ({"start_date": "9" * 65}, "start_date: must have at most 64 characters"),
        ({"assistant_id": "x"}, "assistant_id: must be a UUID"),
        ({"number_id": "\x00"}, "number_id: must be a UUID"),
        ({"status": "\x00"}, "status: must not contain a NUL"),
        ({"direction": "\x00"}, "direction: must not contain a NUL"),
        ({"offset": str(2**31 + 1)}, "offset: must be at most"),
        ({"agent_id": new_id(), "assistant_id": new_id()}, "agent_id: is the older name of assistant_id"),
    ],
)
async def test_what_is_wrong_with_a_filter_is_told(
    client: httpx.AsyncClient, parameters: dict[str, str], detail: str
) -> None:
    answer = await client.get("/api/v1/calls", params=parameters)
    assert answer.status_code == 400
    assert detail in answer.json()["details"][0]


async def test_two_bad_dates_are_both_named(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/usage", params={"start_date": "a", "end_date": "b"})
    assert [detail.split(":")[0] for detail in answer.json()["details"]] == ["start_date", "end_date"]


async def test_an_assistant_has_an_older_name_in_filters_too(app: FastAPI, client: httpx.AsyncClient) -> None:
    calls = spread(await first_organization(app), 20, seed=5)
    await store(app.state.parts.database, calls)
    chosen = calls[0].assistant_id
    expected = [call.id for call in calls if call.assistant_id == chosen]
    assert ids(await get(client, agent_id=chosen)) == ids(await get(client, assistant_id=chosen)) == expected
    assert ids(await get(client, assistant_id=new_id())) == []
