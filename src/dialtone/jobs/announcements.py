"""Work that other processes deferred, heard through PostgreSQL's LISTEN."""

import asyncio
import logging
from collections.abc import Callable

import psycopg
from psycopg import sql

from dialtone.jobs.store import CHANNEL
from dialtone.platform.db import Database

logger = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 0.1
LAST_RETRY_SECONDS = 5.0
KEEPALIVE = {"connect_timeout": 5, "keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3}
"""A connection that died silently is noticed after half a minute."""


async def listen(database: Database, worker: str, wake: Callable[[str | None], None]) -> None:
    """Call `wake` with each kind of job that another process than `worker` announces, and with None where
    announcements may have been missed. Never returns: a connection that is lost is made anew.
    """
    _, arguments = database.engine.dialect.create_connect_args(database.url)
    delay = FIRST_RETRY_SECONDS
    while True:
        try:
            connection = await psycopg.AsyncConnection.connect(autocommit=True, **{**KEEPALIVE, **arguments})
            async with connection:
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(CHANNEL)))
                delay = FIRST_RETRY_SECONDS
                wake(None)
                async for notification in connection.notifies():
                    sender, _, kind = notification.payload.partition(" ")
                    if sender != worker:
                        wake(kind)
        except (psycopg.Error, OSError) as problem:
            logger.warning("announcements of jobs can't be heard (%s); retrying", type(problem).__name__)
        await asyncio.sleep(delay)
        delay = min(2 * delay, LAST_RETRY_SECONDS)
