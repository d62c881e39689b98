"""Chat messages as the API takes and shows them."""

import json
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, model_validator

from dialtone.platform.fields import Matches, Part, rule

METADATA_BYTES = 16 * 1024
CONTENT_CHARACTERS = 20_000
MAX_PAGE = 500
MAX_CONTEXT = 200

_NO_CONTROL_CHARACTERS = r"[^\x00-\x1f\x7f]*"
_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"


def _small(value: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(value, ensure_ascii=False).encode()) > METADATA_BYTES:
        raise rule(f"must have at most {METADATA_BYTES} bytes as JSON")
    return value


ContactId = Annotated[
    str,
    Field(min_length=1, max_length=255),
    Matches(_NO_CONTROL_CHARACTERS, "must not hold control characters"),
]
Name = Annotated[
    str,
    Field(min_length=1, max_length=32),
    Matches(_NAME, "must be letters, digits, '_', '-' or '.', and begin with a letter or digit"),
]

CONTACT_ID = "Your own name for the person, such as a phone number."
CHANNEL = "Where the message was exchanged."
AGENT_ID = "The assistant it was exchanged with."
OTHER_NAME = "The same as `agent_id`."


class ChatCreate(Part):
    """A message to keep."""

    contact_id: ContactId = Field(description=CONTACT_ID, examples=["+31201234567"])
    channel: Name = Field(description=CHANNEL, examples=["whatsapp", "web", "sms", "email"])
    role: Name = Field(description="Who wrote it.", examples=["user", "assistant"])
    content: Annotated[str, Field(min_length=1, max_length=CONTENT_CHARACTERS)] = Field(
        description="The message's text.", examples=["Are you open on Sunday?"]
    )
    agent_id: str | None = Field(default=None, description=AGENT_ID, json_schema_extra={"format": "uuid"})
    assistant_id: str | None = Field(default=None, description=OTHER_NAME, json_schema_extra={"format": "uuid"})
    metadata: Annotated[dict[str, Any], AfterValidator(_small)] = Field(
        default_factory=dict, description=f"Anything of your own, at most {METADATA_BYTES} bytes as JSON."
    )

    @model_validator(mode="after")
    def _one_assistant(self) -> "ChatCreate":
        if self.agent_id is not None and self.assistant_id not in (None, self.agent_id):
            raise rule("agent_id and assistant_id must be the same, or only one be given")
        return self


class ChatMessageObject(BaseModel):
    """A kept message."""

    id: str = Field(description="The message's id.", json_schema_extra={"format": "uuid"})
    agent_id: str | None = Field(description=AGENT_ID, json_schema_extra={"format": "uuid"})
    assistant_id: str | None = Field(description=OTHER_NAME, json_schema_extra={"format": "uuid"})
    contact_id: str = Field(description=CONTACT_ID, examples=["+31201234567"])
    channel: str = Field(description=CHANNEL, examples=["whatsapp"])
    role: str = Field(description="Who wrote it.", examples=["user"])
    content: str = Field(description="The message's text.")
    metadata: dict[str, Any] = Field(description="As it was given.")
    created_at: datetime = Field(description="When it was kept.")


class ChatPagination(BaseModel):
    """Which part of a list this is."""

    total: int = Field(description="How many there are in all.")
    limit: int = Field(description="The most that one answer holds.")
    offset: int = Field(description="How many come before this part.")


class ChatsAnswer(BaseModel):
    """Messages exchanged with a contact."""

    messages: list[ChatMessageObject] = Field(description="Newest first.")
    pagination: ChatPagination = Field(description="Which part of all messages this is.")


class ChatContext(BaseModel):
    """The latest messages of a contact, ready for a prompt."""

    contact_id: str = Field(description=CONTACT_ID)
    agent_id: str | None = Field(description="The assistant that was asked for; null for any.")
    assistant_id: str | None = Field(description=OTHER_NAME)
    messages: list[ChatMessageObject] = Field(description="Oldest first.")
    formatted: str = Field(
        description="A line `ROLE: content` per message.", examples=["USER: Are you open?\nASSISTANT: From nine."]
    )
