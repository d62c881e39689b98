"""The webhooks of calls: written down with the change they tell of, read back as a log, sent once more."""

import asyncio
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Select, case, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.jobs.jobs import Jobs
from dialtone.organizations.webhook import AccountWebhooks
from dialtone.platform.crypto import SecretKeyError, Secrets
from dialtone.platform.db import Database, iso, now
from dialtone.platform.errors import ApiError, not_found
from dialtone.platform.json_text import to_json
from dialtone.platform.tenancy import get_owned, owned_by, prune, select_owned
from dialtone.tools.envelope import CallContext, event_envelope
from dialtone.webhooks.events import END_OF_CALL_REPORT, STATUS_UPDATE, bounded_messages
from dialtone.webhooks.tables import WebhookDelivery
from dialtone.webhooks.views import delivery_details, delivery_object

DELIVER = "webhook"
"""The kind of the job that delivers; its payload names the delivery."""

WAITING, DELIVERED, FAILED = "waiting", "delivered", "failed"

SEAL_IN_THREAD_BYTES = 64 * 1024
"""Larger bodies are encrypted beside the event loop, which live calls share."""
Role = Literal["caller", "forwarder"]
"""Of a number in an event: who called, or whose telephone sent the call on."""
_IDS = uuid.UUID("6d1f6d7e-52a4-4f0c-9d83-2f4f1f3f5b0a")
"""Namespace of delivery ids: an event of a call has one id, so that it is written once however often that is tried."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the end-of-call-report says beside the envelope."""

    status: str
    """`ended` or `ended-with-error`."""
    duration_seconds: int
    summary: str | None
    messages: Sequence[Mapping[str, Any]]
    analysis: Mapping[str, Any] | None
    """None where none is configured, or it failed."""
    recording_url: str | None
    end_reason: str | None
    started_at: datetime | None
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    call_id: str | None = None
    event: str | None = None
    status: str | None = None


class Webhooks:
    def __init__(self, database: Database, secrets: Secrets, jobs: Jobs, clock: Callable[[], datetime] = now) -> None:
        self._clock = clock
        self._database = database
        self._secrets = secrets
        self._jobs = jobs
        self._account_webhooks = AccountWebhooks(database, secrets)

    async def close(self) -> None:
        await self._account_webhooks.close()

    # Events

    async def address(self, organization_id: str, url: str | None, secret: str | None) -> tuple[str | None, str | None]:
        """Where a call's events go, and what signs them: the assistant's own webhook, else the account's.

        Raises `crypto.SecretKeyError`.
        """
        if url is not None:
            return url, secret
        return await self._account_webhooks.get(organization_id)

    def tells_status(self, call: CallContext) -> bool:
        """Whether anybody wants to know how the call goes on."""
        return _is_wanted(call, STATUS_UPDATE)

    async def status_update(
        self,
        session: AsyncSession,
        organization_id: str,
        call: CallContext,
        at: datetime,
        *,
        keeps_content: bool,
        error: str | None = None,
        end_reason: str | None = None,
    ) -> None:
        """Tell that the call has reached `call.status`; of the statuses that end a call it reaches one."""
        more = {name: value for name, value in (("error", error), ("end_reason", end_reason)) if value is not None}
        state = "ended" if call.status.startswith("ended") else call.status
        await self._write(session, organization_id, call, STATUS_UPDATE, state, at, keeps_content, more)

    async def report(
        self,
        session: AsyncSession,
        organization_id: str,
        call: CallContext,
        report: Report,
        *,
        keeps_content: bool,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """Send the end-of-call-report, once per call. `more`: further fields of it."""
        optional = {
            "analysis": None if report.analysis is None else dict(report.analysis),
            "recording_url": report.recording_url,
            "end_reason": report.end_reason,
            "started_at": None if report.started_at is None else iso(report.started_at),
            "ended_at": iso(report.ended_at),
        }
        fields = {
            "duration_seconds": report.duration_seconds,
            "summary": report.summary or "",
            "messages": bounded_messages(report.messages),
            **{name: value for name, value in optional.items() if value is not None},
            **(more or {}),
        }
        await self._write(session, organization_id, call, END_OF_CALL_REPORT, "", self._clock(), keeps_content, fields)

    async def _write(
        self,
        session: AsyncSession,
        organization_id: str,
        call: CallContext,
        event: str,
        state: str,
        at: datetime,
        keeps_content: bool,
        more: Mapping[str, Any],
    ) -> None:
        """`state` tells apart the events of one kind that a call has."""
        if not _is_wanted(call, event):
            return
        insert: Any = sqlite.insert if self._database.is_sqlite else postgresql.insert
        moment = self._clock()
        row = insert(WebhookDelivery).values(
            id=str(uuid.uuid5(_IDS, f"{call.call_id}/{event}/{state}")),
            organization_id=organization_id,
            call_id=call.call_id,
            event=event,
            status=WAITING,
            url=call.webhook_url,
            secret=None if call.webhook_secret is None else self._secrets.encrypt(call.webhook_secret),
            body=await self._sealed(to_json(event_envelope(event, call, at, **more))),
            keeps_content=keeps_content,
            attempts=0,
            attempts_before=0,
            tries=[],
            tried_from=moment,
            next_try_at=moment,
            created_at=moment,
        )
        written = row.on_conflict_do_nothing(index_elements=["id"]).returning(WebhookDelivery.id)
        delivery_id = await session.scalar(written)
        if delivery_id is not None:
            # In order, since a receiver that hears of a call's end must have heard of its beginning.
            await self._jobs.defer(session, DELIVER, _payload(organization_id, delivery_id), order=call.call_id)

    async def _sealed(self, body: bytes) -> str:
        text = body.decode()
        if len(body) <= SEAL_IN_THREAD_BYTES:
            return self._secrets.encrypt(text)
        return await asyncio.to_thread(self._secrets.encrypt, text)

    # The log

    async def list_some(
        self, organization_id: str, chosen: DeliveryFilter, limit: int, offset: int
    ) -> tuple[list[dict[str, Any]], int]:
        """A page of deliveries as the API shows them in lists, the newest first, and how many there are."""
        columns = [column for column in WebhookDelivery.__table__.c if column.name not in ("body", "secret")]
        newest_first = (
            _filtered(organization_id, chosen)
            .with_only_columns(*columns)
            .order_by(WebhookDelivery.created_at.desc(), WebhookDelivery.id.desc())
        )
        async with self._database.read() as session:
            total = await session.scalar(_filtered(organization_id, chosen).with_only_columns(func.count())) or 0
            rows = (await session.execute(newest_first.limit(limit).offset(offset))).mappings().all()
        return [delivery_object(dict(row)) for row in rows], total

    async def get(self, organization_id: str, delivery_id: str) -> dict[str, Any]:
        """A delivery with the request's body and how the answer began. Raises `ApiError` (404), `SecretKeyError`."""
        async with self._database.read() as session:
            row = await get_owned(session, WebhookDelivery, organization_id, delivery_id)
        if row is None:
            raise not_found("webhook delivery")
        return await self._shown(row)

    async def replay(self, organization_id: str, delivery_id: str) -> dict[str, Any]:
        """Send an event again, for up to a day, under the id it always had.

        Raises `ApiError`: 404, or 409 for one that is on its way still, or whose content was deleted.
        """
        async with self._database.write() as session:
            row = await get_owned(session, WebhookDelivery, organization_id, delivery_id, lock=True)
            if row is None:
                raise not_found("webhook delivery")
            if row.status == WAITING:
                raise ApiError(
                    409, "delivery_waiting", "Delivery is on its way", "It is tried again by itself at next_attempt_at."
                )
            if row.body is None:
                raise ApiError(
                    409, "delivery_content_deleted", "Content was deleted", "The request's body is not kept any more."
                )
            row.status = WAITING
            row.tried_from = row.next_try_at = self._clock()
            row.attempts_before = row.attempts
            row.finished_at = None
            await session.flush()
            # Not in the call's order: it is long behind, and must not wait for others of the call.
            await self._jobs.defer(session, DELIVER, _payload(organization_id, row.id))
        return await self._shown(row)

    async def _shown(self, row: WebhookDelivery) -> dict[str, Any]:
        body = None if row.body is None else await asyncio.to_thread(self._secrets.decrypt, row.body)
        columns = {column.key: getattr(row, column.key) for column in WebhookDelivery.__table__.c}
        return await asyncio.to_thread(delivery_details, columns, body)

    # Privacy

    async def erase_calls(self, session: AsyncSession, organization_id: str, call_ids: Sequence[str]) -> int:
        """Forget these calls' deliveries, also those on their way. Returns how many there were."""
        gone = await session.scalars(
            delete(WebhookDelivery)
            .where(owned_by(WebhookDelivery, organization_id), WebhookDelivery.call_id.in_(call_ids))
            .returning(WebhookDelivery.id)
        )
        return len(gone.all())

    async def forget_content(self, session: AsyncSession, organization_id: str, call_ids: Sequence[str]) -> int:
        """Forget what these calls' deliveries said and were answered; one that is on its way again is given up.

        Returns how many there were.
        """
        of_calls = owned_by(WebhookDelivery, organization_id), WebhookDelivery.call_id.in_(call_ids)
        still_kept = WebhookDelivery.body.is_not(None) | WebhookDelivery.response_body.is_not(None)
        waiting = WebhookDelivery.status == WAITING
        emptied = await session.scalars(
            update(WebhookDelivery)
            .where(*of_calls, still_kept)
            .values(
                body=None,
                secret=None,
                response_body=None,
                status=case((waiting, FAILED), else_=WebhookDelivery.status),
                finished_at=case((waiting, self._clock()), else_=WebhookDelivery.finished_at),
                next_try_at=None,
            )
            .returning(WebhookDelivery.id)
        )
        return len(emptied.all())

    async def gdpr_calls_waiting(self, session: AsyncSession, organization_id: str) -> list[str]:
        """The ids of calls in GDPR mode whose events are on their way still."""
        waiting = owned_by(WebhookDelivery, organization_id), WebhookDelivery.body.is_not(None)
        query = select(WebhookDelivery.call_id).where(*waiting, ~WebhookDelivery.keeps_content).distinct()
        return list(await session.scalars(query))

    async def calls_naming(
        self, session: AsyncSession, organization_id: str, call_ids: Sequence[str], number: str, role: Role = "caller"
    ) -> list[str]:
        """Those of these calls whose events, as far as they are kept, name `number` in this role."""
        found = []
        for call_id in call_ids:
            of_call = owned_by(WebhookDelivery, organization_id), WebhookDelivery.call_id == call_id
            kept = select(WebhookDelivery.body).where(*of_call, WebhookDelivery.body.is_not(None)).limit(1)
            body = await session.scalar(kept)
            if body is not None and await asyncio.to_thread(self._names, body, number, role):
                found.append(call_id)
        return found

    def _names(self, body: str, number: str, role: Role) -> bool:
        try:
            event = json.loads(self._secrets.decrypt(body))
        except SecretKeyError:
            return False
        if role == "caller":
            return bool(event["message"]["customer"]["number"] == number)
        return any(each["number"] == number for each in event["message"]["call"].get("forwarded_from", ()))

    async def prune(self, older_than: timedelta) -> int:
        """Forget deliveries older than that which are over. Returns how many."""
        before = self._clock() - older_than
        over = WebhookDelivery.status != WAITING
        return await prune(self._database, WebhookDelivery, WebhookDelivery.created_at < before, over)


def _payload(organization_id: str, delivery_id: str) -> dict[str, str]:
    return {"organization_id": organization_id, "delivery_id": delivery_id}


def _filtered(organization_id: str, chosen: DeliveryFilter) -> Select[Any]:
    query = select_owned(WebhookDelivery, organization_id)
    for column, wanted in (
        (WebhookDelivery.call_id, chosen.call_id),
        (WebhookDelivery.event, chosen.event),
        (WebhookDelivery.status, chosen.status),
    ):
        if wanted is not None:
            query = query.where(column == wanted)
    return query


def _is_wanted(call: CallContext, event: str) -> bool:
    return call.webhook_url is not None and (call.webhook_events is None or event in call.webhook_events)
