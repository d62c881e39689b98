"""An organization's own API keys: listed, made and revoked, found for requests, and when they were last used."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from sqlalchemy import bindparam, or_, select, update

from dialtone.organizations import keys
from dialtone.organizations.tables import ApiKey
from dialtone.platform.auth import StoredKey
from dialtone.platform.db import Database
from dialtone.platform.errors import ApiError, not_found
from dialtone.platform.tenancy import get_owned, select_owned

logger = logging.getLogger(__name__)

WRITE_SECONDS = 60.0
"""How often last uses are written down."""


class ApiKeys:
    """The API keys of every organization. Methods raise `ApiError`: 404 for an id that is unknown or another
    organization's, 409 for what can't be done.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, hashes: Sequence[str]) -> dict[str, StoredKey]:
        """The keys with these hashes, for the authenticator."""
        columns = (ApiKey.id, ApiKey.hash, ApiKey.organization_id, ApiKey.expires_at, ApiKey.revoked_at)
        async with self._database.read() as session:
            rows = await session.execute(select(*columns).where(ApiKey.hash.in_(hashes)))
            return {row.hash: StoredKey(*row) for row in rows}

    async def list_all(self, organization_id: str) -> Sequence[ApiKey]:
        """Newest first."""
        newest_first = select_owned(ApiKey, organization_id).order_by(ApiKey.created_at.desc(), ApiKey.id.desc())
        async with self._database.read() as session:
            return (await session.scalars(newest_first)).all()

    async def create(self, organization_id: str, name: str | None, expires_at: datetime | None) -> tuple[ApiKey, str]:
        """The new key's row, and the key itself, which is shown only now."""
        async with self._database.write() as session:
            try:
                return await keys.add_key(session, organization_id, name=name, expires_at=expires_at)
            except keys.KeyChangeError as problem:
                raise ApiError(409, problem.code, "Too many API keys", str(problem)) from None

    async def revoke(self, organization_id: str, key_id: str) -> None:
        async with self._database.write() as session:
            row = await get_owned(session, ApiKey, organization_id, key_id)
            if row is None:
                raise not_found("API key")
            try:
                await keys.revoke_key(session, row, even_the_last=False)
            except keys.KeyChangeError as problem:
                raise ApiError(409, problem.code, "API key can't be revoked", str(problem)) from None


class KeyUses:
    """When keys were last used, written down once in a while and when the server stops."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._last: dict[str, float] = {}
        self._writing: asyncio.Task[None] | None = None

    def note(self, key_id: str) -> None:
        """A key was used just now."""
        self._last[key_id] = self._clock()

    def start(self) -> None:
        self._writing = asyncio.get_running_loop().create_task(self._write_regularly())

    async def close(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        await self.write()

    async def write(self) -> None:
        """Write down what is not yet. A database that can't take it now gets it the next time."""
        uses, self._last = self._last, {}
        if not uses:
            return
        try:
            await self._write(uses)
        except BaseException as problem:
            self._last = {**uses, **self._last}
            if not isinstance(problem, Exception):
                raise
            logger.warning("last uses of API keys could not be written (%s)", type(problem).__name__)

    async def _write_regularly(self) -> None:
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            await self.write()

    async def _write(self, uses: dict[str, float]) -> None:
        moments = {key_id: datetime.fromtimestamp(seconds, UTC) for key_id, seconds in uses.items()}
        async with self._database.write() as session:
            connection = await session.connection()
            # Always in the order of ids, so that two nodes never wait for each other's rows crosswise.
            await connection.execute(
                _LATER_USE, [{"key": key_id, "moment": moments[key_id]} for key_id in sorted(moments)]
            )


_LATER_USE = (
    update(ApiKey)
    .where(
        ApiKey.id == bindparam("key"),
        or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < bindparam("moment")),
    )
    .values(last_used_at=bindparam("moment"))
)
