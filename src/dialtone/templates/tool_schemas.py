"""Tool templates as the API takes and shows them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel, WithJsonSchema

from dialtone.assistants.tools import FUNCTION_NAME, Description, Destinations, FunctionName, Parameters, Webhook
from dialtone.platform.fields import Part, WebUrl, rule
from dialtone.platform.openapi import COMPONENT
from dialtone.platform.patterns import anchored

ToolType = Literal["function", "end_call", "transfer_call", "send_dtmf"]

_UUID: dict[str, Any] = {"format": "uuid"}
_DEPRECATED: dict[str, Any] = {"deprecated": True}

Name = Annotated[str, Field(min_length=1, max_length=200, examples=["look_up_order"])]
_NAME = "Also the function's name, where `tool_config` gives none."
_DESCRIPTION = "What people should know of the template."


class FunctionConfig(Webhook):
    """`tool_config` of a webhook."""

    name: FunctionName | None = Field(default=None, description="Absent = the template's name.")
    description: Description | None = Field(default=None, description="Tells the model when to call it.")
    parameters: Parameters | None = Field(default=None, description="JSON Schema of the arguments.")


class EndCallConfig(Part):
    """`tool_config` of a tool that hangs up: empty."""


class SendDtmfConfig(Part):
    """`tool_config` of a tool that presses keys: empty."""


class TransferCallConfig(Part):
    """`tool_config` of a tool that hands the call to somebody else."""

    destinations: Destinations = Field(description="Where the call can go.")


class ToolTemplateConfig(RootModel[FunctionConfig | TransferCallConfig | EndCallConfig | SendDtmfConfig]):
    """What `tool_type` needs to know. Copied into an assistant's tools by whoever uses the template."""


Config = Annotated[dict[str, Any], WithJsonSchema({COMPONENT: "ToolTemplateConfig"})]


def _of_an_object(schema: dict[str, Any]) -> dict[str, Any]:
    if schema.get("type", "object") != "object":
        raise rule("must be a JSON Schema whose type is object")
    return schema


OlderParameters = Annotated[Parameters, AfterValidator(_of_an_object)]
"""Checked here already, since they may go nowhere: they count only where today's field is absent."""


class FunctionDefinition(Part):
    """Older shape of a function."""

    name: FunctionName | None = Field(default=None, description="The function's name.")
    description: Description | None = Field(default=None, description="Tells the model when to call it.")
    parameters: OlderParameters | None = Field(default=None, description="JSON Schema of the arguments.")


class ToolTemplateFields(Part):
    """What can be set on a tool template, also by the older names, which count where `tool_config` is absent.

    A `default_factory` stands for "absent": it keeps a default that nobody gets out of the API's description.
    """

    description: Annotated[str, Field(max_length=4000)] | None = Field(default=None, description=_DESCRIPTION)
    tool_type: ToolType = Field(default_factory=lambda: "function", description="Required.")
    tool_config: Config = Field(default_factory=dict, description="Required. Replaces the stored one whole.")
    type: ToolType | None = Field(
        default=None, description="Older name of `tool_type`; absent = function.", json_schema_extra=_DEPRECATED
    )
    url: WebUrl | None = Field(default=None, description="Older: the function's URL.", json_schema_extra=_DEPRECATED)
    parameters: OlderParameters | None = Field(
        default=None, description="Older: JSON Schema of the function's arguments.", json_schema_extra=_DEPRECATED
    )
    run_async: bool = Field(
        default=False, alias="async", description="Older: do not wait for the answer.", json_schema_extra=_DEPRECATED
    )
    function_definition: FunctionDefinition | None = Field(
        default=None, description="Older: the function.", json_schema_extra=_DEPRECATED
    )
    server_url: WebUrl | None = Field(
        default=None, description="Older: the function's URL.", json_schema_extra=_DEPRECATED
    )
    server_secret: Annotated[str, Field(max_length=512)] | None = Field(
        default=None, description="Older: signs the function's requests.", json_schema_extra=_DEPRECATED
    )


_OLDER_FIELDS = ("url", "async", "parameters", "function_definition", "server_url", "server_secret")
_BY_OLDER_FIELDS: dict[str, Any] = {"anyOf": [{"required": [name]} for name in _OLDER_FIELDS]}
_NO_CONFIG: dict[str, Any] = {"not": {"required": ["tool_config"]}}


def _is_of_type(tool_type: ToolType) -> dict[str, Any]:
    """In JSON Schema: `tool_type` says so, or else `type`, or else an older field, which is a function's."""
    ways: list[dict[str, Any]] = [
        {"required": ["tool_type"], "properties": {"tool_type": {"const": tool_type}}},
        {"not": {"required": ["tool_type"]}, "required": ["type"], "properties": {"type": {"const": tool_type}}},
    ]
    if tool_type == "function":
        ways.append({"not": {"required": ["tool_type"]}, "properties": {"type": {"type": "null"}}, **_BY_OLDER_FIELDS})
    return {"anyOf": ways}


def _names_a_function(config: str) -> dict[str, Any]:
    """In JSON Schema: the config has a name, or else the template's name is a function's."""
    name = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
    named = {"required": [config], "properties": {config: name}}
    return {"anyOf": [{"properties": {"name": {"pattern": anchored(FUNCTION_NAME)}}}, named]}


def _with_config(tool_type: ToolType, model: str, *rules: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": tool_type,
        "required": ["tool_config"],
        "properties": {"tool_config": {"$ref": f"#/components/schemas/{model}"}},
        "allOf": [_is_of_type(tool_type), *rules],
    }


def _by_older_fields(tool_type: ToolType, *rules: dict[str, Any]) -> dict[str, Any]:
    title = f"{tool_type}, by older names"
    return {"title": title, **_NO_CONFIG, "allOf": [_is_of_type(tool_type), _BY_OLDER_FIELDS, *rules]}


_WAYS_TO_WRITE_A_TEMPLATE: list[Any] = [
    _with_config("function", "FunctionConfig", _names_a_function("tool_config")),
    _with_config("end_call", "EndCallConfig"),
    _with_config("transfer_call", "TransferCallConfig"),
    _with_config("send_dtmf", "SendDtmfConfig"),
    _by_older_fields("function", _names_a_function("function_definition")),
    _by_older_fields("end_call"),
    _by_older_fields("send_dtmf"),
]
_EXAMPLE: dict[str, Any] = {
    "name": "look_up_order",
    "tool_type": "function",
    "tool_config": {
        "description": "Looks up the state of an order by its number.",
        "parameters": {"type": "object", "properties": {"number": {"type": "string"}}, "required": ["number"]},
        "url": "https://example.com/orders/look-up",
    },
}


class ToolTemplateCreate(ToolTemplateFields):
    """A new tool template: `name`, `tool_type` and `tool_config` are required."""

    model_config = ConfigDict(json_schema_extra={"anyOf": _WAYS_TO_WRITE_A_TEMPLATE, "examples": [_EXAMPLE]})

    name: Name = Field(description=_NAME)


class ToolTemplateUpdate(ToolTemplateFields):
    """Changes to a tool template: absent = unchanged. Another `tool_type` without `tool_config` begins with an
    empty one.
    """

    name: Name = Field(default_factory=str, description=_NAME)


class ToolTemplateObject(Part):
    """A tool to copy into assistants. Changing or deleting it leaves their copies alone."""

    id: str = Field(description="The template's id.", json_schema_extra=_UUID)
    org_id: str = Field(description="The organization it belongs to.", json_schema_extra=_UUID)
    name: Name = Field(description=_NAME)
    description: str | None = Field(description=_DESCRIPTION)
    tool_type: ToolType = Field(description="What the tool does: call a webhook, hang up, transfer, or press keys.")
    tool_config: ToolTemplateConfig = Field(description="What that needs to know; a secret inside is masked.")
    created_at: datetime = Field(description="When the template was made.")
    updated_at: datetime = Field(description="When the template last changed.")


class ToolTemplateAnswer(BaseModel):
    tool_template: ToolTemplateObject = Field(description="The template.")


class ToolTemplatesAnswer(BaseModel):
    tool_templates: list[ToolTemplateObject] = Field(description="Newest first.")
