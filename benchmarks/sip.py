"""Telephone calls on one core: SIP and RTP on real sockets, each a conversation; calls set up; floods."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import rtp, sip_messages
from benchmarks.calls import FULL as WEB_FULL
from benchmarks.calls import QUICK as WEB_QUICK
from benchmarks.calls import Extent, measure_dialtone, shortcomings
from benchmarks.dialtone_server import (
    HOST,
    Server,
    data_directory,
    fake_vendors,
    free_port,
    run_on_load_core,
    running_server,
)
from benchmarks.processes import cores
from benchmarks.script import prepare_speech

STRANGER, CAPPED = "127.0.0.2", "127.0.0.3"
NUMBER, CAPPED_NUMBER = "+31201234567", "+31207654321"
SET_UPS_PER_SECOND = 50
FLOOD_PER_SECOND = 400
FRAMES_MISSING_LIMIT_PERCENT = 0.1
CODECS = ("PCMU", "PCMA", "G722", "opus")


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured; times in seconds."""

    ladder: tuple[int, ...]
    """Telephone calls at a time, tried in this order until they are not held."""
    extent: Extent
    rehearsal: float
    set_up_seconds: float
    flood_calls: int
    flood_seconds: float
    codecs: tuple[str, ...]
    codec_calls: int
    codec_seconds: int
    runs: int


FULL = Scale((50, 100, 130, 160, 200), WEB_FULL, 6.0, 20.0, 50, 10.0, CODECS, 50, 6, 3)
QUICK = Scale((40,), WEB_QUICK, 6.0, 3.0, 10, 2.0, CODECS[:1], 20, 1, 1)


def run(quick: bool) -> dict[str, Any]:
    """Measure. Raises `ServerError` and `subprocess.SubprocessError`."""
    scale = QUICK if quick else FULL
    prepare_speech()
    with fake_vendors() as vendors:
        steps = _climb(vendors, scale)
        most = max((step["calls"] for step in steps if not step["failed_because"]), default=0)
        held, web, set_ups, flood = _measure(vendors, scale, most or scale.ladder[0])
    codecs = {name: rtp.codec(name, scale.codec_calls, scale.codec_seconds, scale.runs) for name in scale.codecs}
    result = {
        "calls_per_core": most,
        "calls_per_core_is_lower_bound": most == scale.ladder[-1],
        **held,
        "web_calls": web,
        "cpu_ratio_to_web_calls": round(held["cpu_ms_per_call_s"] / web["cpu_ms_per_call_s"], 2),
        **{key: set_ups[key] for key in ("answer_p50_ms", "answer_p99_ms")},
        "set_up": set_ups,
        "flood": flood,
        "codecs": codecs,
        "user_agent": sip_messages.measure(quick),
        "steps": steps,
        "runs": scale.runs,
    }
    _print_table(result)
    return result


def _climb(vendors: Mapping[str, str], scale: Scale) -> list[dict[str, Any]]:
    """Ever more calls, each time on a new server, until a step is not held: `failed_because` says why."""
    steps: list[dict[str, Any]] = []
    for calls in scale.ladder:
        try:
            with telephone_server(vendors) as server:
                step = _hold(server, scale, calls)
            step["failed_because"] = _shortcomings(step, steps[0] if steps else step)
        except subprocess.SubprocessError as problem:
            step = {"calls": calls, "failed_because": [f"the callers gave up ({type(problem).__name__})"]}
        steps.append(step)
        if step["failed_because"]:
            print(f"{calls} telephone calls are not held: {step['failed_because']}", file=sys.stderr, flush=True)
            break
    return steps


def _shortcomings(step: dict[str, Any], baseline: dict[str, Any]) -> list[str]:
    reasons = shortcomings(step, baseline)
    if step["calls_without_media"]:
        reasons.append(f"{step['calls_without_media']} calls without media")
    if step["frames_missing_percent"] > FRAMES_MISSING_LIMIT_PERCENT:
        reasons.append(f"{step['frames_missing_percent']} % of the frames missing")
    return reasons


def _measure(vendors: Mapping[str, str], scale: Scale, calls: int) -> tuple[dict[str, Any], ...]:
    """Telephone calls and as many web calls in turns, each time on a new server; new calls and floods on the former's.

    Medians, but for the floods, which come once.
    """
    held, web, set_ups, flood = [], [], [], {}
    for number in range(1, scale.runs + 1):
        with telephone_server(vendors) as server:
            held.append(_hold(server, scale, calls))
            set_ups.append(server.drive("set_up", rate=SET_UPS_PER_SECOND, seconds=scale.set_up_seconds))
            print(f"set-up: {set_ups[-1]}", file=sys.stderr, flush=True)
            if number == scale.runs:
                flood = _flood(server, scale)
        web.append(measure_dialtone(vendors, scale.extent, calls))
        _report("web calls", web[-1])
    return _middle(held), _middle(web), _middle(set_ups), flood


def _hold(server: "TelephoneServer", scale: Scale, calls: int) -> dict[str, Any]:
    figures = server.drive(
        "hold",
        calls=calls,
        rehearsal=scale.rehearsal,
        warm_up=scale.extent.warm_up,
        seconds=scale.extent.seconds,
    )
    _report("telephone calls", figures)
    return figures


def _flood(server: "TelephoneServer", scale: Scale) -> dict[str, Any]:
    flood = server.drive(
        "flood",
        calls=scale.flood_calls,
        rate=FLOOD_PER_SECOND,
        warm_up=scale.extent.warm_up,
        seconds=scale.flood_seconds,
        stranger=STRANGER,
        capped=CAPPED,
        capped_number=CAPPED_NUMBER,
    )
    for who, figures in flood.items():
        _report(f"flood: {who}", figures)
    return flood


@dataclass(frozen=True, slots=True)
class TelephoneServer:
    server: Server
    port: int

    def drive(self, what: str, **options: float | str) -> dict[str, Any]:
        """Let `benchmarks.sip_callers` call it."""
        given = {
            "port": self.port,
            "number": NUMBER,
            "server_pid": self.server.process.pid,
            "server_core": cores()[0],
            **options,
        }
        arguments = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
        return run_on_load_core("benchmarks.sip_callers", what, *arguments, timeout=180)


@contextmanager
def telephone_server(vendors: Mapping[str, str]) -> Iterator[TelephoneServer]:
    """A server that takes calls to `NUMBER` from this machine, and from `CAPPED` one at a time to `CAPPED_NUMBER`."""
    port = free_port()
    settings = {
        "DIALTONE_SIP_LISTEN": f"udp://{HOST}:{port}",
        "DIALTONE_RTP_PORTS": "20000-29999",
        "DIALTONE_ALLOW_PRIVATE_ADDRESSES": "true",
    }
    with data_directory() as data_dir, running_server(Path(data_dir), vendors, settings) as server:
        assistant = server.create_assistant()
        for address, number, caps in ((HOST, NUMBER, {}), (CAPPED, CAPPED_NUMBER, {"max_channels": 1})):
            trunk = {"name": f"Carrier at {address}", "provider": "other", "address": address, **caps}
            server.post("/sip-trunks", trunk)
            server.post("/numbers", {"phone_number": number, "assistant_id": assistant})
        yield TelephoneServer(server, port)


def _middle(samples: list[dict[str, Any]]) -> dict[str, Any]:
    """The median of each figure; the first of what is no figure."""
    numbers = {
        key: round(median(sample[key] for sample in samples if sample[key] is not None), 3)
        for key, value in samples[0].items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    return samples[0] | numbers


def _report(what: str, figures: dict[str, Any]) -> None:
    print(
        f"{what}: {figures['calls']}, frames late p99 {figures['frame_late_p99_ms']} ms",
        f"{figures.get('frames_missing', '-')} frames missing",
        f"{figures.get('calls_without_media', '-')} calls without media",
        f"{figures['cpu_ms_per_call_s']} ms CPU per call-second",
        f"others on the core {figures['others_core_percent']} %",
        f"other cores {figures['other_cores_percent']} %",
        sep=", ",
        file=sys.stderr,
        flush=True,
    )


def _print_table(result: dict[str, Any]) -> None:
    flood = result["flood"]
    rows = [
        ("telephone calls that one core holds", result["calls_per_core"], "200"),
        ("  measured with", result["calls"], ""),
        ("calls without media", result["calls_without_media"], "0"),
        ("frames late, p99", f"{result['frame_late_p99_ms']} ms", "under 20 ms"),
        ("frames missing", f"{result['frames_missing_percent']} %", ""),
        ("CPU per call-second", f"{result['cpu_ms_per_call_s']} ms", ""),
        ("  over that of a web call", f"{result['cpu_ratio_to_web_calls']} times", "1.5 times"),
        (f"INVITE to 200 at {SET_UPS_PER_SECOND} a second, p50", f"{result['answer_p50_ms']} ms", ""),
        ("  p99", f"{result['answer_p99_ms']} ms", "under 200 ms"),
        ("  calls that failed", sum(result["set_up"]["failures"].values()), "0"),
        *((f"frames late, p99, flood: {who}", f"{flood[who]['frame_late_p99_ms']} ms", "") for who in flood),
        *((f"RTP alone, {name}", f"{codec['cpu_ms_per_call_s']} ms", "") for name, codec in result["codecs"].items()),
    ]
    print(*(f"  {what:46} {figure!s:>14}   {target}" for what, figure, target in rows), sep="\n", file=sys.stderr)
