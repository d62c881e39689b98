"""The wire contract of the delivery log."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

Status = Literal["waiting", "delivered", "failed"]


class DeliveryObject(BaseModel):
    """One event sent, or being sent, to one address."""

    id: str = Field(description="The `X-Webhook-Id` of every try.", json_schema_extra={"format": "uuid"})
    call_id: str = Field(description="The call that it tells of.", json_schema_extra={"format": "uuid"})
    event: str = Field(description="status-update or end-of-call-report.", examples=["end-of-call-report"])
    status: Status = Field(description="waiting: tries are to come; failed: it was given up.", examples=["delivered"])
    url: str = Field(description="Where it goes.", examples=["https://example.com/webhooks/calls"])
    attempts: int = Field(description="Tries so far.", ge=0, examples=[1])
    response_status: int | None = Field(
        description="The last answer's status; null where there was none.", examples=[200]
    )
    error: str | None = Field(description="Why the last try did not arrive, in words; null where it did.")
    duration_ms: int | None = Field(description="What the last try took.", ge=0, examples=[84])
    next_attempt_at: datetime | None = Field(description="When it is tried next; null where it is over.")
    created_at: datetime = Field(description="When the event happened.")
    finished_at: datetime | None = Field(description="When it arrived or was given up; null before.")


class DeliveryRequest(BaseModel):
    """What is sent."""

    method: Literal["POST"] = Field(description="Always POST.")
    body: dict[str, Any] | None = Field(
        description="The event; null once it was deleted, in GDPR mode as soon as the delivery is over."
    )


class DeliveryTry(BaseModel):
    """One try."""

    at: datetime = Field(description="When it began.")
    duration_ms: int = Field(description="What it took.", ge=0)
    status: int | None = Field(description="The answer's status; null where there was none.")
    error: str | None = Field(description="Why it did not arrive, in words.")


class DeliveryDetails(DeliveryObject):
    """A delivery with what was sent and what came back."""

    request: DeliveryRequest = Field(description="What is sent; the signature is made anew for every try.")
    response_body: str | None = Field(description="How the last answer began; at most 2048 bytes, none in GDPR mode.")
    tries: list[DeliveryTry] = Field(description="The last 50, oldest first.")


class DeliveryPagination(BaseModel):
    """Where in the whole list this page is."""

    total: int = Field(description="How many there are.", ge=0)
    limit: int = Field(description="As asked.", ge=1)
    offset: int = Field(description="As asked.", ge=0)


class DeliveryList(BaseModel):
    """A page of the log, newest first."""

    webhook_deliveries: list[DeliveryObject] = Field(description="The page.")
    pagination: DeliveryPagination = Field(description="Where in the whole list it is.")


class SingleDelivery(BaseModel):
    """One delivery."""

    webhook_delivery: DeliveryDetails = Field(description="The delivery.")
