"""HTTP of placing calls and of controlling live ones."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path
from pydantic import WithJsonSchema
from starlette.responses import Response

from dialtone.calls.control import CallControl
from dialtone.calls.control_schemas import COMPONENT_NAME, CommandSent
from dialtone.calls.outbound import Outbound
from dialtone.calls.outbound_schemas import OutboundCallCreated, OutboundCallRequest
from dialtone.platform.auth import Caller
from dialtone.platform.http import IGNORED_HEADER, ApiRoute, answer, error_responses
from dialtone.platform.openapi import COMPONENT
from dialtone.platform.routing import API

CallId = Annotated[str, Path(description="The call's id.")]
CommandBody = Annotated[dict[str, Any], Body(), WithJsonSchema({COMPONENT: COMPONENT_NAME})]


def router(outbound: Outbound, control: CallControl) -> APIRouter:
    routes = APIRouter(prefix=API, route_class=ApiRoute, tags=["Calls"], responses=error_responses(401))

    @routes.post(
        "/calls/outbound",
        operation_id="createOutboundCall",
        summary="Place a call",
        description="Answers as soon as the call is being placed; the call's record tells how it goes on.",
        response_model=OutboundCallCreated,
        responses={200: {"headers": IGNORED_HEADER}, **error_responses(400, 402, 404, 409, 413, 415, 503)},
    )
    async def create_outbound_call(caller: Caller, body: OutboundCallRequest) -> Response:
        call_id, ignored = await outbound.place(caller, body)
        return answer({"success": True, "call_id": call_id, "status": "dialing", "room_name": call_id}, ignored)

    @routes.post(
        "/calls/{call_id}/control",
        operation_id="controlCall",
        summary="Control a live call",
        description="The call must be in progress. At most 10 commands a minute for one call.",
        response_model=CommandSent,
        responses={200: {"headers": IGNORED_HEADER}, **error_responses(400, 404, 413, 415, 503)},
    )
    async def control_call(caller: Caller, call_id: CallId, body: CommandBody) -> Response:
        ignored = await control.send(caller, call_id, body)
        return answer({"success": True, "message": "Command sent successfully"}, ignored)

    return routes
