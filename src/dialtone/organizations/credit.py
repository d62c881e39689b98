"""Minutes: an organization without a parent has a balance, and the calls of all below it use it up, to the second."""

from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Select, Update, func, select, update
from sqlalchemy.orm import aliased

from dialtone.organizations.tables import Organization
from dialtone.platform.tenancy import OrganizationId


def minutes(seconds: int) -> float:
    """As the API shows them."""
    return round(seconds / 60, 2)


def balance_of(organization_id: str) -> Select[Any]:
    """A query for the seconds that this organization's calls may still use."""
    return select(Organization.balance_seconds).where(Organization.id == _payer(organization_id))


def charge(organization_id: OrganizationId, seconds: int | BindParameter[int], only_if: ColumnElement[bool]) -> Update:
    """The statement that takes `seconds` from the balance behind an organization.

    Run it in the transaction that ends the call, before the statement that does, with an `only_if` that this makes
    untrue ("the call has not ended"): so it may be repeated, and takes them once.
    """
    return (
        update(Organization)
        .where(Organization.id == _payer(organization_id), only_if)
        .values(balance_seconds=Organization.balance_seconds - seconds)
    )


def _payer(organization_id: OrganizationId) -> ColumnElement[Any]:
    member = aliased(Organization)
    return select(func.coalesce(member.payer_id, member.id)).where(member.id == organization_id).scalar_subquery()
