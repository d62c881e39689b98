"""What an organization sees and changes of itself."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from dialtone.organizations.tables import Organization

ORGANIZATIONS = "/api/v1/organizations"
UNSET = {
    "content_retention_days": None,
    "metadata_retention_days": None,
    "webhook_url": None,
    "webhook_secret": None,
}


async def get(client: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    answer = await client.get(ORGANIZATIONS, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def patch(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    return await client.patch(ORGANIZATIONS, json=body)


async def details(client: httpx.AsyncClient, **body: Any) -> list[str]:
    answer = await patch(client, **body)
    assert answer.status_code == 400, answer.text
    found: list[str] = answer.json()["details"]
    return found


async def test_a_new_organization(client: httpx.AsyncClient) -> None:
    found = await get(client)
    assert found.pop("id")
    assert found == {
        "name": "Default",
        "minutes_balance": 0,
        "monthly_usage_minutes": 0,
        "active_numbers": 0,
        "active_agents": 0,
        "active_calls": 0,
        "has_local_models_access": True,
        "parent_org_id": None,
        **UNSET,
    }


async def test_the_account_is_the_organization_as_older_clients_know_it(client: httpx.AsyncClient) -> None:
    account = (await client.get("/api/v1/account")).json()
    assert account == {**await get(client), "company_name": "Default", "email": None}


async def test_what_is_active_is_counted(client: httpx.AsyncClient, other_client: httpx.AsyncClient) -> None:
    for active in (True, True, False):
        answer = await client.post("/api/v1/assistants", json={"name": "Ada", "is_active": active})
        assert answer.status_code == 201
    for number, active in (("+31201234567", True), ("+31201234568", False)):
        answer = await client.post("/api/v1/numbers", json={"phone_number": number, "is_active": active})
        assert answer.status_code == 201, answer.text
    found, other = await get(client), await get(other_client)
    assert (found["active_agents"], found["active_numbers"]) == (2, 1)
    assert (other["active_agents"], other["active_numbers"]) == (0, 0)


async def test_retention_is_set_as_a_pair(client: httpx.AsyncClient, other_client: httpx.AsyncClient) -> None:
    answer = await patch(client, content_retention_days=90, metadata_retention_days=730)
    assert answer.status_code == 200
    assert answer.json() == {**UNSET, "content_retention_days": 90, "metadata_retention_days": 730}
    assert (await get(client)).items() >= answer.json().items()
    assert (await get(other_client)).items() >= UNSET.items()
    assert (await patch(client, content_retention_days=365, metadata_retention_days=365)).status_code == 200


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({}, "content_retention_days: is required"),
        ({"content_retention_days": 30}, "metadata_retention_days: is required"),
        ({"metadata_retention_days": 30}, "content_retention_days: is required"),
        ({"metadata_retention_days": 30, "webhook_url": None}, "content_retention_days: is required"),
        (
            {"content_retention_days": 31, "metadata_retention_days": 90},
            "content_retention_days: must be one of 30, 90, 180 or 365 (got 31)",
        ),
        (
            {"content_retention_days": 730, "metadata_retention_days": 730},
            "content_retention_days: must be one of 30, 90, 180 or 365 (got 730)",
        ),
        (
            {"content_retention_days": "30", "metadata_retention_days": 90},
            'content_retention_days: must be one of 30, 90, 180 or 365 (got "30")',
        ),
        (
            {"content_retention_days": 180, "metadata_retention_days": 90},
            "content_retention_days: must be at most metadata_retention_days, 90 (got 180)",
        ),
        (
            {"content_retention_days": None, "metadata_retention_days": 90},
            "content_retention_days and metadata_retention_days: must both be set",
        ),
    ],
)
async def test_retention_that_breaks_a_rule(client: httpx.AsyncClient, body: dict[str, Any], problem: str) -> None:
    assert problem in await details(client, **body)
    assert (await get(client)).items() >= UNSET.items()


async def test_a_period_that_was_set_is_not_unset(client: httpx.AsyncClient) -> None:
    await patch(client, content_retention_days=30, metadata_retention_days=30)
    problems = await details(client, content_retention_days=None, metadata_retention_days=None)
    assert problems == [
        "content_retention_days: must be one of 30, 90, 180, 365 (got null)",
        "metadata_retention_days: must be one of 30, 90, 180, 365, 730 (got null)",
    ]


async def test_the_webhook_is_set_alone_and_its_secret_never_shown(app: FastAPI, client: httpx.AsyncClient) -> None:
    answer = await patch(client, webhook_url="https://example.com/calls", webhook_secret="whsec-of-the-account")
    assert answer.status_code == 200
    assert answer.json() == {**UNSET, "webhook_url": "https://example.com/calls", "webhook_secret": "********"}
    assert "whsec-of-the-account" not in (await client.get(ORGANIZATIONS)).text

    async def stored() -> str | None:
        async with app.state.parts.database.read() as session:
            secret: str | None = await session.scalar(select(Organization.webhook_secret))
            return secret

    first = await stored()
    assert first is not None
    assert app.state.parts.secrets.decrypt(first) == "whsec-of-the-account"
    await patch(client, webhook_secret="********")
    assert await stored() == first
    await patch(client, webhook_secret=None)
    assert await stored() is None
    assert (await get(client))["webhook_url"] == "https://example.com/calls"
    assert await details(client, webhook_secret="********") == [
        "webhook_secret: is the mask of a secret, and none is stored; give the secret itself"
    ]


async def test_what_was_read_can_be_sent_back(client: httpx.AsyncClient) -> None:
    for change in ({}, {"content_retention_days": 30, "metadata_retention_days": 90, "webhook_secret": "s3cret"}):
        if change:
            await patch(client, **change)
        before = (await client.get("/api/v1/account", params={"include_children": True})).json()
        answer = await patch(client, **before)
        assert answer.status_code == 200, answer.text
        assert answer.headers["X-Ignored-Fields"] == "name"
        assert (await client.get("/api/v1/account", params={"include_children": True})).json() == before


async def test_unknown_fields_are_named(client: httpx.AsyncClient) -> None:
    answer = await patch(client, content_retention_days=30, metadata_retention_days=30, colour="red")
    assert answer.headers["X-Ignored-Fields"] == "colour"
