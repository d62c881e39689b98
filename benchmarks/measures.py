"""What is read off a run: answer latency, frame lateness and barge-in, from the times of frames alone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.script import FRAME_SECONDS, NOMINAL_LATENCY_SECONDS

PAUSE_SECONDS = 0.4
"""A gap this long is a pause between sentences, not a late frame: the schedule is anchored anew."""
BARGE_IN_WINDOW_SECONDS = 2.2
SETTLE_SECONDS = 2.5
"""A turn that ends this close to the end of the window is not counted."""
ECHO_SECONDS = 0.05
"""Frames sent this soon after the end of speech cannot be an answer to it."""

Times = NDArray[np.float64]


@dataclass(slots=True)
class CallTimes:
    """Monotonic times in seconds that belong to one call."""

    turns_started: list[tuple[float, bool]] = field(default_factory=list)
    """When the first frame of an utterance was due, and whether it interrupts the assistant."""
    turns_ended: list[float] = field(default_factory=list)
    frames: list[float] = field(default_factory=list)
    """When each of the assistant's frames went out (peers) or arrived (Dialtone)."""


@dataclass(slots=True)
class Figures:
    """All observations of one run, in seconds."""

    turns: int = 0
    unanswered: int = 0
    latency: list[float] = field(default_factory=list)
    lateness: list[float] = field(default_factory=list)
    barge_in: list[float] = field(default_factory=list)
    frames: int = 0

    def summary(self) -> dict[str, float | int | None]:
        """The observations in milliseconds."""
        return {
            "turns": self.turns,
            "unanswered": self.unanswered,
            "latency_p50_ms": milliseconds(percentile(self.latency, 50)),
            "added_p50_ms": milliseconds(_added(self.latency, 50)),
            "added_p95_ms": milliseconds(_added(self.latency, 95)),
            "frame_late_p50_ms": milliseconds(percentile(self.lateness, 50)),
            "frame_late_p99_ms": milliseconds(percentile(self.lateness, 99)),
            "frame_late_max_ms": milliseconds(max(self.lateness, default=None)),
            "barge_in_stop_p50_ms": milliseconds(percentile(self.barge_in, 50)),
            "barge_ins": len(self.barge_in),
            "frames": self.frames,
        }


def percentile(values: Sequence[float], percent: float) -> float | None:
    return float(np.percentile(np.asarray(values), percent)) if values else None


def milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)


def _added(latency: Sequence[float], percent: float) -> float | None:
    value = percentile(latency, percent)
    return None if value is None else value - NOMINAL_LATENCY_SECONDS


def analyse(calls: Iterable[CallTimes], begin: float, end: float) -> Figures:
    """Read the figures off the turns that ended, or interrupted, between `begin` and `end`."""
    figures = Figures()
    for call in calls:
        frames = np.asarray(call.frames, np.float64)
        figures.frames += int(np.count_nonzero((frames >= begin) & (frames < end)))
        for ended in call.turns_ended:
            if begin <= ended < end - SETTLE_SECONDS:
                next_turn = min((started for started, _ in call.turns_started if started > ended), default=end)
                _add_turn(figures, frames, ended, min(next_turn, end))
        for started, interrupts in call.turns_started:
            if interrupts and begin <= started < end - SETTLE_SECONDS:
                playing = frames[(frames > started) & (frames < started + BARGE_IN_WINDOW_SECONDS)]
                if len(playing):
                    figures.barge_in.append(float(playing[-1]) - started)
    return figures


def _add_turn(figures: Figures, frames: Times, ended: float, limit: float) -> None:
    figures.turns += 1
    answer = frames[(frames > ended + ECHO_SECONDS) & (frames < limit)]
    if not len(answer):
        figures.unanswered += 1
        return
    figures.latency.append(float(answer[0]) - ended)
    pauses = np.flatnonzero(np.diff(answer) > PAUSE_SECONDS) + 1
    for stretch in np.split(answer, pauses):
        schedule = stretch[0] + np.arange(1, len(stretch)) * FRAME_SECONDS
        figures.lateness.extend((stretch[1:] - schedule).tolist())
