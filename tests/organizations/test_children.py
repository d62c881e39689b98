"""Organizations below organizations: who may make them, who sees them, and where it ends."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from dialtone.organizations import tree
from dialtone.platform.db import new_id
from tests.conftest import client_of

ORGANIZATIONS = "/api/v1/organizations"


async def id_of(client: httpx.AsyncClient) -> str:
    return str((await client.get(ORGANIZATIONS)).json()["id"])


async def make(client: httpx.AsyncClient, name: str = "Below", parent: str | None = None) -> dict[str, Any]:
    """A new organization, by default directly below the client's own."""
    body = {"name": name, "parent_org_id": parent or await id_of(client)}
    answer = await client.post(ORGANIZATIONS, json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def refusal(client: httpx.AsyncClient, **body: Any) -> tuple[int, dict[str, Any]]:
    answer = await client.post(ORGANIZATIONS, json=body)
    return answer.status_code, answer.json()


async def test_a_child_has_a_key_of_its_own(app: FastAPI, other_client: httpx.AsyncClient) -> None:
    parent_id = await id_of(other_client)
    made = await make(other_client, "Bakery")
    assert made.keys() == {"id", "name", "parent_org_id", "api_key", "created_at"}
    assert (made["name"], made["parent_org_id"]) == ("Bakery", parent_id)
    async with client_of(app, made["api_key"]) as child:
        found = (await child.get(ORGANIZATIONS)).json()
        assert (found["id"], found["name"], found["parent_org_id"]) == (made["id"], "Bakery", parent_id)
        await child.post("/api/v1/assistants", json={"name": "Ada"})
        assert len((await child.get("/api/v1/assistants")).json()["assistants"]) == 1
    assert (await other_client.get("/api/v1/assistants")).json() == {"assistants": []}


async def test_children_are_listed_on_request_the_newest_first(client: httpx.AsyncClient) -> None:
    assert (await client.get(ORGANIZATIONS, params={"include_children": "true"})).json()["children"] == []
    first, second = await make(client, "First"), await make(client, "Second")
    await make(client, "Below the first", first["id"])
    children = (await client.get(ORGANIZATIONS, params={"include_children": "true"})).json()["children"]
    assert children == [{key: one[key] for key in ("id", "name", "created_at")} for one in (second, first)]
    assert "children" not in (await client.get(ORGANIZATIONS, params={"include_children": "false"})).json()
    assert (await client.get(ORGANIZATIONS, params={"include_children": "perhaps"})).status_code == 400


async def test_only_the_first_organization_makes_top_level_ones(
    app: FastAPI, client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    answer = await client.post(ORGANIZATIONS, json={"name": "Top", "parent_org_id": None})
    assert answer.status_code == 201
    assert answer.json()["parent_org_id"] is None
    status, body = await refusal(other_client, name="Top")
    assert (status, body["error"], body["code"]) == (403, "Forbidden", "forbidden")
    made = await make(client)
    async with client_of(app, made["api_key"]) as child:
        assert (await refusal(child, name="Top"))[0] == 403


async def test_nobody_builds_beside_or_above_themselves(
    app: FastAPI, client: httpx.AsyncClient, other_client: httpx.AsyncClient
) -> None:
    child = await make(client)
    grandchild = await make(client, parent=child["id"])
    assert grandchild["parent_org_id"] == child["id"]
    unknown = await refusal(client, name="x", parent_org_id=new_id())
    assert unknown[0] == 403
    assert await refusal(client, name="x", parent_org_id=await id_of(other_client)) == unknown
    async with client_of(app, child["api_key"]) as below:
        assert await refusal(below, name="x", parent_org_id=await id_of(client)) == unknown
        assert (await make(below, parent=grandchild["id"]))["parent_org_id"] == grandchild["id"]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({}, "name: is required"),
        ({"name": " "}, 'name: must not be blank (got " ")'),
        ({"name": "x" * 201}, "name: must have at most 200 characters (got 201 characters)"),
        ({"name": 7}, "name: must be a string (got 7)"),
        ({"name": "x", "parent_org_id": "mine"}, 'parent_org_id: must be the id of an organization (got "mine")'),
    ],
)
async def test_a_request_that_breaks_a_rule(client: httpx.AsyncClient, body: dict[str, Any], problem: str) -> None:
    status, told = await refusal(client, **body)
    assert (status, told["details"]) == (400, [problem])


async def test_the_levels_end(client: httpx.AsyncClient) -> None:
    parent = await id_of(client)
    for _ in range(tree.MAX_LEVELS - 1):
        parent = (await make(client, parent=parent))["id"]
    status, body = await refusal(client, name="x", parent_org_id=parent)
    assert (status, body["code"]) == (409, "too_many_levels")


async def test_there_are_only_so_many_however_many_ask_at_once(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "MAX_BELOW", 3)
    monkeypatch.setattr(tree, "MAX_TOP_LEVEL", 3)
    parent = await id_of(client)
    below = await asyncio.gather(*(refusal(client, name="x", parent_org_id=parent) for _ in range(6)))
    assert sorted(status for status, _ in below) == [201, 201, 201, 409, 409, 409]
    top = await asyncio.gather(*(refusal(client, name="x") for _ in range(4)))
    assert sorted(status for status, _ in top) == [201, 201, 409, 409]
    assert {body["code"] for status, body in below + top if status == 409} == {"too_many_organizations"}
