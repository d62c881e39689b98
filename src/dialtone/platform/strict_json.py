"""JSON from strangers: what Python's parser lets pass and a database or a client would choke on is refused."""

import json
import math
from typing import Any, NoReturn

MAX_DEPTH = 64
"""Levels of objects and lists inside each other."""


class InvalidJsonError(ValueError):
    """A text that is not JSON as RFC 8259 has it, or that we do not take; `str()` says why."""


def parse(body: bytes) -> Any:
    """The document in `body`, which must be UTF-8. Refuses NaN and infinite numbers, a key given twice, more than
    `MAX_DEPTH` levels, half surrogate pairs, and the character U+0000, which PostgreSQL can't store.

    Raises `InvalidJsonError`.
    """
    if not body.strip():
        raise InvalidJsonError("The body is empty; send a JSON object.")
    try:
        document = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
            parse_int=_int,
        )
        _check(document, MAX_DEPTH)
    except UnicodeDecodeError as error:
        raise InvalidJsonError(f"The body is not UTF-8: invalid byte at position {error.start}.") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InvalidJsonError(f"The body is not JSON: {error.msg} at {place}.") from None
    except RecursionError:
        raise InvalidJsonError(_TOO_DEEP) from None
    return document


_TOO_DEEP = f"The body has more than {MAX_DEPTH} levels of objects and lists inside each other."


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise InvalidJsonError(f"The key {json.dumps(twice[:80])} is given twice in one object.")
    return result


def _constant(name: str) -> NoReturn:
    raise InvalidJsonError(f"The body is not JSON: {name} is not a number.")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise InvalidJsonError(f"The number {text[:80]} is too large.")
    return value


def _int(text: str) -> int:
    if len(text) > 309:  # as many digits as the largest double
        raise InvalidJsonError(f"The number {text[:80]}... is too large.")
    return int(text)


def _check(value: Any, depth: int) -> None:
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict | list):
        if depth == 0:
            raise InvalidJsonError(_TOO_DEEP)
        for item in value:
            _check(item, depth - 1)
        if isinstance(value, dict):
            for item in value.values():
                _check(item, depth - 1)


def _check_text(text: str) -> None:
    if "\0" in text:
        raise InvalidJsonError("A text holds the character U+0000, which can't be stored.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidJsonError("A text holds half of a surrogate pair (\\ud800 to \\udfff).") from None
