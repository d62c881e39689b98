"""Errors as the API tells them: one flat object, `{"error", "code", "message", "details"}`, for everything."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

MAX_DETAILS = 50
"""Problems named in one answer."""
MAX_SHOWN_CHARACTERS = 80
"""Length to which a refused value is cut in a message."""

SECRET_FIELDS = frozenset(
    {"webhook_secret", "secret", "api_key", "password", "auth_password", "headers", "authorization", "token"}
)
"""Fields whose values a message never repeats."""


class ErrorBody(BaseModel):
    """What every failed request answers with."""

    error: str = Field(description="What went wrong, in a few words.", examples=["Invalid request"])
    code: str = Field(description="The same for programs; does not change.", examples=["invalid_request"])
    message: str | None = Field(default=None, description="What to do about it.")
    details: list[str] | None = Field(
        default=None,
        description="One entry per problem: field path, rule, and the value given.",
        examples=[["llm_config.temperature: must be between 0 and 2 (got 7)"]],
    )


class ApiError(Exception):
    """A request that can't be served. Raised anywhere below a route; the handler turns it into the answer."""

    def __init__(
        self,
        status: int,
        code: str,
        error: str,
        message: str | None = None,
        details: Sequence[str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(error)
        self.status = status
        self.code = code
        self.error = error
        self.message = message
        self.details = details
        self.headers = headers

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"error": self.error, "code": self.code}
        if self.message is not None:
            body["message"] = self.message
        if self.details is not None:
            body["details"] = list(self.details)[:MAX_DETAILS]
        return body

    def response(self) -> JSONResponse:
        return JSONResponse(self.body(), self.status, self.headers)


def not_found(thing: str) -> ApiError:
    """The answer to an unknown id, and to another organization's id alike."""
    return ApiError(404, "not_found", "Not found", f"There is no {thing} with this id.")


def invalid(details: Iterable[str]) -> ApiError:
    """The answer to a request whose fields break rules; `details` come from `problem`."""
    return ApiError(400, "invalid_request", "Invalid request", "Correct the fields named in details.", list(details))


_NO_VALUE: Any = object()


def problem(path: str, rule: str, value: Any = _NO_VALUE) -> str:
    """One detail: `llm_config.temperature: must be between 0 and 2 (got 7)`."""
    names = path.replace("[", ".").split(".")
    if value is _NO_VALUE or not SECRET_FIELDS.isdisjoint(name.lower() for name in names):
        return f"{path}: {rule}"
    return f"{path}: {rule} (got {_shown(value)})"


def _shown(value: Any) -> str:
    """A value as a message shows it: short, on one line, without what objects and lists hold."""
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, str):
        value = value[: MAX_SHOWN_CHARACTERS + 1]
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**MAX_SHOWN_CHARACTERS:
        return "a very large number"
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}..."


_RULES = {
    "missing": "is required",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "list_type": "must be a list",
    "finite_number": "must be a finite number",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "literal_error": "must be one of {expected}",
    "extra_forbidden": "is not known",
}
"""Our words for pydantic's error types (https://docs.pydantic.dev/latest/errors/validation_errors/)."""

_LENGTHS = {"string_too_short", "string_too_long", "too_short", "too_long"}


def field_path(location: Sequence[int | str]) -> str:
    """`("llm_config", "tools", 0, "name")` as `llm_config.tools[0].name`."""
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path


def validation_details(error: ValidationError | RequestValidationError, prefix: Sequence[str | int] = ()) -> list[str]:
    """One detail per problem that pydantic found, below the field path `prefix`."""
    details = []
    for found in error.errors():
        location = [*prefix, *(part for part in found["loc"] if part != "body")]
        details.append(_detail(field_path(location) or "body", found))
    return details


def _detail(path: str, found: Mapping[str, Any]) -> str:
    kind, context, value = found["type"], found.get("ctx", {}), found.get("input")
    if kind == "missing":
        return problem(path, _RULES[kind])
    if kind in _LENGTHS and isinstance(value, str | list):
        unit = "characters" if isinstance(value, str) else "items"
        return f"{path}: {_RULES[kind].format(**context)} (got {len(value)} {unit})"
    rule = _RULES[kind].format(**context) if kind in _RULES else str(found["msg"]).removeprefix("Value error, ")
    return problem(path, rule, value)


def number(value: float) -> str:
    """A limit as people write it: `2`, not `2.0`."""
    return str(int(value)) if math.isfinite(value) and float(value).is_integer() else str(value)


_HTTP_ERRORS = {
    404: ("not_found", "Not found", "There is nothing at this address; see /openapi.json."),
    405: ("method_not_allowed", "Method not allowed", "This address takes other methods; see the Allow header."),
}


async def _on_api_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    return error.response()


async def _on_validation_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return invalid(validation_details(error)).response()


async def _on_http_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    fallback = ("request_failed", str(error.detail), None)
    code, short, message = _HTTP_ERRORS.get(error.status_code, fallback)
    return ApiError(error.status_code, code, short, message, headers=error.headers).response()


async def _on_crash(_request: Request, _error: Exception) -> JSONResponse:
    # The server logs the stack; the framework raises the exception on after this answer.
    return ApiError(500, "internal_error", "Internal server error").response()


def install(app: FastAPI) -> None:
    """Have every failure of `app` answered in the flat shape."""
    app.add_exception_handler(ApiError, _on_api_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_crash)
