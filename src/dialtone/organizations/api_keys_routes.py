"""HTTP of API keys, under `/api-keys`."""

from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.responses import Response

from dialtone.organizations.api_keys import ApiKeys
from dialtone.organizations.api_keys_schemas import ApiKeyCreate, ApiKeysAnswer, NewApiKeyAnswer
from dialtone.organizations.tables import ApiKey
from dialtone.platform.answers import Deleted
from dialtone.platform.auth import Authenticator, Caller, CallerIdentity
from dialtone.platform.db import iso
from dialtone.platform.fields import ignored_fields
from dialtone.platform.http import IGNORED_HEADER, ApiRoute, answer, error_responses
from dialtone.platform.routing import API

ApiKeyId = Annotated[str, Path(description="API key UUID", json_schema_extra={"format": "uuid"})]


def router(api_keys: ApiKeys, authenticator: Authenticator) -> APIRouter:
    routes = APIRouter(prefix=f"{API}/api-keys", tags=["API keys"], route_class=ApiRoute)

    @routes.get("", operation_id="listApiKeys", summary="List API keys", response_model=ApiKeysAnswer)
    async def list_api_keys(caller: CallerIdentity) -> Response:
        rows = await api_keys.list_all(caller.organization_id)
        return answer({"api_keys": [_show(row, caller.key_id) for row in rows]})

    @routes.post(
        "",
        operation_id="createApiKey",
        summary="Create an API key",
        description="The key itself is in this answer and nowhere else.",
        status_code=201,
        response_model=NewApiKeyAnswer,
        responses={201: {"headers": IGNORED_HEADER}, **error_responses(400, 409, 413, 415)},
    )
    async def create_api_key(caller: CallerIdentity, body: ApiKeyCreate) -> Response:
        row, key = await api_keys.create(caller.organization_id, body.name, body.expires_at)
        return answer({"api_key": {**_show(row, caller.key_id), "key": key}}, ignored_fields(body), 201)

    @routes.delete(
        "/{api_key_id}",
        operation_id="revokeApiKey",
        summary="Revoke an API key",
        description="The key stops working at once, in other processes of the deployment within 10 seconds. The last "
        "key that works, and the one from the server's settings, can't be revoked.",
        response_model=Deleted,
        responses=error_responses(404, 409),
    )
    async def revoke_api_key(caller: Caller, api_key_id: ApiKeyId) -> Deleted:
        await api_keys.revoke(caller, api_key_id)
        authenticator.forget()
        return Deleted()

    return routes


def _show(row: ApiKey, current: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "prefix": row.prefix,
        "created_at": iso(row.created_at),
        "expires_at": iso(row.expires_at) if row.expires_at is not None else None,
        "last_used_at": iso(row.last_used_at) if row.last_used_at is not None else None,
        "revoked_at": iso(row.revoked_at) if row.revoked_at is not None else None,
        "from_settings": row.from_settings,
        "current": row.id == current,
    }
