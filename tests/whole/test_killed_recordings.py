"""A server that is killed in the middle of a recording: it gets to the store whole, up to the last second."""

import asyncio
import contextlib
import wave
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from dialtone.client import WebCallClient
from dialtone.media.audio import FRAME_SECONDS, PCM_16K
from tests.calls.conftest import TRANSIENT
from tests.fakes.deepgram import FakeDeepgram
from tests.fakes.elevenlabs import FakeElevenLabs
from tests.fakes.openai_chat import FakeOpenAIChat
from tests.fakes.s3 import FakeS3, Fault
from tests.jobs.conftest import until
from tests.whole.processes import KEY, Served, beside, served
from tests.whole.small_parts import PART_BYTES

LEVEL = 1000
"""Every sample that the caller speaks."""
FRAME = np.full(PCM_16K.sample_rate // 50, LEVEL, "<i2").tobytes()
LATE_SECONDS = 1.5
"""What the last second may be on a busy machine, the way from the caller included."""


class Vendors:
    def __init__(self) -> None:
        self.ears, self.brain, self.voice = FakeDeepgram(), FakeOpenAIChat(), FakeElevenLabs()
        self.store = FakeS3(min_part_bytes=PART_BYTES)

    def __enter__(self) -> "Vendors":
        with contextlib.ExitStack() as stack:
            for fake in (self.ears, self.brain, self.voice, self.store):
                stack.enter_context(beside(fake))
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def serve(self, data_dir: Path, database_url: str | None) -> Any:
        environment = {
            "DEEPGRAM_BASE_URL": self.ears.url,
            "OPENAI_BASE_URL": self.brain.url,
            "ELEVENLABS_BASE_URL": self.voice.url,
            **self.store.settings,
        }
        return served(
            data_dir, database_url, module="tests.whole.small_parts", allow_private_addresses="true", **environment
        )

    async def stored(self) -> bytes:
        """The one recording, once it is there."""

        async def there() -> bool:
            return bool(self.store.objects) and not self.store.uploads

        await until(there)
        (found,) = self.store.objects.values()
        return found.body


@contextlib.asynccontextmanager
async def talking(server: Served, vendors: Vendors, until_asked: str) -> AsyncIterator[tuple[WebCallClient, int]]:
    """A live call that has gone on until the store was asked that, and how many frames the caller has sent."""
    async with WebCallClient(server.url, KEY, PCM_16K) as call:
        await call.start({"assistant": TRANSIENT})
        loop = asyncio.get_running_loop()
        start, sent = loop.time(), 0
        async with asyncio.timeout(40):
            while until_asked not in vendors.store.requests:
                await call.send(FRAME)
                sent += 1
                await asyncio.sleep(start + sent * FRAME_SECONDS - loop.time())
        yield call, sent


async def killed(server: Served) -> None:
    server.process.kill()
    await asyncio.to_thread(server.process.wait)


def check(recording: bytes, sent: int) -> None:
    with wave.open(BytesIO(recording)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, PCM_16K.sample_rate)
        assert file.getnframes() * 4 + 44 == len(recording)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    heard = int(np.count_nonzero(samples[:, 0] == LEVEL)) / PCM_16K.sample_rate
    assert heard >= sent * FRAME_SECONDS - LATE_SECONDS


async def test_killed_while_a_part_is_on_its_way(tmp_path: Path, database_url: str | None) -> None:
    with Vendors() as vendors:
        vendors.store.faults.append(Fault("UploadPart", stall=True))
        with vendors.serve(tmp_path, database_url) as server:
            async with talking(server, vendors, "UploadPart 2") as (call, sent):
                await killed(server)
        left = list((tmp_path / "recordings").rglob("*.wav"))
        assert len(left) == 1
        vendors.store.release.set()
        with vendors.serve(tmp_path, database_url) as server:
            recording = await vendors.stored()
            check(recording, sent)
            await local_file_gone(left[0])
            await served_from_the_store(server, call.call_id, recording)
            assert server.complaints() == []


async def test_killed_while_the_upload_is_completed(tmp_path: Path) -> None:
    """On SQLite, where the next start knows at once that nobody runs the job any more."""
    with Vendors() as vendors:
        vendors.store.faults.append(Fault("CompleteMultipartUpload", stall=True))
        with vendors.serve(tmp_path, None) as server:
            async with talking(server, vendors, "UploadPart 2") as (call, sent):
                await call.hang_up()
            await until(lambda: asked(vendors, "CompleteMultipartUpload"))
            await killed(server)
        vendors.store.release.set()
        with vendors.serve(tmp_path, None) as server:
            recording = await vendors.stored()
            check(recording, sent)
            await served_from_the_store(server, call.call_id, recording)


async def asked(vendors: Vendors, operation: str) -> bool:
    return operation in vendors.store.requests


async def local_file_gone(path: Path) -> None:
    async def gone() -> bool:
        return not await asyncio.to_thread(path.exists)

    await until(gone)


async def served_from_the_store(server: Served, call_id: str, recording: bytes) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(follow_redirects=True) as client:
        call = (await client.get(f"{server.url}/api/v1/calls/{call_id}", headers=headers)).json()
        answer = await client.get(call["recording_url"])
    assert (answer.status_code, answer.content == recording) == (200, True)
    assert answer.history[0].status_code == 307
