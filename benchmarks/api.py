"""How many requests a second the API serves on one core, on both databases, and what they do to live calls."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from scripts.postgresql import throwaway_postgresql

from benchmarks import callers
from benchmarks.api_load import FIELD_PLACE, Plan, request
from benchmarks.dialtone_server import (
    HOST,
    Server,
    ServerError,
    data_directory,
    fake_vendors,
    free_port,
    on_core,
    run_on_load_core,
    running_server,
    stop,
    wait_until_served,
)
from benchmarks.processes import cores
from benchmarks.script import prepare_speech

_ROOT = Path(__file__).resolve().parent.parent
REFERENCE = _ROOT / "tests/assistants/reference.json"
"""The assistant of the reference page, in all its parts."""
ASSISTANTS = 100
"""Stored while GET, PATCH and list are measured; requests go round them."""
FULL_LIST = 1000
"""As many as an organization may have."""
CALLS = 50
CALLS_SET_UP_SECONDS = 8.0
"""Until 50 calls are dialled, beyond the rehearsal."""
PATH = "/api/v1/assistants"
NO_LIMITER = {"DIALTONE_RATE_LIMIT": "off"}
LIMITER = {"DIALTONE_RATE_LIMIT": "1000000"}
"""On, and never reached."""

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Extent:
    """How long the parts last, in seconds, and how often they are repeated."""

    repetitions: int
    seconds: float
    half_load_seconds: float
    creates: int
    call_warm_up: float
    call_seconds: float
    calls_on: tuple[str, ...]
    """The databases on which calls are held as well."""


FULL = Extent(3, 5.0, 15.0, FULL_LIST - ASSISTANTS, 6.0, 32.0, ("sqlite", "postgresql"))
QUICK = Extent(1, 1.0, 2.0, 200, 1.0, 5.0, ("sqlite",))


def run(quick: bool) -> Figures:
    """Measure both databases, one after the other. Raises `ServerError`, `subprocess.CalledProcessError` and
    `postgresql.PostgresqlUnavailableError`.
    """
    extent = QUICK if quick else FULL
    prepare_speech()
    ceiling = _measure_ceiling(extent)
    with throwaway_postgresql() as url, fake_vendors() as vendors:
        databases = {
            "sqlite": _survey("sqlite", {}, vendors, extent),
            "postgresql": _survey("postgresql", {"DIALTONE_DATABASE_URL": url}, vendors, extent),
        }
    return {
        **{name: min(figures[name] for figures in databases.values()) for name in RATES},
        **{name: max(figures[name] for figures in databases.values() if name in figures) for name in LATENESS},
        **ceiling,
        **databases,
        "runs": extent.repetitions,
    }


RATES = ("get_rps", "patch_rps", "create_rps", "list_rps")
LATENESS = ("p99_ms_at_half_load", "frame_late_p99_ms_of_50_calls")


class Api:
    """One server under load."""

    def __init__(self, url: str, key: str, pid: int, label: str) -> None:
        self._url = url
        self._key = key
        self._pid = pid
        self._label = label

    def load(self, name: str, requests: list[bytes], **plan: float) -> Figures:
        """What a plan measured. Raises `ServerError` where an answer was no success."""
        address = urlsplit(self._url)
        whole = asdict(
            Plan(
                str(address.hostname),
                address.port or 80,
                requests,
                server_pid=self._pid,
                server_core=cores()[0],
                **plan,  # type: ignore[arg-type]
            )
        )
        whole["requests"] = [data.decode() for data in requests]
        figures = run_on_load_core("benchmarks.api_load", timeout=300, stdin=json.dumps(whole))
        failed = {status: count for status, count in figures["statuses"].items() if not status.startswith("2")}
        if failed:
            raise ServerError(f"{self._label}: {name}: answers with other statuses than 2xx: {failed}")
        print(
            f"{self._label}: {name}: {figures['rps']} requests/s, p50 {figures['p50_ms']} p99 {figures['p99_ms']} ms",
            f"{figures['cpu_us']} us of the server's CPU each, others on its core {figures['others_core_percent']} %",
            f"generator {figures['generator_core_percent']} % of a core",
            sep=", ",
            file=sys.stderr,
            flush=True,
        )
        return figures

    def gets(self, ids: list[str]) -> list[bytes]:
        return [request("GET", f"{PATH}/{one}", self._key) for one in ids]

    def patches(self, ids: list[str]) -> list[bytes]:
        """One field, another value each time."""
        body = json.dumps({"first_message": f"Good morning, this is line {FIELD_PLACE.decode()}."}).encode()
        return [request("PATCH", f"{PATH}/{one}", self._key, body) for one in ids]

    def creates(self, count: int) -> list[bytes]:
        return [request("POST", PATH, self._key, REFERENCE.read_bytes())] * count

    def deletes(self, ids: list[str]) -> list[bytes]:
        return [request("DELETE", f"{PATH}/{one}", self._key) for one in ids]

    def lists(self) -> list[bytes]:
        return [request("GET", PATH, self._key)]


def _survey(name: str, database: Mapping[str, str], vendors: Mapping[str, str], extent: Extent) -> Figures:
    with data_directory() as data_dir:
        with running_server(data_dir, vendors, {**database, **NO_LIMITER}) as server:
            api = Api(server.url, server.key, server.process.pid, name)
            api.load("create", api.creates(ASSISTANTS))
            ids = _ids(server)
            figures = _measure_rates(api, server, ids, extent)
            figures |= _measure_half_load(api, ids, figures, extent)
            if name in extent.calls_on:
                figures |= _measure_calls(api, server, ids, figures["get_rps"] / 2, extent)
        with running_server(data_dir, vendors, {**database, **LIMITER}) as server:
            api = Api(server.url, server.key, server.process.pid, f"{name}, limiter on")
            _rates(api, ids, 1.0)  # not counted, as above
            runs = [_rates(api, ids, extent.seconds) for _ in range(extent.repetitions)]
    return figures | {"with_limiter": _middle(runs)}


def _ids(server: Server) -> list[str]:
    return [one["id"] for one in server.get("/assistants")["assistants"]]


def _rates(api: Api, ids: list[str], seconds: float) -> Figures:
    """One repetition of GET and PATCH."""
    get = api.load("GET", api.gets(ids), seconds=seconds)
    patch = api.load("PATCH", api.patches(ids), seconds=seconds)
    return {
        "get_rps": get["rps"],
        "get_cpu_us": get["cpu_us"],
        "patch_rps": patch["rps"],
        "patch_cpu_us": patch["cpu_us"],
    }


def _middle(runs: list[Figures]) -> Figures:
    return {key: round(median(one[key] for one in runs), 2) for key in runs[0]}


def _measure_rates(api: Api, server: Server, ids: list[str], extent: Extent) -> Figures:
    _rates(api, ids, 1.0)  # not counted: the first requests load code and open connections
    runs = []
    full_list: Figures = {}
    for _ in range(extent.repetitions):
        figures = _rates(api, ids, extent.seconds)
        listing = api.load("list", api.lists(), seconds=extent.seconds, connections=4)
        figures |= {"list_rps": listing["rps"], "list_cpu_us": listing["cpu_us"]}
        create = api.load("create", api.creates(extent.creates))
        figures |= {"create_rps": create["rps"], "create_cpu_us": create["cpu_us"]}
        full_list = api.load("list of all", api.lists() * 5, connections=1)
        added = [one for one in _ids(server) if one not in set(ids)]
        delete = api.load("delete", api.deletes(added))
        figures |= {"delete_rps": delete["rps"]}
        runs.append(figures)
    longest = {
        "assistants": len(ids) + extent.creates,
        "bytes": full_list["bytes"],
        "p50_ms": full_list["p50_ms"],
        "cpu_ms": round(full_list["cpu_us"] / 1000, 1),
    }
    return {**_middle(runs), "list_of_assistants": len(ids), "longest_list": longest}


def _measure_half_load(api: Api, ids: list[str], rates: Figures, extent: Extent) -> Figures:
    """Latency of GET and of PATCH, each at half of what the server managed; requests come at their fixed times."""
    seconds = extent.half_load_seconds
    get = api.load("GET at half load", api.gets(ids), seconds=seconds, rate=rates["get_rps"] / 2)
    patch = api.load("PATCH at half load", api.patches(ids), seconds=seconds, rate=rates["patch_rps"] / 2)
    return {
        "get_p50_ms_at_half_load": get["p50_ms"],
        "get_p99_ms_at_half_load": get["p99_ms"],
        "patch_p50_ms_at_half_load": patch["p50_ms"],
        "patch_p99_ms_at_half_load": patch["p99_ms"],
        "p99_ms_at_half_load": max(get["p99_ms"], patch["p99_ms"]),
        "generator_late_p99_ms": max(get["generator_late_p99_ms"], patch["generator_late_p99_ms"]),
    }


def _measure_calls(api: Api, server: Server, ids: list[str], rate: float, extent: Extent) -> Figures:
    """How late the frames of live calls are while the API serves GETs at `rate`, from before the first call on."""
    arguments = (
        f"--server={server.url}",
        f"--key={server.key}",
        f"--assistant={server.create_assistant()}",
        f"--calls={CALLS}",
        f"--warm-up={extent.call_warm_up}",
        f"--seconds={extent.call_seconds}",
        f"--server-pid={server.process.pid}",
        f"--server-core={cores()[0]}",
    )
    seconds = callers.REHEARSAL_SECONDS + CALLS_SET_UP_SECONDS + extent.call_warm_up + extent.call_seconds
    with ThreadPoolExecutor(1) as beside:
        load = beside.submit(partial(api.load, "GET beside calls", api.gets(ids), seconds=seconds, rate=rate))
        calls = run_on_load_core("benchmarks.callers", *arguments, timeout=seconds + 90)
        figures = load.result()
    if calls["lost_calls"]:
        raise ServerError(f"{calls['lost_calls']} calls lost: {calls['lost_reasons']}")
    return {
        "frame_late_p99_ms_of_50_calls": calls["frame_late_p99_ms"],
        "frame_late_max_ms_of_50_calls": calls["frame_late_max_ms"],
        "caller_late_p99_ms": calls["generator_late_p99_ms"],
        "unanswered_turns": f"{calls['unanswered']} of {calls['turns']}",
        "rps_beside_calls": figures["rps"],
        "p99_ms_beside_calls": figures["p99_ms"],
    }


def _measure_ceiling(extent: Extent) -> Figures:
    assistant = REFERENCE.read_text()
    with _bare_server(assistant) as (url, pid):
        api = Api(url, "fl_benchmark", pid, "bare FastAPI")
        ids = [json.loads(assistant)["id"]]
        _rates(api, ids, 1.0)
        ceiling = _middle([_rates(api, ids, extent.seconds) for _ in range(extent.repetitions)])
    return {"ceiling_rps": ceiling["get_rps"], **{f"ceiling_{key}": value for key, value in ceiling.items()}}


@contextmanager
def _bare_server(assistant: str) -> Iterator[tuple[str, int]]:
    """URL and process id of `bare_api`, on the engine's core while it runs. Raises `ServerError`."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.bare_api", f"--port={port}"],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        preexec_fn=on_core(cores()[0]),
    )
    try:
        assert process.stdin is not None
        process.stdin.write(assistant.encode())
        process.stdin.close()
        url = f"http://{HOST}:{port}"
        if not wait_until_served(f"{url}/api/v1/health", process):
            raise ServerError("the bare server did not start")
        yield url, process.pid
    finally:
        stop(process)
