"""How many live calls one core holds, and what a call costs: Dialtone, Pipecat, LiveKit Agents, one after another."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from statistics import median
from typing import Any

from benchmarks.dialtone_server import (
    ASSISTANT,
    TURN_TAKING,
    ServerError,
    data_directory,
    fake_vendors,
    run_on_load_core,
    running_server,
)
from benchmarks.peers import environments
from benchmarks.processes import cores
from benchmarks.script import prepare_speech

FRAME_LATE_LIMIT_MS = 20.0
LATENCY_LIMIT_MS = 100.0
"""How much later than with few calls the p50 answer may come."""
UNANSWERED_LIMIT = 0.05
REPETITIONS = 3

REPORTED = (
    "cpu_ms_per_call_s",
    "added_p50_ms",
    "added_p95_ms",
    "frame_late_p99_ms",
    "barge_in_stop_p50_ms",
    "rss_per_call_mb",
    "base_rss_mb",
)

DIALTONE_CONFIG = {
    "turn_taking": TURN_TAKING,
    "recording": True,
    "database": "sqlite",
    "line": "websocket, mulaw 8 kHz",
    "providers": {kind: ASSISTANT[f"{kind}_config"]["provider"] for kind in ("stt", "llm", "tts")},
    "callers_and_vendors": "processes of their own on the other core, over sockets",
}

Step = dict[str, Any]
Measure = Callable[[int], Step]


@dataclass(frozen=True, slots=True)
class Extent:
    """How long one measurement lasts, in seconds."""

    warm_up: float
    seconds: float


FULL = Extent(warm_up=6.0, seconds=32.0)
QUICK = Extent(warm_up=2.0, seconds=8.0)

LADDERS = {
    "dialtone": (25, 50, 100, 125, 150, 175, 200, 250),
    "pipecat": (5, 10, 15, 20, 25, 30),
    "livekit": (5, 10, 20, 30, 40, 50),
}
QUICK_LADDERS = {"dialtone": (40,), "pipecat": (10,), "livekit": (10,)}


def run(quick: bool) -> dict[str, Any]:
    """Measure all three engines. Raises `ServerError` and `subprocess.CalledProcessError`."""
    extent = QUICK if quick else FULL
    ladders = QUICK_LADDERS if quick else LADDERS
    repetitions = 1 if quick else REPETITIONS
    prepare_speech()
    for peer in ("pipecat", "livekit"):
        environments.prepare(peer)
    with fake_vendors() as vendors:
        dialtone = survey("dialtone", partial(measure_dialtone, vendors, extent), ladders["dialtone"], repetitions)
    pipecat = survey("pipecat", partial(_measure_peer, "pipecat", extent), ladders["pipecat"], repetitions)
    livekit = survey("livekit", partial(_measure_peer, "livekit", extent), ladders["livekit"], repetitions)
    return {
        "dialtone": dialtone | {"config": DIALTONE_CONFIG},
        "pipecat": pipecat,
        "livekit": livekit,
        "ratios": {"pipecat": ratios(dialtone, pipecat), "livekit": ratios(dialtone, livekit)},
        "runs": repetitions,
        "versions": {
            "dialtone": version("dialtone"),
            "pipecat": pipecat.get("version"),
            "livekit": livekit.get("version"),
        },
    }


def survey(engine: str, measure: Measure, ladder: tuple[int, ...], repetitions: int) -> dict[str, Any]:
    """Climb the ladder until two steps in a row fail, then measure anew with the calls that one core holds."""
    steps: list[Step] = []
    for calls in ladder:
        step = _attempt(engine, measure, calls)
        step["failed_because"] = shortcomings(step, steps[0] if steps else step)
        steps.append(step)
        _report(engine, step)
        if len(steps) > 1 and steps[-1]["failed_because"] and steps[-2]["failed_because"]:
            break
    passed = [step["calls"] for step in steps if not step["failed_because"]]
    calls_per_core = max(passed, default=0)
    at_calls = calls_per_core or ladder[0]
    samples = [step for step in steps if step["calls"] == at_calls]
    while len(samples) < repetitions:
        samples.append(_attempt(engine, measure, at_calls))
        _report(engine, samples[-1])
    last = steps[-1]
    return {
        "calls_per_core": calls_per_core,
        "calls_per_core_is_lower_bound": calls_per_core == ladder[-1],
        "measured_at_calls": at_calls,
        **{key: middle(samples, key) for key in REPORTED},
        "runs": len(samples),
        **{key: last[key] for key in ("version", "config") if key in last},
        "steps": [{key: value for key, value in step.items() if key not in ("version", "config")} for step in steps],
    }


def shortcomings(step: Step, baseline: Step) -> list[str]:
    """Why a step does not count as held; empty if it does. `baseline` is the same engine with few calls."""
    if "error" in step:
        return [step["error"]]
    reasons = []
    late, latency = step["frame_late_p99_ms"], step["latency_p50_ms"]
    if late is None or late >= FRAME_LATE_LIMIT_MS:
        reasons.append(f"p99 frame lateness {late} ms")
    reference = baseline.get("latency_p50_ms")
    if latency is None or (reference is not None and latency > reference + LATENCY_LIMIT_MS):
        reasons.append(f"p50 latency {latency} ms")
    if step["unanswered"] > UNANSWERED_LIMIT * step["turns"]:
        reasons.append(f"{step['unanswered']} of {step['turns']} turns unanswered")
    if step.get("lost_calls"):
        reasons.append(f"{step['lost_calls']} calls lost")
    return reasons


def middle(samples: list[Step], key: str) -> float | None:
    """The median of one figure over repeated measurements."""
    values = [sample[key] for sample in samples if sample.get(key) is not None]
    return round(median(values), 3) if values else None


def ratios(ours: dict[str, Any], peer: dict[str, Any]) -> dict[str, float | None]:
    """How many times better than the peer: more calls, less CPU, less memory."""

    def quotient(numerator: float | None, denominator: float | None) -> float | None:
        return round(numerator / denominator, 2) if numerator and denominator else None

    return {
        "calls_per_core": quotient(ours["calls_per_core"], peer["calls_per_core"]),
        "cpu_ms_per_call_s": quotient(peer["cpu_ms_per_call_s"], ours["cpu_ms_per_call_s"]),
        "rss_per_call_mb": quotient(peer["rss_per_call_mb"], ours["rss_per_call_mb"]),
    }


def _attempt(engine: str, measure: Measure, calls: int) -> Step:
    try:
        return measure(calls)
    except (subprocess.SubprocessError, ServerError, ValueError) as error:
        print(f"{engine}: {calls} calls: {error}", file=sys.stderr)
        return {"calls": calls, "error": f"did not finish: {type(error).__name__}"}


def _measure_peer(peer: environments.Peer, extent: Extent, calls: int) -> Step:
    return environments.run(peer, calls, extent.warm_up, extent.seconds)


def measure_dialtone(vendors: Mapping[str, str], extent: Extent, calls: int) -> Step:
    """Web calls, on a server of their own."""
    with data_directory() as data_dir, running_server(data_dir, vendors) as server:
        return run_on_load_core(
            "benchmarks.callers",
            f"--server={server.url}",
            f"--key={server.key}",
            f"--assistant={server.create_assistant()}",
            f"--calls={calls}",
            f"--warm-up={extent.warm_up}",
            f"--seconds={extent.seconds}",
            f"--server-pid={server.process.pid}",
            f"--server-core={cores()[0]}",
            timeout=extent.warm_up + extent.seconds + calls + 90,
        )


def _report(engine: str, step: Step) -> None:
    if "error" in step:
        return
    verdict = "; ".join(step.get("failed_because", ())) or "held"
    warnings = " (load generator late)" if step.get("generator_is_bottleneck") else ""
    print(
        f"{engine}: {step['calls']} calls: late p99 {step['frame_late_p99_ms']} ms",
        f"added p50 {step['added_p50_ms']} p95 {step['added_p95_ms']} ms",
        f"barge-in {step['barge_in_stop_p50_ms']} ms",
        f"{step['cpu_ms_per_call_s']} ms CPU per call-second",
        f"{step['rss_per_call_mb']} MB a call",
        f"others on the core {step['others_core_percent']} %",
        f"other cores {step['other_cores_percent']} %",
        f"{verdict}{warnings}",
        sep=", ",
        file=sys.stderr,
        flush=True,
    )
