"""How a webhook tool's requests are made: its own headers, and the mapping of arguments onto a plain REST API."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from dialtone.platform.fields import NOT_A_WEB_URL, rule
from dialtone.platform.patterns import TOOL_URL, WEB_URL_BEGIN, anchored
from dialtone.platform.placeholders import BUILT_INS, PLACEHOLDER, VARIABLE_PREFIX, is_of_the_call
from dialtone.platform.problems import problem

MAX_HEADERS = 20
MAX_QUERY_NAMES = 50
MAX_TEMPLATE_VALUES = 200
MAX_TEMPLATE_DEPTH = 16

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

_HEADER_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}"
"""RFC 9110 section 5.1, a token."""
_HEADER_VALUE = r"[!-~]([\t -~]{0,4094}[!-~])?"
"""RFC 9110 section 5.5, visible ASCII with spaces and tabs inside."""
_OURS = frozenset(
    """host content-length transfer-encoding connection keep-alive proxy-connection proxy-authenticate
    proxy-authorization te trailer upgrade expect accept-encoding""".split()
)
"""Belong to the connection (RFC 9110 section 7.6.1), or decide how an answer can be read."""
_BRACES = re.compile(r"\{\{.*?\}\}", re.DOTALL)


def _headers(headers: dict[str, Any]) -> dict[str, str]:
    if len(headers) > MAX_HEADERS:
        raise rule(f"must have at most {MAX_HEADERS} headers")
    seen: set[str] = set()
    for name, value in headers.items():
        shown = name[:64]
        if not re.fullmatch(_HEADER_NAME, name):
            raise rule(f"must map names of HTTP headers, at most 64 characters long; {shown!r} is none")
        if name.lower() in _OURS or name.lower().startswith("x-webhook-"):
            raise rule(f"must not hold {shown}, which the server itself sets")
        if name.lower() in seen:
            raise rule(f"must not hold {shown} twice")
        seen.add(name.lower())
        if not isinstance(value, str) or not re.fullmatch(_HEADER_VALUE, value):
            raise rule(f"must give {shown} a text of 1 to 4096 visible ASCII characters, with spaces only inside")
    return headers


def _json_template(value: Any) -> Any:
    if not isinstance(value, dict | list):
        raise rule("must be an object or a list")
    return value


def _tool_url(value: str) -> str:
    if not re.fullmatch(TOOL_URL, value):
        raise rule(f"{NOT_A_WEB_URL}, with {{{{placeholders}}}} only in its path")
    return value


Headers = Annotated[
    dict[str, Any],
    AfterValidator(_headers),
    WithJsonSchema(
        {
            "type": "object",
            "maxProperties": MAX_HEADERS,
            "propertyNames": {"pattern": anchored(_HEADER_NAME)},
            "additionalProperties": {"type": "string", "pattern": anchored(_HEADER_VALUE)},
        }
    ),
]
_QUERY_VALUE: dict[str, Any] = {"type": ["string", "number", "boolean"]}
Query = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "maxProperties": MAX_QUERY_NAMES,
            "propertyNames": {"minLength": 1, "maxLength": 200},
            "additionalProperties": {"anyOf": [_QUERY_VALUE, {"type": "array", "items": _QUERY_VALUE}]},
        }
    ),
]
Body = Annotated[
    Any,
    AfterValidator(_json_template),
    WithJsonSchema({"anyOf": [{"type": "object", "additionalProperties": True}, {"type": "array", "items": {}}]}),
]
ToolUrl = Annotated[
    str,
    Field(
        max_length=2048,
        json_schema_extra={"anyOf": [{"format": "uri", "pattern": WEB_URL_BEGIN}, {"pattern": anchored(TOOL_URL)}]},
    ),
    AfterValidator(_tool_url),
]


def request_problems(tool: Mapping[str, Any], parameters: Mapping[str, Any] | None, path: str) -> list[str]:
    """What is wrong with how a webhook tool makes its requests. `parameters` is the JSON Schema of its arguments."""
    server = tool.get("server") or {}
    urls = [(f"{path}.url", tool.get("url")), (f"{path}.server.url", server.get("url"))]
    templates = [(place, url) for place, url in urls if url and "{{" in url]
    mapped = [name for name in ("query", "body") if tool.get(name) is not None]
    if tool.get("method") is None:
        found = [problem(f"{path}.{name}", "needs method") for name in mapped]
        return found + [problem(place, "may hold placeholders only with method", url) for place, url in templates]
    found = [] if any(url for _, url in urls) else [problem(f"{path}.url", "is required with method")]
    if tool["method"] == "GET" and tool.get("body") is not None:
        found.append(problem(f"{path}.body", "can't be sent with GET; use query"))
    found += _query_problems(tool.get("query") or {}, f"{path}.query")
    for name in mapped:
        texts = list(_texts(tool[name], f"{path}.{name}", MAX_TEMPLATE_DEPTH))
        if len(texts) > MAX_TEMPLATE_VALUES or None in texts:
            limits = f"must have at most {MAX_TEMPLATE_VALUES} values, at most {MAX_TEMPLATE_DEPTH} levels deep"
            found.append(problem(f"{path}.{name}", limits))
        templates += [text for text in texts if text is not None]
    names = _argument_names(parameters)
    return found + [detail for place, text in templates for detail in _unknown_placeholders(text, names, place)]


def _query_problems(query: Mapping[str, Any], path: str) -> Iterator[str]:
    if len(query) > MAX_QUERY_NAMES:
        yield problem(path, f"must have at most {MAX_QUERY_NAMES} names", len(query))
    for name, value in query.items():
        if not 1 <= len(name) <= 200:
            yield problem(path, "must have names of 1 to 200 characters", name)
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(one, str | int | float) for one in values):
            yield problem(f"{path}.{name[:64]}", "must be a string, a number, true or false, or a list of these", value)


def _texts(template: Any, path: str, depth: int) -> Iterator[tuple[str, str] | None]:
    """Every value with its path, texts as they are; None where the template is too deep."""
    if isinstance(template, Mapping | list):
        if not depth:
            yield None
            return
        inner = template.items() if isinstance(template, Mapping) else enumerate(template)
        for key, value in inner:
            place = f"{path}[{key}]" if isinstance(key, int) else f"{path}.{key[:64]}"
            yield from _texts(value, place, depth - 1)
    else:
        yield path, template if isinstance(template, str) else ""


def _argument_names(parameters: Mapping[str, Any] | None) -> frozenset[str]:
    properties = (parameters or {}).get("properties")
    return frozenset(properties) if isinstance(properties, Mapping) else frozenset()


def _unknown_placeholders(text: str, arguments: frozenset[str], path: str) -> Iterator[str]:
    for braces in _BRACES.findall(text):
        found = PLACEHOLDER.fullmatch(braces)
        if found is None or not (found[1] in arguments or is_of_the_call(found[1])):
            known = ", ".join([*BUILT_INS, f"{VARIABLE_PREFIX}NAME"])
            yield problem(path, f"must hold only placeholders of the tool's arguments, or of {known}", braces)
