"""One server for all tests of numbers, trunks and templates on each database; each test is organizations of its own."""

import inspect
from pathlib import Path

import pytest

from tests.assistants.conftest import api_key, app, client, database_url, organization_id, other_client

__all__ = ["api_key", "app", "client", "database_url", "organization_id", "other_client"]

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents and inspect.iscoroutinefunction(getattr(item, "obj", None)):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
