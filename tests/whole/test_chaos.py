"""Killed at random moments among live calls, deliveries, analyses, erasures and retention, the server loses nothing.

`CHAOS_KILLS` says how often on each database, `CHAOS_SEED` repeats the moments of another run as far as moments can be.
"""

import os
import random
import struct
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.whole.chaos import SECRET, Chaos

KILLS = int(os.environ.get("CHAOS_KILLS", "3"))
SEED = int(os.environ.get("CHAOS_SEED", "0")) or random.randrange(2**32)
LIFE_SECONDS = 3.0
ENDS = {("ended", "user_hangup"), ("ended", "server_shutdown"), ("failed", "server_shutdown")}


async def test_nothing_is_lost_when_the_server_is_killed(
    tmp_path: Path, database_url: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    chaos = Chaos(tmp_path, database_url, random.Random(SEED))
    found: Counter[str] = Counter()
    with chaos.surroundings():
        await chaos.prepare()
        for _ in range(KILLS):
            await chaos.live_and_die()
        async with chaos.settled():
            await check_calls(chaos, found)
            await check_content(chaos, found)
            await check_erasures(chaos, found)
        check_webhooks(chaos, found)
        check_recordings(chaos, found)
    database = "SQLite" if database_url is None else "PostgreSQL"
    with capsys.disabled():
        sys.stdout.write(f"\n{database}, seed {SEED}: kills {dict(chaos.kills)}, {dict(found)}\n")


async def test_another_node_finishes_what_a_killed_one_was_doing(
    tmp_path: Path, migrated_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It never comes back, nor does its disk. The promise is 30 s; a busy machine gets some more."""
    chaos = Chaos(tmp_path / "first", migrated_url, random.Random(SEED), calm=True, module="dialtone.cli")
    found: Counter[str] = Counter()
    with chaos.surroundings():
        await chaos.prepare()
        async with chaos.alive() as first:
            first_url = chaos.url
            chaos.data_dir = tmp_path / "second"
            async with chaos.alive():
                second_url, chaos.url = chaos.url, first_url
                await chaos.work_and_die(first, LIFE_SECONDS, at_least=1)
                killed, chaos.url = time.monotonic(), second_url
                await chaos.until_done(60)
                seconds = time.monotonic() - killed
                await check_calls(chaos, found)
                await check_erasures(chaos, found)
        check_webhooks(chaos, found)
    assert found["calls ended by server_shutdown"] > 0
    with capsys.disabled():
        sys.stdout.write(f"\nall that the killed node left was done {seconds:.1f} s later: {dict(found)}\n")


async def check_calls(chaos: Chaos, found: Counter[str]) -> None:
    """Every call that was answered has ended, once."""
    assert chaos.in_progress() == []
    assert chaos.unfinished() == [], "a job was left, or has failed"
    for call_id in chaos.answered:
        status, call = await chaos.ask("GET", f"/calls/{call_id}")
        assert status == 200, f"call {call_id} is lost"
        # Killed before it was written down that the call began, it has failed; its caller was told that it was ready.
        assert (call["status"], call["end_reason"]) in ENDS, call
        found[f"calls {call['status']} by {call['end_reason']}"] += 1
    found["calls answered"] = len(chaos.answered)
    assert chaos.answered, "nobody got through: the test has shown nothing"


def check_webhooks(chaos: Chaos, found: Counter[str]) -> None:
    """One end and one report of every call, however often each was sent; and nothing of calls that never were."""
    ends, reports = chaos.events("status-update", "ended", "ended-with-error"), chaos.reports()
    for call_id in chaos.answered:
        for kind, events in (("ends", ends), ("reports", reports)):
            assert len(events[call_id]) == 1, f"{kind} of call {call_id}: {list(events[call_id])}"
            ((_, tries),) = events[call_id].items()
            assert len({each.raw for each in tries}) == 1, "a repeated webhook says the same"
            assert all(each.is_signed_with(SECRET) for each in tries)
            found[f"{kind} delivered"] += 1
            found[f"{kind} delivered again"] += len(tries) - 1
    for tries in reports.values():
        ((received, *_),) = tries.values()
        report: dict[str, Any] = received.message
        if report["messages"]:
            assert report["summary"], report
            assert report["analysis"] == {"ok": True}, report
            found["analyses"] += 1


async def check_content(chaos: Chaos, found: Counter[str]) -> None:
    """What is too old is gone; what is not, is there."""
    for call_id in chaos.answered:
        _, call = await chaos.ask("GET", f"/calls/{call_id}")
        if call_id in chaos.aged:
            assert not any(call[name] for name in ("messages", "summary", "recording_url")), call
            found["calls emptied by retention"] += 1
        elif call["messages"]:
            assert call["summary"], call


async def check_erasures(chaos: Chaos, found: Counter[str]) -> None:
    for erasure_id, number in chaos.erasures.items():
        _, answer = await chaos.ask("GET", f"/privacy/erasures/{erasure_id}")
        assert answer["erasure"]["status"] == "done"
        assert chaos.rows.ask("SELECT id FROM chat_messages WHERE content LIKE ?", f"%{number}%") == []
        found["callers erased"] += 1


def check_recordings(chaos: Chaos, found: Counter[str]) -> None:
    """Each says in its header what it holds, and belongs to a call that is not too old."""
    kept = {name for (name,) in chaos.rows.ask("SELECT recording FROM calls WHERE recording IS NOT NULL")}
    files = {str(path.relative_to(chaos.data_dir)): path for path in (chaos.data_dir / "recordings").rglob("*.wav")}
    assert files.keys() <= kept
    for path in files.values():
        data = path.read_bytes()
        riff, size, wave = struct.unpack_from("<4sI4s", data)
        assert (riff, wave, size) == (b"RIFF", b"WAVE", len(data) - 8), path
        at = data.index(b"data")
        assert struct.unpack_from("<I", data, at + 4)[0] == len(data) - at - 8
        found["recordings sound"] += 1
    assert found["recordings sound"] > 0
