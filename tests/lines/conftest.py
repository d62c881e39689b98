"""The house, open."""

from collections.abc import AsyncIterator

import pytest

from tests.lines.house import House, house


@pytest.fixture
async def server() -> AsyncIterator[House]:
    async with house() as running:
        yield running
