"""Each peer's own environment under `.peers/`, made on demand from exact versions; and a run of a peer in it."""

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any, Literal

from benchmarks.processes import cores

Peer = Literal["pipecat", "livekit"]

_ROOT = Path(__file__).resolve().parents[2]
_SPARE_SECONDS = 90
"""What a run may take beyond its warm-up and measurement: imports and setting up the calls."""


def prepare(peer: Peer) -> Path:
    """The Python of the peer's environment, installed first where it is missing or its versions changed.

    Raises `subprocess.CalledProcessError` where the package registry can't be reached.
    """
    requirements = Path(__file__).with_name(f"requirements-{peer}.txt")
    environment = _ROOT / ".peers" / peer
    python = environment / "bin" / "python"
    installed = environment / "installed.txt"
    if installed.exists() and installed.read_text() == requirements.read_text():
        return python
    print(f"installing {peer} into {environment}", file=sys.stderr)
    uv = shutil.which("uv")
    if uv:
        _install(uv, "venv", "--quiet", "--clear", "--python", sys.executable, environment)
        _install(uv, "pip", "install", "--quiet", "--python", python, "--requirements", requirements)
    else:
        _install(sys.executable, "-m", "venv", "--clear", environment)
        _install(python, "-m", "pip", "install", "--quiet", "--requirement", requirements)
    installed.write_text(requirements.read_text())
    return python


def _install(*command: str | Path) -> None:
    subprocess.run(command, check=True, stdout=sys.stderr)


def run(peer: Peer, calls: int, warm_up: float, seconds: float) -> dict[str, Any]:
    """Measure the peer with `calls` calls on the engine's core, for `seconds` after `warm_up` seconds.

    Raises `subprocess.CalledProcessError` with the peer's complaint on standard error if it failed.
    """
    engine_core, _ = cores()
    command = [
        str(prepare(peer)),
        "-m",
        f"benchmarks.peers.{peer}_agent",
        f"--calls={calls}",
        f"--warm-up={warm_up}",
        f"--seconds={seconds}",
    ]
    done = subprocess.run(
        command,
        cwd=_ROOT,
        env=os.environ | {"PYTHONPATH": str(_ROOT), "LOGURU_LEVEL": "ERROR"},
        stdout=subprocess.PIPE,
        check=True,
        timeout=warm_up + seconds + calls + _SPARE_SECONDS,
        preexec_fn=partial(os.sched_setaffinity, 0, {engine_core}),
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result
