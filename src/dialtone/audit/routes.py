"""HTTP of the audit log."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from dialtone.audit.schemas import AuditLogPage
from dialtone.audit.service import AuditLog
from dialtone.platform.auth import Caller
from dialtone.platform.http import ApiRoute, answer, error_responses
from dialtone.platform.routing import API

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
MAX_OFFSET = 2**31


def router(audit: AuditLog) -> APIRouter:
    routes = APIRouter(prefix=API, route_class=ApiRoute, tags=["Privacy"], responses=error_responses(401))

    @routes.get(
        "/audit-log",
        operation_id="listAuditLog",
        summary="List the audit log",
        response_model=AuditLogPage,
        responses=error_responses(400),
    )
    async def list_audit_log(
        organization_id: Caller,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many to show at most.")] = DEFAULT_LIMIT,
        offset: Annotated[int, Query(ge=0, le=MAX_OFFSET, description="How many of the newest to skip.")] = 0,
    ) -> Response:
        """What was deleted of your organization's data, when, and by whom; newest first."""
        lines, total = await audit.page(organization_id, limit, offset)
        return answer({"audit_log": lines, "pagination": {"total": total, "limit": limit, "offset": offset}})

    return routes
