"""HTTP of assistants: five operations, under `/assistants` and its older name `/agents`."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from dialtone.assistants.schemas import AssistantAnswer, AssistantCreate, AssistantsAnswer, AssistantUpdate
from dialtone.assistants.service import Assistants
from dialtone.platform.answers import Deleted, list_answer
from dialtone.platform.auth import Caller
from dialtone.platform.http import IGNORED_HEADER, ApiRoute, answer, error_responses
from dialtone.platform.routing import API

AssistantId = Annotated[str, Path(description="Assistant UUID", json_schema_extra={"format": "uuid"})]


def routers(assistants: Assistants) -> list[APIRouter]:
    return [
        _operations(assistants, f"{API}/assistants", "Assistant"),
        _operations(assistants, f"{API}/agents", "Agent", deprecated=True),
    ]


def _operations(assistants: Assistants, prefix: str, noun: str, *, deprecated: bool = False) -> APIRouter:
    routes = APIRouter(
        prefix=prefix,
        tags=["Assistants"],
        route_class=ApiRoute,
        deprecated=deprecated or None,
        responses=error_responses(401),
    )

    @routes.get("", operation_id=f"list{noun}s", summary="List assistants", response_model=AssistantsAnswer)
    async def list_assistants(caller: Caller) -> Response:
        return await list_answer("assistants", await assistants.list_all(caller))

    @routes.post(
        "",
        operation_id=f"create{noun}",
        summary="Create an assistant",
        status_code=201,
        response_model=AssistantAnswer,
        responses={201: {"headers": IGNORED_HEADER}, **error_responses(400, 409, 413, 415)},
    )
    async def create_assistant(caller: Caller, body: AssistantCreate) -> Response:
        assistant, ignored = await assistants.create(caller, body)
        return answer({"assistant": assistant}, ignored, 201)

    @routes.get(
        "/{assistant_id}",
        operation_id=f"get{noun}",
        summary="Get an assistant",
        response_model=AssistantAnswer,
        responses=error_responses(404),
    )
    async def get_assistant(caller: Caller, assistant_id: AssistantId) -> Response:
        return answer({"assistant": await assistants.get(caller, assistant_id)})

    @routes.patch(
        "/{assistant_id}",
        operation_id=f"update{noun}",
        summary="Change an assistant",
        description="Only the given fields change. A given config block replaces the stored one whole.",
        response_model=AssistantAnswer,
        responses={200: {"headers": IGNORED_HEADER}, **error_responses(400, 404, 409, 413, 415)},
    )
    async def update_assistant(caller: Caller, assistant_id: AssistantId, body: AssistantUpdate) -> Response:
        assistant, ignored = await assistants.update(caller, assistant_id, body)
        return answer({"assistant": assistant}, ignored)

    @routes.delete(
        "/{assistant_id}",
        operation_id=f"delete{noun}",
        summary="Delete an assistant",
        response_model=Deleted,
        responses=error_responses(404),
    )
    async def delete_assistant(caller: Caller, assistant_id: AssistantId) -> Deleted:
        await assistants.delete(caller, assistant_id)
        return Deleted()

    return routes
