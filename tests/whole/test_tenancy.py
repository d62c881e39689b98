"""Organizations see nothing of one another: every route, asked by one organization for what is another's.

The walk goes over the routes of the app itself, so that a new one without a case here fails. Each is asked by a
stranger, by the organization above and by one below.
"""

import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from pydantic import SecretStr

from dialtone.byok.carriers import ENTRIES
from dialtone.media.audio import PCM_16K
from dialtone.platform.fields import READ_ONLY
from dialtone.settings import Settings
from tests.calls.conftest import House, open_house
from tests.fakes.resend import FakeResend
from tests.resources.requests import free_number
from tests.whole.tenants import API, Tenant, new_tenant

RELATIONS = [
    ("sqlite", "stranger"),
    ("sqlite", "parent"),
    ("sqlite", "child"),
    pytest.param("postgresql", "stranger", marks=pytest.mark.postgresql),
]
"""What the asker is to the owner; statements are scoped alike, whoever asks."""
SAY = {"type": "say", "content": "Hello.", "end_after": False}
CONTACT = {"contact_id": "+31201234567"}
CHAT = {**CONTACT, "channel": "web", "role": "user", "content": "Hello."}


@dataclass(frozen=True)
class Case:
    """How a route is asked in a way that it takes."""

    body: Mapping[str, Any] | None = None
    query: Mapping[str, Any] = field(default_factory=dict)
    of: str | None = None
    """What the id in its path is of."""
    shows: str | None = None
    """What of the organization's own is in its list."""


def _crud(path: str, of: str, body: Mapping[str, Any], parameter: str, change: Mapping[str, Any]) -> dict[str, Case]:
    one = f"{API}{path}/{{{parameter}}}"
    return {
        f"GET {API}{path}": Case(shows=of),
        f"POST {API}{path}": Case(body),
        f"GET {one}": Case(of=of),
        f"PATCH {one}": Case(change, of=of),
        f"DELETE {one}": Case(of=of),
    }


NAME = {"name": "a_name"}
TOOL = {**NAME, "tool_type": "end_call", "tool_config": {}}
ANALYSIS = {**NAME, "system_prompt": "s", "user_prompt": "u", "schema": {}}
TRUNK = {**NAME, "provider": "p", "address": "sip.example.com"}

CASES: dict[str, Case] = {
    "GET /health": Case(),
    f"GET {API}/health": Case(),
    f"GET {API}/deployment": Case(),
    f"GET {API}/voices": Case(),
    f"GET {API}/api-keys": Case(shows="api key"),
    f"POST {API}/api-keys": Case(NAME),
    f"DELETE {API}/api-keys/{{api_key_id}}": Case(of="api key"),
    **_crud("/assistants", "assistant", NAME, "assistant_id", NAME),
    **_crud("/agents", "assistant", NAME, "assistant_id", NAME),
    **_crud("/sip-trunks", "trunk", TRUNK, "trunk_id", NAME),
    f"GET {API}/sip-trunks/{{trunk_id}}/events": Case(of="trunk"),
    **_crud("/numbers", "number", {"phone_number": free_number()}, "number_id", NAME),
    **_crud("/tool-templates", "tool template", TOOL, "template_id", NAME),
    **_crud("/analysis-templates", "analysis template", ANALYSIS, "template_id", NAME),
    f"GET {API}/organizations": Case(query={"include_children": True}, shows="organization below"),
    f"POST {API}/organizations": Case({**NAME, "parent_org_id": "own organization"}),
    f"PATCH {API}/organizations": Case({"content_retention_days": 30, "metadata_retention_days": 365}),
    f"GET {API}/account": Case(query={"include_children": True}, shows="organization below"),
    f"GET {API}/byok": Case(shows="provider key"),
    f"POST {API}/byok": Case({"provider": "openai", "api_key": "sk-other"}),
    f"GET {API}/byok/config": Case(),
    f"POST {API}/byok/config": Case({"provider": "openai", "config": {"note": "x"}}),
    f"DELETE {API}/byok": Case({"provider": "openai"}),
    f"GET {API}/domains": Case(shows="domain"),
    f"GET {API}/domains/sync": Case(shows="domain"),
    f"POST {API}/domains/verify": Case(),
    f"POST {API}/domains/refresh": Case(),
    f"POST {API}/domains/sync": Case({"resendDomainId": "domain"}),
    f"DELETE {API}/domains": Case(),
    f"POST {API}/domains": Case({"domain_name": "a.example.com"}),
    f"POST {API}/chats": Case(CHAT),
    f"GET {API}/chats": Case(query=CONTACT, shows="chat message"),
    f"GET {API}/chats/context": Case(query=CONTACT, shows="chat message"),
    f"DELETE {API}/chats/{{message_id}}": Case(of="chat message"),
    f"GET {API}/calls": Case(shows="ended call"),
    f"GET {API}/calls/{{call_id}}": Case(of="live call"),
    f"GET {API}/calls/{{call_id}}/recording": Case(query={"signed": "live call"}, of="live call"),
    f"POST {API}/calls/outbound": Case({"destination": "+31201234567", "assistant_id": "assistant"}),
    f"POST {API}/calls/{{call_id}}/control": Case(SAY, of="live call"),
    f"GET {API}/usage": Case(shows="ended call"),
    f"POST {API}/web-calls": Case({"assistant_id": "assistant"}),
    "POST /v1/web-calls": Case({"assistant_id": "assistant"}),
    f"GET {API}/webhook-deliveries": Case(shows="webhook delivery"),
    f"GET {API}/webhook-deliveries/{{delivery_id}}": Case(of="webhook delivery"),
    f"POST {API}/webhook-deliveries/{{delivery_id}}/replay": Case(of="webhook delivery"),
    f"POST {API}/privacy/erase": Case({"phone_number": free_number()}),
    f"GET {API}/privacy/erasures/{{erasure_id}}": Case(of="erasure"),
    f"GET {API}/audit-log": Case(shows="erasure"),
}
"""In the order in which they are asked. A value that names a kind stands for the asker's own thing of it."""

REFERENCES: dict[str, str] = {
    f"POST {API}/numbers assistant_id": "assistant",
    f"POST {API}/numbers agent_id": "assistant",
    f"POST {API}/numbers transfer_trunk_id": "trunk",
    f"PATCH {API}/numbers/{{number_id}} assistant_id": "assistant",
    f"PATCH {API}/numbers/{{number_id}} agent_id": "assistant",
    f"PATCH {API}/numbers/{{number_id}} transfer_trunk_id": "trunk",
    f"POST {API}/chats assistant_id": "assistant",
    f"POST {API}/chats agent_id": "assistant",
    f"GET {API}/chats assistant_id": "assistant",
    f"GET {API}/chats agent_id": "assistant",
    f"GET {API}/chats/context assistant_id": "assistant",
    f"GET {API}/chats/context agent_id": "assistant",
    f"GET {API}/calls assistant_id": "assistant",
    f"GET {API}/calls agent_id": "assistant",
    f"GET {API}/calls number_id": "number",
    f"GET {API}/webhook-deliveries call_id": "ended call",
    f"POST {API}/calls/outbound assistant_id": "assistant",
    f"POST {API}/calls/outbound agent_id": "assistant",
    f"POST {API}/calls/outbound number_id": "number",
    f"POST {API}/web-calls assistant_id": "assistant",
    f"POST {API}/web-calls agent_id": "assistant",
    "POST /v1/web-calls assistant_id": "assistant",
    f"POST {API}/organizations parent_org_id": "organization below",
    f"POST {API}/domains/sync resendDomainId": "domain",
}
"""Fields and parameters that name something, and of which kind."""

NOT_OF_AN_ORGANIZATION = {"contact_id", "workflow_id", "voice_id", "vector_store_ids", "mcp_server_id"} | {
    name for carrier in ENTRIES.values() for name in carrier.settings
}
"""Names that a customer, a vendor or a carrier gives, and references to what there is none of yet."""

CARRIERS = {
    f"{method} /carriers/{{carrier}}/{{hook}}{token}" for method in ("GET", "POST") for token in ("", "/{token}")
}
"""Asked without a key, by carriers. What one organization's carrier reaches of another's is asked in
test_carriers_twilio.py::test_what_is_not_genuine_is_refused_without_a_word_why.
"""


def routes(app: FastAPI) -> set[str]:
    found = {
        f"{method} {context.path}"
        for context in iter_route_contexts(app.routes)
        for method in context.methods or ()
        if method != "HEAD"
    }
    return found - {"GET /openapi.json"} - CARRIERS


@asynccontextmanager
async def two_tenants(settings: Settings, relation: str = "stranger") -> AsyncIterator[tuple[Tenant, Tenant]]:
    """The owner, and who asks for what is the owner's."""
    async with FakeResend() as resend:
        with_resend = settings.model_copy(
            update={
                "resend_base_url": resend.url,
                "byok_to_base_urls": True,
                "openai_api_key": SecretStr("sk-deployment"),
                "deepgram_api_key": SecretStr("dg-deployment"),
                "elevenlabs_api_key": SecretStr("el-deployment"),
            }
        )
        async with open_house(with_resend) as house:
            if relation == "parent":
                asker = await new_tenant(house, resend, "zephyr")
                owner = await new_tenant(house, resend, "quagga", parent=asker)
            else:
                owner = await new_tenant(house, resend, "quagga")
                asker = await new_tenant(house, resend, "zephyr", parent=owner if relation == "child" else None)
            try:
                await owner.settle()
                await asker.settle()
                yield owner, asker
            finally:
                await owner.client.aclose()
                await asker.client.aclose()


async def _own(value: Any, asker: Tenant) -> Any:
    if value == "own organization":
        return asker.organization_id
    return asker.ids.get(value, value) if isinstance(value, str) else value


async def _ask(asker: Tenant, route: str, row_id: str = "", more: Mapping[str, Any] | None = None) -> httpx.Response:
    """Ask as the case says; `row_id` stands in the path, `more` is in the body, or in the query of what has none."""
    method, path = route.split()
    case = CASES[route]
    start, brace, rest = path.partition("{")
    filled = start + (row_id + rest.partition("}")[2] if brace else "")
    given = {name: await _own(value, asker) for name, value in {**(case.body or {}), **case.query}.items()}
    if "signed" in given:
        given = await _signature(asker, row_id)
    given.update(more or {})
    if case.body is None:
        return await asker.client.request(method, filled, params=given)
    if "phone_number" in given:
        given["phone_number"] = free_number()
    if more and {"agent_id", "assistant_id"} & more.keys() and "assistant_id" in given and "assistant_id" not in more:
        del given["assistant_id"]  # two names of one field
    return await asker.client.request(method, filled, json=given)


async def _signature(asker: Tenant, row_id: str) -> dict[str, Any]:
    """Of the row's recording where the asker can read it, else of the asker's own."""
    for call_id in (row_id, asker.ids["live call"]):
        url = (await asker.client.get(f"{API}/calls/{call_id}")).json().get("recording_url")
        if url:
            return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    raise AssertionError("no recording")


def _told(answer: httpx.Response, *ids: str) -> tuple[int, str, dict[str, str]]:
    """All that an answer says but how often the asker may ask, with the ids that were asked for left out."""
    text = answer.text
    for row_id in ids:
        text = text.replace(row_id, "<id>")
    headers = {name: value for name, value in answer.headers.items() if not name.startswith("x-ratelimit-")}
    return answer.status_code, text, headers


async def test_every_route_has_a_case(settings: Settings) -> None:
    async with open_house(settings) as house:
        assert routes(house.app) == CASES.keys()


@pytest.mark.parametrize(("database_url", "relation"), RELATIONS, indirect=["database_url"])
async def test_no_route_shows_or_changes_what_is_anothers(settings: Settings, relation: str) -> None:
    async with two_tenants(settings, relation) as (owner, asker):
        before = await owner.rows()
        for route, case in CASES.items():
            if case.of is not None:
                foreign = await _ask(asker, route, owner.ids[case.of])
                unknown = await _ask(asker, route, str(uuid.uuid4()))
                assert foreign.status_code == (403 if "recording" in route else 404), route
                assert _told(foreign) == _told(unknown), route
            own = await _ask(asker, route, await asker.make(case.of) if case.of else "")
            assert own.status_code in (200, 201, 202), (route, own.text)
            assert [trace for trace in owner.traces() if trace.encode() in own.content] == [], route
            assert await owner.rows() == before, route


async def test_lists_show_what_is_ones_own(settings: Settings) -> None:
    """Or else the walk above would prove nothing of them."""
    async with two_tenants(settings) as (owner, _):
        for route, case in CASES.items():
            if case.shows is not None:
                answer = await _ask(owner, route)
                assert owner.ids[case.shows] in answer.text or owner.mark in answer.text, route


def _references(app: FastAPI) -> Iterator[str]:
    """Every field of a body, and every parameter, that is named like an id, as the API's description has them."""
    document = app.openapi()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            names = set(_fields(schema, document["components"]["schemas"], set()))
            names |= {each["name"] for each in operation.get("parameters", []) if each["in"] == "query"}
            for name in names - READ_ONLY - NOT_OF_AN_ORGANIZATION:
                if name.endswith(("_id", "Id", "_ids")):
                    yield f"{method.upper()} {path} {name}"


def _fields(schema: Mapping[str, Any], components: Mapping[str, Any], seen: set[str]) -> Iterator[str]:
    if (reference := schema.get("$ref")) is not None:
        if reference not in seen:
            seen.add(reference)
            yield from _fields(components[reference.rpartition("/")[2]], components, seen)
        return
    yield from schema.get("properties", {})
    parts = [part for word in ("anyOf", "oneOf", "allOf") for part in schema.get(word, [])]
    for each in [*schema.get("properties", {}).values(), *parts]:
        yield from _fields(each, components, seen)
    if isinstance(items := schema.get("items"), dict):
        yield from _fields(items, components, seen)


async def test_every_reference_has_a_case(settings: Settings) -> None:
    async with open_house(settings) as house:
        assert set(_references(house.app)) <= REFERENCES.keys()


@pytest.mark.parametrize(("database_url", "relation"), RELATIONS, indirect=["database_url"])
async def test_a_reference_to_what_is_anothers_is_one_to_nothing(settings: Settings, relation: str) -> None:
    async with two_tenants(settings, relation) as (owner, asker):
        before = await owner.rows()
        for reference, kind in REFERENCES.items():
            route, _, name = reference.rpartition(" ")
            if name == "parent_org_id" and relation == "parent":
                continue  # the owner's tree is the asker's too
            row_id = asker.ids["number"] if "{" in route else ""
            own = await _ask(asker, route, row_id, {name: asker.ids[kind]})
            assert own.status_code in (200, 201, 202), (reference, own.text)
            unknown_id = str(uuid.uuid4())
            foreign = await _ask(asker, route, row_id, {name: owner.ids[kind]})
            unknown = await _ask(asker, route, row_id, {name: unknown_id})
            assert route.startswith("GET") or foreign.status_code in (400, 403, 404), (reference, foreign.text)
            assert _told(foreign, owner.ids[kind]) == _told(unknown, unknown_id), reference
            assert await owner.rows() == before, reference


async def test_a_token_opens_its_own_organizations_call_only(settings: Settings) -> None:
    async with two_tenants(settings) as (owner, asker):
        for tenant in (owner, asker):
            call_id, running, _ = await tenant.own_house().begin(assistant_id=tenant.ids["assistant"])
            assert running.plan.organization_id == tenant.organization_id
            assert running.plan.first_message == f"This is {tenant.mark}."
            assert (await tenant.client.get(f"{API}/calls/{call_id}")).status_code == 200
        used = (await owner.post("/web-calls", {"assistant_id": owner.ids["assistant"]}))["token"]
        assert not hasattr(await owner.house.room._claim(used, PCM_16K), "message")
        again = await owner.house.room._claim(used, PCM_16K)
        unknown = await owner.house.room._claim("wc_nobody", PCM_16K)
        assert again == unknown


@pytest.mark.postgresql
async def test_no_node_asks_another_for_a_call_that_is_anothers(tmp_path: Path, postgresql_url: str) -> None:
    first, second = (
        Settings(
            data_dir=tmp_path / name,
            database_url=postgresql_url,
            api_key=SecretStr("fl_test_of_two_nodes"),
            secret_key=SecretStr("a secret key that both nodes share"),
        )
        for name in ("first", "second")
    )
    async with two_tenants(first) as (owner, asker), open_house(second) as other_node:
        await _control_through(other_node, owner, asker)


async def _control_through(second: House, owner: Tenant, asker: Tenant) -> None:
    """Through the second node, a call that lives on the first."""
    async with second.client(owner.key) as owners, second.client(asker.key) as askers:
        path = f"{API}/calls/{owner.ids['live call']}/control"
        foreign = await askers.post(path, json=SAY)
        unknown = await askers.post(f"{API}/calls/{uuid.uuid4()}/control", json=SAY)
        assert foreign.status_code == 404
        assert _told(foreign) == _told(unknown)
        assert owner.house.engine.commands == []
        assert (await owners.post(path, json=SAY)).status_code == 200
        assert [call_id for call_id, _ in owner.house.engine.commands] == [owner.ids["live call"]]
