"""Brings files to a bucket: those that are complete, and meanwhile the complete parts of those that still grow.

A part is read, hashed and sent at a time, and few of all files at once, so memory stays bounded whatever ends together.
What is there of an upload is asked of the store, which knows it even when this process was killed in the middle.
"""

import asyncio
import logging
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dialtone.storage.answers import StorageError
from dialtone.storage.bucket import Bucket, Piece, StoredPart

logger = logging.getLogger(__name__)

PART_BYTES = 5 * 1024 * 1024
"""The least that S3 takes as a part that is not the last. Some stores want all but the last of one size."""
AT_ONCE = 4
"""Parts in memory and on the wire."""
LOOK_SECONDS = 5.0
"""How often growing files are looked at."""
FIRST_PAUSE_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 300.0
NO_SUCH_UPLOAD = "NoSuchUpload"


class Uploads:
    """One per process. Everything raises `StorageError`, and `OSError` as the disk does."""

    def __init__(self, bucket: Bucket, headers: Mapping[str, str], part_bytes: int) -> None:
        """`headers` come with every object that is stored. `part_bytes`: stores take no less than `PART_BYTES`."""
        self._bucket = bucket
        self._headers = headers
        self._part_bytes = part_bytes
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._hashing = asyncio.Lock()
        """One part at a time, so that the processor's other cores are left to live calls."""

    async def store(self, key: str, path: Path) -> None:
        """Store a file that changes no more. Returns when the store has shown that the object is there, whole."""
        size = (await asyncio.to_thread(path.stat)).st_size
        if size <= self._part_bytes:
            async with self._slots:
                piece = await self._read(path, 0)
                etag = await self._bucket.put(key, piece, self._headers)
        else:
            etag = await self._store_in_parts(key, path, size)
        found = await self._bucket.head(key)
        if found is None or found.size != size or found.etag != etag:
            raise StorageError("the store of recordings does not show the object as it was stored")

    async def remove(self, key: str) -> None:
        """Let nothing be left of an object, nor of uploads of it."""
        for upload_id in await self._bucket.uploads(key):
            await self._bucket.abort(key, upload_id)
        await self._bucket.delete(key)

    async def begin(self, key: str) -> str:
        """Begin an upload in parts; `store` finds and completes it."""
        return await self._bucket.create_upload(key, self._headers)

    async def send_part(self, key: str, upload_id: str, path: Path, number: int) -> str:
        """Send the part of a file with this number, counted from 1, and give its ETag."""
        async with self._slots:
            piece = await self._read(path, (number - 1) * self._part_bytes)
            return await self._bucket.upload_part(key, upload_id, number, piece)

    def whole_parts(self, size: int) -> int:
        """How many parts a file of this size fills."""
        return size // self._part_bytes

    async def _store_in_parts(self, key: str, path: Path, size: int) -> str:
        upload_id, there = await self._begun(key)
        etags: dict[int, str] = {}
        for number in range(math.ceil(size / self._part_bytes), 0, -1):
            length = min(self._part_bytes, size - (number - 1) * self._part_bytes)
            part = there.get(number)
            # The first part holds the file's header, which was another one while the file grew.
            if number > 1 and part is not None and part.size == length:
                etags[number] = part.etag
            else:
                etags[number] = await self.send_part(key, upload_id, path, number)
        etag = await self._bucket.complete(key, upload_id, etags)
        for other in await self._bucket.uploads(key):
            await self._bucket.abort(key, other)
        return etag

    async def _begun(self, key: str) -> tuple[str, dict[int, StoredPart]]:
        """An upload of this key to go on with, and its parts; a new one where none was begun."""
        for upload_id in await self._bucket.uploads(key):
            try:
                return upload_id, await self._bucket.parts(key, upload_id)
            except StorageError as problem:
                if problem.code != NO_SUCH_UPLOAD:
                    raise
        return await self.begin(key), {}

    async def _read(self, path: Path, start: int) -> Piece:
        def read() -> Piece:
            with path.open("rb") as file:
                file.seek(start)
                return Piece.of(file.read(self._part_bytes))

        async with self._hashing:
            return await asyncio.to_thread(read)


@dataclass(slots=True)
class _Growing:
    key: str
    path: Path
    upload_id: str | None = None
    sent: int = 1
    """Parts up to this one are there, or wait for the end as the first does."""
    task: "asyncio.Task[None] | None" = None
    grows: bool = True

    @property
    def busy(self) -> bool:
        return self.task is not None and not self.task.done()


class GrowingUploads:
    """Sends the parts of files that are still written to, as they fill. A store that is away or slow delays it, and
    nothing else: what was not sent meanwhile goes at the end.
    """

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads
        self._files: dict[str, _Growing] = {}
        self._watching: asyncio.Task[None] | None = None
        self._failures = 0
        self._not_before = 0.0

    def start(self) -> None:
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self) -> None:
        """Idempotent. What was sent stays, for whoever goes on with it."""
        watching, self._watching = self._watching, None
        for task in [watching, *(file.task for file in self._files.values())]:
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        self._files.clear()

    def follow(self, key: str, path: Path) -> None:
        """From now on `path` grows at its end; only its first part may still change."""
        self._files[key] = _Growing(key, path)

    def ended(self, key: str) -> None:
        """The file grows no more; a part of it may be under way still."""
        file = self._files.get(key)
        if file is not None and file.busy:
            file.grows = False
        else:
            self._files.pop(key, None)

    async def leave(self, key: str) -> None:
        """When this returns nothing is under way."""
        file = self._files.pop(key, None)
        if file is not None and file.task is not None:
            file.task.cancel()
            await asyncio.gather(file.task, return_exceptions=True)

    async def look(self) -> None:
        """Begin to send what is there and was not sent."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._not_before:
            return
        files = [file for file in self._files.values() if not file.busy]
        for file in files:
            if not file.grows:
                del self._files[file.key]
        sizes = await asyncio.to_thread(lambda: [_size(file.path) for file in files])
        for file, size in zip(files, sizes, strict=True):
            if self._uploads.whole_parts(size) > file.sent and self._files.get(file.key) is file:
                file.task = loop.create_task(self._send(file, self._uploads.whole_parts(size)))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    async def _send(self, file: _Growing, parts: int) -> None:
        try:
            if file.upload_id is None:
                file.upload_id = await self._uploads.begin(file.key)
            while file.sent < parts:
                await self._uploads.send_part(file.key, file.upload_id, file.path, file.sent + 1)
                file.sent += 1
            self._failures = 0
        except FileNotFoundError:  # deleted while it grew
            self._files.pop(file.key, None)
        except (StorageError, OSError) as problem:
            if isinstance(problem, StorageError) and problem.code == NO_SUCH_UPLOAD:
                file.upload_id, file.sent = None, 1
            self._pause(problem)

    def _pause(self, problem: Exception) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._not_before:  # else another file failed at the same time
            self._failures += 1
            longest = min(FIRST_PAUSE_SECONDS * 2.0 ** min(self._failures - 1, 10), LONGEST_PAUSE_SECONDS)
            self._not_before = now + longest * random.uniform(0.5, 1)
            logger.warning("recordings are not uploaded while their calls run (%s); trying again", problem)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
