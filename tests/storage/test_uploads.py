"""Files that get to a store whatever happens on the way."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from dialtone.storage import bucket as bucket_module
from dialtone.storage import uploads as uploads_module
from dialtone.storage.answers import StorageError
from dialtone.storage.bucket import Bucket
from dialtone.storage.uploads import AT_ONCE, GrowingUploads, Uploads
from tests.fakes.s3 import FakeS3, Fault
from tests.storage.conftest import PART, location_of

KEY = "2026/11/22/a call.wav"
STORED = f"tests/{KEY}"


def content(size: int) -> bytes:
    return bytes(index * 7 % 251 for index in range(size))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "call.wav"
    path.write_bytes(content(3 * PART + 10))
    return path


@pytest.mark.parametrize("size", [1, PART])
async def test_a_small_file_goes_at_once(store: FakeS3, uploads: Uploads, tmp_path: Path, size: int) -> None:
    path = tmp_path / "small.wav"
    path.write_bytes(content(size))
    await uploads.store(KEY, path)
    assert store.objects[STORED].body == content(size)
    assert store.objects[STORED].headers == {"Content-Type": "audio/wav"}
    assert store.requests == ["PutObject", "HeadObject"]


@pytest.mark.parametrize("size", [PART + 1, 2 * PART, 3 * PART + 10])
async def test_a_large_file_goes_in_parts(store: FakeS3, uploads: Uploads, tmp_path: Path, size: int) -> None:
    path = tmp_path / "large.wav"
    path.write_bytes(content(size))
    await uploads.store(KEY, path)
    assert store.objects[STORED].body == content(size)
    assert store.objects[STORED].headers == {"Content-Type": "audio/wav"}
    assert store.uploads == {}


FAULTS = [
    Fault("UploadPart", 503, "SlowDown"),
    Fault("UploadPart", reset_after=PART // 2),
    Fault("UploadPart", done=True),
    Fault("UploadPart", etag="0" * 32),
    Fault("CreateMultipartUpload", 500),
    Fault("CreateMultipartUpload", done=True),
    Fault("CompleteMultipartUpload", 503, "SlowDown"),
    Fault("CompleteMultipartUpload", done=True),
    Fault("ListParts", 500),
    Fault("ListMultipartUploads", reset_after=0),
    Fault("HeadObject", 503, "SlowDown"),
    Fault("HeadObject", etag="0" * 32),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.operation}-{fault.code}-{fault.done}-{fault.etag}")
async def test_after_a_fault_the_next_try_completes_it(
    store: FakeS3, uploads: Uploads, file: Path, fault: Fault
) -> None:
    store.faults.append(replace(fault))
    if fault.operation == "ListParts":
        await uploads.begin(KEY)
    for _ in range(3):
        try:
            await uploads.store(KEY, file)
            break
        except StorageError:
            assert store.faults == []
    assert store.objects[STORED].body == content(3 * PART + 10)
    assert store.uploads == {}
    assert store.faults == []


async def test_an_error_after_the_status_of_success_is_seen(store: FakeS3, uploads: Uploads, file: Path) -> None:
    """CompleteMultipartUpload answers 200 at once, and what became of it in the body."""
    store.faults.append(Fault("CompleteMultipartUpload", 200, "InternalError"))
    with pytest.raises(StorageError):
        await uploads.store(KEY, file)
    await uploads.store(KEY, file)
    assert store.objects[STORED].body == content(3 * PART + 10)


async def test_what_is_there_is_not_sent_again(store: FakeS3, uploads: Uploads, file: Path) -> None:
    upload_id = await uploads.begin(KEY)
    await uploads.send_part(KEY, upload_id, file, 2)
    store.requests.clear()
    await uploads.store(KEY, file)
    assert [each for each in store.requests if each.startswith("UploadPart")] == [
        "UploadPart 4",
        "UploadPart 3",
        "UploadPart 1",
    ]
    assert store.objects[STORED].body == content(3 * PART + 10)


async def test_many_parts_are_listed_page_by_page(uploads: Uploads, store: FakeS3, tmp_path: Path) -> None:
    store.page = 2
    path = tmp_path / "long.wav"
    path.write_bytes(content(7 * PART + 1))
    upload_id = await uploads.begin(KEY)
    for number in range(2, 8):
        await uploads.send_part(KEY, upload_id, path, number)
    await uploads.store(KEY, path)
    assert store.count("UploadPart") == 8
    assert store.objects[STORED].body == path.read_bytes()


async def test_a_store_that_forgot_an_upload_gets_it_anew(store: FakeS3, uploads: Uploads, file: Path) -> None:
    upload_id = await uploads.begin(KEY)
    await uploads.send_part(KEY, upload_id, file, 2)
    store.faults.append(Fault("ListParts", 404, "NoSuchUpload"))
    await uploads.store(KEY, file)
    assert store.objects[STORED].body == content(3 * PART + 10)
    assert store.uploads == {}


async def test_uploads_that_were_left_are_aborted(store: FakeS3, uploads: Uploads, file: Path) -> None:
    for _ in range(3):
        await uploads.begin(KEY)
    other = await uploads.begin(f"{KEY}.other")
    await uploads.store(KEY, file)
    assert list(store.uploads) == [other]


async def test_nothing_is_left_of_what_is_removed(store: FakeS3, uploads: Uploads, file: Path) -> None:
    await uploads.store(KEY, file)
    await uploads.begin(KEY)
    await uploads.remove(KEY)
    assert (store.objects, store.uploads) == ({}, {})
    await uploads.remove(KEY)


async def test_no_more_parts_are_read_than_are_sent(store: FakeS3, uploads: Uploads, tmp_path: Path) -> None:
    """While the store takes nothing, few parts wait in memory, however many files there are."""
    store.faults.append(Fault("PutObject", stall=True, times=1000))
    path = tmp_path / "small.wav"
    path.write_bytes(content(PART))
    tasks = [asyncio.create_task(uploads.store(str(index), path)) for index in range(50)]
    await store.wait_until(lambda: store.count("PutObject") == AT_ONCE)
    assert store.bodies_at_once == AT_ONCE
    store.release.set()
    await asyncio.gather(*tasks)
    assert len(store.objects) == 50


async def test_a_store_that_never_answers_is_given_up(
    store: FakeS3, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_module, "_TIMEOUT", bucket_module.aiohttp.ClientTimeout(total=0.2))
    bucket = Bucket(location_of(store.url))
    store.faults.append(Fault("UploadPart", stall=True))
    with pytest.raises(StorageError, match="no answer in time"):
        await Uploads(bucket, {}, PART).store(KEY, file)
    await bucket.close()


async def test_growing_files_go_part_by_part(store: FakeS3, uploads: Uploads, tmp_path: Path) -> None:
    path = tmp_path / "growing.wav"
    path.write_bytes(b"old header" + content(PART))
    growing = GrowingUploads(uploads)
    growing.follow(KEY, path)
    await growing.look()
    assert store.requests == []  # the first part waits for its header
    for parts in (2, 3, 5):
        with path.open("ab") as file:
            file.write(content(PART * parts - path.stat().st_size + 10))
        await growing.look()
        await store.wait_until(lambda parts=parts: f"UploadPart {parts}" in store.requests)
        await growing._files[KEY].task  # type: ignore[misc]
    await growing.leave(KEY)
    with path.open("r+b") as file:
        file.write(b"new header")
    await uploads.store(KEY, path)
    assert store.objects[STORED].body == path.read_bytes()
    sent = [each for each in store.requests if each.startswith("UploadPart")]
    assert sorted(sent) == [f"UploadPart {number}" for number in range(1, 7)]
    assert store.count("CreateMultipartUpload") == 1


async def test_growing_files_wait_for_a_store_that_is_away(
    store: FakeS3, uploads: Uploads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "growing.wav"
    path.write_bytes(content(3 * PART))
    growing = GrowingUploads(uploads)
    growing.follow(KEY, path)
    store.faults.append(Fault("UploadPart", reset_after=PART // 2))
    await growing.look()
    await growing._files[KEY].task  # type: ignore[misc]
    asked = len(store.requests)
    await growing.look()
    assert len(store.requests) == asked  # it is left alone for a while
    growing._not_before = 0.0
    await growing.look()
    await growing._files[KEY].task  # type: ignore[misc]
    assert sorted(store.uploads[next(iter(store.uploads))].parts) == [2, 3]


async def test_a_growing_file_begins_anew_where_its_upload_is_gone(
    store: FakeS3, uploads: Uploads, tmp_path: Path
) -> None:
    path = tmp_path / "growing.wav"
    path.write_bytes(content(2 * PART))
    growing = GrowingUploads(uploads)
    growing.follow(KEY, path)
    await growing.look()
    await growing._files[KEY].task  # type: ignore[misc]
    store.restart()
    path.write_bytes(content(3 * PART))
    for _ in range(2):
        growing._not_before = 0.0
        await growing.look()
        await growing._files[KEY].task  # type: ignore[misc]
    assert [sorted(upload.parts) for upload in store.uploads.values()] == [[2, 3]]


async def test_a_growing_file_that_is_deleted_is_forgotten(store: FakeS3, uploads: Uploads, tmp_path: Path) -> None:
    path = tmp_path / "growing.wav"
    path.write_bytes(content(2 * PART))
    growing = GrowingUploads(uploads)
    growing.follow(KEY, path)
    store.faults.append(Fault("CreateMultipartUpload", stall=True))
    await growing.look()
    await store.wait_until(lambda: store.count("CreateMultipartUpload") == 1)
    task = growing._files[KEY].task
    path.unlink()
    store.release.set()
    assert task is not None
    await task
    assert growing._files == {}


async def test_what_has_ended_is_forgotten(store: FakeS3, uploads: Uploads, tmp_path: Path) -> None:
    path = tmp_path / "growing.wav"
    growing = GrowingUploads(uploads)
    growing.follow(KEY, path)
    growing.ended(KEY)
    growing.ended(KEY)
    assert growing._files == {}
    path.write_bytes(content(2 * PART))
    growing.follow(KEY, path)
    store.faults.append(Fault("UploadPart", stall=True))
    await growing.look()
    await store.wait_until(lambda: "UploadPart 2" in store.requests)
    task = growing._files[KEY].task
    assert task is not None
    growing.ended(KEY)
    await growing.look()
    store.release.set()
    await task
    await growing.look()
    assert growing._files == {}


async def test_growing_files_are_watched(
    store: FakeS3, uploads: Uploads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads_module, "LOOK_SECONDS", 0.01)
    path = tmp_path / "growing.wav"
    path.write_bytes(content(2 * PART))
    growing = GrowingUploads(uploads)
    growing.start()
    growing.follow(KEY, path)
    store.faults.append(Fault("UploadPart", stall=True))
    await store.wait_until(lambda: "UploadPart 2" in store.requests)
    await asyncio.wait_for(growing.stop(), 5)
    assert store.count("UploadPart") == 1
