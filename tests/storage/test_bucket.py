"""What a bucket is asked, and what its refusals mean."""

import errno

import aiohttp
import pytest

from dialtone.storage.answers import StorageError
from dialtone.storage.bucket import Bucket, Piece
from tests.fakes.s3 import FakeS3, Fault
from tests.storage.conftest import location_of


async def test_the_check_leaves_nothing(store: FakeS3, bucket: Bucket) -> None:
    await bucket.check()
    assert (store.objects, store.uploads) == ({}, {})
    assert {"PutObject", "CreateMultipartUpload", "ListMultipartUploads"} < set(store.requests)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"aws_secret_access_key": "wrong"}, "the secret access key does not fit"),
        ({"aws_access_key_id": "wrong"}, "the access key is unknown there"),
        ({"store": "s3://other"}, "there is no such bucket"),
        ({"aws_region": "elsewhere"}, "the region does not fit"),
    ],
)
async def test_settings_that_the_store_refuses_are_told(store: FakeS3, more: dict[str, str], words: str) -> None:
    bucket = Bucket(location_of(store.url, **more))
    with pytest.raises(StorageError, match=words) as refusal:
        await bucket.check()
    assert not refusal.value.passing
    assert "wrong" not in str(refusal.value)
    await bucket.close()


@pytest.mark.parametrize(
    "operation",
    [
        "PutObject",
        "HeadObject",
        "CreateMultipartUpload",
        "AbortMultipartUpload",
        "ListMultipartUploads",
        "DeleteObject",
    ],
)
async def test_rights_that_are_missing_are_told(store: FakeS3, bucket: Bucket, operation: str) -> None:
    store.denied.add(operation)
    with pytest.raises(StorageError) as refusal:
        await bucket.check()
    assert not refusal.value.passing


@pytest.mark.parametrize(
    ("fault", "passing"),
    [
        (Fault("PutObject", 503, "SlowDown"), True),
        (Fault("PutObject", 500, "InternalError"), True),
        (Fault("PutObject", 400, "RequestTimeout"), True),
        (Fault("PutObject", 429, "TooManyRequests"), True),
        (Fault("PutObject", reset_after=0), True),
        (Fault("PutObject", 301, "PermanentRedirect"), False),
        (Fault("PutObject", 403, "RequestTimeTooSkewed"), False),
        (Fault("PutObject", 501, "NotImplemented"), True),
    ],
)
async def test_what_may_pass_is_known(store: FakeS3, bucket: Bucket, fault: Fault, passing: bool) -> None:
    store.faults.append(fault)
    with pytest.raises(StorageError) as refusal:
        await bucket.put("a", Piece.of(b"content"), {})
    assert refusal.value.passing is passing


async def test_what_came_changed_is_refused(store: FakeS3, bucket: Bucket) -> None:
    right = Piece.of(b"content")
    for piece in (
        Piece(b"kontent", right.sha256, right.md5),
        Piece(b"kontent", Piece.of(b"kontent").sha256, right.md5),
    ):
        with pytest.raises(StorageError) as refusal:
            await bucket.put("a", piece, {})
        assert refusal.value.passing
    assert store.objects == {}


async def test_an_address_opens_an_object_for_a_while(store: FakeS3, bucket: Bucket) -> None:
    await bucket.put("a/b c.wav", Piece.of(b"0123456789"), {"Content-Type": "audio/wav"})
    url = bucket.presigned_url("GET", "a/b c.wav", 60)
    async with aiohttp.ClientSession() as client:
        async with client.get(aiohttp.client.URL(url, encoded=True)) as answer:
            assert (answer.status, await answer.read()) == (200, b"0123456789")
            assert answer.content_type == "audio/wav"
        async with client.get(aiohttp.client.URL(url, encoded=True), headers={"Range": "bytes=2-4"}) as answer:
            assert (answer.status, await answer.read()) == (206, b"234")
        late = bucket.presigned_url("GET", "a/b c.wav", -1)
        for wrong in (late, url.replace("b%20c", "other"), url[:-1] + ("0" if url[-1] != "0" else "1")):
            async with client.get(aiohttp.client.URL(wrong, encoded=True)) as answer:
                assert answer.status in (400, 403)
        async with client.get(f"{store.url}/calls/tests/a/b%20c.wav") as answer:
            assert answer.status == 403  # the bucket is not public


async def test_an_object_is_read_as_it_comes(store: FakeS3, bucket: Bucket) -> None:
    body = bytes(300_000)
    await bucket.put("a", Piece.of(body), {})
    async with bucket.get("a") as chunks:
        assert chunks is not None
        assert b"".join([chunk async for chunk in chunks]) == body
    async with bucket.get("b") as chunks:
        assert chunks is None


async def test_a_readers_own_trouble_is_not_the_stores(store: FakeS3, bucket: Bucket) -> None:
    await bucket.put("a", Piece.of(b"content"), {})
    with pytest.raises(OSError, match="No space left"):
        async with bucket.get("a"):
            raise OSError(errno.ENOSPC, "No space left on device")


async def test_nobody_at_the_address() -> None:
    bucket = Bucket(location_of("http://127.0.0.1:9"))
    with pytest.raises(StorageError, match="no connection to the store of recordings") as refusal:
        await bucket.check()
    assert refusal.value.passing
    await bucket.close()
