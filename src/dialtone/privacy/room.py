"""Privacy put together: erasures, and the nightly work."""

from datetime import time, timedelta

from dialtone.audit.service import AuditLog
from dialtone.chats.service import Chats
from dialtone.jobs.jobs import Job, Jobs
from dialtone.platform.crypto import Secrets
from dialtone.platform.db import Database
from dialtone.privacy.erasing import Eraser
from dialtone.privacy.forgetting import CallTraces
from dialtone.privacy.retaining import RETAIN, RETAIN_ONE, Retention
from dialtone.privacy.service import ERASE, Privacy
from dialtone.settings import Settings

ATTEMPT_SECONDS = 3600.0
"""After so long it begins another attempt, which goes on where this one was."""
ATTEMPTS = 100
PRUNE = "privacy.prune"


class PrivacyRoom:
    """Build it before the jobs start."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        secrets: Secrets,
        jobs: Jobs,
        traces: CallTraces,
        chats: Chats,
        audit: AuditLog,
    ) -> None:
        self.privacy = Privacy(database, secrets, jobs, traces.calls)
        self._audit = audit
        self._audit_log_for = timedelta(days=settings.audit_log_days)
        eraser = Eraser(database, secrets, traces, chats)
        self.retention = Retention(database, jobs, traces)
        night = time(settings.retention_hour)
        jobs.handle(ERASE, eraser.erase, at_once=1, seconds=ATTEMPT_SECONDS, attempts=ATTEMPTS)
        jobs.handle(RETAIN, self.retention.begin_night, at_once=1)
        jobs.every_day(RETAIN, night)
        jobs.handle(RETAIN_ONE, self.retention.delete_old, at_once=1, seconds=ATTEMPT_SECONDS, attempts=ATTEMPTS)
        jobs.handle(PRUNE, self._prune, at_once=1)
        jobs.every_day(PRUNE, night)

    async def _prune(self, job: Job) -> None:
        await self.privacy.prune()
        await self._audit.prune(self._audit_log_for)
