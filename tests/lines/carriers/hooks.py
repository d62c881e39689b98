"""Requests of carriers, and an account at one, for tests of single carriers."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from dialtone.lines.carriers.base import Hook
from dialtone.platform.carriers import CarrierAccount

OURS, CALLER = "+31201234567", "+31612345678"


def account(carrier: str, key: str, **settings: str) -> CarrierAccount:
    return CarrierAccount("an organization", carrier, key, settings, "https://api.example.com")


def json_hook(carrier: str, name: str, document: Any, headers: Mapping[str, str] | None = None) -> Hook:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Hook(name, "POST", f"https://voice.example.com/carriers/{carrier}/{name}", {}, headers or {}, body)


def form_hook(
    name: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None, url: str | None = None
) -> Hook:
    url = url or f"https://voice.example.com/carriers/plivo/{name}"
    return Hook(name, "POST", url, {}, headers or {}, urlencode(fields).encode())
