"""From the start of the server's process to its first served request, and its memory at rest."""

import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.dialtone_server import data_directory, running_server
from benchmarks.processes import rss_mb

RUNS = 5
QUICK_RUNS = 2
REST_SECONDS = 3.0


def run(quick: bool) -> dict[str, Any]:
    """Start servers on fresh data directories and again on the same. Raises `ServerError`."""
    fresh, existing, memory = [], [], []
    for _ in range(QUICK_RUNS if quick else RUNS):
        with data_directory() as data_dir:
            seconds, _ = _start(data_dir)
            fresh.append(seconds)
            seconds, rss = _start(data_dir)
            existing.append(seconds)
            memory.append(rss)
        print(f"fresh {fresh[-1]:.2f} s, existing {existing[-1]:.2f} s, {memory[-1]:.0f} MB", file=sys.stderr)
    return {
        "ready_s": round(median(fresh), 3),
        "ready_existing_s": round(median(existing), 3),
        "rss_mb": round(median(memory), 1),
        "runs": len(fresh),
    }


def _start(data_dir: Path) -> tuple[float, float]:
    with running_server(data_dir, {}) as server:
        time.sleep(REST_SECONDS)
        return server.started_in, rss_mb(server.process.pid)
