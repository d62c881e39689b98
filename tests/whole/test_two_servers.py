"""Two servers in processes of their own on one database, asked the same things at the same time.

Whoever comes second gets a clear answer, nothing is half done, and no answer is a server's error.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from dialtone.assistants.service import MAX_ASSISTANTS
from dialtone.organizations.keys import MAX_KEYS
from dialtone.organizations.tree import MAX_BELOW
from dialtone.platform.auth import CACHE_SECONDS
from dialtone.templates.analysis_templates import MAX_ANALYSIS_TEMPLATES
from dialtone.trunks.service import MAX_TRUNKS
from tests.conftest import BOTH_DATABASES, empty_database
from tests.fakes.resend import FakeResend
from tests.resources.requests import TRUNK, free_number
from tests.whole.copied_rows import copy_row
from tests.whole.processes import KEY, beside, served

pytestmark = pytest.mark.asyncio(loop_scope="module")

API = "/api/v1"
RATE_LIMIT = 100_000
"""Requests a minute of one key: more than these tests make."""
RESEND_KEY = "re_fake"
ROUNDS = 3


@dataclass
class Pair:
    database_url: str
    urls: tuple[str, str]
    resend: FakeResend

    def clients(self, key: str) -> tuple[httpx.AsyncClient, httpx.AsyncClient]:
        """One to each server."""
        limits, headers = httpx.Limits(max_connections=30), {"Authorization": f"Bearer {key}"}
        first, second = (
            httpx.AsyncClient(base_url=f"{url}{API}", headers=headers, limits=limits, timeout=60) for url in self.urls
        )
        return first, second


@pytest.fixture(scope="module", params=BOTH_DATABASES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    home: Path = tmp_path_factory.mktemp("pair")
    if request.param == "sqlite":
        with _serving(home, f"sqlite:///{home / 'shared.db'}") as found:
            yield found
        return
    with empty_database(request.getfixturevalue("postgresql_server")) as url, _serving(home, url) as found:
        yield found


@contextmanager
def _serving(home: Path, database_url: str) -> Iterator[Pair]:
    resend = FakeResend(RESEND_KEY)
    with ExitStack() as stack:
        stack.enter_context(beside(resend))
        settings = {"rate_limit": str(RATE_LIMIT), "RESEND_API_KEY": RESEND_KEY, "RESEND_BASE_URL": resend.url}
        starting = [served(home / name, database_url, **settings) for name in ("a", "b")]
        with ThreadPoolExecutor() as pool:  # on an empty database, both at once
            servers = list(pool.map(stack.enter_context, starting))
        first, second = servers
        yield Pair(database_url, (first.url, second.url), resend)
        assert [line for server in servers for line in server.complaints()] == []


@dataclass
class Organization:
    """One of a test's own, and clients of it at both servers."""

    id: str
    key: str
    first: httpx.AsyncClient
    second: httpx.AsyncClient

    async def all(
        self, *requests: tuple[str, str, dict[str, Any] | None], key: str | None = None
    ) -> list[httpx.Response]:
        """Requests at the same time, to one server and the other in turn. None of them may fail for the servers."""
        servers, headers = cycle((self.first, self.second)), {"Authorization": f"Bearer {key or self.key}"}
        answers = await asyncio.gather(
            *(next(servers).request(method, path, json=body, headers=headers) for method, path, body in requests)
        )
        assert all(answer.status_code < 500 for answer in answers), [answer.text for answer in answers]
        return answers

    async def make(self, path: str, **fields: Any) -> dict[str, Any]:
        answer = await self.first.post(path, json=fields)
        assert answer.status_code == 201, answer.text
        document: dict[str, Any] = answer.json()
        wrapped = (value for value in document.values() if isinstance(value, dict) and "id" in value)
        return document if "id" in document else next(wrapped)

    async def read(self, path: str) -> Any:
        """What both servers answer."""
        answers = [await client.get(path) for client in (self.first, self.second)]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert answers[0].json() == answers[1].json()
        return answers[0].json()


@pytest_asyncio.fixture(loop_scope="module")
async def organization(pair: Pair) -> AsyncIterator[Organization]:
    async with httpx.AsyncClient(base_url=f"{pair.urls[0]}{API}", timeout=60) as operator:
        answer = await operator.post("/organizations", json={"name": "One"}, headers={"Authorization": f"Bearer {KEY}"})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    first, second = pair.clients(made["api_key"])
    async with first, second:
        yield Organization(made["id"], made["api_key"], first, second)


def statuses(answers: list[httpx.Response]) -> dict[int, int]:
    return dict(Counter(answer.status_code for answer in answers))


@dataclass
class Revoked:
    """A key that one server revoked while the other knew it."""

    seconds: asyncio.Task[float]
    """For how long the other one went on taking it."""


@pytest_asyncio.fixture(loop_scope="module", scope="module", autouse=True)
async def revoked(pair: Pair) -> AsyncIterator[Revoked]:
    """Asked all the while, beside the other tests: this takes as long as the promise is."""
    first, second = pair.clients(KEY)
    async with first, second:
        made = (await first.post("/api-keys", json={"name": "Lost"})).json()["api_key"]
        asking = {"Authorization": f"Bearer {made['key']}"}

        async def until_refused() -> float:
            began = time.monotonic()
            async for answer in _answers(second, asking):
                if answer.status_code == 401:
                    break
            return time.monotonic() - began

        assert (await second.get("/byok/config", headers=asking)).status_code == 200
        assert (await first.delete(f"/api-keys/{made['id']}")).status_code == 200
        assert (await first.get("/byok/config", headers=asking)).status_code == 401
        task = asyncio.create_task(until_refused())
        yield Revoked(task)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _answers(client: httpx.AsyncClient, headers: dict[str, str]) -> AsyncIterator[httpx.Response]:
    """One after the other, with pauses that leave the machine to others."""
    while True:
        yield await client.get("/byok/config", headers=headers)
        await asyncio.sleep(0.1)


async def test_one_of_many_gets_a_number(organization: Organization) -> None:
    for _ in range(ROUNDS):
        number = free_number()
        answers = await organization.all(*[("POST", "/numbers", {"phone_number": number})] * 20)
        assert statuses(answers) == {201: 1, 409: 19}
        listed = (await organization.read("/numbers"))["numbers"]
        assert [one["phone_number"] for one in listed].count(number) == 1


async def test_no_number_keeps_an_assistant_or_a_trunk_that_is_gone(organization: Organization) -> None:
    numbers = [await organization.make("/numbers", phone_number=free_number()) for _ in range(4)]
    for _ in range(ROUNDS):
        assistant, trunk = (
            await organization.make("/assistants", name="A"),
            await organization.make("/sip-trunks", **TRUNK),
        )
        links = {"agent_id": assistant["id"], "transfer_trunk_id": trunk["id"]}
        change = [("PATCH", f"/numbers/{number['id']}", links) for number in numbers]
        create = [("POST", "/numbers", {"phone_number": free_number(), **links}) for _ in range(3)]
        gone: list[tuple[str, str, dict[str, Any] | None]] = [
            ("DELETE", f"/assistants/{assistant['id']}", None),
            ("DELETE", f"/sip-trunks/{trunk['id']}", None),
        ]
        answers = await organization.all(*change[:2], *create, *gone, *change)
        assert set(statuses(answers)) <= {200, 201, 400}
        for number in (await organization.read("/numbers"))["numbers"]:
            assert (number["agent_id"], number["transfer_trunk_id"]) == (None, None)


async def test_the_last_change_wins_whole(organization: Organization) -> None:
    """Whoever reads meanwhile sees one change or another, never a mixture, and never an older one than before."""
    assistant = await organization.make("/assistants", name="A")
    path = f"/assistants/{assistant['id']}"
    wanted = [
        {
            "name": f"Name {index}",
            "first_message": f"Message {index}",
            "llm_config": {
                "provider": "openai",
                "model": "gpt-5.4",
                "temperature": index / 100,
                "messages": [{"role": "system", "content": f"Prompt {index} {'x' * (index * 40)}"}],
            },
        }
        for index in range(60)
    ]
    seen: list[list[dict[str, Any]]] = []
    written = asyncio.Event()

    async def watch(client: httpx.AsyncClient) -> None:
        found: list[dict[str, Any]] = []
        seen.append(found)
        while not written.is_set():
            found.append((await client.get(path)).json()["assistant"])

    watching = [asyncio.create_task(watch(client)) for client in (organization.first, organization.second)]
    try:
        answers = await organization.all(*[("PATCH", path, body) for body in wanted])
    finally:
        written.set()
    await asyncio.gather(*watching)
    assert statuses(answers) == {200: len(wanted)}
    last = (await organization.read(path))["assistant"]
    whole = {body["name"]: body for body in wanted}
    for found in seen:
        for one in (*found, last):
            if one["name"] in whole:
                assert {name: one[name] for name in whole[one["name"]]} == whole[one["name"]]
        moments = [one["updated_at"] for one in found]
        assert moments == sorted(moments)
    assert last["name"] in whole
    assert last["updated_at"] == max(answer.json()["assistant"]["updated_at"] for answer in answers)


async def test_retention_periods_stay_together(organization: Organization) -> None:
    """What is set together is kept together: one of two changes as a whole, whatever each found there before."""
    pairs = [(30, 365), (30, 30), (90, 365), (90, 90)]  # a mixture of these may be none of them, and unsound
    for _ in range(3 * ROUNDS):
        changes = [
            ("PATCH", "/organizations", {"content_retention_days": content, "metadata_retention_days": metadata})
            for content, metadata in pairs * 3
        ]
        assert statuses(await organization.all(*changes)) == {200: len(changes)}
        found = await organization.read("/organizations")
        assert (found["content_retention_days"], found["metadata_retention_days"]) in pairs


async def test_a_vendor_has_one_key(organization: Organization) -> None:
    for index in range(ROUNDS):
        store = {"provider": "deepgram", "api_key": f"dg-{index}"}
        settings = {"provider": "deepgram", "config": {f"setting_{index}": index}}
        answers = await organization.all(
            *[("POST", "/byok", store)] * 8,
            *[("POST", "/byok/config", settings)] * 4,
            *[("DELETE", "/byok", {"provider": "deepgram"})] * 3,
            *[("POST", "/byok", store)] * 3,
        )
        assert set(statuses(answers)) <= {200, 409}
        assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {"provider_key_missing"}
        await organization.all(("POST", "/byok", store), ("POST", "/byok", {**store, "api_key": "dg-last"}))
        keys = (await organization.read("/byok"))["byok_keys"]
        assert [name for name, key_id in keys.items() if key_id is not None] == ["deepgram_secret_id"]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/assistants", {"name": "A"}),
        ("/sip-trunks", TRUNK),
        ("/tool-templates", {"name": "hang_up", "tool_type": "end_call", "tool_config": {}}),
        ("/analysis-templates", {"name": "A", "system_prompt": "s", "user_prompt": "u", "schema": {"type": "object"}}),
        ("/chats", {"contact_id": "c", "channel": "web", "role": "user", "content": "Hello"}),
    ],
)
async def test_an_object_is_deleted_once(organization: Organization, path: str, fields: dict[str, Any]) -> None:
    for _ in range(ROUNDS):
        item = f"{path}/{(await organization.make(path, **fields))['id']}"
        changes = [] if path == "/chats" else [("PATCH", item, {"name": "changed"})] * 4
        answers = await organization.all(*changes, *[("DELETE", item, None)] * 6, *changes)
        assert set(statuses(answers)) <= {200, 404}
        deleted = [answer for answer in answers if answer.request.method == "DELETE"]
        assert statuses(deleted) == {200: 1, 404: 5}
        assert answers[-1].status_code in (200, 404)
        if changes:
            assert (await organization.first.get(item)).status_code == 404


@pytest.mark.parametrize(
    ("path", "table", "fields", "maximum"),
    [
        ("/assistants", "assistants", {"name": "A"}, MAX_ASSISTANTS),
        ("/sip-trunks", "sip_trunks", TRUNK, MAX_TRUNKS),
        (
            "/analysis-templates",
            "analysis_templates",
            {"name": "A", "system_prompt": "s", "user_prompt": "u", "schema": {"type": "object"}},
            MAX_ANALYSIS_TEMPLATES,
        ),
        ("/organizations", "organizations", {"name": "Child"}, MAX_BELOW),
    ],
)
async def test_no_bound_is_passed(
    pair: Pair, organization: Organization, path: str, table: str, fields: dict[str, Any], maximum: int
) -> None:
    if table == "organizations":
        fields = {**fields, "parent_org_id": organization.id}
    made = await organization.make(path, **fields)
    copy_row(pair.database_url, table, made["id"], maximum - 4)
    answers = await organization.all(*[("POST", path, fields)] * 20)
    assert statuses(answers) == {201: 3, 409: 17}


async def test_no_more_keys_than_there_may_be(organization: Organization) -> None:
    for _ in range(MAX_KEYS // 20 - 1):
        assert statuses(await organization.all(*[("POST", "/api-keys", {})] * 20)) == {201: 20}
    answers = await organization.all(*[("POST", "/api-keys", {})] * 30)
    assert statuses(answers) == {201: 19, 409: 11}


async def test_the_last_key_stays(organization: Organization) -> None:
    """Two keys, both revoked at the same time."""
    own = (await organization.read("/api-keys"))["api_keys"][0]["id"]
    for _ in range(ROUNDS):
        made = await organization.make("/api-keys")
        removals = [("DELETE", f"/api-keys/{key_id}", None) for key_id in (made["id"], own)]
        answers = await organization.all(*removals)
        assert sorted(statuses(answers)) in ([200, 409], [200, 401])
        if answers[1].status_code == 200:
            break  # what asks is gone; the other server may take it for good for a moment still


async def test_calls_find_a_way_out_or_are_told_why_not(organization: Organization) -> None:
    assistant = await organization.make("/assistants", name="A")
    call = {"to": "+31201234567", "assistant_id": assistant["id"]}
    for _ in range(ROUNDS):
        trunk = await organization.make("/sip-trunks", **TRUNK)
        number = await organization.make("/numbers", phone_number=free_number(), transfer_trunk_id=trunk["id"])
        answers = await organization.all(
            *[("POST", "/calls/outbound", call)] * 4,
            ("DELETE", f"/sip-trunks/{trunk['id']}", None),
            *[("POST", "/calls/outbound", {**call, "number_id": number["id"]})] * 4,
            ("DELETE", f"/numbers/{number['id']}", None),
            *[("POST", "/calls/outbound", call)] * 4,
        )
        assert set(statuses(answers)) <= {200, 400, 409}
        assert (await organization.read("/calls"))["calls"] == []


async def test_an_organization_has_one_domain(pair: Pair, organization: Organization) -> None:
    for index in range(3):
        pair.resend.reset(RESEND_KEY)
        name = f"mail{index}.example.com"
        answers = await organization.all(*[("POST", "/domains", {"domain_name": name})] * 8)
        assert statuses(answers) == {201: 1, 409: 7}
        assert pair.resend.names(RESEND_KEY) == [name]
        assert (await organization.read("/domains"))["domain"]["domain_name"] == name
        answers = await organization.all(*[("DELETE", "/domains", None)] * 6)
        assert set(statuses(answers)) <= {200, 404, 409}
        assert (await organization.read("/domains"))["domain"] is None
        assert pair.resend.names(RESEND_KEY) == []


async def test_fifty_writers_and_their_readers(organization: Organization) -> None:
    """A database with one writer at a time keeps nobody waiting until it gives up."""
    writers, writes = 50, 8
    done = asyncio.Event()
    reads = 0

    async def write(index: int, client: httpx.AsyncClient) -> None:
        answer = await client.post("/assistants", json={"name": f"Writer {index}"})
        assert answer.status_code == 201, answer.text
        path = f"/assistants/{answer.json()['assistant']['id']}"
        for count in range(writes):
            answer = await client.patch(path, json={"name": f"Writer {index} {count}"})
            assert answer.status_code == 200, answer.text
        chat = {"contact_id": str(index), "channel": "web", "role": "user", "content": "Hello"}
        answer = await client.post("/chats", json=chat)
        assert answer.status_code == 201, answer.text

    async def read(client: httpx.AsyncClient) -> None:
        nonlocal reads
        while not done.is_set():
            for path in ("/assistants", "/numbers", "/calls", "/organizations", "/usage"):
                answer = await client.get(path)
                assert answer.status_code == 200, answer.text
                reads += 1

    servers = (organization.first, organization.second)
    reading = [asyncio.create_task(read(client)) for client in servers]
    try:
        await asyncio.gather(*(write(index, servers[index % 2]) for index in range(writers)))
    finally:
        done.set()
    await asyncio.gather(*reading)
    listed = (await organization.read("/assistants"))["assistants"]
    assert {one["name"] for one in listed} == {f"Writer {index} {writes - 1}" for index in range(writers)}
    assert reads > 0


async def test_the_rate_limit_is_shared(pair: Pair, organization: Organization) -> None:
    """Every request takes one from what is left, whichever server it asks. On SQLite each server counts by itself."""
    key = (await organization.make("/api-keys"))["key"]
    asked = 60
    while True:
        answers = await organization.all(*[("GET", "/byok/config", None)] * asked, key=key)
        if len({answer.headers["X-RateLimit-Reset"] for answer in answers[::2]}) == 1:
            break  # else a minute ended meanwhile
    left = [int(answer.headers["X-RateLimit-Remaining"]) for answer in answers]
    if pair.database_url.startswith("postgresql"):
        assert sorted(left) == list(range(min(left), min(left) + asked))
    else:
        assert sorted(left[::2]) == sorted(left[1::2]) == list(range(min(left), min(left) + asked // 2))


async def test_a_revoked_key_is_soon_refused_everywhere(revoked: Revoked) -> None:
    """A promise in seconds, and some for a machine that is busy."""
    assert await asyncio.wait_for(revoked.seconds, 60) < CACHE_SECONDS + 10
