"""Recordings that move to an object store, are served from there, and go."""

import asyncio
import os
import wave
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import select

from dialtone.calls import recordings as recordings_module
from dialtone.calls.room import CallsRoom
from dialtone.calls.tables import Call
from dialtone.media.audio import MULAW_8K
from dialtone.media.recording_file import HEADER_BYTES, RecordingFile
from dialtone.platform.tenancy import get_owned
from dialtone.settings import Settings
from dialtone.storage.answers import StorageError
from tests.calls.conftest import TRANSIENT, House, RunningCall, open_house
from tests.fakes.s3 import FakeS3, Fault
from tests.jobs.conftest import until

PART = 64_000
"""Bytes of a part; the fake takes so small ones. Two seconds."""
FRAME = bytes(range(160))


def with_store(settings: Settings, store: FakeS3, **more: Any) -> Settings:
    given = {name.removeprefix("DIALTONE_").lower(): value for name, value in store.settings.items()}
    secret = {name: SecretStr(value) if "key" in name else value for name, value in given.items()}
    return settings.model_copy(update={**secret, **more})


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings_module, "PART_BYTES", PART)
    monkeypatch.setattr(recordings_module, "LINGER_SECONDS", 0.0)
    monkeypatch.setattr(recordings_module, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(recordings_module, "WRITTEN_SECONDS", 0.01)


@pytest.fixture
async def store() -> AsyncIterator[FakeS3]:
    async with FakeS3(min_part_bytes=PART) as fake:
        yield fake


@pytest.fixture
async def stored_house(settings: Settings, store: FakeS3) -> AsyncIterator[House]:
    """On both databases."""
    async with open_house(with_store(settings, store)) as house:
        yield house


def record(path: Path, seconds: float) -> RecordingFile:
    """A recording that goes on."""
    file = RecordingFile(path, MULAW_8K)
    for _ in range(round(seconds * 50)):
        file.write([FRAME], [FRAME])
    return file


async def recorded(house: House, seconds: float) -> tuple[str, RunningCall, RecordingFile, Path]:
    """A live call with a recording."""
    call_id, running, _ = await house.begin(assistant=TRANSIENT)
    path = running.plan.recording_path
    assert path is not None
    return call_id, running, await asyncio.to_thread(record, path, seconds), path


async def ended(house: House, seconds: float) -> tuple[str, Path, bytes]:
    """A call that is over, and what was recorded."""
    call_id, running, file, path = await recorded(house, seconds)
    file.close()
    content = await asyncio.to_thread(path.read_bytes)
    running.end("user_hangup")
    return call_id, path, content


def key_of(path: Path) -> str:
    return f"tests/{'/'.join(path.parts[-4:])}"


async def gone(path: Path) -> None:
    async def is_gone() -> bool:
        return not await asyncio.to_thread(path.exists)

    await until(is_gone)


async def address(house: House, call_id: str) -> str:
    return str((await house.get(call_id))["recording_url"])


@pytest.mark.parametrize("seconds", [1, 9])
async def test_a_recording_moves_to_the_store(stored_house: House, store: FakeS3, seconds: int) -> None:
    call_id, path, content = await ended(stored_house, seconds)
    await gone(path)
    found = store.objects[key_of(path)]
    assert found.body == content
    assert found.headers["Content-Type"] == "audio/wav"
    assert store.uploads == {}
    url = await address(stored_house, call_id)
    async with stored_house.client("none") as client, httpx.AsyncClient() as outside:
        answer = await client.get(url)
        assert answer.status_code == 307
        assert answer.headers["cache-control"] == "private, no-store"
        there = answer.headers["location"]
        assert there.startswith(f"{store.url}/calls/{key_of(path)}?")
        assert 3500 < int(parse_qs(urlsplit(there).query)["X-Amz-Expires"][0]) <= 3600
        assert (await outside.get(there)).content == content
        part = await outside.get(there, headers={"Range": "bytes=4-7"})
        assert (part.status_code, part.content) == (206, content[4:8])
        assert (await outside.get(there.partition("?")[0])).status_code == 403


async def test_parts_go_while_the_call_runs(stored_house: House, store: FakeS3) -> None:
    _, running, file, path = await recorded(stored_house, 7)
    growing = stored_house.room.recordings._store.growing  # type: ignore[union-attr]
    await growing.look()
    await store.wait_until(lambda: {"UploadPart 2", "UploadPart 3"} <= set(store.requests))
    await growing._files[key_of(path).removeprefix("tests/")].task  # type: ignore[misc]
    assert store.objects == {}
    await asyncio.to_thread(file.write, [FRAME] * 50, [FRAME] * 50)
    file.close()
    content = await asyncio.to_thread(path.read_bytes)
    running.end("user_hangup")
    await gone(path)
    assert store.objects[key_of(path)].body == content
    assert [each for each in store.requests if each.startswith("UploadPart")] == [
        "UploadPart 2",
        "UploadPart 3",
        "UploadPart 5",
        "UploadPart 4",
        "UploadPart 1",
    ]
    assert seconds_of(content) == 8


def seconds_of(content: bytes) -> float:
    with wave.open(BytesIO(content)) as file:
        assert file.getnframes() * 4 + HEADER_BYTES == len(content)
        return file.getnframes() / file.getframerate()


async def test_while_it_is_local_it_is_served_from_there(stored_house: House, store: FakeS3) -> None:
    store.faults.append(Fault("PutObject", 503, "SlowDown", times=1_000_000))
    call_id, _, content = await ended(stored_house, 1)
    await store.wait_until(lambda: store.count("PutObject") > 3)
    url = await address(stored_house, call_id)
    async with stored_house.client("none") as client:
        assert (await client.get(url)).content == content


@pytest.mark.parametrize(
    "fault",
    [
        Fault("PutObject", 503, "SlowDown", times=5),
        Fault("PutObject", reset_after=1000, times=3),
        Fault("PutObject", done=True),
        Fault("PutObject", etag="0" * 32),
        Fault("HeadObject", 403, "AccessDenied", times=2),
    ],
    ids=["slow down", "reset", "no answer", "wrong ETag", "denied"],
)
async def test_a_store_with_troubles_gets_it_at_last(settings: Settings, store: FakeS3, fault: Fault) -> None:
    async with open_house(with_store(settings, store)) as house:
        store.faults.append(Fault(**vars(fault)))
        _, path, content = await ended(house, 1)
        await gone(path)
    assert store.objects[key_of(path)].body == content
    assert store.faults == []


async def test_what_was_under_way_at_a_stop_goes_on_at_the_next_start(settings: Settings, store: FakeS3) -> None:
    stored = with_store(settings, store)
    async with open_house(stored) as house:
        store.faults.append(Fault("UploadPart", stall=True))
        call_id, path, content = await ended(house, 9)
        await store.wait_until(lambda: store.count("UploadPart") == 1)
    assert path.exists()
    async with open_house(stored) as house:
        await gone(path)
        assert store.objects[key_of(path)].body == content
        assert store.uploads == {}
        async with house.client("none") as client:
            assert (await client.get(await address(house, call_id))).status_code == 307


async def test_a_recording_that_is_written_to_is_waited_for(stored_house: House, store: FakeS3) -> None:
    """A slow disk may be behind when its call is over."""
    _, running, file, path = await recorded(stored_house, 1)
    running.end("user_hangup")
    await stored_house.room.flush()
    await asyncio.to_thread(file.write, [FRAME] * 50, [FRAME] * 50)
    assert store.objects == {}
    file.close()
    await gone(path)
    assert seconds_of(store.objects[key_of(path)].body) == 2


async def test_recordings_made_before_there_was_a_store_move_there(settings: Settings, store: FakeS3) -> None:
    async with open_house(settings) as house:
        call_id, path, content = await ended(house, 1)
        await house.get(call_id)
        stray = path.with_name("0f2ddba5-0000-4000-8000-000000000000.wav")
        record(stray, 1).close()
    async with open_house(with_store(settings, store)):
        await gone(path)
    assert {key: found.body for key, found in store.objects.items()} == {key_of(path): content}
    assert stray.exists()  # of a call that this database never had


async def take(house: House, call_id: str) -> None:
    """As whoever deletes a call's content does."""
    async with house.database.write() as session:
        organization_id = await session.scalar(select(Call.organization_id).where(Call.id == call_id))
        call = await get_owned(session, Call, organization_id, call_id, lock=True)
        assert call is not None
        await house.room.recordings.delete(session, [call])


async def test_a_deleted_recording_is_gone_everywhere(stored_house: House, store: FakeS3) -> None:
    call_id, path, _ = await ended(stored_house, 9)
    await gone(path)
    url = await address(stored_house, call_id)
    await take(stored_house, call_id)
    await store.wait_until(lambda: not store.objects)
    async with stored_house.client("none") as client:
        assert (await client.get(url)).status_code == 404
    assert (await stored_house.get(call_id))["recording_url"] is None


async def test_a_local_recording_is_deleted(calls_house: House) -> None:
    call_id, path, _ = await ended(calls_house, 1)
    await calls_house.get(call_id)
    await take(calls_house, call_id)
    await gone(path)


async def test_what_is_deleted_while_it_moves_does_not_stay(stored_house: House, store: FakeS3) -> None:
    store.faults.append(Fault("UploadPart", stall=True))
    call_id, path, _ = await ended(stored_house, 9)
    await store.wait_until(lambda: store.count("UploadPart") == 1)
    await take(stored_house, call_id)
    await store.wait_until(lambda: store.count("DeleteObject") >= 2)  # one was at the start
    store.release.set()
    await gone(path)

    async def nothing_left() -> bool:
        return not store.objects and not store.uploads

    await until(nothing_left)


async def test_any_node_serves_and_reads_what_is_in_the_store(
    settings: Settings, store: FakeS3, tmp_path: Path, database_url: str | None
) -> None:
    shared = database_url or f"sqlite:///{tmp_path}/data/dialtone.db"
    first, second = (
        with_store(settings, store, data_dir=tmp_path / name, database_url=shared, secret_key=SecretStr("0" * 64))
        for name in ("first", "second")
    )
    async with open_house(first) as house, open_house(second) as other:
        call_id, path, content = await ended(house, 1)
        await gone(path)
        async with other.client("none") as client:
            assert (await client.get(await address(other, call_id))).status_code == 307
        recording = path.relative_to(first.data_dir).as_posix()
        async with other.room.recordings.reading(recording) as copy:
            assert await asyncio.to_thread(copy.read_bytes) == content
        assert not copy.exists()
        store.objects.clear()
        with pytest.raises(StorageError):
            async with other.room.recordings.reading(recording):
                pass
        async with other.client("none") as client:
            assert (await client.get(await address(other, call_id))).status_code == 404


async def test_a_reader_keeps_what_is_deleted_meanwhile(calls_house: House) -> None:
    call_id, path, content = await ended(calls_house, 1)
    await calls_house.get(call_id)
    recording = path.relative_to(calls_house.settings.data_dir).as_posix()
    async with calls_house.room.recordings.reading(recording) as copy:
        await asyncio.to_thread(os.unlink, path)
        assert await asyncio.to_thread(copy.read_bytes) == content
    assert not copy.exists()
    with pytest.raises(FileNotFoundError):
        async with calls_house.room.recordings.reading(recording):
            pass


async def test_a_store_that_is_away_is_said(stored_house: House, store: FakeS3) -> None:
    call_id, path, _ = await ended(stored_house, 1)
    await gone(path)
    store.faults.append(Fault("HeadObject", 503, "SlowDown"))
    async with stored_house.client("none") as client:
        answer = await client.get(await address(stored_house, call_id))
    assert (answer.status_code, answer.json()["code"]) == (503, "recording_store_unavailable")
    assert answer.headers["retry-after"] == "30"


async def test_a_store_that_refuses_keeps_the_server_from_starting(settings: Settings, store: FakeS3) -> None:
    wrong = with_store(settings, store, aws_secret_access_key=SecretStr("wrong-secret"))
    with pytest.raises(ValueError, match=r"DIALTONE_RECORDING_STORE: .*secret access key does not fit") as refusal:
        async with open_house(wrong):
            pass
    assert "wrong-secret" not in str(refusal.value)


async def test_a_store_that_is_away_at_the_start_is_waited_for(settings: Settings, store: FakeS3) -> None:
    store.faults.append(Fault("PutObject", 503, "SlowDown", times=4))
    async with open_house(with_store(settings, store)) as house:
        assert isinstance(house.room, CallsRoom)
        _, path, content = await ended(house, 1)
        await gone(path)
    assert store.objects[key_of(path)].body == content


async def test_a_store_that_never_answers_holds_up_no_start(
    settings: Settings, store: FakeS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings_module, "CHECK_SECONDS", 0.1)
    store.faults.append(Fault("PutObject", stall=True))
    async with open_house(with_store(settings, store)) as house:
        assert await house.begin(assistant=TRANSIENT)


async def test_a_call_that_records_nothing_leaves_nothing(stored_house: House) -> None:
    _, running, _ = await stored_house.begin(assistant=TRANSIENT)
    growing = stored_house.room.recordings._store.growing  # type: ignore[union-attr]
    assert len(growing._files) == 1
    live = stored_house.room.live
    assert live is not None
    running.end("user_hangup")
    await asyncio.wait(live._running)
    assert growing._files == {}


async def test_many_calls_that_end_at_once(stored_house: House, store: FakeS3) -> None:
    paths = []
    for _ in range(25):
        _, path, _ = await ended(stored_house, 1)
        paths.append(path)
    for path in paths:
        await gone(path)
    assert set(store.objects) == {key_of(path) for path in paths}
