"""Analysis templates: pages, prompts with braces, and the older form with messages."""

from typing import Any

import httpx
import pytest

from dialtone.templates.analysis_schemas import MAX_PROMPT_CHARACTERS
from dialtone.templates.analysis_templates import MAX_ANALYSIS_TEMPLATES, MAX_SCHEMA_BYTES
from tests.resources.requests import ANALYSIS_TEMPLATES, changed, create, details, ignored, read

TEMPLATE: dict[str, Any] = {
    "name": "Outcome",
    "system_prompt": "Be exact.",
    "user_prompt": "{transcript}",
    "schema": {"type": "object", "properties": {"outcome": {"type": "string"}}},
}


async def test_the_object_is_complete(client: httpx.AsyncClient) -> None:
    made = await create(client, ANALYSIS_TEMPLATES, **TEMPLATE)
    assert {name: made[name] for name in TEMPLATE} == TEMPLATE
    assert set(made) == {*TEMPLATE, "id", "org_id", "description", "created_at", "updated_at"}
    assert (await client.get(f"{ANALYSIS_TEMPLATES}/{made['id']}")).json() == {"analysis_template": made}


@pytest.mark.parametrize(
    "prompt",
    ["", '{"a": {transcript}, "b": {unknown}}', "{{transcript}} } {", "{summary} {duration} {caller_number}"],
)
async def test_braces_in_prompts_are_text(client: httpx.AsyncClient, prompt: str) -> None:
    made = await create(client, ANALYSIS_TEMPLATES, **{**TEMPLATE, "user_prompt": prompt, "system_prompt": prompt})
    assert (made["user_prompt"], made["system_prompt"]) == (prompt, prompt)
    path = f"{ANALYSIS_TEMPLATES}/{made['id']}"
    assert await changed(client, path, **made) == made


async def test_a_list_is_whole_or_a_page(client: httpx.AsyncClient) -> None:
    made = [await create(client, ANALYSIS_TEMPLATES, **{**TEMPLATE, "name": f"{index}"}) for index in range(3)]
    newest = sorted(made, key=lambda one: (one["created_at"], one["id"]), reverse=True)

    async def page(**query: int) -> dict[str, Any]:
        answer = await client.get(ANALYSIS_TEMPLATES, params=query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        assert found["data"] == found["analysis_templates"]
        assert set(found) == {"analysis_templates", "data", "total", "limit", "offset"}
        return found

    everything = {"data": newest, "total": 3, "limit": MAX_ANALYSIS_TEMPLATES, "offset": 0}
    assert (await page()).items() >= everything.items()
    assert (await page(limit=2)).items() >= {"data": newest[:2], "total": 3, "limit": 2, "offset": 0}.items()
    assert (await page(limit=2, offset=2)).items() >= {"data": newest[2:], "total": 3, "offset": 2}.items()
    assert (await page(offset=3)).items() >= {"data": [], "total": 3}.items()


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "offset=-1", "limit=", "offset=99999999999999"])
async def test_pages_have_bounds(client: httpx.AsyncClient, query: str) -> None:
    assert query.partition("=")[0] in details(await client.get(f"{ANALYSIS_TEMPLATES}?{query}"))[0]


async def test_the_older_form_with_messages(client: httpx.AsyncClient) -> None:
    messages = [
        {"role": "system", "content": "Be exact."},
        {"role": "user", "content": 'Fill {{schema}} from "{{transcript}}"'},
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "It took {{ duration }}."},
    ]
    body = {"name": "Older", "schema": {}, "messages": messages, "min_messages_threshold": 3}
    answer = await client.post(ANALYSIS_TEMPLATES, json=body)
    assert answer.status_code == 201, answer.text
    made = answer.json()["analysis_template"]
    assert made["system_prompt"] == "Be exact.\n\nBe brief."
    assert made["user_prompt"] == 'Fill {{schema}} from "{transcript}"\n\nIt took {duration}.'
    assert ignored(answer) == {"min_messages_threshold"}
    path = f"{ANALYSIS_TEMPLATES}/{made['id']}"
    alone = await changed(client, path, messages=[{"role": "user", "content": "x"}])
    assert (alone["system_prompt"], alone["user_prompt"]) == ("", "x")
    assert await changed(client, path, messages=None) == alone
    both = await client.patch(path, json={"user_prompt": "mine", "messages": messages})
    assert (both.json()["analysis_template"]["user_prompt"], ignored(both)) == ("mine", {"messages"})
    assert (await read(client, path))["system_prompt"] == ""


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"system_prompt": "x" * (MAX_PROMPT_CHARACTERS + 1)}, "system_prompt: must have at most 20000 characters"),
        ({"user_prompt": 5}, "user_prompt: must be a string (got 5)"),
        ({"description": "x" * 4001}, "description: must have at most 4000 characters"),
        ({"schema": []}, "schema: must be an object (got a list)"),
        ({"schema": {"type": "strin"}}, "schema.type: is not valid JSON Schema"),
        ({"schema": {"title": "x" * MAX_SCHEMA_BYTES}}, f"schema: must have at most {MAX_SCHEMA_BYTES} bytes of JSON"),
        ({"messages": []}, "messages: must have at least 1 items"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "messages[0].role: must be one of"),
    ],
)
async def test_rules(client: httpx.AsyncClient, fields: dict[str, Any], problem: str) -> None:
    assert details(await client.post(ANALYSIS_TEMPLATES, json={**TEMPLATE, **fields}))[0].startswith(problem)


async def test_messages_of_one_role_fit_one_prompt(client: httpx.AsyncClient) -> None:
    messages = [{"role": "user", "content": "x" * (MAX_PROMPT_CHARACTERS // 2)}] * 2
    body = {"name": "x", "schema": {}, "messages": messages}
    expected = f"messages: those of one role must have at most {MAX_PROMPT_CHARACTERS} characters together"
    assert details(await client.post(ANALYSIS_TEMPLATES, json=body))[0].startswith(expected)
