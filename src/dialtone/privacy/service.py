"""Erasures as they are asked for and looked at; `erasing` carries them out."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from dialtone.audit import service as audit
from dialtone.calls.forgetting import Forgetting
from dialtone.calls.masking import masked
from dialtone.jobs.jobs import Jobs
from dialtone.organizations.keys import prefix_of
from dialtone.platform.auth import Identity
from dialtone.platform.crypto import Secrets
from dialtone.platform.db import Database, iso, now
from dialtone.platform.errors import ApiError, not_found
from dialtone.platform.tenancy import get_owned, prune, refuse_above_limit
from dialtone.privacy.schemas import EraseRequest, ErasureCounts
from dialtone.privacy.tables import Erasure

ERASE = "erase-caller"
"""The kind of the jobs that erase; the payload is `organization_id` and `erasure_id`."""
MAX_ERASURES = 10_000
"""Of one organization, over the time for which they are kept."""
KEPT_FOR = timedelta(days=30)
"""After its end; the audit log knows of it for longer."""
NAMED_CALLS = 20


class Privacy:
    """Methods raise `ApiError`."""

    def __init__(self, database: Database, secrets: Secrets, jobs: Jobs, forgetting: Forgetting) -> None:
        self._database = database
        self._secrets = secrets
        self._jobs = jobs
        self._forgetting = forgetting

    async def erase(self, caller: Identity, body: EraseRequest) -> dict[str, Any]:
        """Begin to erase a caller. Raises `ApiError` (409) while a call with them is not over."""
        owner, number = caller.organization_id, body.phone_number
        async with self._database.write() as session:
            await refuse_above_limit(session, Erasure, owner, MAX_ERASURES, "erasures")
            if live := await self._forgetting.live_calls_of(session, owner, number):
                raise _calls_not_over(live)
            row = Erasure(
                organization_id=owner,
                masked_number=masked(number),
                phone_number=self._secrets.encrypt(number),
                chats_until=0,
                counts={},
            )
            session.add(row)
            await session.flush()
            actor = await prefix_of(session, owner, caller.key_id)
            audit.write(session, owner, actor, "erasure.requested", {"phone_number": row.masked_number}, row.id)
            payload = {"organization_id": owner, "erasure_id": row.id}
            await self._jobs.defer(session, ERASE, payload, order=f"erase {owner}")
        return _shown(row)

    async def get(self, organization_id: str, erasure_id: str) -> dict[str, Any]:
        """Raises `ApiError` (404)."""
        async with self._database.read() as session:
            row = await get_owned(session, Erasure, organization_id, erasure_id)
        if row is None:
            raise not_found("erasure")
        return _shown(row)

    async def prune(self) -> None:
        """Forget erasures that were done long ago."""
        await prune(self._database, Erasure, Erasure.finished_at < now() - KEPT_FOR)


def _shown(row: Erasure) -> dict[str, Any]:
    return {
        "id": row.id,
        "status": "running" if row.finished_at is None else "done",
        "phone_number": row.masked_number,
        "counts": shown_counts(row.counts),
        "created_at": iso(row.created_at),
        "finished_at": None if row.finished_at is None else iso(row.finished_at),
    }


def shown_counts(counts: Mapping[str, int]) -> dict[str, int]:
    """Every count, in the order of the contract."""
    return ErasureCounts(**counts).model_dump()


def _calls_not_over(live: list[str]) -> ApiError:
    details = [f"call {call_id}: is not over" for call_id in live[:NAMED_CALLS]]
    more = len(live) - len(details)
    return ApiError(
        409,
        "calls_not_over",
        "The caller is in a call",
        "End the calls first (POST /calls/{id}/control with type end-call), or wait until they are over.",
        details=[*details, f"and {more} more"] if more else details,
    )
