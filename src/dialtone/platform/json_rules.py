"""Values against JSON Schema rules (draft 2020-12), with problems told in the API's words."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import jsonschema_rs

from dialtone.platform.problems import field_path, problem, range_words

_TYPES = {
    "string": "must be a string",
    "boolean": "must be true or false",
    "integer": "must be a whole number",
    "number": "must be a number",
    "array": "must be a list",
    "object": "must be an object",
}


def rule_problems(rule: Mapping[str, Any], value: Any, path: str) -> list[str]:
    """What is wrong with `value`, one detail per problem, below the field path `path`. `rule` is one of our own."""
    found = sorted(_validator(_Rule(rule)).iter_errors(value), key=lambda error: list(map(str, error.instance_path)))
    return [_detail(error, rule, path) for error in found]


def schema_problems(schema: Any, path: str) -> list[str]:
    """What is wrong with a stranger's JSON Schema as a schema; nothing that it refers to is fetched."""
    if not isinstance(schema, dict):
        return [problem(path, "must be a JSON Schema object", schema)]
    try:
        _META.validate(schema)
    except jsonschema_rs.ValidationError as error:
        place = path + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.instance_path)
        return [problem(place[:200], "is not valid JSON Schema", error.instance)]
    return []


def validator_of(schema: Mapping[str, Any]) -> jsonschema_rs.Validator:
    """Of a stranger's JSON Schema: its patterns match in linear time, and nothing that it refers to is fetched.

    Takes milliseconds for a large schema: call it in a thread. Raises `ValueError` for one that can't be used.
    """
    try:
        return jsonschema_rs.validator_for(dict(schema), pattern_options=jsonschema_rs.RegexOptions(), offline=True)
    except jsonschema_rs.ValidationError as error:
        raise ValueError(error.message[:200]) from None


_META = jsonschema_rs.validator_for({"$ref": "https://json-schema.org/draft/2020-12/schema"}, offline=True)


class _Rule:
    """A rule as a key of the cache: the rules are module constants, so identity will do."""

    def __init__(self, rule: Mapping[str, Any]) -> None:
        self.rule = rule

    def __hash__(self) -> int:
        return id(self.rule)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Rule) and other.rule is self.rule


@lru_cache(maxsize=512)
def _validator(key: _Rule) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(dict(key.rule), offline=True)


def _detail(error: jsonschema_rs.ValidationError, rule: Mapping[str, Any], path: str) -> str:
    place = field_path([path, *error.instance_path])
    if error.kind.name == "required":
        return problem(f"{place}.{error.kind.as_dict()['property']}", "is required")
    broken: Any = rule
    for step in error.schema_path[:-1]:
        broken = broken[step]
    return problem(place, _words(error.kind.name, broken), error.instance)


def _words(keyword: str, rule: Mapping[str, Any]) -> str:
    match keyword:
        case "type":
            return _TYPES[rule["type"]]
        case "enum" | "const":
            return f"must be one of {', '.join(map(str, rule.get('enum', [rule.get('const')])))}"
        case "minimum" | "maximum":
            return range_words(rule.get("minimum"), rule.get("maximum"))
        case "maxLength":
            return f"must have at most {rule['maxLength']} characters"
        case "minLength":
            return f"must have at least {rule['minLength']} characters"
        case "maxItems":
            return f"must have at most {rule['maxItems']} items"
        case "minItems":
            return f"must have at least {rule['minItems']} items"
    return f"breaks the rule {keyword}"
