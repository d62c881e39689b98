"""The pipe between the server and a speech worker: length-prefixed frames, several calls over one pipe.

A frame is a 9-byte header (payload length, channel, kind; network byte order) and its payload: a JSON object or raw
audio, `pcm_s16le`. A channel is one call's stream or one sentence to be spoken. Channel 0 belongs to the worker itself.
"""

import json
import struct
from typing import Any, BinaryIO

HEADER = struct.Struct("!IIB")
MESSAGE = 0
AUDIO = 1
WORKER_CHANNEL = 0
MAX_PAYLOAD_BYTES = 4 * 1024 * 1024


def frame(channel: int, kind: int, payload: bytes) -> bytes:
    return HEADER.pack(len(payload), channel, kind) + payload


def message(channel: int, **fields: Any) -> bytes:
    """A frame that carries the JSON object `fields`."""
    return frame(channel, MESSAGE, json.dumps(fields).encode())


def read_frame(stream: BinaryIO) -> tuple[int, int, bytes] | None:
    """The next (channel, kind, payload) of a blocking stream, or None at its end. Raises `ValueError` on nonsense."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    length, channel, kind = HEADER.unpack(header)
    if length > MAX_PAYLOAD_BYTES:
        raise ValueError(f"frame of {length} bytes, at most {MAX_PAYLOAD_BYTES} are allowed")
    payload = stream.read(length)
    return (channel, kind, payload) if len(payload) == length else None
