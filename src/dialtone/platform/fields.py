"""Building blocks of request models: strict types, ranges whose messages name both ends, and what was really given."""

import re
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from dialtone.platform.phone_numbers import E164, canonical
from dialtone.platform.problems import field_path, range_words


class Part(BaseModel):
    """An object of a request. Types are not converted; unknown fields are kept aside, see `ignored_fields`."""

    model_config = ConfigDict(strict=True, extra="allow", hide_input_in_errors=True, json_schema_extra={})


@dataclass(frozen=True, slots=True)
class Between:
    """A range, both ends included: `Annotated[float, Between(0, 2)]`."""

    minimum: float
    maximum: float

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | {"minimum": self.minimum, "maximum": self.maximum}

    def _check(self, value: float) -> float:
        if not self.minimum <= value <= self.maximum:
            raise PydanticCustomError("between", "{rule}", {"rule": range_words(self.minimum, self.maximum)})
        return value


def rule(words: str) -> PydanticCustomError:
    """The exception of a validator: `words` says what the value must be."""
    return PydanticCustomError("rule", "{words}", {"words": words})


_EMAIL = re.compile(r"[^@\s<>,;]+@[^@\s<>,;.]+(\.[^@\s<>,;.]+)+")
_SIP = re.compile(r"sips?:[^\s<>\"]+", re.IGNORECASE)


def _email(value: str) -> str:
    if not _EMAIL.fullmatch(value):
        raise rule("must be an e-mail address")
    return value


def _web_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        sound = False
    if not sound or any(character.isspace() or not character.isprintable() for character in value):
        raise rule("must be an http:// or https:// address")
    return value


def _callable_number(value: str) -> str:
    if not (E164.fullmatch(value) or _SIP.fullmatch(value)):
        raise rule("must be a number in E.164 form like +31201234567, or a SIP URI")
    return value


def _phone_number(value: str) -> str:
    number = canonical(value)
    if number is None:
        raise rule("must be a number with its country code, in E.164 form like +31201234567")
    return number


Email = Annotated[str, Field(max_length=254), AfterValidator(_email)]
WebUrl = Annotated[str, Field(max_length=2048, json_schema_extra={"format": "uri"}), AfterValidator(_web_url)]
CallableNumber = Annotated[str, Field(max_length=255), AfterValidator(_callable_number)]
"""E.164 (https://www.itu.int/rec/T-REC-E.164) or a SIP URI (RFC 3261 section 19.1)."""
PhoneNumber = Annotated[str, Field(max_length=64), AfterValidator(_phone_number)]
"""A number as people write it; becomes its E.164 form, see `phone_numbers`."""

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
