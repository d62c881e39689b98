"""Servers in processes of their own, as an operator runs them, and fake vendors beside them."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.server import FakeServer

KEY = "fl_test_of_served_processes"
SECRET_KEY = "0123456789abcdef" * 4
START_SECONDS = 60
STOP_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Served:
    """One `dialtone serve`."""

    url: str
    log: Path
    process: subprocess.Popen[str]

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def complaints(self) -> list[str]:
        """What the server logged of itself having failed."""
        return [line for line in self.log.read_text().splitlines() if " ERROR " in line or line.startswith("Traceback")]


@contextmanager
def served(
    data_dir: Path, database_url: str | None, *, module: str = "dialtone.cli", **settings: str
) -> Iterator[Served]:
    """A server, told to stop afterwards. `settings` are names of environment variables without `DIALTONE_`, or whole
    names where they are upper case. `module` is the command line to start it with.
    """
    log_path = data_dir / "server.log"
    process = spawned(data_dir, database_url, log_path, module=module, **settings)
    late = threading.Timer(START_SECONDS, process.kill)
    late.start()
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        late.cancel()
        assert line.startswith("Dialtone listens on "), log_path.read_text()
        yield Served(line.split()[-1], log_path, process)
    finally:
        late.cancel()
        process.terminate()
        try:
            process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise


def spawned(
    data_dir: Path, database_url: str | None, log_path: Path, *, module: str = "dialtone.cli", **settings: str
) -> subprocess.Popen[str]:
    """The same, not waited for: its first line says that it serves."""
    given = {
        "data_dir": str(data_dir),
        "port": "0",
        "api_key": KEY,
        "secret_key": SECRET_KEY,
        "rate_limit": "off",
        "log_level": "WARNING",
        **({} if database_url is None else {"database_url": database_url}),
        **settings,
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DIALTONE_")}
    ours = {name if name.isupper() else f"DIALTONE_{name.upper()}": value for name, value in given.items()}
    data_dir.mkdir(parents=True, exist_ok=True)
    with log_path.open("w") as log:
        return subprocess.Popen(
            [sys.executable, "-m", module, "serve"],
            env=kept | ours,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )


@contextmanager
def beside(fake: FakeServer) -> Iterator[None]:
    """A fake vendor in a thread of its own, for tests that do not run on an event loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(fake.__aenter__(), loop).result(10)
        yield
    finally:
        asyncio.run_coroutine_threadsafe(fake.__aexit__(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
