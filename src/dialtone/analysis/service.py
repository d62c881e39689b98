"""The work after a call: find out what is wanted, keep it, and send the report, all of it or none."""

import logging
from collections.abc import Callable, Collection
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from dialtone.analysis.findings import Conversation, Findings, examine
from dialtone.analysis.mailing import Mailing
from dialtone.byok.service import Byok
from dialtone.calls.costs import Costing
from dialtone.calls.ending import AFTER_CALL, EndedCall, Endings
from dialtone.calls.recordings import Recordings
from dialtone.calls.results import Results, assistant_of, store
from dialtone.jobs.jobs import Job, Jobs, RetryLater
from dialtone.platform.crypto import SecretKeyError
from dialtone.platform.db import Database, now
from dialtone.providers import catalog, factory
from dialtone.providers.base import ProviderError
from dialtone.providers.catalog_types import Block
from dialtone.providers.factory import Vendors, open_vendors
from dialtone.providers.prices import Prices
from dialtone.providers.use import VendorUse
from dialtone.settings import Settings
from dialtone.storage.answers import StorageError

logger = logging.getLogger(__name__)

PATIENCE = timedelta(minutes=30)
"""How long after its end a call waits for a vendor that is away; then it is reported without."""
GDPR_PATIENCE = timedelta(minutes=5)
"""The same where the transcript should not exist at all."""
FIRST_PAUSE = 15.0
LONGEST_PAUSE = 300.0
AT_ONCE = 8
"""Calls that are worked on at the same time in one process."""
ATTEMPT_SECONDS = 1800.0
ATTEMPTS = 40
"""More than the pauses leave room for in `PATIENCE`."""
EXAMINED_ATTEMPTS = 25
"""A call whose examination broke this process so often is reported without."""
_ROLES = {0: "user", 1: "assistant"}
"""Who speaks on a recording's channels."""


class Analysis:
    """Build it before the jobs start. Needs a running event loop from the first job on."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        endings: Endings,
        recordings: Recordings,
        byok: Byok,
        jobs: Jobs,
        mailing: Mailing,
        prices: Prices,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._settings = settings
        self._database = database
        self._endings = endings
        self._recordings = recordings
        self._byok = byok
        self._mailing = mailing
        self._prices = prices
        self._clock = clock
        self._open = AsyncExitStack()
        self._vendors: Vendors
        jobs.handle(AFTER_CALL, self.after_call, at_once=AT_ONCE, seconds=ATTEMPT_SECONDS, attempts=ATTEMPTS)

    async def start(self) -> None:
        """Be ready for jobs."""
        self._vendors = await self._open.enter_async_context(open_vendors(self._settings))

    async def stop(self) -> None:
        """Close the connections to vendors. Idempotent."""
        await self._open.aclose()

    async def after_call(self, job: Job) -> None:
        """The handler of after-call jobs. Raises `RetryLater` while a vendor is away."""
        organization_id, call_id = job.payload["organization_id"], job.payload["call_id"]
        ended = await self._endings.find(organization_id, call_id)
        if ended is None:
            return
        findings, results = await self._find_out(job, ended)
        if findings.failure is not None and self._may_wait(ended):
            pause = min(FIRST_PAUSE * 2 ** min(job.attempt - 1, 10), LONGEST_PAUSE)
            raise RetryLater(pause, findings.failure.unquoted)
        async with self._database.write() as session:
            if not await self._endings.take(session, ended):
                return
            ended = await store(session, ended, results)
            await self._mailing.put(session, ended, results)
            more = {"analysis_error": results.error} if results.error else None
            await self._endings.report(session, ended, summary=results.summary, analysis=results.analysis, more=more)

    async def _find_out(self, job: Job, ended: EndedCall) -> tuple[Findings, Results]:
        """Nothing that goes wrong here may keep the report back for good."""
        if ended.call.started_at is None:
            return Findings(), Results()
        if job.attempt > EXAMINED_ATTEMPTS:
            return Findings(), Results(error="the server failed again and again while it examined the call")
        try:
            return await self._examine(ended)
        except SecretKeyError as problem:
            return Findings(), Results(error=str(problem))
        except SQLAlchemyError:
            raise
        except Exception as problem:
            # Not logged with its values: they may be the call's content.
            logger.error("call %s could not be examined (%s)", ended.call.id, type(problem).__name__)
            return Findings(), Results(error=f"the server failed to examine the call ({type(problem).__name__})")

    async def _examine(self, ended: EndedCall) -> tuple[Findings, Results]:
        own_keys = await self._byok.own_keys(ended.organization_id)
        vendors = replace(self._vendors.with_own_keys(own_keys), no_retention=ended.kept.gdpr_mode)
        findings, messages = await self._transcribe(ended, vendors)
        if findings.failure is None:
            found = await examine(_conversation(ended, messages), vendors)
            found.errors[:0], found.uses[:0] = findings.errors, findings.uses
            findings = found
        own_roles = _own_roles(findings.uses, own_keys)
        costing = Costing(self._prices, own_roles, self._database.is_sqlite)
        return findings, Results(
            findings.summary,
            findings.analysis,
            findings.error,
            messages,
            costing.work(ended.organization_id, ended.call.id, findings.uses),
        )

    def _may_wait(self, ended: EndedCall) -> bool:
        assert ended.call.ended_at is not None
        return self._clock() - ended.call.ended_at < (GDPR_PATIENCE if ended.kept.gdpr_mode else PATIENCE)

    async def _transcribe(self, ended: EndedCall, vendors: Vendors) -> tuple[Findings, list[dict[str, Any]] | None]:
        """A realtime model takes down badly what was said: its recording can be transcribed anew."""
        findings = Findings()
        config, recording = ended.kept.postcall_stt, ended.call.recording
        llm_config = assistant_of(ended)["llm_config"]
        if config is None or recording is None or not catalog.is_realtime(llm_config):
            return findings, None
        try:
            transcriber = factory.recorded_speech_to_text(config, vendors)
            async with self._recordings.reading(recording) as path:
                spoken = await transcriber.transcribe(path)
        except StorageError as problem:
            findings.errors.append(str(problem))
            findings.failure = ProviderError("recordings", str(problem))
            return findings, None
        except OSError as problem:
            findings.errors.append(f"the recording can't be read ({type(problem).__name__})")
            return findings, None
        except ProviderError as error:
            findings.errors.append(error.words(quoting=not vendors.no_retention))
            findings.failure = error if error.retryable else None
            return findings, None
        seconds = float(ended.call.duration_seconds or 0)
        findings.uses.append(
            VendorUse(
                "postcall_stt",
                str(config["provider"]),
                str(config.get("model") or ""),
                config.get("language"),
                audio_seconds=seconds * len(_ROLES),
            )
        )
        return findings, [{"role": _ROLES[one.channel], "content": one.text} for one in spoken if one.channel in _ROLES]


def _conversation(ended: EndedCall, messages: list[dict[str, Any]] | None) -> Conversation:
    kept, call = ended.kept, ended.call
    return Conversation(
        assistant_of(ended),
        kept.postcall_llm,
        ended.messages if messages is None else messages,
        call.end_reason,
        call.duration_seconds or 0,
        kept.context.customer_number,
    )


def _own_roles(uses: Collection[VendorUse], own_keys: Collection[str]) -> set[str]:
    """Which of the uses ran on the organization's own keys."""
    blocks: dict[str, Block] = {"postcall_stt": "postcall_stt", "postcall_llm": "postcall_llm"}
    return {
        use.role
        for use in uses
        if catalog.uses_key_of(blocks[use.role], {"provider": use.provider, "model": use.model}, own_keys)
    }
