"""Long work in short transactions."""

import asyncio
from collections.abc import Awaitable, Callable

PAUSE_SECONDS = 0.02
"""Between two transactions, for those who wait for the database."""


async def repeat(step: Callable[[], Awaitable[bool]]) -> None:
    """Do `step`, a transaction of its own, as long as it says that there is more."""
    while True:
        if not await step():
            return
        await asyncio.sleep(PAUSE_SECONDS)
