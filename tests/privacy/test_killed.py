"""Long erasures and nights whose server is killed in the middle: the next one goes on, and nothing is left or lost."""

import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, create_engine, func, insert, select, text
from sqlalchemy.engine import make_url

from dialtone.platform.db import Base
from tests.conftest import BOTH_DATABASES, SQLITE_FILE
from tests.privacy.conftest import CALLER
from tests.whole.processes import KEY, Served, served

CALLS = 1000
"""Two hours apart."""
MESSAGES = 2
"""Of each call."""
IMPATIENT = "tests.whole.impatient"
SECONDS = 60
"""All of it takes less."""


@pytest.fixture(params=BOTH_DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'data' / SQLITE_FILE}"
    return str(request.getfixturevalue("postgresql_url"))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    url = make_url(database_url)
    engine = create_engine(url.set(drivername="postgresql+psycopg") if "postgresql" in url.drivername else url)
    yield engine
    engine.dispose()


def ask(server: Served, method: str, path: str, body: Any = None) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {KEY}"}
    answer = httpx.request(method, f"{server.url}/api/v1{path}", json=body, headers=headers, timeout=30)
    assert answer.status_code < 300, answer.text
    document: dict[str, Any] = answer.json()
    return document


def fill(engine: Engine, organization_id: str) -> None:
    """Many calls with one caller, from a hundred days ago on."""
    tables, began = Base.metadata.tables, datetime.now(UTC) - timedelta(days=100)
    ids = [str(uuid.uuid4()) for _ in range(CALLS)]
    fixed = {"organization_id": organization_id, "node": str(uuid.uuid4()), "status": "ended", "direction": "inbound"}
    calls = [
        {
            **fixed,
            **{"id": call_id, "caller_phone": CALLER, "summary": "A pie.", "notes": [], "duration_seconds": 60},
            **{"created_at": (made := began + timedelta(hours=2 * number)), "updated_at": made},
        }
        for number, call_id in enumerate(ids)
    ]
    messages = [
        {
            **{"call_id": call_id, "organization_id": organization_id, "position": position},
            **{"role": "user", "content": "A pie, please.", "created_at": began},
        }
        for call_id in ids
        for position in range(MESSAGES)
    ]
    with engine.begin() as connection:
        connection.execute(insert(tables["calls"]), calls)
        connection.execute(insert(tables["call_messages"]), messages)


def left(engine: Engine) -> int:
    """Calls that still have their caller."""
    calls = Base.metadata.tables["calls"]
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).where(calls.c.caller_phone.is_not(None))) or 0


def kill_in_the_middle(server: Served, engine: Engine) -> None:
    ends = time.monotonic() + SECONDS
    while left(engine) > CALLS * 0.9:
        assert time.monotonic() < ends, "it does not begin"
    server.process.kill()
    server.process.wait()
    assert 0 < left(engine) < CALLS


def wait_for(condition: Any) -> Any:
    ends = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < ends, "it does not end"
        time.sleep(0.05)
    return found


def organization_of(server: Served) -> str:
    return str(ask(server, "GET", "/organizations")["id"])


def test_an_erasure_goes_on_after_a_kill(tmp_path: Path, database_url: str, engine: Engine) -> None:
    with served(tmp_path / "data", database_url, module=IMPATIENT) as server:
        fill(engine, organization_of(server))
        path = f"/privacy/erasures/{ask(server, 'POST', '/privacy/erase', {'phone_number': CALLER})['erasure']['id']}"
        kill_in_the_middle(server, engine)
    with served(tmp_path / "data", database_url, module=IMPATIENT) as server:
        erasure = wait_for(lambda: (found := ask(server, "GET", path)["erasure"])["status"] == "done" and found)
        assert (erasure["counts"]["calls"], erasure["counts"]["messages"]) == (CALLS, CALLS * MESSAGES)
        assert ask(server, "GET", "/usage?limit=1")["summary"]["total_calls"] == CALLS
        assert [line["action"] for line in ask(server, "GET", "/audit-log")["audit_log"]] == [
            "erasure.done",
            "erasure.requested",
        ]
    assert left(engine) == 0


def test_a_night_goes_on_after_a_kill(tmp_path: Path, database_url: str, engine: Engine) -> None:
    """Also one that is over: the server was down at the hour at which it should have begun."""
    with served(tmp_path / "data", database_url, module=IMPATIENT) as server:
        fill(engine, organization_of(server))
        periods = {"content_retention_days": 30, "metadata_retention_days": 30}
        ask(server, "PATCH", "/organizations", periods)
    with engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET due_at = '2026-01-01 03:00:00' WHERE kind = 'retention'"))
    with served(tmp_path / "data", database_url, module=IMPATIENT) as server:
        kill_in_the_middle(server, engine)

    def deleted() -> dict[str, int]:
        lines = ask(server, "GET", "/audit-log")["audit_log"]
        return {line["action"]: line["details"]["calls"] for line in lines if "calls" in line["details"]}

    old = (100 - 30) * 12 + 1
    with served(tmp_path / "data", database_url, module=IMPATIENT) as server:
        counts = wait_for(lambda: len(found := deleted()) == 2 and found)
    assert set(counts) == {"retention.content_deleted", "retention.metadata_deleted"}
    assert list(counts.values()) == [pytest.approx(old, abs=1)] * 2
    assert left(engine) == CALLS - counts["retention.metadata_deleted"]
