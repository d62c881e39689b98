"""Building blocks of request models: strict types, ranges whose messages name both ends, and what was really given."""

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from dialtone.platform.patterns import EMAIL, EMAIL_OUTLINE, NOT_BLANK, SIP_URI, WEB_URL, WEB_URL_BEGIN, anchored
from dialtone.platform.phone_numbers import E164_PATTERN, WRITTEN_PATTERN, canonical
from dialtone.platform.problems import field_path, range_words


class Part(BaseModel):
    """An object of a request. Types are not converted; unknown fields are kept aside, see `ignored_fields`."""

    model_config = ConfigDict(strict=True, extra="allow", hide_input_in_errors=True, json_schema_extra={})


def whole(value: object) -> object:
    """A number without a fraction as `int`; anything else as it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


@dataclass(frozen=True, slots=True)
class Between:
    """A range, both ends included: `Annotated[float, Between(0, 2)]`. In JSON `8.0` is a whole number too."""

    minimum: float
    maximum: float

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        kind = handler(source)
        if kind["type"] == "int":
            kind = core_schema.no_info_before_validator_function(whole, kind)
        return core_schema.no_info_after_validator_function(self._check, kind)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | {"minimum": self.minimum, "maximum": self.maximum}

    def _check(self, value: float) -> float:
        if not self.minimum <= value <= self.maximum:
            raise PydanticCustomError("between", "{rule}", {"rule": range_words(self.minimum, self.maximum)})
        return value


def rule(words: str) -> PydanticCustomError:
    """The exception of a validator: `words` says what the value must be."""
    return PydanticCustomError("rule", "{words}", {"words": words})


@dataclass(frozen=True, slots=True)
class Matches:
    """A pattern that a whole text must fit: `Annotated[str, Matches(EMAIL, "must be an e-mail address")]`."""

    pattern: str
    words: str
    described: str | None = None
    """The pattern that the API's description shows, where a `format` beside it says the rest."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | {"pattern": self.described or anchored(self.pattern)}

    def _check(self, value: str) -> str:
        if not re.fullmatch(self.pattern, value):
            raise rule(self.words)
        return value


NOT_A_WEB_URL = "must be an http:// or https:// address"
NOT_CALLABLE = "must be a number in E.164 form like +31201234567, or a SIP URI"
NOT_A_PHONE_NUMBER = "must be a number with its country code, in E.164 form like +31201234567"
NOT_AN_EMAIL = "must be an e-mail address"
MAX_LOCAL_PART = 64
"""Characters before an e-mail address's @ (RFC 5321 section 4.5.3.1.1)."""


def _email(value: str) -> str:
    if value.index("@") > MAX_LOCAL_PART:
        raise rule(NOT_AN_EMAIL)
    return value


def _phone_number(value: str) -> str:
    number = canonical(value)
    if number is None:
        raise rule(NOT_A_PHONE_NUMBER)
    return number


Email = Annotated[
    str,
    Field(max_length=254, json_schema_extra={"format": "email"}),
    Matches(EMAIL, NOT_AN_EMAIL, EMAIL_OUTLINE),
    AfterValidator(_email),
]
WebUrl = Annotated[
    str,
    Field(max_length=2048, json_schema_extra={"format": "uri"}),
    Matches(WEB_URL, NOT_A_WEB_URL, WEB_URL_BEGIN),
]
CallableNumber = Annotated[str, Field(max_length=255), Matches(f"{E164_PATTERN}|{SIP_URI}", NOT_CALLABLE)]
"""E.164 (https://www.itu.int/rec/T-REC-E.164) or a SIP URI."""
PhoneNumber = Annotated[
    str, Field(max_length=64, json_schema_extra={"pattern": anchored(WRITTEN_PATTERN)}), AfterValidator(_phone_number)
]
"""A number as people write it; becomes its E.164 form, see `phone_numbers`."""
not_blank = Matches(NOT_BLANK, "must not be blank")

READ_ONLY = frozenset({"id", "created_at", "updated_at", "organization_id", "org_id"})
"""Fields that may be sent back as they were read, and are not looked at."""


def given(model: Part) -> dict[str, Any]:
    """The known fields that the client gave, by their names on the wire."""
    return {
        field.alias or name: _plain(getattr(model, name))
        for name, field in type(model).model_fields.items()
        if name in model.model_fields_set
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Part):
        return given(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def ignored_fields(value: Any, *path: str | int) -> list[str]:
    """Paths of the fields that the client gave and no model knows."""
    if isinstance(value, list):
        return [name for index, item in enumerate(value) for name in ignored_fields(item, *path, index)]
    if not isinstance(value, Part):
        return []
    unknown = [field_path([*path, name]) for name in value.model_extra or {}]
    for name, field in type(value).model_fields.items():
        if name in value.model_fields_set:
            unknown += ignored_fields(getattr(value, name), *path, field.alias or name)
    return unknown


def header_safe(names: list[str]) -> str:
    """Names a stranger chose, for a response header: printable ASCII without commas, 1000 characters at most."""
    safe = [re.sub(r"[^A-Za-z0-9_.\[\]-]", "?", name)[:100] for name in names[:50]]
    return ", ".join(safe)[:1000]
