"""A fake store over HTTP, and a bucket in it."""

from collections.abc import AsyncIterator

import pytest

from dialtone.settings import Settings
from dialtone.storage.bucket import Bucket
from dialtone.storage.location import Location
from dialtone.storage.uploads import Uploads
from tests.fakes.s3 import BUCKET, KEY_ID, REGION, SECRET, FakeS3

PART = 1000
"""Bytes of a part; the fake takes so small ones."""


def location_of(url: str | None = None, store: str = f"s3://{BUCKET}/tests", **more: object) -> Location:
    given = {
        "recording_store": store,
        "aws_access_key_id": KEY_ID,
        "aws_secret_access_key": SECRET,
        "aws_endpoint_url": url,
        "aws_region": REGION,
        **more,
    }
    location = Location.from_settings(Settings.model_validate(given))
    assert location is not None
    return location


@pytest.fixture
async def store() -> AsyncIterator[FakeS3]:
    async with FakeS3(min_part_bytes=PART) as fake:
        yield fake


@pytest.fixture
async def bucket(store: FakeS3) -> AsyncIterator[Bucket]:
    bucket = Bucket(location_of(store.url))
    yield bucket
    await bucket.close()


@pytest.fixture
def uploads(bucket: Bucket) -> Uploads:
    return Uploads(bucket, {"Content-Type": "audio/wav"}, part_bytes=PART)
