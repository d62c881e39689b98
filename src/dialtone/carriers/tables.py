"""Calls that carriers told of."""

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from dialtone.platform.db import Base, Id


class CarrierCallRow(Base):
    """A call that came in, so that the same request, sent again, makes no second one."""

    __tablename__ = "carrier_calls"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the organization, the carrier and its id of the call, in hex: the id would lead to the caller."""
    call_id: Mapped[str] = mapped_column(Id, ForeignKey("calls.id", ondelete="CASCADE"), nullable=False, index=True)
    organization_id: Mapped[str] = mapped_column(Id, ForeignKey("organizations.id", ondelete="CASCADE"), nullable=False)
