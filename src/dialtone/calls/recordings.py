"""Where recordings lie, and how they get there and go.

A recording is written to local disk while its call runs, by the node that the call lives in. Where the settings name an
object store, it moves there: its parts as they fill, the rest by a durable job after the call, and the local file goes
once the store has shown the whole. From then on every node serves it.
"""

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.calls.recording_files import RecordingFiles
from dialtone.calls.tables import Call
from dialtone.jobs.jobs import GiveUp, Job, Jobs, RetryLater
from dialtone.media.recording_file import StillWrittenError
from dialtone.platform.db import Database
from dialtone.storage.answers import StorageError
from dialtone.storage.bucket import Bucket
from dialtone.storage.location import Location
from dialtone.storage.uploads import PART_BYTES, GrowingUploads, Uploads

logger = logging.getLogger(__name__)

RECORDINGS = "recordings"
DELETE_AT_ONCE = 40
"""Recordings that one job deletes."""
DEFER_AT_ONCE = 200
STORE_AT_ONCE = 4
STORE_SECONDS = 1800.0
"""The longest that an attempt at one recording takes; the next one goes on where it stopped."""
ATTEMPTS = 1000
"""Over a month, since a store that is away for a week must cost no recording."""
FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 900.0
WRITTEN_SECONDS = 5.0
"""How soon to come back to a recording that somebody writes to."""
LINGER_SECONDS = 10.0
"""How long a stored recording's local file stays for those who are about to read it."""
OBJECT_HEADERS = {
    "Content-Type": "audio/wav",
    "Cache-Control": "private, no-store",
    "Content-Disposition": "attachment",
}
CHECK_SECONDS = 15.0
"""How long a start waits for the store."""
DELETE_OBJECTS = "delete-stored-recordings"


def recording_path(call_id: str, at: datetime) -> str:
    """Where a call's recording goes, below the data directory."""
    return f"{RECORDINGS}/{at:%Y/%m/%d}/{call_id}.wav"


class Recordings:
    """The recordings of a deployment, seen from one of its nodes."""

    def __init__(
        self, data_dir: Path, database: Database, jobs: Jobs, node: str, location: Location | None = None
    ) -> None:
        self._database = database
        self._jobs = jobs
        self._node = node
        self.files = RecordingFiles(data_dir / RECORDINGS)
        self._moved: set[str] = set()
        """Recordings that are in the store, while their local files linger."""
        jobs.handle(_delete_files(node), self._delete_files, at_once=2, attempts=ATTEMPTS)
        self._store: _Store | None = None
        self._sweeping: asyncio.Task[None] | None = None
        if location is not None:
            self._store = _Store(location)
            jobs.handle(_move(node), self._move, at_once=STORE_AT_ONCE, seconds=STORE_SECONDS, attempts=ATTEMPTS)
            jobs.handle(DELETE_OBJECTS, self._delete_objects, at_once=2, attempts=ATTEMPTS)

    async def start(self) -> None:
        """Be ready for calls. Raises `ValueError` where the store refuses what recordings need; one that is away is
        waited for, while calls go on.
        """
        await asyncio.to_thread(self.files.clear)
        if self._store is not None:
            await self._store.start()
        left = await asyncio.to_thread(self.files.all)
        sweep = self._delete_unnamed if self._store is None else self._move_all
        self._sweeping = asyncio.get_running_loop().create_task(sweep(left))

    async def stop(self) -> None:
        """Idempotent. What is not in the store yet gets there after the next start."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.gather(self._sweeping, return_exceptions=True)
        if self._store is not None:
            await self._store.stop()

    # While calls run, and after them

    @contextmanager
    def growing(self, path: Path | None) -> Iterator[None]:
        """Around a call whose recording is written to `path`: its parts go to the store as they fill, until the job
        that its end brings goes on with it.
        """
        if path is None or self._store is None:
            yield
            return
        key = _key(self.files.name(path))
        self._store.growing.follow(key, path)
        try:
            yield
        finally:
            self._store.growing.ended(key)

    async def ended(self, session: AsyncSession, node: str, recording: str | None) -> None:
        """A call that this node held is over, says the session's transaction: with it comes the job that takes its
        recording to the store.
        """
        if recording is not None and self._store is not None:
            await self._defer_move(session, node, recording)

    async def delete(self, session: AsyncSession, calls: Sequence[Call]) -> None:
        """Take the recordings from these calls, rows of the session. The files and objects go soon after its
        transaction is committed, by jobs that a killed process resumes.
        """
        by_node: dict[str, list[str]] = defaultdict(list)
        for call in calls:
            if call.recording is not None:
                by_node[call.node].append(call.recording)
                call.recording = None
        for node, recordings in by_node.items():
            for start in range(0, len(recordings), DELETE_AT_ONCE):
                payload = {"recordings": recordings[start : start + DELETE_AT_ONCE]}
                await self._jobs.defer(session, _delete_files(node), payload)
                if self._store is not None:
                    await self._jobs.defer(session, DELETE_OBJECTS, payload)

    # For those who listen

    async def named_by(self, call_id: str) -> str | None:
        """Where the recording of a call lies, for whoever holds a signed address of it."""
        async with self._database.read() as session:
            recording: str | None = await session.scalar(select(Call.recording).where(Call.id == call_id))
        return recording

    async def local_file(self, recording: str) -> Path | None:
        """The file, where this node has it to be served."""
        path = self.files.path(recording)
        if path is None or recording in self._moved or not await asyncio.to_thread(path.is_file):
            return None
        return path

    async def stored_url(self, recording: str, seconds: int) -> str | None:
        """An address in the store that opens the recording for so long; None where it is not there. Raises
        `StorageError`.
        """
        if self._store is None or await self._store.bucket.head(_key(recording)) is None:
            return None
        return self._store.bucket.presigned_url("GET", _key(recording), seconds)

    @asynccontextmanager
    async def reading(self, recording: str) -> AsyncIterator[Path]:
        """A file of one's own with the recording, wherever it is, gone at the end.

        Raises `OSError` where there is none, `StorageError` where the store may have it later.
        """
        copy = self.files.copy_path()
        try:
            try:
                await asyncio.to_thread(self.files.copy, recording, copy)
            except FileNotFoundError:
                if self._store is None:
                    raise
                await self._store.download(_key(recording), copy)
            yield copy
        finally:
            await asyncio.to_thread(copy.unlink, True)

    # Jobs

    async def _move_all(self, recordings: Sequence[str]) -> None:
        """Those that an earlier run left, or that were made before there was a store."""
        try:
            for start in range(0, len(recordings), DEFER_AT_ONCE):
                async with self._database.write() as session:
                    for recording in recordings[start : start + DEFER_AT_ONCE]:
                        await self._defer_move(session, self._node, recording)
        except SQLAlchemyError as problem:
            logger.error("recordings on local disk wait for the next start (%s)", type(problem).__name__)

    async def _delete_unnamed(self, recordings: Sequence[str]) -> None:
        """Those that an earlier run began, and was killed before its calls' rows told of them: nobody could hear or
        delete them.
        """
        try:
            for start in range(0, len(recordings), DEFER_AT_ONCE):
                some = {Path(recording).stem: recording for recording in recordings[start : start + DEFER_AT_ONCE]}
                async with self._database.read() as session:
                    rows = await session.execute(select(Call.id, Call.recording).where(Call.id.in_(some)))
                await self._unlink([some[row.id] for row in rows if row.recording != some[row.id]])
        except SQLAlchemyError as problem:
            logger.error("recordings on local disk are looked through at the next start (%s)", type(problem).__name__)

    async def _defer_move(self, session: AsyncSession, node: str, recording: str) -> None:
        payload = {"recording": recording}
        # One after another: two jobs of one recording would complete each other's uploads.
        await self._jobs.defer(session, _move(node), payload, order=f"recording:{recording}", once=f"move:{recording}")

    async def _move(self, job: Job) -> None:
        recording: str = job.payload["recording"]
        path = self.files.path(recording)
        if path is None or recording in self._moved:
            await self._unlink([recording])
            self._moved.discard(recording)
            return
        assert self._store is not None
        await self._store.growing.leave(_key(recording))
        try:
            if not await self._still_named(recording):
                await self._store.uploads.remove(_key(recording))
            elif await asyncio.to_thread(self.files.settle, recording) > 0:
                await self._store.uploads.store(_key(recording), path)
                if await self._still_named(recording):
                    self._moved.add(recording)
                    raise RetryLater(LINGER_SECONDS, "in the store; the local file goes next", counted=False)
                await self._store.uploads.remove(_key(recording))
        except FileNotFoundError:
            return
        except StillWrittenError:
            raise RetryLater(WRITTEN_SECONDS, "the recording is still written to", counted=False) from None
        except ValueError as problem:
            raise GiveUp(str(problem)) from None
        except StorageError as problem:
            raise _later(job, problem) from None
        await self._unlink([recording])

    async def _still_named(self, recording: str) -> bool:
        """Whether the recording is a call's, or may be one's: what no call of this database ever had is left alone."""
        async with self._database.read() as session:
            call_id = Path(recording).stem
            row = (await session.execute(select(Call.recording).where(Call.id == call_id))).one_or_none()
        if row is None:
            raise GiveUp("no call of this database has this recording")
        return bool(row[0] == recording)

    async def _delete_files(self, job: Job) -> None:
        await self._unlink(job.payload["recordings"])

    async def _delete_objects(self, job: Job) -> None:
        assert self._store is not None
        try:
            for recording in job.payload["recordings"]:
                await self._store.uploads.remove(_key(recording))
        except StorageError as problem:
            raise _later(job, problem) from None

    async def _unlink(self, recordings: Sequence[str]) -> None:
        await asyncio.to_thread(self.files.delete, recordings)


class _Store:
    """The object store, and what is under way to it."""

    def __init__(self, location: Location) -> None:
        self.bucket = Bucket(location)
        self.uploads = Uploads(self.bucket, OBJECT_HEADERS, PART_BYTES)
        self.growing = GrowingUploads(self.uploads)

    async def start(self) -> None:
        """Raises `ValueError` where the store says that the settings can't be right."""
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self.bucket.check()
        except StorageError as refusal:
            if not refusal.passing:
                raise ValueError(f"DIALTONE_RECORDING_STORE: {refusal}") from None
            logger.error("%s; recordings stay on local disk until it serves", refusal)
        except TimeoutError:
            logger.error("the store of recordings is slow or away; recordings stay on local disk until it serves")
        self.growing.start()

    async def stop(self) -> None:
        await self.growing.stop()
        await self.bucket.close()

    async def download(self, key: str, path: Path) -> None:
        """Raises `StorageError`, `OSError`."""
        async with self.bucket.get(key) as chunks:
            if chunks is None:
                raise StorageError("the recording is not in the store yet")
            file = await asyncio.to_thread(path.open, "wb")
            try:
                async for chunk in chunks:
                    await asyncio.to_thread(file.write, chunk)
            finally:
                await asyncio.to_thread(file.close)


def _later(job: Job, problem: StorageError) -> RetryLater:
    longest = min(FIRST_PAUSE_SECONDS * 2.0 ** min(job.attempt - 1, 10), LONGEST_PAUSE_SECONDS)
    return RetryLater(longest * random.uniform(0.5, 1), str(problem))


def _key(recording: str) -> str:
    """An object's key below the location's prefix: a bucket of recordings needs no folder of that name."""
    return recording.removeprefix(f"{RECORDINGS}/")


def _move(node: str) -> str:
    """Kinds of jobs that only the process with this data directory can do."""
    return f"store-recording.{node}"


def _delete_files(node: str) -> str:
    return f"delete-recordings.{node}"
