"""Durable work on one core: jobs a second, what each costs, how soon a lone one begins, on both databases; beside
Procrastinate, where that is installed (`pip install procrastinate`), on the same PostgreSQL.

Each figure is taken with nothing else stored, and with a backlog of jobs that can't run now: retries that are due
later, and jobs that stand in order behind such a retry, as a receiver that is down leaves them.
"""

import asyncio
import logging
import sys
import time
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from scripts.postgresql import throwaway_postgresql
from sqlalchemy import text

from benchmarks.dialtone_server import data_directory
from benchmarks.jobs_procrastinate import procrastinate_jobs
from benchmarks.measures import milliseconds, percentile
from dialtone.jobs.jobs import Job, Jobs
from dialtone.platform.db import Database
from dialtone.settings import Settings

JOBS, QUICK_JOBS = 5_000, 500
BACKLOG, QUICK_BACKLOG = 20_000, 2_000
LONE_JOBS = 200
AT_ONCE = 10

BACKLOGS = {
    "alone": [],
    "beside_later": [
        """INSERT INTO jobs (kind, payload, state, attempts, due_at, deferred_at)
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
        SELECT 'work', '{}', 'waiting', 1, '2999-01-01', '2026-01-01' FROM n"""
    ],
    "behind_others": [
        """INSERT INTO jobs (kind, payload, state, attempts, due_at, order_key, deferred_at)
        WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :count / 5 - 1)
        SELECT 'work', '{}', 'waiting', 1, '2999-01-01', 'order ' || i, '2026-01-01' FROM n""",
        """INSERT INTO jobs (kind, payload, state, attempts, due_at, order_key, deferred_at)
        WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :count / 5 * 4 - 1)
        SELECT 'work', '{}', 'waiting', 0, '2026-01-01', 'order ' || (i / 4), '2026-01-01' FROM n""",
    ],
}
"""The statements that make each backlog. The dates need no particular form: they lie far before or after all others."""


def run(quick: bool) -> dict[str, Any]:
    """Measure both databases. Raises `PostgresqlUnavailableError`."""
    count, backlog = (QUICK_JOBS, QUICK_BACKLOG) if quick else (JOBS, BACKLOG)
    logging.disable(logging.INFO)
    with throwaway_postgresql() as server:
        figures = {"sqlite": _survey(None, count, backlog), "postgresql": _survey(server, count, backlog)}
        peer = procrastinate_jobs(lambda: _new_database(server), count, backlog, AT_ONCE)
    return {"jobs": count, "backlog": backlog, "at_once": AT_ONCE, **figures, "procrastinate": peer}


def _survey(server: str | None, count: int, backlog: int) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for name, statements in BACKLOGS.items():
        with data_directory() as data_dir:
            url = None if server is None else _new_database(server)
            figures[name] = asyncio.run(_measure(data_dir, url, statements, count, backlog))
        print(f"{'sqlite' if server is None else 'postgresql'} {name}: {figures[name]}", file=sys.stderr)
    return figures


def _new_database(server: str) -> str:
    name = f"jobs_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))


async def _measure(data_dir: Path, url: str | None, statements: list[str], count: int, backlog: int) -> dict[str, Any]:
    database = Database(Settings(data_dir=data_dir, database_url=url))
    await database.migrate()
    begun: asyncio.Queue[float] = asyncio.Queue()

    async def work(_job: Job) -> None:
        begun.put_nowait(time.perf_counter())

    jobs = Jobs(database)
    jobs.handle("work", work, at_once=AT_ONCE)
    async with database.write() as session:
        for statement in statements:
            await session.execute(text(statement), {"count": backlog})
    await _defer(database, jobs, count)
    began, cpu = time.perf_counter(), time.process_time()
    await jobs.start()
    moments = [await begun.get() for _ in range(count)]
    cpu_ms = (time.process_time() - cpu) * 1000
    waits = []
    for _ in range(LONE_JOBS):
        await _defer(database, jobs, 1)
        deferred = time.perf_counter()
        waits.append(await begun.get() - deferred)
        await asyncio.sleep(0.02)
    await jobs.stop()
    await database.close()
    return {
        "jobs_per_s": round(count / (moments[-1] - began)),
        "cpu_ms_per_job": round(cpu_ms / count, 3),
        "begin_p50_ms": milliseconds(percentile(waits, 50)),
        "begin_p99_ms": milliseconds(percentile(waits, 99)),
    }


async def _defer(database: Database, jobs: Jobs, count: int) -> None:
    async with database.write() as session:
        for number in range(count):
            await jobs.defer(session, "work", {"n": number})
