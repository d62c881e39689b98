"""Delivers webhooks: one try of one delivery at a time, and what came of it written down."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, select, update
from yarl import URL

from dialtone.jobs.destinations import Destinations
from dialtone.jobs.jobs import Job, RetryLater
from dialtone.platform.batches import Batches
from dialtone.platform.crypto import SecretKeyError, Secrets
from dialtone.platform.db import Database, iso, now
from dialtone.platform.guarded_http import GuardedHttp, GuardedRequestError
from dialtone.platform.tenancy import owned_by
from dialtone.platform.webhook_signing import webhook_headers
from dialtone.webhooks.schedule import is_acknowledged, is_retryable, pause_before_next, retry_after_seconds
from dialtone.webhooks.service import DELIVERED, FAILED, WAITING
from dialtone.webhooks.tables import WebhookDelivery

TOTAL_SECONDS = 10.0
"""Within which a receiver must have answered."""
KEPT_RESPONSE_BYTES = 2048
KEPT_TRIES = 50
"""A day has 33 of them."""
OPEN_IN_THREAD_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Try:
    """What came of one request."""

    at: datetime
    duration_ms: int
    status: int | None = None
    """None where there was no answer."""
    error: str | None = None
    """In words, where it did not arrive."""
    retryable: bool = False
    retry_after: float | None = None
    """Seconds that the receiver asked to wait."""
    response: str = ""
    """How the answer began."""

    def entry(self) -> dict[str, Any]:
        """As the log keeps it."""
        return {"at": iso(self.at), "duration_ms": self.duration_ms, "status": self.status, "error": self.error}


class _NoAnswerError(Exception):
    """Nothing came back. A receiver that answers, whatever it says, is one that can be sent to."""

    def __init__(self, tried: Try) -> None:
        super().__init__()
        self.tried = tried


class Deliverer:
    """`deliver` is the handler of the jobs; `close` it before the database."""

    def __init__(
        self,
        database: Database,
        secrets: Secrets,
        http: GuardedHttp,
        destinations: Destinations,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._database = database
        self._secrets = secrets
        self._http = http
        self._destinations = destinations
        self._clock = clock
        self._rows: Batches[str, Mapping[str, Any] | None] = Batches(self._read)
        self._outcomes: Batches[Mapping[str, Any], None] = Batches(self._write)

    async def close(self) -> None:
        await self._rows.close()
        await self._outcomes.close()

    async def deliver(self, job: Job) -> None:
        """Try once. Raises `RetryLater` where it is to be tried again."""
        owner, delivery_id = job.payload["organization_id"], job.payload["delivery_id"]
        row = await self._rows.ask(delivery_id)
        if row is None or row["organization_id"] != owner or row["status"] != WAITING:
            return
        tried = await self._try_in_turn(row)
        pause = self._pause(row, tried)
        await self._outcomes.ask(_outcome(row, tried, pause))
        if pause is not None:
            raise RetryLater(pause, tried.error or "")

    async def _try_in_turn(self, row: Mapping[str, Any]) -> Try:
        """Raises `RetryLater` where the receiver has enough requests under way, or was away too often lately."""
        origin = f"{row['organization_id']} {URL(row['url']).origin()}"
        try:
            async with self._destinations.slot(origin):
                tried = await self._try(row)
                if tried.status is None and tried.retryable:
                    raise _NoAnswerError(tried)
        except _NoAnswerError as silent:
            return silent.tried
        return tried

    async def _try(self, row: Mapping[str, Any]) -> Try:
        at, loop = self._clock(), asyncio.get_running_loop()
        try:
            body = await self._opened(row["body"] or "")
            secret = None if row["secret"] is None else self._secrets.decrypt(row["secret"])
        except SecretKeyError as problem:
            return Try(at, 0, error=str(problem))
        headers = webhook_headers(
            row["event"], body, webhook_id=row["id"], timestamp=int(at.timestamp()), secret=secret
        )
        began = loop.time()
        try:
            answer = await self._http.request(
                "POST",
                row["url"],
                headers=headers,
                body=body,
                total_seconds=TOTAL_SECONDS,
                max_response_bytes=KEPT_RESPONSE_BYTES,
                only_beginning=True,
            )
        except GuardedRequestError as problem:
            return Try(at, _milliseconds(loop.time() - began), error=str(problem), retryable=problem.retryable)
        return Try(
            at,
            _milliseconds(loop.time() - began),
            answer.status,
            error=None if is_acknowledged(answer.status) else _refusal(answer.status),
            retryable=is_retryable(answer.status),
            retry_after=retry_after_seconds(answer.headers.get("Retry-After"), self._clock()),
            response=answer.body.decode(errors="replace").replace("\x00", ""),
        )

    async def _opened(self, sealed: str) -> bytes:
        if len(sealed) <= OPEN_IN_THREAD_BYTES:
            return self._secrets.decrypt(sealed).encode()
        return (await asyncio.to_thread(self._secrets.decrypt, sealed)).encode()

    def _pause(self, row: Mapping[str, Any], tried: Try) -> float | None:
        """Seconds until the next try; None where this was the last."""
        if tried.error is None or not tried.retryable:
            return None
        elapsed = (self._clock() - row["tried_from"]).total_seconds()
        return pause_before_next(row["attempts"] - row["attempts_before"] + 1, elapsed, tried.retry_after)

    async def _read(self, ids: Sequence[str]) -> Sequence[Mapping[str, Any] | None]:
        """Many in one query: under load that, and `_write`, is most of what a delivery costs."""
        found = await self._database.look_up(_ROWS, {"deliveries": list(ids)})
        rows = {row["id"]: row for row in found}
        return [rows.get(delivery_id) for delivery_id in ids]

    async def _write(self, outcomes: Sequence[Mapping[str, Any]]) -> Sequence[None]:
        """Many in one transaction."""
        async with self._database.write() as session:
            connection = await session.connection()
            for statement, emptied in ((_RESULT, False), (_RESULT_WITHOUT_CONTENT, True)):
                some = [each for each in outcomes if each["emptied"] is emptied]
                if some:
                    rows = [{key: value for key, value in each.items() if key != "emptied"} for each in some]
                    await connection.execute(statement, rows)
        return [None] * len(outcomes)


_ROWS = select(*WebhookDelivery.__table__.c).where(WebhookDelivery.id.in_(bindparam("deliveries", expanding=True)))
_OWNER: Any = bindparam("of_organization")
_RESULT = (
    update(WebhookDelivery)
    .where(owned_by(WebhookDelivery, _OWNER), WebhookDelivery.id == bindparam("delivery"))
    .values(
        status=bindparam("new_status"),
        attempts=bindparam("new_attempts"),
        tries=bindparam("new_tries"),
        response_body=bindparam("new_response_body"),
        next_try_at=bindparam("new_next_try_at"),
        finished_at=bindparam("new_finished_at"),
    )
)
_RESULT_WITHOUT_CONTENT = _RESULT.values(body=None, secret=None)


def _outcome(row: Mapping[str, Any], tried: Try, pause: float | None) -> dict[str, Any]:
    """What is written of a try: the parameters of `_RESULT`, and whether the content goes."""
    over = pause is None
    status = DELIVERED if tried.error is None else FAILED if over else WAITING
    finished_at = tried.at + timedelta(milliseconds=tried.duration_ms)
    return {
        "of_organization": row["organization_id"],
        "delivery": row["id"],
        "new_status": status,
        "new_attempts": row["attempts"] + 1,
        "new_tries": [*row["tries"], tried.entry()][-KEPT_TRIES:],
        "new_response_body": tried.response if row["keeps_content"] and tried.status is not None else None,
        "new_next_try_at": None if pause is None else finished_at + timedelta(seconds=pause),
        "new_finished_at": finished_at if over else None,
        "emptied": over and not row["keeps_content"],
    }


def _refusal(status: int) -> str:
    if 300 <= status < 400:
        return f"the receiver answered with a redirect ({status}), which is not followed"
    return f"the receiver answered with status {status}"


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
