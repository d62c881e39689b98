"""A caller's words from a WAV file, as frames for the line."""

import wave
from pathlib import Path

import numpy as np

from dialtone.media.audio import AudioFormat
from dialtone.media.convert import encode
from dialtone.media.resample import Resampler


class SpeechFileError(Exception):
    """The file can't be used. `str()` says why."""


def read_frames(path: Path, audio: AudioFormat) -> list[bytes]:
    """The file's speech as 20 ms frames of `audio`; a stereo file is mixed, another rate converted.

    Raises `SpeechFileError`.
    """
    try:
        with wave.open(str(path), "rb") as file:
            channels, width, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
            data = file.readframes(file.getnframes())
    except FileNotFoundError:
        raise SpeechFileError(f"{path}: no such file") from None
    except OSError as problem:
        raise SpeechFileError(f"{path}: {problem.strerror}") from problem
    except (wave.Error, EOFError) as problem:
        raise SpeechFileError(f"{path}: not a PCM WAV file ({problem or 'it ends too early'})") from problem
    if width != 2:
        raise SpeechFileError(f"{path}: must have 16-bit samples (got {8 * width}-bit)")
    if not 4000 <= rate <= 192_000:
        raise SpeechFileError(f"{path}: sample rate must be between 4000 and 192000 Hz (got {rate})")
    samples = np.frombuffer(data[: len(data) // (2 * channels) * 2 * channels], dtype="<i2")
    if channels > 1:
        samples = samples.reshape(-1, channels).mean(axis=1).astype(np.int16)
    if rate != audio.sample_rate:
        resampler = Resampler(rate, audio.sample_rate)
        samples = np.concatenate([resampler.process(samples.astype(np.int16)), resampler.flush()])
    return _frames(encode(samples, audio), audio)


def silence_frame(audio: AudioFormat) -> bytes:
    """20 ms of silence."""
    return encode(np.zeros(audio.sample_rate // 50, dtype=np.int16), audio)


def _frames(speech: bytes, audio: AudioFormat) -> list[bytes]:
    size = audio.frame_bytes
    frames = [speech[start : start + size] for start in range(0, len(speech), size)]
    if frames and len(frames[-1]) < size:
        frames[-1] += silence_frame(audio)[len(frames[-1]) :]
    return frames
