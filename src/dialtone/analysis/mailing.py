"""Reports by e-mail: written down with the report, sent once they can be, and logged in words on the call."""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.analysis.mail import html_of, subject_of, text_of
from dialtone.analysis.tables import ReportEmail
from dialtone.calls.ending import EndedCall
from dialtone.calls.results import Results, add_note
from dialtone.domains.resend import ResendRefusedError, ResendUnavailableError
from dialtone.domains.service import Domains
from dialtone.jobs.jobs import Job, Jobs, RetryLater
from dialtone.platform.crypto import SecretKeyError, Secrets
from dialtone.platform.db import Database, new_id, now
from dialtone.platform.errors import ApiError
from dialtone.platform.smtp import Mail, MailError, MailServer
from dialtone.platform.tenancy import get_owned, owned_by

MAIL = "report-email"
"""The kind of the job that sends one report to one address."""
TRIED_FOR = timedelta(hours=24)
FIRST_PAUSE = 30.0
LONGEST_PAUSE = 3600.0
ATTEMPTS = 60
"""More than the pauses leave room for in `TRIED_FOR`."""
AT_ONCE = 4
RESEND_USER = "calls"
"""Mail comes from this name at the organization's own domain."""


class Mailing:
    def __init__(
        self,
        database: Database,
        secrets: Secrets,
        jobs: Jobs,
        domains: Domains,
        server: MailServer | None,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._database = database
        self._secrets = secrets
        self._jobs = jobs
        self._domains = domains
        self._server = server
        self._clock = clock
        jobs.handle(MAIL, self.send, at_once=AT_ONCE, attempts=ATTEMPTS)

    async def put(self, session: AsyncSession, ended: EndedCall, results: Results) -> None:
        """Have the report mailed to everybody who wants it, in the transaction that sends it to the webhook."""
        addresses = ended.kept.notification_emails
        if not addresses:
            return
        if self._server is None and not await self._domains.may_send(session, ended.organization_id):
            words = "The report was not mailed: there is no verified e-mail domain, and DIALTONE_SMTP_URL is not set."
            await add_note(session, ended.organization_id, ended.call.id, words)
            return
        mail = {"subject": subject_of(ended), "text": text_of(ended, results), "html": html_of(ended, results)}
        for address in addresses:
            row = ReportEmail(
                id=new_id(),
                organization_id=ended.organization_id,
                call_id=ended.call.id,
                mail=await asyncio.to_thread(self._secrets.encrypt, json.dumps({"to": address, **mail})),
                created_at=now(),
            )
            session.add(row)
            payload = {"organization_id": ended.organization_id, "email_id": row.id}
            await self._jobs.defer(session, MAIL, payload)
        await session.flush()

    async def send(self, job: Job) -> None:
        """The handler of report-email jobs."""
        organization_id, email_id = job.payload["organization_id"], job.payload["email_id"]
        async with self._database.read() as session:
            row = await get_owned(session, ReportEmail, organization_id, email_id)
        if row is None:
            return
        try:
            document = json.loads(await asyncio.to_thread(self._secrets.decrypt, row.mail))
            mail = Mail(**document, id=row.id)
            await self._hand_over(organization_id, mail)
            outcome = f"The report was mailed to {mail.to}."
        except SecretKeyError as problem:
            outcome = f"The report was not mailed: {problem}."
        except MailError as problem:
            if problem.retryable and self._clock() - row.created_at < TRIED_FOR:
                pause = min(FIRST_PAUSE * 2 ** min(job.attempt - 1, 10), LONGEST_PAUSE)
                raise RetryLater(pause, str(problem)) from None
            outcome = f"The report was not mailed to {mail.to}: {problem}."
        async with self._database.write() as session:
            await session.execute(
                delete(ReportEmail).where(owned_by(ReportEmail, organization_id), ReportEmail.id == row.id)
            )
            await add_note(session, organization_id, row.call_id, outcome)

    async def _hand_over(self, organization_id: str, mail: Mail) -> None:
        """From the organization's own domain where it has one, else from the deployment. Raises `MailError`."""
        try:
            found = await self._domains.sender(organization_id)
            if found is not None:
                account, domain = found
                return await account.send(
                    f"{RESEND_USER}@{domain}", mail.to, mail.subject, mail.text, mail.html, key=mail.id
                )
        except ResendUnavailableError as problem:
            raise MailError(problem.message or problem.error) from None
        except ResendRefusedError as problem:
            raise MailError(problem.message or problem.error, retryable=problem.status == 503) from None
        except ApiError as problem:
            raise MailError(problem.message or problem.error, retryable=False) from None
        if self._server is None:
            raise MailError("there is no verified e-mail domain, and DIALTONE_SMTP_URL is not set", retryable=False)
        await self._server.send(mail)

    async def erase_calls(self, session: AsyncSession, organization_id: str, call_ids: Sequence[str]) -> int:
        """Forget these calls' reports that wait to be mailed. Returns how many there were."""
        of_calls = owned_by(ReportEmail, organization_id), ReportEmail.call_id.in_(call_ids)
        gone = await session.scalars(delete(ReportEmail).where(*of_calls).returning(ReportEmail.id))
        return len(gone.all())
