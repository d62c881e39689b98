"""A server in a process of its own on each database, with one object of every kind to aim at."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import BOTH_DATABASES, empty_database
from tests.fakes.resend import FakeResend
from tests.fuzz.operations import Description, Operation, Requests, filled
from tests.fuzz.rows import Look, Rows, left_behind, looking_at
from tests.whole.processes import Served, beside, served

EXAMPLES = int(os.environ.get("DIALTONE_TEST_FUZZ_EXAMPLES", "20"))
"""Random requests to each operation on each database; more of them find more."""
MAX_BODY_BYTES = 12_000_000
"""More than by default, so that texts of 10 MB come as far as the rules for fields."""
RESEND_KEY = "re_fake"
STOCK: list[tuple[str, dict[str, Any]]] = [
    ("/api/v1/assistants", {"name": "Front desk", "webhook_secret": "whsec"}),
    ("/api/v1/agents", {"name": "By its older name"}),
    ("/api/v1/sip-trunks", {"name": "Line", "host": "sip.example.com", "username": "u", "password": "p"}),
    ("/api/v1/numbers", {"phone_number": "+31201234500"}),
    ("/api/v1/tool-templates", {"name": "hang_up", "tool_type": "end_call", "tool_config": {}}),
    (
        "/api/v1/analysis-templates",
        {"name": "Outcome", "system_prompt": "s", "user_prompt": "u", "schema": {"type": "object"}},
    ),
    ("/api/v1/api-keys", {"name": "Spare"}),
    ("/api/v1/chats", {"contact_id": "c", "channel": "web", "role": "user", "content": "Hello"}),
    ("/api/v1/byok", {"provider": "deepgram", "api_key": "dg"}),
    ("/api/v1/domains", {"domain_name": "example.com"}),
]


@dataclass
class Target:
    """A server, and what is known of it."""

    server: Served
    requests: Requests
    description: Description
    look: Look
    ids: dict[str, str] = field(default_factory=dict)
    """Of one object in each collection, by the collection's path."""

    def path(self, operation: Operation) -> str:
        """The operation's path, to an object that there is."""
        unknown = "00000000-0000-4000-8000-000000000000"
        return filled(operation.path, self.ids.get(operation.collection or "", unknown))

    def unchanged_since(self, before: Rows) -> None:
        assert left_behind(before, self.look()) == {}


@pytest.fixture(scope="session", params=BOTH_DATABASES)
def database_url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    if request.param == "sqlite":
        yield None
        return
    with empty_database(request.getfixturevalue("postgresql_server")) as url:
        yield url


@pytest.fixture(scope="session")
def target(database_url: str | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    resend = FakeResend(RESEND_KEY)
    data_dir: Path = tmp_path_factory.mktemp("fuzzed") / "data"
    with (
        beside(resend),
        served(
            data_dir,
            database_url,
            max_body_bytes=str(MAX_BODY_BYTES),
            byok_to_base_urls="true",
            RESEND_BASE_URL=resend.url,
            RESEND_API_KEY=RESEND_KEY,
        ) as server,
        looking_at(database_url, data_dir) as look,
    ):
        requests = Requests(server.port)
        found = Target(server, requests, Description(requests.send("GET", "/openapi.json").document), look)
        _stock(found)
        yield found
        requests.close()
        assert server.complaints() == []


def _stock(target: Target) -> None:
    def make(path: str, body: dict[str, Any]) -> dict[str, Any]:
        made = target.requests.send("POST", path, json.dumps(body).encode())
        assert made.status < 300, made
        return made.object()

    for path, body in STOCK:
        target.ids[path] = str(make(path, body).get("id", ""))
    call = make("/api/v1/web-calls", {"assistant_id": target.ids["/api/v1/assistants"]})
    target.ids["/api/v1/calls"] = call["call_id"]
