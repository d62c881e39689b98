"""The client against a real server, and against the document it was made from."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dialtone_client import AsyncDialtone, Dialtone

CLIENT = Path(__file__).parent.parent
PROJECT = CLIENT.parent.parent
KEY = "fl_test_of_the_python_client"


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a real server's API is."""
    environment = {**os.environ, "DIALTONE_API_KEY": KEY, "DIALTONE_DATA_DIR": str(tmp_path_factory.mktemp("data"))}
    command = [sys.executable, "-m", "dialtone.cli", "serve", "--port", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = re.search(r"http://\S+", server.stdout.readline())
            assert address, "the server did not start"
            yield f"{address[0]}/api/v1"
        finally:
            server.terminate()


def test_the_readme_example_runs(base_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    example = re.search(r"```python\n(.*?)```", (CLIENT / "README.md").read_text(), re.DOTALL)
    assert example
    exec(compile(example[1], "README.md", "exec"), {"API_KEY": KEY, "BASE_URL": base_url})
    printed = capsys.readouterr().out
    assert "+31201234567 rings Reception" in printed
    assert "invalid_request ['silence_timeout_seconds: must be between 1 and 120 (got 500)']" in printed


def test_absent_differs_from_none(base_url: str) -> None:
    with Dialtone(KEY, base_url) as dialtone:
        made = dialtone.assistants.create(name="Ada", first_message="Hello.")
        assert dialtone.assistants.update(made["id"], business_name="Aurora")["first_message"] == "Hello."
        assert dialtone.assistants.update(made["id"], first_message=None)["first_message"] is None
        assert dialtone.assistants.delete(made["id"]) is True


async def test_the_same_with_asyncio(base_url: str) -> None:
    async with AsyncDialtone(KEY, base_url) as dialtone:
        made = await dialtone.assistants.create(name="Grace")
        assert (await dialtone.assistants.get(made["id"]))["name"] == "Grace"
        assert [call async for call in dialtone.calls.list_all()] == []
        assert (await dialtone.health.get())["status"] == "ok"


def test_a_client_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DIALTONE_API_KEY", raising=False)
    with pytest.raises(ValueError, match="DIALTONE_API_KEY"):
        Dialtone()


def test_the_client_is_what_the_document_says() -> None:
    command = [sys.executable, str(PROJECT / "scripts" / "generate_client.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"run scripts/generate_client.py: {done.stdout}{done.stderr}"
