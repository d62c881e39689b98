"""A Dialtone server as it is deployed, and the fake vendors it talks to, each a process on its own core."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.processes import cores
from benchmarks.script import TURN_END_SECONDS

HOST = "127.0.0.1"
INTERRUPTION_SECONDS = 0.1
START_SECONDS = 30.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.005
NO_SETTINGS: Mapping[str, str] = {}
_ROOT = Path(__file__).resolve().parent.parent

TURN_TAKING = {"endpointing_min_delay": TURN_END_SECONDS, "interruption_min_duration": INTERRUPTION_SECONDS}
ASSISTANT: Mapping[str, Any] = {
    "name": "Benchmark",
    "stt_config": {"provider": "deepgram", "model": "nova-3", "language": "en"},
    "llm_config": {
        "provider": "openai",
        "model": "gpt-4.1-mini",
        "messages": [{"role": "system", "content": "You book appointments."}],
    },
    "tts_config": {"provider": "elevenlabs", "model": "eleven_flash_v2_5", "voice_id": "benchmark"},
    "speech_config": {"turn_taking": TURN_TAKING},
}


class ServerError(Exception):
    """The server did not start, or refused a request; `str()` says why."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    url: str
    key: str
    process: subprocess.Popen[bytes]
    started_in: float
    """Seconds from the start of the process to its first served request."""

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST to the API. Raises `ServerError` with the server's words where it refuses."""
        return self._ask("POST", path, json.dumps(body).encode())

    def get(self, path: str) -> dict[str, Any]:
        """GET from the API. Raises `ServerError` like `post`."""
        return self._ask("GET", path, None)

    def _ask(self, method: str, path: str, body: bytes | None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/api/v1{path}", body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                answer: dict[str, Any] = json.load(response)
        except urllib.error.HTTPError as error:
            raise ServerError(f"{method} {path}: {error.code} {error.read().decode()}") from error
        return answer

    def create_assistant(self, fields: Mapping[str, Any] = ASSISTANT) -> str:
        """Create an assistant and return its id."""
        return str(self.post("/assistants", fields)["assistant"]["id"])


def on_core(core: int) -> Callable[[], None]:
    """What a new process does first to stay on `core`."""
    return partial(os.sched_setaffinity, 0, {core})


def run_on_load_core(module: str, *arguments: str, timeout: float, stdin: str = "") -> dict[str, Any]:
    """Run a module of the benchmark on the load's core; returns the JSON object of its last line."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=_ROOT,
        input=stdin.encode(),
        stdout=subprocess.PIPE,
        check=True,
        timeout=timeout,
        preexec_fn=on_core(cores()[1]),
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@contextmanager
def fake_vendors() -> Iterator[dict[str, str]]:
    """The fake vendors' base URLs by provider id, while they run."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.fake_vendors"],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        preexec_fn=on_core(cores()[1]),
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise ServerError("the fake vendors did not start")
        urls: dict[str, str] = json.loads(line)
        yield urls
    finally:
        process.kill()
        process.wait()


@contextmanager
def data_directory() -> Iterator[Path]:
    """An empty directory for a server's data, removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="dialtone-benchmark-") as name:
        yield Path(name)


@contextmanager
def running_server(
    data_dir: Path, vendors: Mapping[str, str], settings: Mapping[str, str] = NO_SETTINGS
) -> Iterator[Server]:
    """`dialtone serve` on `data_dir` and on the engine's core, stopped afterwards. Raises `ServerError`.

    `settings` are environment variables that differ from the benchmarks' usual ones.
    """
    port = free_port()
    key = f"fl_{secrets.token_hex(16)}"
    command = shutil.which("dialtone", path=str(Path(sys.executable).parent)) or "dialtone"
    log_path = data_dir.with_name(data_dir.name + ".log")
    with log_path.open("wb") as log:
        began = time.monotonic()
        process = subprocess.Popen(
            [command, "serve"],
            env=_environment(data_dir, port, key, vendors) | dict(settings),
            stdout=log,
            stderr=subprocess.STDOUT,
            preexec_fn=on_core(cores()[0]),
        )
    try:
        url = f"http://{HOST}:{port}"
        if not wait_until_served(f"{url}/api/v1/health", process):
            raise ServerError(f"the server did not start: {log_path.read_text()[-2000:]}")
        yield Server(url, key, process, time.monotonic() - began)
    finally:
        stop(process)
        complaints = [line for line in log_path.read_text().splitlines() if "ERROR" in line or "Traceback" in line]
        if complaints:
            print("the server logged:", *complaints[:10], sep="\n  ", file=sys.stderr)
        log_path.unlink()


def _environment(data_dir: Path, port: int, key: str, vendors: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DIALTONE_")}
    return kept | {
        "DIALTONE_HOST": HOST,
        "DIALTONE_PORT": str(port),
        "DIALTONE_DATA_DIR": str(data_dir),
        "DIALTONE_API_KEY": key,
        "DIALTONE_RATE_LIMIT": "off",
        "DIALTONE_MAX_CALLS": "1000",
        "DIALTONE_LOG_LEVEL": "WARNING",
        **{f"{provider.upper()}_API_KEY": "benchmark" for provider in vendors},
        **{f"{provider.upper()}_BASE_URL": url for provider, url in vendors.items()},
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_served(url: str, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2) as response:
                if response.status == 200:
                    return True
        except OSError:
            time.sleep(POLL_SECONDS)
    return False


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
