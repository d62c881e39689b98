"""A few worker processes shared by all calls, started when first needed and replaced when they die."""

import asyncio
import os

from dialtone.providers.base import ProviderError
from dialtone.providers.local.worker import Channel, OnAudio, OnDead, OnMessage, Worker

MAX_WORKERS = 4


def _size() -> int:
    return min(MAX_WORKERS, os.cpu_count() or 1)


class WorkerPool:
    """Workers that all run the same module with the same arguments."""

    def __init__(
        self, provider: str, module: str, arguments: tuple[str, ...] = (), *, channels_per_worker: int
    ) -> None:
        self._provider = provider
        self._module = module
        self._arguments = arguments
        self._channels_per_worker = channels_per_worker
        self._workers: list[Worker] = []
        self._starting = asyncio.Lock()
        self._closed = False

    @property
    def process_ids(self) -> list[int]:
        """Of the workers that are alive."""
        return [worker.process_id for worker in self._workers if worker.alive]

    async def channel(self, on_message: OnMessage, on_audio: OnAudio, on_dead: OnDead) -> Channel:
        """A channel on the least busy worker; an idle pool starts its first one.

        Raises `ProviderError` where no worker can be started, or all have as many channels as they may.
        """
        worker = await self._choose()
        if worker.load >= self._channels_per_worker:
            limit = self._channels_per_worker * _size()
            raise ProviderError(self._provider, f"all its {limit} places on this machine are taken")
        return worker.open(on_message, on_audio, on_dead)

    async def _choose(self) -> Worker:
        worker = self._least_busy()
        if worker is not None and (worker.load == 0 or len(self.process_ids) >= _size()):
            return worker
        async with self._starting:
            worker = self._least_busy()
            if worker is not None and (worker.load == 0 or len(self.process_ids) >= _size()):
                return worker
            if self._closed:
                raise ProviderError(self._provider, "local speech is shutting down", retryable=False)
            gone = [worker for worker in self._workers if not worker.alive]
            self._workers = [worker for worker in self._workers if worker.alive]
            await asyncio.gather(*(worker.stop() for worker in gone))
            started = await Worker.start(self._provider, self._module, self._arguments)
            self._workers.append(started)
            return started

    def _least_busy(self) -> Worker | None:
        return min((worker for worker in self._workers if worker.alive), key=lambda each: each.load, default=None)

    async def close(self) -> None:
        """End the workers. Idempotent, never raises."""
        self._closed = True
        async with self._starting:
            await asyncio.gather(*(worker.stop() for worker in self._workers))
            self._workers.clear()
