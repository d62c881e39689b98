"""The API's description of itself, with components that no request model spells out."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute


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
            schemas.update({name: schema for name, schema in components().items() if name not in schemas})
            _link(document)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


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
