"""What several carriers write and read alike: forms, XML documents, keys, and audio in JSON."""

import base64
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from dialtone.lines.carriers.base import Answer, BadHookError, Heard, Hook, HookEvent, Noted, Over, Pressed, Ringing
from dialtone.lines.outbound import DialFailure
from dialtone.platform.phone_numbers import canonical

MAX_FIELDS = 200
"""Of a webhook's form."""
DIGITS = frozenset("0123456789*#ABCD")


def form_of(hook: Hook) -> list[tuple[str, str]]:
    """The fields of a form, or of the query where there is none. Raises `BadHookError`."""
    sent = hook.body.decode("utf-8", "replace") if hook.method == "POST" else urlsplit(hook.url).query
    try:
        return parse_qsl(sent, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise BadHookError("has too many fields") from None


def xml(elements: str) -> Answer:
    """A document of elements that are to be followed one by one."""
    document = f'<?xml version="1.0" encoding="UTF-8"?><Response>{elements}</Response>'
    return Answer(document.encode(), "text/xml; charset=utf-8")


def printable(words: str) -> str:
    """XML has no control characters."""
    return "".join(character if character.isprintable() else " " for character in words)


def e164(written: str) -> str | None:
    """A number in E.164, of a carrier that leaves the plus sign away; None for what is none."""
    return canonical(f"+{written.removeprefix('+')}")


def progress(call: str, number: str, status: str, not_answered: Mapping[str, tuple[DialFailure, str]]) -> HookEvent:
    """What a call's status tells. `not_answered`: the carrier's statuses of calls that nobody took, with the words."""
    if status == "ringing":
        return Ringing(call, number)
    if status == "completed":
        return Over(call, number, None, "The far end hung up.")
    if status in not_answered:
        failure, words = not_answered[status]
        return Over(call, number, failure, f"{words}.")
    return Noted(call, number)


def with_sip(words: str, status: object) -> str:
    """A sentence about the end of a call, with the SIP status that the carrier got, where it tells one."""
    is_status = isinstance(status, str) and re.fullmatch("[1-6][0-9]{2}", status)
    return f"{words} (SIP {status})." if is_status else f"{words}."


def pressed(digit: object) -> Pressed | None:
    return Pressed(digit.upper()) if isinstance(digit, str) and digit.upper() in DIGITS else None


def heard(media: Mapping[str, Any]) -> Heard | None:
    """The caller's audio, in base64; None for ours that is sent back. Raises `KeyError`, `TypeError`, `ValueError`."""
    audio = base64.b64decode(media["payload"], validate=True)
    return Heard(audio) if media.get("track", "inbound") == "inbound" else None
