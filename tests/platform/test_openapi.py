"""The API's description of itself: complete enough to write a client from."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jsonschema_rs import Draft202012Validator

from tests.assistants.test_objects import FULL, REFERENCE


@pytest.fixture
def database_url() -> None:
    """The description does not depend on the database."""


@pytest.fixture
async def document(anonymous: httpx.AsyncClient) -> dict[str, Any]:
    described: dict[str, Any] = (await anonymous.get("/openapi.json")).json()
    return described


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def test_every_operation_is_described(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))
    assert {"listAssistants", "createAssistant", "getAssistant", "updateAssistant", "deleteAssistant"} <= set(ids)
    for path, method, operation in operations(document):
        assert operation["summary"], (path, method)
        assert operation["tags"], (path, method)
        assert "422" not in operation["responses"]
        assert operation["operationId"].isidentifier()
    assert document["paths"]["/api/v1/agents"]["get"]["deprecated"] is True


def test_errors_and_keys_are_described(document: dict[str, Any]) -> None:
    assert document["components"]["securitySchemes"]["BearerAuth"]["scheme"] == "bearer"
    patch = document["paths"]["/api/v1/assistants/{assistant_id}"]["patch"]
    assert patch["security"] == [{"BearerAuth": []}]
    for status in ("400", "401", "404"):
        schema = patch["responses"][status]["content"]["application/json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/ErrorBody"}
    assert "X-Ignored-Fields" in patch["responses"]["200"]["headers"]


def test_what_a_key_brings_is_described_for_every_operation_that_wants_one(document: dict[str, Any]) -> None:
    counted = {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"}
    for path, method, operation in operations(document):
        responses = operation["responses"]
        if "security" not in operation:
            assert "429" not in responses, path
            continue
        for status in ("401", "429"):
            schema = responses[status]["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/ErrorBody"}, (path, method)
        assert set(responses["429"]["headers"]) == counted | {"Retry-After"}
        for status, response in responses.items():
            assert counted <= set(response.get("headers", {})) or status == "401", (path, method, status)
    assert {"retry_after", "balance"} <= set(document["components"]["schemas"]["ErrorBody"]["properties"])


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    known = {f"#/components/{kind}/{name}" for kind, named in document["components"].items() for name in named}
    assert set(references(document)) <= known


def test_the_description_of_an_assistant_fits_what_is_taken(document: dict[str, Any]) -> None:
    schema = {"$ref": "#/components/schemas/AssistantUpdate", "components": document["components"]}
    validator = Draft202012Validator(schema)
    assert [error.message for error in validator.iter_errors(FULL)] == []
    bad = {**FULL, "llm_config": {**FULL["llm_config"], "temperature": 7}}
    assert not validator.is_valid(bad)
    assert not validator.is_valid({"silence_timeout_seconds": 121})
    assert not validator.is_valid({"is_active": None})
    assert REFERENCE["is_active"] is True
