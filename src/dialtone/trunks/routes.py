"""HTTP of SIP trunks."""

from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.responses import Response

from dialtone.platform.answers import Deleted, list_answer
from dialtone.platform.auth import Caller
from dialtone.platform.http import IGNORED_HEADER, ApiRoute, answer, error_responses
from dialtone.platform.routing import API
from dialtone.trunks.events import TrunkEvents, TrunkEventsAnswer
from dialtone.trunks.schemas import TrunkAnswer, TrunkCreate, TrunksAnswer, TrunkUpdate
from dialtone.trunks.service import Trunks

TrunkId = Annotated[str, Path(description="Trunk UUID", json_schema_extra={"format": "uuid"})]


def router(trunks: Trunks, events: TrunkEvents) -> APIRouter:
    routes = APIRouter(
        prefix=f"{API}/sip-trunks", tags=["SIP trunks"], route_class=ApiRoute, responses=error_responses(401)
    )

    @routes.get("", operation_id="listSipTrunks", summary="List SIP trunks", response_model=TrunksAnswer)
    async def list_trunks(caller: Caller) -> Response:
        return await list_answer("trunks", await trunks.list_all(caller))

    @routes.post(
        "",
        operation_id="createSipTrunk",
        summary="Create a SIP trunk",
        status_code=201,
        response_model=TrunkAnswer,
        responses={201: {"headers": IGNORED_HEADER}, **error_responses(400, 409, 413, 415)},
    )
    async def create_trunk(caller: Caller, body: TrunkCreate) -> Response:
        trunk, ignored = await trunks.create(caller, body)
        return answer(_both_names(trunk), ignored, 201)

    @routes.get(
        "/{trunk_id}",
        operation_id="getSipTrunk",
        summary="Get a SIP trunk",
        response_model=TrunkAnswer,
        responses=error_responses(404),
    )
    async def get_trunk(caller: Caller, trunk_id: TrunkId) -> Response:
        return answer(_both_names(await trunks.get(caller, trunk_id)))

    @routes.patch(
        "/{trunk_id}",
        operation_id="updateSipTrunk",
        summary="Change a SIP trunk",
        description="Only the given fields change.",
        response_model=TrunkAnswer,
        responses={200: {"headers": IGNORED_HEADER}, **error_responses(400, 404, 413, 415)},
    )
    async def update_trunk(caller: Caller, trunk_id: TrunkId, body: TrunkUpdate) -> Response:
        trunk, ignored = await trunks.update(caller, trunk_id, body)
        return answer(_both_names(trunk), ignored)

    @routes.delete(
        "/{trunk_id}",
        operation_id="deleteSipTrunk",
        summary="Delete a SIP trunk",
        description="Numbers that transferred through it go on without one.",
        response_model=Deleted,
        responses=error_responses(404),
    )
    async def delete_trunk(caller: Caller, trunk_id: TrunkId) -> Deleted:
        await trunks.delete(caller, trunk_id)
        return Deleted()

    _add_events(routes, events)
    return routes


def _add_events(routes: APIRouter, events: TrunkEvents) -> None:
    @routes.get(
        "/{trunk_id}/events",
        operation_id="listSipTrunkEvents",
        summary="List what went wrong at a SIP trunk",
        response_model=TrunkEventsAnswer,
        responses=error_responses(404),
    )
    async def list_events(caller: Caller, trunk_id: TrunkId) -> Response:
        """The newest calls that were turned away or that the trunk could not carry, and why; changes of its
        registration; and when its server did not answer any more, or did again. A trunk by whose address other
        organizations call too shows only calls to your own numbers.
        """
        return await list_answer("events", await events.list_all(caller, trunk_id))


def _both_names(trunk: dict[str, Any]) -> dict[str, Any]:
    return {"trunk": trunk, "sip_trunk": trunk}
