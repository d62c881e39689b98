"""What a tool's server answered, as text for the model."""

import json
import re
from typing import Any

from dialtone.platform.guarded_http import GuardedResponse
from dialtone.tools.base import Tool
from dialtone.tools.headers import without_secrets

MAX_RESPONSE_BYTES = 256 * 1024
MAX_RESULT_BYTES = 16 * 1024
MAX_ERROR_CHARACTERS = 500
_LONGEST_SECRET = 8 * 1024
"""Characters of a header's value as JSON spells it."""
NO_RESULT = "The tool is done; it gave no result."
_CHARSET = re.compile(r"charset=\"?([A-Za-z0-9._:-]{1,40})", re.IGNORECASE)


class ToolFailedError(Exception):
    """The tool gave no result. `str()` tells the model why; `summary` is free of what the server itself said."""

    def __init__(self, message: str, *, summary: str | None = None) -> None:
        super().__init__(message)
        self.summary = summary or message


def text_of(response: GuardedResponse) -> str:
    """The answer's body. Raises `ToolFailedError` where it is no text."""
    body = response.body.strip()
    try:
        return body.decode()
    except UnicodeDecodeError:
        charset = _CHARSET.search(response.headers.get("Content-Type", ""))
        try:
            return body.decode(charset[1] if charset else "ascii")
        except (LookupError, UnicodeDecodeError):
            if response.status >= 300:
                return ""  # the status says enough
            raise ToolFailedError("its server's answer is no text") from None


def failure(summary: str, said: str, tool: Tool) -> ToolFailedError:
    """`said`: what the server itself said of it, may be empty."""
    if not said:
        return ToolFailedError(summary)
    return ToolFailedError(f"{summary}: {_beginning(said, tool, MAX_ERROR_CHARACTERS)}", summary=summary)


def result(value: Any, tool: Tool) -> str:
    """A result from JSON, or text, as the model gets it."""
    if value is None or value == "":
        return NO_RESULT
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # JSON can carry half a surrogate pair, which no later encoder would take.
    size = len(text.encode(errors="replace"))
    kept = _beginning(text, tool, MAX_RESULT_BYTES).encode(errors="replace")
    if size <= MAX_RESULT_BYTES:
        return kept[:MAX_RESULT_BYTES].decode(errors="ignore")
    return f"{kept[:MAX_RESULT_BYTES].decode(errors='ignore')}\n[cut here: the whole result has {size} bytes]"


def _beginning(text: str, tool: Tool, characters: int) -> str:
    """The first characters, without the tool's own secrets."""
    return without_secrets(text[: characters + _LONGEST_SECRET], tool.headers)[:characters]
