"""HTTP of own keys."""

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from dialtone.byok.catalogue import entries
from dialtone.byok.schemas import (
    CatalogueEntry,
    ConfigAnswer,
    ConfigChange,
    KeyChangeAnswer,
    KeyRemoval,
    KeysAnswer,
    KeyUpsert,
)
from dialtone.byok.service import Byok
from dialtone.platform.auth import Caller
from dialtone.platform.fields import ignored_fields
from dialtone.platform.http import IGNORED_HEADER, ApiRoute, answer, error_responses
from dialtone.platform.routing import API

_TAKES_BODY = {200: {"headers": IGNORED_HEADER}, **error_responses(400, 413, 415)}


def router(byok: Byok) -> APIRouter:
    routes = APIRouter(prefix=f"{API}/byok", tags=["BYOK"], route_class=ApiRoute, responses=error_responses(401))

    @routes.get("", operation_id="getByok", summary="List your own vendor keys", response_model=KeysAnswer)
    async def get_byok(caller: Caller) -> Response:
        """Which vendors' keys your organization has stored. Calls use them instead of the deployment's."""
        return answer({"byok_keys": await byok.show(caller)})

    @routes.post(
        "", operation_id="setByok", summary="Store a vendor key", response_model=KeyChangeAnswer, responses=_TAKES_BODY
    )
    async def set_byok(caller: Caller, body: KeyUpsert) -> Response:
        """Store a key of a vendor, or replace the stored one. Calls that begin afterwards use it."""
        return answer({"success": True, "byok_keys": await byok.set_key(caller, body)}, ignored_fields(body))

    @routes.delete(
        "",
        operation_id="deleteByok",
        summary="Remove a vendor key",
        response_model=KeyChangeAnswer,
        responses=_TAKES_BODY,
    )
    async def delete_byok(caller: Caller, body: KeyRemoval) -> Response:
        """Remove a vendor's key and settings; calls use the deployment's key again, where there is one. A key that is
        not stored is as good as removed.
        """
        keys = await byok.remove_key(caller, body.provider)
        return answer({"success": True, "byok_keys": keys}, ignored_fields(body))

    @routes.post(
        "/config",
        operation_id="saveByokConfig",
        summary="Change a vendor's settings",
        response_model=ConfigAnswer,
        responses={**_TAKES_BODY, **error_responses(409)},
    )
    async def save_byok_config(caller: Caller, body: ConfigChange) -> Response:
        """Merge settings into those stored with a vendor's key, which must be there already."""
        config, ignored = await byok.configure(caller, body)
        return answer({"byok_config": config}, ignored)

    @routes.get(
        "/config",
        operation_id="getByokConfig",
        summary="List the vendors that keys can be brought for",
        response_model=list[CatalogueEntry],
        deprecated=True,
    )
    async def get_byok_config(caller: Caller) -> Response:
        """The vendors, what each is used for, and the models that its key opens."""
        return JSONResponse(entries())

    return routes
