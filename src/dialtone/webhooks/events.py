"""Which events there are, and how large one may become."""

from collections.abc import Mapping, Sequence
from typing import Any

ASSISTANT_REQUEST = "assistant-request"
STATUS_UPDATE = "status-update"
END_OF_CALL_REPORT = "end-of-call-report"

MAX_MESSAGES_CHARACTERS = 2_000_000
"""Of all messages of a report together; an hour of quick talk has a few hundred thousand."""


def bounded_messages(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The messages as a report carries them, cut where they become too long, which a last message then says."""
    kept: list[dict[str, Any]] = []
    left = MAX_MESSAGES_CHARACTERS
    for message in messages:
        left -= len(message["content"])
        if left < 0:
            missing = len(messages) - len(kept)
            kept.append({"role": "system", "content": f"[{missing} more messages: GET /calls/{{id}} has them]"})
            break
        kept.append({"role": message["role"], "content": message["content"]})
    return kept
