"""Stored SIP trunks."""

from datetime import datetime

from sqlalchemy import Float, ForeignKey, Index, String, Text, false, text, true
from sqlalchemy.orm import Mapped, mapped_column

from dialtone.platform.db import Base, Id, Json, UtcDateTime, now
from dialtone.platform.stored_secrets import SECRET
from dialtone.platform.tenancy import Owned


def _trunk(*, primary_key: bool = False, index: bool = False) -> Mapped[str]:
    of_trunk = ForeignKey("sip_trunks.id", ondelete="CASCADE")
    return mapped_column(Id, of_trunk, nullable=False, primary_key=primary_key, index=index)


class Trunk(Owned, Base):
    __tablename__ = "sip_trunks"
    # What refers to a trunk refers to the pair, so that the database itself keeps organizations apart.
    __table_args__ = (Index(None, "organization_id", "id", unique=True),)

    name: Mapped[str] = mapped_column(String(200), nullable=False)
    provider: Mapped[str | None] = mapped_column(String(100))
    address: Mapped[str] = mapped_column(String(262), nullable=False)
    transport: Mapped[str] = mapped_column(String(8), nullable=False)
    auth_username: Mapped[str | None] = mapped_column(String(255))
    auth_password: Mapped[str | None] = mapped_column(Text, info=SECRET)
    """Encrypted."""
    register: Mapped[bool] = mapped_column(nullable=False, server_default=false())
    register_expires: Mapped[int] = mapped_column(nullable=False, server_default=text("600"))
    """Seconds."""
    inbound_addresses: Mapped[list[str] | None] = mapped_column(Json)
    outbound_number: Mapped[str | None] = mapped_column(String(16))
    priority: Mapped[int] = mapped_column(nullable=False, server_default=text("100"))
    max_channels: Mapped[int | None]
    max_calls_per_second: Mapped[float | None] = mapped_column(Float(53))
    next_call_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the next call may go out under `max_calls_per_second`, by the database's clock."""
    country_code: Mapped[str | None] = mapped_column(String(3))
    national_prefix: Mapped[str] = mapped_column(String(5), nullable=False, server_default=text("'0'"))
    international_prefix: Mapped[str] = mapped_column(String(5), nullable=False, server_default=text("'00'"))
    outbound_format: Mapped[str] = mapped_column(String(24), nullable=False, server_default=text("'e164'"))
    outbound_from: Mapped[str] = mapped_column(String(8), nullable=False, server_default=text("'number'"))
    keep_alive: Mapped[bool] = mapped_column(nullable=False, server_default=true())
    is_active: Mapped[bool] = mapped_column(nullable=False)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False, default=now)


class TrunkEvent(Owned, Base):
    """Something that went wrong at a trunk, how its registration goes, whether its server answers. Names no caller and
    no destination: those are on the call, where they are masked, and forgotten, as they have to be.
    """

    __tablename__ = "sip_trunk_events"
    __table_args__ = (Index(None, "trunk_id", "created_at", "id"),)

    trunk_id: Mapped[str] = _trunk()
    kind: Mapped[str] = mapped_column(String(16), nullable=False, server_default=text("'inbound'"))
    status: Mapped[int | None]
    reason: Mapped[str] = mapped_column(String(500), nullable=False)
    called: Mapped[str | None] = mapped_column(String(16))
    call_id: Mapped[str | None] = mapped_column(Id)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False, default=now)


class TrunkChannel(Owned, Base):
    """A call, or one side of it, that goes through a trunk. Its end deletes the row."""

    __tablename__ = "sip_trunk_channels"

    trunk_id: Mapped[str] = _trunk(index=True)
    call_id: Mapped[str] = mapped_column(Id, ForeignKey("calls.id", ondelete="CASCADE"), nullable=False, index=True)
    taken_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False, default=now)


class TrunkRegistration(Base):
    """Which process registers a trunk at its provider, and what came of it."""

    __tablename__ = "sip_registrations"

    trunk_id: Mapped[str] = _trunk(primary_key=True)
    organization_id: Mapped[str] = mapped_column(
        Id, ForeignKey("organizations.id", ondelete="CASCADE"), nullable=False, index=True
    )
    contact: Mapped[str] = mapped_column(String(64), nullable=False)
    """User of the registered address: random, so that nobody but the provider can know it."""
    node: Mapped[str | None] = mapped_column(Id)
    """The process; None while nobody does."""
    renewed_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False)
    """When the process said so last, by the database's clock."""
    state: Mapped[str] = mapped_column(String(16), nullable=False)
    """`pending`, `registered` or `failing`."""
    status: Mapped[int | None]
    """SIP status of the provider's last answer; 408 without one."""
    reason: Mapped[str | None] = mapped_column(String(500))
    since: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False)


class TrunkKeepAlive(Base):
    """Which process asks a trunk's server whether it is there, and whether it answers."""

    __tablename__ = "sip_keep_alives"

    trunk_id: Mapped[str] = _trunk(primary_key=True)
    organization_id: Mapped[str] = mapped_column(
        Id, ForeignKey("organizations.id", ondelete="CASCADE"), nullable=False, index=True
    )
    node: Mapped[str | None] = mapped_column(Id)
    """The process; None while nobody does."""
    renewed_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False)
    """When the process said so last, by the database's clock."""
    address: Mapped[str | None] = mapped_column(String(262))
    """Where it was asked, which may be no more the trunk's; None before the first answer."""
    transport: Mapped[str | None] = mapped_column(String(8))
    answers: Mapped[bool | None]
