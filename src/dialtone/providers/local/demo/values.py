"""Finding the value of a tool's parameter in what the caller said, by the parameter's JSON Schema."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from dialtone.providers.local.demo.moments import calendar_date, clock_time, find_day, find_time
from dialtone.providers.local.demo.numbers import find_digits, find_numbers
from dialtone.providers.local.demo.words import alike, mentions, says_any, telling_words, words_of

YES = ("yes", "yeah", "yep", "sure", "of course", "correct", "right", "okay", "ok", "certainly", "please do")
NO = ("no", "nope", "not", "never", "don't", "nothing")
_NAME = re.compile(r"\b(?:my name is|name is|name's|this is|i am|i'm|it is|it's|under|call me)\s+(.+)", re.IGNORECASE)
_FILLER = re.compile(
    r"^(?:(?:well|uh|um|er|so|oh|please|yes|yeah|okay|ok|it is|it's|that is|that's|i would like|i'd like|i want|"
    r"let's say|for|on|at|the name is|under)\b[ ,]*)+",
    re.IGNORECASE,
)
_NAME_ENDS = re.compile(r"\b(?:and|please|thanks|thank you|from|for|i)\b.*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One property of a tool's JSON Schema."""

    name: str
    schema: Mapping[str, Any]

    @property
    def description(self) -> str:
        return str(self.schema.get("description") or "").strip()

    @property
    def type(self) -> str:
        declared = self.schema.get("type", "string")
        if isinstance(declared, list):
            declared = next((kind for kind in declared if kind != "null"), "string")
        return str(declared)

    def is_about(self, *topics: str) -> bool:
        """Whether a whole word of its name, else of its description, is one of `topics`."""
        named = words_of(self.name)
        return any(topic in named for topic in topics) or any(topic in words_of(self.description) for topic in topics)


def find_value(parameter: Parameter, said: str, *, asked: bool, today: date) -> Any | None:
    """The value of `parameter` in `said`, or None. Unless it was `asked` for, only what is clearly meant counts."""
    if parameter.schema.get("enum"):
        return _find_choice(parameter, said)
    match parameter.type:
        case "integer" | "number":
            return _find_number(parameter, said, asked=asked)
        case "boolean":
            return _find_yes_or_no(said) if asked else None
        case "array":
            return [_free_text(said)] if asked and _free_text(said) else None
        case "string":
            return _find_string(parameter, said, asked=asked, today=today)
    return None


def _find_choice(parameter: Parameter, said: str) -> Any | None:
    words = words_of(said)
    for choice in parameter.schema["enum"]:
        parts = words_of(str(choice))
        if parts and all(mentions(words, part) for part in parts):
            return choice
    return None


def _find_number(parameter: Parameter, said: str, *, asked: bool) -> float | int | None:
    words = words_of(said)
    topics = telling_words(f"{parameter.name} {parameter.description}")
    found = find_numbers(words)
    for value, _, after in found:
        if after < len(words) and any(alike(words[after], topic) for topic in topics):
            return _typed(parameter, value)
    return _typed(parameter, found[0][0]) if asked and found else None


def _typed(parameter: Parameter, value: float) -> float | int | None:
    minimum, maximum = parameter.schema.get("minimum"), parameter.schema.get("maximum")
    if (minimum is not None and value < minimum) or (maximum is not None and value > maximum):
        return None
    if parameter.type == "integer":
        return int(value) if value.is_integer() else None
    return value


def _find_yes_or_no(said: str) -> bool | None:
    if says_any(said, NO):
        return False
    return True if says_any(said, YES) else None


def _find_string(parameter: Parameter, said: str, *, asked: bool, today: date) -> str | None:
    form = parameter.schema.get("format")
    if form == "date" or parameter.is_about("day", "date", "weekday"):
        day = find_day(said)
        if day is None or form != "date":
            return day
        meant = calendar_date(day, today)
        return meant.isoformat() if meant else None
    if form == "time" or parameter.is_about("time", "hour"):
        time = find_time(said, bare=asked)
        return clock_time(time) if time is not None and form == "time" else time
    if form == "email" or parameter.is_about("email", "mail"):
        return _find_email(said)
    if parameter.is_about("phone", "telephone", "number"):
        return find_digits(words_of(said)) if asked else None
    if parameter.is_about("name"):
        return _find_name(said, asked=asked)
    return (_free_text(said) or None) if asked else None


def _find_email(said: str) -> str | None:
    joined = re.sub(r"\s+dot\s+", ".", re.sub(r"\s+at\s+", "@", said.lower()))
    found = re.search(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", joined)
    return found[0] if found else None


def _find_name(said: str, *, asked: bool) -> str | None:
    introduced = _NAME.search(said)
    if introduced is None and not asked:
        return None
    if introduced is not None and not asked and "name" not in introduced[0].lower():
        return None
    name = _NAME_ENDS.sub("", introduced[1] if introduced else _free_text(said)).strip(" .,!?")
    return " ".join(part if part != part.lower() else part.capitalize() for part in name.split()[:4]) or None


def _free_text(said: str) -> str:
    return _FILLER.sub("", said.strip()).strip(" .,!?")
