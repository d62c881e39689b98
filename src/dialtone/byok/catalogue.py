"""The vendors for which a key can be brought, and what each is good for, as `GET /byok/config` lists them."""

from collections.abc import Iterator
from typing import Any

from dialtone.byok.carriers import ENTRIES
from dialtone.providers.addresses import DOCUMENTATION
from dialtone.providers.catalog import PROVIDERS
from dialtone.providers.catalog_types import Block, Provider

_BLOCKS: tuple[Block, ...] = ("stt", "llm", "tts")


def entries() -> list[dict[str, Any]]:
    mail = {"id": "resend", "name": "Resend", "category": "email", "docsUrl": DOCUMENTATION["resend"], "models": []}
    return [
        *(entry for block in _BLOCKS for one in PROVIDERS[block] for entry in _of(block, one)),
        mail,
        *(
            {"id": name, "name": carrier.label, "category": "telephony", "docsUrl": DOCUMENTATION[name], "models": []}
            for name, carrier in ENTRIES.items()
        ),
    ]


def _of(block: Block, provider: Provider) -> Iterator[dict[str, Any]]:
    """One entry for each key that the vendor takes, with the models that key opens."""
    for secret in provider.secrets:
        vendor = secret.removesuffix("_secret_id")
        opened = [model for model in provider.models if provider.model_secrets.get(model, secret) == secret]
        yield {
            "id": vendor,
            "name": provider.label,
            "category": "realtime" if provider.kind == "realtime" else block,
            "docsUrl": DOCUMENTATION[vendor],
            "models": [{"id": model, "name": model, "default": model == provider.default_model} for model in opened],
        }
