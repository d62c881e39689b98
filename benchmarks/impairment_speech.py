"""Speaks sentences with espeak-ng (see `synthesis`): `python -m benchmarks.impairment_speech FILE SENTENCE...`."""

import sys

import numpy as np

from benchmarks.synthesis import CALLER_VOICE, Espeak

if __name__ == "__main__":
    target, *sentences = sys.argv[1:]
    espeak = Espeak()
    np.savez(
        target, allow_pickle=False, **{str(at): espeak.speak(CALLER_VOICE, one) for at, one in enumerate(sentences)}
    )
