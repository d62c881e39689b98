"""The data keys of the deployment: made at the first start, known to every process, renewed by a rotation."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, Text, create_engine, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, Session, mapped_column
from sqlalchemy.pool import NullPool

from dialtone.platform.crypto import SecretKeyError, Secrets, WrappedKey
from dialtone.platform.db import Base, Database, Id, UtcDateTime, new_id, now

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 5.0
"""How often a process looks for data keys that a rotation has made or retired."""
LOOK_UP_SECONDS = 5.0
"""Least time between two extra looks for unknown keys; they hold up the caller."""
SECONDS_TO_CONNECT = 2


class DataKey(Base):
    """A key that secrets are encrypted with, itself encrypted with a master key."""

    __tablename__ = "data_keys"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    wrapped: Mapped[str] = mapped_column(Text, nullable=False)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False, default=now)
    retired_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Since when no stored secret needs the key. It is kept: a process may have read a secret just before."""

    def stored(self) -> WrappedKey:
        return WrappedKey(self.id, self.wrapped, self.retired_at is not None)


class DataKeys:
    """Gives `secrets` the deployment's data keys, and keeps them fresh between `start` and `stop`."""

    def __init__(self, database: Database, secrets: Secrets) -> None:
        self._database = database
        self._secrets = secrets
        self._refreshing: asyncio.Task[None] | None = None
        self._looking_up = threading.Lock()
        self._looked_up_at = -LOOK_UP_SECONDS
        secrets.look_up = self._look_up

    async def start(self) -> None:
        """Raises `SecretKeyError` where the data keys are encrypted with a master key that is not configured."""
        await self.load()
        self._refreshing = asyncio.get_running_loop().create_task(self._keep_fresh())

    async def stop(self) -> None:
        if self._refreshing is not None:
            self._refreshing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._refreshing
            self._refreshing = None

    async def load(self) -> None:
        """Read the data keys; make the first where there is none. Raises `SecretKeyError`."""
        async with self._database.read() as session:
            rows = (await session.scalars(all_keys())).all()
        if not rows:
            async with self._database.startup_lock() as session:
                rows = (await session.scalars(all_keys())).all() or [add_key(session, self._secrets)]
        self._use(rows)

    def _use(self, rows: Sequence[DataKey]) -> None:
        self._secrets.use([row.stored() for row in rows])

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                await self.load()
            except (SQLAlchemyError, OSError) as problem:
                logger.warning("the data keys could not be read (%s); trying again", type(problem).__name__)
            except SecretKeyError as problem:
                logger.error("%s", problem)

    def _look_up(self) -> None:
        """Read the data keys at once, on a connection of its own.

        Only for a secret under a key made since the last refresh: a rotation gives every process the time to learn
        its new key before it uses it, so this is for one that could not reach the database then.
        """
        with self._looking_up:
            if time.monotonic() - self._looked_up_at < LOOK_UP_SECONDS:
                return
            self._looked_up_at = time.monotonic()
            try:
                self._use(self._read_at_once())
            except (SQLAlchemyError, OSError) as problem:
                logger.warning("the data keys could not be read (%s)", type(problem).__name__)

    def _read_at_once(self) -> list[DataKey]:
        url = self._database.url
        if self._database.is_sqlite:
            engine = create_engine(url.set(drivername="sqlite"), poolclass=NullPool, hide_parameters=True)
        else:
            patience = {"connect_timeout": SECONDS_TO_CONNECT}
            engine = create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=patience)
        with Session(engine) as session:
            return list(session.scalars(all_keys()))


def all_keys() -> Select[DataKey]:
    """Every data key, oldest first."""
    return select(DataKey).order_by(DataKey.created_at, DataKey.id)


def add_key(session: AsyncSession, secrets: Secrets) -> DataKey:
    """A new data key, stored when the session's transaction ends."""
    key_id = new_id()
    key = DataKey(id=key_id, wrapped=secrets.new_data_key(key_id), created_at=now())
    session.add(key)
    return key
