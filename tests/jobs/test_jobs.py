"""What durable work promises, on both databases."""

import asyncio
import json
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text

from dialtone.jobs.jobs import GiveUp, Job, Jobs, RetryLater
from dialtone.jobs.schedule import LONGEST_PAUSE_SECONDS, Every, EveryDay, pause
from dialtone.jobs.tables import StoredJob
from dialtone.platform.db import Database
from tests.jobs.conftest import Clock, Handled, MakeJobs, defer, until


async def states(database: Database) -> dict[str, int]:
    """How many jobs of the test there are in each state."""
    query = select(StoredJob.state, func.count()).where(StoredJob.kind.not_like("jobs.%")).group_by(StoredJob.state)
    async with database.read() as session:
        return {row[0]: row[1] for row in await session.execute(query)}


async def all_done(database: Database) -> None:
    async def none_left() -> bool:
        return not await states(database)

    await until(none_left)


async def test_a_job_runs_once_it_is_committed(database: Database, make_jobs: MakeJobs) -> None:
    jobs, handled = make_jobs(), Handled()
    jobs.handle("work", handled)
    await jobs.start()
    async with database.write() as session:
        await jobs.defer(session, "work", {"call_id": "one", "n": 7, "list": [1, None, "ü"]})
        await asyncio.sleep(0)
        assert handled.jobs == []
    await handled.wait_for(ended=1)
    job = handled.jobs[0]
    assert (job.kind, job.payload, job.attempt) == ("work", {"call_id": "one", "n": 7, "list": [1, None, "ü"]}, 1)
    await all_done(database)


async def test_a_job_is_rolled_back_with_its_transaction(database: Database, make_jobs: MakeJobs) -> None:
    jobs, handled = make_jobs(), Handled()
    jobs.handle("work", handled)
    await jobs.start()

    async def fail() -> None:
        async with database.write() as session:
            await jobs.defer(session, "work", {"n": 1})
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    await defer(database, jobs, "work", 2)
    await handled.wait_for(ended=1)
    assert handled.payloads == [2]


async def test_what_was_deferred_before_the_start_runs_after_it(database: Database, make_jobs: MakeJobs) -> None:
    jobs, handled = make_jobs(), Handled()
    jobs.handle("work", handled)
    await defer(database, jobs, "work", 1, 2, 3)
    await jobs.start()
    await handled.wait_for(ended=3)
    assert sorted(handled.payloads) == [1, 2, 3]


async def test_no_more_run_at_once_than_the_kind_allows(database: Database, make_jobs: MakeJobs) -> None:
    release = asyncio.Event()

    async def wait(_job: Job) -> None:
        await release.wait()

    jobs, slow, quick = make_jobs(), Handled(wait), Handled()
    jobs.handle("slow", slow, at_once=3)
    jobs.handle("quick", quick)
    await jobs.start()
    await defer(database, jobs, "slow", *range(10))
    await slow.wait_for(begun=3)
    await defer(database, jobs, "quick", *range(5))
    await quick.wait_for(ended=5)
    assert len(slow.jobs) == 3
    release.set()
    await slow.wait_for(ended=10)
    assert slow.most_at_once == 3


async def test_a_failure_is_tried_again_after_a_growing_pause(
    database: Database, make_jobs: MakeJobs, clock: Clock
) -> None:
    async def fail(_job: Job) -> None:
        raise LookupError("with a secret")

    jobs, handled = make_jobs(clock), Handled(fail)
    jobs.handle("work", handled, attempts=4)
    await jobs.start()
    await defer(database, jobs, "work")
    pauses = []
    for attempt in (1, 2, 3):
        await handled.wait_for(ended=attempt)
        due = await due_again(database, clock)
        pauses.append((due - clock()).total_seconds())
        clock.advance(pauses[-1])
        jobs.wake()
    await handled.wait_for(ended=4)
    await until(lambda: has_failed(jobs))
    assert [job.attempt for job in handled.jobs] == [1, 2, 3, 4]
    assert 3.7 < pauses[0] < 6.3
    assert 7.4 < pauses[1] < 12.6
    assert 14.9 < pauses[2] < 25.1
    [failed] = await jobs.failed()
    assert (failed.job.id, failed.job.attempt, failed.job.payload) == (handled.jobs[0].id, 4, {"n": 0})
    assert failed.reason.startswith("LookupError at test_jobs.py:")
    assert failed.failed_at == clock()


async def due_again(database: Database, clock: Clock) -> datetime:
    async def waits() -> bool:
        return await states(database) == {"waiting": 1}

    await until(waits)
    async with database.read() as session:
        due = await session.scalar(select(StoredJob.due_at).where(StoredJob.kind == "work"))
    assert due is not None
    return due


async def has_failed(jobs: Jobs) -> bool:
    return bool(await jobs.failed())


def test_pauses_stay_bounded() -> None:
    assert all(pause(attempt) <= timedelta(seconds=1.25 * LONGEST_PAUSE_SECONDS) for attempt in (1, 10, 100, 10_000))


async def test_a_handler_says_when_it_wants_to_run_again(database: Database, make_jobs: MakeJobs, clock: Clock) -> None:
    async def later(job: Job) -> None:
        if len(handled.jobs) < 4:
            raise RetryLater(3600, "the receiver answered 503", counted=len(handled.jobs) != 2)

    jobs, handled, other = make_jobs(clock), Handled(later), Handled()
    jobs.handle("work", handled, attempts=1)
    jobs.handle("other", other)
    await jobs.start()
    await defer(database, jobs, "work")
    for ended in (1, 2, 3):
        await handled.wait_for(ended=ended)
        assert await due_again(database, clock) == clock() + timedelta(hours=1)
        clock.advance(3599)
        await defer(database, jobs, "other")
        await other.wait_for(ended=ended)
        assert len(handled.jobs) == ended
        clock.advance(1)
        jobs.wake()
    await handled.wait_for(ended=4)
    assert [job.attempt for job in handled.jobs] == [1, 2, 2, 3]
    await all_done(database)


async def test_giving_up_is_final_and_kept_for_a_while(database: Database, make_jobs: MakeJobs, clock: Clock) -> None:
    async def give_up(_job: Job) -> None:
        raise GiveUp("the receiver is gone")

    jobs, handled = make_jobs(clock), Handled(give_up)
    jobs.handle("work", handled)
    await jobs.start()
    await defer(database, jobs, "work")
    await until(lambda: has_failed(jobs))
    assert [failed.reason for failed in await jobs.failed()] == ["the receiver is gone"]
    for days in (29, 2):
        assert await jobs.failed() != []
        clock.advance(days * 86400)
        jobs.wake()
        if days == 2:
            await all_done(database)
    assert len(handled.jobs) == 1


async def test_a_handler_that_never_ends_is_ended(database: Database, make_jobs: MakeJobs) -> None:
    async def hang(_job: Job) -> None:
        await asyncio.Event().wait()

    jobs, handled, quick = make_jobs(), Handled(hang), Handled()
    jobs.handle("work", handled, at_once=1, seconds=0.05, attempts=1)
    jobs.handle("quick", quick)
    await jobs.start()
    await defer(database, jobs, "work", 1, 2)
    await defer(database, jobs, "quick")
    await quick.wait_for(ended=1)
    await handled.wait_for(ended=2)
    await until(lambda: count_failed(jobs, 2))
    assert {failed.reason for failed in await jobs.failed()} == {"took longer than 0.05 s"}


async def count_failed(jobs: Jobs, count: int) -> bool:
    return len(await jobs.failed()) == count


async def test_a_job_waits_for_its_time(database: Database, make_jobs: MakeJobs, clock: Clock) -> None:
    jobs, handled = make_jobs(clock), Handled()
    jobs.handle("work", handled)
    await jobs.start()
    await defer(database, jobs, "work", 2, at=clock() + timedelta(minutes=5))
    await defer(database, jobs, "work", 1)
    await handled.wait_for(ended=1)
    clock.advance(299)
    await defer(database, jobs, "work", 3)
    await handled.wait_for(ended=2)
    assert handled.payloads == [1, 3]
    clock.advance(1)
    jobs.wake()
    await handled.wait_for(ended=3)
    assert handled.payloads == [1, 3, 2]


async def test_a_job_that_is_due_soon_needs_no_wake(database: Database, make_jobs: MakeJobs) -> None:
    jobs, handled = make_jobs(), Handled()
    jobs.handle("work", handled)
    await jobs.start()
    at = datetime.now(UTC) + timedelta(seconds=0.3)
    await defer(database, jobs, "work", at=at)
    await handled.wait_for(ended=1)
    assert datetime.now(UTC) >= at - timedelta(milliseconds=1)


async def test_order_is_kept_also_across_retries(database: Database, make_jobs: MakeJobs, clock: Clock) -> None:
    async def stumble(job: Job) -> None:
        if job.payload["n"] == 2 and job.attempt < 3:
            raise RetryLater(60, "not yet")

    jobs, ordered, others = make_jobs(clock), Handled(stumble), Handled()
    jobs.handle("ordered", ordered)
    jobs.handle("others", others)
    await jobs.start()
    await defer(database, jobs, "ordered", 1, 2, 3, order="of the call")
    await defer(database, jobs, "ordered", 10, order="of another call")
    await defer(database, jobs, "others", 4, order="of the call")  # the order is over kinds too
    await defer(database, jobs, "ordered", 5, order="of the call")
    for ended in (3, 4):
        await ordered.wait_for(ended=ended)
        await due_in_order(database)
        clock.advance(60)
        jobs.wake()
    await ordered.wait_for(ended=7)
    await others.wait_for(ended=1)
    await all_done(database)
    assert [number for number in ordered.payloads if number != 10] == [1, 2, 2, 2, 3, 5]
    assert 10 in ordered.payloads[:4]


async def due_in_order(database: Database) -> None:
    """Wait until the job that stumbled waits again, and those behind it do not even get looked at."""

    async def behind() -> bool:
        return (await states(database)).get("running", 0) == 0

    await until(behind)


async def test_order_goes_on_after_a_final_failure(database: Database, make_jobs: MakeJobs) -> None:
    async def first_fails(job: Job) -> None:
        if job.payload["n"] == 1:
            raise GiveUp("gone")

    jobs, handled = make_jobs(), Handled(first_fails)
    jobs.handle("work", handled)
    await jobs.start()
    await defer(database, jobs, "work", 1, 2, 3, order="key")
    await handled.wait_for(ended=3)
    assert handled.payloads == [1, 2, 3]
    assert handled.most_at_once == 1


async def test_many_that_stand_behind_another_hide_nobody(
    database: Database, make_jobs: MakeJobs, clock: Clock
) -> None:
    async def down(job: Job) -> None:
        if job.payload["n"] < 1000 and job.attempt == 1:
            raise RetryLater(600, "the receiver is down")

    jobs, handled = make_jobs(clock), Handled(down)
    jobs.handle("work", handled, at_once=4)
    async with database.write() as session:
        for number in range(900):
            await jobs.defer(session, "work", {"n": number}, order=f"order {number % 3}")
        for number in range(1000, 1010):
            await jobs.defer(session, "work", {"n": number})
    await jobs.start()
    await handled.wait_for(ended=13)
    assert sorted(handled.payloads) == [0, 1, 2, *range(1000, 1010)]

    async def behind() -> bool:
        return await states(database) == {"waiting": 3, "parked": 897}

    await until(behind)
    clock.advance(600)
    jobs.wake()
    await handled.wait_for(ended=19)
    assert sorted(handled.payloads[13:]) == [0, 1, 2, 3, 4, 5]


async def test_only_one_job_with_a_key_waits(database: Database, make_jobs: MakeJobs) -> None:
    release = asyncio.Event()

    async def wait(_job: Job) -> None:
        await release.wait()

    jobs, handled = make_jobs(), Handled(wait)
    jobs.handle("work", handled)
    await defer(database, jobs, "work", 1, 2, once="sweep")
    await defer(database, jobs, "work", 3, once="another")
    await jobs.start()
    await handled.wait_for(begun=2)
    assert sorted(handled.payloads) == [1, 3]
    await defer(database, jobs, "work", 4, 5, at=datetime.now(UTC) + timedelta(days=1), once="sweep")
    assert await states(database) == {"running": 2, "waiting": 1}
    release.set()


async def test_a_retry_makes_way_for_one_that_waits_already(
    database: Database, make_jobs: MakeJobs, clock: Clock
) -> None:
    first = asyncio.Event()

    async def fail_first(job: Job) -> None:
        if job.payload["n"] == 1:
            await first.wait()
            raise RetryLater(60, "not now")

    jobs, handled = make_jobs(clock), Handled(fail_first)
    jobs.handle("work", handled)
    await jobs.start()
    await defer(database, jobs, "work", 1, once="sweep")
    await handled.wait_for(begun=1)
    await defer(database, jobs, "work", 2, at=clock() + timedelta(minutes=1), once="sweep")
    first.set()
    await handled.wait_for(ended=1)
    await due_again(database, clock)
    clock.advance(60)
    jobs.wake()
    await handled.wait_for(ended=2)
    await all_done(database)
    assert handled.payloads == [1, 2]


async def test_stopping_lets_a_job_end(database: Database, make_jobs: MakeJobs) -> None:
    release = asyncio.Event()

    async def wait(_job: Job) -> None:
        await release.wait()

    jobs, handled = make_jobs(), Handled(wait)
    jobs.handle("work", handled, at_once=1)
    await jobs.start()
    await defer(database, jobs, "work", 1, 2)
    await handled.wait_for(begun=1)
    stopping = asyncio.create_task(jobs.stop(10))
    await asyncio.sleep(0)
    release.set()
    await stopping
    assert handled.payloads == [1]
    assert await states(database) == {"waiting": 1}


async def test_stopping_in_the_middle_of_a_job_leaves_it_to_the_next_start(
    database: Database, make_jobs: MakeJobs
) -> None:
    async def hang(_job: Job) -> None:
        await asyncio.Event().wait()

    jobs, handled = make_jobs(), Handled(hang)
    jobs.handle("work", handled)
    await jobs.start()
    await defer(database, jobs, "work", 1, order="key")
    await defer(database, jobs, "work", 2, order="key")
    await handled.wait_for(begun=1)
    await jobs.stop(0.01)
    again, handled = make_jobs(), Handled()
    again.handle("work", handled)
    await again.start()
    await handled.wait_for(ended=2)
    assert [(job.payload["n"], job.attempt) for job in handled.jobs] == [(1, 1), (2, 1)]


async def test_a_job_taken_in_the_moment_of_the_stop_is_not_begun(database: Database, make_jobs: MakeJobs) -> None:
    async def hang(_job: Job) -> None:
        await asyncio.Event().wait()

    jobs, handled = make_jobs(), Handled(hang)
    jobs.handle("work", handled)
    await defer(database, jobs, "work")
    await jobs.start()
    await handled.wait_for(begun=1)
    async with database.write() as session:
        await jobs.defer(session, "work", {"n": 2})
        if not database.is_sqlite:  # where writers don't wait for each other anyway
            await session.execute(text("LOCK TABLE jobs IN EXCLUSIVE MODE"))
        jobs.wake()
        for _ in range(20):  # the runner is now waiting to take what there is
            await asyncio.sleep(0)
        stopping = asyncio.create_task(jobs.stop(0.01))
        await handled.wait_for(ended=1)
    await stopping
    assert handled.payloads == [0]
    assert await states(database) == {"waiting": 2}


async def test_what_repeats_itself_runs_once_for_all(database: Database, make_jobs: MakeJobs, clock: Clock) -> None:
    handled = Handled()
    both = [make_jobs(clock), make_jobs(clock)] if not database.is_sqlite else [make_jobs(clock)]
    for jobs in both:
        jobs.handle("sweep", handled)
        jobs.every("sweep", 60)
        await jobs.start()
    assert await states(database) == {"waiting": 1}
    for runs in (1, 2, 3):
        clock.advance(60 * runs)  # what is missed is made up for by one run
        for jobs in both:
            jobs.wake()
        await handled.wait_for(ended=runs)

        async def waits() -> bool:
            return await states(database) == {"waiting": 1}

        await until(waits)
    assert len(handled.jobs) == 3
    assert [job.payload for job in handled.jobs] == [{}, {}, {}]


async def test_what_repeats_itself_goes_on_after_a_failure(
    database: Database, make_jobs: MakeJobs, clock: Clock
) -> None:
    async def give_up(_job: Job) -> None:
        raise GiveUp("not today")

    jobs, handled = make_jobs(clock), Handled(give_up)
    jobs.handle("sweep", handled)
    jobs.every_day("sweep", time(4, 30))
    await jobs.start()
    for runs in (1, 2):
        clock.advance(86400)
        jobs.wake()
        await handled.wait_for(ended=runs)
        await until(lambda: count_failed(jobs, runs))  # noqa: B023


def test_moments_of_what_repeats_itself() -> None:
    moment = datetime(2026, 3, 1, 4, 29, 30, tzinfo=UTC)
    assert Every(60).after(moment) == datetime(2026, 3, 1, 4, 30, tzinfo=UTC)
    assert Every(60).after(Every(60).after(moment)) == datetime(2026, 3, 1, 4, 31, tzinfo=UTC)
    assert EveryDay(time(4, 30)).after(moment) == datetime(2026, 3, 1, 4, 30, tzinfo=UTC)
    assert EveryDay(time(4, 30)).after(datetime(2026, 3, 1, 4, 30, tzinfo=UTC)).day == 2


@pytest.mark.parametrize(
    ("kind", "payload", "options"),
    [
        ("work", {"text": "x" * 5000}, {}),
        ("work", {"number": float("nan")}, {}),
        ("k" * 65, {}, {}),
        ("work", {}, {"order": "o" * 201}),
        ("work", {}, {"once": "o" * 201}),
    ],
)
async def test_jobs_are_small(
    database: Database, make_jobs: MakeJobs, kind: str, payload: dict[str, Any], options: dict[str, Any]
) -> None:
    jobs = make_jobs()
    async with database.write() as session:
        with pytest.raises(ValueError, match=r"(?i)json|characters"):
            await jobs.defer(session, kind, payload, **options)
    assert await states(database) == {}
    assert json.dumps(await jobs.failed()) == "[]"
