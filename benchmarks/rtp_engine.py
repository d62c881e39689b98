"""The process that `rtp` measures: sessions on one media clock. Prints its ports, then what it measured, as JSON."""

import argparse
import asyncio
import gc
import json
import time
from statistics import median

import uvloop

from dialtone.media.clock import MediaClock
from dialtone.media.rtp.parameters import RtpParameters, SrtpKeys
from dialtone.media.rtp.ports import PortPool
from dialtone.media.rtp.session import RtpSession
from dialtone.media.rtp.srtp import SUITES, SrtpKey

HOST = "127.0.0.1"
PORTS = (20000, 30000)
PIECE_SECONDS = 0.1


class Caller:
    """Hears a call and says as much, or nothing."""

    def __init__(self, session: RtpSession, sends: bool) -> None:
        self._session, self._sends = session, sends

    def on_audio(self, frame: bytes) -> None:
        if self._sends:
            self._session.send_audio(frame)

    def on_dtmf(self, digit: str) -> None:
        pass

    def on_media_timeout(self) -> None:
        pass

    def on_failed(self, error: Exception) -> None:
        raise error


async def measure(options: argparse.Namespace) -> None:
    clock, pool = MediaClock(), PortPool(*PORTS)
    srtp = SrtpKeys(*(SrtpKey.from_inline(SUITES[0], key) for key in options.key)) if options.key else None
    sessions = []
    ports = []
    for _ in range(options.calls):
        bound = pool.bind(HOST)
        ports.append(bound.port)
        parameters = RtpParameters(
            (HOST, 9),
            options.codec,
            options.payload_type,
            {options.payload_type: options.codec},
            received_event=101,
            sent_event=101,
            srtp=srtp,
            sends=options.sends,
        )
        sessions.append(RtpSession(bound, clock, parameters))
    gc.collect()
    gc.freeze()
    for session in sessions:
        session.start(Caller(session, options.sends))
    print(json.dumps(ports), flush=True)
    await asyncio.sleep(options.warm_up)
    clock.lateness.reset()
    microseconds = []
    for _ in range(round(options.seconds / PIECE_SECONDS)):
        spent, ticks = time.process_time(), clock.lateness.count
        await asyncio.sleep(PIECE_SECONDS)
        microseconds.append((time.process_time() - spent) * 1e6 / max(1, clock.lateness.count - ticks))
    statistics = [session.statistics for session in sessions]
    figures = {
        "us": median(microseconds),
        "us_best": min(microseconds),
        "frames_left_out": clock.lateness.skipped,
        "tick_late_p99_ms": clock.lateness.percentile(0.99) * 1000,
        "packets_lost": sum(one.packets_lost + one.packets_late for one in statistics),
        "packets_received": sum(one.packets_received for one in statistics),
    }
    print(json.dumps(figures), flush=True)
    for session in sessions:
        session.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, required=True)
    parser.add_argument("--seconds", type=int, required=True)
    parser.add_argument("--warm-up", type=float, required=True)
    parser.add_argument("--codec", required=True)
    parser.add_argument("--payload-type", type=int, required=True)
    parser.add_argument("--sends", action="store_true")
    parser.add_argument("--key", action="append", default=[])
    uvloop.run(measure(parser.parse_args()))
