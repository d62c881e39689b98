"""Where recordings lie, and how they go."""

import asyncio
import wave
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.calls.tables import Call
from dialtone.jobs.jobs import Job, Jobs

RECORDINGS = "recordings"
DELETE_AT_ONCE = 40
"""Recordings that one job deletes."""


def recording_path(call_id: str, at: datetime) -> str:
    """Where a call's recording goes, below the data directory."""
    return f"{RECORDINGS}/{at:%Y/%m/%d}/{call_id}.wav"


def file_of(data_dir: Path, recording: str) -> Path | None:
    """The stored recording's file, or None for a path that leads out of the recordings."""
    root = (data_dir / RECORDINGS).resolve()
    path = (data_dir / recording).resolve()
    return path if path.is_relative_to(root) else None


def recorded_seconds(data_dir: Path, recording: str) -> float | None:
    """How long the recording at this path below the data directory is; None where there is none that can be read."""
    try:
        with wave.open(str(data_dir / recording), "rb") as file:
            return file.getnframes() / file.getframerate()
    except (OSError, wave.Error, EOFError, ZeroDivisionError):
        return None


class Recordings:
    """The recordings that this node makes, and their deletion wherever they are."""

    def __init__(self, data_dir: Path, jobs: Jobs, node: str) -> None:
        self._data_dir = data_dir
        self._jobs = jobs
        jobs.handle(_delete_files(node), self._delete_files, at_once=2)

    async def delete(self, session: AsyncSession, calls: Sequence[Call]) -> None:
        """Take the recordings from these calls, rows of the session. The files go soon after its transaction is
        committed: by a job of the node that has them, which a killed process resumes.
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

    async def _delete_files(self, job: Job) -> None:
        await asyncio.to_thread(self._unlink, job.payload["recordings"])

    def _unlink(self, recordings: Sequence[str]) -> None:
        for recording in recordings:
            path = file_of(self._data_dir, recording)
            if path is not None:
                path.unlink(missing_ok=True)


def _delete_files(node: str) -> str:
    """The kind of the jobs that only the process with this data directory can do."""
    return f"delete-recordings.{node}"
