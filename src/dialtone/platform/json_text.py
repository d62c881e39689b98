"""JSON as it is written: compact, by orjson, which takes a tenth of the time that Python's own writer takes."""

import json
from typing import Any

import orjson


def to_json(value: Any) -> bytes:
    """`value` as compact JSON. Raises `TypeError` and `ValueError` for what JSON does not know."""
    try:
        return orjson.dumps(value)
    except TypeError:  # a whole number of more than 64 bits, or nothing for JSON: then this raises as well
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
