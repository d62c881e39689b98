"""A tool as the conversation knows it, whatever shape it was stored in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

ToolKind = Literal["webhook", "end_call", "transfer_call", "send_dtmf", "mcp"]
TransferMode = Literal["blind", "bridge", "warm"]
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

TIMEOUT_SECONDS = 10.0
"""A tool's server must have given its whole answer by then."""
MAX_MCP_TOOLS = 25
MAX_DIGITS = 64
"""That are pressed at once, pauses included."""
DIGITS = r"[0-9A-Da-d*#wW,]+"
"""Keys, and `w`, `W` and `,` for pauses."""

_KINDS: dict[str | None, ToolKind] = {
    None: "webhook",
    "function": "webhook",
    "webhook": "webhook",
    "end_call": "end_call",
    "endCall": "end_call",
    "transfer_call": "transfer_call",
    "transferCall": "transfer_call",
    "send_dtmf": "send_dtmf",
    "sendDtmf": "send_dtmf",
    "mcp": "mcp",
}
KINDS = ("function", "end_call", "transfer_call", "send_dtmf", "mcp")
"""As clients write them."""
_METHODS: dict[str, Method] = {"GET": "GET", "POST": "POST", "PUT": "PUT", "PATCH": "PATCH", "DELETE": "DELETE"}
_MODES: dict[str, TransferMode] = {"blind": "blind", "bridge": "bridge", "warm": "warm"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_DESTINATION = re.compile(r"\+[1-9][0-9]{1,14}|sips?:[^\s@]+(@[^\s@]+)?")
_NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}


class ToolConfigError(ValueError):
    """A stored tool can't be used. `str()` names the field within the tool, the rule and the value."""

    def __init__(self, field_name: str, problem: str) -> None:
        super().__init__(f"{field_name}: {problem}")
        self.field = field_name
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Destination:
    """Where `transfer_call` may send the caller."""

    number: str
    """E.164 or a SIP URI."""
    description: str
    """Tells the model when to choose it."""
    message: str | None = None
    """Spoken before the transfer."""
    mode: TransferMode = "blind"


@dataclass(frozen=True, slots=True)
class Tool:
    kind: ToolKind
    name: str
    description: str
    parameters: dict[str, Any] = field(default_factory=lambda: dict(_NO_PARAMETERS))
    """JSON Schema of the arguments."""
    url: str | None = None
    """None = the assistant's webhook."""
    secret: str | None = field(default=None, repr=False)
    """Signs this tool's requests; None = the assistant's webhook secret, where `method` is None too."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent with its requests; they hold secrets."""
    method: Method | None = None
    """None = the platform's own event by POST; else `url` is a plain REST API."""
    query: Mapping[str, Any] | None = None
    """JSON template of the REST API's query parameters, by name."""
    body: Any = None
    """JSON template of the REST API's body."""
    is_async: bool = False
    message: str | None = None
    """Spoken while waiting for a tool's result; for an async tool, the result that the model gets."""
    destinations: tuple[Destination, ...] = ()
    mcp_server_id: str | None = None
    allowed_tools: tuple[str, ...] = ()
    required: bool = True
    """For kind `mcp`: without its server the call must not go on."""

    @property
    def maps(self) -> bool:
        """Whether the tool says itself where its arguments go."""
        return self.query is not None or self.body is not None


def normalise(stored: Mapping[str, Any]) -> Tool:
    """One tool from any of the shapes in which the API takes it. Raises `ToolConfigError`."""
    written = stored.get("type")
    kind = _KINDS.get(written) if isinstance(written, str | None) else None
    if kind is None:
        raise ToolConfigError("type", f"must be one of {', '.join(KINDS)} (got {written!r})")
    if kind == "end_call":
        return _end_call()
    if kind == "transfer_call":
        return _transfer_call(stored)
    if kind == "send_dtmf":
        return _send_dtmf()
    if kind == "mcp":
        return _mcp(stored)
    return _webhook(stored)


def _text(values: Mapping[str, Any], name: str, path: str = "") -> str | None:
    value = values.get(name)
    if value is None or isinstance(value, str):
        return value or None
    raise ToolConfigError(path + name, f"must be a string (got {type(value).__name__})")


def _required_text(values: Mapping[str, Any], name: str, path: str = "") -> str:
    value = _text(values, name, path)
    if value is None:
        raise ToolConfigError(path + name, "is required")
    return value


def _flag(values: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = values.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise ToolConfigError(name, f"must be true or false (got {value!r})")
    return value


def _object(values: Mapping[str, Any], name: str, path: str = "") -> Mapping[str, Any] | None:
    value = values.get(name)
    if value is None or isinstance(value, Mapping):
        return value
    raise ToolConfigError(path + name, f"must be an object (got {type(value).__name__})")


def _list(values: Mapping[str, Any], name: str) -> list[Any]:
    value = values.get(name)
    if not isinstance(value, list):
        raise ToolConfigError(name, "must be a list" if name in values else "is required")
    return value


def _webhook(stored: Mapping[str, Any]) -> Tool:
    nested = _object(stored, "function")
    function, path = (nested, "function.") if nested is not None else (stored, "")
    name = _required_text(function, "name", path)
    if not _NAME.fullmatch(name):
        raise ToolConfigError(
            f"{path}name",
            f"must start with a letter or underscore and have letters, digits, _ and - only, 64 at most (got {name!r})",
        )
    parameters = _object(function, "parameters", path) or {}
    if parameters.get("type", "object") != "object":
        raise ToolConfigError(f"{path}parameters.type", f"must be object (got {parameters['type']!r})")
    server = _object(stored, "server") or {}
    url, method = _text(stored, "url") or _text(server, "url", "server."), _method(stored)
    if method is not None and url is None:
        raise ToolConfigError("url", "is required with method")
    return Tool(
        kind="webhook",
        name=name,
        description=_text(function, "description", path) or "",
        parameters={**_NO_PARAMETERS, **parameters},
        url=url,
        secret=_text(server, "secret", "server."),
        headers=_headers(stored),
        method=method,
        query=_object(stored, "query"),
        body=stored.get("body"),
        is_async=_flag(stored, "async", default=False),
        message=_text(stored, "message") or _text(stored, "async_response"),
    )


def _method(stored: Mapping[str, Any]) -> Method | None:
    written = _text(stored, "method")
    if written is not None and written not in _METHODS:
        raise ToolConfigError("method", f"must be one of {', '.join(_METHODS)} (got {written!r})")
    return None if written is None else _METHODS[written]


def _headers(stored: Mapping[str, Any]) -> Mapping[str, str]:
    headers = _object(stored, "headers") or {}
    if not all(isinstance(value, str) for value in headers.values()):
        raise ToolConfigError("headers", "must be texts")
    return headers


def _end_call() -> Tool:
    return Tool(
        kind="end_call",
        name="end_call",
        description="Hang up. Use it once the caller's matter is settled or they have said goodbye.",
        parameters={
            "type": "object",
            "properties": {"reason": {"type": "string", "description": "Why the call ends, in a few words."}},
        },
    )


def _send_dtmf() -> Tool:
    return Tool(
        kind="send_dtmf",
        name="send_dtmf",
        description="Press keys of the telephone, for example to choose from a menu that you hear. They are pressed "
        "once you have finished speaking; then wait for what you hear next.",
        parameters={
            "type": "object",
            "properties": {
                "digits": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": MAX_DIGITS,
                    "pattern": f"^{DIGITS}$",
                    "description": "0-9 * # A-D; w waits half a second, W a second, a comma two seconds.",
                }
            },
            "required": ["digits"],
        },
    )


def _transfer_call(stored: Mapping[str, Any]) -> Tool:
    entries = _list(stored, "destinations")
    if not entries:
        raise ToolConfigError("destinations", "must have at least one entry")
    by_number: dict[str, Destination] = {}
    for index, entry in enumerate(entries):
        destination = _destination(entry, f"destinations[{index}]")
        by_number.setdefault(destination.number, destination)
    destinations = tuple(by_number.values())
    choices = "\n".join(f"- {choice.number}: {choice.description}" for choice in destinations)
    return Tool(
        kind="transfer_call",
        name="transfer_call",
        description=f"Hand the caller over to somebody else. Choose the destination that fits:\n{choices}",
        parameters={
            "type": "object",
            "properties": {"destination": {"type": "string", "enum": [choice.number for choice in destinations]}},
            "required": ["destination"],
        },
        destinations=destinations,
    )


def _destination(entry: object, path: str) -> Destination:
    if not isinstance(entry, Mapping):
        raise ToolConfigError(path, f"must be an object (got {type(entry).__name__})")
    number = _required_text(entry, "number", f"{path}.")
    if not _DESTINATION.fullmatch(number):
        raise ToolConfigError(
            f"{path}.number", f"must be a number in E.164 form such as +31201234567, or a SIP URI (got {number!r})"
        )
    mode = _MODES.get(_text(entry, "mode", f"{path}.") or "blind")
    if mode is None:
        raise ToolConfigError(f"{path}.mode", f"must be blind, bridge or warm (got {entry['mode']!r})")
    return Destination(
        number=number,
        description=_text(entry, "description", f"{path}.") or "",
        message=_text(entry, "message", f"{path}."),
        mode=mode,
    )


def _mcp(stored: Mapping[str, Any]) -> Tool:
    server_id = _required_text(stored, "mcp_server_id")
    allowed = _list(stored, "allowed_tools")
    if len(allowed) > MAX_MCP_TOOLS:
        raise ToolConfigError("allowed_tools", f"must have at most {MAX_MCP_TOOLS} entries (got {len(allowed)})")
    if not all(isinstance(name, str) for name in allowed):
        raise ToolConfigError("allowed_tools", "must be a list of strings")
    return Tool(
        kind="mcp",
        name="mcp",
        description="",
        mcp_server_id=server_id,
        allowed_tools=tuple(allowed),
        required=_flag(stored, "required", default=True),
    )
