"""Analysis templates as the API takes and shows them."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from dialtone.assistants.schemas import AnalysisMessage
from dialtone.platform.fields import Part

MAX_PAGE = 100
"""Templates of one page, where the client asks for pages."""
MAX_PROMPT_CHARACTERS = 20_000

Name = Annotated[str, Field(min_length=1, max_length=200, examples=["Outcome of the call"])]
Prompt = Annotated[str, Field(max_length=MAX_PROMPT_CHARACTERS)]

_UUID: dict[str, Any] = {"format": "uuid"}
_NAME = "What people call the template."
_DESCRIPTION = "What people should know of the template."
_SYSTEM_PROMPT = "Tells the model its task. Required."
_USER_PROMPT = (
    "May hold {transcript}, {summary}, {duration} and {caller_number}; other braces are text, as in JSON. Required."
)
_SCHEMA = "JSON Schema of the wanted data. Required."


class AnalysisTemplateFields(Part):
    """What can be set on an analysis template, also by the older `messages`.

    A `default_factory` stands for "absent": it keeps a default that nobody gets out of the API's description.
    """

    description: Annotated[str, Field(max_length=4000)] | None = Field(default=None, description=_DESCRIPTION)
    system_prompt: Prompt = Field(default_factory=str, description=_SYSTEM_PROMPT)
    user_prompt: Prompt = Field(default_factory=str, description=_USER_PROMPT)
    data_schema: dict[str, Any] = Field(default_factory=dict, alias="schema", description=_SCHEMA)
    messages: Annotated[list[AnalysisMessage], Field(min_length=1, max_length=20)] | None = Field(
        default=None,
        description="Older: the prompts as messages, where neither prompt is given. System messages become "
        "`system_prompt`, the others `user_prompt`, with {{transcript}} written {transcript}.",
        json_schema_extra={"deprecated": True},
    )


_EXAMPLE: dict[str, Any] = {
    "name": "Outcome of the call",
    "system_prompt": "You find facts in transcripts of calls.",
    "user_prompt": "Did the caller book a table?\n\n{transcript}",
    "schema": {"type": "object", "properties": {"booked": {"type": "boolean"}}, "required": ["booked"]},
}


class AnalysisTemplateCreate(AnalysisTemplateFields):
    """A new analysis template: `name`, `system_prompt`, `user_prompt` and `schema` are required."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [_EXAMPLE],
            "anyOf": [
                {"title": "with prompts", "required": ["schema", "system_prompt", "user_prompt"]},
                {
                    "title": "with older messages",
                    "required": ["schema", "messages"],
                    "properties": {"messages": {"type": "array"}},
                    "not": {"anyOf": [{"required": ["system_prompt"]}, {"required": ["user_prompt"]}]},
                },
            ],
        }
    )

    name: Name = Field(description=_NAME)


class AnalysisTemplateUpdate(AnalysisTemplateFields):
    """Changes to an analysis template: absent = unchanged."""

    name: Name = Field(default_factory=str, description=_NAME)


class AnalysisTemplateObject(Part):
    """A way to analyse calls, to copy into assistants. Changing or deleting it leaves their copies alone."""

    id: str = Field(description="The template's id.", json_schema_extra=_UUID)
    org_id: str = Field(description="The organization it belongs to.", json_schema_extra=_UUID)
    name: Name = Field(description=_NAME)
    description: str | None = Field(description=_DESCRIPTION)
    system_prompt: Prompt = Field(description="Tells the model its task.")
    user_prompt: Prompt = Field(description=_USER_PROMPT.removesuffix(" Required."))
    data_schema: dict[str, Any] = Field(alias="schema", description="JSON Schema of the wanted data.")
    created_at: datetime = Field(description="When the template was made.")
    updated_at: datetime = Field(description="When the template last changed.")


class AnalysisTemplateAnswer(BaseModel):
    analysis_template: AnalysisTemplateObject = Field(description="The template.")


class AnalysisTemplatesAnswer(BaseModel):
    analysis_templates: list[AnalysisTemplateObject] = Field(description="Newest first.")
    data: list[AnalysisTemplateObject] = Field(
        description="The same list, by its older name.", json_schema_extra={"deprecated": True}
    )
    total: int = Field(description="Templates of the organization.", examples=[3])
    limit: int = Field(description="Most templates that this answer could hold.", examples=[50])
    offset: int = Field(description="Templates before the first one of this answer.", examples=[0])
