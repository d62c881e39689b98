"""Calls as they are stored."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, Date, Float, ForeignKey, Index, String, Text, false, text
from sqlalchemy.orm import Mapped, mapped_column

from dialtone.platform.db import Base, Id, Json, UtcDateTime, now
from dialtone.platform.forwarding import Forwarding
from dialtone.platform.stored_secrets import SECRET
from dialtone.platform.tenancy import Owned


def _organization() -> Mapped[str]:
    return mapped_column(Id, ForeignKey("organizations.id", ondelete="CASCADE"), nullable=False)


def _call() -> Mapped[str]:
    return mapped_column(Id, ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True)


class Call(Owned, Base):
    __tablename__ = "calls"
    __table_args__ = (
        Index("ix_calls_organization_id_created_at", "organization_id", "created_at", "id"),
        Index("ix_calls_organization_id_status", "organization_id", "status", "created_at", "id"),
        Index("ix_calls_organization_id_assistant_id", "organization_id", "assistant_id", "created_at", "id"),
        Index("ix_calls_organization_id_number_id", "organization_id", "number_id", "created_at", "id"),
        Index("ix_calls_organization_id_direction", "organization_id", "direction", "created_at", "id"),
        Index(
            "ix_calls_organization_id_caller_phone",
            "organization_id",
            "caller_phone",
            sqlite_where=text("caller_phone IS NOT NULL"),
            postgresql_where=text("caller_phone IS NOT NULL"),
        ),
        Index(
            "ix_calls_forwarded",
            "organization_id",
            sqlite_where=text("forwarded_from IS NOT NULL"),
            postgresql_where=text("forwarded_from IS NOT NULL"),
        ),
        Index(
            "ix_calls_timed",
            "organization_id",
            "created_at",
            "id",
            sqlite_where=text("duration_seconds IS NOT NULL"),
            postgresql_where=text("duration_seconds IS NOT NULL"),
        ),
        Index(None, "status", "node"),
    )

    organization_id: Mapped[str] = _organization()

    node: Mapped[str] = mapped_column(Id, nullable=False)
    """The process's data directory that the call lives in; see `node.py`."""
    status: Mapped[str] = mapped_column(String(16), nullable=False)
    direction: Mapped[str] = mapped_column(String(16), nullable=False)
    assistant_id: Mapped[str | None] = mapped_column(Id)
    """Stays when the assistant is deleted, so it is no foreign key."""
    assistant_name: Mapped[str | None] = mapped_column(String(200))
    business_name: Mapped[str | None] = mapped_column(String(200))
    caller_phone: Mapped[str | None] = mapped_column(String(64))
    assistant_phone: Mapped[str | None] = mapped_column(String(64))
    forwarded_from: Mapped[list[Forwarding] | None] = mapped_column(Json)
    """Who sent the call on, the first one first; None where nobody did."""
    number_id: Mapped[str | None] = mapped_column(Id)
    end_reason: Mapped[str | None] = mapped_column(String(32))
    error: Mapped[str | None] = mapped_column(Text)
    notes: Mapped[list[str]] = mapped_column(Json, nullable=False, default=list)
    call_metadata: Mapped[dict[str, Any] | None] = mapped_column("metadata", Json)
    recording: Mapped[str | None] = mapped_column(String(200))
    """Path of the recording below the data directory."""
    summary: Mapped[str | None] = mapped_column(Text)
    analysis: Mapped[dict[str, Any] | None] = mapped_column(Json)
    analysis_error: Mapped[str | None] = mapped_column(Text)
    """Why the summary or the analysis is missing, in words without content."""
    cost_millionths: Mapped[int | None] = mapped_column(BigInteger)
    """What the call used on the deployment's keys, as far as its prices are known; the sum over `CallUsage`."""
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    duration_seconds: Mapped[int | None]
    """Set when a call that was answered is over."""
    byok_stt: Mapped[bool] = mapped_column(nullable=False, default=False, server_default=false())
    """Whether the call is transcribed with the organization's own vendor key; likewise below."""
    byok_llm: Mapped[bool] = mapped_column(nullable=False, default=False, server_default=false())
    byok_tts: Mapped[bool] = mapped_column(nullable=False, default=False, server_default=false())
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False, default=now, onupdate=now)


class CallNode(Base):
    """A process that holds calls, where several share a PostgreSQL. The calls of one that was not seen for a while are
    ended by another.
    """

    __tablename__ = "call_nodes"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False)
    """By the database's clock."""


class CallCount(Base):
    """How many calls an organization has of one UTC day of creation and one status. Kept exact by triggers on `calls`
    (migrations 0006 and 0012), so that no writer needs to think of it.

    The figures are the sums over all connections: on PostgreSQL each adds to rows of its own, named by its backend's
    process id, so that writers neither wait for each other nor deadlock. `counts.merge` folds old rows into
    connection 0, the only one there is on SQLite.
    """

    __tablename__ = "call_counts"
    __table_args__ = (
        Index(
            "ix_call_counts_unmerged",
            "day",
            sqlite_where=text("connection <> 0"),
            postgresql_where=text("connection <> 0"),
        ),
    )

    organization_id: Mapped[str] = mapped_column(
        Id, ForeignKey("organizations.id", ondelete="CASCADE"), primary_key=True
    )
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    status: Mapped[str] = mapped_column(String(32), primary_key=True)
    connection: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    calls: Mapped[int] = mapped_column(BigInteger, nullable=False)
    timed_calls: Mapped[int] = mapped_column(BigInteger, nullable=False)
    """Those that have a duration."""
    duration_seconds: Mapped[int] = mapped_column(BigInteger, nullable=False)
    minutes: Mapped[int] = mapped_column(BigInteger, nullable=False)
    """Each call's duration rounded up to whole minutes."""
    cost_millionths: Mapped[int] = mapped_column(BigInteger, nullable=False, server_default=text("0"))


class CallMessage(Base):
    """One message of a call's transcript."""

    __tablename__ = "call_messages"

    call_id: Mapped[str] = _call()
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    organization_id: Mapped[str] = _organization()
    role: Mapped[str] = mapped_column(String(16), nullable=False)
    content: Mapped[str] = mapped_column(Text, nullable=False)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False)


class CallTurn(Base):
    """Where the time of one answer went, in milliseconds."""

    __tablename__ = "call_turns"

    call_id: Mapped[str] = _call()
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    organization_id: Mapped[str] = _organization()
    endpointing: Mapped[float | None] = mapped_column(Float(53))
    stt_final: Mapped[float | None] = mapped_column(Float(53))
    llm_first_token: Mapped[float | None] = mapped_column(Float(53))
    tts_first_audio: Mapped[float | None] = mapped_column(Float(53))
    playout: Mapped[float | None] = mapped_column(Float(53))
    total: Mapped[float | None] = mapped_column(Float(53))
    interrupted: Mapped[bool] = mapped_column(nullable=False)


class CallUsage(Base):
    """What one part of a call used of its vendor."""

    __tablename__ = "call_usage"

    call_id: Mapped[str] = _call()
    role: Mapped[str] = mapped_column(String(16), primary_key=True)
    organization_id: Mapped[str] = _organization()
    provider: Mapped[str] = mapped_column(String(64), nullable=False)
    model: Mapped[str] = mapped_column(String(200), nullable=False)
    audio_seconds: Mapped[float | None] = mapped_column(Float(53))
    input_tokens: Mapped[int | None] = mapped_column(BigInteger)
    output_tokens: Mapped[int | None] = mapped_column(BigInteger)
    characters: Mapped[int | None] = mapped_column(BigInteger)
    estimated: Mapped[bool] = mapped_column(nullable=False)
    """The vendor did not report all of the tokens."""
    own_key: Mapped[bool] = mapped_column(nullable=False)
    """It ran on the organization's own key, and is no cost of the deployment."""
    cost_millionths: Mapped[int | None] = mapped_column(BigInteger)
    """By the prices of that time; None where one is not known."""


class WebCallToken(Base):
    """A token that was handed out and not used yet; using it deletes the row."""

    __tablename__ = "web_call_tokens"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the token, in hex."""
    call_id: Mapped[str] = mapped_column(Id, ForeignKey("calls.id", ondelete="CASCADE"), nullable=False, index=True)
    organization_id: Mapped[str] = _organization()
    request: Mapped[str] = mapped_column(Text, nullable=False, info=SECRET)
    """What the call was asked to be, as encrypted JSON: a whole assistant may carry secrets."""
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, nullable=False, index=True)


class KeptCall(Base):
    """What a call's events and the work after it need to know of it; deleted when its report is on its way."""

    __tablename__ = "kept_calls"

    call_id: Mapped[str] = _call()
    organization_id: Mapped[str] = _organization()
    kept: Mapped[str] = mapped_column(Text, nullable=False, info=SECRET)
    """Encrypted JSON; see `kept.py`."""
