"""What the demo model says."""

import json
import re
from collections.abc import Sequence
from typing import Any

from dialtone.providers.base import ToolSpec
from dialtone.providers.local.demo.values import Parameter
from dialtone.providers.local.demo.words import words_of

ANYTHING_ELSE = "Is there anything else I can do for you?"
GREETING = "Hello! How can I help you?"
GOODBYE = "Thank you for calling. Goodbye!"
WELCOME = "You are welcome."
ABANDONED = "All right, I will leave that."
NOT_UNDERSTOOD = "Sorry, I did not get that."
UNDERSTOOD = "Thank you."
STARTING = "Sure, I can help with that."
CALLING = "Thank you. One moment please."
SELF_DESCRIPTION = (
    "I am the demo model that is built into Dialtone. I follow a simple script, so please keep your answers short."
)
MAX_RESULT_CHARACTERS = 600
_SPOKEN_FIELDS = ("message", "result", "text", "answer", "summary", "confirmation", "content")
_QUESTION_STARTS = ("how", "what", "which", "who", "when", "where", "whose", "do", "does", "is", "are", "would")


def _sentence(text: str, end: str = ".") -> str:
    text = " ".join(text.split()).rstrip(" .?!")
    return f"{text[:1].upper()}{text[1:]}{end}"


def question(parameter: Parameter) -> str:
    """The question for one parameter, made from its description, else from its name."""
    text = parameter.description or " ".join(words_of(parameter.name))
    text = re.split(r"[.;(\n]|, e\.?g|, for example", text)[0].strip()
    first = (words_of(text) or [""])[0]
    if parameter.type == "boolean":
        return _sentence(text, "?") if first in _QUESTION_STARTS else f"Yes or no: {text.lower()}?"
    if first in _QUESTION_STARTS:
        asked = _sentence(text, "?")
    else:
        article = "" if first in ("the", "a", "an", "your") else "the "
        asked = f"What is {article}{text[:1].lower()}{text[1:]}?"
    choices = [str(choice) for choice in parameter.schema.get("enum") or () if choice is not None]
    return f"{asked} You can say {_either(choices)}." if choices else asked


def _either(choices: Sequence[str]) -> str:
    return choices[0] if len(choices) == 1 else f"{', '.join(choices[:-1])} or {choices[-1]}"


def abilities(tools: Sequence[ToolSpec]) -> str:
    """One sentence on what the assistant's tools do."""
    if not tools:
        return "I can only chat a little, because I have no tools."
    deeds = []
    for tool in tools:
        text = re.split(r"[.;\n]", tool.description)[0].strip() or " ".join(words_of(tool.name))
        deeds.append(text[:1].lower() + text[1:])
    return f"I can {_either(deeds)}." if len(deeds) == 1 else f"I can do this for you: {', or '.join(deeds)}."


def result(content: str) -> str:
    """A tool's answer as something to say."""
    text = content.strip()
    if text[:1] in ("{", "["):
        try:
            text = _said(json.loads(text))
        except ValueError:
            text = ""
    text = " ".join(text.split())[:MAX_RESULT_CHARACTERS]
    return (text if text[-1:] in (".", "!", "?") else f"{text}.") if text else "That is done."


def _said(value: Any) -> str:
    if isinstance(value, dict):
        if value.get("error"):
            return f"Sorry, that did not work: {_said(value['error'])}"
        for field in _SPOKEN_FIELDS:
            if value.get(field):
                return _said(value[field])
        return ", ".join(f"{' '.join(words_of(name))} is {_said(each)}" for name, each in value.items())
    if isinstance(value, list):
        return ", ".join(map(_said, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
