"""What went wrong at a trunk, its registration, whether its server answers: the newest, for whoever sets it up."""

import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import delete

from dialtone.platform.db import Database, iso, now
from dialtone.platform.errors import not_found
from dialtone.platform.tenancy import get_owned, hold_owned, owned_by, select_owned
from dialtone.trunks.tables import Trunk, TrunkEvent

logger = logging.getLogger(__name__)

MAX_EVENTS = 100
"""Kept of one trunk."""
REASON_CHARACTERS = 500
SAME_SECONDS = 1.0
"""A flood of calls that are turned away must not drive out what else happened, nor cost much."""
MAX_TOLD = 1000
MAX_WRITING = 20
"""Written at a time; in a flood the others are left out."""


EventKind = Literal["inbound", "outbound", "registration", "keep_alive"]


class TrunkEventObject(BaseModel):
    """A call that did not get through the trunk, or a change of its registration or of whether its server answers."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    id: str = Field(description="The event's id.", json_schema_extra={"format": "uuid"})
    kind: EventKind = Field(
        description="`inbound`: a call that came in was turned away, or not answered at all. `outbound`: the trunk "
        "could not carry a call. `registration`: the server was registered, or is not any more. "
        "`keep_alive`: the trunk's server does not answer any more, or does again."
    )
    status: Annotated[int, Field(ge=200, le=699, examples=[404])] | None = Field(
        description="The SIP status that the caller's side got, or that the trunk's server answered; null where "
        "nobody was asked or answered."
    )
    reason: str = Field(
        description="Why, in words.",
        max_length=REASON_CHARACTERS,
        examples=["The number that was called has no assistant that takes calls."],
    )
    called: Annotated[str, Field(examples=["+31201234567"])] | None = Field(
        description="The number that was called, in E.164, masked where its assistant has `gdpr_mode`; null for "
        "anything else."
    )
    call_id: Annotated[str, Field(json_schema_extra={"format": "uuid"})] | None = Field(
        description="The call that the trunk could not carry, for `outbound`: `GET /calls/{id}` tells whom it was for; "
        "null for anything else."
    )
    created_at: datetime = Field(description="When it happened.")


class TrunkEventsAnswer(BaseModel):
    events: list[TrunkEventObject] = Field(description="Newest first.", max_length=MAX_EVENTS)


class TrunkEvents:
    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._writing = 0
        self._told: dict[tuple[object, ...], float] = {}
        """What was written down last, and when."""

    async def note(
        self,
        organization_id: str,
        trunk_id: str,
        status: int | None,
        reason: str,
        called: str | None = None,
        kind: EventKind = "inbound",
        dialled: str | None = None,
        call_id: str | None = None,
    ) -> None:
        """Something happened. Older events give way, and the same one within a second is the same; a trunk that is gone
        has none. Never raises: calls go on without what explains them.

        `dialled`, what was called as the trunk wrote it, is for the trunk's owner and no log.
        """
        logger.info("SIP trunk %s, %s: %s", trunk_id, kind, reason)
        if self._writing >= MAX_WRITING or self._is_told(trunk_id, kind, status, reason, called):
            return
        self._writing += 1
        event = TrunkEvent(
            organization_id=organization_id,
            trunk_id=trunk_id,
            kind=kind,
            status=status,
            reason=(reason if dialled is None else f"{reason} Dialled: {dialled}")[:REASON_CHARACTERS],
            called=called,
            call_id=call_id,
            created_at=now(),
        )
        try:
            await self._write(event)
        except Exception as problem:
            logger.warning("an event of a SIP trunk could not be stored (%s)", type(problem).__name__)
        finally:
            self._writing -= 1

    def _is_told(self, *event: object) -> bool:
        at = self._clock()
        if at - self._told.get(event, float("-inf")) < SAME_SECONDS:
            return True
        if len(self._told) >= MAX_TOLD:
            self._told.clear()
        self._told[event] = at
        return False

    async def _write(self, event: TrunkEvent) -> None:
        organization_id, trunk_id = event.organization_id, event.trunk_id
        async with self._database.write() as session:
            # Held, so that two who write at once leave no more than the newest events together.
            if await hold_owned(session, Trunk, organization_id, trunk_id) is None:
                return
            session.add(event)
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
                    "kind": row.kind,
                    "status": row.status,
                    "reason": row.reason,
                    "called": row.called,
                    "call_id": row.call_id,
                    "created_at": iso(row.created_at),
                }
                for row in await session.scalars(newest)
            ]
