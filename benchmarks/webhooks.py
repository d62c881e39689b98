"""Webhooks on one core: deliveries a second to a receiver that fails a tenth of them, and how soon after an event its
first try arrives, alone and beside a receiver that takes every request and never answers. On both databases.
"""

import asyncio
import json
import logging
import os
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from pydantic import SecretStr
from scripts.postgresql import throwaway_postgresql
from sqlalchemy import text

from benchmarks.dialtone_server import data_directory
from benchmarks.measures import milliseconds, percentile
from benchmarks.processes import cores
from benchmarks.webhook_receiver import HOST
from dialtone.calls.tables import Call
from dialtone.platform.db import new_id, now
from dialtone.server import Parts, create_app
from dialtone.settings import Settings
from dialtone.tools.envelope import CallContext

ROOT = Path(__file__).resolve().parent.parent
ASSISTANT = json.loads((ROOT / "tests/assistants/reference.json").read_text())
"""The assistant of the reference page, which every event carries."""
SECRET = "whsec of the benchmark"
STEADY_AFTER_SECONDS = 7.0
"""From here on the retries of the first failures run along."""
RATE = 50
"""Events a second while first tries are timed."""
SILENT_RATE = 10
"""Events a second for the receiver that never answers."""
WRITTEN_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Extent:
    repetitions: int
    backlog: int
    steady_after: float
    seconds: float
    """For which first tries are timed."""


FULL = Extent(3, 12_000, STEADY_AFTER_SECONDS, 20.0)
QUICK = Extent(1, 1_500, 0.0, 4.0)


def run(quick: bool) -> dict[str, Any]:
    """Measure both databases. Raises `PostgresqlUnavailableError`."""
    extent = QUICK if quick else FULL
    logging.disable(logging.WARNING)
    with throwaway_postgresql() as server, _receiver() as (url, silent_url):
        os.sched_setaffinity(0, {cores()[0]})
        databases = {
            "sqlite": _survey(None, url, silent_url, extent),
            "postgresql": _survey(server, url, silent_url, extent),
        }
    slowest = max(figures["first_try_p99_ms"] for figures in databases.values())
    return {**databases, "first_try_p99_ms": slowest, "runs": extent.repetitions}


@contextmanager
def _receiver() -> Iterator[tuple[str, str]]:
    """URLs of the one that answers and of the one that does not, on the load core."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.webhook_receiver"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port, silent_port = json.loads(process.stdout.readline())
        yield f"http://{HOST}:{port}/hook", f"http://{HOST}:{silent_port}/hook"
    finally:
        process.stdin.close()
        process.wait()


def _figures(url: str) -> dict[str, Any]:
    """What the receiver noted since it was asked last."""
    with urllib.request.urlopen(url.replace("/hook", "/figures"), timeout=60) as answer:
        noted: dict[str, Any] = json.load(answer)
        return noted


def _survey(server: str | None, url: str, silent_url: str, extent: Extent) -> dict[str, Any]:
    runs = []
    for _ in range(extent.repetitions):
        with data_directory() as data_dir:
            settings = Settings(
                data_dir=data_dir,
                database_url=None if server is None else _new_database(server),
                allow_private_addresses=True,
                api_key=SecretStr("fl_test_of_the_benchmark"),
            )
            runs.append(asyncio.run(_measure(settings, url, silent_url, extent)))
        print(f"{'sqlite' if server is None else 'postgresql'}: {runs[-1]}", file=sys.stderr, flush=True)
    return {key: round(median(one[key] for one in runs), 2) for key in runs[0]}


def _new_database(server: str) -> str:
    name = f"webhooks_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))


async def _measure(settings: Settings, url: str, silent_url: str, extent: Extent) -> dict[str, float]:
    parts: Parts = create_app(settings).state.parts
    await parts.database.migrate()
    await parts.data_keys.start()
    await parts.organizations.ensure_first(settings)
    began = time.monotonic()
    for _ in range(extent.backlog // WRITTEN_AT_ONCE):
        await _write(parts, url, WRITTEN_AT_ONCE)
    written = extent.backlog / (time.monotonic() - began)
    await parts.data_keys.stop()
    await parts.database.close()
    app = create_app(settings)
    began, cpu = time.monotonic(), time.process_time()
    async with app.router.lifespan_context(app):
        parts = app.state.parts
        await _until_delivered(parts)
        cpu_ms = (time.process_time() - cpu) * 1000
        rate = _rate(await asyncio.to_thread(_figures, url), began + extent.steady_after)
        alone = await _first_tries(parts, url, extent.seconds)
        silence = asyncio.get_running_loop().create_task(_feed(parts, silent_url, SILENT_RATE, float("inf")))
        await asyncio.sleep(extent.seconds / 2)
        beside = await _first_tries(parts, url, extent.seconds)
        silence.cancel()
        await asyncio.gather(silence, return_exceptions=True)
    return {
        "deliveries_per_s": rate,
        "cpu_ms_per_delivery": cpu_ms / extent.backlog,
        "events_written_per_s": written,
        "first_try_p50_ms": milliseconds(percentile(alone, 50)) or 0.0,
        "first_try_p99_ms": milliseconds(percentile(alone, 99)) or 0.0,
        "first_try_p99_ms_beside_silent_receiver": milliseconds(percentile(beside, 99)) or 0.0,
    }


def _rate(noted: dict[str, Any], since: float) -> float:
    """Acknowledged deliveries a second, until the last event had its first try."""
    until = noted["first_tries"][-1]
    begin = min(since, until - 1.0)
    acknowledged = [moment for moment in noted["acknowledged"] if begin <= moment <= until]
    return len(acknowledged) / (until - max(begin, min(acknowledged)))


async def _until_delivered(parts: Parts) -> None:
    waiting = text("SELECT count(*) FROM webhook_deliveries WHERE status = 'waiting'")
    while True:
        async with parts.database.read() as session:
            if not await session.scalar(waiting):
                return
        await asyncio.sleep(0.5)


async def _write(parts: Parts, url: str, count: int) -> None:
    """Calls that have just ended, in one transaction."""
    async with parts.database.write() as session:
        owner = str(uuid.UUID(str(await session.scalar(text("SELECT id FROM organizations")))))
        calls = [
            Call(id=new_id(), organization_id=owner, node=new_id(), status="ended", direction="web", notes=[])
            for _ in range(count)
        ]
        session.add_all(calls)
        await session.flush()
        for call in calls:
            context = CallContext(
                call.id, "web_call", ASSISTANT, "ended", webhook_url=url, webhook_secret=SECRET, webhook_events=None
            )
            await parts.webhooks.webhooks.status_update(session, owner, context, now(), keeps_content=True)


async def _feed(parts: Parts, url: str, rate: float, seconds: float) -> list[float]:
    """Write `rate` events a second; when each happened."""
    happened: list[float] = []
    start = time.monotonic()
    while (due := start + len(happened) / rate) < start + seconds:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        happened.append(time.monotonic())
        await _write(parts, url, 1)
    return happened


async def _first_tries(parts: Parts, url: str, seconds: float) -> list[float]:
    """Seconds from each event to its first try."""
    await asyncio.to_thread(_figures, url)
    happened = await _feed(parts, url, RATE, seconds)
    await asyncio.sleep(1.0)
    arrived = (await asyncio.to_thread(_figures, url))["first_tries"]
    # Events are written one after the other and tried in that order, so that the nth arrival is the nth event's.
    return [arrival - event for event, arrival in zip(happened, arrived, strict=True)]
