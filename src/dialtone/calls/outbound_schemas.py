"""The wire contract of outbound calls."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from dialtone.calls.schemas import EXAMPLE_ID, WAYS_TO_CHOOSE, AssistantChoice
from dialtone.platform.fields import NOT_CALLABLE, Matches
from dialtone.platform.patterns import SIP_URI, anchored
from dialtone.platform.phone_numbers import DIALLABLE_PATTERN, WRITTEN_DIALLABLE, canonical

MAX_SPOKEN = 5000
"""Characters of a text to be spoken."""
MAX_DESTINATION = 64
"""Characters of whom to call, as a call's record keeps it."""


def _as_dialled(written: Any) -> Any:
    """A number as people write it in the form in which it is dialled; anything else as it is."""
    return (canonical(written) or written) if isinstance(written, str) and len(written) <= 64 else written


Destination = Annotated[
    Annotated[str, Field(max_length=MAX_DESTINATION), Matches(f"{DIALLABLE_PATTERN}|{SIP_URI}", NOT_CALLABLE)],
    BeforeValidator(_as_dialled),
    WithJsonSchema(
        {"type": "string", "maxLength": MAX_DESTINATION, "pattern": anchored(f"{WRITTEN_DIALLABLE}|{SIP_URI}")}
    ),
]


_EXAMPLE: dict[str, Any] = {
    "destination": "+31612345678",
    "assistant_id": EXAMPLE_ID,
    "variables": {"first_name": "Mia"},
    "metadata": {"order": "A-1042"},
}


class OutboundCallRequest(AssistantChoice):
    """Whom to call, and which assistant speaks: exactly one of `assistant_id`, `assistant_id` with
    `assistant_override`, and `assistant`.
    """

    model_config = ConfigDict(json_schema_extra={"anyOf": WAYS_TO_CHOOSE, "examples": [_EXAMPLE]})

    destination: Destination = Field(
        description="Whom to call: a number in E.164 form, or a SIP URI. Spaces, dashes and a leading 00 are taken "
        "too.",
        examples=["+31612345678"],
    )
    number_id: str | None = Field(
        default=None,
        description="Which of your numbers to call from; absent = one that can place calls.",
        json_schema_extra={"format": "uuid"},
    )
    first_message: Annotated[str, Field(max_length=MAX_SPOKEN)] | None = Field(
        default=None,
        description="Said when the call is answered, in place of the assistant's own. May hold `{{name}}` "
        "placeholders. Empty = the assistant waits for the other side to speak.",
        examples=["Hello {{first_name}}, this is Ada from Luigi's."],
    )


class OutboundCallCreated(BaseModel):
    success: Literal[True] = Field(description="The call is being placed.")
    call_id: str = Field(description="Opaque. `GET /calls/{id}` tells how the call goes on.")
    status: Literal["dialing"] = Field(description="Always dialing in this answer.")
    room_name: str = Field(description="The same as on the call.")
