"""A calls house whose customer's server is a fake, and time that passes when the test says so."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from dialtone.platform.db import now
from dialtone.settings import Settings
from tests.calls.conftest import House, build_house
from tests.fakes.webhook_receiver import WebhookReceiver

SECRET = "whsec of the tests"


@dataclass
class Clock:
    """The present moment, and what the test has let pass on top."""

    passed: timedelta = timedelta()

    def __call__(self) -> Any:
        return now() + self.passed


@dataclass
class Desk:
    """A house, a customer's server, and the way between them."""

    house: House
    receiver: WebhookReceiver
    clock: Clock

    async def assistant(self, **fields: Any) -> str:
        body = {"name": "Ada", "webhook_url": self.receiver.url, "webhook_secret": SECRET, **fields}
        async with self.house.client() as client:
            answer = await client.post("/api/v1/assistants", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["assistant"]["id"])

    async def deliveries(self, key: str | None = None, **filters: Any) -> list[dict[str, Any]]:
        async with self.house.client(key) as client:
            answer = await client.get("/api/v1/webhook-deliveries", params=filters)
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()["webhook_deliveries"]
        return rows

    async def delivery(self, delivery_id: str) -> dict[str, Any]:
        async with self.house.client() as client:
            answer = await client.get(f"/api/v1/webhook-deliveries/{delivery_id}")
        assert answer.status_code == 200, answer.text
        row: dict[str, Any] = answer.json()["webhook_delivery"]
        return row

    async def until(self, settled: Callable[[list[dict[str, Any]]], bool], **filters: Any) -> list[dict[str, Any]]:
        """The log, once it is as it should be."""
        async with asyncio.timeout(20):
            while not settled(rows := await self.deliveries(**filters)):  # noqa: ASYNC110 - the API tells no changes
                await asyncio.sleep(0.02)
        return rows

    def pass_time(self, seconds: float) -> None:
        """Jobs that are due by then begin."""
        self.clock.passed += timedelta(seconds=seconds)
        self.house.app.state.parts.jobs.wake()

    async def settings(self, **fields: Any) -> None:
        """Change the organization."""
        async with self.house.client() as client:
            answer = await client.patch("/api/v1/organizations", json=fields)
        assert answer.status_code == 200, answer.text


def everything_is(*statuses: str) -> Callable[[list[dict[str, Any]]], bool]:
    """The statuses of all deliveries, oldest first."""
    return lambda rows: [row["status"] for row in reversed(rows)] == list(statuses)


@pytest.fixture
async def desk(settings: Settings) -> AsyncIterator[Desk]:
    """On both databases."""
    house, clock = build_house(settings.model_copy(update={"allow_private_addresses": True})), Clock()
    parts = house.app.state.parts
    parts.jobs._clock = parts.jobs._runner._clock = clock
    parts.webhooks._deliverer._clock = parts.webhooks.webhooks._clock = clock
    async with WebhookReceiver() as receiver, house.app.router.lifespan_context(house.app):
        try:
            yield Desk(house, receiver, clock)
        finally:
            house.engine.end_calls("server_shutdown")
