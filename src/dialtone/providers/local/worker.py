"""One worker process as the server sees it: channels over its pipes, and words when it dies."""

import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable
from typing import Any

from dialtone.providers.base import ProviderError
from dialtone.providers.local import frames

logger = logging.getLogger(__name__)

START_SECONDS = 30.0
"""Loading a large model from a cold disk takes a while."""
STOP_SECONDS = 2.0
MAX_UNSENT_BYTES = 2 * 1024 * 1024
"""About a minute of 16 kHz audio that the worker did not get around to take."""
PASSED_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "LD_LIBRARY_PATH", "TMPDIR", "SYSTEMROOT")
"""A worker gets no more of the server's environment: keys stay out of it."""

OnMessage = Callable[[dict[str, Any]], None]
OnAudio = Callable[[bytes], None]
OnDead = Callable[[ProviderError], None]


class Channel:
    """One stream or request over a worker's pipe. Nothing is delivered after `close`."""

    def __init__(self, worker: "Worker", number: int, on_message: OnMessage, on_audio: OnAudio, on_dead: OnDead):
        self._worker = worker
        self._number = number
        self.on_message = on_message
        self.on_audio = on_audio
        self.on_dead = on_dead

    def send(self, **fields: Any) -> None:
        self._worker.write(frames.message(self._number, **fields))

    def send_audio(self, audio: bytes) -> None:
        self._worker.write(frames.frame(self._number, frames.AUDIO, audio))

    @property
    def unsent_bytes(self) -> int:
        """What waits in the server because the worker lags behind."""
        return self._worker.unsent_bytes

    def close(self) -> None:
        """Stop the channel's work. Idempotent."""
        self._worker.close_channel(self._number)


class Worker:
    """A running worker process. It ends when its input is closed, which also happens when the server dies."""

    def __init__(self, provider: str, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._provider = provider
        self._process = process
        self._input = process.stdin
        self._output = process.stdout
        self._channels: dict[int, Channel] = {}
        self._next_number = frames.WORKER_CHANNEL + 1
        self._reader: asyncio.Task[None] | None = None
        self.alive = True
        self.ready: dict[str, Any] = {}
        """What the worker said of itself when it had started."""

    @classmethod
    async def start(cls, provider: str, module: str, arguments: tuple[str, ...]) -> "Worker":
        """Start `python -m module arguments` and wait until it is ready. Raises `ProviderError`."""
        environment = {name: os.environ[name] for name in PASSED_ENVIRONMENT if name in os.environ}
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", module, *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=environment,
            )  # fmt: skip
        except OSError as error:
            raise ProviderError(provider, f"its worker process could not be started: {error}") from error
        worker = cls(provider, process)
        try:
            await worker._wait_ready()
        except BaseException:
            await worker.stop()
            raise
        worker._reader = asyncio.create_task(worker._read())
        return worker

    @property
    def process_id(self) -> int:
        return self._process.pid

    @property
    def load(self) -> int:
        """Channels in use."""
        return len(self._channels)

    @property
    def unsent_bytes(self) -> int:
        return self._input.transport.get_write_buffer_size()

    async def _wait_ready(self) -> None:
        try:
            async with asyncio.timeout(START_SECONDS):
                _, _, payload = await self._next_frame()
        except TimeoutError:
            raise ProviderError(
                self._provider, f"its worker process did not start within {START_SECONDS:.0f} s"
            ) from None
        except asyncio.IncompleteReadError:
            raise ProviderError(self._provider, "its worker process ended while it started") from None
        self.ready = json.loads(payload)
        if self.ready["type"] != "ready":
            raise ProviderError(self._provider, self.ready["message"], retryable=not self.ready["permanent"])

    def open(self, on_message: OnMessage, on_audio: OnAudio, on_dead: OnDead) -> Channel:
        number = self._next_number
        self._next_number += 1
        channel = Channel(self, number, on_message, on_audio, on_dead)
        self._channels[number] = channel
        return channel

    def write(self, data: bytes) -> None:
        if self.alive:
            self._input.write(data)

    def close_channel(self, number: int) -> None:
        if self._channels.pop(number, None) is not None:
            self.write(frames.message(number, type="cancel"))

    async def _next_frame(self) -> tuple[int, int, bytes]:
        header = await self._output.readexactly(frames.HEADER.size)
        length, channel, kind = frames.HEADER.unpack(header)
        return channel, kind, await self._output.readexactly(length)

    async def _read(self) -> None:
        try:
            while True:
                number, kind, payload = await self._next_frame()
                channel = self._channels.get(number)
                if channel is not None:
                    self._deliver(channel, kind, payload)
        except (asyncio.IncompleteReadError, ConnectionError):
            self._died()

    def _deliver(self, channel: Channel, kind: int, payload: bytes) -> None:
        """Hand a frame to its call. A call that fails at it must not stop the others' frames."""
        try:
            if kind == frames.AUDIO:
                channel.on_audio(payload)
            else:
                channel.on_message(json.loads(payload))
        except Exception:
            logger.exception("%s: a call failed to take what its worker sent", self._provider)

    def _died(self) -> None:
        self.alive = False
        channels, self._channels = self._channels, {}
        for channel in channels.values():
            channel.on_dead(ProviderError(self._provider, "its worker process ended in the middle of the call"))

    async def stop(self) -> None:
        """End the process: close its input, and kill it where it does not go. Idempotent, never raises."""
        self.alive = False
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        self._input.close()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        self._died()
