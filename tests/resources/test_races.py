"""Two nodes on one database: whoever comes second gets a clear answer, and nothing is left half linked."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from dialtone.server import create_app
from dialtone.settings import Settings
from tests.conftest import client_of
from tests.resources.requests import API, NUMBERS, TRUNK, TRUNKS, create, free_number, read

ASSISTANTS = f"{API}/assistants"
ROUNDS = 8


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def second_node(app: FastAPI, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FastAPI]:
    """Another server on the database of `app`."""
    first: Settings = app.state.parts.settings
    node = create_app(
        Settings(
            data_dir=tmp_path_factory.mktemp("second"),
            database_url=app.state.parts.database.url.render_as_string(hide_password=False),
            secret_key=(first.data_dir / "secret.key").read_text(),
        )
    )
    async with node.router.lifespan_context(node):
        yield node


@pytest_asyncio.fixture(loop_scope="session")
async def second_client(second_node: FastAPI, api_key: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the same organization, at the second node."""
    async with client_of(second_node, api_key) as client:
        yield client


def statuses(answers: list[httpx.Response]) -> dict[int, int]:
    return dict(Counter(answer.status_code for answer in answers))


async def test_one_of_many_gets_a_number(
    client: httpx.AsyncClient, second_client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    for _ in range(ROUNDS):
        body = {"phone_number": free_number()}
        clients = (client, second_client, other_client) * 3
        answers = await asyncio.gather(*(one.post(NUMBERS, json=body) for one in clients))
        assert statuses(answers) == {201: 1, 409: 8}


@pytest.mark.parametrize(
    ("path", "fields", "name"),
    [(ASSISTANTS, {"name": "A"}, "agent_id"), (TRUNKS, TRUNK, "transfer_trunk_id")],
    ids=["assistant", "trunk"],
)
async def test_what_is_deleted_while_it_is_attached_is_not_attached(
    client: httpx.AsyncClient, second_client: httpx.AsyncClient, path: str, fields: dict[str, Any], name: str
) -> None:
    number = await create(client, NUMBERS, phone_number=free_number())
    for _ in range(ROUNDS):
        target = await create(client, path, **fields)
        attach = {name: target["id"]}
        patched, created, deleted = await asyncio.gather(
            client.patch(f"{NUMBERS}/{number['id']}", json=attach),
            client.post(NUMBERS, json={"phone_number": free_number(), **attach}),
            second_client.delete(f"{path}/{target['id']}"),
        )
        assert deleted.status_code == 200
        assert patched.status_code in (200, 400)
        assert created.status_code in (201, 400)
        listed = (await client.get(NUMBERS)).json()["numbers"]
        assert {one[name] for one in listed} == {None}


async def test_nobody_waits_for_ever(client: httpx.AsyncClient, second_client: httpx.AsyncClient) -> None:
    """Everything that locks numbers, assistants and trunks, at once."""
    for _ in range(ROUNDS):
        assistants = [await create(client, ASSISTANTS, name="A") for _ in range(2)]
        trunk = await create(client, TRUNKS, **TRUNK)
        links = {"agent_id": assistants[0]["id"], "transfer_trunk_id": trunk["id"]}
        number = await create(client, NUMBERS, phone_number=free_number(), **links)
        path = f"{NUMBERS}/{number['id']}"
        answers = await asyncio.gather(
            client.patch(path, json={"agent_id": assistants[1]["id"]}),
            second_client.patch(path, json={"agent_id": None, "transfer_trunk_id": None}),
            client.patch(path, json=links),
            second_client.delete(f"{ASSISTANTS}/{assistants[0]['id']}"),
            client.delete(f"{ASSISTANTS}/{assistants[1]['id']}"),
            second_client.delete(f"{TRUNKS}/{trunk['id']}"),
            client.patch(f"{ASSISTANTS}/{assistants[1]['id']}", json={"name": "B"}),
        )
        assert set(statuses(answers)) <= {200, 400, 404}
        after = await read(client, path)
        assert (after["agent_id"], after["transfer_trunk_id"]) == (None, None)


async def test_changes_of_different_fields_are_all_kept(
    client: httpx.AsyncClient, second_client: httpx.AsyncClient
) -> None:
    made = await create(client, NUMBERS, phone_number=free_number())
    path = f"{NUMBERS}/{made['id']}"
    for index in range(ROUNDS):
        wanted = {"name": str(index), "is_active": index % 2 == 0}
        answers = await asyncio.gather(
            client.patch(path, json={"name": wanted["name"]}),
            second_client.patch(path, json={"is_active": wanted["is_active"]}),
        )
        assert statuses(answers) == {200: 2}
        after = await read(second_client, path)
        assert {name: after[name] for name in wanted} == wanted


@pytest.mark.parametrize(("path", "fields"), [(NUMBERS, {}), (TRUNKS, TRUNK)], ids=["number", "trunk"])
async def test_an_object_is_changed_before_it_goes_or_not_at_all(
    client: httpx.AsyncClient, second_client: httpx.AsyncClient, path: str, fields: dict[str, Any]
) -> None:
    for _ in range(ROUNDS):
        made = await create(client, path, **(fields or {"phone_number": free_number()}))
        patched, *deleted = await asyncio.gather(
            client.patch(f"{path}/{made['id']}", json={"name": "new"}),
            second_client.delete(f"{path}/{made['id']}"),
            client.delete(f"{path}/{made['id']}"),
        )
        assert patched.status_code in (200, 404)
        assert statuses(deleted) == {200: 1, 404: 1}
