"""What real RTP costs: calls on UDP sockets, paced by the media clock, without a conversation.

The engine's process has one core, the far ends of all calls another. CPU time is that of the engine's process, kernel
included; on the loopback interface a packet sent also carries the work of its arrival at the other socket.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.dialtone_server import on_core, stop
from benchmarks.processes import cores
from dialtone.media.audio import MULAW_8K
from dialtone.media.convert import Converter
from dialtone.media.rtp.codecs import create
from dialtone.media.rtp.datagram_socket import DatagramSocket
from dialtone.media.rtp.packet import build, parse
from dialtone.media.rtp.ports import PortPool
from dialtone.media.rtp.srtp import Srtp, SrtpKey, is_available

_ROOT = Path(__file__).resolve().parent.parent
SPEECH = _ROOT / "tests" / "media" / "speech_8k.ulaw"
HOST = "127.0.0.1"
CALLS, SECONDS, RUNS = 200, 8, 3
QUICK_CALLS, QUICK_SECONDS, QUICK_RUNS = 50, 2, 1
WARM_UP_SECONDS = 2.0
PAYLOAD_TYPES = {"PCMU": 0, "PCMA": 8, "G722": 9, "opus": 111}
SLOTS = 4
"""Calls are spread over four slots of 5 ms each."""
SLOT_SECONDS = 0.020 / SLOTS
FAR_PORTS = (40000, 48000)


def run(quick: bool) -> dict[str, Any]:
    """Packets in alone, and both ways, plain and by SRTP. Raises `RuntimeError` where the engine fails."""
    calls, seconds, runs = (QUICK_CALLS, QUICK_SECONDS, QUICK_RUNS) if quick else (CALLS, SECONDS, RUNS)
    idle = _together(calls, seconds, runs, sends=False, talking=False)
    result: dict[str, Any] = {"calls": calls, "codec": "PCMU", "runs": runs, "idle_us_per_tick": idle["us"]}
    for name in ["plain", "srtp"] if is_available() else ["plain"]:
        only_in = _together(calls, seconds, runs, sends=False, encrypted=name == "srtp")
        both = _together(calls, seconds, runs, sends=True, encrypted=name == "srtp")
        result[name] = {
            "in_us_per_packet": only_in["us"],
            "out_us_per_packet": round(both["us"] - only_in["us"], 2),
            "cpu_ms_per_call_s": round(both["us"] * 50 / 1000, 3),
            "in_us_best": only_in["us_best"],
            "both_us_best": both["us_best"],
            "frame_late_p99_ms": both["frame_late_p99_ms"],
            "tick_late_p99_ms": both["tick_late_p99_ms"],
            "packets_lost": both["packets_lost"],
            "frames_left_out": both["frames_left_out"],
        }
        print(f"{name}: {result[name]}", file=sys.stderr, flush=True)
    return result


def codec(name: str, calls: int, seconds: int, runs: int) -> dict[str, float]:
    """What a call with this codec costs, both ways, without a conversation."""
    measured = _together(calls, seconds, runs, sends=True, codec_name=name)
    figures = {"cpu_ms_per_call_s": round(measured["us"] * 50 / 1000, 3), "packets_lost": measured["packets_lost"]}
    print(f"RTP with {name}: {figures}", file=sys.stderr, flush=True)
    return figures


def _together(calls: int, seconds: int, runs: int, **mode: Any) -> dict[str, float]:
    """Medians of the runs; `us_best` is of the best tenth of a second, which says more where a machine is not quiet."""
    measured = [_measure(calls, seconds, **mode) for _ in range(runs)]
    figures = {key: round(median(one[key] for one in measured), 2) for key in measured[0]}
    return figures | {"us_best": round(min(one["us_best"] for one in measured), 2)}


def _measure(
    calls: int,
    seconds: int,
    *,
    sends: bool,
    encrypted: bool = False,
    talking: bool = True,
    codec_name: str = "PCMU",
) -> dict[str, float]:
    keys = [SrtpKey.generate(), SrtpKey.generate()] if encrypted else []
    command = [sys.executable, "-m", "benchmarks.rtp_engine", f"--calls={calls}", f"--seconds={seconds}"]
    command += [f"--codec={codec_name}", f"--payload-type={PAYLOAD_TYPES[codec_name]}"]
    command += [f"--warm-up={WARM_UP_SECONDS}", *(["--sends"] if sends else [])]
    command += [f"--key={key.inline}" for key in keys]
    process = subprocess.Popen(
        command, cwd=_ROOT, stdout=subprocess.PIPE, text=True, preexec_fn=on_core(cores()[0])
    )  # fmt: skip
    try:
        assert process.stdout is not None
        ports = json.loads(process.stdout.readline() or "[]")
        if len(ports) != calls:
            raise RuntimeError("the engine did not start")
        far_ends = FarEnds(ports, keys, codec_name)
        far_ends.run(WARM_UP_SECONDS + seconds + 0.5, talking=talking)
        figures: dict[str, float] = json.loads(process.stdout.readline())
        return figures | {"frame_late_p99_ms": far_ends.late_p99_ms()}
    finally:
        stop(process)


def speech(codec_name: str) -> list[bytes]:
    """Payloads of 20 ms."""
    coder = create(codec_name)
    audio = Converter(MULAW_8K, coder.audio).process(SPEECH.read_bytes())
    size = coder.audio.frame_bytes
    return [coder.encode(audio[at : at + size]) for at in range(0, len(audio) - size, size)]


class FarEnds:
    """The telephones: each sends speech, and notes when what comes back arrives."""

    def __init__(self, ports: list[int], keys: list[SrtpKey], codec_name: str) -> None:
        pool = PortPool(*FAR_PORTS)
        self._pairs = [pool.bind(HOST) for _ in ports]
        self._sockets: list[DatagramSocket] = [pair.rtp for pair in self._pairs]  # type: ignore[misc]
        self._ports = ports
        self._srtp = [Srtp(keys[1], keys[0]) for _ in ports] if keys else None
        self._arrivals: list[list[tuple[int, float]]] = [[] for _ in ports]
        self._payload_type = PAYLOAD_TYPES[codec_name]
        self._step = create(codec_name).clock_rate // 50
        self._payloads = speech(codec_name)

    def run(self, seconds: float, *, talking: bool) -> None:
        begin = time.monotonic()
        for slot in range(int(seconds / SLOT_SECONDS)):
            time.sleep(max(0.0, begin + slot * SLOT_SECONDS - time.monotonic()))
            number = slot // SLOTS
            for index in range(slot % SLOTS, len(self._ports), SLOTS):
                self._note(index)
                if talking:
                    self._send(index, number)
        for pair in self._pairs:
            pair.close()

    def _send(self, index: int, number: int) -> None:
        payload = self._payloads[(number + index) % len(self._payloads)]
        packet = build(self._payload_type, number & 0xFFFF, number * self._step, index + 1, payload)
        if self._srtp is not None:
            packet = self._srtp[index].protect(packet)
        self._sockets[index].send(packet, (HOST, self._ports[index]))

    def _note(self, index: int) -> None:
        now = time.monotonic()
        while arrived := self._sockets[index].receive(now):
            if packet := parse(arrived[0]):  # the header of SRTP is in the clear
                self._arrivals[index].append((packet.sequence, arrived[2]))

    def late_p99_ms(self) -> float:
        """How late packets are against a schedule of 20 ms anchored at the most punctual one of their call."""
        late: list[float] = []
        for arrivals in self._arrivals:
            times = np.array([at for _, at in arrivals[50:]])
            numbers = np.unwrap(np.array([sequence for sequence, _ in arrivals[50:]], float), period=65536)
            offsets = times - numbers * 0.020
            late.extend(offsets - offsets.min() if offsets.size else [])
        return round(float(np.percentile(late, 99)) * 1000, 2) if late else 0.0
