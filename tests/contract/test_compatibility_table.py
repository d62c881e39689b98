"""`docs/compatibility.md` is true: every operation is in it, every test it names exists, and what works is routed."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from dialtone.server import create_app
from dialtone.settings import Settings
from tests.contract.vendor_client import API

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
PAGE = PROJECT / "docs" / "compatibility.md"
PUBLISHED = (HERE / "operations.txt").read_text().splitlines()
"""The vendor's published operation list."""
EVENTS = ["assistant-request", "tool-calls", "status-update", "end-of-call-report"]
ROW = re.compile(r"\| `([^`]+)` \| (works|not yet) \| (?:`([^`]+)`)? ?\|")


@dataclass(frozen=True)
class Row:
    name: str
    works: bool
    test: str | None


def rows(*sections: str) -> list[Row]:
    """The rows of these sections of the page; of all without any."""
    found = []
    for section in PAGE.read_text().split("\n## ")[1:]:
        if not sections or section.splitlines()[0] in sections:
            for line in section.splitlines():
                if match := ROW.match(line):
                    found.append(Row(match[1], match[2] == "works", match[3]))
    return found


def plain(operation: str) -> str:
    """Without the names of what stands in the path."""
    return re.sub(r"\{\w+\}", "{}", operation)


@pytest.fixture
def app(tmp_path: Path) -> FastAPI:
    return create_app(Settings(data_dir=tmp_path))


def routed(app: FastAPI) -> set[str]:
    operations = {
        f"{method} {(context.path or '').removeprefix(API)}"
        for context in iter_route_contexts(app.routes)
        for method in context.methods or ()
        if method != "HEAD" and context.path != "/openapi.json"
    }
    another_address_of_the_same = {"POST /v1/web-calls"}
    return {plain(operation) for operation in operations - another_address_of_the_same}


def test_every_row_is_read() -> None:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert len(lines) == len(rows())


def test_every_published_operation_is_there_once() -> None:
    assert len(PUBLISHED) == 69
    assert [row.name for row in rows("Published operations")] == PUBLISHED


def test_what_works_is_routed_and_the_rest_is_not(app: FastAPI) -> None:
    operations = rows("Published operations", "Documented, but not published", "Ours")
    assert {plain(row.name) for row in operations if row.works} == routed(app)
    assert {plain(row.name) for row in operations if not row.works}.isdisjoint(routed(app))


def test_the_count_is_the_tables() -> None:
    working = sum(row.works for row in rows("Published operations"))
    assert f"Of its {len(PUBLISHED)} published operations {working} work;" in " ".join(PAGE.read_text().split())


def test_every_event_is_there_once() -> None:
    assert [row.name for row in rows("Webhook events")] == EVENTS


def test_every_named_test_exists() -> None:
    for row in rows():
        assert row.works == (row.test is not None), row.name
        if row.test is not None:
            path, _, name = row.test.partition("::")
            functions = {
                node.name
                for node in ast.parse((PROJECT / path).read_text()).body
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            }
            assert name in functions, row.test
