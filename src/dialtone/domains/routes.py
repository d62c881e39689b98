"""HTTP of e-mail domains."""

from fastapi import APIRouter
from starlette.responses import Response

from dialtone.domains.schemas import (
    SYNCED,
    DomainAnswer,
    DomainCreate,
    DomainSync,
    OptionalDomainAnswer,
    ResendDomainsAnswer,
    SyncedAnswer,
)
from dialtone.domains.service import Domains
from dialtone.platform.answers import Deleted
from dialtone.platform.auth import Caller
from dialtone.platform.fields import ignored_fields
from dialtone.platform.http import IGNORED_HEADER, ApiRoute, answer, error_responses
from dialtone.platform.routing import API


def router(domains: Domains) -> APIRouter:
    routes = APIRouter(prefix=f"{API}/domains", tags=["Domains"], route_class=ApiRoute, responses=error_responses(401))

    @routes.get("", operation_id="getDomain", summary="Get the e-mail domain", response_model=OptionalDomainAnswer)
    async def get_domain(caller: Caller) -> Response:
        return answer({"domain": await domains.get(caller)})

    @routes.post(
        "",
        operation_id="createDomain",
        summary="Add an e-mail domain",
        description="Makes it at Resend, with the organization's own key of Resend where it has stored one. The answer "
        "holds the DNS records to set.",
        status_code=201,
        response_model=DomainAnswer,
        responses={201: {"headers": IGNORED_HEADER}, **error_responses(400, 409, 413, 415, 502, 503, 504)},
    )
    async def create_domain(caller: Caller, body: DomainCreate) -> Response:
        domain = await domains.create(caller, body.domain_name)
        return answer({"domain": domain}, ignored_fields(body), 201)

    @routes.delete(
        "",
        operation_id="deleteDomain",
        summary="Delete the e-mail domain",
        description="At Resend too, unless it was chosen from your own Resend account.",
        response_model=Deleted,
        responses=error_responses(404, 409, 502, 503, 504),
    )
    async def delete_domain(caller: Caller) -> Deleted:
        await domains.delete(caller)
        return Deleted()

    _add_checks(routes, domains)
    _add_sync(routes, domains)
    return routes


def _add_checks(routes: APIRouter, domains: Domains) -> None:
    @routes.post(
        "/verify",
        operation_id="verifyDomain",
        summary="Verify the DNS records of the e-mail domain",
        description="Resend looks them up after it has answered, so the status reads `pending` first; "
        "`POST /domains/refresh` tells the outcome, for each record.",
        response_model=DomainAnswer,
        responses=error_responses(404, 409, 502, 503, 504),
    )
    async def verify_domain(caller: Caller) -> Response:
        return answer({"domain": await domains.verify(caller)})

    @routes.post(
        "/refresh",
        operation_id="refreshDomain",
        summary="Read the e-mail domain's status from Resend",
        response_model=DomainAnswer,
        responses=error_responses(404, 409, 502, 503, 504),
    )
    async def refresh_domain(caller: Caller) -> Response:
        return answer({"domain": await domains.refresh(caller)})


def _add_sync(routes: APIRouter, domains: Domains) -> None:
    @routes.get(
        "/sync",
        operation_id="listResendDomains",
        summary="List the domains of your Resend account",
        description="Needs the organization's own key of Resend, see `POST /byok`.",
        response_model=ResendDomainsAnswer,
        responses=error_responses(409, 502, 503, 504),
    )
    async def list_resend_domains(caller: Caller) -> Response:
        found, selected = await domains.list_remote(caller)
        listed = [{"id": each.id, "name": each.name, "status": each.status, "region": each.region} for each in found]
        return answer({"domains": listed, "selected_domain_id": selected})

    @routes.post(
        "/sync",
        operation_id="syncResendDomain",
        summary="Use a domain of your Resend account",
        description="Instead of the one the organization had. Needs its own key of Resend, see `POST /byok`.",
        response_model=SyncedAnswer,
        responses={
            200: {"headers": IGNORED_HEADER},
            **error_responses(400, 404, 409, 413, 415, 502, 503, 504),
        },
    )
    async def sync_resend_domain(caller: Caller, body: DomainSync) -> Response:
        domain = await domains.select(caller, body.resend_domain_id)
        return answer({"domain": domain, "message": SYNCED}, ignored_fields(body))
