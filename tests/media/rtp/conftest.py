import asyncio

import pytest

from tests.media.rtp.network import Time


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    """The time of whatever is made in the test."""
    time = Time()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: time)
    return time
