"""Recordings on local disk. Nothing here belongs on the event loop."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from dialtone.media.recording_file import settle
from dialtone.platform.db import new_id

COPIES = ".copies"


class RecordingFiles:
    """Files are named by their paths below the data directory, as calls have them."""

    def __init__(self, root: Path) -> None:
        """`root`: the folder of recordings, in the data directory."""
        self._root = root

    def path(self, recording: str) -> Path | None:
        """The recording's file, or None for a name that leads out of the recordings."""
        path = (self._root.parent / recording).resolve()
        return path if path.is_relative_to(self._root.resolve()) else None

    def name(self, path: Path) -> str:
        """The recording whose file this is."""
        return path.relative_to(self._root.parent).as_posix()

    def all(self) -> list[str]:
        """Every recording that is here."""
        found = (path for path in self._root.rglob("*.wav") if path.parent.name != COPIES)
        return sorted(self.name(path) for path in found)

    def settle(self, recording: str) -> float:
        """The seconds of a recording that nobody writes to any more, whose header tells of all of it from now on.

        Raises `media.recording_file.StillWrittenError`, `ValueError` for a file that is no recording, `OSError`.
        """
        path = self.path(recording)
        if path is None:
            raise FileNotFoundError(recording)
        return settle(path)

    def seconds(self, recording: str) -> float | None:
        """The same; None where there is none that can be read."""
        try:
            return self.settle(recording)
        except (OSError, ValueError):
            return None

    def delete(self, recordings: Sequence[str]) -> None:
        """Also where there is none."""
        for recording in recordings:
            path = self.path(recording)
            if path is not None:
                path.unlink(missing_ok=True)

    def copy_path(self) -> Path:
        """Where a copy for one reader goes."""
        return self._root / COPIES / f"{new_id()}.wav"

    def copy(self, recording: str, copy: Path) -> None:
        """Have the recording's content at `copy`, whatever becomes of the recording. Raises `FileNotFoundError`."""
        copy.parent.mkdir(parents=True, exist_ok=True)
        path = self.path(recording)
        if path is None or not path.is_file():
            raise FileNotFoundError(recording)
        try:
            os.link(path, copy)
        except FileNotFoundError:
            raise
        except OSError:  # a file system without links
            shutil.copyfile(path, copy)

    def clear(self) -> None:
        """Delete the copies that a killed process left."""
        shutil.rmtree(self._root / COPIES, ignore_errors=True)
