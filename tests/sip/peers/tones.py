"""Tones that real programs say to each other, and whether they came through."""

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dialtone.media.audio import AudioFormat
from dialtone.media.convert import encode

OURS, THEIRS, CAROLS = 620.0, 1100.0, 1500.0
"""Hz; none is a harmonic of another, nor a part of a key's tone."""
AMPLITUDE = 8000
WINDOW_SECONDS = 0.1
CLEAR = 0.5
"""Share of a window's energy that the tone must have to be the one that is heard."""
LOUD = 500.0
WAVE_HEADER_BYTES = 44

Samples = NDArray[np.int16]


def tone(hertz: float, seconds: float, rate: int) -> Samples:
    time = np.arange(int(seconds * rate)) / rate
    return (AMPLITUDE * np.sin(2 * np.pi * hertz * time)).astype(np.int16)


def second_of(hertz: float, audio: AudioFormat) -> bytes:
    """A second of the tone, which repeats without a jump: `hertz` is a whole number."""
    return encode(tone(hertz, 1.0, audio.sample_rate), audio)


def write_tone(path: Path, hertz: float, seconds: float, rate: int, channels: int = 1) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.repeat(tone(hertz, seconds, rate), channels).astype("<i2").tobytes())


def read_wave(path: Path) -> tuple[Samples, int]:
    """The left channel and its rate, of a file that is still being written: some write the header only at the end."""
    data = path.read_bytes()
    head = data[:WAVE_HEADER_BYTES]
    channels, rate = (int.from_bytes(head[22:24], "little"), int.from_bytes(head[24:28], "little"))
    if not rate:
        channels, rate = 1, 8000
    begin = data.index(b"data") + 8 if b"data" in head else WAVE_HEADER_BYTES
    samples = np.frombuffer(data[begin : begin + (len(data) - begin) // (2 * channels) * 2 * channels], "<i2")
    return samples[::channels], rate


def seconds_of(hertz: float, samples: Samples, rate: int) -> float:
    """How long the tone is heard, and nothing as loud beside it (Goertzel's measure, window by window)."""
    size = int(WINDOW_SECONDS * rate)
    windows = samples[: len(samples) // size * size].reshape(-1, size).astype(np.float64)
    energy = (windows**2).sum(axis=1)
    part = np.abs(windows @ np.exp(-2j * np.pi * hertz * np.arange(size) / rate)) ** 2 * 2 / size
    return float(((part > CLEAR * energy) & (energy > LOUD**2 * size / 2)).sum()) * WINDOW_SECONDS
