import json
from typing import Any

import pytest

from dialtone.tools.arguments import ArgumentsError, ArgumentsSchema, SchemaError

SCHEMA = {
    "type": "object",
    "properties": {
        "guests": {"type": "integer", "minimum": 1, "maximum": 8},
        "contact": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
    },
    "required": ["guests"],
}


def test_fitting_arguments_are_returned_as_an_object() -> None:
    assert ArgumentsSchema(SCHEMA).read('{"guests": 4, "other": [1]}') == {"guests": 4, "other": [1]}


def test_nothing_means_no_arguments() -> None:
    schema = ArgumentsSchema({"type": "object", "properties": {}})
    assert schema.read("") == schema.read(" ") == schema.read("{}") == {}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ('{"guests": 4', "not valid JSON"),
        ("guests: 4", "not valid JSON"),
        ('{"guests": NaN}', "NaN is not a JSON value"),
        ("[4]", "must be a JSON object"),
        ("null", "must be a JSON object"),
        ("", '"guests" is a required property'),
        ('{"guests": "four"}', 'guests: "four" is not of type "integer"'),
        ('{"guests": 9}', "guests: 9 is greater than the maximum of 8"),
        ('{"guests": 2, "contact": {}}', 'contact: "name" is a required property'),
        ("[" * 100_000, "longer than 65536 characters"),
        ('{"a":' * 10_000, "not valid JSON"),
    ],
)
def test_other_arguments_are_refused_in_words(arguments: str, words: str) -> None:
    with pytest.raises(ArgumentsError) as refusal:
        ArgumentsSchema(SCHEMA).read(arguments)
    assert words in str(refusal.value)


def test_refusals_are_bounded() -> None:
    schema = ArgumentsSchema({"type": "object", "additionalProperties": {"type": "integer"}})
    with pytest.raises(ArgumentsError) as refusal:
        schema.read(json.dumps({f"field{number}": "long" * 1000 for number in range(10)}))
    assert str(refusal.value).count(";") == 4
    assert len(str(refusal.value)) < 1200


def test_pattern_that_would_backtrack_for_years_answers_at_once() -> None:
    schema = ArgumentsSchema({"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}})
    with pytest.raises(ArgumentsError, match="does not match"):
        schema.read(json.dumps({"a": "a" * 10_000 + "b"}))


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "objekt"},
        {"properties": []},
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"$ref": "file:///etc/hostname"},
        {"properties": {"a": {"type": "string", "pattern": "("}}},
        {"default": {1, 2}},
    ],
)
def test_unusable_schemas_are_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(SchemaError):
        ArgumentsSchema(schema)
