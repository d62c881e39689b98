"""Carries erasures out, a few calls or messages in each transaction: a killed process loses nothing of what was done,
and nobody else waits for long. What was erased is counted along with it.
"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.audit import service as audit
from dialtone.chats.service import Chats
from dialtone.jobs.jobs import GiveUp, Job
from dialtone.platform.crypto import SecretKeyError, Secrets
from dialtone.platform.db import Database, now
from dialtone.platform.phone_numbers import mention_of
from dialtone.platform.tenancy import get_owned
from dialtone.privacy.batches import repeat
from dialtone.privacy.forgetting import CallTraces
from dialtone.privacy.service import shown_counts
from dialtone.privacy.tables import Erasure

CALLS_AT_ONCE = 50
CHATS_AT_ONCE = 500


class _OverError(Exception):
    """The erasure is done, or gone with its organization."""


class Eraser:
    """`erase` is the handler of the jobs; it may run any number of times."""

    def __init__(self, database: Database, secrets: Secrets, traces: CallTraces, chats: Chats) -> None:
        self._database = database
        self._secrets = secrets
        self._traces = traces
        self._chats = chats

    async def erase(self, job: Job) -> None:
        owner, erasure_id = job.payload["organization_id"], job.payload["erasure_id"]
        try:
            await repeat(partial(self._erase_calls, owner, erasure_id))
            await self._erase_masked_calls(owner, erasure_id)
            await repeat(partial(self._erase_forwardings, owner, erasure_id))
            await self._erase_masked_forwardings(owner, erasure_id)
            await repeat(partial(self._erase_chats, owner, erasure_id))
            await self._database.drop_deleted()
            await self._finish(owner, erasure_id)
            await self._database.drop_deleted()
        except _OverError:
            return
        except SecretKeyError as problem:
            raise GiveUp(str(problem)) from None

    async def _erase_calls(self, owner: str, erasure_id: str) -> bool:
        """The next few calls. Is there more?"""
        async with self._held(owner, erasure_id) as (session, row, number):
            ids = await self._traces.calls.calls_of(session, owner, number, CALLS_AT_ONCE)
            _count(row, await self._traces.erase(session, owner, ids))
        return len(ids) == CALLS_AT_ONCE

    async def _erase_masked_calls(self, owner: str, erasure_id: str) -> None:
        """Calls of GDPR mode: only what waits encrypted to be told, or told again, knows whose they are."""
        async with self._held(owner, erasure_id) as (session, _, number):
            ids = await self._traces.calls.masked_calls_of(session, owner, number)
            waiting = await self._traces.webhooks.gdpr_calls_waiting(session, owner)
        for some in _in_parts(waiting):
            async with self._held(owner, erasure_id) as (session, _, number):
                like = await self._traces.calls.masked_like(session, owner, number, some)
                ids += await self._traces.webhooks.calls_naming(session, owner, like, number)
        for some in _in_parts(list(dict.fromkeys(ids))):
            async with self._held(owner, erasure_id) as (session, row, _):
                _count(row, await self._traces.erase(session, owner, some))

    async def _erase_forwardings(self, owner: str, erasure_id: str) -> bool:
        """The next few calls of others that came by way of the number, which are theirs but for that. Is there more?"""
        async with self._held(owner, erasure_id) as (session, row, number):
            ids = await self._traces.calls.forwarded_by(session, owner, number, CALLS_AT_ONCE)
            _count(row, await self._traces.forget_forwarder(session, owner, ids, number))
        return len(ids) == CALLS_AT_ONCE

    async def _erase_masked_forwardings(self, owner: str, erasure_id: str) -> None:
        """The same of calls of GDPR mode."""
        calls, webhooks = self._traces.calls, self._traces.webhooks
        async with self._held(owner, erasure_id) as (session, _, number):
            ids = await calls.masked_forwarded_by(session, owner, number)
            waiting = await webhooks.gdpr_calls_waiting(session, owner)
        for some in _in_parts(waiting):
            async with self._held(owner, erasure_id) as (session, _, number):
                like = await calls.masked_forwarded_like(session, owner, number, some)
                ids += await webhooks.calls_naming(session, owner, like, number, "forwarder")
        for some in _in_parts(list(dict.fromkeys(ids))):
            async with self._held(owner, erasure_id) as (session, row, number):
                _count(row, await self._traces.forget_forwarder(session, owner, some, number))

    async def _erase_chats(self, owner: str, erasure_id: str) -> bool:
        """Look through the next chat messages. Is there more?"""
        async with self._held(owner, erasure_id) as (session, row, number):
            mention = mention_of(number)
            count, reached = await self._chats.erase_mentions(session, owner, mention, row.chats_until, CHATS_AT_ONCE)
            _count(row, {"chat_messages": count})
            if reached is not None:
                row.chats_until = reached
        return reached is not None

    async def _finish(self, owner: str, erasure_id: str) -> None:
        async with self._held(owner, erasure_id) as (session, row, _):
            row.finished_at, row.phone_number = now(), None
            details = {"phone_number": row.masked_number, **shown_counts(row.counts)}
            audit.write(session, owner, "erasure", "erasure.done", details, row.id)

    @asynccontextmanager
    async def _held(self, owner: str, erasure_id: str) -> AsyncIterator[tuple[AsyncSession, Erasure, str]]:
        """A transaction that holds the erasure, with its row and the whole number. Raises `_OverError`."""
        async with self._database.write() as session:
            row = await get_owned(session, Erasure, owner, erasure_id, lock=True)
            if row is None or row.phone_number is None:
                raise _OverError
            yield session, row, self._secrets.decrypt(row.phone_number)


def _count(row: Erasure, erased: Mapping[str, int]) -> None:
    row.counts = dict(Counter(row.counts) + Counter(erased))


def _in_parts(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[start : start + CALLS_AT_ONCE] for start in range(0, len(ids), CALLS_AT_ONCE)]
