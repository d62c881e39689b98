"""The load generator of the API benchmark: HTTP/1.1 over connections that stay open, cheap enough to be no bottleneck.

Run as a process of its own, with a plan as JSON on standard input; prints one JSON object.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import uvloop

from benchmarks import processes
from benchmarks.measures import milliseconds, percentile

MAX_CONNECTIONS = 200
"""Of the open loop; further requests wait, and their waiting counts."""
ANSWER_SECONDS = 10.0
"""How long the last answers are waited for."""
MAX_SECONDS = 120.0
"""For a plan that ends with its last request."""
FIELD_PLACE = b"@@NUMBER@@"
"""Where a body shall differ from request to request; replaced by a number of as many digits."""

STREAMED = -1
LAST_CHUNK = b"\r\n0\r\n\r\n"
_CONTENT_LENGTH = b"content-length:"


@dataclass(frozen=True, slots=True)
class Plan:
    """One measurement."""

    host: str
    port: int
    requests: list[bytes]
    """Sent in turn."""
    seconds: float = 0.0
    """How long to send; 0 = each request once."""
    connections: int = 16
    """Of the closed loop: each sends its next request when it has the answer to the last one."""
    rate: float = 0.0
    """Requests a second of the open loop, whatever the answers do; 0 = closed loop."""
    server_pid: int = 0
    server_core: int = 0


def request(method: str, path: str, key: str, body: bytes = b"") -> bytes:
    """A whole HTTP request."""
    head = f"{method} {path} HTTP/1.1\r\nHost: benchmark\r\nAuthorization: Bearer {key}\r\nAccept: */*\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


@dataclass(slots=True)
class Observed:
    """What came back, in seconds."""

    latencies: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    """How late requests of the open loop were sent although a connection was free: the generator's own fault."""
    statuses: Counter[int] = field(default_factory=Counter)
    received_bytes: int = 0


class Connection(asyncio.Protocol):
    """Sends one request at a time. `done` is called with the connection when its answer is complete."""

    def __init__(self, observed: Observed, done: Callable[["Connection"], None]) -> None:
        self._observed = observed
        self._done = done
        self._transport: asyncio.Transport | None = None
        self._began = 0.0
        self._received = bytearray()
        self._expected = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one without inheriting from it

    def send(self, data: bytes, began: float) -> None:
        """`began` is the monotonic time from which the answer's latency counts."""
        assert self._transport is not None
        self._began = began
        self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._is_complete():
            return
        observed = self._observed
        observed.latencies.append(time.monotonic() - self._began)
        observed.statuses[int(self._received[9:12])] += 1
        observed.received_bytes += len(self._received)
        self._received.clear()
        self._expected = 0
        self._done(self)

    def _is_complete(self) -> bool:
        if not self._expected:
            head = self._received.find(b"\r\n\r\n")
            if head < 0:
                return False
            length = _content_length(bytes(self._received[:head]).lower())
            self._expected = STREAMED if length is None else head + 4 + length
        if self._expected == STREAMED:
            return self._received.endswith(LAST_CHUNK)
        return len(self._received) >= self._expected

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._observed.statuses[0] += 1

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def _content_length(head: bytes) -> int | None:
    """None for an answer sent in chunks (RFC 9112 section 7.1)."""
    at = head.find(_CONTENT_LENGTH)
    if at < 0:
        return None
    return int(head[at + len(_CONTENT_LENGTH) :].split(b"\r\n", 1)[0])


class Requests:
    """The plan's requests in turn, each with a number of its own where it has a place for one."""

    def __init__(self, requests: Sequence[bytes]) -> None:
        self._requests = requests
        self.sent = 0

    def next(self) -> bytes:
        data = self._requests[self.sent % len(self._requests)]
        self.sent += 1
        return data.replace(FIELD_PLACE, b"%010d" % self.sent)


async def closed_loop(plan: Plan, observed: Observed) -> float:
    """As many requests as the server answers; returns the seconds that passed."""
    loop = asyncio.get_running_loop()
    requests = Requests(plan.requests)
    finished = asyncio.Event()
    busy = plan.connections
    begin = time.monotonic()
    end = begin + plan.seconds if plan.seconds else float("inf")
    wanted = float("inf") if plan.seconds else len(plan.requests)

    def go_on(connection: Connection) -> None:
        nonlocal busy
        now = time.monotonic()
        if now < end and requests.sent < wanted:
            connection.send(requests.next(), now)
            return
        busy -= 1
        if not busy:
            finished.set()

    connections = []
    for _ in range(plan.connections):
        _, connection = await loop.create_connection(lambda: Connection(observed, go_on), plan.host, plan.port)
        connections.append(connection)
    for connection in connections:
        go_on(connection)
    await asyncio.wait_for(finished.wait(), (plan.seconds or MAX_SECONDS) + ANSWER_SECONDS)
    seconds = time.monotonic() - begin
    for connection in connections:
        connection.close()
    return seconds


class OpenLoop:
    """Requests at a fixed rate. One that finds no free connection waits for one, and its waiting counts."""

    def __init__(self, plan: Plan, observed: Observed) -> None:
        self._plan = plan
        self._observed = observed
        self._requests = Requests(plan.requests)
        self._free: deque[Connection] = deque()
        self._waiting: deque[float] = deque()
        self._answered = 0
        self._due = 0
        self._total = int(plan.rate * plan.seconds)
        self._finished = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def run(self) -> float:
        """Send for the plan's seconds; returns the seconds until the last answer, as far as one waits for it."""
        # Used in turn, each at least once a second, so that the server does not close one for being idle.
        for _ in range(min(MAX_CONNECTIONS, max(1, int(self._plan.rate)))):
            _, connection = await self._loop.create_connection(
                lambda: Connection(self._observed, self._done), self._plan.host, self._plan.port
            )
            self._free.append(connection)
        connections = list(self._free)
        self._begin = time.monotonic()
        self._send_due()
        with contextlib.suppress(TimeoutError):  # an overloaded server; what is missing is counted
            await asyncio.wait_for(self._finished.wait(), self._plan.seconds + ANSWER_SECONDS)
        seconds = time.monotonic() - self._begin
        for connection in connections:
            connection.close()
        return seconds

    def _send_due(self) -> None:
        now = time.monotonic()
        while self._due < self._total and (due := self._begin + self._due / self._plan.rate) <= now:
            self._due += 1
            if self._free:
                self._observed.late.append(now - due)
                self._free.popleft().send(self._requests.next(), due)
            else:
                self._waiting.append(due)
        if self._due < self._total:
            self._loop.call_later(self._begin + self._due / self._plan.rate - now, self._send_due)

    def _done(self, connection: Connection) -> None:
        self._answered += 1
        if self._waiting:
            connection.send(self._requests.next(), self._waiting.popleft())
        else:
            self._free.append(connection)
        if self._answered == self._total:
            self._finished.set()


async def measure(plan: Plan) -> dict[str, Any]:
    """Raises `TimeoutError` where answers stay out."""
    observed = Observed()
    reading = processes.CpuReading.take(plan.server_pid, plan.server_core)
    own = time.process_time()
    seconds = await (OpenLoop(plan, observed).run() if plan.rate else closed_loop(plan, observed))
    own = time.process_time() - own
    later = processes.CpuReading.take(plan.server_pid, plan.server_core)
    answers = len(observed.latencies)
    return {
        "rps": round(answers / seconds, 1),
        "answers": answers,
        "unanswered": max(0, int(plan.rate * plan.seconds) - answers),
        "statuses": dict(observed.statuses),
        "p50_ms": milliseconds(percentile(observed.latencies, 50)),
        "p99_ms": milliseconds(percentile(observed.latencies, 99)),
        "max_ms": milliseconds(max(observed.latencies, default=None)),
        "cpu_us": round(1e6 * (later.process - reading.process) / answers, 1),
        "bytes": observed.received_bytes // answers,
        **later.since(reading, seconds),
        "generator_core_percent": round(100 * own / seconds, 1),
        "generator_late_p99_ms": milliseconds(percentile(observed.late, 99)),
    }


def main() -> None:
    given = json.load(sys.stdin)
    plan = Plan(**given | {"requests": [text.encode() for text in given["requests"]]})
    print(json.dumps(asyncio.run(measure(plan))), flush=True)


if __name__ == "__main__":
    uvloop.install()
    main()
