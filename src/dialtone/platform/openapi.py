"""The API's description of itself, with components that no request model spells out."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from dialtone.platform.errors import ErrorBody, error_response


def operation_id(route: APIRoute) -> str:
    """A route's function name as clients write operation ids: `list_calls` is `listCalls`."""
    first, *others = route.name.split("_")
    return first + "".join(word.capitalize() for word in others)


COMPONENT = "x-component"
"""In a model's JSON Schema: stands for a reference to the component of that name."""


def describe(app: FastAPI, components: Callable[[], dict[str, Any]]) -> None:
    """Serve `/openapi.json` with `components` among its schemas."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            for methods in document["paths"].values():
                methods.pop("head", None)  # every GET has one; it would only repeat
            for operation in (each for path in document["paths"].values() for each in path.values()):
                operation["responses"].pop("422", None)  # the framework's own; ours is 400
                if "security" in operation:
                    _describe_key(operation["responses"])
            document["components"]["headers"] = RATE_LIMIT_HEADERS
            schemas[ErrorBody.__name__] = ErrorBody.model_json_schema(mode="serialization")
            schemas.update({name: schema for name, schema in components().items() if name not in schemas})
            _link(document)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


RATE_LIMIT_HEADERS = {
    "X-RateLimit-Limit": {
        "description": "Requests a minute that the API key may make. 2147483647 where there is no limit.",
        "schema": {"type": "integer", "examples": [100]},
    },
    "X-RateLimit-Remaining": {
        "description": "Requests that are left until the minute ends. 2147483647 where there is no limit.",
        "schema": {"type": "integer", "minimum": 0, "examples": [99]},
    },
    "X-RateLimit-Reset": {
        "description": "When the minute ends and all requests may be made again, in unix seconds.",
        "schema": {"type": "integer", "examples": [1769851860]},
    },
}
_RETRY_AFTER = {"description": "Seconds to wait before the next try.", "schema": {"type": "integer", "minimum": 1}}


def _describe_key(responses: dict[str, Any]) -> None:
    """Add what every operation does that wants a key: refuse a bad one, and count the requests of a good one."""
    responses["429"] = error_response("The API key has made its requests of this minute; nothing was done.")
    responses["429"]["headers"] = {"Retry-After": _RETRY_AFTER}
    for response in responses.values():
        counted = {name: {"$ref": f"#/components/headers/{name}"} for name in RATE_LIMIT_HEADERS}
        response["headers"] = {**response.get("headers", {}), **counted}
    responses["401"] = error_response("The API key is missing, unknown, revoked or expired; `code` says which.")


def _link(node: Any) -> None:
    """Turn `COMPONENT` into references, in place."""
    if isinstance(node, dict):
        if COMPONENT in node:
            node["$ref"] = f"#/components/schemas/{node.pop(COMPONENT)}"
        for child in node.values():
            _link(child)
    elif isinstance(node, list):
        for child in node:
            _link(child)
