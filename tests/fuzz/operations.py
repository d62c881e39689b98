"""The operations that a server says it has, and requests to them over a connection of their own."""

import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tests.whole.processes import KEY

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Operation:
    id: str
    method: str
    path: str
    """With the names of its parameters in braces."""
    description: Mapping[str, Any]

    @property
    def schema(self) -> dict[str, Any] | None:
        """Of the body; None where there is none."""
        content = self.description.get("requestBody", {}).get("content", {})
        found: dict[str, Any] | None = content.get("application/json", {}).get("schema")
        return found

    def parameters(self, place: str) -> list[str]:
        return [each["name"] for each in self.description.get("parameters", []) if each["in"] == place]

    @property
    def collection(self) -> str | None:
        """The path of the list in which the one object of this path is; None for a path without parameters."""
        return self.path.partition("/{")[0] if "{" in self.path else None


class Description:
    """What `/openapi.json` says."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.schemas: dict[str, dict[str, Any]] = document["components"]["schemas"]
        self.operations = [
            Operation(description["operationId"], method.upper(), path, description)
            for path, methods in document["paths"].items()
            for method, description in methods.items()
        ]

    def has(self, method: str, path: str) -> bool:
        return any((one.method, one.path) == (method, path) for one in self.operations)

    def item_path(self, collection: str) -> str | None:
        """The path of one object of a list."""
        paths = {one.path for one in self.operations}
        return next((path for path in paths if path.startswith(f"{collection}/{{") and path.endswith("}")), None)

    def properties(self, schema: dict[str, Any]) -> frozenset[str]:
        """The fields of an object that its schema names."""
        if reference := schema.get("$ref"):
            return self.properties(self.schemas[reference.rpartition("/")[2]])
        return frozenset(schema.get("properties", {}))


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    """By their names in lower case."""
    content: bytes

    @cached_property
    def document(self) -> Any:
        return json.loads(self.content)

    def object(self) -> dict[str, Any]:
        """The object of an answer, out of its wrapper where it is in one."""
        for value in self.document.values():
            if isinstance(value, dict) and "id" in value:
                return value
        found: dict[str, Any] = self.document
        return found


class Requests:
    """Requests to one server, one after the other."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection = self._connect()
        self.count = 0

    def send(self, method: str, target: str, body: bytes | None = None, headers: Mapping[str, str] = JSON) -> Answer:
        """`target` is sent as it is."""
        self.count += 1
        given = {"Authorization": f"Bearer {KEY}", **headers}
        try:
            return self._exchange(method, target, body, given)
        except (http.client.RemoteDisconnected, ConnectionError):
            self._connection.close()  # the server had closed the connection after an answer that said so
            return self._exchange(method, target, body, given)

    def _exchange(self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        self._connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in headers.items():
            self._connection.putheader(name, value.encode("latin-1"))
        if body is not None:
            self._connection.putheader("Content-Length", str(len(body)))
        self._connection.endheaders(body)
        response = self._connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read())

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)

    def close(self) -> None:
        self._connection.close()


def first_id(answer: Answer) -> str | None:
    """The id of a list's first object."""
    for objects in answer.document.values() if isinstance(answer.document, dict) else ():
        if isinstance(objects, list):
            return next((str(one["id"]) for one in objects if isinstance(one, dict) and "id" in one), None)
    return None


def filled(path: str, value: str) -> str:
    """A path with `value` for every parameter."""
    return "/".join(value if part.startswith("{") else part for part in path.split("/"))


def with_bodies(description: Description) -> Iterator[tuple[Operation, dict[str, Any]]]:
    """Every operation that takes a body, with the body's schema."""
    for operation in description.operations:
        if operation.schema is not None:
            yield operation, operation.schema
