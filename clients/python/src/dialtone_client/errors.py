"""What the API refuses, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """A request the server refused. `str()` is what a person should read."""

    def __init__(
        self,
        status: int,
        error: str,
        code: str | None = None,
        message: str | None = None,
        details: list[str] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        said = error if message in (None, error) else f"{error}: {message}"
        super().__init__("; ".join([said, *(details or ())]))
        self.status = status
        self.error = error
        self.code = code
        """The same for programs; does not change."""
        self.message = message
        self.details = details or []
        """One entry per problem, each beginning with the field's path."""
        self.body = body or {}
        """The whole answer."""
        self.headers = headers or {}

    @classmethod
    def of(cls, status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> ApiError:
        error, code, message, details = (body.get(key) for key in ("error", "code", "message", "details"))
        return cls(
            status,
            error if isinstance(error, str) else f"HTTP {status}",
            code if isinstance(code, str) else None,
            message if isinstance(message, str) else None,
            [str(one) for one in details] if isinstance(details, list) else None,
            body,
            headers,
        )
