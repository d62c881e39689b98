"""A tool that is a plain REST API: the request is made of the model's arguments as the tool says, and the answer's
body goes to the model.
"""

import json
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from dialtone.platform.guarded_http import GuardedHttp, GuardedRequestError, GuardedResponse
from dialtone.platform.placeholders import PLACEHOLDER, is_of_the_call
from dialtone.platform.webhook_signing import USER_AGENT, signature_headers
from dialtone.tools.answers import MAX_RESPONSE_BYTES, ToolFailedError, failure, result, text_of
from dialtone.tools.base import TIMEOUT_SECONDS, Tool
from dialtone.tools.headers import with_own
from dialtone.tools.mapping import MISSING, filled, names_in, written

_WITHOUT_BODY = ("GET", "DELETE")
"""Arguments go into the query where the tool does not say otherwise."""
_SEPARATOR = re.compile(r"[/\\]")


@dataclass(frozen=True, slots=True)
class RestRequest:
    method: str
    url: str
    body: bytes | None


async def call_rest(
    tool: Tool,
    arguments: dict[str, Any],
    values: Mapping[str, str],
    http: GuardedHttp,
    *,
    clock: Callable[[], float] = time.time,
) -> str:
    """Send one request and return the answer as text for the model, at most 16 KiB. It is tried once.

    `values` are the call's own; they win over arguments of the same name. `clock` is the Unix time in seconds. Raises
    `ToolFailedError`, after 10 seconds at the latest.
    """
    try:
        request = rest_request(tool, arguments, values)
    except RecursionError as error:
        raise ToolFailedError("its arguments are nested too deeply") from error
    headers = {"User-Agent": USER_AGENT}
    if request.body is not None:
        headers["Content-Type"] = "application/json"
    if tool.secret:
        # Never with the webhook's secret: whoever runs this API could send on what it signed, as one of our events.
        signed = request.body or b""
        headers |= signature_headers(signed, webhook_id=str(uuid.uuid4()), timestamp=int(clock()), secret=tool.secret)
    try:
        response = await http.request(
            request.method,
            request.url,
            headers=with_own(tool.headers, headers),
            body=request.body,
            total_seconds=TIMEOUT_SECONDS,
            max_response_bytes=MAX_RESPONSE_BYTES,
        )
    except GuardedRequestError as error:
        raise ToolFailedError(str(error)) from error
    return _result(response, tool)


def rest_request(tool: Tool, arguments: dict[str, Any], values: Mapping[str, str]) -> RestRequest:
    """What is sent. Raises `ToolFailedError` where the path needs a value that is not there or can't stand in it."""
    assert tool.method is not None
    assert tool.url is not None
    address = urlsplit(tool.url)
    # What only the call knows is never taken from the model, also where the call does not know it.
    known = {name: value for name, value in arguments.items() if not is_of_the_call(name)} | dict(values)
    query, body = _mapped(tool, known) if tool.maps else _by_method(tool.method, arguments, names_in(address.path))
    pairs = urlencode([*_pairs(query)], quote_via=quote, safe="", errors="replace")
    url = address._replace(
        path="/".join(_segment(segment, known) for segment in address.path.split("/")),
        query="&".join(filter(None, (address.query, pairs))),
        fragment="",
    ).geturl()
    return RestRequest(tool.method, url, None if body is MISSING else json.dumps(body, separators=(",", ":")).encode())


def _mapped(tool: Tool, known: Mapping[str, Any]) -> tuple[Mapping[str, Any], Any]:
    return filled(tool.query or {}, known), MISSING if tool.body is None else filled(tool.body, known)


def _by_method(method: str, arguments: Mapping[str, Any], in_path: set[str]) -> tuple[Mapping[str, Any], Any]:
    """All arguments but those that the path has already."""
    rest = {name: value for name, value in arguments.items() if name not in in_path}
    return (rest, MISSING) if method in _WITHOUT_BODY else ({}, rest)


def _pairs(query: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A list repeats its name; what is null is left out."""
    for name, value in query.items():
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                yield name, written(one)


def _segment(template: str, known: Mapping[str, Any]) -> str:
    """One segment of the path, which stays one: separators in a value are percent-encoded, and steps to elsewhere are
    refused, also between encoded separators, which some servers decode too early.
    """
    names = names_in(template)
    for name in sorted(names):
        value = known.get(name)
        if value is None or value == "":
            raise ToolFailedError(f"its address needs {name}, which is not given")
        if isinstance(value, dict | list):
            raise ToolFailedError(f"its address needs {name} as a text or a number")
    plain = PLACEHOLDER.sub(lambda found: written(known[found[1]]), template)
    if names and not {".", ".."}.isdisjoint(_SEPARATOR.split(plain)):
        raise ToolFailedError(f"{', '.join(sorted(names))} must not be a step within an address")
    return PLACEHOLDER.sub(lambda found: quote(written(known[found[1]]), safe="", errors="replace"), template)


def _result(response: GuardedResponse, tool: Tool) -> str:
    text = text_of(response)
    if not 200 <= response.status < 300:
        raise failure(f"its server answered with status {response.status}", text, tool)
    try:
        return result(json.loads(text) if text else None, tool)
    except (ValueError, RecursionError):
        return result(text, tool)
