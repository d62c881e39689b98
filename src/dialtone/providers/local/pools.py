"""The pools of this process, by what their workers run. Each event loop has its own."""

import asyncio
from collections.abc import Callable
from weakref import WeakKeyDictionary

from dialtone.providers.local.pool import WorkerPool

_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, ...], WorkerPool]] = WeakKeyDictionary()


def shared_pool(key: tuple[str, ...], make: Callable[[], WorkerPool]) -> WorkerPool:
    """The running loop's pool for `key`, made at first use."""
    pools = _pools.setdefault(asyncio.get_running_loop(), {})
    if key not in pools:
        pools[key] = make()
    return pools[key]


async def close_pools() -> None:
    """End all workers of the running loop. Idempotent; a pool that is asked for later is made anew."""
    pools = _pools.pop(asyncio.get_running_loop(), {})
    await asyncio.gather(*(pool.close() for pool in pools.values()))
