"""Other people's SIP programs, where they are installed; a test that needs one is skipped without it and says so."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.sip.stage import Phone, phone

SCENARIOS = Path(__file__).parent / "scenarios"

PACKAGES = {"sipp": "sip-tester", "baresip": "baresip-core", "linphonec": "linphone-cli", "kamailio": "kamailio"}
"""Debian's packages of the programs."""
SERVERS = "/usr/sbin:/usr/local/sbin"
"""Not on everybody's path."""


def program(name: str) -> str:
    """Where a program is; `DIALTONE_TEST_SIPP` and the like name another place. Skips the test where it is not."""
    path = os.environ.get(f"DIALTONE_TEST_{name.upper()}") or shutil.which(name) or shutil.which(name, path=SERVERS)
    if path is None:
        pytest.skip(f"{name} is not installed (on Debian and Ubuntu: apt-get install {PACKAGES[name]})")
    return path


@asynccontextmanager
async def running(*command: str, folder: Path, typed: bool = False) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program that is stopped at the end, whatever happened. Its home is `folder`. `typed`: it reads commands."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=os.environ | {"HOME": str(folder)},
        stdin=asyncio.subprocess.PIPE if typed else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(5):
                output, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            output, _ = await process.communicate()
        sys.stdout.write(output.decode(errors="replace")[-8000:])  # shown where the test fails


async def until_listening(port: int) -> None:
    """Wait until somebody takes connections there."""
    async with asyncio.timeout(20):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


async def finished(process: asyncio.subprocess.Process, seconds: float = 60) -> None:
    """Wait for a program that must end well."""
    async with asyncio.timeout(seconds):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode(errors="replace")[-8000:]


@asynccontextmanager
async def real_phone(**options: Any) -> AsyncIterator[Phone]:
    """A user agent in the time of the clock, where an event that does not come must not hold the tests up."""
    async with phone(**options) as made:
        made.patience = 20.0
        yield made
