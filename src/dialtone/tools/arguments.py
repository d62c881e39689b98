"""What the model wrote as a tool's arguments: read, and checked against the tool's JSON Schema before it leaves."""

import functools
import itertools
import json
from collections.abc import Mapping
from typing import Any

import jsonschema_rs

MAX_ARGUMENT_CHARACTERS = 64 * 1024
MAX_PROBLEMS = 5
MAX_PROBLEM_CHARACTERS = 200


class ArgumentsError(ValueError):
    """The arguments can't be used; `str()` tells the model why, `summary` the operator, without the arguments."""

    def __init__(self, message: str, summary: str) -> None:
        super().__init__(message)
        self.summary = summary


class SchemaError(ValueError):
    """The schema itself can't be used; `str()` says why."""


class ArgumentsSchema:
    """A compiled JSON Schema (draft 2020-12 unless its `$schema` says otherwise).

    Patterns are matched in time linear in the text, and no `$ref` is fetched, so that neither a customer's schema
    nor a caller's words can stall the process. Raises `SchemaError`.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        try:
            text = json.dumps(schema, sort_keys=True)
        except (TypeError, ValueError, RecursionError) as error:
            raise SchemaError("is not plain JSON") from error
        self._validator = _compile(text)

    def read(self, arguments: str) -> dict[str, Any]:
        """The arguments as an object that fits the schema. Raises `ArgumentsError`."""
        if len(arguments) > MAX_ARGUMENT_CHARACTERS:
            words = f"they are longer than {MAX_ARGUMENT_CHARACTERS} characters"
            raise ArgumentsError(words, words)
        try:
            # Vendors write nothing at all where a tool takes no arguments.
            values = json.loads(arguments.strip() or "{}", parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise ArgumentsError(f"they are not valid JSON ({error})", "they are not valid JSON") from error
        if not isinstance(values, dict):
            raise ArgumentsError("they must be a JSON object", "they are no JSON object")
        problems = []
        try:
            for problem in itertools.islice(self._validator.iter_errors(values), MAX_PROBLEMS):
                place = ".".join(str(step) for step in problem.instance_path)
                words = f"{place}: {problem.message}" if place else problem.message
                problems.append(_shortened(words))
        except ValueError as error:
            raise ArgumentsError("they are nested too deeply", "they are nested too deeply") from error
        if problems:
            raise ArgumentsError("; ".join(problems), "they do not fit its parameters")
        return values


def _shortened(words: str) -> str:
    # A long value stands at the front of its message, the rule it broke at the end.
    if len(words) <= MAX_PROBLEM_CHARACTERS:
        return words
    half = MAX_PROBLEM_CHARACTERS // 2
    return f"{words[:half]} ... {words[-half:]}"


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


@functools.lru_cache(maxsize=512)
def _compile(schema: str) -> jsonschema_rs.Validator:
    try:
        return jsonschema_rs.validator_for(
            json.loads(schema), pattern_options=jsonschema_rs.RegexOptions(), offline=True
        )
    except (ValueError, jsonschema_rs.ValidationError) as error:
        reason = getattr(error, "message", str(error))
        raise SchemaError(f"is not a usable JSON Schema: {reason[:MAX_PROBLEM_CHARACTERS]}") from error
