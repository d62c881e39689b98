"""Organizations that each own one of everything."""

import asyncio
import wave
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
from sqlalchemy import Table, select

from dialtone.organizations.tables import Organization
from dialtone.platform.db import Base, Database, now
from dialtone.webhooks.tables import WebhookDelivery
from tests.calls.conftest import House
from tests.calls.dialing import FakeDialer
from tests.fakes.resend import FakeResend
from tests.resources.requests import free_number

API = "/api/v1"
CHANGES_BY_ITSELF = {"last_used_at"}
"""Columns that the server writes without being asked."""


@dataclass
class Tenant:
    house: House
    resend: FakeResend
    mark: str
    """A word that all of the organization's texts have, and nobody else's."""
    key: str
    organization_id: str
    client: httpx.AsyncClient
    ids: dict[str, str] = field(default_factory=dict)
    """One of everything, by kind."""

    def own_house(self) -> House:
        """The house, asked with this organization's key."""
        return replace(self.house, key=self.key)

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await self.client.post(f"{API}{path}", json=body)
        assert answer.status_code in (200, 201, 202), (path, answer.text)
        document: dict[str, Any] = answer.json()
        return document

    async def make(self, kind: str) -> str:
        """One more thing of a kind: its id."""
        return await MAKERS[kind](self)

    async def settle(self) -> None:
        """Own one of everything."""
        await self.post("/byok", {"provider": "openai", "api_key": f"sk-{self.mark}"})
        await self.post("/byok", {"provider": "resend", "api_key": f"re_{self.mark}"})
        for kind in MAKERS:
            self.ids[kind] = await self.make(kind)
        shown = await self.client.get(f"{API}/byok")
        self.ids["provider key"] = shown.json()["byok_keys"]["openai_secret_id"]

    def traces(self) -> list[str]:
        """What nobody else may be told."""
        return [self.mark, *self.ids.values()]

    async def rows(self) -> dict[str, list[dict[str, Any]]]:
        """All that the database holds of the organization, by table."""
        await self.house.room.flush()
        return await rows_of(self.house.database, self.organization_id)


async def new_tenant(house: House, resend: FakeResend, mark: str, parent: Tenant | None = None) -> Tenant:
    """An organization without anything. `parent`: it is made below that one."""
    if parent is None:
        organization_id, key = await house.organizations.create("Tenant")
    else:
        body = {"name": "Tenant", "parent_org_id": parent.organization_id}
        made = await parent.post("/organizations", body)
        organization_id, key = made["id"], made["api_key"]
    resend.accounts[f"re_{mark}"] = {}
    return Tenant(house, resend, mark, key, organization_id, house.client(key))


async def rows_of(database: Database, organization_id: str) -> dict[str, list[dict[str, Any]]]:
    found = {}
    async with database.read() as session:
        for table in Base.metadata.sorted_tables:
            owner = table.c.id if table.name == Organization.__tablename__ else table.c.get("organization_id")
            if owner is None:
                continue
            query = select(*_steady(table)).where(owner == organization_id).order_by(*table.primary_key.columns)
            found[table.name] = [dict(row) for row in (await session.execute(query)).mappings()]
    return found


def _steady(table: Table) -> list[Any]:
    return [column for column in table.columns if column.name not in CHANGES_BY_ITSELF]


# One of each kind


async def _trunk(tenant: Tenant) -> str:
    body = {"name": f"Line of {tenant.mark}", "provider": "other", "address": "sip.carrier.example"}
    made = await tenant.post("/sip-trunks", {**body, "auth_username": "u", "auth_password": f"pw {tenant.mark}"})
    return str(made["trunk"]["id"])


async def _assistant(tenant: Tenant) -> str:
    body = {
        "name": f"Ada of {tenant.mark}",
        "first_message": f"This is {tenant.mark}.",
        "webhook_url": f"https://{tenant.mark}.example.com/hook",
        "webhook_secret": f"secret of {tenant.mark}",
        "webhook_events": [],
    }
    return str((await tenant.post("/assistants", body))["assistant"]["id"])


async def _number(tenant: Tenant) -> str:
    links = {"assistant_id": tenant.ids["assistant"], "transfer_trunk_id": tenant.ids["trunk"]}
    made = await tenant.post("/numbers", {"phone_number": free_number(), "name": tenant.mark, **links})
    return str(made["number"]["id"])


async def _tool_template(tenant: Tenant) -> str:
    body = {"name": "look_up", "tool_type": "function", "tool_config": {"description": tenant.mark}}
    return str((await tenant.post("/tool-templates", body))["tool_template"]["id"])


async def _analysis_template(tenant: Tenant) -> str:
    body = {"name": tenant.mark, "system_prompt": "Be exact.", "user_prompt": "{transcript}", "schema": {}}
    return str((await tenant.post("/analysis-templates", body))["analysis_template"]["id"])


async def _api_key(tenant: Tenant) -> str:
    return str((await tenant.post("/api-keys", {"name": f"Key of {tenant.mark}"}))["api_key"]["id"])


async def _chat_message(tenant: Tenant) -> str:
    body = {"contact_id": "+31201234567", "channel": "web", "role": "user", "content": f"I am {tenant.mark}."}
    return str((await tenant.post("/chats", {**body, "agent_id": tenant.ids["assistant"]}))["id"])


async def _organization_below(tenant: Tenant) -> str:
    body = {"name": f"Below {tenant.mark}", "parent_org_id": tenant.organization_id}
    return str((await tenant.post("/organizations", body))["id"])


async def _domain(tenant: Tenant) -> str:
    """Made once; afterwards its id at Resend."""
    shown = (await tenant.client.get(f"{API}/domains")).json()["domain"]
    if shown is None:
        shown = (await tenant.post("/domains", {"domain_name": f"{tenant.mark}.example.com"}))["domain"]
    return str(shown["resend_domain_id"])


async def _waiting_call(tenant: Tenant) -> str:
    """A web call whose token nobody used."""
    return str((await tenant.post("/web-calls", {"assistant_id": tenant.ids["assistant"]}))["call_id"])


async def _live_call(tenant: Tenant) -> str:
    """One that is spoken in, and recorded."""
    call_id, running, _ = await tenant.own_house().begin(assistant_id=tenant.ids["assistant"])
    running.journal.message("user", f"I am {tenant.mark}.")
    path = running.plan.recording_path
    assert path is not None
    await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(tenant.mark.encode() * 4)
    await tenant.house.room.flush()
    return call_id


async def _ended_call(tenant: Tenant) -> str:
    live = tenant.house.room.live
    assert live is not None
    before = set(live._running)
    call_id, running, _ = await tenant.own_house().begin(assistant_id=tenant.ids["assistant"])
    running.end("user_hangup")
    await asyncio.wait(live._running - before)
    await tenant.house.room.flush()
    return call_id


async def _webhook_delivery(tenant: Tenant) -> str:
    """One that arrived."""
    parts = tenant.house.app.state.parts
    row = WebhookDelivery(
        organization_id=tenant.organization_id,
        call_id=tenant.ids["ended call"],
        event="end-of-call-report",
        status="delivered",
        url=f"https://{tenant.mark}.example.com/hook",
        body=await asyncio.to_thread(parts.secrets.encrypt, f'{{"message": "{tenant.mark}"}}'),
        keeps_content=True,
        tried_from=now(),
        finished_at=now(),
    )
    async with tenant.house.database.write() as session:
        session.add(row)
    return row.id


async def _outbound_call(tenant: Tenant) -> str:
    """One that nobody answers yet."""
    if not tenant.house.room.dialers:
        tenant.house.room.dialers.append(FakeDialer())
    body = {"destination": free_number(), "assistant_id": tenant.ids["assistant"], "number_id": tenant.ids["number"]}
    return str((await tenant.post("/calls/outbound", body))["call_id"])


async def _erasure(tenant: Tenant) -> str:
    """One of a number that nobody has, done."""
    erasure_id = str((await tenant.post("/privacy/erase", {"phone_number": free_number()}))["erasure"]["id"])
    async with asyncio.timeout(10):
        while (await _erasure_of(tenant, erasure_id))["status"] == "running":  # noqa: ASYNC110 - another task's work
            await asyncio.sleep(0.01)
    return erasure_id


async def _erasure_of(tenant: Tenant, erasure_id: str) -> dict[str, Any]:
    erasure: dict[str, Any] = (await tenant.client.get(f"{API}/privacy/erasures/{erasure_id}")).json()["erasure"]
    return erasure


MAKERS: dict[str, Callable[[Tenant], Awaitable[str]]] = {
    "trunk": _trunk,
    "assistant": _assistant,
    "number": _number,
    "tool template": _tool_template,
    "analysis template": _analysis_template,
    "api key": _api_key,
    "chat message": _chat_message,
    "organization below": _organization_below,
    "domain": _domain,
    "waiting call": _waiting_call,
    "live call": _live_call,
    "ended call": _ended_call,
    "webhook delivery": _webhook_delivery,
    "outbound call": _outbound_call,
    "erasure": _erasure,
}
