"""What holds for numbers, trunks and both kinds of template alike."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from dialtone.numbers.service import MAX_NUMBERS
from dialtone.templates.analysis_templates import MAX_ANALYSIS_TEMPLATES
from dialtone.templates.tool_templates import MAX_TOOL_TEMPLATES
from dialtone.trunks.service import MAX_TRUNKS
from tests.resources.requests import (
    ANALYSIS_TEMPLATES,
    NUMBERS,
    TOOL_TEMPLATES,
    TRUNK,
    TRUNKS,
    changed,
    create,
    details,
    free_number,
    ignored,
    read,
)


@dataclass(frozen=True)
class Room:
    path: str
    wrapper: str
    """Key of a single answer."""
    table: str
    maximum: int
    fields: Callable[[], dict[str, Any]]
    """A sound new object."""
    required: tuple[str, ...]
    nullable: tuple[str, ...]
    never_null: tuple[str, ...]
    only_once: dict[str, str] = field(default_factory=dict)
    """SQL of the columns that no two rows may have equal."""

    @property
    def wrappers(self) -> str:
        return f"{self.wrapper}s"


ANALYSIS = {
    "name": "Outcome",
    "description": "What came of it",
    "system_prompt": "Be exact.",
    "user_prompt": 'As {"outcome": ...}: {transcript} {nonsense}',
    "schema": {"type": "object", "properties": {"outcome": {"type": "string"}}},
}
TOOL = {
    "name": "look_up",
    "description": "Looks up",
    "tool_type": "function",
    "tool_config": {"url": "https://x.example/f", "async": True, "parameters": {"type": "object"}},
}

ROOMS = [
    Room(
        NUMBERS,
        "number",
        "numbers",
        MAX_NUMBERS,
        lambda: {"phone_number": free_number(), "name": "Front desk"},
        ("phone_number",),
        ("name", "agent_id", "assistant_id", "transfer_trunk_id", "workflow_id"),
        ("is_active",),
        {"phone_number": "'+1' || (1000000000 + n)"},
    ),
    Room(
        TRUNKS,
        "trunk",
        "sip_trunks",
        MAX_TRUNKS,
        lambda: {**TRUNK, "auth_username": "u", "inbound_addresses": ["192.0.2.1"], "outbound_number": "+31201234567"},
        ("name", "provider", "address"),
        ("provider", "auth_username", "auth_password", "inbound_addresses", "outbound_number"),
        ("name", "address", "transport", "is_active"),
    ),
    Room(
        TOOL_TEMPLATES,
        "tool_template",
        "tool_templates",
        MAX_TOOL_TEMPLATES,
        lambda: dict(TOOL),
        ("name", "tool_type", "tool_config"),
        ("description",),
        ("name", "tool_type", "tool_config"),
    ),
    Room(
        ANALYSIS_TEMPLATES,
        "analysis_template",
        "analysis_templates",
        MAX_ANALYSIS_TEMPLATES,
        lambda: dict(ANALYSIS),
        ("name", "system_prompt", "user_prompt", "schema"),
        ("description",),
        ("name", "system_prompt", "user_prompt", "schema"),
    ),
]

every_room = pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.table)


@every_room
async def test_what_goes_in_comes_out_and_can_be_sent_back(client: httpx.AsyncClient, room: Room) -> None:
    fields = room.fields()
    made = await create(client, room.path, **fields)
    assert {name: made[name] for name in fields} == fields
    path = f"{room.path}/{made['id']}"
    assert await read(client, path) == made
    answer = await client.patch(path, json=made)
    assert answer.status_code == 200, answer.text
    assert answer.json()[room.wrapper] == made
    assert ignored(answer) == set()
    assert await changed(client, path) == made


@every_room
async def test_required_fields_are_named(client: httpx.AsyncClient, room: Room) -> None:
    for name in room.required:
        fields = room.fields()
        del fields[name]
        assert f"{name}: is required" in details(await client.post(room.path, json=fields))
    assert (await client.get(room.path)).json()[room.wrappers] == []


@every_room
async def test_a_change_leaves_the_rest_alone(client: httpx.AsyncClient, room: Room) -> None:
    made = await create(client, room.path, **room.fields())
    after = await changed(client, f"{room.path}/{made['id']}", name="another_name")
    assert after == {**made, "name": "another_name", "updated_at": after["updated_at"]}
    assert after["updated_at"] >= made["updated_at"]


@every_room
async def test_null_clears_what_can_be_empty_and_only_that(client: httpx.AsyncClient, room: Room) -> None:
    path = f"{room.path}/{(await create(client, room.path, **room.fields()))['id']}"
    after = await changed(client, path, **dict.fromkeys(room.nullable))
    assert {after.get(name) for name in room.nullable} == {None}
    for name in room.never_null:
        assert details(await client.patch(path, json={name: None}))[0].startswith(f"{name}: must ")
    assert await read(client, path) == after


@every_room
async def test_unknown_fields_are_ignored_and_named(client: httpx.AsyncClient, room: Room) -> None:
    answer = await client.post(room.path, json={**room.fields(), "colour": 1, "org_id": "x", "created_at": 5})
    assert answer.status_code == 201, answer.text
    assert ignored(answer) == {"colour"}
    path = f"{room.path}/{answer.json()[room.wrapper]['id']}"
    assert ignored(await client.patch(path, json={"colour": 1})) == {"colour"}


@every_room
async def test_lists_are_newest_first(client: httpx.AsyncClient, room: Room) -> None:
    made = [await create(client, room.path, **room.fields()) for _ in range(3)]
    by_time = sorted(made, key=lambda one: (one["created_at"], one["id"]), reverse=True)
    assert (await client.get(room.path)).json()[room.wrappers] == by_time


@every_room
async def test_a_deleted_object_is_gone(client: httpx.AsyncClient, room: Room) -> None:
    path = f"{room.path}/{(await create(client, room.path, **room.fields()))['id']}"
    deleted = await client.delete(path)
    assert (deleted.status_code, deleted.json()) == (200, {"success": True})
    for answer in (await client.get(path), await client.patch(path, json={}), await client.delete(path)):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await client.get(room.path)).json()[room.wrappers] == []


@every_room
async def test_another_organizations_object_is_an_unknown_one(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, room: Room
) -> None:
    made = await create(client, room.path, **room.fields())
    path = f"{room.path}/{made['id']}"
    unknown = (await other_client.get(f"{room.path}/{uuid.uuid4()}")).json()
    for answer in (
        await other_client.get(path),
        await other_client.patch(path, json={"name": "mine"}),
        await other_client.delete(path),
        await other_client.get(f"{room.path}/nonsense"),
        await other_client.patch(f"{room.path}/%00", json={}),
    ):
        assert (answer.status_code, answer.json()) == (404, unknown)
    assert (await other_client.get(room.path)).json()[room.wrappers] == []
    assert await read(client, path) == made


@every_room
async def test_there_is_a_limit_per_organization(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, app: FastAPI, room: Room
) -> None:
    made = await create(client, room.path, **room.fields())
    async with app.state.parts.database.write() as session:
        # Copies of the made row, each with an id of its own, until the limit is reached.
        columns = (await session.execute(text(f"SELECT * FROM {room.table} LIMIT 1"))).keys()
        stored_id = uuid.UUID(made["id"])
        is_sqlite = app.state.parts.database.is_sqlite
        new_id = "lower(hex(randomblob(16)))" if is_sqlite else "gen_random_uuid()"
        taken = ", ".join({"id": new_id, **room.only_once}.get(name, f't."{name}"') for name in columns)
        names = ", ".join(f'"{name}"' for name in columns)
        await session.execute(
            text(
                f"WITH RECURSIVE counter(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < :copies) "
                f"INSERT INTO {room.table} ({names}) SELECT {taken} FROM {room.table} t, counter WHERE t.id = :id"
            ),
            {"copies": room.maximum - 1, "id": stored_id.hex if is_sqlite else stored_id},
        )
    answer = await client.post(room.path, json=room.fields())
    things = {"sip_trunks": "trunks"}.get(room.table, room.table)
    assert (answer.status_code, answer.json()["code"]) == (409, f"too_many_{things}")
    assert str(room.maximum) in answer.json()["message"]
    assert len((await client.get(room.path)).json()[room.wrappers]) == room.maximum
    await create(other_client, room.path, **room.fields())
    assert (await client.delete(f"{room.path}/{made['id']}")).status_code == 200
    await create(client, room.path, **room.fields())
