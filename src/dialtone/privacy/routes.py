"""HTTP of erasures."""

from typing import Annotated

from fastapi import APIRouter
from fastapi import Path as PathParameter
from fastapi.responses import Response

from dialtone.platform.auth import Caller, CallerIdentity
from dialtone.platform.fields import ignored_fields
from dialtone.platform.http import IGNORED_HEADER, ApiRoute, answer, error_responses
from dialtone.platform.routing import API
from dialtone.privacy.schemas import EraseRequest, SingleErasure
from dialtone.privacy.service import Privacy

ErasureId = Annotated[str, PathParameter(description="The erasure's id.")]


def router(privacy: Privacy) -> APIRouter:
    routes = APIRouter(prefix=API, route_class=ApiRoute, tags=["Privacy"], responses=error_responses(401))

    @routes.post(
        "/privacy/erase",
        operation_id="eraseCaller",
        summary="Erase a caller",
        status_code=202,
        response_model=SingleErasure,
        responses={202: {"headers": IGNORED_HEADER}, **error_responses(400, 409, 413, 415)},
    )
    async def erase_caller(caller: CallerIdentity, body: EraseRequest) -> Response:
        """Delete what was kept of one caller: transcripts, summaries, analyses, recordings, the number itself,
        webhooks and mails that tell of the calls, also those on their way, and chat messages. It goes on after this
        answer, also across a restart; ask `GET /privacy/erasures/{erasure_id}` whether it is done. Calls with the
        caller must be over.
        """
        return answer({"erasure": await privacy.erase(caller, body)}, ignored_fields(body), 202)

    @routes.get(
        "/privacy/erasures/{erasure_id}",
        operation_id="getErasure",
        summary="Get an erasure",
        response_model=SingleErasure,
        responses=error_responses(404),
    )
    async def get_erasure(organization_id: Caller, erasure_id: ErasureId) -> Response:
        """How far an erasure has come. It is known for 30 days after its end."""
        return answer({"erasure": await privacy.get(organization_id, erasure_id)})

    return routes
