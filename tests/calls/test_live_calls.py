"""Live calls: what they write down, how many there may be, and how they end."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import func, select, update
from sqlalchemy.exc import OperationalError

from dialtone.calls import writer
from dialtone.calls.tables import Call, KeptCall
from dialtone.conversation.journal import TurnLatency
from dialtone.lines.websocket.door import Admission, Refusal
from dialtone.media.audio import PCM_16K
from dialtone.settings import Settings
from tests.calls.conftest import TRANSIENT, FakeLine, House, open_house

LATENCY = TurnLatency(400.0, 310.5, 220.0, 90.25, 12.0, 815.0)


async def test_a_call_is_written_down_as_it_happens(calls_house: House) -> None:
    call_id, running, line = await calls_house.begin()
    running.journal.message("assistant", "Hello Ada.")
    running.journal.message("user", "What time is it? \x00 🕑")
    running.journal.turn(LATENCY)
    running.journal.note("{{unknown}} was left empty")
    call = await calls_house.get(call_id)
    assert (call["status"], call["end_reason"]) == ("in-progress", None)
    assert call["started_at"] is not None
    assert call["messages"] == [
        {"role": "assistant", "content": "Hello Ada."},
        {"role": "user", "content": "What time is it?  🕑"},
    ]
    assert call["notes"] == ["{{unknown}} was left empty"]
    assert call["latency"] == [
        {
            "endpointing": 400.0,
            "stt_final": 310.5,
            "llm_first_token": 220.0,
            "tts_first_audio": 90.25,
            "playout": 12.0,
            "total": 815.0,
            "interrupted": False,
        }
    ]
    running.end("user_hangup")
    await asyncio.wait(calls_house.room.live._running)  # type: ignore[union-attr]
    call = await calls_house.get(call_id)
    assert (call["status"], call["end_reason"], call["error"]) == ("ended", "user_hangup", None)
    assert call["duration_seconds"] == 7
    assert line.closed == ["user_hangup"]


async def test_a_failed_conversation_says_why(house: House) -> None:
    call_id, running, _ = await house.begin()
    running.end("error", "deepgram: the key was refused")
    await asyncio.wait(house.room.live._running)  # type: ignore[union-attr]
    call = await house.get(call_id)
    assert (call["status"], call["end_reason"]) == ("ended", "error")
    assert call["error"] == "deepgram: the key was refused"


async def test_gdpr_mode_keeps_no_content(house: House) -> None:
    call_id, running, _ = await house.begin(assistant={**TRANSIENT, "gdpr_mode": True})
    assert running.plan.recording_path is None
    assert running.plan.keep_content is False
    running.journal.message("user", "I am ill.")
    running.journal.turn(LATENCY)
    call = await house.get(call_id)
    assert call["messages"] == []
    assert call["recording_url"] is None
    assert len(call["latency"]) == 1


async def test_the_plan_carries_the_assistants_settings(house: House) -> None:
    assistant = {
        **TRANSIENT,
        "max_duration_seconds": 300,
        "silence_timeout_seconds": 9,
        "autonomous_silence_handling": True,
        "speech_config": {
            "turn_taking": {"interruption_min_words": 2, "false_interruption_timeout": None},
            "silence": {"messages": ["Still there?"], "final_message": "Bye.", "max_attempts": 2},
            "pronunciation": [{"from": "SQL", "to": "sequel"}],
            "end_call_phrases": ["goodbye"],
            "end_call_message": "Take care.",
        },
    }
    _, running, _ = await house.begin(assistant=assistant, variables={"first_name": "Ada"})
    plan = running.plan
    assert plan.max_duration_seconds == 300
    assert (plan.turn_taking.interruption_min_words, plan.turn_taking.false_interruption_timeout) == (2, None)
    assert plan.turn_taking.endpointing_min_delay == 0.4
    assert (plan.silence.enabled, plan.silence.messages, plan.silence.final_message) == (
        True,
        ("Still there?",),
        "Bye.",
    )
    assert (plan.silence.first_check_seconds, plan.silence.max_attempts) == (9, 2)
    assert plan.pronunciation == (("SQL", "sequel"),)
    assert (plan.end_call_phrases, plan.end_call_message) == (("goodbye",), "Take care.")
    assert plan.variables == {"first_name": "Ada"}
    assert plan.recording_path is not None
    assert plan.recording_path.is_relative_to(house.settings.data_dir / "recordings")
    assert plan.recording_path.name == f"{plan.call_id}.wav"


async def test_nobody_is_recorded_who_should_consent_first(house: House) -> None:
    consent = {"enabled": True, "message": "May we record?"}
    _, running, _ = await house.begin(assistant={**TRANSIENT, "recording_consent": consent})
    assert running.plan.recording_path is None


async def test_a_full_server_refuses_in_words_and_the_token_stays_good(tmp_path: Path) -> None:
    async with open_house(_sqlite(tmp_path, max_calls=1)) as house:
        _, running, _ = await house.begin()
        created = await house.create()
        refusal = await house.room._claim(created["token"], PCM_16K)
        assert isinstance(refusal, Refusal)
        assert (refusal.code, refusal.close_code) == ("at_capacity", 4503)
        assert "takes 1 call at a time" in refusal.message
        running.end("user_hangup")
        await asyncio.wait(house.room.live._running)  # type: ignore[union-attr]
        admission = await house.room._claim(created["token"], PCM_16K)
        assert isinstance(admission, Admission)
        admission.start(FakeLine())


async def test_stopping_ends_calls_and_writes_them_down(tmp_path: Path) -> None:
    async with open_house(_sqlite(tmp_path)) as house:
        call_id, _, line = await house.begin()
        waiting = await house.create()
        await house.room.stop()
        assert line.closed == ["server_shutdown"]
        assert house.engine.stopped == 1
        refusal = await house.room._claim(waiting["token"], PCM_16K)
        assert isinstance(refusal, Refusal)
        assert refusal.code == "server_shutdown"
        call = await house.get(call_id)
        assert (call["status"], call["end_reason"]) == ("ended", "server_shutdown")


async def test_draining_lets_a_call_finish(tmp_path: Path) -> None:
    async with open_house(_sqlite(tmp_path)) as house:
        call_id, running, line = await house.begin()
        stopping = asyncio.create_task(house.room.stop(drain_seconds=30))
        await asyncio.sleep(0)
        running.end("user_hangup")
        await asyncio.wait_for(stopping, 5)
        assert line.closed == ["user_hangup"]
        assert (await house.get(call_id))["end_reason"] == "user_hangup"


async def test_calls_left_open_by_a_crash_are_ended_at_the_next_start(settings: Settings, tmp_path: Path) -> None:
    settings = settings.model_copy(update={"secret_key": SecretStr("a secret key that both nodes share")})
    async with open_house(settings) as crashed:
        ours, running, _ = await crashed.begin()
        running.journal.message("user", "Hello?")
        await crashed.room.flush()
        another = settings.model_copy(
            update={
                "data_dir": tmp_path / "another",
                "database_url": str(crashed.database.url.render_as_string(hide_password=False))
                .replace("+aiosqlite", "")
                .replace("+psycopg", ""),
            }
        )
        async with open_house(another) as other_node:
            assert (await other_node.get(ours))["status"] == "in-progress"
        async with open_house(settings) as restarted:
            call = await restarted.get(ours)
            assert (call["status"], call["end_reason"]) == ("ended", "server_shutdown")
            assert call["error"] == "The server stopped while the call was running."
            assert call["ended_at"] is not None
            assert call["duration_seconds"] is not None
            assert call["messages"] == [{"role": "user", "content": "Hello?"}]


async def test_an_engine_that_breaks_still_ends_the_call(house: House) -> None:
    created = await house.create()
    house.engine.broken = True
    admission = await house.room._claim(created["token"], PCM_16K)
    assert isinstance(admission, Admission)
    line = FakeLine()
    admission.start(line)
    await asyncio.wait(house.room.live._running)  # type: ignore[union-attr]
    call = await house.get(created["call_id"])
    assert (call["status"], call["end_reason"]) == ("ended", "error")
    assert line.closed == ["error"]


async def test_a_database_that_goes_away_delays_the_writing(
    calls_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "FIRST_RETRY_SECONDS", 0.01)
    call_id, running, _ = await calls_house.begin()
    await calls_house.room.flush()
    attempts = 0
    really = calls_house.room._writer._transaction

    async def away_for_a_while(batch: Any) -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 4:
            raise OperationalError("INSERT", None, ConnectionRefusedError())
        if attempts == 4:
            await really(batch)
            raise OperationalError("COMMIT", None, ConnectionResetError())
        await really(batch)

    monkeypatch.setattr(calls_house.room._writer, "_transaction", away_for_a_while)
    for word in ("one", "two", "three"):
        running.journal.message("user", word)
    running.end("user_hangup")
    await asyncio.wait(calls_house.room.live._running)  # type: ignore[union-attr]
    call = await calls_house.get(call_id)
    assert attempts > 4
    assert [message["content"] for message in call["messages"]] == ["one", "two", "three"]
    assert call["status"] == "ended"


async def test_what_cannot_be_stored_is_told_of_the_call_without_its_content(
    calls_house: House, caplog: pytest.LogCaptureFixture
) -> None:
    call_id, running, _ = await calls_house.begin()
    bad = update(Call).where(Call.id == call_id).values(status=None, error="said in confidence")
    calls_house.room._writer.put(call_id, (bad, {}))
    running.journal.message("user", "hello")
    running.end("user_hangup")
    await asyncio.wait(calls_house.room.live._running)  # type: ignore[union-attr]
    call = await calls_house.get(call_id)
    assert f"call {call_id}: an entry can't be stored (IntegrityError)" in caplog.messages
    assert "confidence" not in caplog.text
    assert (call["status"], [message["content"] for message in call["messages"]]) == ("ended", ["hello"])


async def test_a_whole_call_that_is_written_twice_stays_ended_and_reported_once(
    calls_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "FIRST_RETRY_SECONDS", 0.01)
    really, written = calls_house.room._writer._transaction, 0

    async def kept() -> int:
        async with calls_house.database.read() as session:
            return await session.scalar(select(func.count()).select_from(KeptCall)) or 0

    async def lose_the_answer(batch: Any) -> None:
        nonlocal written
        written += 1
        await really(batch)
        if written == 1:
            async with asyncio.timeout(20):
                while await kept():  # noqa: ASYNC110 - the work after the call tells nobody here that it is done
                    await asyncio.sleep(0.01)
            raise OperationalError("COMMIT", None, ConnectionResetError())

    monkeypatch.setattr(calls_house.room._writer, "_transaction", lose_the_answer)
    call_id, running, _ = await calls_house.begin()
    running.end("user_hangup")
    await asyncio.wait(calls_house.room.live._running)  # type: ignore[union-attr]
    call = await calls_house.get(call_id)
    assert written == 2
    assert call["status"] == "ended"
    assert await kept() == 0


async def test_one_entry_that_cannot_be_stored_does_not_cost_the_others(calls_house: House) -> None:
    call_id, running, _ = await calls_house.begin()
    running.journal.message("user", "one")
    running.journal.message("x" * 5000, "an impossible role")  # type: ignore[arg-type]
    running.journal.turn(TurnLatency(None, None, None, None, None, None, interrupted=True))
    running.journal.message("user", "\ud800 half a character")
    running.end("user_hangup")
    await asyncio.wait(calls_house.room.live._running)  # type: ignore[union-attr]
    call = await calls_house.get(call_id)
    assert [message["content"] for message in call["messages"] if message["role"] == "user"] == [
        "one",
        "? half a character",
    ]
    assert call["latency"][0]["interrupted"] is True
    assert call["status"] == "ended"


async def test_a_long_absence_loses_content_but_no_ending(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MOST_WAITING", 3)
    call_id, running, _ = await house.begin()
    for index in range(10):
        running.journal.message("user", str(index))
    running.journal.ended(_ending())
    call = await house.get(call_id)
    assert len(call["messages"]) < 10
    assert call["status"] == "ended"


def _sqlite(tmp_path: Path, **more: Any) -> Settings:
    return Settings(data_dir=tmp_path / "data", api_key=SecretStr("fl_test_of_the_calls_room"), **more)


def _ending() -> Any:
    from dialtone.conversation.journal import Ending

    return Ending("user_hangup", None, datetime.now(UTC), 3)


async def test_without_a_voice_there_are_no_words_for_who_is_turned_away(house: House) -> None:
    live = house.room.live
    assert live is not None
    assert await live.announcement("We are closed.", "en", PCM_16K, keep=False) is None
