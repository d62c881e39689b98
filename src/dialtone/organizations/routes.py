"""HTTP of the organization that asks, and of those it makes."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from dialtone.organizations.accounts import OrganizationAccounts
from dialtone.organizations.schemas import (
    AccountObject,
    OrganizationCreate,
    OrganizationCreated,
    OrganizationObject,
    OrganizationUpdate,
    OrganizationUpdated,
)
from dialtone.platform.auth import Caller, CallerIdentity
from dialtone.platform.fields import ignored_fields
from dialtone.platform.http import IGNORED_HEADER, ApiRoute, answer, error_responses
from dialtone.platform.routing import API

IncludeChildren = Annotated[bool, Query(description="Also list the organizations directly below.")]


def router(accounts: OrganizationAccounts) -> APIRouter:
    routes = APIRouter(prefix=API, tags=["Organizations"], route_class=ApiRoute, responses=error_responses(401))

    @routes.get(
        "/organizations",
        operation_id="getOrganization",
        summary="Get your organization",
        response_model=OrganizationObject,
        responses=error_responses(400),
    )
    async def get_organization(caller: Caller, include_children: IncludeChildren = False) -> Response:
        """The organization that the API key belongs to, with its balance and what it has running."""
        return answer(await accounts.show(caller, include_children=include_children))

    @routes.post(
        "/organizations",
        operation_id="createOrganization",
        summary="Create an organization",
        status_code=201,
        response_model=OrganizationCreated,
        responses={201: {"headers": IGNORED_HEADER}, **error_responses(400, 403, 409, 413, 415)},
    )
    async def create_organization(caller: Caller, body: OrganizationCreate) -> Response:
        """Make an organization below yours, or below one of those. It has its own assistants, numbers, calls and keys;
        its calls use the minutes of the top-level organization above it.
        """
        return answer(await accounts.create(caller, body), ignored_fields(body), 201)

    @routes.patch(
        "/organizations",
        operation_id="updateOrganization",
        summary="Change your organization",
        response_model=OrganizationUpdated,
        responses={200: {"headers": IGNORED_HEADER}, **error_responses(400, 413, 415)},
    )
    async def update_organization(caller: CallerIdentity, body: OrganizationUpdate) -> Response:
        """Set how long the content and the metadata of calls are kept: always both together. What is older is deleted
        every night, also of calls that were made before. The account's webhook can be changed alone.
        """
        settings, ignored = await accounts.update(caller, body)
        return answer(settings, ignored)

    @routes.get(
        "/account",
        operation_id="getAccount",
        summary="Get your organization, as older clients ask",
        response_model=AccountObject,
        deprecated=True,
        responses=error_responses(400),
    )
    async def get_account(caller: Caller, include_children: IncludeChildren = False) -> Response:
        """As `GET /organizations`, with the fields of older clients beside."""
        shown = await accounts.show(caller, include_children=include_children)
        return answer({**shown, "company_name": shown["name"], "email": None})

    return routes
