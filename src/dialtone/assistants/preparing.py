"""From what a client sent to what an assistant is: checked, merged, sealed, filled in."""

from collections.abc import Mapping
from typing import Any

from dialtone.assistants.addresses import assistant_addresses
from dialtone.assistants.blocks import Findings, Vendors, check_blocks, check_size, fill_in
from dialtone.assistants.schemas import EVENTS, AssistantFields
from dialtone.assistants.secrets import Sealer
from dialtone.platform.address_rules import address_problems
from dialtone.platform.crypto import Secrets
from dialtone.platform.errors import invalid
from dialtone.platform.fields import READ_ONLY, given, ignored_fields

DEFAULTS: Mapping[str, Any] = {
    name: None if field.is_required() or name == "llm_config" else field.get_default()
    for name, field in AssistantFields.model_fields.items()
}
"""A new assistant before anything is set. The config blocks are filled in later."""


class Preparer:
    """`vendors` is what the deployment can use by itself; `allow_private`: customers' addresses may be private ones."""

    def __init__(self, secrets: Secrets, vendors: Vendors, *, allow_private: bool = False) -> None:
        self._secrets = secrets
        self._vendors = vendors
        self._allow_private = allow_private

    def prepare(
        self,
        body: AssistantFields,
        stored: Mapping[str, Any] | None = None,
        prefix: str = "",
        own_keys: frozenset[str] = frozenset(),
    ) -> tuple[dict[str, Any], list[str]]:
        """The whole assistant as it is to be stored, and the paths of fields that were ignored.

        `stored` is the assistant that `body` changes; `own_keys` are the vendors of which the organization has keys
        of its own. Takes milliseconds for a large body: call it in a thread. Raises `ApiError` (400).
        """
        changes = given(body)
        vendors = self._vendors.with_own_keys(own_keys)
        findings = Findings(ignored=_ignored(body, prefix))
        check_blocks(changes, findings, vendors.any_model, prefix)
        saved = {url for _, url in assistant_addresses(stored or {})}
        findings.problems += address_problems(
            assistant_addresses(changes, prefix), saved, allow_private=self._allow_private
        )
        sealer = Sealer(self._secrets, *_stored_secrets(stored))
        if not findings.problems:
            sealer.seal(changes, prefix)
        whole = {**(stored or DEFAULTS), **changes}
        if problems := findings.problems + sealer.problems:
            raise invalid(problems)
        if whole["voicemail_detection"] is None:
            whole["voicemail_detection"] = False
        fill_in(whole, vendors.available)
        if changes.get("tts_config") is not None and whole["tts_config"] is None:
            findings.ignored.append(f"{prefix}tts_config")
        if too_large := check_size(whole):
            raise invalid(too_large)
        return whole, findings.ignored


def _stored_secrets(stored: Mapping[str, Any] | None) -> tuple[str | None, Mapping[str, Any] | None]:
    return (stored["webhook_secret"], stored["llm_config"]) if stored else (None, None)


def _ignored(body: AssistantFields, prefix: str) -> list[str]:
    unknown = [name for name in ignored_fields(body) if name not in READ_ONLY]
    events = enumerate(body.webhook_events or ())
    unknown += [f"webhook_events[{index}]" for index, name in events if name not in EVENTS]
    return [f"{prefix}{name}" for name in unknown]
