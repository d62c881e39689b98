"""The load generator of `sip`: telephone calls with a Dialtone server, measured from the far end.

Run as a process of its own; prints one JSON object.
"""

import argparse
import asyncio
import gc
import json
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import uvloop

from benchmarks import processes
from benchmarks.caller import Caller, Schedule
from benchmarks.callers import (
    GENERATOR_LATE_MS,
    REHEARSAL_LEAD_FRAMES,
    SETTLE_SECONDS,
    SETUP_GAP_SECONDS,
    script_frames,
)
from benchmarks.measures import SETTLE_SECONDS as SETTLED
from benchmarks.measures import analyse, milliseconds, percentile
from benchmarks.script import FRAME_SECONDS, SAMPLE_RATE, caller_script
from benchmarks.sip_trunk import Address, Audio, Call, Packets, Trunk

HOST = "127.0.0.1"
ANSWER_SECONDS = 20.0
"""More than all sendings of an INVITE take."""
GOODBYE_SECONDS = 10.0
SHORT_CALL_SECONDS = 0.2
"""How long a call of the set-up's measurement is held: what calls cost that go on is measured by `hold`."""
FLOOD_TICK_SECONDS = 0.005


class TelephoneError(Exception):
    """The server did not take a call; `str()` says why."""


class Telephone:
    """One caller: SIP, RTP, and who speaks."""

    def __init__(self, trunk: Trunk, caller: Caller) -> None:
        self.caller = caller
        self._trunk = trunk
        self.audio = Audio(HOST, caller.times.frames.append)
        self.call = trunk.call(self.audio.port)

    async def dial(self) -> None:
        """Call, and return once the call is answered. Raises `TelephoneError`."""
        self.call.invite()
        try:
            await asyncio.wait_for(self.call.settled.wait(), ANSWER_SECONDS)
        except TimeoutError:
            raise TelephoneError("no answer") from None
        if self.call.status != 200:
            raise TelephoneError(f"refused with {self.call.status}")

    def speak(self, schedule: Schedule) -> None:
        assert self.call.media is not None
        media: Address = self.call.media
        self.caller.start(lambda frame: self.audio.send(frame, media), schedule)

    async def hang_up(self) -> None:
        self.caller.stop()
        if self.call.status == 200:
            self.call.hang_up()
            await asyncio.wait_for(self.call.over.wait(), GOODBYE_SECONDS)
        self.close()

    def close(self) -> None:
        self._trunk.forget(self.call)
        self.audio.close()


@dataclass(slots=True)
class Heard:
    """What the far ends got by RTP within a window: of each packet how late it left, and how many never came."""

    late: list[float]
    missing: int
    expected: int

    def summary(self) -> dict[str, Any]:
        return {
            "frame_late_p50_ms": milliseconds(percentile(self.late, 50)),
            "frame_late_p99_ms": milliseconds(percentile(self.late, 99)),
            "frame_late_max_ms": milliseconds(max(self.late, default=None)),
            "frames_missing": self.missing,
            "frames_missing_percent": round(100 * self.missing / max(1, self.expected), 3),
        }


def heard(calls: list[Packets], begin: float, end: float) -> Heard:
    """Lateness is against a schedule of the packets' own timestamps, anchored at the most punctual packet of each call,
    so that nothing that holds a whole call back goes unseen.
    """
    late: list[float] = []
    missing = expected = 0
    for packets in calls:
        arrivals = np.asarray(packets.arrivals)
        timestamps = np.unwrap(np.asarray(packets.timestamps, np.float64), period=2**32)
        within = (arrivals >= begin) & (arrivals < end)
        offsets = arrivals[within] - timestamps[within] / SAMPLE_RATE
        frames = int((end - begin) / FRAME_SECONDS)
        expected += frames
        missing += max(0, frames - 1 - len(offsets))  # one, for where the window cuts
        late.extend((offsets - offsets.min()).tolist() if len(offsets) else [])
    return Heard(late, missing, expected)


async def rehearse(trunk: Trunk, schedule: Schedule, frames: list[bytes], seconds: float) -> None:
    """Hold one call through one turn, so that the server has loaded all that a call needs."""
    first_frame = caller_script().turns[0].end - REHEARSAL_LEAD_FRAMES
    phone = Telephone(trunk, Caller(0, frames, first_frame))
    await phone.dial()
    phone.speak(schedule)
    await asyncio.sleep(seconds)
    if not phone.caller.times.frames:
        raise TelephoneError("the assistant did not answer the rehearsal's caller")
    await phone.hang_up()
    await asyncio.sleep(SETTLE_SECONDS)


async def dial_all(trunk: Trunk, schedule: Schedule, frames: list[bytes], count: int) -> list[Telephone]:
    phones = []
    for index in range(count):
        phone = Telephone(trunk, Caller(index, frames))
        await phone.dial()
        phone.speak(schedule)
        phones.append(phone)
        await asyncio.sleep(SETUP_GAP_SECONDS)
    return phones


@dataclass(frozen=True, slots=True)
class Observed:
    """One window: what the server and this process used, and what the callers got."""

    begin: float
    end: float
    cpu: float
    shares: dict[str, float]
    generator_cpu: float

    @classmethod
    async def during(cls, seconds: float, options: argparse.Namespace) -> "Observed":
        begin, reading = time.monotonic(), processes.CpuReading.take(options.server_pid, options.server_core)
        own = time.process_time()
        await asyncio.sleep(seconds)
        end, later = time.monotonic(), processes.CpuReading.take(options.server_pid, options.server_core)
        own = time.process_time() - own
        return cls(begin, end, later.process - reading.process, later.since(reading, end - begin), own)

    def figures(self, phones: list[Telephone], sent_before: list[int]) -> dict[str, Any]:
        seconds = self.end - self.begin
        late = [
            value for phone, skip in zip(phones, sent_before, strict=True) for value in phone.caller.lateness[skip:]
        ]
        generator_late = milliseconds(percentile(late, 99))
        for phone in phones:
            phone.audio.take()
        packets = [phone.audio.packets for phone in phones]
        silent = [one for one in packets if not any(self.begin <= at < self.end for at in one.arrivals)]
        asked = [phone for phone in phones if any(at < self.end - SETTLED for at in phone.caller.times.turns_ended)]
        unanswered = [phone for phone in asked if not phone.caller.times.frames]
        return {
            "calls": len(phones),
            **heard(packets, self.begin, self.end).summary(),
            "calls_without_media": max(len(silent), len(unanswered)),
            "cpu_ms_per_call_s": round(1000 * self.cpu / seconds / len(phones), 2),
            **self.shares,
            "generator_late_p99_ms": generator_late,
            "generator_core_percent": round(100 * self.generator_cpu / seconds, 1),
            "generator_is_bottleneck": generator_late is None or generator_late > GENERATOR_LATE_MS,
            "lost_calls": sum(phone.call.over.is_set() for phone in phones),
        }


def sent(phones: list[Telephone]) -> list[int]:
    return [len(phone.caller.lateness) for phone in phones]


async def hold(trunk: Trunk, options: argparse.Namespace) -> dict[str, Any]:
    """Many calls at a time, each a conversation."""
    frames, schedule = script_frames(), Schedule()
    await rehearse(trunk, schedule, frames, options.rehearsal)
    phones = await dial_all(trunk, schedule, frames, options.calls)
    await asyncio.sleep(options.warm_up)
    before = sent(phones)
    observed = await Observed.during(options.seconds, options)
    figures = observed.figures(phones, before)
    talk = analyse((phone.caller.times for phone in phones), observed.begin, observed.end).summary()
    await asyncio.gather(*(phone.hang_up() for phone in phones))
    told = ("turns", "unanswered", "latency_p50_ms", "added_p50_ms", "added_p95_ms", "barge_in_stop_p50_ms")
    return figures | {key: talk[key] for key in told}


async def set_up(trunk: Trunk, options: argparse.Namespace) -> dict[str, Any]:
    """`options.rate` new calls a second, whatever the answers do; each is hung up soon after its first audio."""
    frames, schedule = script_frames(), Schedule()
    loop = asyncio.get_running_loop()
    outcomes: Counter[str] = Counter()
    calls: list[Call] = []
    without_media = 0

    async def one(index: int) -> None:
        nonlocal without_media
        phone = Telephone(trunk, Caller(index, frames))
        calls.append(phone.call)
        try:
            await phone.dial()
            phone.speak(schedule)
            await asyncio.sleep(SHORT_CALL_SECONDS)
            phone.audio.take()
            without_media += not phone.audio.packets.arrivals
            await phone.hang_up()
            outcomes["answered"] += 1
        except (TelephoneError, TimeoutError) as problem:
            outcomes[str(problem) or "no answer to BYE"] += 1
            phone.caller.stop()
            phone.close()

    begin = loop.time()
    reading = processes.CpuReading.take(options.server_pid, options.server_core)
    work = []
    for index in range(int(options.rate * options.seconds)):
        await asyncio.sleep(begin + index / options.rate - loop.time())
        work.append(loop.create_task(one(index)))
    seconds = loop.time() - begin
    later = processes.CpuReading.take(options.server_pid, options.server_core)
    await asyncio.gather(*work)
    took = [call.answered_at - call.invited_at for call in calls if call.answered_at is not None and call.status == 200]
    return {
        "calls": len(calls),
        "calls_per_s": options.rate,
        "answer_p50_ms": milliseconds(percentile(took, 50)),
        "answer_p99_ms": milliseconds(percentile(took, 99)),
        "answer_max_ms": milliseconds(max(took, default=None)),
        "failures": {words: count for words, count in outcomes.items() if words != "answered"},
        "calls_without_media": without_media,
        "cpu_ms_per_call": round(1000 * (later.process - reading.process) / len(calls), 2),
        **later.since(reading, seconds),
    }


async def flood(trunk: Trunk, options: argparse.Namespace) -> dict[str, Any]:
    """Live calls alone, then while `options.rate` INVITEs a second come from a stranger, then from a trunk that may
    have no more calls.
    """
    frames, schedule = script_frames(), Schedule()
    phones = await dial_all(trunk, schedule, frames, options.calls)
    await asyncio.sleep(options.warm_up)
    result: dict[str, Any] = {}
    for who, host, number in (
        ("quiet", None, ""),
        ("stranger", options.stranger, options.number),
        ("trunk_beyond_its_cap", options.capped, options.capped_number),
    ):
        flooding = None
        if host is not None:
            flooding = asyncio.create_task(_flood(host, trunk.server, number, options.rate))
        before = sent(phones)
        observed = await Observed.during(options.seconds, options)
        result[who] = observed.figures(phones, before)
        if flooding is not None:
            flooding.cancel()
            answers: Counter[str] = Counter()
            answers.update(await flooding)
            result[who] |= {"invites": answers.pop("invites"), "answers": dict(answers)}
    await asyncio.gather(*(phone.hang_up() for phone in phones))
    return result


async def _flood(host: str, server: Address, number: str, rate: float) -> Counter[str]:
    """Place calls without end, as fast as told. Returns when cancelled: how many, and how they were answered."""
    trunk, loop = await Trunk.open(host, server, number), asyncio.get_running_loop()
    begin = loop.time()
    calls: list[Call] = []
    try:
        while True:
            due = int((loop.time() - begin) * rate)
            while len(calls) < due:
                calls.append(trunk.call(9))
                calls[-1].invite(times=1)
            await asyncio.sleep(FLOOD_TICK_SECONDS)
    except asyncio.CancelledError:
        pass
    trunk.close()
    return Counter({"invites": len(calls)}) + Counter(str(call.status or "none") for call in calls)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("hold", "set_up", "flood"))
    parser.add_argument("--port", type=int, required=True, help="where the server takes SIP over UDP")
    parser.add_argument("--number", required=True)
    parser.add_argument("--calls", type=int, default=0)
    parser.add_argument("--rate", type=float, default=0.0, help="new calls a second")
    parser.add_argument("--rehearsal", type=float, default=0.0, help="seconds")
    parser.add_argument("--warm-up", type=float, default=0.0, help="seconds")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--stranger", help="address of nobody's trunk")
    parser.add_argument("--capped", help="address of a trunk that may have no more calls")
    parser.add_argument("--capped-number")
    parser.add_argument("--server-pid", type=int, required=True)
    parser.add_argument("--server-core", type=int, required=True)
    options = parser.parse_args()
    gc.freeze()
    gc.disable()
    trunk = await Trunk.open(HOST, (HOST, options.port), options.number)
    measure = {"hold": hold, "set_up": set_up, "flood": flood}[options.what]
    try:
        print(json.dumps(await measure(trunk, options)), flush=True)
    except (TelephoneError, TimeoutError) as problem:
        raise SystemExit(f"callers: {problem or 'no answer'}") from None


if __name__ == "__main__":
    uvloop.install()
    asyncio.run(main())
