"""E-mail domains: one per organization, kept with Resend, which looks the DNS records up and tells what it found."""

from contextlib import suppress
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.domains.accounts import Accounts
from dialtone.domains.claims import Abandoned, Claim, Claims, abandoned, being_added, is_claimed, row_of
from dialtone.domains.resend import DomainGoneError, Resend, ResendDomain, ResendRefusedError, ResendUnavailableError
from dialtone.domains.tables import EmailDomain
from dialtone.platform.db import Database, iso, now, parse_id
from dialtone.platform.errors import ApiError
from dialtone.platform.rows import apply_changes

REGION = "eu-west-1"
CLOCK_DIFFERENCE_SECONDS = 60
"""By how much Resend's clock may be behind ours."""

Domain = dict[str, Any]


class Domains:
    """The domains of every organization. All methods raise `ApiError`: 404 where there is no domain, 409 without a key
    of Resend, 502 to 504 where Resend does not serve.
    """

    def __init__(self, database: Database, accounts: Accounts) -> None:
        self._database = database
        self._accounts = accounts
        self._claims = Claims(database)

    async def get(self, organization_id: str) -> Domain | None:
        row = await self._row(organization_id)
        return None if row is None or row.resend_domain_id is None else show(row)

    async def create(self, organization_id: str, name: str) -> Domain:
        account = await self._accounts.of(organization_id)
        claim, left_behind = await self._claims.take(organization_id, name, REGION, own_account=account.own)
        if left_behind is not None:
            try:
                await self._remove(organization_id, left_behind)
            except ApiError:
                await self._claims.release(claim)
                raise
            await self._claims.renew(claim, name, own_account=account.own)
        try:
            remote = await account.create(name, REGION)
        except ResendRefusedError:
            await self._claims.drop(claim)
            raise
        except ResendUnavailableError:
            await self._claims.release(claim)
            raise
        return await self._finish(claim, account, remote)

    async def _remove(self, organization_id: str, left_behind: Abandoned) -> None:
        """Remove a domain that an abandoned claim made at Resend. Only one that is younger than the claim: an older one
        of that name is somebody else's.
        """
        account = await self._accounts.find(organization_id, own=left_behind.own_account)
        if account is None:
            return
        for domain in await account.list_all():
            age = (domain.created_at - left_behind.since).total_seconds() if domain.created_at else None
            if domain.name == left_behind.name and age is not None and age >= -CLOCK_DIFFERENCE_SECONDS:
                await _delete(account, domain.id)

    async def _finish(self, claim: Claim, account: Resend, remote: ResendDomain) -> Domain:
        async with self._database.write() as session:
            row = await self._claims.held_row(session, claim)
            if row is not None:
                row.claimed_until = None
                apply_changes(row, _told(remote, row))
        if row is None:
            await _delete(account, remote.id)
            raise being_added()
        return show(row)

    async def delete(self, organization_id: str) -> None:
        """Delete the domain, at Resend too where it was made from here. One that Resend lost already, or whose
        account's key is gone, is only forgotten.
        """
        row = await self._row(organization_id)
        if row is None:
            raise _no_domain()
        if is_claimed(row):
            raise being_added()
        if row.resend_domain_id is None:
            await self._remove(organization_id, abandoned(row))
        elif row.made_here:
            account = await self._accounts.find(organization_id, own=row.own_account)
            if account is not None:
                await _delete(account, row.resend_domain_id)
        async with self._database.write() as session:
            current = await row_of(session, organization_id, lock=True)
            if current is not None and current.id == row.id and not is_claimed(current):
                await session.delete(current)

    async def refresh(self, organization_id: str) -> Domain:
        """The domain, with what Resend knows of it now."""
        row, account, domain_id = await self._held_by(organization_id)
        return await self._store(row, await _get(account, domain_id))

    async def verify(self, organization_id: str) -> Domain:
        """Have Resend look at the DNS records. It does so after it has answered: `refresh` tells the outcome."""
        row, account, domain_id = await self._held_by(organization_id)
        try:
            await account.verify(domain_id)
        except DomainGoneError:
            raise _gone_at_resend() from None
        return await self._store(row, await _get(account, domain_id))

    async def list_remote(self, organization_id: str) -> tuple[list[ResendDomain], str | None]:
        """The domains of the organization's own Resend account, and the id there of the one it uses."""
        account = await self._accounts.own(organization_id)
        found = await account.list_all()
        row = await self._row(organization_id)
        return found, None if row is None else row.resend_domain_id

    async def select(self, organization_id: str, resend_domain_id: str) -> Domain:
        """Use a domain of the organization's own Resend account, instead of the one it had."""
        account = await self._accounts.own(organization_id)
        domain_id = parse_id(resend_domain_id)
        if domain_id is None:
            raise ApiError(404, "not_found", "Not found", "Your Resend account has no domain with this id.")
        remote = await account.get(domain_id)
        row = await self._row(organization_id)
        if row is not None and (row.resend_domain_id is None or not row.own_account):
            await self.delete(organization_id)  # one in the deployment's account would be out of reach
        async with self._database.write() as session:
            row = await row_of(session, organization_id, lock=True)
            if row is not None and row.resend_domain_id is None:
                raise being_added()
            if row is not None and row.resend_domain_id != remote.id:
                await session.delete(row)
                await session.flush()
                row = None
            if row is None:
                row = _chosen(organization_id, remote)
                session.add(row)
            else:
                apply_changes(row, _told(remote, row))
        return show(row)

    async def may_send(self, session: AsyncSession, organization_id: str) -> bool:
        """Whether mail can come from a domain of the organization's own."""
        return _is_verified(await row_of(session, organization_id))

    async def sender(self, organization_id: str) -> tuple[Resend, str] | None:
        """The account that sends from the organization's own domain, and that domain; None without a verified one."""
        row = await self._row(organization_id)
        if row is None or not _is_verified(row):
            return None
        return await self._accounts.holding(organization_id, own=row.own_account), row.domain_name

    async def _row(self, organization_id: str) -> EmailDomain | None:
        async with self._database.read() as session:
            return await row_of(session, organization_id)

    async def _held_by(self, organization_id: str) -> tuple[EmailDomain, Resend, str]:
        row = await self._row(organization_id)
        if row is None or row.resend_domain_id is None:
            raise _no_domain()
        return row, await self._accounts.holding(organization_id, own=row.own_account), row.resend_domain_id

    async def _store(self, known: EmailDomain, remote: ResendDomain) -> Domain:
        async with self._database.write() as session:
            row = await row_of(session, known.organization_id, lock=True)
            if row is None or row.id != known.id:
                raise _no_domain()
            apply_changes(row, _told(remote, row))
        return show(row)


def _is_verified(row: EmailDomain | None) -> bool:
    return row is not None and row.resend_domain_id is not None and row.status == "verified"


async def _get(account: Resend, domain_id: str) -> ResendDomain:
    try:
        return await account.get(domain_id)
    except DomainGoneError:
        raise _gone_at_resend() from None


async def _delete(account: Resend, domain_id: str) -> None:
    with suppress(DomainGoneError):
        await account.delete(domain_id)


def _chosen(organization_id: str, remote: ResendDomain) -> EmailDomain:
    moment = now()
    row = EmailDomain(
        organization_id=organization_id, own_account=True, made_here=False, created_at=moment, updated_at=moment
    )
    for name, value in _told(remote, row).items():
        setattr(row, name, value)
    return row


def _told(remote: ResendDomain, row: EmailDomain) -> dict[str, Any]:
    """What Resend tells of a domain, as values of its row."""
    return {
        "domain_name": remote.name,
        "resend_domain_id": remote.id,
        "status": remote.status,
        "region": remote.region,
        "records": remote.records,
        "verified_at": row.verified_at or (now() if remote.status == "verified" else None),
    }


def show(row: EmailDomain) -> Domain:
    """A domain as the API shows it."""
    return {
        "id": row.id,
        "org_id": row.organization_id,
        "domain_name": row.domain_name,
        "resend_domain_id": row.resend_domain_id,
        "status": row.status,
        "region": row.region,
        "records": row.records,
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
        "verified_at": iso(row.verified_at) if row.verified_at else None,
    }


def _no_domain() -> ApiError:
    return ApiError(404, "not_found", "Not found", "Your organization has no e-mail domain.")


def _gone_at_resend() -> ApiError:
    return ApiError(
        409, "domain_gone", "Domain is gone", "Resend has this domain no more; delete it here and add it again."
    )
