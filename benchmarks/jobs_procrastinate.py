"""The same jobs by Procrastinate's worker, with its own schema."""

import asyncio
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import psycopg

TIME_LIMIT_SECONDS = 60.0
BACKLOGS = {
    "alone": None,
    "beside_later": """INSERT INTO procrastinate_jobs (queue_name, task_name, scheduled_at)
        SELECT 'default', 'work', now() + interval '1 year' FROM generate_series(1, %s)""",
    "behind_others": """INSERT INTO procrastinate_jobs (queue_name, task_name, lock, scheduled_at)
        SELECT 'default', 'work', 'order ' || (i / 5), CASE WHEN i %% 5 = 0 THEN now() + interval '1 year' END
        FROM generate_series(0, %s - 1) i""",
}


def procrastinate_jobs(new_database: Callable[[], str], count: int, backlog: int, at_once: int) -> dict[str, Any]:
    """Empty where it is not installed. A measurement that takes too long counts the jobs done until then."""
    if find_spec("procrastinate") is None:
        return {}
    figures = {}
    for name, statement in BACKLOGS.items():
        figures[name] = asyncio.run(_measure(new_database(), statement, count, backlog, at_once))
        print(f"procrastinate {name}: {figures[name]}", file=sys.stderr)
    return figures


async def _measure(url: str, statement: str | None, count: int, backlog: int, at_once: int) -> dict[str, float]:
    import procrastinate

    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url, min_size=2, max_size=10))
    done, all_done = 0, asyncio.Event()

    @app.task(name="work")
    async def work(**_: Any) -> None:
        nonlocal done
        done += 1
        if done == count:
            all_done.set()

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        with psycopg.connect(url, autocommit=True) as connection:
            if statement is not None:
                connection.execute(statement.encode(), (backlog,))
            connection.execute(
                "INSERT INTO procrastinate_jobs (queue_name, task_name, args) "
                "SELECT 'default', 'work', json_build_object('n', i) FROM generate_series(1, %s) i",
                (count,),
            )
            connection.execute("ANALYZE procrastinate_jobs")
        began, cpu = time.perf_counter(), time.process_time()
        options: dict[str, Any] = {"delete_jobs": "always", "install_signal_handlers": False}
        worker = asyncio.create_task(app.run_worker_async(concurrency=at_once, **options))
        await asyncio.wait({asyncio.create_task(all_done.wait())}, timeout=TIME_LIMIT_SECONDS)
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
    return {"jobs_per_s": round(done / seconds, 1), "cpu_ms_per_job": round(cpu_seconds * 1000 / max(done, 1), 3)}
