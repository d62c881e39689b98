"""Stored e-mail domains."""

from datetime import datetime
from typing import Any

from sqlalchemy import String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from dialtone.platform.db import Base, Json, UtcDateTime
from dialtone.platform.tenancy import Owned


class EmailDomain(Owned, Base):
    """The domain from which an organization's mail is sent. The row is made before the domain is made at Resend, so
    that one which nobody finished is known.
    """

    __tablename__ = "email_domains"
    __table_args__ = (UniqueConstraint("organization_id", name="uq_email_domains_organization_id"),)

    domain_name: Mapped[str] = mapped_column(String(253), nullable=False)
    resend_domain_id: Mapped[str | None] = mapped_column(String(64))
    """None: it was never heard whether Resend made the domain."""
    claimed_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Until then somebody is making the domain at Resend."""
    own_account: Mapped[bool] = mapped_column(nullable=False)
    """At Resend it belongs to the organization's own account; else to the deployment's."""
    made_here: Mapped[bool] = mapped_column(nullable=False)
    """We made it at Resend, and delete it there too; else it was only chosen."""
    status: Mapped[str] = mapped_column(String(32), nullable=False)
    region: Mapped[str] = mapped_column(String(32), nullable=False)
    records: Mapped[list[dict[str, Any]] | None] = mapped_column(Json)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False)
    verified_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When it was first seen verified."""
