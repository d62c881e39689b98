"""Speaks the benchmark's sentences with espeak-ng into one file of 8 kHz samples.

Run as a program of its own (`python -m benchmarks.synthesis FILE`): espeak-ng is GPL-3 and is loaded into no other
process of the benchmark.
"""

import ctypes
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 8000
WORDS_PER_MINUTE = 150
SILENCE_AMPLITUDE = 164
"""Below 0.5 % of full scale the ends of a recording are cut off."""

CALLER_VOICE = "en-us"
ASSISTANT_VOICE = "en-us+f3"
SENTENCES = {
    "booking": (CALLER_VOICE, "Hello, I would like to book an appointment with the dentist for next Tuesday please."),
    "details": (CALLER_VOICE, "Yes, three in the afternoon works for me, and my name is Alice Johnson."),
    "correction": (CALLER_VOICE, "Wait, sorry, can you make it four in the afternoon instead?"),
    "assistant": (
        ASSISTANT_VOICE,
        "Sure, I can help you with that. Your appointment is booked, and you will get a text message soon. "
        "Is there anything else that I can do for you today?",
    ),
}

# espeak-ng's speak_lib.h
_OUTPUT_SYNCHRONOUS = 2
_PARAMETER_RATE = 1
_POSITION_IS_CHARACTER = 1
_CHARACTERS_UTF8 = 1
_SYNTH_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)

Samples = NDArray[np.int16]


class Espeak:
    """The espeak-ng library of the `espeakng-loader` wheel. Raises `OSError` if it does not start."""

    def __init__(self) -> None:
        import espeakng_loader

        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data_path = espeakng_loader.get_data_path().encode()
        self._sample_rate = self._library.espeak_Initialize(_OUTPUT_SYNCHRONOUS, 0, data_path, 0)
        if self._sample_rate <= 0:
            raise OSError("espeak-ng did not start")
        self._pieces: list[bytes] = []
        self._callback = _SYNTH_CALLBACK(self._collect)
        self._library.espeak_SetSynthCallback(self._callback)
        self._library.espeak_SetParameter(_PARAMETER_RATE, WORDS_PER_MINUTE, 0)

    def _collect(self, samples: "ctypes._Pointer[ctypes.c_short]", count: int, _events: int | None) -> int:
        if count > 0:
            self._pieces.append(ctypes.string_at(samples, count * 2))
        return 0

    def speak(self, voice: str, text: str) -> Samples:
        """`text` as 8 kHz samples, without silence at either end, 6 dB quieter than synthesised."""
        self._pieces.clear()
        self._library.espeak_SetVoiceByName(voice.encode())
        data = text.encode()
        self._library.espeak_Synth(data, len(data) + 1, 0, _POSITION_IS_CHARACTER, 0, _CHARACTERS_UTF8, None, None)
        self._library.espeak_Synchronize()
        samples = _resample(np.frombuffer(b"".join(self._pieces), np.int16), self._sample_rate)
        loud = np.flatnonzero(np.abs(samples) > SILENCE_AMPLITUDE)
        return np.clip(samples[loud[0] : loud[-1] + 1] * 0.5, -32768, 32767).astype(np.int16)


def _resample(samples: Samples, rate: int) -> NDArray[np.float64]:
    spectrum = np.fft.rfft(samples.astype(np.float64))
    count = len(samples) * SAMPLE_RATE // rate
    return np.fft.irfft(spectrum[: count // 2 + 1], count) * (count / len(samples))


def main() -> None:
    target = Path(sys.argv[1])
    espeak = Espeak()
    spoken = {name: espeak.speak(voice, text) for name, (voice, text) in SENTENCES.items()}
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial.npz")
    np.savez(partial, allow_pickle=False, **spoken)
    partial.replace(target)


if __name__ == "__main__":
    main()
