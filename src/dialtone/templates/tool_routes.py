"""HTTP of tool templates."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from dialtone.platform.answers import Deleted, list_answer
from dialtone.platform.auth import Caller
from dialtone.platform.http import IGNORED_HEADER, ApiRoute, answer, error_responses
from dialtone.platform.routing import API
from dialtone.templates.tool_schemas import (
    ToolTemplateAnswer,
    ToolTemplateCreate,
    ToolTemplatesAnswer,
    ToolTemplateUpdate,
)
from dialtone.templates.tool_templates import ToolTemplates

TemplateId = Annotated[str, Path(description="Template UUID", json_schema_extra={"format": "uuid"})]


def router(templates: ToolTemplates) -> APIRouter:
    routes = APIRouter(
        prefix=f"{API}/tool-templates", tags=["Tool templates"], route_class=ApiRoute, responses=error_responses(401)
    )

    @routes.get("", operation_id="listToolTemplates", summary="List tool templates", response_model=ToolTemplatesAnswer)
    async def list_templates(caller: Caller) -> Response:
        return await list_answer("tool_templates", await templates.list_all(caller))

    @routes.post(
        "",
        operation_id="createToolTemplate",
        summary="Create a tool template",
        status_code=201,
        response_model=ToolTemplateAnswer,
        responses={201: {"headers": IGNORED_HEADER}, **error_responses(400, 409, 413, 415)},
    )
    async def create_template(caller: Caller, body: ToolTemplateCreate) -> Response:
        template, ignored = await templates.create(caller, body)
        return answer({"tool_template": template}, ignored, 201)

    @routes.get(
        "/{template_id}",
        operation_id="getToolTemplate",
        summary="Get a tool template",
        response_model=ToolTemplateAnswer,
        responses=error_responses(404),
    )
    async def get_template(caller: Caller, template_id: TemplateId) -> Response:
        return answer({"tool_template": await templates.get(caller, template_id)})

    @routes.patch(
        "/{template_id}",
        operation_id="updateToolTemplate",
        summary="Change a tool template",
        description="Only the given fields change.",
        response_model=ToolTemplateAnswer,
        responses={200: {"headers": IGNORED_HEADER}, **error_responses(400, 404, 413, 415)},
    )
    async def update_template(caller: Caller, template_id: TemplateId, body: ToolTemplateUpdate) -> Response:
        template, ignored = await templates.update(caller, template_id, body)
        return answer({"tool_template": template}, ignored)

    @routes.delete(
        "/{template_id}",
        operation_id="deleteToolTemplate",
        summary="Delete a tool template",
        response_model=Deleted,
        responses=error_responses(404),
    )
    async def delete_template(caller: Caller, template_id: TemplateId) -> Deleted:
        await templates.delete(caller, template_id)
        return Deleted()

    return routes
