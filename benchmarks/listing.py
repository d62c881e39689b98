"""How long a list of calls takes with a million of them, beside ten thousand, on SQLite and on PostgreSQL."""

import http.client
import json
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import psycopg
from scripts.postgresql import throwaway_postgresql

from benchmarks.dialtone_server import Server, data_directory, running_server
from benchmarks.listing_fill import fill_postgresql, fill_sqlite
from benchmarks.measures import milliseconds, percentile

SIZES = (10_000, 1_000_000)
QUICK_SIZES = (1_000, 20_000)
REQUESTS = 100
QUICK_REQUESTS = 30
WARM_UP = 10


def run(quick: bool) -> dict[str, Any]:
    """Measure both databases. Raises `ServerError` and `PostgresqlUnavailableError`."""
    sizes = QUICK_SIZES if quick else SIZES
    requests = QUICK_REQUESTS if quick else REQUESTS
    with throwaway_postgresql() as postgresql:
        databases = {"sqlite": _survey(None, sizes, requests), "postgresql": _survey(postgresql, sizes, requests)}
    ratios = [figures["ratio"] for lists in databases.values() for figures in lists.values()]
    return {"calls": list(sizes), "requests": requests, "worst_ratio": max(ratios), **databases}


def _survey(postgresql: str | None, sizes: tuple[int, int], requests: int) -> dict[str, dict[str, float]]:
    """The two sizes' servers answer in turn, so that whatever else the machine does falls on both."""
    with ExitStack() as open_servers:
        servers = [open_servers.enter_context(_filled_server(postgresql, size)) for size in sizes]
        places = [_lists(server, size) for server, size in zip(servers, sizes, strict=True)]
        return {name: _measure(servers, [place[name] for place in places], name, requests) for name in places[0]}


@contextmanager
def _filled_server(postgresql: str | None, calls: int) -> Iterator[Server]:
    with data_directory() as data_dir:
        settings = {}
        if postgresql is not None:
            settings["DIALTONE_DATABASE_URL"] = _new_database(postgresql)
        with running_server(data_dir, {}, settings):
            pass  # makes the tables and the first organization
        began = time.monotonic()
        if postgresql is not None:
            fill_postgresql(settings["DIALTONE_DATABASE_URL"], calls)
        else:
            fill_sqlite(data_dir / "dialtone.db", calls)
        print(f"stored {calls} calls in {time.monotonic() - began:.0f} s", file=sys.stderr)
        with running_server(data_dir, {}, settings) as server:
            yield server


def _new_database(server_url: str) -> str:
    name = f"listing_{uuid.uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))


def _lists(server: Server, calls: int) -> dict[str, str]:
    """What is asked for, by name. Dates are chosen so that the time between holds as much of the year everywhere."""
    now = datetime.now(UTC)
    month = {
        "start_date": (now - timedelta(days=130.3)).isoformat(),
        "end_date": (now - timedelta(days=100.6)).isoformat(),
    }
    second_page = server.get("/calls?cursor=")["pagination"]["next_cursor"]
    newest = server.get("/calls?limit=1")["calls"][0]
    return {
        "first_page": "/calls",
        "status": "/calls?" + urlencode({"status": "failed"}),
        "dates": "/calls?" + urlencode(month),
        "status_and_dates": "/calls?" + urlencode({"status": "failed", **month}),
        "deep_offset": "/calls?" + urlencode({"offset": calls * 9 // 10}),
        "status_and_deep_offset": "/calls?" + urlencode({"status": "ended", "offset": calls * 8 // 10}),
        "cursor": "/calls?" + urlencode({"cursor": second_page}),
        "usage": "/usage",
        "usage_dates": "/usage?" + urlencode(month),
        "usage_deep_offset": "/usage?" + urlencode({"offset": calls * 8 // 10}),
        "one_assistant": "/calls?" + urlencode({"assistant_id": newest["assistant_id"]}),
    }


def _measure(servers: list[Server], paths: list[str], name: str, requests: int) -> dict[str, float]:
    clients = [_Client(server) for server in servers]
    seconds: tuple[list[float], list[float]] = ([], [])
    for number in range(WARM_UP + requests):
        for client, path, taken in zip(clients, paths, seconds, strict=True):
            one = client.get(path)
            if number >= WARM_UP:
                taken.append(one)
    figures = {
        f"{size}_p{percent}_ms": milliseconds(percentile(taken, percent)) or 0.0
        for size, taken in zip(("small", "large"), seconds, strict=True)
        for percent in (50, 95)
    }
    figures["ratio"] = round(figures["large_p50_ms"] / figures["small_p50_ms"], 2)
    print(f"{name}: {json.dumps(figures)}", file=sys.stderr)
    return figures


class _Client:
    """One connection, kept open."""

    def __init__(self, server: Server) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
        self._headers = {"Authorization": f"Bearer {server.key}"}

    def get(self, path: str) -> float:
        """Seconds until the whole answer is there."""
        began = time.perf_counter()
        self._connection.request("GET", f"/api/v1{path}", headers=self._headers)
        response = self._connection.getresponse()
        body = response.read()
        taken = time.perf_counter() - began
        if response.status != 200:
            raise RuntimeError(f"GET {path}: {response.status} {body[:500]!r}")
        return taken
