"""The headers that a tool's requests carry beside ours: sent as they are, and kept out of what comes back."""

import re
from collections.abc import Mapping

from dialtone.platform.crypto import MASK

_SECRET_NAME = re.compile(r"auth|cookie|key|token|secret|password|credential|signature", re.IGNORECASE)
_SHORTEST_VALUE = 6
_SHORTEST_WORD = 12
"""Characters of a value, and of a word in it, that are looked for: shorter ones stand in answers by chance."""


def with_own(own: Mapping[str, str], ours: Mapping[str, str]) -> dict[str, str]:
    """All headers of a request; where a tool has one of our names, its own counts."""
    named = {name.lower() for name in own}
    return {**{name: value for name, value in ours.items() if name.lower() not in named}, **own}


def without_secrets(text: str, headers: Mapping[str, str]) -> str:
    """`text` without the keys and tokens among `headers`: some servers answer with what they were sent, and an answer
    goes to the model, to the caller and into the call's record.
    """
    for secret in sorted(_secrets(headers), key=len, reverse=True):
        text = _without(text, secret)
    return text


def _secrets(headers: Mapping[str, str]) -> set[str]:
    """The values, and where they have several words (`Bearer 6f1d...`) the last one; without their backslashes."""
    values = [value.replace("\\", "") for name, value in headers.items() if _SECRET_NAME.search(name)]
    words = {value.split()[-1] for value in values if value.strip()}
    whole = {value for value in values if len(value) >= _SHORTEST_VALUE}
    return whole | {word for word in words if len(word) >= _SHORTEST_WORD}


def _without(text: str, secret: str) -> str:
    """Backslashes are passed over: JSON, and JSON within JSON, spells some characters with them."""
    plain = text.replace("\\", "")
    found = plain.find(secret)
    if found < 0:
        return text
    places = [place for place, character in enumerate(text) if character != "\\"]
    kept, behind = [], 0
    while found >= 0:
        kept.append(text[behind : places[found]])
        behind = places[found + len(secret) - 1] + 1
        found = plain.find(secret, found + len(secret))
    return MASK.join([*kept, text[behind:]])
