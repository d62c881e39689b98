"""Why calls that came in by a trunk were turned away: the newest of each trunk, for whoever sets it up."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import delete

from dialtone.platform.db import Database, iso, now
from dialtone.platform.errors import not_found
from dialtone.platform.tenancy import get_owned, hold_owned, owned_by, select_owned
from dialtone.trunks.tables import Trunk, TrunkEvent

MAX_EVENTS = 100
"""Kept of one trunk."""
MAX_WRITING = 20
"""Written at a time; in a flood the others are left out."""


class TrunkEventObject(BaseModel):
    """A call that came in by the trunk and was turned away."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    id: str = Field(description="The event's id.", json_schema_extra={"format": "uuid"})
    status: int = Field(description="The SIP status that the caller's side got.", ge=300, le=699, examples=[404])
    reason: str = Field(
        description="Why, in words.", max_length=500, examples=["Nobody registered the number that was called."]
    )
    called: Annotated[str, Field(examples=["+31201234567"])] | None = Field(
        description="The number that was called, in E.164; null for anything else."
    )
    created_at: datetime = Field(description="When the call came in.")


class TrunkEventsAnswer(BaseModel):
    events: list[TrunkEventObject] = Field(description="Newest first.", max_length=MAX_EVENTS)


class TrunkEvents:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._writing = 0

    async def note(self, organization_id: str, trunk_id: str, status: int, reason: str, called: str | None) -> None:
        """A call was turned away. Older events give way; a trunk that is gone has none."""
        if self._writing >= MAX_WRITING:
            return
        self._writing += 1
        try:
            async with self._database.write() as session:
                # Held, so that two who write at once leave no more than the newest events together.
                if await hold_owned(session, Trunk, organization_id, trunk_id) is None:
                    return
                session.add(
                    TrunkEvent(
                        organization_id=organization_id,
                        trunk_id=trunk_id,
                        status=status,
                        reason=reason,
                        called=called,
                        created_at=now(),
                    )
                )
                await session.flush()
                of_trunk = owned_by(TrunkEvent, organization_id), TrunkEvent.trunk_id == trunk_id
                newest = (
                    select_owned(TrunkEvent, organization_id)
                    .where(TrunkEvent.trunk_id == trunk_id)
                    .with_only_columns(TrunkEvent.id)
                    .order_by(TrunkEvent.created_at.desc(), TrunkEvent.id.desc())
                    .limit(MAX_EVENTS)
                )
                kept = (await session.scalars(newest)).all()
                if len(kept) == MAX_EVENTS:
                    await session.execute(delete(TrunkEvent).where(*of_trunk, TrunkEvent.id.not_in(kept)))
        finally:
            self._writing -= 1

    async def list_all(self, organization_id: str, trunk_id: str) -> list[dict[str, object]]:
        """A trunk's events, newest first. Raises `ApiError` (404)."""
        async with self._database.read() as session:
            trunk = await get_owned(session, Trunk, organization_id, trunk_id)
            if trunk is None:
                raise not_found("trunk")
            newest = (
                select_owned(TrunkEvent, organization_id)
                .where(TrunkEvent.trunk_id == trunk.id)
                .order_by(TrunkEvent.created_at.desc(), TrunkEvent.id.desc())
                .limit(MAX_EVENTS)
            )
            return [
                {
                    "id": row.id,
                    "status": row.status,
                    "reason": row.reason,
                    "called": row.called,
                    "created_at": iso(row.created_at),
                }
                for row in await session.scalars(newest)
            ]
