"""Webhooks put together: their log, and the work that delivers and forgets them."""

from datetime import timedelta

from dialtone.jobs.destinations import Destinations
from dialtone.jobs.jobs import Job, Jobs
from dialtone.platform.crypto import Secrets
from dialtone.platform.db import Database
from dialtone.platform.guarded_http import GuardedHttp
from dialtone.settings import Settings
from dialtone.webhooks.delivering import Deliverer
from dialtone.webhooks.service import DELIVER, Webhooks

AT_ONCE = 200
"""Requests under way in one process."""
AT_ONCE_TO_ONE = 100
AT_ONCE_TO_UNPROVEN = 80
"""To all receivers together that are new or gave no answer last time: those that never answer slow nobody else."""
ATTEMPT_SECONDS = 60.0
"""A request takes ten at most; the rest is the database's."""
ATTEMPTS = 1000
"""Far more than there are tries: when a delivery is given up is the deliverer's to say."""
PRUNE = "webhooks.prune"
PRUNE_SECONDS = 3600


class WebhooksRoom:
    """Build it before the jobs start, `stop` it once they have ended."""

    def __init__(self, settings: Settings, database: Database, secrets: Secrets, jobs: Jobs, http: GuardedHttp) -> None:
        self.webhooks = Webhooks(database, secrets, jobs)
        self._log_for = timedelta(days=settings.webhook_log_days)
        self._deliverer = Deliverer(
            database, secrets, http, Destinations(each=AT_ONCE_TO_ONE, unproven=AT_ONCE_TO_UNPROVEN)
        )
        jobs.handle(DELIVER, self._deliverer.deliver, at_once=AT_ONCE, seconds=ATTEMPT_SECONDS, attempts=ATTEMPTS)
        jobs.handle(PRUNE, self._prune, at_once=1)
        jobs.every(PRUNE, PRUNE_SECONDS)

    async def stop(self) -> None:
        await self._deliverer.close()
        await self.webhooks.close()

    async def _prune(self, job: Job) -> None:
        await self.webhooks.prune(self._log_for)
