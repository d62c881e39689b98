"""The wire contract of call control: one body, whose `type` says which command it is."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError
from pydantic.json_schema import models_json_schema

from dialtone.calls.outbound_schemas import MAX_SPOKEN, Destination
from dialtone.conversation.control import Command, EndCall, InjectContext, Say, SendDtmf, Transfer
from dialtone.platform.errors import invalid
from dialtone.platform.fields import Matches, Part, ignored_fields, not_blank
from dialtone.platform.problems import problem, validation_details
from dialtone.tools.base import DIGITS, MAX_DIGITS, TransferMode

Content = Annotated[str, Field(min_length=1, max_length=MAX_SPOKEN), not_blank]
Digits = Annotated[
    str, Field(max_length=MAX_DIGITS), Matches(DIGITS, "must have only the keys 0-9 * # A-D and the pauses w W and ,")
]
ClosingLine = Annotated[str, Field(max_length=MAX_SPOKEN)]


class InjectContextCommand(Part):
    """Tell the model something that the caller does not hear."""

    type: Literal["inject-context"]
    content: Content = Field(description="What the model is told.", examples=["The order was shipped this morning."])
    trigger_response: bool = Field(
        description="Have the model answer at once, as soon as nobody speaks. With false, its next answer knows it."
    )


class SayCommand(Part):
    """Speak a text word for word, as soon as nobody speaks. The caller may interrupt it like any speech."""

    type: Literal["say"]
    content: Content = Field(description="What is spoken.", examples=["One moment, I look that up."])
    end_after: bool = Field(
        description="Hang up afterwards. The text is then spoken to its end, whatever the caller does."
    )


class EndCallCommand(Part):
    """Stop what is being said, say goodbye, and hang up."""

    type: Literal["end-call"]
    message: ClosingLine | None = Field(
        default=None,
        description="Spoken first; absent = hang up at once.",
        examples=["Thank you. Goodbye."],
    )


class TransferCommand(Part):
    """Stop what is being said, announce the transfer, and hand the caller over. Where the transfer fails, the model is
    told why and the conversation goes on.
    """

    type: Literal["transfer"]
    destination: Destination = Field(
        description="A number in E.164 form, or a SIP URI.", examples=["+31201234567", "sip:desk@pbx.example.com"]
    )
    message: ClosingLine | None = Field(default=None, description="Spoken first.", examples=["I connect you now."])
    mode: TransferMode = Field(
        default="blind",
        description="blind: the line hands the caller over, and where it can't, as bridge; bridge: both are connected "
        "through this server; warm: as bridge, once the human has heard a summary and takes the call. Ours.",
    )


class SendDtmfCommand(Part):
    """Press keys on the line, after what the assistant is saying. Ours."""

    type: Literal["send-dtmf"]
    digits: Digits = Field(
        description="0-9 * # A-D; w waits half a second, W a second, a comma two seconds.", examples=["1w204#"]
    )


class CommandSent(BaseModel):
    """A command was handed to its call."""

    success: Literal[True] = Field(description="The call has the command; the call's record tells what came of it.")
    message: str = Field(description="The same in words.", examples=["Command sent successfully"])


_MODELS: Mapping[str, type[Part]] = {
    "inject-context": InjectContextCommand,
    "say": SayCommand,
    "end-call": EndCallCommand,
    "transfer": TransferCommand,
    "send-dtmf": SendDtmfCommand,
}
_COMMANDS: Mapping[str, Callable[[Any], Command]] = {
    "inject-context": lambda given: InjectContext(given.content, given.trigger_response),
    "say": lambda given: Say(given.content, given.end_after),
    "end-call": lambda given: EndCall(given.message),
    "transfer": lambda given: Transfer(given.destination, given.message, given.mode),
    "send-dtmf": lambda given: SendDtmf(given.digits),
}


def parse(document: Mapping[str, Any]) -> tuple[Command, list[str]]:
    """The command, and the fields that had no effect. Raises `ApiError` (400)."""
    kind = document.get("type")
    model = _MODELS.get(kind) if isinstance(kind, str) else None
    if model is None:
        known = f"must be one of {', '.join(_MODELS)}"
        raise invalid([problem("type", known, kind) if "type" in document else problem("type", "is required")])
    try:
        given = model.model_validate(document)
    except ValidationError as error:
        raise invalid(validation_details(error.errors())) from None
    return _COMMANDS[str(kind)](given), ignored_fields(given)


COMPONENT_NAME = "ControlCommand"
_REF = "#/components/schemas/"


def components() -> dict[str, Any]:
    """The component schemas of commands, for `/openapi.json`."""
    models = [(model, "validation") for model in _MODELS.values()]
    _, described = models_json_schema(models, ref_template=_REF + "{model}")  # type: ignore[arg-type]
    references = {kind: f"{_REF}{model.__name__}" for kind, model in _MODELS.items()}
    return {
        **described["$defs"],
        COMPONENT_NAME: {
            "oneOf": [{"$ref": reference} for reference in references.values()],
            "discriminator": {"propertyName": "type", "mapping": references},
        },
    }
