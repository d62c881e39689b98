"""Making a domain at Resend and storing it can't be one step: the row comes first, as a claim.

Whoever holds the claim makes the domain. Where that ends without anybody knowing whether Resend made it (no answer, a
killed process), the claim is left behind, and the next try finds by it what has to be removed at Resend.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from dialtone.domains.tables import EmailDomain
from dialtone.platform.db import Database, now
from dialtone.platform.errors import ApiError
from dialtone.platform.rows import is_duplicate
from dialtone.platform.tenancy import owned_by, select_owned

CLAIM_SECONDS = 60
"""Longer than whoever makes a domain can take, see `resend.OPERATION_SECONDS`."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to make an organization's domain."""

    organization_id: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Abandoned:
    """A domain that may have been made at Resend, and that nobody was told of."""

    name: str
    own_account: bool
    since: datetime


def abandoned(row: EmailDomain) -> Abandoned:
    return Abandoned(row.domain_name, row.own_account, row.created_at)


def is_claimed(row: EmailDomain) -> bool:
    return row.claimed_until is not None and row.claimed_until > now()


async def row_of(session: AsyncSession, organization_id: str, *, lock: bool = False) -> EmailDomain | None:
    query = select_owned(EmailDomain, organization_id)
    row: EmailDomain | None = await session.scalar(query.with_for_update() if lock else query)
    return row


class Claims:
    """The claims of every organization, in their rows of domains."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(
        self, organization_id: str, name: str, region: str, *, own_account: bool
    ) -> tuple[Claim, Abandoned | None]:
        """The claim, and what an earlier one left behind; then `renew` has to follow. Raises `ApiError` (409)."""
        claim = Claim(organization_id, now() + timedelta(seconds=CLAIM_SECONDS))
        try:
            async with self._database.write() as session:
                row = await row_of(session, organization_id, lock=True)
                if row is None:
                    session.add(_claimed(claim, name, region, own_account=own_account))
                    return claim, None
                refuse_taken(row)
                row.claimed_until = claim.until
                return claim, abandoned(row)
        except IntegrityError as error:
            if is_duplicate(error):
                raise being_added() from None
            raise

    async def renew(self, claim: Claim, name: str, *, own_account: bool) -> None:
        """Make the claim one of this domain, once what the earlier one left behind is gone."""
        async with self._database.write() as session:
            changes = {"domain_name": name, "own_account": own_account, "created_at": now()}
            await session.execute(update(EmailDomain).where(_held(claim)).values(changes))

    async def release(self, claim: Claim) -> None:
        """Leave the claim behind: what Resend did is not known. The next try need not wait for its end."""
        async with self._database.write() as session:
            await session.execute(update(EmailDomain).where(_held(claim)).values(claimed_until=None))

    async def drop(self, claim: Claim) -> None:
        """Forget the claim: Resend did nothing."""
        async with self._database.write() as session:
            await session.execute(delete(EmailDomain).where(_held(claim)))

    async def held_row(self, session: AsyncSession, claim: Claim) -> EmailDomain | None:
        """The claim's row, locked; None where the claim is lost."""
        row = await row_of(session, claim.organization_id, lock=True)
        return row if row is not None and row.claimed_until == claim.until else None


def _claimed(claim: Claim, name: str, region: str, *, own_account: bool) -> EmailDomain:
    moment = now()
    return EmailDomain(
        organization_id=claim.organization_id,
        domain_name=name,
        claimed_until=claim.until,
        own_account=own_account,
        made_here=True,
        status="not_started",
        region=region,
        created_at=moment,
        updated_at=moment,
    )


def _held(claim: Claim) -> ColumnElement[bool]:
    return and_(owned_by(EmailDomain, claim.organization_id), EmailDomain.claimed_until == claim.until)


def refuse_taken(row: EmailDomain) -> None:
    """Raises `ApiError` (409) unless the row is an abandoned claim."""
    if row.resend_domain_id is not None:
        raise ApiError(
            409,
            "domain_exists",
            "Domain exists",
            f"Your organization has the domain {row.domain_name}; delete it before you add another.",
        )
    if is_claimed(row):
        raise being_added()


def being_added() -> ApiError:
    return ApiError(409, "domain_being_added", "Domain is being added", "Another request is adding a domain; wait.")
