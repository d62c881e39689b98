"""An assistant's tools as clients write them: six shapes, each with its own rules."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, ValidationError

from dialtone.assistants.rest_tools import Body, Headers, Method, Query, ToolUrl, request_problems
from dialtone.platform.db import parse_id
from dialtone.platform.fields import CallableNumber, Matches, Part, given, ignored_fields, rule
from dialtone.platform.json_rules import schema_problems
from dialtone.platform.problems import problem, validation_details

MAX_TOOLS = 50
MAX_ALLOWED_TOOLS = 25

TOOL_NAME = "What the model calls it."
TOOL_DESCRIPTION = "Tells the model what it does and when to use it."
TOOL_TYPE = "Which tool it is; both spellings mean the same."
ToolText = Annotated[str, Field(max_length=1000)]
Description = Annotated[str, Field(min_length=1, max_length=4000)]

FUNCTION_NAME = r"[A-Za-z_][A-Za-z0-9_-]{0,63}"


FunctionName = Annotated[
    str,
    Matches(
        FUNCTION_NAME,
        "must begin with a letter or _, go on with letters, digits, _ or -, and have at most 64 characters",
    ),
]


Parameters = Annotated[dict[str, Any], Field(json_schema_extra={"properties": {"type": {"const": "object"}}})]


def _uuid(value: str) -> str:
    canonical = parse_id(value)
    if canonical is None:
        raise rule("must be a UUID")
    return canonical


class ToolServer(Part):
    """Where a webhook tool sends its requests."""

    url: ToolUrl | None = Field(default=None, description="The address.", examples=["https://example.com/book"])
    secret: Annotated[str, Field(max_length=512)] | None = Field(
        default=None, description="Signs this tool's requests. Reads back masked; the mask sent back means unchanged."
    )


class Webhook(Part):
    """Where a webhook tool sends its requests, and what is said meanwhile."""

    url: ToolUrl | None = Field(
        default=None,
        description="Wins over `server.url`; without both, the assistant's webhook. With `method`, its path may hold "
        "placeholders such as `{{order_id}}`.",
    )
    server: ToolServer | None = Field(default=None, description="The address, and what signs the requests.")
    method: Method | None = Field(
        default=None,
        description="Calls `url` as a plain REST API, by this method; absent or null = the platform's own `tool-calls` "
        "event by POST.",
        examples=["GET"],
    )
    headers: Headers | None = Field(
        default=None,
        description="Sent with its requests as they are, for example an API key. Values read back masked; the mask "
        "sent back means unchanged.",
        examples=[{"Authorization": "Bearer 6f1d"}],
    )
    query: Query | None = Field(
        default=None,
        description="With `method`: query parameters by name. A text may hold `{{name}}` placeholders of the tool's "
        "arguments, of `caller_number`, `assistant_number`, `forwarded_from`, `forwarding_reason`, `call_id`, "
        "`now` and `date`, and of the call's variables as `{{variables.name}}`. What needs a value that is not "
        "there is left out. Without `query` and `body` all arguments are sent: in the query for GET and DELETE, "
        "else as a JSON body.",
        examples=[{"date": "{{day}}", "limit": 5}],
    )
    body: Body | None = Field(
        default=None,
        description="With `method`, but for GET: a template of the JSON body, with placeholders as in `query`. A text "
        "that is one placeholder keeps the argument's type.",
        examples=[{"guests": "{{party}}", "phone": "{{caller_number}}"}],
    )
    run_async: bool = Field(default=False, alias="async", description="Do not wait for the answer.")
    message: ToolText | None = Field(default=None, description="Said while waiting; the result where `async`.")
    async_response: ToolText | None = Field(
        default=None, description="Older name of `message`.", json_schema_extra={"deprecated": True}
    )


class FlatTool(Webhook):
    """A webhook."""

    model_config = ConfigDict(json_schema_extra={"not": {"required": ["function"]}})  # which is the nested shape

    type: Literal["function"] | None = None
    name: FunctionName = Field(description=TOOL_NAME, examples=["book_table"])
    description: Description = Field(description=TOOL_DESCRIPTION, examples=["Books a table."])
    parameters: Parameters | None = Field(default=None, description="JSON Schema of the arguments.")


class Function(Part):
    """What the model is told of a tool."""

    name: FunctionName = Field(description=TOOL_NAME, examples=["book_table"])
    description: Annotated[str, Field(max_length=4000)] | None = Field(
        default=None, description=TOOL_DESCRIPTION, examples=["Books a table."]
    )
    parameters: Parameters | None = Field(default=None, description="JSON Schema of the arguments.")


class NestedTool(Webhook):
    """A webhook, in the shape of OpenAI's chat API."""

    type: Literal["function"]
    function: Function = Field(description="What the model is told of it.")


class EndCallTool(Part):
    """Lets the assistant hang up."""

    type: Literal["end_call", "endCall"] = Field(description=TOOL_TYPE)


class SendDtmfTool(Part):
    """Lets the assistant press keys, for example to find its way through another telephone system's menu."""

    type: Literal["send_dtmf", "sendDtmf"] = Field(description=TOOL_TYPE)


class Destination(Part):
    """Somebody to whom a call can be handed."""

    type: Literal["number"] = "number"
    number: CallableNumber = Field(description="E.164, or a SIP URI.", examples=["+31201234567"])
    description: Description = Field(description="Tells the model when to choose this destination.")
    message: ToolText | None = Field(default=None, description="Spoken before transferring.")
    mode: Literal["blind", "bridge", "warm"] = Field(
        default="blind",
        description="blind: the line hands the caller over, and where it can't, as bridge; bridge: both are connected "
        "through this server; warm: as bridge, once the human has heard a summary and takes the call. Ours.",
    )


Destinations = Annotated[list[Destination], Field(min_length=1, max_length=20)]


class TransferCallTool(Part):
    """Lets the assistant hand the call to somebody else."""

    type: Literal["transfer_call", "transferCall"] = Field(description=TOOL_TYPE)
    destinations: Destinations = Field(description="From which the model chooses.")


class McpTool(Part):
    """Tools of a registered MCP server."""

    type: Literal["mcp"]
    mcp_server_id: Annotated[str, AfterValidator(_uuid)] = Field(
        description="The server's id.", json_schema_extra={"format": "uuid"}
    )
    allowed_tools: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=128)]], Field(max_length=MAX_ALLOWED_TOOLS)
    ] = Field(description="Names of the server's tools that the assistant may use.")
    required: bool = Field(default=True, description="Refuse the call where the server can't be reached.")


Tool = FlatTool | NestedTool | EndCallTool | TransferCallTool | SendDtmfTool | McpTool

_SHAPES: dict[str, type[Tool]] = {
    "end_call": EndCallTool,
    "endCall": EndCallTool,
    "transfer_call": TransferCallTool,
    "transferCall": TransferCallTool,
    "send_dtmf": SendDtmfTool,
    "sendDtmf": SendDtmfTool,
    "mcp": McpTool,
}


def check_tools(tools: Any, path: str) -> tuple[list[dict[str, Any]], list[str], list[str]]:
    """The tools as they are stored, what is wrong with them, and the paths of fields that were dropped."""
    if not isinstance(tools, list):
        return [], [problem(path, "must be a list", tools)], []
    if len(tools) > MAX_TOOLS:
        return [], [f"{path}: must have at most {MAX_TOOLS} items (got {len(tools)} items)"], []
    kept: list[dict[str, Any]] = []
    problems: list[str] = []
    ignored: list[str] = []
    for index, tool in enumerate(tools):
        place = f"{path}[{index}]"
        shape, found = _shape(tool, place)
        if shape is None:
            problems += found
            continue
        try:
            checked = shape.model_validate(tool)
        except ValidationError as error:
            problems += validation_details(error.errors(), [place])
            continue
        kept.append(given(checked))
        ignored += ignored_fields(checked, place)
        if isinstance(checked, NestedTool):
            problems += parameters_problems(checked.function.parameters, f"{place}.function.parameters")
            problems += request_problems(kept[-1], checked.function.parameters, place)
        elif isinstance(checked, FlatTool):
            problems += parameters_problems(checked.parameters, f"{place}.parameters")
            problems += request_problems(kept[-1], checked.parameters, place)
    return kept, problems + _duplicates(kept, path), ignored


def _shape(tool: Any, path: str) -> tuple[type[Tool] | None, list[str]]:
    if not isinstance(tool, dict):
        return None, [problem(path, "must be an object", tool)]
    kind = tool.get("type")
    if kind is None or kind == "function":
        return (NestedTool if "function" in tool else FlatTool), []
    if isinstance(kind, str) and kind in _SHAPES:
        return _SHAPES[kind], []
    return None, [problem(f"{path}.type", "must be one of function, end_call, transfer_call, send_dtmf, mcp", kind)]


def parameters_problems(parameters: dict[str, Any] | None, path: str) -> list[str]:
    """What is wrong with the JSON Schema of a tool's arguments."""
    if parameters is None:
        return []
    if parameters.get("type", "object") != "object":
        return [problem(f"{path}.type", "must be object", parameters["type"])]
    return schema_problems(parameters, path)


def tool_name(tool: dict[str, Any]) -> str | None:
    """The name by which the model calls a stored tool; None for an MCP server, which brings many."""
    match tool.get("type"):
        case "end_call" | "endCall":
            return "end_call"
        case "transfer_call" | "transferCall":
            return "transfer_call"
        case "send_dtmf" | "sendDtmf":
            return "send_dtmf"
        case "mcp":
            return None
    name: str | None = tool["function"]["name"] if "function" in tool else tool["name"]
    return name


def _duplicates(tools: list[dict[str, Any]], path: str) -> list[str]:
    names = [name for tool in tools if (name := tool_name(tool)) is not None]
    twice = sorted({name for name in names if names.count(name) > 1})
    return [problem(path, "must not have two tools of one name", name) for name in twice]
