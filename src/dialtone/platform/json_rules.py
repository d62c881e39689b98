"""Values against JSON Schema rules (draft 2020-12), with problems told in the API's words."""

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from dialtone.platform.problems import field_path, problem, range_words

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

_TYPES = {
    "string": "must be a string",
    "boolean": "must be true or false",
    "integer": "must be a whole number",
    "number": "must be a number",
    "array": "must be a list",
    "object": "must be an object",
}


def rule_problems(rule: Mapping[str, Any], value: Any, path: str) -> list[str]:
    """What is wrong with `value`, one detail per problem, below the field path `path`.

    `rule` must be one of our own: a `$ref` in a stranger's schema could reach out to the network.
    """
    found = sorted(_validator(_Rule(rule)).iter_errors(value), key=lambda error: list(map(str, error.absolute_path)))
    return [_detail(error, path) for error in found]


def schema_problems(schema: Any, path: str) -> list[str]:
    """What is wrong with a stranger's JSON Schema as a schema; nothing that it refers to is fetched."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    if not isinstance(schema, dict):
        return [problem(path, "must be a JSON Schema object", schema)]
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        place = path + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
        return [problem(place[:200], "is not valid JSON Schema", error.instance)]
    return []


class _Rule:
    """A rule as a key of the cache: the rules are module constants, so identity will do."""

    def __init__(self, rule: Mapping[str, Any]) -> None:
        self.rule = rule

    def __hash__(self) -> int:
        return id(self.rule)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Rule) and other.rule is self.rule


@lru_cache(maxsize=512)
def _validator(key: _Rule) -> "Draft202012Validator":
    from jsonschema import Draft202012Validator

    return Draft202012Validator(key.rule)


def _detail(error: "ValidationError", path: str) -> str:
    place = field_path([path, *error.absolute_path])
    if error.validator == "required":
        required: Any = error.validator_value
        instance: Any = error.instance
        missing = next(name for name in required if name not in instance)
        return problem(f"{place}.{missing}", "is required")
    return problem(place, _words(error), error.instance)


def _words(error: "ValidationError") -> str:
    rule: Any = error.schema
    match error.validator:
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
    return f"breaks the rule {error.validator}"
