"""Speech that is the same for every caller, kept on disk by voice and text: greetings, apologies, goodbyes."""

import asyncio
import hashlib
import os
import tempfile
from collections import OrderedDict
from pathlib import Path

from dialtone.media.audio import AudioFormat

MAX_MEMORY_BYTES = 16 * 1024 * 1024
MAX_DISK_BYTES = 512 * 1024 * 1024
MAX_ENTRY_BYTES = 4 * 1024 * 1024


def speech_key(voice: str, audio: AudioFormat, text: str) -> str:
    """Names a piece of speech. `voice` is the provider's `cache_key`, which holds no secret."""
    digest = hashlib.sha256()
    for part in (voice, audio.encoding, str(audio.sample_rate), text):
        digest.update(part.encode())
        digest.update(b"\0")
    return digest.hexdigest()


class SpeechCache:
    """Encoded audio by key; in memory first, on disk for good, bounded in both."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._memory: OrderedDict[str, bytes] = OrderedDict()
        self._memory_bytes = 0

    async def get(self, key: str) -> bytes | None:
        """The audio under `key`, or None. An unreadable file is as good as none."""
        audio = self._memory.get(key)
        if audio is not None:
            self._memory.move_to_end(key)
            return audio
        audio = await asyncio.to_thread(self._read, key)
        if audio is not None:
            self._remember(key, audio)
        return audio

    async def put(self, key: str, audio: bytes) -> None:
        """Keep `audio`. A full or read-only disk only costs the next synthesis."""
        if not audio or len(audio) > MAX_ENTRY_BYTES:
            return
        self._remember(key, audio)
        await asyncio.to_thread(self._write, key, audio)

    def _remember(self, key: str, audio: bytes) -> None:
        if key not in self._memory:
            self._memory[key] = audio
            self._memory_bytes += len(audio)
        while self._memory_bytes > MAX_MEMORY_BYTES:
            _, dropped = self._memory.popitem(last=False)
            self._memory_bytes -= len(dropped)

    def _path(self, key: str) -> Path:
        return self._directory / key[:2] / key

    def _read(self, key: str) -> bytes | None:
        try:
            return self._path(key).read_bytes()
        except OSError:
            return None

    def _write(self, key: str, audio: bytes) -> None:
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent)
            with os.fdopen(handle, "wb") as file:
                file.write(audio)
            os.replace(name, path)
            self._prune()
        except OSError:
            return

    def _prune(self) -> None:
        entries = [(entry.stat(), entry) for entry in self._directory.glob("*/*") if entry.is_file()]
        excess = sum(stat.st_size for stat, _ in entries) - MAX_DISK_BYTES
        for stat, entry in sorted(entries, key=lambda item: item[0].st_mtime):
            if excess <= 0:
                return
            entry.unlink(missing_ok=True)
            excess -= stat.st_size
