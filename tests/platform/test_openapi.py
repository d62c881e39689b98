"""The API's description of itself: complete enough to write a client from."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jsonschema_rs import Draft202012Validator

from tests.assistants.test_objects import FULL, REFERENCE

TAGS = {
    *("Assistants", "Numbers", "Calls", "Web calls", "SIP trunks", "Tool templates", "Analysis templates", "Voices"),
    *("Usage", "BYOK", "Domains", "Organizations", "API keys", "Chats", "Health", "Deployment", "Webhook deliveries"),
    "Privacy",
}


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


def described(schema: dict[str, Any], components: dict[str, Any]) -> bool:
    """Does a schema say what it is, itself or by the one component it refers to? A constant says it by its value."""
    if schema.get("description") or "const" in schema:
        return True
    if reference := schema.get("$ref"):
        return described(components[reference.rpartition("/")[2]], components)
    alternatives = [each for each in schema.get("anyOf", schema.get("allOf", [])) if each.get("type") != "null"]
    return len(alternatives) == 1 and described(alternatives[0], components)


RULES_OF_AN_OBJECT = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else")
"""What a schema says once more of fields that it has described."""


def undescribed(
    node: Any, components: dict[str, Any], place: str, known: frozenset[str] = frozenset()
) -> Iterator[str]:
    """The properties below `node` that do not say what they are; `known` ones have said it."""
    if isinstance(node, list):
        for index, child in enumerate(node):
            yield from undescribed(child, components, f"{place}[{index}]", known)
    elif isinstance(node, dict):
        title = node.get("title", "")
        properties = node.get("properties")
        fields = {
            name: schema
            for name, schema in (properties.items() if isinstance(properties, dict) else ())
            if isinstance(schema, dict) and name not in known
        }
        yield from (f"{place} {title}: {name}" for name, each in fields.items() if not described(each, components))
        for name, child in node.items():
            if name == "properties" and isinstance(properties, dict):
                yield from undescribed(fields, components, place)
            elif name in RULES_OF_AN_OBJECT:
                yield from undescribed(child, components, place, known | fields.keys())
            elif name not in ("example", "examples", "default", "enum"):
                yield from undescribed(child, components, place)


def missing(path: str, operation: dict[str, Any]) -> Iterator[str]:
    """What the description of an operation lacks."""
    if not operation.get("summary"):
        yield "a summary"
    if len(operation.get("tags", [])) != 1 or operation["tags"][0] not in TAGS:
        yield f"one of the known tags (it has {operation.get('tags')})"
    if not re.fullmatch(r"[a-z]+([A-Z][a-z]*)+", operation["operationId"]):
        yield f"a readable operationId (it is {operation['operationId']})"
    expected = {"401"} if "security" in operation else set()
    if "requestBody" in operation:
        expected |= {"400", "413", "415"}
    if "{" in path:
        expected |= {"404"}
    for status in sorted(expected - operation["responses"].keys()):
        yield f"the response {status}"
    if "422" in operation["responses"]:
        yield "the right status of invalid requests: it has 422, ours is 400"
    for parameter in operation.get("parameters", ()):
        if not parameter.get("description") and not parameter["schema"].get("description"):
            yield f"a description of the parameter {parameter['name']}"


def test_every_operation_is_described(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert sorted(each for each in set(ids) if ids.count(each) > 1) == []
    assert {"listAssistants", "createAssistant", "getAssistant", "updateAssistant", "deleteAssistant"} <= set(ids)
    assert [
        f"{method.upper()} {path} lacks {what}"
        for path, method, operation in operations(document)
        for what in missing(path, operation)
    ] == []
    assert document["paths"]["/api/v1/agents"]["get"]["deprecated"] is True


def test_every_field_is_described(document: dict[str, Any]) -> None:
    components = document["components"]["schemas"]
    found = [each for name, schema in components.items() for each in undescribed(schema, components, name)]
    found += undescribed(document["paths"], components, "paths")
    assert sorted(set(found)) == []
    assert [name for name in components if not name.isalnum()] == []


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


def examples(node: Any, place: str) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Every example of a schema, with the schema itself."""
    if isinstance(node, list):
        for index, child in enumerate(node):
            yield from examples(child, f"{place}[{index}]")
    elif isinstance(node, dict):
        if isinstance(node.get("examples"), list):
            schema = {name: rule for name, rule in node.items() if name != "examples"}
            yield from ((place, schema, example) for example in node["examples"])
        for name, child in node.items():
            if name not in ("example", "examples"):
                yield from examples(child, f"{place}.{name}")


def test_every_example_fits_its_schema(document: dict[str, Any]) -> None:
    found = [*examples(document["components"]["schemas"], "schemas"), *examples(document["paths"], "paths")]
    assert len(found) > 200
    assert [
        f"{place}: {error.message}"
        for place, schema, example in found
        for error in Draft202012Validator(
            {**schema, "components": document["components"]}, validate_formats=True
        ).iter_errors(example)
    ] == []


@pytest.mark.parametrize(
    "name",
    ["AssistantObject", "NumberObject", "TrunkObject", "ToolTemplateObject", "CallObject", "OrganizationUpdated"],
)
def test_answers_always_have_every_field(document: dict[str, Any], name: str) -> None:
    schema = document["components"]["schemas"][name]
    assert set(schema["required"]) == set(schema["properties"])


def test_the_description_of_an_assistant_fits_what_is_taken(document: dict[str, Any]) -> None:
    schema = {"$ref": "#/components/schemas/AssistantUpdate", "components": document["components"]}
    validator = Draft202012Validator(schema)
    assert [error.message for error in validator.iter_errors(FULL)] == []
    bad = {**FULL, "llm_config": {**FULL["llm_config"], "temperature": 7}}
    assert not validator.is_valid(bad)
    assert not validator.is_valid({"silence_timeout_seconds": 121})
    assert not validator.is_valid({"is_active": None})
    assert REFERENCE["is_active"] is True
