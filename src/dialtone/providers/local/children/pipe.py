"""A worker's end of the pipe. A thread reads requests, so a cancel overtakes work and the server's death ends it."""

import json
import os
import queue
import sys
import threading
from typing import Any, BinaryIO

from dialtone.providers.local import frames

Request = tuple[int, dict[str, Any] | bytes]
"""Channel, and either a JSON message or audio."""


class Pipe:
    """Requests in, replies out. The process ends by itself when the server closes its end or dies."""

    def __init__(self) -> None:
        self._output: BinaryIO = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a library's own prints must not get between frames
        self._requests: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._cancelled: set[int] = set()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with os.fdopen(os.dup(sys.stdin.fileno()), "rb") as stream:
            while (received := frames.read_frame(stream)) is not None:
                channel, kind, payload = received
                request = payload if kind == frames.AUDIO else json.loads(payload)
                if isinstance(request, dict) and request.get("type") == "cancel":
                    self._cancelled.add(channel)
                self._requests.put((channel, request))
        os._exit(0)

    def next_request(self) -> Request:
        """Wait for the next request, in the order they came. A cancel is among them, after what it cancels."""
        channel, request = self._requests.get()
        if isinstance(request, dict) and request.get("type") == "cancel":
            self._cancelled.discard(channel)
        return channel, request

    def is_cancelled(self, channel: int) -> bool:
        """Whether a cancel for `channel` waits in the queue, so that its work is in vain."""
        return channel in self._cancelled

    def send(self, channel: int, **fields: Any) -> None:
        self._write(frames.message(channel, **fields))

    def send_audio(self, channel: int, audio: bytes) -> None:
        self._write(frames.frame(channel, frames.AUDIO, audio))

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._output.write(view) :]
