"""A stereo recording on disk: two mono tracks kept in step, in a WAV file that can be played at any moment.

Nothing here belongs on the event loop: it decodes and writes. The layout is that of a PCM `fmt ` chunk followed by a
`data` chunk (Multimedia Programming Interface and Data Specifications 1.0, IBM and Microsoft, 1991, "Waveform Audio").
"""

import os
import struct
import sys
from collections.abc import Sequence
from io import FileIO
from pathlib import Path

import numpy as np

from dialtone.media.audio import AudioFormat
from dialtone.media.convert import decode, silence

HEADER_BYTES = 44
MAX_DATA_BYTES = 2**32 - 1 - (HEADER_BYTES - 8)
"""A RIFF size is a 32-bit number."""
_SAMPLE_FRAME_BYTES = 4
_CALLER_JITTER_FRAMES = 5
"""A gap of the caller's audio of at most this (100 ms) is lateness, not silence."""
_AHEAD_FRAMES = 50
"""Audio further ahead of the clock than this (1 s) is dropped."""

Frames = Sequence[bytes | None]


class StillWrittenError(OSError):
    """Somebody writes to the recording still."""


class AlignedTrack:
    """Lays audio that comes in pieces of any length, once a clock tick, out along the ticks.

    A piece that is late by at most `jitter_frames` closes up with what came before it; a longer gap is filled with
    silence. Pieces that are longer than their tick run on into the next ones.
    """

    def __init__(self, audio: AudioFormat, jitter_frames: int) -> None:
        self._audio = audio
        self._jitter_bytes = jitter_frames * audio.frame_bytes
        self._silent_frame = silence(audio, audio.frame_bytes)
        self._ahead = b""

    def align(self, pieces: Frames) -> bytes:
        """What belongs into the next `len(pieces)` ticks: exactly that many frames."""
        frame = self._audio.frame_bytes
        if not self._ahead and (on_time := self._on_time(pieces)) is not None:
            return on_time
        track = bytearray(self._ahead)
        due = 0
        for piece in pieces:
            due += frame
            if piece:
                gap = due - len(piece) - len(track)
                if gap > self._jitter_bytes:
                    track += silence(self._audio, gap)
                track += piece
                if len(track) > due + _AHEAD_FRAMES * frame:
                    del track[due + _AHEAD_FRAMES * frame :]
        track += silence(self._audio, due - len(track))
        self._ahead = bytes(track[due:])
        return bytes(track[:due])

    def _on_time(self, pieces: Frames) -> bytes | None:
        """The common case: every piece fills its own tick. None where one does not."""
        whole = b"".join([piece or self._silent_frame for piece in pieces])
        exact = all(not piece or len(piece) == len(self._silent_frame) for piece in pieces)
        closes_up = self._jitter_bytes and not all(pieces)
        return whole if exact and not closes_up else None


class RecordingFile:
    """16-bit stereo WAV: the caller left, the assistant right. Every method raises `OSError` as the disk does."""

    def __init__(self, path: Path, audio: AudioFormat) -> None:
        """Makes missing parent directories and an empty, valid file."""
        self._audio = audio
        self._left = AlignedTrack(audio, _CALLER_JITTER_FRAMES)
        self._right = AlignedTrack(audio, 0)
        self._data_bytes = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb", buffering=0)
        try:
            lock(self._file)
            self._write_all(self._header())
        except OSError:
            self._file.close()
            raise

    @property
    def seconds(self) -> float:
        """How much is safely in the file."""
        return self._data_bytes / _SAMPLE_FRAME_BYTES / self._audio.sample_rate

    def write(self, left: Frames, right: Frames) -> None:
        """Append as many ticks as both have. Raises `OverflowError`, writing nothing, where a WAV file is full."""
        tracks = [decode(self._left.align(left), self._audio), decode(self._right.align(right), self._audio)]
        stereo = np.empty((tracks[0].size, 2), "<i2")
        stereo[:, 0], stereo[:, 1] = tracks
        data = stereo.tobytes()
        if self._data_bytes + len(data) > MAX_DATA_BYTES:
            raise OverflowError("a WAV file holds at most 4 GiB")
        self._file.seek(HEADER_BYTES + self._data_bytes)
        self._write_all(data)
        self._data_bytes += len(data)
        self._file.seek(0)
        self._write_all(self._header())

    def close(self) -> None:
        self._file.close()

    def _write_all(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]

    def _header(self) -> bytes:
        rate = self._audio.sample_rate
        form = struct.pack("<HHIIHH", 1, 2, rate, rate * _SAMPLE_FRAME_BYTES, _SAMPLE_FRAME_BYTES, 16)
        riff = struct.pack("<4sI4s", b"RIFF", HEADER_BYTES - 8 + self._data_bytes, b"WAVE")
        return riff + struct.pack("<4sI16s4sI", b"fmt ", len(form), form, b"data", self._data_bytes)


def settle(path: Path) -> float:
    """Make the header of a recording that nobody writes to any more tell all that is in the file, and give its seconds.

    A process that was killed may have written audio that its header does not tell of. 0 for a file that it left before
    there was any. Raises `ValueError` for a file that is no recording, `StillWrittenError`, `OSError`.
    """
    with path.open("r+b", buffering=0) as file:
        lock(file)
        header = bytearray(file.read(HEADER_BYTES))
        if len(header) < HEADER_BYTES:
            return 0.0
        (rate,) = struct.unpack_from("<I", header, 24)
        if header[:4] != b"RIFF" or header[36:40] != b"data" or not rate:
            raise ValueError("the file is not a recording")
        size = file.seek(0, os.SEEK_END)
        data_bytes = min(size - HEADER_BYTES, MAX_DATA_BYTES) // _SAMPLE_FRAME_BYTES * _SAMPLE_FRAME_BYTES
        file.truncate(HEADER_BYTES + data_bytes)
        struct.pack_into("<I", header, 4, HEADER_BYTES - 8 + data_bytes)
        struct.pack_into("<I", header, 40, data_bytes)
        file.seek(0)
        file.write(header)
        return data_bytes / _SAMPLE_FRAME_BYTES / float(rate)


def lock(file: FileIO) -> None:
    """Hold a recording for writing, until it is closed or the process is gone. Raises `StillWrittenError`."""
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StillWrittenError from None
