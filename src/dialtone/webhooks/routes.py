"""HTTP of the delivery log."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi import Path as PathParameter
from fastapi.responses import Response
from pydantic import AfterValidator

from dialtone.platform.auth import Caller
from dialtone.platform.db import parse_id
from dialtone.platform.fields import rule
from dialtone.platform.http import ApiRoute, answer, error_responses
from dialtone.platform.routing import API
from dialtone.webhooks.schemas import DeliveryList, SingleDelivery, Status
from dialtone.webhooks.service import DeliveryFilter, Webhooks

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
MAX_OFFSET = 2**31

DeliveryId = Annotated[str, PathParameter(description="The delivery's id.")]


def _canonical_id(value: str) -> str:
    canonical = parse_id(value)
    if canonical is None:
        raise rule("must be a UUID")
    return canonical


def _storable(value: str) -> str:
    if "\x00" in value:
        raise rule("must not contain a NUL")
    return value


CallFilter = Annotated[
    Annotated[str, AfterValidator(_canonical_id)] | None,
    Query(max_length=45, description="Only those of this call.", json_schema_extra={"format": "uuid"}),
]
EventFilter = Annotated[
    Annotated[str, AfterValidator(_storable)] | None,
    Query(max_length=32, description="Only this event.", examples=["end-of-call-report"]),
]


def router(webhooks: Webhooks) -> APIRouter:
    routes = APIRouter(prefix=API, route_class=ApiRoute, tags=["Webhook deliveries"], responses=error_responses(401))

    @routes.get(
        "/webhook-deliveries",
        operation_id="listWebhookDeliveries",
        summary="List webhook deliveries",
        response_model=DeliveryList,
        responses=error_responses(400),
    )
    async def list_deliveries(
        organization_id: Caller,
        call_id: CallFilter = None,
        event: EventFilter = None,
        status: Annotated[Status | None, Query(description="Only deliveries of this status.")] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many to show at most.")] = DEFAULT_LIMIT,
        offset: Annotated[int, Query(ge=0, le=MAX_OFFSET, description="How many of the newest to skip.")] = 0,
    ) -> Response:
        """The events of your calls that are on their way, arrived, or were given up; newest first."""
        chosen = DeliveryFilter(call_id, event, status)
        deliveries, total = await webhooks.list_some(organization_id, chosen, limit, offset)
        pagination = {"total": total, "limit": limit, "offset": offset}
        return answer({"webhook_deliveries": deliveries, "pagination": pagination})

    @routes.get(
        "/webhook-deliveries/{delivery_id}",
        operation_id="getWebhookDelivery",
        summary="Get a webhook delivery",
        response_model=SingleDelivery,
        responses=error_responses(404),
    )
    async def get_delivery(organization_id: Caller, delivery_id: DeliveryId) -> Response:
        """A delivery with what was sent, what came back, and every try."""
        return answer({"webhook_delivery": await webhooks.get(organization_id, delivery_id)})

    @routes.post(
        "/webhook-deliveries/{delivery_id}/replay",
        operation_id="replayWebhookDelivery",
        summary="Send a webhook again",
        response_model=SingleDelivery,
        responses=error_responses(404, 409),
    )
    async def replay_delivery(organization_id: Caller, delivery_id: DeliveryId) -> Response:
        """Send an event again that arrived or was given up, under the same `X-Webhook-Id`, for up to a day."""
        return answer({"webhook_delivery": await webhooks.replay(organization_id, delivery_id)})

    return routes
