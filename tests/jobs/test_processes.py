"""Processes that die, and several that share the work."""

import asyncio
import random
import signal
import sys
from collections import defaultdict
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import event, text, update
from sqlalchemy.orm import Session

from dialtone.jobs import heartbeat
from dialtone.jobs.jobs import Job, Jobs, RetryLater
from dialtone.jobs.tables import StoredJob
from dialtone.platform.db import Database, new_id
from dialtone.settings import Settings
from tests.jobs.conftest import Handled, MakeJobs, defer, until
from tests.jobs.test_jobs import all_done


def test_a_dead_process_is_noticed_in_half_a_minute() -> None:
    assert heartbeat.LOST_SECONDS + heartbeat.BEAT_SECONDS < 30
    assert heartbeat.LOST_SECONDS >= 2 * (heartbeat.BEAT_SECONDS + heartbeat.ANSWER_SECONDS)


async def test_what_a_killed_process_left_runs_again(
    settings: Settings, database: Database, make_jobs: MakeJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(heartbeat, "LOST_SECONDS", 2.0)
    jobs, handled = make_jobs(), Handled()
    jobs.handle("work", handled)
    await defer(database, jobs, "work", 1, 2, 3, 4, order="key")
    await defer(database, jobs, "work", *range(5, 11))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.jobs.process", str(settings.data_dir), settings.database_url or ""),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            begun = {int(await process.stdout.readline()) for _ in range(5)}
        if not database.is_sqlite:  # on SQLite the next process starts after this one has ended
            await jobs.start()
            await handled.wait_for(ended=2)
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()
    if database.is_sqlite:
        await jobs.start()
    await handled.wait_for(ended=10)
    await all_done(database)
    attempts = {job.payload["n"]: job.attempt for job in handled.jobs}
    assert attempts == {number: 2 if number in begun else 1 for number in range(1, 11)}
    assert [number for number in handled.payloads if number < 5] == [1, 2, 3, 4]


async def test_a_job_that_kills_its_process_ends_at_last(database: Database, make_jobs: MakeJobs) -> None:
    async with database.write() as session:
        await make_jobs().defer(session, "work", {"n": 1})
        await make_jobs().defer(session, "work", {"n": 2})
        await session.execute(update(StoredJob).values(state="running", attempts=StoredJob.id, worker=new_id()))
    jobs, handled = make_jobs(), Handled()
    jobs.handle("work", handled, attempts=2)
    await jobs.start()
    await handled.wait_for(ended=1)
    assert [(job.payload["n"], job.attempt) for job in handled.jobs] == [(1, 2)]
    assert [failed.reason for failed in await jobs.failed()] == ["its process ended in the middle of it"]


@pytest.fixture
async def processes(settings: Settings, database: Database) -> AsyncIterator[list[tuple[Database, Jobs]]]:
    """Three on PostgreSQL, the one that there can be on SQLite; each with connections of its own."""
    databases = [database] if database.is_sqlite else [Database(settings) for _ in range(3)]
    processes = [(each, Jobs(each)) for each in databases]
    yield processes
    for each, jobs in processes:
        await jobs.stop()
        await each.close()


Processes = list[tuple[Database, Jobs]]


async def test_each_job_runs_once_and_in_order_however_many_processes_there_are(processes: Processes) -> None:
    handled: dict[str, list[int]] = defaultdict(list)
    under_way: set[str] = set()
    overlapped = []
    dice = random.Random(7)

    async def work(job: Job) -> None:
        order = job.payload["order"]
        if order in under_way:
            overlapped.append(order)
        under_way.add(order)
        await asyncio.sleep(0)
        under_way.discard(order)
        if dice.random() < 0.2:
            raise RetryLater(0.01 * dice.random(), "again")
        handled[order].append(job.payload["n"])

    for _, jobs in processes:
        jobs.handle("work", work, at_once=8)
        await jobs.start()

    async def defer_some(database: Database, jobs: Jobs, order: str) -> None:
        for number in range(15):
            async with database.write() as session:
                await jobs.defer(session, "work", {"order": order, "n": number}, order=order)

    await asyncio.gather(*(defer_some(*processes[n % len(processes)], f"order {n}") for n in range(20)))
    await all_done(processes[0][0])
    assert handled == {f"order {n}": list(range(15)) for n in range(20)}
    assert overlapped == []


@pytest.mark.parametrize("database_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
async def test_work_goes_to_whoever_is_free(processes: Processes) -> None:
    """Deferred by a process that does none of it."""
    (database, deferring), *others = processes
    release = asyncio.Event()

    async def wait(_job: Job) -> None:
        await release.wait()

    each = [Handled(wait) for _ in others]
    for (_, jobs), handled in zip(others, each, strict=True):
        jobs.handle("work", handled, at_once=2)
        await jobs.start()
    await defer(database, deferring, "work", 1, 2, 3, 4)
    for handled in each:
        await handled.wait_for(begun=2)
    release.set()
    await all_done(database)
    assert sorted(n for handled in each for n in handled.payloads) == [1, 2, 3, 4]


@pytest.mark.parametrize("database_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
async def test_a_process_that_stops_hands_its_work_over(processes: Processes) -> None:
    async def hang(_job: Job) -> None:
        await asyncio.Event().wait()

    (database, first), (_, second), _ = processes
    hanging, handled = Handled(hang), Handled()
    first.handle("work", hanging)
    second.handle("work", handled)
    await first.start()
    await defer(database, first, "work", 1, 2)
    await hanging.wait_for(begun=2)
    await second.start()
    await first.stop(0.01)
    await handled.wait_for(ended=2)
    assert sorted(job.attempt for job in handled.jobs) == [1, 1]


@pytest.mark.parametrize("database_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
async def test_lost_connections_lose_no_job(database: Database, processes: Processes) -> None:
    done: set[int] = set()

    async def work(job: Job) -> None:
        await asyncio.sleep(0.005)
        done.add(job.payload["n"])

    for _, jobs in processes:
        jobs.handle("work", work, at_once=4)
        await jobs.start()
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    for cut in range(4):
        await defer(database, processes[0][1], "work", *range(cut * 50, cut * 50 + 50))
        async with database.write() as session:
            await session.execute(text(f"{others} AND pid <> pg_backend_pid()"))
        await asyncio.sleep(0)

    async def all_ran() -> bool:
        return done == set(range(200))

    await until(all_ran)
    await all_done(database)


@pytest.mark.parametrize("database_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
async def test_a_beat_that_gets_no_answer_is_given_up(
    database: Database, make_jobs: MakeJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "ANSWER_SECONDS", 0.05)
    jobs = make_jobs()
    async with database.write() as session:
        await session.execute(text("LOCK TABLE job_workers IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(TimeoutError):
            await jobs.start()


@pytest.mark.parametrize("database_url", [pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True)
async def test_a_job_that_waits_for_more_than_one_change_runs_after_all_of_them(
    database: Database, make_jobs: MakeJobs
) -> None:
    jobs, handled = make_jobs(), Handled()
    jobs.handle("work", handled)
    jobs.handle("other", handled)
    await defer(database, jobs, "work", 1, once="key")
    async with database.write() as session:
        await jobs.defer(session, "work", {"n": 1}, once="key")
        await jobs.start()
        await defer(database, jobs, "other", 2)
        await handled.wait_for(ended=1)
        assert handled.payloads == [2]
    await handled.wait_for(ended=2)
    assert handled.payloads == [2, 1]


async def test_a_lost_answer_to_a_commit_loses_no_job(database: Database, make_jobs: MakeJobs) -> None:
    jobs, handled = make_jobs(), Handled()
    jobs.handle("work", handled)
    await jobs.start()
    commits = 0

    def lose_the_second(_session: Session) -> None:
        nonlocal commits
        commits += 1
        if commits == 2:  # the first is the deferring one
            raise OSError

    event.listen(Session, "after_commit", lose_the_second)
    try:
        await defer(database, jobs, "work")
        await handled.wait_for(ended=1)
        await all_done(database)
    finally:
        event.remove(Session, "after_commit", lose_the_second)
    assert [job.attempt for job in handled.jobs] == [1]
    assert commits > 2
