"""Making objects for tests, and reading what answers say."""

import random
from typing import Any

import httpx

API = "/api/v1"
NUMBERS = f"{API}/numbers"
TRUNKS = f"{API}/sip-trunks"
TOOL_TEMPLATES = f"{API}/tool-templates"
ANALYSIS_TEMPLATES = f"{API}/analysis-templates"
MASK = "********"

TRUNK: dict[str, Any] = {"name": "Main line", "provider": "Example Telecom", "address": "sip.example.com"}


def free_number() -> str:
    """A number that no other test has: numbers are unique in a deployment."""
    return f"+3197{random.randrange(10**9):09}"


async def create(client: httpx.AsyncClient, path: str, **fields: Any) -> dict[str, Any]:
    """The new object, out of its wrapper."""
    answer = await client.post(path, json=fields)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = next(iter(answer.json().values()))
    return made


async def changed(client: httpx.AsyncClient, path: str, **fields: Any) -> dict[str, Any]:
    answer = await client.patch(path, json=fields)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = next(iter(answer.json().values()))
    return found


async def read(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = next(iter(answer.json().values()))
    return found


def details(answer: httpx.Response) -> list[str]:
    """What is wrong with a refused request."""
    assert answer.status_code == 400, answer.text
    found: list[str] = answer.json()["details"]
    return found


def ignored(answer: httpx.Response) -> set[str]:
    return set(filter(None, answer.headers.get("X-Ignored-Fields", "").split(", ")))
