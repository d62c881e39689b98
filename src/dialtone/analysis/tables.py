"""Reports that wait to be mailed."""

from datetime import datetime

from sqlalchemy import ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from dialtone.platform.db import Base, Id, UtcDateTime, now
from dialtone.platform.stored_secrets import SECRET
from dialtone.platform.tenancy import Owned


class ReportEmail(Owned, Base):
    """One call's report for one address; deleted when it was sent or given up."""

    __tablename__ = "report_emails"

    call_id: Mapped[str] = mapped_column(Id, ForeignKey("calls.id", ondelete="CASCADE"), nullable=False, index=True)
    mail: Mapped[str] = mapped_column(Text, nullable=False, info=SECRET)
    """Encrypted JSON: whom it is for, its subject and its text."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False, default=now)
