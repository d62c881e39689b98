"""HTTP of analysis templates."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from dialtone.platform.answers import Deleted, list_answer
from dialtone.platform.auth import Caller
from dialtone.platform.http import IGNORED_HEADER, ApiRoute, answer, error_responses
from dialtone.platform.routing import API
from dialtone.templates.analysis_schemas import (
    MAX_PAGE,
    AnalysisTemplateAnswer,
    AnalysisTemplateCreate,
    AnalysisTemplatesAnswer,
    AnalysisTemplateUpdate,
)
from dialtone.templates.analysis_templates import MAX_ANALYSIS_TEMPLATES, AnalysisTemplates

Limit = Annotated[int | None, Query(ge=1, le=MAX_PAGE, description="Templates to answer; absent = all of them.")]
Offset = Annotated[int, Query(ge=0, le=2**31, description="Templates to skip, the newest first.")]
TemplateId = Annotated[str, Path(description="Template UUID", json_schema_extra={"format": "uuid"})]


def router(templates: AnalysisTemplates) -> APIRouter:
    routes = APIRouter(
        prefix=f"{API}/analysis-templates",
        tags=["Analysis templates"],
        route_class=ApiRoute,
        responses=error_responses(401),
    )

    @routes.get(
        "",
        operation_id="listAnalysisTemplates",
        summary="List analysis templates",
        response_model=AnalysisTemplatesAnswer,
        responses=error_responses(400),
    )
    async def list_templates(caller: Caller, limit: Limit = None, offset: Offset = 0) -> Response:
        most = limit or MAX_ANALYSIS_TEMPLATES
        page = await templates.list_page(caller, most, offset)
        further = {"total": page.total, "limit": most, "offset": offset}
        return await list_answer(("analysis_templates", "data"), page.templates, further)

    @routes.get(
        "/{template_id}",
        operation_id="getAnalysisTemplate",
        summary="Get an analysis template",
        response_model=AnalysisTemplateAnswer,
        responses=error_responses(404),
    )
    async def get_template(caller: Caller, template_id: TemplateId) -> Response:
        return answer({"analysis_template": await templates.get(caller, template_id)})

    _add_changes(routes, templates)
    return routes


def _add_changes(routes: APIRouter, templates: AnalysisTemplates) -> None:
    @routes.post(
        "",
        operation_id="createAnalysisTemplate",
        summary="Create an analysis template",
        status_code=201,
        response_model=AnalysisTemplateAnswer,
        responses={201: {"headers": IGNORED_HEADER}, **error_responses(400, 409, 413, 415)},
    )
    async def create_template(caller: Caller, body: AnalysisTemplateCreate) -> Response:
        template, ignored = await templates.create(caller, body)
        return answer({"analysis_template": template}, ignored, 201)

    @routes.patch(
        "/{template_id}",
        operation_id="updateAnalysisTemplate",
        summary="Change an analysis template",
        description="Only the given fields change.",
        response_model=AnalysisTemplateAnswer,
        responses={200: {"headers": IGNORED_HEADER}, **error_responses(400, 404, 413, 415)},
    )
    async def update_template(caller: Caller, template_id: TemplateId, body: AnalysisTemplateUpdate) -> Response:
        template, ignored = await templates.update(caller, template_id, body)
        return answer({"analysis_template": template}, ignored)

    @routes.delete(
        "/{template_id}",
        operation_id="deleteAnalysisTemplate",
        summary="Delete an analysis template",
        response_model=Deleted,
        responses=error_responses(404),
    )
    async def delete_template(caller: Caller, template_id: TemplateId) -> Deleted:
        await templates.delete(caller, template_id)
        return Deleted()
