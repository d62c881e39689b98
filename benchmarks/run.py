"""`python benchmarks/run.py NAME [--quick] [--json FILE]`: run one benchmark; the last line printed is its JSON object.

A benchmark is a module of this package with `run(quick: bool) -> dict`. It reports progress on standard error.
"""

import argparse
import importlib
import json
import os
import sys
import time
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
NAMES = {
    "api": "requests a second of the REST API on one core, on both databases, and beside live calls, about 9 minutes",
    "calls": "live calls on one core beside Pipecat and LiveKit Agents, about 20 minutes",
    "greeting": "from the answer to the first sound of the greeting",
    "impairment": "words misheard after loss and jitter of RTP, and whether half an hour of it drifts",
    "jobs": "durable work on one core, on both databases, beside Procrastinate, about 3 minutes",
    "listing": "lists of calls and usage with ten thousand and a million calls, on both databases, about 15 minutes",
    "media": "what each step of the media path costs, without a server",
    "rtp": "what real RTP costs on one core, plain and encrypted, without a conversation",
    "sip": "telephone calls on one core beside web calls, calls set up, floods of callers, codecs, about 9 minutes",
    "startup": "from the start of the server to its first answer, and its memory at rest",
    "webhooks": "deliveries a second on one core, and from event to first try, on both databases, about 11 minutes",
}


def main() -> None:
    names = "\n".join(f"  {name:10} {purpose}" for name, purpose in NAMES.items())
    parser = argparse.ArgumentParser(
        description="Measure Dialtone.", epilog=names, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--quick", action="store_true", help="a first look in under a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the JSON object to FILE as well")
    options = parser.parse_args()
    sys.path.insert(0, str(_ROOT))
    from benchmarks import processes

    _, load_core = processes.cores()
    os.sched_setaffinity(0, {load_core})
    began = time.monotonic()
    result = importlib.import_module(f"benchmarks.{options.name}").run(options.quick)
    machine = processes.machine() | result.pop("versions", {})
    result |= {
        "benchmark": options.name,
        "quick": options.quick,
        "machine": machine,
        "commit": processes.commit(),
        "took_s": round(time.monotonic() - began, 1),
    }
    line = json.dumps(result)
    if options.json:
        options.json.write_text(line + "\n")
    print(line)


if __name__ == "__main__":
    main()
