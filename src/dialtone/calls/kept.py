"""What is kept of a call from its beginning until its report is on its way: a killed process must be able to tell how
the calls that it held ended, and the assistant may have been given for the call alone, or be changed since.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from dialtone.assistants.resolving import ResolvedAssistant
from dialtone.platform.crypto import Secrets
from dialtone.platform.json_text import to_json
from dialtone.tools.envelope import CallContext

SEAL_IN_THREAD_BYTES = 64 * 1024
"""More is encrypted beside the event loop, which live calls share."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Plain data, for JSON. Stored encrypted: it holds secrets, and numbers that GDPR mode masks everywhere else."""

    context: CallContext
    """The call as its events show it; `context.assistant` is the whole resolved assistant, secrets masked."""
    gdpr_mode: bool
    postcall_stt: Mapping[str, Any] | None
    postcall_llm: Mapping[str, Any] | None
    """The model for the work after the call, also where the assistant names none."""
    notification_emails: Sequence[str]
    messages: Sequence[Mapping[str, Any]] | None = None
    """The transcript in GDPR mode, once the call is over: nothing else has it."""

    @classmethod
    def of(cls, context: CallContext, assistant: ResolvedAssistant) -> "Kept":
        return cls(
            context,
            assistant.gdpr_mode,
            assistant.postcall_stt,
            assistant.postcall_llm,
            list(assistant.notification_emails),
        )

    def with_status(self, status: str) -> CallContext:
        return replace(self.context, status=status)


async def seal(secrets: Secrets, kept: Kept) -> str:
    """`kept` as it is stored."""
    document = {**_plain(kept), "context": _plain(kept.context)}
    text = to_json(document).decode()
    if len(text) <= SEAL_IN_THREAD_BYTES:
        return secrets.encrypt(text)
    return await asyncio.to_thread(secrets.encrypt, text)


async def unseal(secrets: Secrets, stored: str) -> Kept:
    """Raises `crypto.SecretKeyError`."""
    if len(stored) <= SEAL_IN_THREAD_BYTES:
        return _opened(secrets, stored)
    return await asyncio.to_thread(_opened, secrets, stored)


def _opened(secrets: Secrets, stored: str) -> Kept:
    document = json.loads(secrets.decrypt(stored))
    context = document.pop("context")
    for name in ("webhook_events", "forwarded_from"):
        if context.get(name) is not None:
            context[name] = tuple(context[name])
    return Kept(CallContext(**context), **document)


def _plain(value: Kept | CallContext) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}
